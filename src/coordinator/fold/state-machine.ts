/*
 * The runtime of every coordinator: decide → records → append → replay → answer.
 *
 * A decision reads the state and returns the records to append and the answer. Only replaying
 * records changes the state: the records just appended and, after a restart, all of them again.
 * Deciding, appending and replaying run without an await in between. The answer is returned when
 * the records are committed; a decision without records waits for the records it has seen.
 *
 * When an append fails to commit, the state may hold records that the log does not: the state
 * machine then refuses every later decision.
 */

import { isPartlogError, toPartlogError, type PartlogError } from '../../model/errors.js'
import type { Journal, JournalRecord } from './journal.js'

/** A state that is a fold over records. */
export interface Fold {
  replay(record: JournalRecord): void
}

export interface Decision<T> {
  readonly records: readonly JournalRecord[]
  readonly answer: T
}

/** Changes nothing. */
export const NOTHING: Decision<void> = { records: [], answer: undefined }

export class StateMachine<S extends Fold> {
  readonly #journal: Journal
  readonly #state: S
  #failure: PartlogError | undefined
  #lastCommit: Promise<void> = Promise.resolve()
  /** The journal and the state hold records that the full disk could not make durable yet. */
  #isStalled = false

  private constructor(journal: Journal, state: S) {
    this.#journal = journal
    this.#state = state
  }

  /** Replays the whole journal onto an empty state. */
  static async load<S extends Fold>(journal: Journal, empty: S): Promise<StateMachine<S>> {
    for await (const record of journal.read()) empty.replay(record)
    return new StateMachine(journal, empty)
  }

  /** The current state, with all records appended so far. Callers must not change it. */
  get state(): S {
    return this.#state
  }

  /** Runs a decision. An error of `decide` is thrown before anything has changed. */
  async run<T>(decide: (state: S) => Decision<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isStalled) await this.#settle()
    const { records, answer } = decide(this.#state)
    if (records.length > 0) {
      this.#lastCommit = this.#commit(this.#journal.append(records))
      for (const record of records) this.#state.replay(record)
    }
    await this.#lastCommit
    return answer
  }

  async #commit(appended: Promise<void>): Promise<void> {
    try {
      await appended
    } catch (error) {
      if (isPartlogError(error, 'KAFKA_STORAGE_ERROR')) {
        this.#isStalled = true
        throw error
      }
      this.#failure ??= toPartlogError(error)
      throw this.#failure
    }
  }

  /** Waits until the records appended before the disk became full are committed. */
  async #settle(): Promise<void> {
    await this.#journal.settled()
    this.#isStalled = false
    this.#lastCommit = Promise.resolve()
  }
}

/**
 * The runtime of every coordinator: decide → records → append → replay → answer.
 *
 * A decision looks at the state and says which records it wants and what it will answer. The state
 * itself is only ever changed by replaying records, the ones just appended and, after a restart,
 * all of them again. Nothing comes between deciding, appending and replaying. The answer is given
 * when the records are committed; a decision without records waits for those it has seen.
 *
 * When an append turns out not to be committed, the state may hold what the log does not: it is
 * not used any more.
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

/** Nothing is to be changed. */
export const NOTHING: Decision<void> = { records: [], answer: undefined }

export class StateMachine<S extends Fold> {
  readonly #journal: Journal
  readonly #state: S
  #failure: PartlogError | undefined
  #lastCommit: Promise<void> = Promise.resolve()
  /** Records are in the journal, and in the state, that the disk has no room to make durable. */
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

  /** The state now, with everything appended so far. Only to be looked at. */
  get state(): S {
    return this.#state
  }

  /** Takes a decision; what `decide` throws is thrown and nothing has changed. */
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

  /** What was appended before the disk ran out of room counts, once it is committed. */
  async #settle(): Promise<void> {
    await this.#journal.settled()
    this.#isStalled = false
    this.#lastCommit = Promise.resolve()
  }
}

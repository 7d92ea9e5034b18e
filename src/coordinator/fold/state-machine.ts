/*
 * The runtime of every coordinator: decide → records → append → replay → answer.
 *
 * A decision reads the state and returns the records to append and the answer. Only replaying
 * records changes the state: the records just appended and, after a restart, all of them again.
 * Deciding, appending and replaying run without an await in between. The answer is returned when
 * the records are committed; a decision without records waits for the records it has seen.
 *
 * What others are shown must not be lost: they follow the committed records, in their order, and
 * see a decision not before its answer.
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
  #onCommitted: ((record: JournalRecord) => void) | undefined
  /** Appended and, as far as is known, not committed. Empty while nothing follows. */
  readonly #uncommitted: JournalRecord[] = []
  /** How many records were appended, and how many of them are committed. */
  #appended = 0
  #committed = 0

  private constructor(journal: Journal, state: S) {
    this.#journal = journal
    this.#state = state
  }

  /** Replays the whole journal onto an empty state. */
  static async load<S extends Fold>(journal: Journal, empty: S): Promise<StateMachine<S>> {
    for await (const record of journal.read()) empty.replay(record)
    return new StateMachine(journal, empty)
  }

  /** Replays what another process has appended to the journal; nothing may be run here then. */
  async catchUp(): Promise<boolean> {
    let hasNews = false
    for await (const record of this.#journal.readOn?.() ?? []) {
      this.#state.replay(record)
      hasNews = true
    }
    return hasNews
  }

  /** The current state, with all records appended so far. Callers must not change it. */
  get state(): S {
    return this.#state
  }

  /**
   * Calls `onCommitted` for every record that is committed from now on, in their order. Asked for
   * before the first decision.
   */
  follow(onCommitted: (record: JournalRecord) => void): void {
    this.#onCommitted = onCommitted
  }

  /** Runs a decision. An error of `decide` is thrown before anything has changed. */
  async run<T>(decide: (state: S) => Decision<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isStalled) await this.#settle()
    const { records, answer } = decide(this.#state)
    if (records.length > 0) {
      this.#lastCommit = this.#commit(this.#journal.append(records), this.#noted(records))
      for (const record of records) this.#state.replay(record)
    }
    await this.#lastCommit
    return answer
  }

  /** Returns how many records are appended with these. */
  #noted(records: readonly JournalRecord[]): number {
    if (this.#onCommitted !== undefined) this.#uncommitted.push(...records)
    this.#appended += records.length
    return this.#appended
  }

  async #commit(appended: Promise<void>, end: number): Promise<void> {
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
    this.#tell(end)
  }

  /** The first `end` records are committed: with one, all before it. */
  #tell(end: number): void {
    const news = this.#uncommitted.splice(0, Math.max(end - this.#committed, 0))
    this.#committed = Math.max(this.#committed, end)
    for (const record of news) this.#onCommitted?.(record)
  }

  /** Waits until the records appended before the disk became full are committed. */
  async #settle(): Promise<void> {
    const end = this.#appended
    await this.#journal.settled()
    this.#tell(end)
    this.#isStalled = false
    this.#lastCommit = Promise.resolve()
  }
}

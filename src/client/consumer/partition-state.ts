/*
 * The state of a consumer in one of its partitions: what is known of its position, and how far the
 * application has got.
 *
 *   state        position   fetched   what happens next
 *   searching    none       no        the position is being found, or will be
 *   ready        known      yes       records are fetched and delivered
 *   inQuestion   known      no        the leader is asked whether its log agrees with what was read
 *   failed       either     no        the next read throws its error
 *   lost         none       no        after a pause the position is searched again
 *
 *   searching ── found ──▶ ready ── outside of its log ──▶ inQuestion
 *             ── cannot be found ──▶ failed           ── it stays, or another is known ──▶ ready
 *             ── the topic is gone ──▶ lost           ── there is none ──▶ searching or failed
 *   ready ── cannot be read from ──▶ failed
 *         ── the topic was recreated ──▶ searching
 *   failed ── the error was thrown ──▶ ready or lost
 *   lost ── after a pause ──▶ searching
 *
 *   from every state: moved (a seek) ──▶ ready, forgotten (revoked) ──▶ searching
 *
 *   position    next offset to take from the fetched chunks
 *   delivered   the offset after the last record delivered to the application
 *   processed   the offset after the last record that the application has processed: what
 *               auto-commit may commit
 *
 * Invariant: processed ≤ delivered ≤ position once all are known.
 * Code that holds records taken earlier compares `version`: it changes when the position is set
 * from outside, and those records must then not be delivered.
 */

import { assert } from '../../base/assert.js'
import { checkStep, type StateRow } from '../../base/states.js'
import { EpochTrail, UNKNOWN_EPOCH, type EpochEnd } from '../line/epoch-trail.js'
import type { GroupOffset } from '../line/offset-commit.js'
import type { RecordChunk } from './consumer-record.js'

export type PositionState = 'searching' | 'ready' | 'inQuestion' | 'failed' | 'lost'

export interface PositionStateRow extends StateRow<PositionState> {
  readonly position: 'none' | 'known' | 'either'
}

export const POSITION_STATES: Readonly<Record<PositionState, PositionStateRow>> = {
  searching: { follows: ['ready', 'inQuestion', 'failed', 'lost'], position: 'none' },
  ready: { follows: ['searching', 'inQuestion', 'failed', 'lost'], position: 'known' },
  inQuestion: { follows: ['ready'], position: 'known' },
  failed: { follows: ['searching', 'ready', 'inQuestion', 'lost'], position: 'either' },
  lost: { follows: ['searching', 'failed'], position: 'none' },
}

/** Tens of records; a batch is fetched as a whole anyway. A random read: 550 → 55 µs. */
const FIRST_FETCH_BYTES = 16 * 1024
const FETCH_GROWTH = 4

export class PartitionState {
  /** Fetched chunks; records are taken from the first. */
  readonly chunks: RecordChunk[] = []
  #state: PositionState = 'searching'
  #position: number | undefined
  #error: Error | undefined
  delivered: number | undefined
  processed: number | undefined
  /** The offset that the coordinator is known to have. */
  committed: number | undefined
  /** The position was moved from outside since the last commit: only then may a commit go back. */
  mayCommitBack = false
  /** `processed` at the last commit: auto-commit commits again only when it has changed. */
  processedAtCommit: number | undefined
  /** Id of the topic that the position belongs to; in a recreated topic reading starts over. */
  topicId = ''
  /** The leader epochs of the records read. */
  readonly epochs = new EpochTrail()
  /** As of the last fetch. */
  highWatermark = -1
  isPaused = false
  isFetching = false
  /** Chunks that were fetched since the position was set. */
  #fetched = 0
  /** How often records were taken since then. */
  #taken = 0
  /** A fetch has failed: the next one waits until this time. */
  notBeforeMs = 0
  failures = 0
  version = 0
  /** A loop was left with this record in hand: it is delivered again unless it is committed. */
  leftAt: number | undefined

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}

  get state(): PositionState {
    return this.#state
  }
  get position(): number | undefined {
    return this.#position
  }
  /** The error that the next read throws. */
  get error(): Error | undefined {
    return this.#error
  }

  #enter(state: PositionState): void {
    if (state !== this.#state) checkStep(POSITION_STATES, this.#state, state)
    const { position } = POSITION_STATES[state]
    const found = this.#position === undefined ? 'none' : 'known'
    assert(position === 'either' || position === found, 'its position', { state, position: found })
    this.#state = state
    if (state !== 'failed') this.#error = undefined
  }

  // ── states of the position ─────────────────────────────────────────────────────────────

  fail(error: Error): void {
    this.#enter('failed')
    this.#error = error
  }

  /** No position could be found; it was reported, or the group will find out. */
  lose(): void {
    this.#enter('lost')
  }

  /** The position is searched again. */
  search(): void {
    this.#enter('searching')
  }

  /** The position may be outside of the log: nothing is fetched until the leader has answered. */
  question(): void {
    this.#enter('inQuestion')
  }

  /** Returns the error once: then the partition is read, or its position searched, again. */
  takeError(): Error | undefined {
    const error = this.#error
    if (error !== undefined) this.#enter(this.#position === undefined ? 'lost' : 'ready')
    return error
  }

  // ── progress ───────────────────────────────────────────────────────────────────────────

  /** An offset of this partition with the fields of a commit. */
  offsetToCommit(offset: number, metadata = ''): GroupOffset {
    const { topic, partition, topicId } = this
    return { topic, partition, topicId, offset, metadata, leaderEpoch: this.epochs.before(offset) }
  }

  // ── fetching ───────────────────────────────────────────────────────────────────────────

  /**
   * The bytes to ask for, at most `most`. A reader that was just moved may want one record, so the
   * first fetch is small; each one is four times as large as the one before.
   */
  fetchBytes(most: number): number {
    return Math.min(FIRST_FETCH_BYTES * FETCH_GROWTH ** Math.min(this.#fetched, 16), most)
  }

  /** True if the reader has come back since the position was set: it is worth fetching ahead. */
  get readsOn(): boolean {
    return this.#taken > 1
  }

  addChunk(chunk: RecordChunk): void {
    this.chunks.push(chunk)
    this.#fetched++
  }

  /** Records were taken. Returns true if that tells that the reader reads on. */
  noteTaken(): boolean {
    return ++this.#taken === 2
  }

  /** Drops what was fetched: what is fetched next is for a reader at another place. */
  #dropFetched(): void {
    for (const chunk of this.chunks.splice(0)) chunk.close()
    this.#fetched = 0
    this.#taken = 0
    this.version++
  }

  get bufferedBytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.size, 0)
  }

  /** The next read begins with the record that was left in hand, unless it was committed. */
  redeliverRecordLeft(): void {
    const { leftAt } = this
    this.leftAt = undefined
    if (leftAt === undefined || (this.committed ?? -1) > leftAt) return
    this.delivered = leftAt
    this.rewindTo(leftAt)
  }

  /**
   * Sets the position from outside: chunks and records of the old position are void.
   * `epoch`: of the record before it, if known.
   */
  moveTo(offset: number, epoch = UNKNOWN_EPOCH): void {
    this.#goTo(offset)
    this.epochs.begin(offset, epoch)
  }

  /** Begins at the group's committed offset. */
  beginAt(offset: number, epoch: number): void {
    this.moveTo(offset, epoch)
    this.committed = offset
    this.mayCommitBack = false
  }

  /** The log was truncated below the position: goes back to where the logs diverge. */
  cutBackTo(offset: number, epoch: number): void {
    this.#goTo(offset)
    this.epochs.cutAt(offset, epoch)
  }

  #goTo(offset: number): void {
    this.#setPosition(offset)
    this.notBeforeMs = 0 // the new position may be readable
    this.leftAt = undefined
    this.delivered = offset
    this.processed = offset
    this.mayCommitBack = true
  }

  /**
   * The leader's log diverges. Returns the offset to go back to if that is below the position;
   * otherwise drops only the prefetched records and returns undefined.
   */
  divergesBefore(end: EpochEnd): number | undefined {
    const position = this.position as number
    const offset = this.epochs.divergesAt(end)
    if (offset < position) return offset
    this.epochs.cutAt(offset, end.epoch)
    this.rewindTo(position)
    return undefined
  }

  /** Goes back to records that were taken but not delivered. */
  rewindTo(offset: number): void {
    const { delivered } = this
    assert((delivered ?? 0) <= offset, 'not below a delivered record', { delivered, offset })
    this.#setPosition(offset)
  }

  /** Records up to here were taken from the fetched chunks. */
  advanceTo(offset: number): void {
    const position = this.#position
    if (position === undefined || offset < position) {
      assert(false, 'records are taken once', { position, offset })
    }
    this.#position = offset
  }

  #setPosition(offset: number): void {
    this.#position = offset
    this.#enter('ready')
    this.#dropFetched()
  }

  /** Forgets the position: it must be found again. */
  forgetPosition(): void {
    this.#position = undefined
    this.#enter('searching')
    this.leftAt = undefined
    this.epochs.begin(0, UNKNOWN_EPOCH)
    this.#dropFetched()
  }

  /** The topic was recreated: nothing that was read, delivered or committed applies to it. */
  forgetAll(): void {
    this.forgetPosition()
    this.delivered = undefined
    this.processed = undefined
    this.committed = undefined
    this.processedAtCommit = undefined
  }

  /** The application has processed everything that was delivered. */
  markDeliveredProcessed(): void {
    this.processed = this.delivered
  }
}

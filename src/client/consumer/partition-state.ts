/**
 * Where a consumer stands in one of its partitions: what is known of its position, and how far the
 * application is.
 *
 *   state        position   fetched   what is to happen
 *   searching    none       no        it is looked for, or will be
 *   ready        known      yes       records are fetched and handed out
 *   inQuestion   known      no        the leader is asked whether its log is the one that was read
 *   failed       either     no        its error is thrown at the application with the next records
 *   lost         none       no        it is looked for again, after a pause
 *
 *   searching ── found ──▶ ready ── outside of its log ──▶ inQuestion
 *             ── cannot be found ──▶ failed           ── it stays, or another is known ──▶ ready
 *             ── the topic is gone ──▶ lost           ── there is none ──▶ searching or failed
 *   ready ── cannot be read from ──▶ failed
 *         ── the topic was made anew ──▶ searching
 *   failed ── the error was thrown ──▶ ready or lost
 *   lost ── after a pause ──▶ searching
 *
 *   from every state: moved (a seek) ──▶ ready, forgotten (others have it) ──▶ searching
 *
 *   position    next offset to take out of what was fetched
 *   delivered   next offset after the last record handed to the application
 *   processed   next offset after the last record the application is done with: what auto-commit
 *               may commit
 *
 * Invariant: processed ≤ delivered ≤ position once all are known.
 * What holds records taken earlier compares `version`: it changes when the position was set from
 * outside, and those records must not be handed out any more.
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

export class PartitionState {
  /** Fetched, not taken yet. The first is being taken from. */
  readonly chunks: RecordChunk[] = []
  #state: PositionState = 'searching'
  #position: number | undefined
  #error: Error | undefined
  delivered: number | undefined
  processed: number | undefined
  /** What the coordinator is known to have. */
  committed: number | undefined
  /** It was moved from outside since the last commit: only then may a commit go back. */
  mayCommitBack = false
  /** What `processed` was at the last commit: until it moves, auto-commit leaves that one alone. */
  processedAtCommit: number | undefined
  /** Of the topic whose records the position counts; a topic made anew begins anew. */
  topicId = ''
  /** What the reader has seen of whom. */
  readonly epochs = new EpochTrail()
  /** As the last fetch told. */
  highWatermark = -1
  isPaused = false
  isFetching = false
  /** A fetch has failed: do not ask again before this time. */
  notBeforeMs = 0
  failures = 0
  version = 0
  /** A loop was left while this record was in hand: it comes again unless it is committed. */
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
  /** Why it has failed: to be thrown at the application with the next records. */
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

  // ── what is known of the position ──────────────────────────────────────────────────────

  fail(error: Error): void {
    this.#enter('failed')
    this.#error = error
  }

  /** There is no position to be had; the application knows, or the group will. */
  lose(): void {
    this.#enter('lost')
  }

  /** It is looked for again. */
  search(): void {
    this.#enter('searching')
  }

  /** It may be outside of the log: nothing is fetched until that is known. */
  question(): void {
    this.#enter('inQuestion')
  }

  /** The error that is to be thrown, once: then the partition is read, or looked for, again. */
  takeError(): Error | undefined {
    const error = this.#error
    if (error !== undefined) this.#enter(this.#position === undefined ? 'lost' : 'ready')
    return error
  }

  // ── how far it is ──────────────────────────────────────────────────────────────────────

  /** A position of this partition as it is committed. */
  offsetToCommit(offset: number, metadata = ''): GroupOffset {
    const { topic, partition, topicId } = this
    return { topic, partition, topicId, offset, metadata, leaderEpoch: this.epochs.before(offset) }
  }

  get bufferedBytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.size, 0)
  }

  /** Whoever reads next begins with the record that was left in hand, if it was not committed. */
  takeUpRecordLeft(): void {
    const { leftAt } = this
    this.leftAt = undefined
    if (leftAt === undefined || (this.committed ?? -1) > leftAt) return
    this.delivered = leftAt
    this.rewindTo(leftAt)
  }

  /**
   * Sets the position from outside: what was fetched or taken before does not count any more.
   * `epoch`: of the record before it, where that is known.
   */
  moveTo(offset: number, epoch = UNKNOWN_EPOCH): void {
    this.#goTo(offset)
    this.epochs.begin(offset, epoch)
  }

  /** Begins where the group has committed. */
  beginAt(offset: number, epoch: number): void {
    this.moveTo(offset, epoch)
    this.committed = offset
    this.mayCommitBack = false
  }

  /** The log was cut below the position: goes back to where it ends like the one that was read. */
  cutBackTo(offset: number, epoch: number): void {
    this.#goTo(offset)
    this.epochs.cutAt(offset, epoch)
  }

  #goTo(offset: number): void {
    this.#setPosition(offset)
    this.notBeforeMs = 0 // another place may be well
    this.leftAt = undefined
    this.delivered = offset
    this.processed = offset
    this.mayCommitBack = true
  }

  /**
   * The leader has other records than were read. Where they part below the position that is where
   * to go back to; else only what was fetched ahead is dropped, and undefined is the answer.
   */
  partsBefore(end: EpochEnd): number | undefined {
    const position = this.position as number
    const offset = this.epochs.partsAt(end)
    if (offset < position) return offset
    this.epochs.cutAt(offset, end.epoch)
    this.rewindTo(position)
    return undefined
  }

  /** Goes back to records that were taken but not handed out. */
  rewindTo(offset: number): void {
    const { delivered } = this
    assert((delivered ?? 0) <= offset, 'handed out and not yet taken', { delivered, offset })
    this.#setPosition(offset)
  }

  /** Records up to here were taken out of what was fetched. */
  advanceTo(offset: number): void {
    const position = this.#position
    assert(position !== undefined && offset >= position, 'taken twice', { position, offset })
    this.#position = offset
  }

  #setPosition(offset: number): void {
    this.#position = offset
    this.#enter('ready')
    this.chunks.length = 0
    this.version++
  }

  /** Forgets the position: it has to be found again. */
  forgetPosition(): void {
    this.#position = undefined
    this.#enter('searching')
    this.leftAt = undefined
    this.epochs.begin(0, UNKNOWN_EPOCH)
    this.chunks.length = 0
    this.version++
  }

  /** The topic is another one: what was read, handed out or committed was none of it. */
  forgetAll(): void {
    this.forgetPosition()
    this.delivered = undefined
    this.processed = undefined
    this.committed = undefined
    this.processedAtCommit = undefined
  }

  /** The application is done with everything it was given. */
  markDeliveredProcessed(): void {
    this.processed = this.delivered
  }
}

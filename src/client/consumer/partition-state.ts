/**
 * Where a consumer stands in one of its partitions.
 *
 *   position    next offset to take out of what was fetched
 *   delivered   next offset after the last record handed to the application
 *   processed   next offset after the last record the application is done with: what auto-commit
 *               may commit
 *
 * Invariant: processed ≤ delivered ≤ position once all are known.
 * Whoever holds records taken earlier compares `version`: it changes when the position was set from
 * outside, and those records must not be handed out any more.
 */

import { EpochTrail, UNKNOWN_EPOCH, type EpochEnd } from '../line/epoch-trail.js'
import type { GroupOffset } from '../line/offset-commit.js'
import type { RecordChunk } from './consumer-record.js'

export class PartitionState {
  /** Fetched, not taken yet. The first is being taken from. */
  readonly chunks: RecordChunk[] = []
  position: number | undefined
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
  /** The application knows that there is no position; it is looked for again after a while. */
  isLost = false
  /** Somebody is finding out whether the position can stay: nothing is fetched until then. */
  isInQuestion = false
  /** To be thrown at the application with the next records. */
  error: Error | undefined

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}

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
    this.rewindTo(leftAt)
    this.delivered = leftAt
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
    this.rewindTo(offset)
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
    this.position = offset
    this.isLost = false
    this.isInQuestion = false
    this.error = undefined
    this.chunks.length = 0
    this.version++
  }

  /** Forgets the position: it has to be found again. */
  forgetPosition(): void {
    this.position = undefined
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
    this.isLost = false
    this.error = undefined
  }

  /** The application is done with everything it was given. */
  markDeliveredProcessed(): void {
    this.processed = this.delivered
  }
}

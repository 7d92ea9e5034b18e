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

import type { RecordChunk } from './consumer-record.js'

export class PartitionState {
  /** Fetched, not taken yet. The first is being taken from. */
  readonly chunks: RecordChunk[] = []
  position: number | undefined
  delivered: number | undefined
  processed: number | undefined
  /** What the coordinator is known to have. */
  committed: number | undefined
  /** What `processed` was at the last commit: until it moves, auto-commit leaves that one alone. */
  processedAtCommit: number | undefined
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
  /** To be thrown at the application with the next records. */
  error: Error | undefined

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}

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

  /** Sets the position from outside: what was fetched or taken before does not count any more. */
  moveTo(offset: number): void {
    this.rewindTo(offset)
    this.notBeforeMs = 0 // another place may be well
    this.leftAt = undefined
    this.delivered = offset
    this.processed = offset
  }

  /** Goes back to records that were taken but not handed out. */
  rewindTo(offset: number): void {
    this.position = offset
    this.isLost = false
    this.error = undefined
    this.chunks.length = 0
    this.version++
  }

  /** Forgets the position: it has to be found again. */
  forgetPosition(): void {
    this.position = undefined
    this.leftAt = undefined
    this.chunks.length = 0
    this.version++
  }

  /** The application is done with everything it was given. */
  markDeliveredProcessed(): void {
    this.processed = this.delivered
  }
}

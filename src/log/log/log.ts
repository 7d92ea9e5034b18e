/**
 * One partition on one disk: a list of segments that together hold offsets
 * [logStartOffset, logEndOffset) without a gap.
 *
 * Its state, with the invariants of its offsets, is in log-state.ts. A leader gives no offset
 * twice; the active segment is the last.
 *
 * Appending and starting a new segment are synchronous: nothing comes between looking at the end
 * and writing there. Syncing, deleting and the like happen behind, one task at a time.
 *
 * The log goes offline, until it is opened again, when a sync fails, when the disk fails in a way
 * that room cannot mend, or when bytes turn out not to be what was written. Then every call throws.
 */

import { assignOffset, Batch, stampLogAppendTime } from '../../model/batch.js'
import { PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import { NONE, type LeaderEpoch, type Offset, type Timestamp } from '../../model/units.js'
import type { LeaderEpochs } from '../format/leader-epochs.js'
import type { LogConfig } from '../format/log-config.js'
import { followerBatches, segmentLoads } from './follower-batches.js'
import type { OffsetAndTimestamp, ReadBounds } from './log-reader.js'
import { LogState, type LogContents, type LogContext, type LogListener } from './log-state.js'
import { deleteOldSegments } from './old-segments.js'
import type { Producers } from './producers.js'
import { Truncation } from './truncation.js'

export interface Appended {
  readonly firstOffset: Offset
  readonly lastOffset: Offset
  /** The broker's time when the topic uses it, else −1. */
  readonly logAppendTime: Timestamp
}

export class Log {
  /** What compaction works on as well. */
  readonly state: LogState
  readonly #truncation: Truncation

  constructor(context: LogContext, contents: LogContents) {
    this.state = new LogState(context, contents)
    this.#truncation = new Truncation(this.state)
  }

  get name(): string {
    return this.state.name
  }
  get folder(): string {
    return this.state.context.folder
  }
  get topicPartition(): TopicPartition {
    return this.state.context.topicPartition
  }
  get config(): LogConfig {
    return this.state.context.settings.current
  }
  get epochs(): LeaderEpochs {
    return this.state.epochs
  }
  get producers(): Producers {
    return this.state.producers
  }
  get logStartOffset(): Offset {
    return this.state.logStartOffset
  }
  get logEndOffset(): Offset {
    return this.state.logEndOffset
  }
  /** Everything below survives a power cut. */
  get durableEndOffset(): Offset {
    return this.state.durableEndOffset
  }
  get recoveryPoint(): Offset {
    return this.state.recoveryPoint
  }
  get firstDirtyOffset(): Offset {
    return this.state.firstDirtyOffset
  }
  /** Bytes appended since the log was opened, less those cut off: how much is new. */
  get appendedBytes(): number {
    return this.state.appendedBytes
  }
  /** How many of them are durable. */
  get durableBytes(): number {
    return this.state.durableBytes
  }
  get sizeBytes(): number {
    return this.state.segments.sizeBytes
  }
  get segmentCount(): number {
    return this.state.segments.all.length
  }
  /** Base offset of the oldest segment; the log start may lie inside it. */
  get firstSegmentOffset(): Offset {
    return this.state.segments.first.baseOffset
  }
  /** Why what was appended cannot be made durable at present, if it cannot: it is tried again. */
  get stalled(): PartlogError | undefined {
    return this.state.health.stalled
  }
  /** Why every call fails, if it does. */
  get offlineReason(): PartlogError | undefined {
    return this.state.health.offlineReason
  }

  listen(listener: LogListener): void {
    this.state.listener = listener
  }

  // ── append ─────────────────────────────────────────────────────────────────────────────

  /**
   * Gives the batches in `bytes` the next offsets and writes them: all or nothing. Changes base
   * offset and epoch (and time, with LogAppendTime) inside `bytes`. Durable only after `flush`.
   */
  append(
    bytes: Buffer,
    batches: readonly Batch[],
    leaderEpoch: LeaderEpoch,
    now: Timestamp,
  ): Appended {
    this.state.checkSteady()
    const { config } = this
    const firstOffset = this.state.logEndOffset
    const isStamped = config.timestampType === 'LogAppendTime'
    let next = firstOffset
    for (const batch of batches) {
      assignOffset(batch, next, leaderEpoch)
      if (isStamped) stampLogAppendTime(batch, now)
      next += batch.lastOffsetDelta + 1
    }
    if (bytes.length > config.segmentBytes) {
      throw new PartlogError(
        'RECORD_LIST_TOO_LARGE',
        `${this.name}: ${bytes.length} bytes do not fit into a segment of ${config.segmentBytes}`,
      )
    }
    this.#write(bytes, batches, now)
    return { firstOffset, lastOffset: next - 1, logAppendTime: isStamped ? now : -1 }
  }

  /**
   * Writes what the leader has written, as it is: whole batches that begin where this log ends.
   * They are checked first, and none is written when one is refused. Durable only after `flush`.
   */
  appendAsFollower(bytes: Buffer): Pick<Appended, 'firstOffset' | 'lastOffset'> {
    this.state.checkSteady()
    const firstOffset = this.state.logEndOffset
    const batches = followerBatches(bytes, {
      name: this.name,
      logEndOffset: firstOffset,
      lastEpoch: this.epochs.epochAt(firstOffset - 1) ?? NONE,
      hasGaps: this.config.mayHaveGaps,
    })
    const now = this.state.context.clock.now()
    for (const load of segmentLoads(batches, this.config.segmentBytes)) {
      const [first, last] = [load[0] as Batch, load.at(-1) as Batch]
      this.#write(bytes.subarray(first.start, last.end), load, now)
    }
    return {
      firstOffset: batches[0]?.baseOffset ?? firstOffset,
      lastOffset: this.state.logEndOffset - 1,
    }
  }

  /** Writes batches that have their offsets, into a new segment if the active one has no room. */
  #write(bytes: Buffer, batches: readonly Batch[], now: Timestamp): void {
    const [first, last] = [batches[0], batches.at(-1)]
    if (first === undefined || last === undefined) return
    let newest = 0
    for (const { maxTimestamp } of batches) if (maxTimestamp > newest) newest = maxTimestamp
    try {
      if (this.state.segments.active.shouldRoll(bytes.length, newest, last.lastOffset, now)) {
        this.state.roll(first.baseOffset)
      }
      this.state.segments.active.append(bytes, batches)
    } catch (error) {
      throw this.state.health.writeFailed(error)
    }
    for (const batch of batches) {
      this.state.epochFile.note(batch.leaderEpoch, batch.baseOffset)
      this.producers.note(batch, now)
    }
    this.state.appended(last.nextOffset, bytes.length)
  }

  // ── read ───────────────────────────────────────────────────────────────────────────────

  /**
   * Whole batches from the one that holds `from` on, nothing at or above `bounds.upTo`. Empty at
   * the end. Throws OFFSET_OUT_OF_RANGE outside [logStartOffset, logEndOffset].
   */
  async read(from: Offset, bounds: ReadBounds): Promise<Buffer> {
    this.state.checkSteady()
    this.checkInRange(from)
    if (from >= bounds.upTo) return Buffer.alloc(0)
    try {
      return await this.state.reading(() => this.state.reader.read(from, bounds))
    } catch (error) {
      if (from < this.logStartOffset) this.checkInRange(from) // deleted while it was being read
      throw error
    }
  }

  checkInRange(offset: Offset): void {
    const { logStartOffset, logEndOffset } = this.state
    if (offset >= logStartOffset && offset <= logEndOffset) return
    throw new PartlogError(
      'OFFSET_OUT_OF_RANGE',
      `${this.name}: offset ${offset} is outside [${logStartOffset}, ${logEndOffset}]`,
    )
  }

  /** The first record that is not older than `timestamp`. */
  async findTimestamp(timestamp: Timestamp): Promise<OffsetAndTimestamp | undefined> {
    this.state.checkSteady()
    return await this.state.reading(() =>
      this.state.reader.findTimestamp(timestamp, this.state.logStartOffset),
    )
  }

  /** The first record that has the newest time of all. */
  async findNewest(): Promise<OffsetAndTimestamp | undefined> {
    this.state.checkSteady()
    return await this.state.reading(() => this.state.reader.findNewest(this.state.logStartOffset))
  }

  // ── durability ─────────────────────────────────────────────────────────────────────────

  /** Sees to it that everything appended so far becomes durable soon; the listener is told. */
  requestFlush(): void {
    if (this.offlineReason === undefined) this.state.flusher.request()
  }

  /** Resolves when everything appended before the call survives a power cut. */
  async flush(): Promise<void> {
    this.state.health.checkOnline()
    await this.state.flusher.flush()
  }

  /** As `flush`; rejects with KAFKA_STORAGE_ERROR while the disk has no room for it. */
  async flushUnlessStalled(): Promise<void> {
    await this.state.health.unlessStalled(this.flush())
  }

  /** Makes records and indexes durable, so that opening need not scan them. */
  async checkpoint(): Promise<void> {
    const { behind, health } = this.state
    await behind.run(() => health.orLater(() => this.#checkpoint()))
  }

  async #checkpoint(): Promise<void> {
    const { segments, health, flusher, producers } = this.state
    const { active } = segments // one that is rolled meanwhile is settled next time
    await this.state.settle()
    const { recoveryPoint, logEndOffset } = this.state
    if (recoveryPoint === logEndOffset || active !== segments.active) return
    producers.snapshot(logEndOffset)
    await health.unlessStalled(flusher.flush())
    const { durableEndOffset } = this.state
    await active.syncIndexes()
    await producers.sync(segments.all)
    if (active === segments.active) this.state.settledTo(durableEndOffset)
  }

  // ── deletion ───────────────────────────────────────────────────────────────────────────

  /** Moves the log start up; whole segments below it go with the next retention run. */
  deleteRecordsBefore(offset: Offset): void {
    this.state.checkSteady()
    this.checkInRange(offset)
    if (offset <= this.state.logStartOffset) return
    this.state.startAt(offset)
  }

  /** Resolves when the log start as it is now survives a power cut. */
  async saveLogStart(): Promise<void> {
    await this.state.context.saveCheckpoints()
  }

  /** Deletes segments that retention lets go; returns by how much the log start has moved. */
  async deleteOldSegments(highWatermark: Offset): Promise<number> {
    return await deleteOldSegments(this.state, highWatermark)
  }

  // ── truncation ─────────────────────────────────────────────────────────────────────────

  /**
   * Removes every batch that reaches to `offset` or beyond: the log ends there, or before when a
   * batch goes on across it. Below the log start it means everything. Durable when it resolves,
   * with the files that keep what was cut off; until then nothing is read or appended
   * (NOT_LEADER_OR_FOLLOWER).
   */
  async truncateTo(offset: Offset): Promise<readonly string[]> {
    return await this.#cutting(() => this.#truncation.truncateTo(offset))
  }

  /** As `truncateTo`, but everything goes and the next record gets `offset`. */
  async truncateFullyAndStartAt(offset: Offset): Promise<readonly string[]> {
    return await this.#cutting(() => this.#truncation.startAgainAt(offset))
  }

  async #cutting(cut: () => Promise<readonly string[]>): Promise<readonly string[]> {
    const log = this.state
    log.health.checkOnline()
    return await log.cutting(async () => {
      log.health.checkOnline()
      return await log.health.reading(async () => {
        const { logEndOffset } = log
        const keptIn = await cut()
        if (log.logEndOffset !== logEndOffset) await this.#reloadProducers()
        return keptIn
      })
    })
  }

  /** After a cut their state is that of before. */
  async #reloadProducers(): Promise<void> {
    const { health, segments, logStartOffset, logEndOffset } = this.state
    const extent = { segments: segments.all, logStartOffset, logEndOffset }
    await health.untilItPasses(() => this.producers.reload(extent)).catch(error => {
      throw health.syncFailed(error)
    })
  }

  // ── leadership ─────────────────────────────────────────────────────────────────────────

  /** Notes that a leadership begins at the log's end. Durable when it resolves. */
  async assignEpoch(epoch: LeaderEpoch): Promise<void> {
    this.state.health.checkOnline()
    await this.state.behind.run(() =>
      // Without room for it the epoch is written before anything of it is synced.
      this.state.health.orLater(async () => {
        if (this.epochs.assign(epoch, this.state.logEndOffset)) await this.state.epochFile.write()
        else await this.state.epochFile.flush()
      }),
    )
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  /** Makes everything durable and gives the files back. True when opening need not scan. */
  async close(): Promise<boolean> {
    if (this.state.health.isClosed) return this.offlineReason === undefined
    this.state.health.close()
    await this.state.besideEnded()
    await this.state.behind.idle()
    if (this.offlineReason === undefined) await this.#closeCleanly()
    this.state.segments.close()
    this.producers.close()
    return this.offlineReason === undefined
  }

  /** Gives the files back as a crash would, without syncing anything. */
  async abandon(): Promise<void> {
    this.state.health.abandon()
    await this.state.besideEnded()
    await this.state.flusher.idle().catch(() => undefined)
    await this.state.behind.idle()
    this.state.segments.close()
    this.producers.close()
  }

  async #closeCleanly(): Promise<void> {
    try {
      await this.state.flusher.flush()
      await this.state.segments.sealAndSync()
      this.producers.snapshot(this.state.logEndOffset)
      await this.producers.sync(this.state.segments.all)
      this.state.settledTo(this.state.logEndOffset)
    } catch (error) {
      this.state.health.syncFailed(error)
    }
  }
}

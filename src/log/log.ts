/**
 * One partition on one disk: a list of segments that together hold offsets
 * [logStartOffset, logEndOffset) without a gap.
 *
 *   logStartOffset   first readable; moves up by retention and deleteRecordsBefore
 *   durableEndOffset everything below survives a power cut
 *   logEndOffset     next to be written
 *   recoveryPoint    everything below is synced with its indexes; opening starts to scan here
 *
 * Invariants: logStartOffset ≤ logEndOffset, recoveryPoint ≤ durableEndOffset ≤ logEndOffset; an
 * offset is never given twice; the active segment is the last.
 *
 * Appending and starting a new segment are synchronous: nothing comes between looking at the end
 * and writing there. Syncing, deleting and the like happen behind, one task at a time.
 *
 * The log goes offline, until it is opened again, when a sync fails, when the disk fails in a way
 * that room cannot mend, or when bytes turn out not to be what was written. Then every call throws.
 */

import { assert } from '../base/assert.js'
import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Random } from '../base/random.js'
import { SerialQueue } from '../base/tasks.js'
import { isDiskError, join, replaceSmallFile, type Disk } from '../disk/disk.js'
import { assignOffset, Batch, stampLogAppendTime } from '../model/batch.js'
import { isPartlogError, PartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import type { LeaderEpoch, Offset, Timestamp } from '../model/units.js'
import { formatEpochs } from './checkpoints.js'
import type { LogConfig, LogSettings } from './config.js'
import { closedError, corruptLog, offlineError, readError, refusedAppend } from './errors.js'
import { LEADER_EPOCH_CHECKPOINT } from './files.js'
import { DeletedSegments } from './deleted-segments.js'
import { Flusher } from './flusher.js'
import type { IndexCache } from './index-file.js'
import type { LeaderEpochs } from './leader-epochs.js'
import {
  DamagedBytesError,
  LogReader,
  type OffsetAndTimestamp,
  type ReadBounds,
} from './log-reader.js'
import { deletableSegments, type RetentionDecision } from './retention.js'
import { Segment } from './segment.js'

export interface LogContext {
  readonly disk: Disk
  readonly folder: string
  readonly topicPartition: TopicPartition
  readonly clock: Clock
  readonly random: Random
  readonly cache: IndexCache
  readonly logger: Logger
  readonly settings: LogSettings
}

export interface LogState {
  readonly segments: readonly Segment[]
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly recoveryPoint: Offset
  readonly epochs: LeaderEpochs
}

export interface Appended {
  readonly firstOffset: Offset
  readonly lastOffset: Offset
  /** The broker's time when the topic uses it, else −1. */
  readonly logAppendTime: Timestamp
}

/** What the log tells the one who runs it. */
export interface LogListener {
  /** Everything below is durable now. */
  onDurable(durableEndOffset: Offset): void
  /** The log has gone offline. */
  onOffline(error: PartlogError): void
  /** A segment was closed and synced, or the log start moved: worth a checkpoint. */
  onCheckpointable(): void
}

export class Log {
  readonly name: string
  readonly folder: string
  readonly epochs: LeaderEpochs
  readonly #context: LogContext
  readonly #reader: LogReader
  readonly #flusher: Flusher
  readonly #behind = new SerialQueue()
  readonly #deleted: DeletedSegments
  #segments: Segment[]
  #logStartOffset: Offset
  #logEndOffset: Offset
  #recoveryPoint: Offset
  /** Bytes appended since the log was opened. */
  #appendedBytes = 0
  #listener: LogListener | undefined
  #offline: PartlogError | undefined
  #isClosed = false
  /** A segment file was made whose name is not synced yet. */
  #hasNewNames = false

  constructor(context: LogContext, state: LogState) {
    const { topic, partition } = context.topicPartition
    this.name = `${topic}-${partition}`
    this.folder = context.folder
    this.epochs = state.epochs
    this.#context = context
    this.#segments = [...state.segments]
    this.#logStartOffset = state.logStartOffset
    this.#logEndOffset = state.logEndOffset
    this.#recoveryPoint = state.recoveryPoint
    this.#reader = new LogReader(
      () => this.#segments,
      () => this.#hasGaps,
    )
    this.#deleted = new DeletedSegments(context)
    this.#flusher = new Flusher(this.#flushTarget(), state.logEndOffset)
    assert(state.segments.length > 0, 'a log has an active segment', { log: this.name })
  }

  get logStartOffset(): Offset {
    return this.#logStartOffset
  }
  get logEndOffset(): Offset {
    return this.#logEndOffset
  }
  /** Everything below survives a power cut. */
  get durableEndOffset(): Offset {
    return this.#flusher.durableEndOffset
  }
  get recoveryPoint(): Offset {
    return this.#recoveryPoint
  }
  get config(): LogConfig {
    return this.#context.settings.current
  }
  /** Bytes appended since the log was opened: how much is new for one who looked before. */
  get appendedBytes(): number {
    return this.#appendedBytes
  }
  /** How many of them are durable. */
  get durableBytes(): number {
    return this.#flusher.durableBytes
  }
  get sizeBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.size, 0)
  }
  get segmentCount(): number {
    return this.#segments.length
  }
  /** Base offset of the oldest segment; the log start may lie inside it. */
  get firstSegmentOffset(): Offset {
    return (this.#segments[0] as Segment).baseOffset
  }
  /** Why every call fails, if it does. */
  get offlineReason(): PartlogError | undefined {
    return this.#offline
  }
  get topicPartition(): TopicPartition {
    return this.#context.topicPartition
  }

  listen(listener: LogListener): void {
    this.#listener = listener
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
    this.#checkOnline()
    const { config } = this
    const firstOffset = this.#logEndOffset
    const isStamped = config.timestampType === 'LogAppendTime'
    let next = firstOffset
    let newest = 0
    for (const batch of batches) {
      assignOffset(batch, next, leaderEpoch)
      if (isStamped) stampLogAppendTime(batch, now)
      next += batch.lastOffsetDelta + 1
      newest = Math.max(newest, batch.maxTimestamp)
    }
    if (bytes.length > config.segmentBytes) {
      throw new PartlogError(
        'RECORD_LIST_TOO_LARGE',
        `${this.name}: ${bytes.length} bytes do not fit into a segment of ${config.segmentBytes}`,
      )
    }
    try {
      if (this.#active.shouldRoll(bytes.length, newest, next - 1, now)) this.#roll()
      this.#active.append(bytes, batches)
    } catch (error) {
      throw this.#writeFailed(error)
    }
    this.#logEndOffset = next
    this.#appendedBytes += bytes.length
    return { firstOffset, lastOffset: next - 1, logAppendTime: isStamped ? now : -1 }
  }

  /** Closes the active segment and begins the next one. What it held is synced behind. */
  #roll(): void {
    const closed = this.#active
    if (closed.baseOffset === this.#logEndOffset) return // empty: it is as good as a new one
    closed.seal()
    this.#segments.push(Segment.create(this.#segmentOptions(this.#logEndOffset)))
    this.#hasNewNames = true
    void this.#behind.run(() => this.#settle(closed))
  }

  /** A closed segment becomes durable with its indexes: the recovery point moves behind it. */
  async #settle(closed: Segment): Promise<void> {
    if (this.#offline !== undefined || !this.#segments.includes(closed)) return
    try {
      await this.#flusher.flush()
      await closed.syncIndexes()
    } catch (error) {
      this.#syncFailed(error)
      return
    }
    const index = this.#segments.indexOf(closed)
    const next = this.#segments[index + 1]
    if (index < 0 || next === undefined) return
    this.#recoveryPoint = Math.max(this.#recoveryPoint, next.baseOffset)
    this.#listener?.onCheckpointable()
  }

  // ── read ───────────────────────────────────────────────────────────────────────────────

  /**
   * Whole batches from the one that holds `from` on, nothing at or above `bounds.upTo`. Empty at
   * the end. Throws OFFSET_OUT_OF_RANGE outside [logStartOffset, logEndOffset].
   */
  async read(from: Offset, bounds: ReadBounds): Promise<Buffer> {
    this.#checkOnline()
    this.checkInRange(from)
    if (from >= bounds.upTo) return Buffer.alloc(0)
    try {
      return await this.#reading(() => this.#reader.read(from, bounds))
    } catch (error) {
      if (from < this.#logStartOffset) this.checkInRange(from) // deleted while it was being read
      throw error
    }
  }

  checkInRange(offset: Offset): void {
    if (offset >= this.#logStartOffset && offset <= this.#logEndOffset) return
    throw new PartlogError(
      'OFFSET_OUT_OF_RANGE',
      `${this.name}: offset ${offset} is outside [${this.#logStartOffset}, ${this.#logEndOffset}]`,
    )
  }

  /** The first record that is not older than `timestamp`. */
  async findTimestamp(timestamp: Timestamp): Promise<OffsetAndTimestamp | undefined> {
    this.#checkOnline()
    return await this.#reading(() => this.#reader.findTimestamp(timestamp, this.#logStartOffset))
  }

  /** The first record that has the newest time of all. */
  async findNewest(): Promise<OffsetAndTimestamp | undefined> {
    this.#checkOnline()
    return await this.#reading(() => this.#reader.findNewest(this.#logStartOffset))
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      if (this.#isClosed) throw closedError(this.name)
      if (isDiskError(error)) throw readError(this.name, error)
      if (!(error instanceof DamagedBytesError)) throw error
      const corrupt = corruptLog(this.name, error.message)
      this.#goOffline(corrupt)
      throw corrupt
    }
  }

  // ── durability ─────────────────────────────────────────────────────────────────────────

  /** Sees to it that everything appended so far becomes durable soon; the listener is told. */
  requestFlush(): void {
    if (this.#offline === undefined) this.#flusher.request()
  }

  /** Resolves when everything appended before the call survives a power cut. */
  async flush(): Promise<void> {
    this.#checkOnline()
    await this.#flusher.flush()
  }

  /** Makes records and indexes durable, so that opening need not scan them. */
  async checkpoint(): Promise<void> {
    await this.#behind.run(async () => {
      if (this.#offline !== undefined || this.#recoveryPoint === this.#logEndOffset) return
      const active = this.#active
      try {
        await this.#flusher.flush()
        const { durableEndOffset } = this
        await active.syncIndexes()
        if (active === this.#active) this.#recoveryPoint = durableEndOffset
      } catch (error) {
        this.#syncFailed(error)
      }
    })
  }

  #flushTarget() {
    const log = this
    return {
      get logEndOffset() {
        return log.#logEndOffset
      },
      get appendedBytes() {
        return log.#appendedBytes
      },
      syncNow: () => this.#syncNow(),
      onDurable: (end: Offset) => this.#listener?.onDurable(end),
      onSyncFailed: (error: unknown) => this.#syncFailed(error),
    }
  }

  async #syncNow(): Promise<void> {
    const hadNewNames = this.#hasNewNames
    this.#hasNewNames = false
    for (const segment of this.#segments.filter(candidate => candidate.isDirty)) {
      if (!this.#segments.includes(segment)) continue // deleted while another one was synced
      const { size } = segment
      await segment.file.sync()
      segment.syncedBytes = Math.max(segment.syncedBytes, size)
    }
    if (hadNewNames) await this.#context.disk.syncDirectory(this.folder)
  }

  // ── deletion ───────────────────────────────────────────────────────────────────────────

  /** Moves the log start up; whole segments below it go with the next retention run. */
  deleteRecordsBefore(offset: Offset): void {
    this.#checkOnline()
    this.checkInRange(offset)
    if (offset <= this.#logStartOffset) return
    this.#logStartOffset = offset
    this.#listener?.onCheckpointable()
  }

  /** Deletes segments that retention lets go; returns by how much the log start has moved. */
  async deleteOldSegments(highWatermark: Offset): Promise<number> {
    return await this.#behind.run(async () => {
      if (this.#offline !== undefined || this.#isClosed) return 0
      for (const segment of this.#segments) await segment.newest()
      const before = this.#logStartOffset
      const { count, reason } = this.#deletable(highWatermark)
      if (count === 0) return 0
      this.#dropSegments(count)
      this.#context.logger.info(`${this.name}: ${count} segments deleted`, { reason })
      await this.#writeEpochs()
      return this.#logStartOffset - before
    })
  }

  #deletable(highWatermark: Offset): RetentionDecision {
    const { cleanupPolicy, retentionBytes, retentionMs } = this.config
    const isDeleted = cleanupPolicy === 'delete'
    const view = this.#segments.map((segment, index) => ({
      nextOffset: this.#segments[index + 1]?.baseOffset ?? this.#logEndOffset,
      bytes: segment.size,
      // What has no time cannot be too old.
      newestTimestamp: segment.newestTimestamp < 0 ? Infinity : segment.newestTimestamp,
    }))
    return deletableSegments(view, {
      logStartOffset: this.#logStartOffset,
      highWatermark,
      retentionBytes: isDeleted ? retentionBytes : -1,
      retentionMs: isDeleted ? retentionMs : -1,
      now: this.#context.clock.now(),
    })
  }

  #dropSegments(count: number): void {
    if (count === this.#segments.length) this.#roll()
    const gone = this.#segments.splice(0, count)
    this.#logStartOffset = Math.max(this.#logStartOffset, this.firstSegmentOffset)
    this.#recoveryPoint = Math.max(this.#recoveryPoint, this.#logStartOffset)
    this.epochs.truncateFromStart(this.#logStartOffset)
    for (const segment of gone) this.#deleted.add(segment, this.config.fileDeleteDelayMs)
    this.#listener?.onCheckpointable()
  }

  // ── leadership ─────────────────────────────────────────────────────────────────────────

  /** Notes that a leadership begins at the log's end. Durable when it resolves. */
  async assignEpoch(epoch: LeaderEpoch): Promise<void> {
    this.#checkOnline()
    if (!this.epochs.assign(epoch, this.#logEndOffset)) return
    await this.#behind.run(() => this.#writeEpochs())
  }

  async #writeEpochs(): Promise<void> {
    const { disk } = this.#context
    const text = formatEpochs(this.epochs.entries)
    await replaceSmallFile(disk, join(this.folder, LEADER_EPOCH_CHECKPOINT), Buffer.from(text))
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  /** Makes everything durable and gives the files back. True when opening need not scan. */
  async close(): Promise<boolean> {
    if (this.#isClosed) return this.#offline === undefined
    this.#isClosed = true
    await this.#behind.idle()
    if (this.#offline === undefined) await this.#closeCleanly()
    this.#giveUpFiles()
    return this.#offline === undefined
  }

  /** Gives the files back as a crash would, without syncing anything. */
  async abandon(): Promise<void> {
    this.#isClosed = true
    this.#offline ??= closedError(this.name)
    await this.#flusher.idle().catch(() => undefined)
    await this.#behind.idle()
    this.#giveUpFiles()
  }

  async #closeCleanly(): Promise<void> {
    try {
      await this.#flusher.flush()
      this.#active.seal()
      await this.#active.syncIndexes()
      if (this.#hasNewNames) await this.#context.disk.syncDirectory(this.folder)
      this.#recoveryPoint = this.#logEndOffset
    } catch (error) {
      this.#syncFailed(error)
    }
  }

  #giveUpFiles(): void {
    this.#deleted.close()
    for (const segment of this.#segments) segment.close()
  }

  // ── failure ────────────────────────────────────────────────────────────────────────────

  /** A compacted log has offsets whose records are gone. */
  get #hasGaps(): boolean {
    return this.config.cleanupPolicy === 'compact'
  }

  get #active(): Segment {
    return this.#segments[this.#segments.length - 1] as Segment
  }

  #segmentOptions(baseOffset: Offset) {
    const { disk, folder, cache, clock, random } = this.#context
    const { segmentJitterMs } = this.config
    return {
      disk,
      folder,
      cache,
      baseOffset,
      settings: this.#context.settings,
      jitterMs: segmentJitterMs === 0 ? 0 : random.int(segmentJitterMs),
      createdAt: clock.now(),
    }
  }

  #checkOnline(): void {
    if (this.#offline !== undefined) throw this.#offline
    if (this.#isClosed) throw closedError(this.name)
  }

  /** A full disk refuses an append; any other failure of the disk takes the log offline. */
  #writeFailed(error: unknown): unknown {
    if (!isDiskError(error)) return error
    return error.isTransient ? refusedAppend(this.name, error) : this.#syncFailed(error)
  }

  #syncFailed(error: unknown): PartlogError {
    const reason = isPartlogError(error) ? error : offlineError(this.name, error as Error)
    return this.#goOffline(reason)
  }

  #goOffline(error: PartlogError): PartlogError {
    if (this.#offline !== undefined) return this.#offline
    this.#offline = error
    this.#context.logger.error(`${this.name} is offline`, { error })
    this.#listener?.onOffline(error)
    return error
  }
}

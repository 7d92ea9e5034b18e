/**
 * One partition on one disk: a list of segments that together hold offsets
 * [logStartOffset, logEndOffset) without a gap.
 *
 *   logStartOffset   first readable; moves up by retention and deleteRecordsBefore
 *   durableEndOffset everything below survives a power cut
 *   logEndOffset     next to be written
 *   recoveryPoint    everything below is synced with its indexes; opening starts to scan here
 *
 * Invariants: logStartOffset ≤ logEndOffset, recoveryPoint ≤ durableEndOffset ≤ logEndOffset; a
 * leader gives no offset twice; the active segment is the last.
 *
 * Appending and starting a new segment are synchronous: nothing comes between looking at the end
 * and writing there. Syncing, deleting and the like happen behind, one task at a time.
 *
 * The log goes offline, until it is opened again, when a sync fails, when the disk fails in a way
 * that room cannot mend, or when bytes turn out not to be what was written. Then every call throws.
 */

import { assert } from '../base/assert.js'
import { SerialQueue, Signal } from '../base/tasks.js'
import { assignOffset, Batch, stampLogAppendTime } from '../model/batch.js'
import { PartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import { NONE, type LeaderEpoch, type Offset, type Timestamp } from '../model/units.js'
import { LogCleaner } from './cleaner.js'
import type { CleanerTarget } from './cleaning.js'
import type { LogConfig } from './config.js'
import { EpochFile } from './epoch-file.js'
import { truncatingError } from './errors.js'
import { Flusher } from './flusher.js'
import { followerBatches, segmentLoads } from './follower-batches.js'
import type { LeaderEpochs } from './leader-epochs.js'
import { LogHealth } from './log-health.js'
import type { Appended, LogContext, LogListener, LogState } from './log-words.js'
import { floorSegment, LogReader, type OffsetAndTimestamp, type ReadBounds } from './log-reader.js'
import { deleteOldSegments, type OldSegmentsTarget } from './old-segments.js'
import type { Producers } from './producers.js'
import { SegmentList } from './segment-list.js'
import { Truncation, type LogMarks, type TruncationTarget } from './truncation.js'

export class Log {
  readonly name: string
  readonly folder: string
  readonly epochs: LeaderEpochs
  readonly producers: Producers
  readonly cleaner: LogCleaner
  readonly #context: LogContext
  readonly #reader: LogReader
  readonly #flusher: Flusher
  readonly #health: LogHealth
  readonly #behind = new SerialQueue()
  readonly #epochFile: EpochFile
  readonly #segments: SegmentList
  readonly #truncation: Truncation
  readonly #marks: LogMarks
  /** Reads under way, and cuts that are under way or wait for their turn. */
  #reads = 0
  #cuts = 0
  readonly #readsEnded = new Signal()
  #listener: LogListener | undefined

  constructor(context: LogContext, state: LogState) {
    const { topic, partition } = context.topicPartition
    this.name = `${topic}-${partition}`
    this.folder = context.folder
    this.epochs = state.epochs
    this.producers = state.producers
    this.#context = context
    this.#segments = new SegmentList(context, state.segments)
    const { logStartOffset, logEndOffset, recoveryPoint, firstDirtyOffset } = state
    const places = { logStartOffset, logEndOffset, recoveryPoint, firstDirtyOffset }
    this.#marks = { ...places, appendedBytes: 0 }
    this.#health = new LogHealth({
      ...{ name: this.name, clock: context.clock, logger: context.logger },
      onStalled: error => this.#listener?.onStalled(error),
      onOffline: error => this.#listener?.onOffline(error),
    })
    const { epochs } = state
    this.#reader = new LogReader({ ...context, list: this.#segments, marks: this.#marks, epochs })
    this.#epochFile = new EpochFile(context.disk, context.folder, state.epochs)
    this.#flusher = new Flusher(this.#flushTarget(), logEndOffset)
    this.#truncation = new Truncation(this.#parts())
    this.cleaner = new LogCleaner(this.#parts())
    assert(state.segments.length > 0, 'a log has an active segment', { log: this.name })
  }

  get logStartOffset(): Offset {
    return this.#marks.logStartOffset
  }
  get logEndOffset(): Offset {
    return this.#marks.logEndOffset
  }
  /** Everything below survives a power cut. */
  get durableEndOffset(): Offset {
    return this.#flusher.durableEndOffset
  }
  get recoveryPoint(): Offset {
    return this.#marks.recoveryPoint
  }
  get firstDirtyOffset(): Offset {
    return this.#marks.firstDirtyOffset
  }
  get config(): LogConfig {
    return this.#context.settings.current
  }
  /** Bytes appended since the log was opened, less those cut off: how much is new. */
  get appendedBytes(): number {
    return this.#marks.appendedBytes
  }
  /** How many of them are durable. */
  get durableBytes(): number {
    return this.#flusher.durableBytes
  }
  get sizeBytes(): number {
    return this.#segments.sizeBytes
  }
  get segmentCount(): number {
    return this.#segments.all.length
  }
  /** Base offset of the oldest segment; the log start may lie inside it. */
  get firstSegmentOffset(): Offset {
    return this.#segments.first.baseOffset
  }
  /** Why what was appended cannot be made durable at present, if it cannot: it is tried again. */
  get stalled(): PartlogError | undefined {
    return this.#health.stalled
  }
  /** Why every call fails, if it does. */
  get offlineReason(): PartlogError | undefined {
    return this.#health.offlineReason
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
    this.#checkSteady()
    const { config } = this
    const firstOffset = this.#marks.logEndOffset
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
    this.#checkSteady()
    const firstOffset = this.#marks.logEndOffset
    const batches = followerBatches(bytes, {
      name: this.name,
      logEndOffset: firstOffset,
      lastEpoch: this.epochs.epochAt(firstOffset - 1) ?? NONE,
      hasGaps: this.#hasGaps,
    })
    const now = this.#context.clock.now()
    for (const load of segmentLoads(batches, this.config.segmentBytes)) {
      const [first, last] = [load[0] as Batch, load.at(-1) as Batch]
      this.#write(bytes.subarray(first.start, last.end), load, now)
    }
    return {
      firstOffset: batches[0]?.baseOffset ?? firstOffset,
      lastOffset: this.#marks.logEndOffset - 1,
    }
  }

  /** Writes batches that have their offsets, into a new segment if the active one has no room. */
  #write(bytes: Buffer, batches: readonly Batch[], now: Timestamp): void {
    const [first, last] = [batches[0], batches.at(-1)]
    if (first === undefined || last === undefined) return
    let newest = 0
    for (const { maxTimestamp } of batches) if (maxTimestamp > newest) newest = maxTimestamp
    try {
      if (this.#segments.active.shouldRoll(bytes.length, newest, last.lastOffset, now)) {
        this.#roll(first.baseOffset)
      }
      this.#segments.active.append(bytes, batches)
    } catch (error) {
      throw this.#health.writeFailed(error)
    }
    for (const batch of batches) {
      this.#epochFile.note(batch.leaderEpoch, batch.baseOffset)
      this.producers.note(batch, now)
    }
    this.#marks.logEndOffset = last.nextOffset
    this.#marks.appendedBytes += bytes.length
  }

  /** Closes the active segment and begins the next one. What it held is synced behind. */
  #roll(baseOffset = this.#marks.logEndOffset): void {
    // An empty one is as good as a new one.
    if (this.#segments.active.baseOffset === baseOffset) return
    this.#segments.roll(baseOffset)
    this.producers.snapshot(baseOffset)
    void this.#behind.run(() => this.#health.orLater(() => this.#settle()))
  }

  /**
   * Closed segments become durable with their indexes: the recovery point moves behind each. What
   * finds no room is left for the next call.
   */
  async #settle(): Promise<void> {
    const { all } = this.#segments
    for (const closed of all.slice(floorSegment(all, this.#marks.recoveryPoint), -1)) {
      const next = this.#segments.after(closed)
      if (next === undefined || this.offlineReason !== undefined) return
      await this.#health.unlessStalled(this.#flusher.flush())
      await closed.syncIndexes()
      await this.producers.sync(this.#segments.all)
      if (!this.#segments.has(closed)) return
      this.#marks.recoveryPoint = Math.max(this.#marks.recoveryPoint, next.baseOffset)
      this.#listener?.onCheckpointable()
    }
  }

  // ── read ───────────────────────────────────────────────────────────────────────────────

  /**
   * Whole batches from the one that holds `from` on, nothing at or above `bounds.upTo`. Empty at
   * the end. Throws OFFSET_OUT_OF_RANGE outside [logStartOffset, logEndOffset].
   */
  async read(from: Offset, bounds: ReadBounds): Promise<Buffer> {
    this.#checkSteady()
    this.checkInRange(from)
    if (from >= bounds.upTo) return Buffer.alloc(0)
    try {
      return await this.#reading(() => this.#reader.read(from, bounds))
    } catch (error) {
      if (from < this.logStartOffset) this.checkInRange(from) // deleted while it was being read
      throw error
    }
  }

  checkInRange(offset: Offset): void {
    const { logStartOffset, logEndOffset } = this.#marks
    if (offset >= logStartOffset && offset <= logEndOffset) return
    throw new PartlogError(
      'OFFSET_OUT_OF_RANGE',
      `${this.name}: offset ${offset} is outside [${logStartOffset}, ${logEndOffset}]`,
    )
  }

  /** The first record that is not older than `timestamp`. */
  async findTimestamp(timestamp: Timestamp): Promise<OffsetAndTimestamp | undefined> {
    this.#checkSteady()
    return await this.#reading(() =>
      this.#reader.findTimestamp(timestamp, this.#marks.logStartOffset),
    )
  }

  /** The first record that has the newest time of all. */
  async findNewest(): Promise<OffsetAndTimestamp | undefined> {
    this.#checkSteady()
    return await this.#reading(() => this.#reader.findNewest(this.#marks.logStartOffset))
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    this.#reads++
    try {
      return await this.#health.reading(read)
    } finally {
      if (--this.#reads === 0) this.#readsEnded.notify()
    }
  }

  // ── durability ─────────────────────────────────────────────────────────────────────────

  /** Sees to it that everything appended so far becomes durable soon; the listener is told. */
  requestFlush(): void {
    if (this.offlineReason === undefined) this.#flusher.request()
  }

  /** Resolves when everything appended before the call survives a power cut. */
  async flush(): Promise<void> {
    this.#health.checkOnline()
    await this.#flusher.flush()
  }

  /** As `flush`; rejects with KAFKA_STORAGE_ERROR while the disk has no room for it. */
  async flushUnlessStalled(): Promise<void> {
    await this.#health.unlessStalled(this.flush())
  }

  /** Makes records and indexes durable, so that opening need not scan them. */
  async checkpoint(): Promise<void> {
    await this.#behind.run(() =>
      this.#health.orLater(async () => {
        const active = this.#segments.active // one that is rolled meanwhile is settled next time
        await this.#settle()
        const { recoveryPoint, logEndOffset } = this.#marks
        if (recoveryPoint === logEndOffset || active !== this.#segments.active) return
        this.producers.snapshot(logEndOffset)
        await this.#health.unlessStalled(this.#flusher.flush())
        const { durableEndOffset } = this
        await active.syncIndexes()
        await this.producers.sync(this.#segments.all)
        if (active === this.#segments.active) this.#marks.recoveryPoint = durableEndOffset
      }),
    )
  }

  #flushTarget() {
    const log = this
    return {
      get logEndOffset() {
        return log.#marks.logEndOffset
      },
      get appendedBytes() {
        return log.#marks.appendedBytes
      },
      syncNow: () => this.#health.untilItPasses(() => this.#syncNow()),
      onDurable: (end: Offset) => this.#listener?.onDurable(end),
      onSyncFailed: (error: unknown) => this.#health.syncFailed(error),
    }
  }

  async #syncNow(): Promise<void> {
    await this.#epochFile.flush()
    await this.#segments.sync()
  }

  // ── deletion ───────────────────────────────────────────────────────────────────────────

  /** Moves the log start up; whole segments below it go with the next retention run. */
  deleteRecordsBefore(offset: Offset): void {
    this.#checkSteady()
    this.checkInRange(offset)
    if (offset <= this.#marks.logStartOffset) return
    this.#marks.logStartOffset = offset
    this.#listener?.onCheckpointable()
  }

  /** Deletes segments that retention lets go; returns by how much the log start has moved. */
  async deleteOldSegments(highWatermark: Offset): Promise<number> {
    return await deleteOldSegments(this.#parts(), highWatermark)
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
    this.#health.checkOnline()
    this.#cuts++
    try {
      return await this.#behind.run(async () => {
        this.#health.checkOnline()
        return await this.#health.reading(async () => {
          const { logEndOffset } = this.#marks
          const keptIn = await cut()
          if (this.#marks.logEndOffset === logEndOffset) return keptIn
          const extent = { segments: this.#segments.all, ...this.#marks }
          await this.#health.untilItPasses(() => this.producers.reload(extent)).catch(error => {
            throw this.#health.syncFailed(error) // its state is that of before the cut
          })
          return keptIn
        })
      })
    } finally {
      this.#cuts--
    }
  }

  /** What those work on who cut the log, compact it or take its oldest segments away. */
  #parts(): TruncationTarget & CleanerTarget & OldSegmentsTarget {
    const log = this
    return {
      name: this.name,
      context: this.#context,
      health: this.#health,
      behind: this.#behind,
      marks: this.#marks,
      segments: this.#segments,
      producers: this.producers,
      reader: this.#reader,
      flusher: this.#flusher,
      epochs: this.epochs,
      epochFile: this.#epochFile,
      roll: () => this.#roll(),
      onCheckpointable: () => this.#listener?.onCheckpointable(),
      get isBusy() {
        return log.#reads > 0 || log.#flusher.isRunning
      },
      get isBeingCut() {
        return log.#cuts > 0
      },
      idle: async () => {
        await (this.#reads > 0 ? this.#readsEnded.wait() : this.#flusher.idle())
        if (this.offlineReason !== undefined) throw this.offlineReason
      },
    }
  }

  // ── leadership ─────────────────────────────────────────────────────────────────────────

  /** Notes that a leadership begins at the log's end. Durable when it resolves. */
  async assignEpoch(epoch: LeaderEpoch): Promise<void> {
    this.#health.checkOnline()
    await this.#behind.run(() =>
      // Without room for it the epoch is written before anything of it is synced.
      this.#health.orLater(async () => {
        if (this.epochs.assign(epoch, this.#marks.logEndOffset)) await this.#epochFile.write()
        else await this.#epochFile.flush()
      }),
    )
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  /** Makes everything durable and gives the files back. True when opening need not scan. */
  async close(): Promise<boolean> {
    if (this.#health.isClosed) return this.offlineReason === undefined
    this.#health.close()
    await this.cleaner.idle()
    await this.#behind.idle()
    if (this.offlineReason === undefined) await this.#closeCleanly()
    this.#segments.close()
    this.producers.close()
    return this.offlineReason === undefined
  }

  /** Gives the files back as a crash would, without syncing anything. */
  async abandon(): Promise<void> {
    this.#health.abandon()
    await this.cleaner.idle()
    await this.#flusher.idle().catch(() => undefined)
    await this.#behind.idle()
    this.#segments.close()
    this.producers.close()
  }

  async #closeCleanly(): Promise<void> {
    try {
      await this.#flusher.flush()
      await this.#segments.sealAndSync()
      this.producers.snapshot(this.#marks.logEndOffset)
      await this.producers.sync(this.#segments.all)
      this.#marks.recoveryPoint = this.#marks.logEndOffset
    } catch (error) {
      this.#health.syncFailed(error)
    }
  }

  // ── its state ────────────────────────────────────────────────────────────────────────────

  /** A compacted log has offsets whose records are gone. */
  get #hasGaps(): boolean {
    return this.config.mayHaveGaps
  }

  /** Neither offline nor about to be cut. */
  #checkSteady(): void {
    this.#health.checkOnline()
    if (this.#cuts > 0) throw truncatingError(this.name)
  }
}

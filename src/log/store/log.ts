/*
 * One partition on one disk: a list of segments that together hold the offsets
 * [logStartOffset, logEndOffset), without a gap unless the log is compacted.
 *
 * Its state, with the invariants of its offsets, is in log-state.ts. A leader never assigns an
 * offset twice; the active segment is the last.
 *
 * Appending and rolling are synchronous: nothing comes between looking at the end and writing
 * there. Syncs, deletions and other changes of files run in the background, one at a time.
 *
 * The log goes offline, until it is opened again, if a sync fails, if the disk fails for another
 * reason than a lack of room, or if bytes are not what was written. Then every call throws.
 */

import { allDone } from '../../base/tasks.js'
import { assignOffset, Batch, stampLogAppendTime } from '../../model/batch/batch.js'
import { PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import { NONE, type LeaderEpoch, type Offset, type Timestamp } from '../../model/units.js'
import type { LeaderEpochs } from '../format/leader-epochs.js'
import type { LogConfig } from '../format/log-config.js'
import { followerBatches, segmentLoads } from './follower-batches.js'
import type { OffsetAndTimestamp } from './log-reader.js'
import { LogState, type LogContents, type LogContext, type LogListener } from './log-state.js'
import { deleteOldSegments } from './old-segments.js'
import type { Producers } from './producers.js'
import { NOTHING, type ReadBounds } from './read-parts.js'
import { Truncation } from './truncation.js'

export interface Appended {
  readonly firstOffset: Offset
  readonly lastOffset: Offset
  /** The broker's time if the topic uses LogAppendTime, otherwise −1. */
  readonly logAppendTime: Timestamp
}

export class Log {
  /** Compaction uses the same object. */
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
  /** Bytes appended since the log was opened, minus truncated ones. */
  get appendedBytes(): number {
    return this.state.appendedBytes
  }
  /** How many of the appended bytes are durable. */
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
  /** Why appended records cannot be made durable yet (it is retried); undefined if they can. */
  get stalled(): PartlogError | undefined {
    return this.state.health.stalled
  }
  /** Why every call fails; undefined while the log is online. */
  get offlineReason(): PartlogError | undefined {
    return this.state.health.offlineReason
  }

  listen(listener: LogListener): void {
    this.state.listener = listener
  }

  // ── append ─────────────────────────────────────────────────────────────────────────────

  /**
   * Assigns the next offsets to the batches in `bytes` and writes them: all or nothing. Changes
   * base offset and epoch (and time, with LogAppendTime) in `bytes`. Durable only after `flush`.
   */
  append(
    bytes: Buffer,
    batches: readonly Batch[],
    leaderEpoch: LeaderEpoch,
    now: Timestamp,
  ): Appended {
    this.state.checkUsable()
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
   * Writes the leader's batches unchanged: whole batches that begin where this log ends. Checks
   * them first and writes none if one is refused. Durable only after `flush`. `isChecked`: this
   * process has computed or compared their checksums a moment ago.
   */
  appendAsFollower(
    bytes: Buffer,
    isChecked = false,
  ): Pick<Appended, 'firstOffset' | 'lastOffset'> {
    this.state.checkUsable()
    const firstOffset = this.state.logEndOffset
    const batches = followerBatches(bytes, {
      name: this.name,
      logEndOffset: firstOffset,
      lastEpoch: this.epochs.epochAt(firstOffset - 1) ?? NONE,
      hasGaps: this.config.mayHaveGaps,
      isChecked,
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

  /** Writes batches with assigned offsets, to a new segment if the active one has no room. */
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
      this.producers.note(batch, now, this.state.segments.active)
    }
    this.state.appended(last.nextOffset, bytes.length)
  }

  // ── read ───────────────────────────────────────────────────────────────────────────────

  /**
   * Whole batches from the one that contains `from`, none that reaches `bounds.upTo`. Empty at the
   * end. Throws OFFSET_OUT_OF_RANGE outside [logStartOffset, logEndOffset].
   */
  async read(from: Offset, bounds: ReadBounds): Promise<Buffer> {
    this.state.checkUsable()
    this.checkInRange(from)
    if (from >= bounds.upTo) return NOTHING
    try {
      return await this.state.reading(() => this.state.reader.read(from, bounds))
    } catch (error) {
      if (from < this.logStartOffset) this.checkInRange(from) // deleted during the read
      throw error
    }
  }

  /** The same, at once, where few bytes are to be read; undefined where `read` must be asked. */
  readNow(from: Offset, bounds: ReadBounds): Buffer | undefined {
    const { logStartOffset, logEndOffset, isUsable } = this.state
    if (!isUsable || from < logStartOffset || from > logEndOffset) return undefined
    if (from >= bounds.upTo) return NOTHING
    return this.state.reader.readNow(from, bounds)
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
    this.state.checkUsable()
    return await this.state.reading(() =>
      this.state.reader.findTimestamp(timestamp, this.state.logStartOffset),
    )
  }

  /** The first record with the newest time in the log. */
  async findNewest(): Promise<OffsetAndTimestamp | undefined> {
    this.state.checkUsable()
    return await this.state.reading(() => this.state.reader.findNewest(this.state.logStartOffset))
  }

  // ── durability ─────────────────────────────────────────────────────────────────────────

  /** Starts making everything appended so far durable; calls the listener when it is. */
  requestFlush(): void {
    if (this.offlineReason === undefined) this.state.flusher.request()
  }

  /** Resolves when everything appended before the call survives a power cut. */
  async flush(): Promise<void> {
    this.state.health.checkOnline()
    await this.state.flusher.flush()
  }

  /** Like `flush`, but rejects with KAFKA_STORAGE_ERROR while the disk has no room. */
  async flushUnlessStalled(): Promise<void> {
    await this.state.health.unlessStalled(this.flush())
  }

  /** Makes records and indexes durable, so that opening need not scan them. */
  async checkpoint(): Promise<void> {
    const { maintenance, health } = this.state
    await maintenance.run(() => health.runOrPostpone(() => this.#checkpoint()))
  }

  async #checkpoint(): Promise<void> {
    const { segments, health, flusher, producers } = this.state
    const { active } = segments // if it is rolled meanwhile, the next checkpoint covers it
    await this.state.syncClosedSegments()
    if (this.state.epochFile.hasFailed) await this.state.epochFile.write()
    const { recoveryPoint, logEndOffset } = this.state
    // It has not grown since the last checkpoint.
    if (recoveryPoint === logEndOffset) active.durability.cutZeros()
    if (recoveryPoint === logEndOffset || active !== segments.active) return
    producers.snapshot(logEndOffset)
    await health.unlessStalled(flusher.flush())
    const { durableEndOffset } = this.state
    await active.syncIndexes()
    await producers.sync(segments.all)
    if (active === segments.active) this.state.moveRecoveryPoint(durableEndOffset)
  }

  // ── deletion ───────────────────────────────────────────────────────────────────────────

  /** Moves the log start up; the next retention run deletes whole segments below it. */
  deleteRecordsBefore(offset: Offset): void {
    this.state.checkUsable()
    this.checkInRange(offset)
    if (offset <= this.state.logStartOffset) return
    this.state.moveLogStart(offset)
  }

  /** Resolves when the current log start survives a power cut. */
  async saveLogStart(): Promise<void> {
    await this.state.context.saveCheckpoints()
  }

  /** Deletes the segments that retention allows; returns how far the log start has moved. */
  async deleteOldSegments(highWatermark: Offset): Promise<number> {
    return await deleteOldSegments(this.state, highWatermark)
  }

  // ── truncation ─────────────────────────────────────────────────────────────────────────

  /**
   * Removes every batch that reaches `offset` or beyond: the log then ends there, or earlier if a
   * batch spans the offset. An offset below the log start removes everything. Durable when it
   * resolves with the paths of the files that keep the removed bytes; until then reads and appends
   * throw NOT_LEADER_OR_FOLLOWER.
   */
  async truncateTo(offset: Offset): Promise<readonly string[]> {
    return await this.#truncating(() => this.#truncation.truncateTo(offset))
  }

  /** Like `truncateTo`, but removes everything; the next record gets `offset`. */
  async truncateFullyAndStartAt(offset: Offset): Promise<readonly string[]> {
    return await this.#truncating(() => this.#truncation.truncateFullyAndStartAt(offset))
  }

  async #truncating(cut: () => Promise<readonly string[]>): Promise<readonly string[]> {
    const log = this.state
    log.health.checkOnline()
    return await log.truncating(async () => {
      log.health.checkOnline()
      return await log.health.reading(async () => {
        const { logEndOffset } = log
        const keptIn = await cut()
        if (log.logEndOffset !== logEndOffset) await this.#reloadProducers()
        return keptIn
      })
    })
  }

  /** A truncation leaves the state of before, so it is rebuilt. */
  async #reloadProducers(): Promise<void> {
    const { health, segments, logStartOffset, logEndOffset } = this.state
    const extent = { segments: segments.all, logStartOffset, logEndOffset }
    await health.retryWhileTransient(() => this.producers.reload(extent)).catch(error => {
      throw health.syncFailed(error)
    })
  }

  // ── leadership ─────────────────────────────────────────────────────────────────────────

  /** Notes that a leadership begins at the log's end. It is durable before its first records. */
  async assignEpoch(epoch: LeaderEpoch): Promise<void> {
    this.state.health.checkOnline()
    await this.state.maintenance.run(() => {
      this.state.epochFile.assign(epoch, this.state.logEndOffset)
    })
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  /** Makes everything durable and closes the files. Resolves with true if opening need not scan. */
  async close(): Promise<boolean> {
    if (this.state.health.isClosed) return this.offlineReason === undefined
    this.state.health.close()
    await this.state.backgroundEnded()
    await this.state.maintenance.idle()
    if (this.offlineReason === undefined) await this.#closeCleanly()
    this.state.segments.close()
    this.producers.close()
    return this.offlineReason === undefined
  }

  /** Closes the files without syncing anything, as a crash would. */
  async abandon(): Promise<void> {
    this.state.health.abandon()
    await this.state.backgroundEnded()
    await this.state.flusher.idle().catch(() => undefined)
    await this.state.maintenance.idle()
    this.state.segments.close()
    this.producers.close()
  }

  async #closeCleanly(): Promise<void> {
    if (this.state.isSaved) return
    try {
      await this.state.flusher.flush()
      if (this.state.epochFile.hasFailed) await this.state.epochFile.write()
      this.producers.snapshot(this.state.logEndOffset)
      const { segments } = this.state
      await allDone([segments.sealAndSync(), this.producers.sync(segments.all)])
      this.state.moveRecoveryPoint(this.state.logEndOffset)
    } catch (error) {
      this.state.health.syncFailed(error)
    }
  }
}

/*
 * The whole state of one log: its parts, its offsets, and the work under way on it. Log,
 * truncation, retention and compaction all use this one object.
 *
 *        deleted │ readable                 │ lost in a power cut │
 *   ─────────────┼──────────────┬───────────┼─────────────────────┼───▶ offsets
 *                logStartOffset recoveryPoint  durableEndOffset   logEndOffset
 *
 *   logStartOffset ≤ logEndOffset      anywhere below: records can be deleted up to any offset
 *   durableEndOffset ≤ logEndOffset    moves back only when the log is truncated
 *   recoveryPoint ≤ durableEndOffset   or ≤ logStartOffset, if everything above is deleted
 *   durableBytes ≤ appendedBytes
 *
 * Only a few methods write these numbers, and each asserts the invariants.
 */

import { assert } from '../../base/assert.js'
import { SerialQueue, Signal } from '../../base/tasks.js'
import { allSynced, join } from '../../disk/disk.js'
import type { PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { Offset } from '../../model/units.js'
import { EpochFile } from './epoch-file.js'
import { SYNC_FAILED } from '../format/files.js'
import type { LeaderEpochs } from '../format/leader-epochs.js'
import { truncatingError } from '../format/log-errors.js'
import { Flusher } from './flusher.js'
import { LogHealth } from './log-health.js'
import { LogReader } from './log-reader.js'
import type { Producers } from './producers.js'
import { SegmentList, type SegmentListContext } from './segment-list.js'
import type { Segment } from './segment.js'

export interface LogContext extends SegmentListContext {
  readonly topicPartition: TopicPartition
  /** Memory that a compaction may use for its keys; see OFFSET_MAP_BYTES_MAX. */
  readonly offsetMapBytes?: number
  /** Writes the current recovery points and log starts of all logs. Durable when it resolves. */
  saveCheckpoints(): Promise<void>
}

/** The contents that opening has found in a log's folder. */
export interface LogContents {
  readonly segments: readonly Segment[]
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly recoveryPoint: Offset
  readonly firstDirtyOffset: Offset
  readonly epochs: LeaderEpochs
  readonly producers: Producers
  /** Files of a new log that are not synced yet, by path. Default: none. */
  readonly newFiles?: readonly string[]
}

/** Events of a log, for its owner. */
export interface LogListener {
  /** Everything below the offset is durable now. */
  onDurable(durableEndOffset: Offset): void
  /** Appended records cannot be made durable until the disk has room again. */
  onStalled(error: PartlogError): void
  /** The log has gone offline. */
  onOffline(error: PartlogError): void
  /** A segment was closed and synced, or the log start has moved: the checkpoints are stale. */
  onCheckpointable(): void
}

/** The result of a truncation. */
export interface CutResult {
  readonly logEndOffset: Offset
  /** No record is left. */
  readonly isEmpty: boolean
  /** Bytes that were removed. */
  readonly bytes: number
}

export class LogState {
  readonly name: string
  readonly context: LogContext
  readonly epochs: LeaderEpochs
  readonly producers: Producers
  readonly segments: SegmentList
  readonly epochFile: EpochFile
  readonly reader: LogReader
  readonly health: LogHealth
  readonly flusher: Flusher
  /** Runs all changes of files except appends, one at a time. */
  readonly maintenance = new SerialQueue()
  listener: LogListener | undefined
  #logStartOffset: Offset
  #logEndOffset: Offset
  #durableEndOffset: Offset
  #recoveryPoint: Offset
  #firstDirtyOffset: Offset
  #appendedBytes = 0
  #durableBytes = 0
  #reads = 0
  #cuts = 0
  readonly #readsEnded = new Signal()
  readonly #background = new Set<Promise<unknown>>()

  constructor(context: LogContext, contents: LogContents) {
    const { topic, partition } = context.topicPartition
    this.name = `${topic}-${partition}`
    this.context = context
    this.epochs = contents.epochs
    this.producers = contents.producers
    this.#logStartOffset = contents.logStartOffset
    this.#logEndOffset = contents.logEndOffset
    this.#durableEndOffset = contents.logEndOffset
    this.#recoveryPoint = contents.recoveryPoint
    this.#firstDirtyOffset = contents.firstDirtyOffset
    this.segments = new SegmentList(context, contents.segments, contents.newFiles)
    this.epochFile = new EpochFile(context.disk, context.folder, contents.epochs)
    this.health = new LogHealth({
      name: this.name,
      clock: context.clock,
      logger: context.logger,
      onStalled: error => this.listener?.onStalled(error),
      onOffline: error => this.listener?.onOffline(error),
      onSyncFailed: () => markFailedSync(context),
    })
    this.reader = new LogReader(this)
    this.flusher = new Flusher(this)
    assert(contents.segments.length > 0, 'a log has an active segment', { log: this.name })
    this.#check()
  }

  // ── the numbers ────────────────────────────────────────────────────────────────────────

  /** The first offset that can be read. Retention and deleting records move it up. */
  get logStartOffset(): Offset {
    return this.#logStartOffset
  }
  /** The offset of the next record. */
  get logEndOffset(): Offset {
    return this.#logEndOffset
  }
  /** Everything below survives a power cut. */
  get durableEndOffset(): Offset {
    return this.#durableEndOffset
  }
  /** Everything below is synced with its indexes: opening scans from here. */
  get recoveryPoint(): Offset {
    return this.#recoveryPoint
  }
  /** Where the next compaction continues. */
  get firstDirtyOffset(): Offset {
    return this.#firstDirtyOffset
  }
  /** Bytes appended since the log was opened, minus truncated ones. */
  get appendedBytes(): number {
    return this.#appendedBytes
  }
  /** How many of the appended bytes are durable. */
  get durableBytes(): number {
    return this.#durableBytes
  }

  /** Everything is durable with its indexes and a snapshot of the producers. */
  get isSaved(): boolean {
    const end = this.#logEndOffset
    if (this.segments.active.durability.hasZerosAhead || this.epochFile.hasFailed) return false
    return this.#recoveryPoint === end && this.producers.snapshotAt === end
  }

  /** Records were appended. */
  appended(logEndOffset: Offset, bytes: number): void {
    assert(logEndOffset > this.#logEndOffset, 'no offset is given twice')
    this.#logEndOffset = logEndOffset
    this.#appendedBytes += bytes
  }

  /** A sync has succeeded. */
  becameDurable(durableEndOffset: Offset, bytes: number): void {
    assert(durableEndOffset >= this.#durableEndOffset, 'durable records stay durable')
    this.#durableEndOffset = durableEndOffset
    this.#durableBytes = bytes
    this.#check()
    this.listener?.onDurable(durableEndOffset)
  }

  /** Deletes the records below an offset. */
  moveLogStart(logStartOffset: Offset): void {
    assert(logStartOffset >= this.#logStartOffset, 'the log start never moves back')
    this.#logStartOffset = logStartOffset
    this.#check()
    this.listener?.onCheckpointable()
  }

  /** Everything below is durable, with its indexes. */
  moveRecoveryPoint(recoveryPoint: Offset): void {
    this.#recoveryPoint = recoveryPoint
    this.#check()
  }

  /** Compaction has cleaned everything below. */
  moveFirstDirtyOffset(firstDirtyOffset: Offset): void {
    this.#firstDirtyOffset = firstDirtyOffset
  }

  /** A truncation is about to begin: after a crash, opening scans from the new recovery point. */
  willTruncate(recoveryPoint: Offset, firstDirtyOffset: Offset): void {
    this.#recoveryPoint = Math.min(this.#recoveryPoint, recoveryPoint)
    this.#firstDirtyOffset = Math.min(this.#firstDirtyOffset, firstDirtyOffset)
  }

  /** The log was truncated while no read or sync was under way. */
  truncated({ logEndOffset, isEmpty, bytes }: CutResult): void {
    this.#logEndOffset = logEndOffset
    if (isEmpty) this.#logStartOffset = logEndOffset
    this.#durableEndOffset = isEmpty
      ? logEndOffset
      : Math.min(this.#durableEndOffset, logEndOffset)
    this.#appendedBytes -= bytes
    this.#durableBytes = Math.min(this.#durableBytes, this.#appendedBytes)
    this.#check()
  }

  #check(): void {
    const start = this.#logStartOffset
    const end = this.#logEndOffset
    const recovery = this.#recoveryPoint
    const durable = this.#durableEndOffset
    if (start > end || durable > end || recovery > Math.max(durable, start)) {
      assert(false, 'the offsets of a log are in order', { start, recovery, durable, end })
    }
    assert(this.#durableBytes <= this.#appendedBytes, 'durable bytes were appended')
  }

  // ── work under way ─────────────────────────────────────────────────────────────────────

  /** Reads or syncs are under way: the log must not be truncated now. */
  get isBusy(): boolean {
    return this.#reads > 0 || this.flusher.isRunning
  }

  /** Resolves when `isBusy` may have changed. Throws if the log is offline. */
  async idle(): Promise<void> {
    await (this.#reads > 0 ? this.#readsEnded.wait() : this.flusher.idle())
    const { offlineReason } = this.health
    if (offlineReason !== undefined) throw offlineReason
  }

  async reading<T>(read: () => Promise<T>): Promise<T> {
    this.#reads++
    try {
      return await this.health.reading(read)
    } finally {
      if (--this.#reads === 0) this.#readsEnded.notify()
    }
  }

  /** A truncation is under way or waits for its turn. */
  get isTruncating(): boolean {
    return this.#cuts > 0
  }

  async truncating<T>(cut: () => Promise<T>): Promise<T> {
    this.#cuts++
    try {
      return await this.maintenance.run(cut)
    } finally {
      this.#cuts--
    }
  }

  /** The log is not offline, closed or about to be truncated. */
  get isUsable(): boolean {
    return this.#cuts === 0 && this.health.isOnline
  }

  /** Throws if the log is offline, closed or about to be truncated. */
  checkUsable(): void {
    this.health.checkOnline()
    if (this.#cuts > 0) throw truncatingError(this.name)
  }

  /** Registers work in the background, which stops when the log is closed; closing waits for it. */
  inBackground(work: Promise<unknown>): void {
    const ended = work.then(
      () => undefined,
      () => undefined,
    )
    this.#background.add(ended)
    void ended.then(() => this.#background.delete(ended))
  }

  /** Resolves when no background work is under way. */
  async backgroundEnded(): Promise<void> {
    await Promise.all(this.#background)
  }

  // ── shared steps ───────────────────────────────────────────────────────────────────────

  /** Syncs all appended records; before them what is durable with the first of them. */
  syncNow(): Promise<void> {
    return this.health.retryWhileTransient(() => this.#sync())
  }

  async #sync(): Promise<void> {
    if (this.epochFile.isStale) {
      await allSynced([this.segments.syncNewFiles(), this.epochFile.flush()])
    }
    await this.segments.sync()
  }

  onSyncFailed(error: unknown): PartlogError {
    return this.health.syncFailed(error)
  }

  /** Closes the active segment, begins the next one and queues the sync of the closed one. */
  roll(baseOffset: Offset): boolean {
    // The active segment is empty: a new one would be the same.
    if (this.segments.active.baseOffset === baseOffset) return false
    this.segments.roll(baseOffset)
    this.producers.snapshot(baseOffset)
    void this.maintenance.run(() => this.health.runOrPostpone(() => this.syncClosedSegments()))
    return true
  }

  /**
   * Makes closed segments durable with their indexes, and moves the recovery point past each. If
   * the disk has no room, the rest is left for the next call.
   */
  async syncClosedSegments(): Promise<void> {
    const { segments, health, producers } = this
    for (const closed of segments.closedFrom(this.#recoveryPoint)) {
      const next = segments.after(closed)
      if (next === undefined || health.offlineReason !== undefined) return
      await health.unlessStalled(this.flusher.flush())
      // Zeros were cut off, and nothing was appended since.
      if (closed.durability.isDirty) await closed.durability.sync()
      await closed.syncIndexes()
      await producers.sync(segments.all)
      if (!segments.has(closed)) return
      this.moveRecoveryPoint(Math.max(this.#recoveryPoint, next.baseOffset))
      this.listener?.onCheckpointable()
    }
  }
}

/**
 * Marks the log for its next opening, see recovery/failed-sync.ts. If the disk refuses that too,
 * nothing more can be done here: the log is offline, and this is said.
 */
function markFailedSync({ disk, folder, logger }: LogContext): void {
  const path = join(folder, SYNC_FAILED)
  try {
    if (!disk.exists(path)) disk.create(path).close()
  } catch (error) {
    logger.warn(`${path} cannot be written`, { error })
  }
}

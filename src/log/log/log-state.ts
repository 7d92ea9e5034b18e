/**
 * The state of one log, whole: what it is made of, the numbers that say what it holds, and what is
 * at work on it. Log, truncation, retention and compaction all work on this one object.
 *
 *        deleted │ readable                 │ lost in a power cut │
 *   ─────────────┼──────────────┬───────────┼─────────────────────┼───▶ offsets
 *                logStartOffset recoveryPoint  durableEndOffset   logEndOffset
 *
 *   logStartOffset ≤ logEndOffset      it lies anywhere below: records are deleted by offset, too
 *   durableEndOffset ≤ logEndOffset    it goes back only when the log is cut
 *   recoveryPoint ≤ durableEndOffset   unless everything above is deleted: ≤ logStartOffset then
 *   durableBytes ≤ appendedBytes
 *
 * Each number is written by one method, which asserts what binds it.
 */

import { assert } from '../../base/assert.js'
import { SerialQueue, Signal } from '../../base/tasks.js'
import type { PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { Offset } from '../../model/units.js'
import { EpochFile } from '../format/epoch-file.js'
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
  /** What a compaction may take for its keys; see OFFSET_MAP_BYTES_MAX. */
  readonly offsetMapBytes?: number
  /** Writes recovery point and log start of all logs as they are. Durable when it resolves. */
  saveCheckpoints(): Promise<void>
}

/** What opening has found in a log's folder. */
export interface LogContents {
  readonly segments: readonly Segment[]
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly recoveryPoint: Offset
  readonly firstDirtyOffset: Offset
  readonly epochs: LeaderEpochs
  readonly producers: Producers
}

/** What a log tells its owner. */
export interface LogListener {
  /** Everything below is durable now. */
  onDurable(durableEndOffset: Offset): void
  /** What was appended cannot be made durable until the disk has room again. */
  onStalled(error: PartlogError): void
  /** The log has gone offline. */
  onOffline(error: PartlogError): void
  /** A segment was closed and synced, or the log start moved: worth a checkpoint. */
  onCheckpointable(): void
}

/** What a cut leaves. */
export interface CutResult {
  readonly logEndOffset: Offset
  /** No record is left. */
  readonly isEmpty: boolean
  /** Bytes that are gone. */
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
  /** Everything that changes files, but for appending, takes its turn here. */
  readonly behind = new SerialQueue()
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
  readonly #beside = new Set<Promise<unknown>>()

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
    this.segments = new SegmentList(context, contents.segments)
    this.epochFile = new EpochFile(context.disk, context.folder, contents.epochs)
    this.health = new LogHealth({
      name: this.name,
      clock: context.clock,
      logger: context.logger,
      onStalled: error => this.listener?.onStalled(error),
      onOffline: error => this.listener?.onOffline(error),
    })
    this.reader = new LogReader(this)
    this.flusher = new Flusher(this)
    assert(contents.segments.length > 0, 'a log has an active segment', { log: this.name })
    this.#check()
  }

  // ── the numbers ────────────────────────────────────────────────────────────────────────

  /** The first offset that can be read. Moves up by retention and by deleting records. */
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
  /** Everything below is synced with its indexes: opening begins to scan here. */
  get recoveryPoint(): Offset {
    return this.#recoveryPoint
  }
  /** Compaction goes on here. */
  get firstDirtyOffset(): Offset {
    return this.#firstDirtyOffset
  }
  /** Bytes appended since the log was opened, less those cut off. */
  get appendedBytes(): number {
    return this.#appendedBytes
  }
  /** How many of them are durable. */
  get durableBytes(): number {
    return this.#durableBytes
  }

  /** Records were appended. */
  appended(logEndOffset: Offset, bytes: number): void {
    assert(logEndOffset > this.#logEndOffset, 'no offset is given twice', { logEndOffset })
    this.#logEndOffset = logEndOffset
    this.#appendedBytes += bytes
  }

  /** A sync has ended well. */
  becameDurable(durableEndOffset: Offset, bytes: number): void {
    assert(durableEndOffset >= this.#durableEndOffset, 'what is durable stays so')
    this.#durableEndOffset = durableEndOffset
    this.#durableBytes = bytes
    this.#check()
    this.listener?.onDurable(durableEndOffset)
  }

  /** Records below are deleted. */
  startAt(logStartOffset: Offset): void {
    assert(logStartOffset >= this.#logStartOffset, 'what is deleted does not come back')
    this.#logStartOffset = logStartOffset
    this.#check()
    this.listener?.onCheckpointable()
  }

  /** Everything below is durable with its indexes. */
  settledTo(recoveryPoint: Offset): void {
    this.#recoveryPoint = recoveryPoint
    this.#check()
  }

  /** Compaction has got so far. */
  cleanedTo(firstDirtyOffset: Offset): void {
    this.#firstDirtyOffset = firstDirtyOffset
  }

  /** A cut is about to begin: opening scans what a crash leaves of it. */
  aboutToCut(recoveryPoint: Offset, firstDirtyOffset: Offset): void {
    this.#recoveryPoint = Math.min(this.#recoveryPoint, recoveryPoint)
    this.#firstDirtyOffset = Math.min(this.#firstDirtyOffset, firstDirtyOffset)
  }

  /** The log was cut while nothing was read or synced. */
  cutBack({ logEndOffset, isEmpty, bytes }: CutResult): void {
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
    const [start, end] = [this.#logStartOffset, this.#logEndOffset]
    const [recovery, durable] = [this.#recoveryPoint, this.#durableEndOffset]
    const isInOrder = start <= end && durable <= end && recovery <= Math.max(durable, start)
    assert(isInOrder, 'the offsets of a log are in order', { start, recovery, durable, end })
    assert(this.#durableBytes <= this.#appendedBytes, 'no more is durable than was appended')
  }

  // ── what is at work ────────────────────────────────────────────────────────────────────

  /** Reads or syncs are under way: nothing may be cut now. */
  get isBusy(): boolean {
    return this.#reads > 0 || this.flusher.isRunning
  }

  /** Resolves when `isBusy` may have changed. Throws when the log is offline. */
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

  /** A cut is under way or waits for its turn. */
  get isBeingCut(): boolean {
    return this.#cuts > 0
  }

  async cutting<T>(cut: () => Promise<T>): Promise<T> {
    this.#cuts++
    try {
      return await this.behind.run(cut)
    } finally {
      this.#cuts--
    }
  }

  /** Throws when the log is offline, closed or about to be cut. */
  checkSteady(): void {
    this.health.checkOnline()
    if (this.#cuts > 0) throw truncatingError(this.name)
  }

  /** Work beside appends and reads that gives up when the log is closed; closing waits for it. */
  beside(work: Promise<unknown>): void {
    const ended = work.then(
      () => undefined,
      () => undefined,
    )
    this.#beside.add(ended)
    void ended.then(() => this.#beside.delete(ended))
  }

  /** Resolves when no work beside is under way. */
  async besideEnded(): Promise<void> {
    await Promise.all(this.#beside)
  }

  // ── pieces that more than one of them needs ────────────────────────────────────────────

  /** Syncs what is there now, epochs first: what is durable has its epoch in the file. */
  async syncNow(): Promise<void> {
    await this.health.untilItPasses(async () => {
      await this.epochFile.flush()
      await this.segments.sync()
    })
  }

  onSyncFailed(error: unknown): PartlogError {
    return this.health.syncFailed(error)
  }

  /** Closes the active segment and begins the next one; what it held is to be settled then. */
  roll(baseOffset: Offset): boolean {
    // An empty one is as good as a new one.
    if (this.segments.active.baseOffset === baseOffset) return false
    this.segments.roll(baseOffset)
    this.producers.snapshot(baseOffset)
    void this.behind.run(() => this.health.orLater(() => this.settle()))
    return true
  }

  /**
   * Closed segments become durable with their indexes: the recovery point moves behind each. What
   * finds no room is left for the next call.
   */
  async settle(): Promise<void> {
    const { segments, health, producers } = this
    for (const closed of segments.closedFrom(this.#recoveryPoint)) {
      const next = segments.after(closed)
      if (next === undefined || health.offlineReason !== undefined) return
      await health.unlessStalled(this.flusher.flush())
      await closed.syncIndexes()
      await producers.sync(segments.all)
      if (!segments.has(closed)) return
      this.settledTo(Math.max(this.#recoveryPoint, next.baseOffset))
      this.listener?.onCheckpointable()
    }
  }
}

/**
 * The segments of a log, oldest first, as files: making, syncing and taking away. There is always a
 * last one, the active segment.
 */

import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Random } from '../base/random.js'
import type { Disk } from '../disk/disk.js'
import { Batch, BATCH_HEADER_BYTES, frameAt } from '../model/batch.js'
import type { Offset, Position } from '../model/units.js'
import type { LogSettings } from './config.js'
import { DeletedSegments } from './deleted-segments.js'
import { DamagedBytesError } from './errors.js'
import { IndexError, type IndexCache } from './index-file.js'
import { floorSegment } from './log-reader.js'
import { deletableSegments, type RetentionDecision } from './retention.js'
import { Segment } from './segment.js'

export interface SegmentListContext {
  readonly disk: Disk
  readonly folder: string
  readonly clock: Clock
  readonly random: Random
  readonly cache: IndexCache
  readonly logger: Logger
  readonly settings: LogSettings
}

/** A place where a batch begins, and everything goes from there on. */
export interface Cut {
  readonly index: number
  readonly position: Position
  /** Where the log ends then. */
  readonly end: Offset
}

export class SegmentList {
  readonly #context: SegmentListContext
  readonly #deleted: DeletedSegments
  #segments: Segment[]
  /** A segment file was made whose name is not synced yet. */
  #hasNewNames = false

  constructor(context: SegmentListContext, segments: readonly Segment[]) {
    this.#context = context
    this.#deleted = new DeletedSegments(context)
    this.#segments = [...segments]
  }

  get all(): readonly Segment[] {
    return this.#segments
  }
  get first(): Segment {
    return this.#segments[0] as Segment
  }
  get active(): Segment {
    return this.#segments[this.#segments.length - 1] as Segment
  }
  get sizeBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.size, 0)
  }

  has(segment: Segment): boolean {
    return this.#segments.includes(segment)
  }

  /** The segment behind this one; undefined when it is the last, or not in the log any more. */
  after(segment: Segment): Segment | undefined {
    const index = this.#segments.indexOf(segment)
    return index < 0 ? undefined : this.#segments[index + 1]
  }

  /** Closes the active segment, which is returned, and begins the next one. */
  roll(baseOffset: Offset): Segment {
    const closed = this.active
    closed.seal()
    this.#segments.push(Segment.create(this.#options(baseOffset)))
    this.#hasNewNames = true
    return closed
  }

  /** Takes the oldest segments away, one after the other. One must be left. */
  async dropOldest(count: number): Promise<void> {
    const { fileDeleteDelayMs } = this.#context.settings.current
    await this.#deleted.addInOrder(this.#segments.splice(0, count), fileDeleteDelayMs)
  }

  /** How many of the oldest segments retention lets go. Their newest times must be known. */
  deletable(marks: {
    readonly logStartOffset: Offset
    readonly logEndOffset: Offset
    readonly highWatermark: Offset
  }): RetentionDecision {
    const { cleanupPolicy, retentionBytes, retentionMs } = this.#context.settings.current
    const isDeleted = cleanupPolicy === 'delete'
    const view = this.#segments.map((segment, index) => ({
      nextOffset: this.#segments[index + 1]?.baseOffset ?? marks.logEndOffset,
      bytes: segment.size,
      // What has no time cannot be too old.
      newestTimestamp: segment.newestTimestamp < 0 ? Infinity : segment.newestTimestamp,
    }))
    return deletableSegments(view, {
      ...marks,
      retentionBytes: isDeleted ? retentionBytes : -1,
      retentionMs: isDeleted ? retentionMs : -1,
      now: this.#context.clock.now(),
    })
  }

  /** Syncs what is there now, in the order it was written. */
  async sync(): Promise<void> {
    const hadNewNames = this.#hasNewNames
    this.#hasNewNames = false
    for (const segment of this.#segments.filter(candidate => candidate.isDirty)) {
      if (!this.has(segment)) continue // deleted while another one was synced
      const { size } = segment
      await segment.file.sync()
      segment.syncedBytes = Math.max(segment.syncedBytes, size)
    }
    if (hadNewNames) await this.#syncNames()
  }

  // ── being cut ──────────────────────────────────────────────────────────────────────────

  /** Where to cut so that no batch reaches to `offset`, which lies below the log's end. */
  async findCut(offset: Offset): Promise<Cut> {
    const index = floorSegment(this.#segments, offset)
    const segment = this.#segments[index] as Segment
    const position = await segment.positionOf(offset).catch(async (error: unknown) => {
      if (!(error instanceof IndexError)) throw error
      return await segment.scanFor(offset)
    })
    // In a compacted log there may be nothing from `offset` to the next segment.
    if (position === segment.size) return { index, position, end: offset }
    const header = await segment.file.read(position, BATCH_HEADER_BYTES)
    if (frameAt(header, 0, header.length) <= 0 || header.length < BATCH_HEADER_BYTES) {
      throw new DamagedBytesError(segment.file.path, position, 'no batch begins there')
    }
    return { index, position, end: Math.min(offset, new Batch(header, 0).baseOffset) }
  }

  /** Takes away what lies behind a cut; returns how many bytes that were. */
  cut({ index, position }: Cut): number {
    const before = this.sizeBytes
    // From the end backwards: a crash in between leaves a shorter log, never one with a hole.
    const { fileDeleteDelayMs } = this.#context.settings.current
    for (const segment of this.#segments.splice(index + 1).reverse()) {
      this.#deleted.add(segment, fileDeleteDelayMs)
    }
    this.active.cut(position)
    return before - this.sizeBytes
  }

  /** Makes a cut survive a power cut. */
  async syncCut(): Promise<void> {
    this.#hasNewNames = false
    await this.active.file.sync()
    await this.#syncNames()
  }

  /** An empty list begins at another offset. There is a file at any time. */
  async replaceEmpty(baseOffset: Offset): Promise<void> {
    if (this.active.baseOffset === baseOffset) return
    this.#segments.push(Segment.create(this.#options(baseOffset)))
    await this.#syncNames()
    await this.dropOldest(1)
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  /** The active segment and all names, for opening without a scan. */
  async sealAndSync(): Promise<void> {
    this.active.seal()
    await this.active.syncIndexes()
    if (this.#hasNewNames) await this.#syncNames()
  }

  /** Gives the files back. */
  close(): void {
    this.#deleted.close()
    for (const segment of this.#segments) segment.close()
  }

  async #syncNames(): Promise<void> {
    await this.#context.disk.syncDirectory(this.#context.folder)
  }

  #options(baseOffset: Offset) {
    const { disk, folder, cache, clock, random, settings } = this.#context
    const { segmentJitterMs } = settings.current
    return {
      disk,
      folder,
      cache,
      baseOffset,
      settings,
      jitterMs: segmentJitterMs === 0 ? 0 : random.int(segmentJitterMs),
      createdAt: clock.now(),
    }
  }
}

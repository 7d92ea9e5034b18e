/*
 * The segments of a log, oldest first: creates, syncs, truncates and deletes their files. The last
 * one, which always exists, is the active segment.
 */

import { assert } from '../../base/assert.js'
import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { join, type Disk } from '../../disk/disk.js'
import { Batch, BATCH_HEADER_BYTES, frameAt } from '../../model/batch/batch.js'
import type { Offset, Position, Timestamp } from '../../model/units.js'
import { CLEANED_SUFFIX, SEGMENT_FILE_KINDS, segmentFile } from '../format/files.js'
import { IndexError, type IndexCache } from '../format/index-file.js'
import type { LogSettings } from '../format/log-config.js'
import { DamagedBytesError } from '../format/log-errors.js'
import { DeletedSegments } from './deleted-segments.js'
import { floorSegment } from './read-parts.js'
import { deletableSegments, type RetentionDecision } from './retention.js'
import type { ZerosAhead } from './segment-durability.js'
import { Segment, type SegmentOptions } from './segment.js'

export interface SegmentListContext {
  readonly disk: Disk
  readonly folder: string
  readonly clock: Clock
  readonly random: Random
  readonly cache: IndexCache
  readonly logger: Logger
  readonly settings: LogSettings
  /** When to write zeros ahead of records. Default: never. */
  readonly zerosAhead?: ZerosAhead | undefined
}

/** The beginning of a batch from which on everything is removed. */
export interface Cut {
  readonly index: number
  readonly position: Position
  /** The end of the log after the cut. */
  readonly end: Offset
  /** The recovery point after the cut: below `end` if that may lie in a gap. */
  readonly recoveryPoint: Offset
}

export class SegmentList {
  readonly #context: SegmentListContext
  readonly #deleted: DeletedSegments
  #segments: Segment[]
  /** Files were created whose names are not synced yet. */
  #hasNewNames = false
  /** Other files of a new log, which no sync has covered yet. */
  #newFiles: readonly string[]
  #changes = 0
  #layout = 0

  /** `newFiles`: paths of files made with a new log; they and the names are not synced yet. */
  constructor(
    context: SegmentListContext,
    segments: readonly Segment[],
    newFiles: readonly string[] = [],
  ) {
    this.#context = context
    this.#newFiles = newFiles
    this.#hasNewNames = newFiles.length > 0
    this.#deleted = new DeletedSegments(context)
    this.#segments = [...segments]
  }

  get all(): readonly Segment[] {
    return this.#segments
  }
  /** Grows when segments are truncated or deleted: a list taken before may be stale. */
  get changes(): number {
    return this.#changes
  }
  /** Grows when a name in the folder comes to mean another file, or none. */
  get layout(): number {
    return this.#layout
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

  /** The segment after this one; undefined if it is the last or no longer in the log. */
  after(segment: Segment): Segment | undefined {
    const index = this.#segments.indexOf(segment)
    return index < 0 ? undefined : this.#segments[index + 1]
  }

  /** The closed segments from the one that contains `offset`. */
  closedFrom(offset: Offset): readonly Segment[] {
    return this.#segments.slice(floorSegment(this.#segments, offset), -1)
  }

  /** Closes the active segment, begins the next one, and returns the closed one. */
  roll(baseOffset: Offset): Segment {
    const closed = this.active
    const { baseOffset: before } = closed
    assert(baseOffset > before, 'segments ascend', { before, baseOffset })
    closed.seal()
    this.#segments.push(Segment.create(this.#options(baseOffset)))
    this.#hasNewNames = true
    return closed
  }

  /**
   * Deletes the oldest segments in order; at least one must stay. Each rename is durable before the
   * next one begins, so neither a power cut nor a failing disk leaves a hole.
   */
  async dropOldest(count: number): Promise<void> {
    const { disk, folder } = this.#context
    const { fileDeleteDelayMs } = this.#context.settings.current
    for (const oldest of this.#segments.slice(0, count)) {
      if (this.first !== oldest) return // truncated meanwhile
      this.#deleted.add(oldest, fileDeleteDelayMs)
      // A new array: a loop over the old one must not skip a segment.
      this.#segments = this.#segments.slice(1)
      this.#changes++
      this.#layout++
      await disk.syncDirectory(folder)
    }
  }

  /** How many of the oldest segments retention deletes. Their newest times must be known. */
  deletable(marks: {
    readonly logStartOffset: Offset
    readonly logEndOffset: Offset
    readonly highWatermark: Offset
  }): RetentionDecision {
    const { isDeleted, retentionBytes, retentionMs } = this.#context.settings.current
    const view = this.#segments.map((segment, index) => ({
      nextOffset: this.#segments[index + 1]?.baseOffset ?? marks.logEndOffset,
      bytes: segment.size,
      newestTimestamp: ageOf(segment),
    }))
    return deletableSegments(view, {
      ...marks,
      retentionBytes: isDeleted ? retentionBytes : -1,
      retentionMs: isDeleted ? retentionMs : -1,
      now: this.#context.clock.now(),
    })
  }

  /** Syncs everything written so far: records in the order they were written, then names. */
  async sync(): Promise<void> {
    const hadNewNames = this.#hasNewNames
    this.#hasNewNames = false
    try {
      await this.syncNewFiles()
      await this.#syncRecords()
      if (hadNewNames) await this.#syncNames()
    } catch (error) {
      this.#hasNewNames ||= hadNewNames
      throw error
    }
  }

  async #syncRecords(): Promise<void> {
    for (const segment of this.#segments.filter(({ durability }) => durability.isDirty)) {
      if (!this.has(segment)) continue // deleted while another segment was synced
      await segment.durability.sync()
    }
  }

  /** What a log is, is durable before its first records are. */
  async syncNewFiles(): Promise<void> {
    for (let path = this.#newFiles[0]; path !== undefined; path = this.#newFiles[0]) {
      const file = this.#context.disk.open(path)
      await file.sync().finally(() => file.close())
      this.#newFiles = this.#newFiles.slice(1)
    }
  }

  // ── truncation ─────────────────────────────────────────────────────────────────────────

  /** Where to cut so that no batch reaches `offset`, which is below the log's end. */
  async findCut(offset: Offset): Promise<Cut> {
    const index = floorSegment(this.#segments, offset)
    const segment = this.#segments[index] as Segment
    const position = await segment.positionOf(offset).catch(async (error: unknown) => {
      if (!(error instanceof IndexError)) throw error
      return await segment.scanFor(offset)
    })
    const { mayHaveGaps } = this.#context.settings.current
    // In a compacted log no batch may exist from `offset` to the next segment.
    if (position === segment.size && mayHaveGaps) return this.#cutAt(index, position, offset)
    const header = await segment.file.read(position, BATCH_HEADER_BYTES)
    if (frameAt(header, 0, header.length) <= 0 || header.length < BATCH_HEADER_BYTES) {
      throw new DamagedBytesError(segment.file.path, position, 'no batch begins there')
    }
    return this.#cutAt(index, position, Math.min(offset, new Batch(header, 0).baseOffset))
  }

  #cutAt(index: number, position: Position, end: Offset): Cut {
    const { mayHaveGaps } = this.#context.settings.current
    const { baseOffset } = this.#segments[index] as Segment
    return { index, position, end, recoveryPoint: mayHaveGaps ? baseOffset : end }
  }

  /** Removes everything after a cut; returns the number of bytes. */
  cut({ index, position }: Cut): number {
    const before = this.sizeBytes
    this.#changes++
    this.#layout++
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

  /** Lets an empty log begin at another offset. At any time there is at least one file. */
  async replaceEmpty(baseOffset: Offset): Promise<void> {
    if (this.active.baseOffset === baseOffset) return
    this.#segments.push(Segment.create(this.#options(baseOffset)))
    await this.#syncNames()
    await this.dropOldest(1)
  }

  // ── compaction ─────────────────────────────────────────────────────────────────────────

  /** An empty segment outside the list, in `.cleaned` files. */
  async createCleaned(baseOffset: Offset): Promise<Segment> {
    const { disk, folder } = this.#context
    // A failed attempt may have left files.
    for (const name of namesOf(baseOffset)) await disk.remove(join(folder, name + CLEANED_SUFFIX))
    return Segment.create({ ...this.#options(baseOffset), suffix: CLEANED_SUFFIX })
  }

  /**
   * Replaces adjacent segments with one. The first of them has its base offset and keeps its
   * snapshot file; all other files are renamed, and reads under way can finish.
   */
  replace(old: readonly Segment[], fresh: Segment): void {
    const index = this.#segments.indexOf(old[0] as Segment)
    const isRun = old.every((segment, nth) => this.#segments[index + nth] === segment)
    assert(index >= 0 && isRun, 'compaction replaces segments that follow each other')
    assert(fresh.baseOffset === old[0]?.baseOffset, 'the new segment begins where the old did')
    const [before, after] = [this.#segments.slice(0, index), this.#segments.slice(index)]
    this.#segments = [...before, fresh, ...after.slice(old.length)]
    this.#layout++
    const { fileDeleteDelayMs } = this.#context.settings.current
    const withoutSnapshot = SEGMENT_FILE_KINDS.filter(kind => kind !== 'snapshot')
    for (const [at, segment] of old.entries()) {
      this.#deleted.add(segment, fileDeleteDelayMs, at === 0 ? withoutSnapshot : undefined)
    }
  }

  // ── following ──────────────────────────────────────────────────────────────────────────

  /** Another process has replaced closed segments: these are the ones that its folder has now. */
  relist(segments: readonly Segment[]): void {
    assert(segments.at(-1) === this.active, 'the active segment stays')
    const left = this.#segments.filter(segment => !segments.includes(segment))
    this.#segments = [...segments]
    this.#changes++
    this.#layout++
    for (const segment of left) segment.close()
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  /** Seals and syncs the active segment and all names, so that opening need not scan. */
  async sealAndSync(): Promise<void> {
    this.active.seal()
    for (const { durability } of this.#segments) if (durability.isDirty) await durability.sync()
    await this.active.syncIndexes()
    if (this.#hasNewNames) await this.#syncNames()
  }

  /** Closes the files. */
  close(): void {
    this.#deleted.close()
    for (const segment of this.#segments) segment.close()
  }

  async #syncNames(): Promise<void> {
    await this.#context.disk.syncDirectory(this.#context.folder)
  }

  #options(baseOffset: Offset) {
    const { random, settings } = this.#context
    const { segmentJitterMs } = settings.current
    const jitterMs = segmentJitterMs === 0 ? 0 : random.int(segmentJitterMs)
    return { ...segmentOptions(this.#context, baseOffset), jitterMs }
  }
}

/** Options of a segment whose age counts in full. */
export function segmentOptions(
  { disk, folder, cache, clock, settings, zerosAhead }: SegmentListContext,
  baseOffset: Offset,
): SegmentOptions {
  const createdAt = clock.now()
  return { disk, folder, cache, baseOffset, settings, zerosAhead, jitterMs: 0, createdAt }
}

/** A segment without times is never too old; an empty one never keeps others from being deleted. */
function ageOf({ times: { newestTimestamp }, size }: Segment): Timestamp {
  if (newestTimestamp >= 0) return newestTimestamp
  return size === 0 ? -Infinity : Infinity
}

function namesOf(baseOffset: Offset): string[] {
  return SEGMENT_FILE_KINDS.map(kind => segmentFile(baseOffset, kind))
}

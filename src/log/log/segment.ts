/**
 * A segment: one file of batches and its two indexes. The last segment of a log is the active one,
 * which grows; all others are closed and never change.
 *
 * Invariants
 * - The file's name is the base offset; every batch in it begins at or after it.
 * - Each batch's offsets lie above those of the batch before.
 * - Its newest time is one value, time and offset together, so nobody sees half an update.
 */

import { assert } from '../../base/assert.js'
import { join, type Disk, type DiskFile } from '../../disk/disk.js'
import { Batch, BATCH_HEADER_BYTES, frameAt } from '../../model/batch.js'
import {
  NONE,
  type LeaderEpoch,
  type Offset,
  type Position,
  type Timestamp,
} from '../../model/units.js'
import {
  deletedFile,
  SEGMENT_FILE_KINDS,
  segmentFile,
  type SegmentFileKind,
} from '../format/files.js'
import { IndexError, type IndexCache } from '../format/index-file.js'
import type { LogSettings } from '../format/log-config.js'
import { corruptLog, DamagedBytesError } from '../format/log-errors.js'
import { OffsetIndex, type OffsetIndexEntry } from '../format/offset-index.js'
import { scanBatches, type BatchVisitor, type ScanEnd } from '../format/scan.js'
import { TimeIndex } from '../format/time-index.js'
import { isOf, orStart, SegmentTimes } from './segment-times.js'

const RELATIVE_OFFSET_MAX = 2 ** 31 - 1

export interface SegmentOptions {
  readonly disk: Disk
  readonly folder: string
  readonly baseOffset: Offset
  readonly cache: IndexCache
  readonly settings: LogSettings
  /** What segment.jitter.ms took off segment.ms for this segment. */
  readonly jitterMs: number
  readonly createdAt: Timestamp
  /** What its files' names end in, until they are given their own. */
  readonly suffix?: string
}

/** What a batch says of itself beside its records. */
export interface BatchPlace {
  readonly baseOffset: Offset
  readonly lastOffset: Offset
  readonly leaderEpoch: LeaderEpoch
}

export class Segment {
  readonly baseOffset: Offset
  readonly file: DiskFile
  readonly offsetIndex: OffsetIndex
  readonly timeIndex: TimeIndex
  readonly times: SegmentTimes
  /** Bytes known to survive a power cut. */
  syncedBytes = 0
  /** Bytes `[start, end)` whose checksums this process has computed or compared. */
  verifiedStart: Position = 0
  verifiedEnd: Position = 0
  readonly #options: SegmentOptions
  #firstTimestamp: Timestamp | undefined
  #first: BatchPlace | undefined
  #bytesSinceEntry = 0
  #rebuilding: Promise<void> | undefined

  private constructor(file: DiskFile, options: SegmentOptions) {
    const { disk, baseOffset, cache } = options
    const { segmentIndexBytes } = options.settings.current
    const path = (kind: 'index' | 'timeindex'): string => pathOf(options, kind)
    this.baseOffset = baseOffset
    this.file = file
    this.#options = options
    this.offsetIndex = new OffsetIndex(baseOffset, segmentIndexBytes, {
      disk,
      cache,
      path: path('index'),
    })
    this.timeIndex = new TimeIndex(baseOffset, segmentIndexBytes, {
      disk,
      cache,
      path: path('timeindex'),
    })
    this.times = new SegmentTimes(this, this.timeIndex)
  }

  /** A new, empty segment. Left-over index files of that name are emptied. */
  static create(options: SegmentOptions): Segment {
    const { disk } = options
    const path = pathOf(options, 'log')
    // An earlier attempt may have made the file and failed after that.
    const file = disk.exists(path) ? disk.open(path) : disk.create(path)
    if (file.size > 0) {
      file.close()
      throw corruptLog(options.folder, `${path} at position 0: records stand where none can be yet`)
    }
    const segment = new Segment(file, options)
    segment.offsetIndex.reset()
    segment.timeIndex.reset()
    return segment
  }

  /** A segment that exists. Its indexes are not looked at yet. */
  static open(options: SegmentOptions): Segment {
    return new Segment(options.disk.open(pathOf(options, 'log')), options)
  }

  get size(): number {
    return this.file.size
  }

  /** Its indexes reach no further: every batch ends below. */
  get offsetLimit(): Offset {
    return this.baseOffset + RELATIVE_OFFSET_MAX + 1
  }

  get isDirty(): boolean {
    return this.syncedBytes < this.file.size
  }

  get hasIndexFiles(): boolean {
    const { disk } = this.#options
    return disk.exists(this.offsetIndex.file.path) && disk.exists(this.timeIndex.file.path)
  }

  // ── growing ────────────────────────────────────────────────────────────────────────────

  /**
   * Must the log start a new segment before so many bytes, up to this offset and time, come in?
   * Kafka's rule (LogSegment.shouldRoll): size, time of the data, indexes full, offsets too far.
   */
  shouldRoll(bytes: number, maxTimestamp: Timestamp, lastOffset: Offset, now: Timestamp): boolean {
    const { segmentBytes, segmentMs } = this.#options.settings.current
    if (this.size > segmentBytes - bytes) return true
    if (lastOffset - this.baseOffset > RELATIVE_OFFSET_MAX) return true
    if (this.offsetIndex.isFull || this.timeIndex.isFull) return true
    return this.size > 0 && this.#ageMs(maxTimestamp, now) > segmentMs - this.#options.jitterMs
  }

  /** Adds batches that have their offsets, as they lie one after the other in `bytes`. */
  append(bytes: Buffer, batches: readonly Batch[]): void {
    let position = this.file.size
    const begin = batches[0]?.baseOffset ?? this.baseOffset
    assert(begin >= this.baseOffset, 'a batch begins in its segment', { begin })
    this.file.append(bytes)
    this.noteVerified(position, this.file.size)
    this.times.grown(position, this.file.size)
    for (const batch of batches) {
      this.note(batch, position)
      position += batch.size
    }
  }

  /** Takes a batch that stands in the file into indexes and times. */
  note(batch: Batch, position: Position): void {
    const { maxTimestamp, lastOffset } = batch
    this.#firstTimestamp ??= maxTimestamp
    this.times.note(batch)
    if (this.#bytesSinceEntry > this.#options.settings.current.indexIntervalBytes) {
      this.offsetIndex.append(lastOffset, position)
      this.times.index()
      this.#bytesSinceEntry = 0
    }
    this.#bytesSinceEntry += batch.size
  }

  /** The segment will not grow any more: its newest time goes into the index. */
  seal(): void {
    this.times.index()
    this.offsetIndex.file.spill()
    this.timeIndex.file.spill()
  }

  /** Makes the indexes survive a power cut. Times come first: offsets are scanned from the last. */
  async syncIndexes(): Promise<void> {
    await this.timeIndex.file.sync()
    await this.offsetIndex.file.sync()
  }

  // ── finding ────────────────────────────────────────────────────────────────────────────

  /**
   * Where the batch begins that holds `offset`, or the first one after it; the end of the file when
   * there is none. Throws IndexError when the index leads nowhere.
   */
  async positionOf(offset: Offset): Promise<Position> {
    return await this.scanFor(offset, await this.#indexedPosition(offset))
  }

  /** As `positionOf`, without an index: looks at every batch from a position on. */
  async scanFor(offset: Offset, from: Position = 0): Promise<Position> {
    let next: Offset = this.baseOffset
    const { position, reason } = await scanBatches(
      this.file,
      ({ baseOffset, lastOffset, nextOffset }) => {
        if (baseOffset < next) return `offset ${baseOffset} comes after ${next - 1}`
        next = nextOffset
        return lastOffset < offset ? undefined : FOUND
      },
      { from, checksCrc: false },
    )
    if (reason === undefined || reason === FOUND) return position
    throw new DamagedBytesError(this.file.path, position, reason)
  }

  /** The last batch that ends below an offset, and the first that reaches it. */
  async around(offset: Offset): Promise<{ before?: BatchPlace; at?: BatchPlace }> {
    const around: { before?: BatchPlace; at?: BatchPlace } = {}
    if (offset <= this.baseOffset) {
      const at = await this.#firstBatch()
      return at === undefined ? around : { at }
    }
    const from = await this.#indexedPosition(offset - 1).catch(orStart)
    const visit = (batch: Batch): string | undefined => {
      around[batch.lastOffset < offset ? 'before' : 'at'] = placeOf(batch)
      return around.at === undefined ? undefined : FOUND
    }
    const { position, reason } = await scanBatches(this.file, visit, {
      from,
      checksCrc: false,
      windowBytes: AROUND_BYTES,
    })
    if (reason === undefined || reason === FOUND) return around
    throw new DamagedBytesError(this.file.path, position, reason)
  }

  /**
   * An offset in `[end, limit)` that one of the indexes knows, although the batches end at `end`:
   * then the file has lost some. What the indexes know above is no offset of this segment.
   */
  async lostOffset(end: Offset, limit: Offset): Promise<Offset | undefined> {
    try {
      const { offset, position } = await this.offsetIndex.lookup(limit)
      const time = await this.timeIndex.lookupBefore(Infinity)
      const last = position > 0 ? offset : NONE // without an entry it is where the segment begins
      return [last, time?.offset ?? NONE].find(known => known >= end && known < limit)
    } catch (error) {
      if (error instanceof IndexError) return undefined
      throw error
    }
  }

  /** Finds out the time of the first batch. */
  async first(): Promise<void> {
    if (this.#firstTimestamp === undefined) await this.#loadFirstTimestamp()
  }

  /** The time of the first batch, as far as it is known without reading. */
  get firstTimestamp(): Timestamp {
    return this.#firstTimestamp ?? NONE
  }

  async #indexedPosition(offset: Offset): Promise<Position> {
    const entry = await this.offsetIndex.lookup(offset)
    return entry.position === 0 ? 0 : await this.#checkedPosition(entry, offset)
  }

  /** An entry's position, if a batch begins there that lies where the entry says. */
  async #checkedPosition(entry: OffsetIndexEntry, offset: Offset): Promise<Position> {
    const header = await this.file.read(entry.position, BATCH_HEADER_BYTES)
    const isBatch = header.length === BATCH_HEADER_BYTES && frameAt(header, 0, header.length) > 0
    const batch = isBatch ? new Batch(header, 0) : undefined
    if (batch === undefined || batch.baseOffset > offset || batch.lastOffset !== entry.offset) {
      throw this.#leadsNowhere(entry)
    }
    return entry.position
  }

  #leadsNowhere({ offset, position }: OffsetIndexEntry): IndexError {
    const { path } = this.offsetIndex.file
    const sentence = `${path} points to position ${position} for offset ${offset}`
    return new IndexError(`${sentence}, where no such batch begins`)
  }

  // ── coming back ────────────────────────────────────────────────────────────────────────

  /** Reads the indexes of an existing segment and the time of its first batch. */
  async load(): Promise<void> {
    await this.offsetIndex.load()
    await this.times.load()
    this.#bytesSinceEntry = 0
    await this.#loadFirstTimestamp()
  }

  /**
   * Checks every batch from the last index entry on and takes it into the indexes, as long as
   * `visit` agrees. Returns where that ended. Throws IndexError when the last entries of the
   * indexes, behind which more are to be added, are not those of batches.
   */
  async replay(visit: BatchVisitor): Promise<ScanEnd> {
    const { last } = this.offsetIndex
    const time = this.timeIndex.last
    const from = last?.position ?? 0
    let isTimeSeen = time === undefined
    const take = (batch: Batch, position: Position): string | undefined => {
      if (position === from && last !== undefined && batch.lastOffset !== last.offset) return ASTRAY
      const reason = visit(batch, position)
      if (reason !== undefined) return reason
      if (time !== undefined && isOf(batch, time)) isTimeSeen = true
      this.#noteAgain(batch, position)
      return undefined
    }
    const end = await scanBatches(this.file, take, { from })
    if (last !== undefined && end.reason !== undefined && end.position === from) {
      throw this.#leadsNowhere(last)
    }
    if (!isTimeSeen && time !== undefined) await this.times.check(time)
    this.noteVerified(from, end.position)
    return end
  }

  /** Takes note that the checksums of `[start, end)` are right. Keeps one range: the latest. */
  noteVerified(start: Position, end: Position): void {
    if (start > this.verifiedEnd || end < this.verifiedStart) {
      this.verifiedStart = start
      this.verifiedEnd = end
      return
    }
    if (start < this.verifiedStart) this.verifiedStart = start
    if (end > this.verifiedEnd) this.verifiedEnd = end
  }

  /** Forgets index entries at or above `offset`, before what follows is scanned again. */
  async truncateIndexes(offset: Offset): Promise<void> {
    await this.offsetIndex.truncateTo(offset)
    await this.timeIndex.truncateTo(offset)
    await this.load()
  }

  /** Empties the indexes, before the whole segment is scanned again. */
  resetIndexes(): void {
    this.offsetIndex.reset()
    this.timeIndex.reset()
    this.times.forget()
    this.#firstTimestamp = undefined
    this.#first = undefined
    this.#bytesSinceEntry = 0
  }

  /**
   * Builds both indexes of a closed segment anew; those who ask while it happens share the work.
   * Throws DamagedBytesError when batches cannot be believed, or lie outside of the segment.
   */
  async rebuildIndexes(): Promise<void> {
    this.#rebuilding ??= this.#rebuild().finally(() => (this.#rebuilding = undefined))
    await this.#rebuilding
  }

  async #rebuild(): Promise<void> {
    this.resetIndexes()
    let next = this.baseOffset
    const { position, reason } = await scanBatches(
      this.file,
      (batch, at) => {
        const { baseOffset, nextOffset } = batch
        if (baseOffset < next) return `offset ${baseOffset} stands where ${next} comes next`
        if (nextOffset > this.offsetLimit) return `offset ${nextOffset - 1} is too far away`
        next = nextOffset
        this.note(batch, at)
        return undefined
      },
    )
    if (reason !== undefined) throw new DamagedBytesError(this.file.path, position, reason)
    this.times.grown(0, position)
    this.seal()
  }

  // ── being cut ──────────────────────────────────────────────────────────────────────────

  /** Cuts the file, where a batch begins. The indexes know nothing of it until `reindex`. */
  cut(position: Position): void {
    this.file.truncate(position)
    this.times.forget()
    this.syncedBytes = Math.min(this.syncedBytes, position)
    this.verifiedStart = Math.min(this.verifiedStart, position)
    this.verifiedEnd = Math.min(this.verifiedEnd, position)
  }

  /**
   * Lets indexes and times follow a cut that left the offsets below `end`. Durable when it
   * resolves, with the offset behind the last batch.
   */
  async reindex(end: Offset): Promise<Offset> {
    let nextOffset = this.baseOffset
    const scan = await this.#replayBelow(end, batch => {
      nextOffset = batch.nextOffset
      return undefined
    })
    if (scan.reason !== undefined) {
      throw new DamagedBytesError(this.file.path, scan.position, scan.reason)
    }
    await this.syncIndexes()
    return nextOffset
  }

  async #replayBelow(end: Offset, visit: BatchVisitor): Promise<ScanEnd> {
    try {
      await this.truncateIndexes(end)
      return await this.replay(visit)
    } catch (error) {
      if (!(error instanceof IndexError)) throw error
      this.resetIndexes()
      return await this.replay(visit)
    }
  }

  // ── going ──────────────────────────────────────────────────────────────────────────────

  close(): void {
    this.file.close()
    this.offsetIndex.file.close()
    this.timeIndex.file.close()
  }

  /**
   * Renames files of the segment for deletion, all of them by default; returns their new paths.
   * Whoever reads the segment goes on in the same files, whatever their old names lead to.
   */
  markDeleted(kinds: readonly SegmentFileKind[] = SEGMENT_FILE_KINDS): string[] {
    const { disk, folder, baseOffset } = this.#options
    this.#openIndexes()
    return kinds
      .map(kind => join(folder, segmentFile(baseOffset, kind)))
      .filter(path => disk.exists(path))
      .map(path => {
        disk.rename(path, deletedFile(path))
        return deletedFile(path)
      })
  }

  /** A file that is open follows its renames; one that is not would be looked for by name. */
  #openIndexes(): void {
    this.offsetIndex.file.hold()
    this.timeIndex.file.hold()
  }

  /** As `note` for a batch behind the last index entry: the batch of the entry itself is in it. */
  #noteAgain(batch: Batch, position: Position): void {
    const { last } = this.offsetIndex
    if (last !== undefined && batch.lastOffset <= last.offset) {
      this.#bytesSinceEntry += batch.size
      return
    }
    this.note(batch, position)
  }

  async #loadFirstTimestamp(): Promise<void> {
    const header = await this.file.read(0, BATCH_HEADER_BYTES)
    const isBatch = header.length === BATCH_HEADER_BYTES && frameAt(header, 0, header.length) > 0
    const batch = isBatch ? new Batch(header, 0) : undefined
    this.#firstTimestamp = batch?.maxTimestamp
    this.#first = batch === undefined ? undefined : placeOf(batch)
  }

  async #firstBatch(): Promise<BatchPlace | undefined> {
    if (this.#first === undefined && this.size > 0) await this.#loadFirstTimestamp()
    return this.#first
  }

  #ageMs(maxTimestamp: Timestamp, now: Timestamp): number {
    const first = this.#firstTimestamp
    if (first !== undefined && first >= 0) return maxTimestamp - first
    return now - this.#options.createdAt
  }
}

export function placeOf({ baseOffset, lastOffset, leaderEpoch }: Batch): BatchPlace {
  return { baseOffset, lastOffset, leaderEpoch }
}

/** An entry of the offset index stands for about so much. */
const AROUND_BYTES = 8 * 1024

/** Not what an index entry says. */
const ASTRAY = 'the index leads astray'

/** No reason to stop for: what was looked for is there. */
const FOUND = 'found'

function pathOf(
  { folder, baseOffset, suffix = '' }: SegmentOptions,
  kind: SegmentFileKind,
): string {
  return join(folder, segmentFile(baseOffset, kind) + suffix)
}

/*
 * A segment: one file of batches and its two indexes. The last segment of a log is the active one,
 * which grows; all others are closed and never change.
 *
 * Invariants
 * - The file's name is the base offset; every batch in it begins at or after it.
 * - Each batch's offsets are above those of the batch before.
 * - Its newest time is one value, time and offset together, so no reader sees half an update.
 */

import { assert } from '../../base/assert.js'
import { join, type Disk, type DiskFile } from '../../disk/disk.js'
import { Batch, BATCH_HEADER_BYTES, frameAt } from '../../model/batch/batch.js'
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
import { AbortedTransactions } from './aborted-transactions.js'
import { rebuildIndexes } from './index-rebuild.js'
import { SegmentDurability, type ZerosAhead } from './segment-durability.js'
import { isOf, startIfIndexError, SegmentTimes } from './segment-times.js'

const RELATIVE_OFFSET_MAX = 2 ** 31 - 1

export interface SegmentOptions {
  readonly disk: Disk
  readonly folder: string
  readonly baseOffset: Offset
  readonly cache: IndexCache
  readonly settings: LogSettings
  /** How much segment.jitter.ms subtracts from segment.ms for this segment. */
  readonly jitterMs: number
  readonly createdAt: Timestamp
  /** A suffix of its file names, until the files are renamed. */
  readonly suffix?: string
  /** The names in the folder, if they are known. */
  readonly names?: ReadonlySet<string> | undefined
  /** When to write zeros ahead. Default: never. */
  readonly zerosAhead?: ZerosAhead | undefined
}

/** The offsets and the epoch in a batch's header. */
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
  readonly durability: SegmentDurability
  readonly aborted: AbortedTransactions
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
    const { names } = options
    this.baseOffset = baseOffset
    this.file = file
    this.#options = options
    const common = (kind: 'index' | 'timeindex') => {
      const isMissing = names !== undefined && !names.has(segmentFile(baseOffset, kind))
      return { disk, cache, path: pathOf(options, kind), isMissing }
    }
    this.offsetIndex = new OffsetIndex(baseOffset, segmentIndexBytes, common('index'))
    this.timeIndex = new TimeIndex(baseOffset, segmentIndexBytes, common('timeindex'))
    this.times = new SegmentTimes(this, this.timeIndex)
    this.durability = new SegmentDurability(file, options.zerosAhead)
    this.aborted = new AbortedTransactions(disk, file)
  }

  /** Creates an empty segment. Left-over index files of that name are emptied. */
  static create(options: SegmentOptions): Segment {
    const { disk, baseOffset, names } = options
    const path = pathOf(options, 'log')
    // An earlier attempt may have created the file and then failed.
    const isThere = names?.has(segmentFile(baseOffset, 'log')) ?? disk.exists(path)
    const file = isThere ? disk.open(path) : disk.create(path)
    if (file.size > 0) {
      file.close()
      throw corruptLog(options.folder, `${path} at position 0: a new segment already holds records`)
    }
    const segment = new Segment(file, options)
    segment.offsetIndex.reset()
    segment.timeIndex.reset()
    return segment
  }

  /** Opens an existing segment. Its indexes are not read yet. */
  static open(options: SegmentOptions): Segment {
    return new Segment(options.disk.open(pathOf(options, 'log')), options)
  }

  get size(): number {
    return this.file.size
  }

  /** The first offset that its indexes cannot store: every batch ends below. */
  get offsetLimit(): Offset {
    return this.baseOffset + RELATIVE_OFFSET_MAX + 1
  }

  /** An empty segment needs none. */
  get hasIndexFiles(): boolean {
    const { disk } = this.#options
    if (this.size === 0) return true
    return disk.exists(this.offsetIndex.file.path) && disk.exists(this.timeIndex.file.path)
  }

  // ── growing ────────────────────────────────────────────────────────────────────────────

  /**
   * True if the log must roll before it appends `bytes` bytes up to this offset and time. Kafka's
   * rule (LogSegment.shouldRoll): size, age of the data, full indexes, offsets out of range.
   */
  shouldRoll(bytes: number, maxTimestamp: Timestamp, lastOffset: Offset, now: Timestamp): boolean {
    const { segmentBytes, segmentMs } = this.#options.settings.current
    if (this.size > segmentBytes - bytes) return true
    if (lastOffset - this.baseOffset > RELATIVE_OFFSET_MAX) return true
    if (this.offsetIndex.isFull || this.timeIndex.isFull) return true
    return this.size > 0 && this.#ageMs(maxTimestamp, now) > segmentMs - this.#options.jitterMs
  }

  /** Appends `bytes`, which hold `batches` one after another with their offsets assigned. */
  append(bytes: Buffer, batches: readonly Batch[]): void {
    let position = this.file.size
    const begin = batches[0]?.baseOffset ?? this.baseOffset
    assert(begin >= this.baseOffset, 'a batch begins in its segment')
    this.file.append(bytes)
    this.noteVerified(position, this.file.size)
    this.times.grown(position, this.file.size)
    for (const batch of batches) {
      this.note(batch, position)
      position += batch.size
    }
  }

  /** Adds a batch of the file to indexes and times. */
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

  /** The segment will not grow any more: adds its newest time to the index. */
  seal(): void {
    this.durability.cutZeros()
    this.times.index()
    this.offsetIndex.file.spill()
    this.timeIndex.file.spill()
  }

  /**
   * Makes the indexes survive a power cut; times first, as a replay starts at the last offset. The
   * newest time goes in: the recovery point may pass the segment now, and then nothing would sync
   * the entry that closes it.
   */
  async syncIndexes(): Promise<void> {
    if (!this.timeIndex.isFull) this.times.index()
    await this.timeIndex.file.sync()
    await this.offsetIndex.file.sync()
    await this.aborted.sync()
  }

  // ── finding ────────────────────────────────────────────────────────────────────────────

  /**
   * The position of the batch that contains `offset`, or of the first one after it; the end of the
   * file if there is none. Throws IndexError if the index is wrong.
   */
  async positionOf(offset: Offset): Promise<Position> {
    return await this.scanFor(offset, await this.#indexedPosition(offset))
  }

  /** Like `positionOf` without an index: reads every batch from a position on. */
  async scanFor(offset: Offset, from: Position = 0): Promise<Position> {
    let next: Offset = this.baseOffset
    const { position, reason } = await scanBatches(
      this.file,
      ({ baseOffset, lastOffset, nextOffset }) => {
        if (baseOffset < next) return `offset ${baseOffset} comes after ${next - 1}`
        next = nextOffset
        return lastOffset < offset ? undefined : FOUND
      },
      { from, checksCrc: false, windowBytes: AROUND_BYTES },
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
    const from = await this.#indexedPosition(offset - 1).catch(startIfIndexError)
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
   * An offset in `[end, limit)` that one of the indexes has although the batches end at `end`: then
   * the file has lost batches. An index entry above `limit` is not an offset of this segment.
   */
  async lostOffset(end: Offset, limit: Offset): Promise<Offset | undefined> {
    try {
      const { offset, position } = await this.offsetIndex.lookup(limit)
      const time = await this.timeIndex.lookupBefore(Infinity)
      const last = position > 0 ? offset : NONE // position 0 means that there is no entry
      return [last, time?.offset ?? NONE].find(known => known >= end && known < limit)
    } catch (error) {
      if (error instanceof IndexError) return undefined
      throw error
    }
  }

  /** Reads the time of the first batch, if it is unknown. */
  async first(): Promise<void> {
    if (this.#firstTimestamp === undefined) await this.#loadFirstTimestamp()
  }

  /** The time of the first batch, if it is known without reading; otherwise −1. */
  get firstTimestamp(): Timestamp {
    return this.#firstTimestamp ?? NONE
  }

  async #indexedPosition(offset: Offset): Promise<Position> {
    const entry = await this.offsetIndex.lookup(offset)
    return entry.position === 0 ? 0 : await this.#checkedPosition(entry, offset)
  }

  /** An entry's position, if the entry's batch begins there. Otherwise throws IndexError. */
  async #checkedPosition(entry: OffsetIndexEntry, offset: Offset): Promise<Position> {
    const header = await this.file.read(entry.position, BATCH_HEADER_BYTES)
    const isBatch = header.length === BATCH_HEADER_BYTES && frameAt(header, 0, header.length) > 0
    const batch = isBatch ? new Batch(header, 0) : undefined
    if (batch === undefined || batch.baseOffset > offset || batch.lastOffset !== entry.offset) {
      throw this.#wrongEntry(entry)
    }
    return entry.position
  }

  #wrongEntry({ offset, position }: OffsetIndexEntry): IndexError {
    const { path } = this.offsetIndex.file
    const sentence = `${path} points to position ${position} for offset ${offset}`
    return new IndexError(`${sentence}, where no such batch begins`)
  }

  // ── recovery ───────────────────────────────────────────────────────────────────────────

  /** Reads the indexes of an existing segment and the time of its first batch. */
  async load(): Promise<void> {
    await this.offsetIndex.load()
    await this.times.load()
    this.#bytesSinceEntry = 0
    await this.#loadFirstTimestamp()
  }

  /**
   * Checks every batch from the last index entry on and adds it to the indexes, until `visit`
   * returns a reason to stop. Returns where that ended. Throws IndexError if the last entry of an
   * index does not match a batch.
   */
  async replay(visit: BatchVisitor): Promise<ScanEnd> {
    const { last } = this.offsetIndex
    const time = this.timeIndex.last
    const from = last?.position ?? 0
    let isTimeSeen = time === undefined
    const take = (batch: Batch, position: Position): string | undefined => {
      const isOther = position === from && last !== undefined && batch.lastOffset !== last.offset
      if (isOther) return OTHER_BATCH
      const reason = visit(batch, position)
      if (reason !== undefined) return reason
      if (time !== undefined && isOf(batch, time)) isTimeSeen = true
      this.#noteReplayed(batch, position)
      return undefined
    }
    const end = await scanBatches(this.file, take, { from, isPassing: true })
    if (last !== undefined && end.reason !== undefined && end.position === from) {
      throw this.#wrongEntry(last)
    }
    if (!isTimeSeen && time !== undefined) await this.times.check(time)
    this.noteVerified(from, end.position)
    return end
  }

  /** Notes that the checksums of `[start, end)` are valid. Keeps one range: the latest. */
  noteVerified(start: Position, end: Position): void {
    if (start > this.verifiedEnd || end < this.verifiedStart) {
      this.verifiedStart = start
      this.verifiedEnd = end
      return
    }
    if (start < this.verifiedStart) this.verifiedStart = start
    if (end > this.verifiedEnd) this.verifiedEnd = end
  }

  /** Drops index entries at or above `offset`, before the rest is scanned again. */
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

  /** See {@link rebuildIndexes}; concurrent calls share the work. */
  async rebuildIndexes(): Promise<void> {
    this.#rebuilding ??= rebuildIndexes(this).finally(() => (this.#rebuilding = undefined))
    await this.#rebuilding
  }

  // ── truncation ─────────────────────────────────────────────────────────────────────────

  /** Cuts the file where a batch begins. The indexes are stale until `reindex`. */
  cut(position: Position): void {
    this.file.truncate(position)
    this.times.forget()
    this.durability.wasCutAt(position)
    this.verifiedStart = Math.min(this.verifiedStart, position)
    this.verifiedEnd = Math.min(this.verifiedEnd, position)
  }

  /**
   * Updates indexes and times after a cut that left the offsets below `end`. Durable when it
   * resolves with the offset after the last batch.
   */
  async reindex(end: Offset): Promise<Offset> {
    let nextOffset = this.baseOffset
    const scan = await this.#replayBelow(end, batch => {
      nextOffset = batch.nextOffset
      return undefined
    })
    await this.aborted.truncateTo(end)
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

  // ── closing and deletion ───────────────────────────────────────────────────────────────

  close(): void {
    this.file.close()
    this.offsetIndex.file.close()
    this.timeIndex.file.close()
  }

  /**
   * Renames files of the segment for deletion, all of them by default; returns their new paths.
   * Reads under way continue in the same files, whatever the old names refer to.
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

  /** An open file follows its renames; a closed one would be opened by its old name. */
  #openIndexes(): void {
    this.offsetIndex.file.hold()
    this.timeIndex.file.hold()
  }

  /** Like `note`, but only counts the bytes of a batch that the offset index already covers. */
  #noteReplayed(batch: Batch, position: Position): void {
    const { last } = this.offsetIndex
    if (last !== undefined && batch.lastOffset <= last.offset) {
      this.#bytesSinceEntry += batch.size
      return
    }
    this.note(batch, position)
  }

  async #loadFirstTimestamp(): Promise<void> {
    if (this.size === 0) return
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

/** Somewhat more than the bytes between two entries of the offset index. */
const AROUND_BYTES = 8 * 1024

/** The batch is not the one of the index entry. */
const OTHER_BATCH = 'the index points to another batch'

/** Stops a scan that has found its batch; not an error. */
const FOUND = 'found'

function pathOf(
  { folder, baseOffset, suffix = '' }: SegmentOptions,
  kind: SegmentFileKind,
): string {
  return join(folder, segmentFile(baseOffset, kind) + suffix)
}

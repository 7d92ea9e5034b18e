/**
 * Reading a log: by offset and by time. Everything handed out is whole batches, as stored; the
 * first may begin before the wanted offset, because a batch is never cut.
 *
 * A checksum is compared once per process for each byte: when it was written or scanned here it
 * is known to be right, otherwise before it is handed out for the first time.
 */

import { Batch, frameAt, SHORT, whyBroken, whyInvalid } from '../model/batch.js'
import { isSupported } from '../model/compression.js'
import { RecordCursor } from '../model/record-cursor.js'
import { NONE, type Offset, type Position, type Timestamp } from '../model/units.js'
import { DamagedBytesError } from './errors.js'
import { IndexError } from './index-file.js'
import { scanBatches } from './scan.js'
import type { Segment } from './segment.js'
import type { TimeIndexEntry } from './time-index.js'

/** Sequential readers whose next position is remembered. */
const CURSORS_MAX = 32
const NOTHING = Buffer.alloc(0)

export interface ReadBounds {
  /** Batches that reach to this offset or beyond are not returned (the high watermark). */
  readonly upTo: Offset
  readonly maxBytes: number
  /** Return the first batch even if it alone is larger than maxBytes. */
  readonly minOneBatch: boolean
}

export interface OffsetAndTimestamp {
  readonly offset: Offset
  readonly timestamp: Timestamp
}

interface Cursor {
  readonly segment: Segment
  readonly offset: Offset
  readonly position: Position
}

export class LogReader {
  readonly #segments: () => readonly Segment[]
  readonly #hasGaps: () => boolean
  /** Where sequential readers go on, the latest last. */
  readonly #cursors: Cursor[] = []

  constructor(segments: () => readonly Segment[], hasGaps: () => boolean) {
    this.#segments = segments
    this.#hasGaps = hasGaps
  }

  /** Whole batches from the one that holds `from` on; empty when there is nothing below `upTo`. */
  async read(from: Offset, bounds: ReadBounds): Promise<Buffer> {
    return (
      (await this.#steadily(from, async segments => {
        for (let index = floorSegment(segments, from); index < segments.length; index++) {
          const segment = segments[index] as Segment
          const bytes = await this.#readSegment(segment, from, bounds)
          if (bytes !== undefined) return bytes
        }
        return undefined
      })) ?? NOTHING
    )
  }

  /**
   * Looks for something at or after `from`. Segments may be replaced meanwhile, and their files
   * closed: what has failed or found nothing begins again with those that are there now.
   */
  async #steadily<T>(
    from: Offset,
    look: (segments: readonly Segment[]) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    for (;;) {
      const segments = this.#segments()
      const isOutdated = (): boolean => {
        const now = this.#segments()
        return now !== segments && (now[0] as Segment).baseOffset <= from
      }
      try {
        const found = await look(segments)
        if (found !== undefined || !isOutdated()) return found
      } catch (error) {
        if (!isOutdated()) throw error
      }
    }
  }

  /** Forgets where sequential readers would go on: positions are not what they were. */
  forgetPositions(): void {
    this.#cursors.length = 0
  }

  /** The first record at or after `logStartOffset` that is not older than `target`. */
  async findTimestamp(
    target: Timestamp,
    logStartOffset: Offset,
  ): Promise<OffsetAndTimestamp | undefined> {
    return await this.#steadily(logStartOffset, async segments => {
      for (const segment of segments) {
        const newest = await segment.newest()
        if (newest === undefined || newest.timestamp < target) continue
        const older = await this.#lookupTime(segment, target)
        const from = Math.max(older === undefined ? 0 : older.offset + 1, logStartOffset)
        const found = await this.#findInSegment(segment, target, from)
        if (found !== undefined) return found
      }
      return undefined
    })
  }

  /** The first record with the greatest time of the log. */
  async findNewest(logStartOffset: Offset): Promise<OffsetAndTimestamp | undefined> {
    return await this.#steadily(logStartOffset, async segments => {
      let newest: Timestamp = NONE
      for (const segment of segments) {
        newest = Math.max(newest, (await segment.newest())?.timestamp ?? NONE)
      }
      if (newest < 0) return undefined
      const found = await this.findTimestamp(newest, logStartOffset)
      if (found !== undefined || !this.#hasGaps()) return found
      // A batch that compaction has emptied keeps its time: look at the records themselves.
      const left = await newestOfRecords(segments, logStartOffset)
      return left < 0 ? undefined : await this.findTimestamp(left, logStartOffset)
    })
  }

  /** Undefined when the segment holds nothing at or after `from`. */
  async #readSegment(
    segment: Segment,
    from: Offset,
    bounds: ReadBounds,
  ): Promise<Buffer | undefined> {
    const position = this.#cursorPosition(segment, from) ?? (await this.#find(segment, from))
    const { size } = segment
    if (position >= size) return undefined
    const chunk = await segment.file.read(position, Math.min(bounds.maxBytes, size - position))
    const bytes = await wholeFirstBatch(segment, position, chunk, bounds)
    const walked = wholeBatches(bytes, bounds.upTo)
    if (walked.bytes === 0) {
      // Not because its offset is wrong, or a reader would wait there for ever.
      if (!this.#hasGaps()) checkNeighbours(segment, position, from, firstWhole(bytes))
      return NOTHING
    }
    checkBytes(segment, position, bytes.subarray(0, walked.bytes))
    if (!this.#hasGaps()) checkNeighbours(segment, position, from, bytes.subarray(0, walked.bytes))
    const next = { segment, offset: walked.nextOffset, position: position + walked.bytes }
    this.#remember(from, next)
    return bytes.subarray(0, walked.bytes)
  }

  async #findInSegment(
    segment: Segment,
    target: Timestamp,
    from: Offset,
  ): Promise<OffsetAndTimestamp | undefined> {
    let found: OffsetAndTimestamp | undefined
    const position = await this.#find(segment, from)
    await scanBatches(
      segment.file,
      batch => {
        if (batch.maxTimestamp >= target) found = firstRecordSince(batch, target, from)
        return found === undefined ? undefined : 'found'
      },
      { from: position, checksCrc: false },
    )
    return found
  }

  /** Where to read on for an offset. An index that turns out to be wrong is built again. */
  async #find(segment: Segment, offset: Offset): Promise<Position> {
    try {
      return await segment.positionOf(offset)
    } catch (error) {
      if (!(await this.#repaired(segment, error))) return await segment.scanFor(offset)
      return await segment.positionOf(offset)
    }
  }

  async #lookupTime(segment: Segment, target: Timestamp): Promise<TimeIndexEntry | undefined> {
    try {
      return await segment.timeIndex.lookupBefore(target)
    } catch (error) {
      if (!(await this.#repaired(segment, error))) return undefined
      return await segment.timeIndex.lookupBefore(target)
    }
  }

  /** The active segment's indexes grow meanwhile: they are left for when it is opened again. */
  async #repaired(segment: Segment, error: unknown): Promise<boolean> {
    if (!(error instanceof IndexError)) throw error
    if (segment === this.#segments().at(-1)) return false
    await segment.rebuildIndexes()
    return true
  }

  #cursorPosition(segment: Segment, offset: Offset): Position | undefined {
    return this.#cursors.find(cursor => cursor.segment === segment && cursor.offset === offset)
      ?.position
  }

  #remember(from: Offset, next: Cursor): void {
    const index = this.#cursors.findIndex(cursor => cursor.offset === from)
    if (index >= 0) this.#cursors.splice(index, 1)
    else if (this.#cursors.length === CURSORS_MAX) this.#cursors.shift()
    this.#cursors.push(next)
  }
}

/** Index of the last segment that begins at or before `offset`, else of the first one. */
export function floorSegment(segments: readonly Segment[], offset: Offset): number {
  let low = 0
  let high = segments.length
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if ((segments[middle] as Segment).baseOffset <= offset) low = middle
    else high = middle
  }
  return low
}

/** `chunk`, or the first batch whole when it is cut and one batch must be returned. */
async function wholeFirstBatch(
  segment: Segment,
  position: Position,
  chunk: Buffer,
  bounds: ReadBounds,
): Promise<Buffer> {
  let bytes = chunk
  let size = frameAt(bytes, 0, bytes.length)
  if (size === SHORT && bounds.minOneBatch) {
    bytes = await segment.file.read(position, Math.min(64, segment.size - position))
    size = frameAt(bytes, 0, bytes.length)
  }
  if (size < 0) throw new DamagedBytesError(segment.file.path, position, whyBroken(bytes, 0))
  if (size <= bytes.length || !bounds.minOneBatch) return bytes
  const left = segment.size - position
  if (size > left) {
    const reason = `a batch of ${size} bytes begins ${left} bytes before the end`
    throw new DamagedBytesError(segment.file.path, position, reason)
  }
  return await segment.file.read(position, size)
}

/** How many bytes of whole batches below `upTo` stand at the start of `bytes`. */
function wholeBatches(bytes: Buffer, upTo: Offset): { bytes: number; nextOffset: Offset } {
  let at = 0
  let nextOffset = 0
  while (at < bytes.length) {
    const size = frameAt(bytes, at, bytes.length)
    if (size <= 0 || at + size > bytes.length) break
    const batch = new Batch(bytes, at)
    if (batch.nextOffset > upTo) break
    nextOffset = batch.nextOffset
    at += size
  }
  return { bytes: at, nextOffset }
}

/** The first batch, or nothing if it is cut. */
function firstWhole(bytes: Buffer): Buffer {
  const size = frameAt(bytes, 0, bytes.length)
  return size > 0 && size <= bytes.length ? bytes.subarray(0, size) : NOTHING
}

/** Compares the checksums that this process has not compared yet. */
function checkBytes(segment: Segment, position: Position, bytes: Buffer): void {
  const { verifiedStart, verifiedEnd } = segment
  const end = position + bytes.length
  if (position >= verifiedStart && end <= verifiedEnd) return
  for (let at = 0; at < bytes.length;) {
    const batch = new Batch(bytes, at)
    const isKnown = position + at >= verifiedStart && position + batch.end <= verifiedEnd
    const reason = isKnown ? undefined : whyInvalid(batch)
    if (reason !== undefined) {
      throw new DamagedBytesError(segment.file.path, position + at, reason)
    }
    at += batch.size
  }
  segment.noteVerified(position, end)
}

/**
 * The CRC leaves out the base offset, so offsets are compared with what stands around them: the
 * first batch holds the wanted offset, each other begins where the one before ends.
 */
function checkNeighbours(segment: Segment, position: Position, from: Offset, bytes: Buffer): void {
  for (let at = 0, expected = from; at < bytes.length;) {
    const batch = new Batch(bytes, at)
    const fits = at === 0 ? batch.baseOffset <= from : batch.baseOffset === expected
    if (!fits) {
      const reason = `the batch begins at offset ${batch.baseOffset}, ${expected} should come next`
      throw new DamagedBytesError(segment.file.path, position + at, reason)
    }
    expected = batch.nextOffset
    at += batch.size
  }
}

/** The newest time of a batch that has records; −1 when there is none. */
async function newestOfRecords(segments: readonly Segment[], from: Offset): Promise<Timestamp> {
  let newest: Timestamp = NONE
  const visit = ({ recordsCount, lastOffset, maxTimestamp }: Batch): undefined => {
    if (recordsCount > 0 && lastOffset >= from) newest = Math.max(newest, maxTimestamp)
  }
  for (const segment of segments) await scanBatches(segment.file, visit, { checksCrc: false })
  return newest
}

/** The first record of the batch at or after `from` that is not older than `target`. */
function firstRecordSince(
  batch: Batch,
  target: Timestamp,
  from: Offset,
): OffsetAndTimestamp | undefined {
  if (batch.lastOffset < from) return undefined
  if (batch.codec === undefined || !isSupported(batch.codec)) {
    // Its records cannot be read here: the batch's own numbers are the best answer there is.
    return { offset: Math.max(batch.baseOffset, from), timestamp: batch.maxTimestamp }
  }
  const cursor = new RecordCursor(batch)
  while (cursor.next()) {
    const { offset, timestamp } = cursor
    if (offset >= from && timestamp >= target) return { offset, timestamp }
  }
  return undefined
}

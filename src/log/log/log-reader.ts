/**
 * Reading a log: by offset and by time. Everything handed out is whole batches, as stored; the
 * first may begin before the wanted offset, because a batch is never cut.
 *
 * A checksum is compared once per process for each byte: when it was written or scanned here it
 * is known to be right, otherwise before it is handed out for the first time.
 */

import { getInt64 } from '../../base/bytes.js'
import {
  Batch,
  BATCH_HEADER_BYTES,
  frameAt,
  SHORT,
  whyBroken,
  whyInvalid,
} from '../../model/batch.js'
import { isSupported } from '../../model/compression.js'
import { RecordCursor } from '../../model/record-cursor.js'
import { NONE, type Offset, type Position, type Timestamp } from '../../model/units.js'
import { IndexError } from '../format/index-file.js'
import type { LeaderEpochs } from '../format/leader-epochs.js'
import type { LogSettings } from '../format/log-config.js'
import { DamagedBytesError } from '../format/log-errors.js'
import { whyOutOfPlace, type Surroundings } from '../format/neighbours.js'
import { scanBatches } from '../format/scan.js'
import type { TimeIndexEntry } from '../format/time-index.js'
import type { Segment } from './segment.js'

/** Sequential readers whose next position is remembered. */
const CURSORS_MAX = 32
/** Of the base offset, which a batch begins with. */
const OFFSET_BYTES = 8
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

/** The log that is read, as it is at the moment. */
export interface ReadLog {
  readonly segments: { readonly all: readonly Segment[] }
  readonly logEndOffset: Offset
  readonly context: { readonly settings: LogSettings }
  readonly epochs: LeaderEpochs
}

export class LogReader {
  readonly #log: ReadLog
  /** Where sequential readers go on, the latest last. */
  readonly #cursors: Cursor[] = []

  constructor(log: ReadLog) {
    this.#log = log
  }

  get #hasGaps(): boolean {
    return this.#log.context.settings.current.mayHaveGaps
  }

  get #surroundings(): Surroundings {
    const { epochs } = this.#log
    return { hasGaps: this.#hasGaps, epochAt: offset => epochs.epochAt(offset) }
  }

  /**
   * Whole batches from the one that holds `from` on; empty when there is nothing below `upTo`,
   * which is at most the log's end. To find nothing where something must be is to find damage.
   */
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
      const { all: segments } = this.#log.segments
      const isOutdated = (): boolean => {
        const now = this.#log.segments.all
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
        const newest = await segment.times.newestOfAll()
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
        newest = Math.max(newest, (await segment.times.newestOfAll())?.timestamp ?? NONE)
      }
      if (newest < 0) return undefined
      const found = await this.findTimestamp(newest, logStartOffset)
      if (found !== undefined || !this.#hasGaps) return found
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
    const cursor = this.#cursorPosition(segment, from)
    const position = cursor ?? (await this.#find(segment, from))
    const { size } = segment
    if (position >= size) return await this.#pastEnd(segment, from)
    const limit = this.#limitOf(segment)
    const bytes = await wholeFirstBatch(segment, { position, size }, bounds)
    const walked = wholeBatches(bytes, bounds.upTo)
    // Nothing below the bound: not because something is wrong, or a reader would wait for ever.
    const checked = walked.bytes > 0 ? bytes.subarray(0, walked.bytes) : firstWhole(bytes)
    checkBytes(segment, position, checked)
    const end = position + checked.length
    const known = bytes.subarray(checked.length)
    const behind = end < size ? await baseOffsetAt(segment, end, known) : limit
    const handful = { bytes: checked, from, isNext: cursor !== undefined, limit: behind }
    const wrong = whyOutOfPlace(handful, this.#surroundings)
    if (wrong !== undefined) {
      throw new DamagedBytesError(segment.file.path, position + wrong.at, wrong.reason)
    }
    if (walked.bytes === 0) return NOTHING
    if (end === size) await this.#checkEnd(segment, walked.nextOffset, limit)
    this.#remember(from, { segment, offset: walked.nextOffset, position: end })
    return checked
  }

  /** Nothing is left in a segment: then its offsets end there, too. */
  async #pastEnd(segment: Segment, from: Offset): Promise<undefined> {
    const limit = this.#limitOf(segment)
    const isClosed = segment !== this.#log.segments.all.at(-1)
    const mayBeGap = this.#hasGaps && (isClosed || segment.size === 0)
    if (mayBeGap) await this.#checkEnd(segment, from, limit)
    if (limit === undefined || from >= limit || mayBeGap) return undefined
    const reason = `the file ends, offsets from ${from} to ${limit - 1} should follow`
    throw new DamagedBytesError(segment.file.path, segment.size, reason)
  }

  /** Compaction may have taken the end of a segment: then no index knows it any more. */
  async #checkEnd(segment: Segment, end: Offset, limit: Offset | undefined): Promise<void> {
    if (limit === undefined || end >= limit) return
    const lost = await segment.lostOffset(end, limit)
    if (lost === undefined) return
    const reason = `the file ends with offset ${end - 1}, its indexes know ${lost}`
    throw new DamagedBytesError(segment.file.path, segment.size, reason)
  }

  /** Offsets of a segment lie below; undefined when it is not in the log any more. */
  #limitOf(segment: Segment): Offset | undefined {
    const { segments, logEndOffset } = this.#log
    const index = segments.all.indexOf(segment)
    if (index < 0) return undefined
    return segments.all[index + 1]?.baseOffset ?? logEndOffset
  }

  async #findInSegment(
    segment: Segment,
    target: Timestamp,
    from: Offset,
  ): Promise<OffsetAndTimestamp | undefined> {
    let found: OffsetAndTimestamp | undefined
    const start = await this.#find(segment, from)
    const { position, reason } = await scanBatches(
      segment.file,
      batch => {
        if (batch.maxTimestamp >= target) found = firstRecordSince(batch, target, from)
        return found === undefined ? undefined : 'found'
      },
      { from: start },
    )
    if (found !== undefined || reason === undefined) return found
    throw new DamagedBytesError(segment.file.path, position, reason)
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
      return await segment.times.before(target)
    } catch (error) {
      if (!(await this.#repaired(segment, error))) return undefined
      return await segment.times.before(target)
    }
  }

  /** The active segment's indexes grow meanwhile: they are left for when it is opened again. */
  async #repaired(segment: Segment, error: unknown): Promise<boolean> {
    if (!(error instanceof IndexError)) throw error
    if (segment === this.#log.segments.all.at(-1)) return false
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

interface Place {
  readonly position: Position
  /** Of the file when it was looked at. */
  readonly size: number
}

/** As many bytes as may be, and the first batch whole when one batch must be returned. */
async function wholeFirstBatch(
  segment: Segment,
  place: Place,
  bounds: ReadBounds,
): Promise<Buffer> {
  const { position, size } = place
  const left = size - position
  let bytes = await readAt(segment, place, bounds.maxBytes)
  let batchBytes = frameAt(bytes, 0, bytes.length)
  if (batchBytes === SHORT && bytes.length < left) {
    if (!bounds.minOneBatch) return bytes
    bytes = await readAt(segment, place, BATCH_HEADER_BYTES)
    batchBytes = frameAt(bytes, 0, bytes.length)
  }
  if (batchBytes < 0) throw new DamagedBytesError(segment.file.path, position, whyBroken(bytes, 0))
  if (batchBytes === SHORT || batchBytes > left) {
    const reason = `the file ends ${left} bytes into a batch`
    throw new DamagedBytesError(segment.file.path, position, reason)
  }
  if (batchBytes <= bytes.length || !bounds.minOneBatch) return bytes
  return await readAt(segment, place, batchBytes + OFFSET_BYTES) // and the offset behind it
}

/** Bytes that are there. Somebody may have cut the file while it was open. */
async function readAt(segment: Segment, { position, size }: Place, most: number): Promise<Buffer> {
  const wanted = Math.min(most, size - position)
  const bytes = await segment.file.read(position, wanted)
  if (bytes.length === wanted) return bytes
  const reason = `the file ends at ${position + bytes.length}, it had ${size} bytes`
  throw new DamagedBytesError(segment.file.path, position + bytes.length, reason)
}

/** The base offset of the batch at a position, some bytes of which may be known. */
async function baseOffsetAt(segment: Segment, position: Position, known: Buffer): Promise<Offset> {
  const isKnown = known.length >= OFFSET_BYTES
  const size = position + OFFSET_BYTES
  return getInt64(isKnown ? known : await readAt(segment, { position, size }, OFFSET_BYTES), 0)
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

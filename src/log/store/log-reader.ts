/*
 * Reads a log by offset and by time. Every read returns whole batches, as stored; the first may
 * begin before the offset asked for, because a batch is never split.
 *
 * Each process compares the checksum of a byte once: bytes that it has written or scanned are
 * known to be valid; others are checked before they are first returned.
 */

import { getInt64 } from '../../base/bytes.js'
import {
  BATCH_HEADER_BYTES,
  frameAt,
  SHORT,
  whyBroken,
  type Batch,
} from '../../model/batch/batch.js'
import { isReadable } from '../../model/batch/compression.js'
import { RecordCursor } from '../../model/batch/record-cursor.js'
import { NONE, type Offset, type Position, type Timestamp } from '../../model/units.js'
import { IndexError } from '../format/index-file.js'
import { DamagedBytesError } from '../format/log-errors.js'
import { whyOutOfPlace } from '../format/neighbours.js'
import { scanBatches } from '../format/scan.js'
import type { TimeIndexEntry } from '../format/time-index.js'
import {
  checkBytes,
  Cursors,
  firstWhole,
  floorSegment,
  limitOf,
  NOTHING,
  OFFSET_BYTES,
  surroundingsOf,
  wholeBatches,
  type ReadBounds,
  type ReadLog,
} from './read-parts.js'
import type { Segment } from './segment.js'
import { ShortReads } from './short-reads.js'

export interface OffsetAndTimestamp {
  readonly offset: Offset
  readonly timestamp: Timestamp
}

export class LogReader {
  readonly #log: ReadLog
  readonly #cursors = new Cursors()
  readonly #shortReads: ShortReads

  constructor(log: ReadLog) {
    this.#log = log
    this.#shortReads = new ShortReads(log, this.#cursors)
  }

  /** The same as `read`, at once; undefined if that takes the long way. */
  readNow(from: Offset, bounds: ReadBounds): Buffer | undefined {
    return this.#shortReads.read(from, bounds)
  }

  get #hasGaps(): boolean {
    return this.#log.context.settings.current.mayHaveGaps
  }

  /**
   * Whole batches from the one that contains `from`; empty if there are none below `upTo`, which is
   * at most the log's end. If a batch must exist and is not found, the log is damaged.
   */
  async read(from: Offset, bounds: ReadBounds): Promise<Buffer> {
    return (
      (await this.#search(from, async segments => {
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
   * Runs a search for something at or after `from`. Segments may be replaced and their files closed
   * meanwhile: then a search that has failed or found nothing starts over with the new segments.
   */
  async #search<T>(
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

  /** Drops the positions of sequential readers, which a truncation has made wrong. */
  forgetPositions(): void {
    this.#cursors.clear()
  }

  /** The first record at or after `logStartOffset` that is not older than `target`. */
  async findTimestamp(
    target: Timestamp,
    logStartOffset: Offset,
  ): Promise<OffsetAndTimestamp | undefined> {
    return await this.#search(logStartOffset, async segments => {
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

  /** The first record with the newest time in the log. */
  async findNewest(logStartOffset: Offset): Promise<OffsetAndTimestamp | undefined> {
    return await this.#search(logStartOffset, async segments => {
      let newest: Timestamp = NONE
      for (const segment of segments) {
        newest = Math.max(newest, (await segment.times.newestOfAll())?.timestamp ?? NONE)
      }
      if (newest < 0) return undefined
      const found = await this.findTimestamp(newest, logStartOffset)
      if (found !== undefined || !this.#hasGaps) return found
      // A batch that compaction has emptied keeps its time: read the times of the records.
      const left = await newestOfRecords(segments, logStartOffset)
      return left < 0 ? undefined : await this.findTimestamp(left, logStartOffset)
    })
  }

  /** Undefined if the segment holds nothing at or after `from`. */
  async #readSegment(
    segment: Segment,
    from: Offset,
    bounds: ReadBounds,
  ): Promise<Buffer | undefined> {
    const cursor = this.#cursors.position(segment, from)
    const position = cursor ?? (await this.#find(segment, from))
    const { size } = segment
    if (position >= size) return await this.#pastEnd(segment, from)
    const limit = limitOf(this.#log, segment)
    const bytes = await wholeFirstBatch(segment, { position, size }, bounds)
    const walked = wholeBatches(bytes, bounds.upTo)
    // If nothing is below the bound, check the first batch: damage must not look like the end.
    const checked = walked.bytes > 0 ? bytes.subarray(0, walked.bytes) : firstWhole(bytes)
    checkBytes(segment, position, checked)
    const end = position + checked.length
    const known = bytes.subarray(checked.length)
    const next = end < size ? await baseOffsetAt(segment, end, known) : limit
    const batches = { bytes: checked, from, isNext: cursor !== undefined, limit: next }
    const wrong = whyOutOfPlace(batches, surroundingsOf(this.#log))
    if (wrong !== undefined) {
      throw new DamagedBytesError(segment.file.path, position + wrong.at, wrong.reason)
    }
    if (walked.bytes === 0) return NOTHING
    if (end === size) await this.#checkEnd(segment, walked.nextOffset, limit)
    this.#cursors.remember(from, { segment, offset: walked.nextOffset, position: end })
    return checked
  }

  /** The end of a segment's file: throws DamagedBytesError unless its offsets end there too. */
  async #pastEnd(segment: Segment, from: Offset): Promise<undefined> {
    const limit = limitOf(this.#log, segment)
    const isClosed = segment !== this.#log.segments.all.at(-1)
    const mayBeGap = this.#hasGaps && (isClosed || segment.size === 0)
    if (mayBeGap) await this.#checkEnd(segment, from, limit)
    if (limit === undefined || from >= limit || mayBeGap) return undefined
    const reason = `the file ends, offsets ${from} to ${limit - 1} are missing`
    throw new DamagedBytesError(segment.file.path, segment.size, reason)
  }

  /** Compaction may have removed the end of a segment: then the indexes do not know it either. */
  async #checkEnd(segment: Segment, end: Offset, limit: Offset | undefined): Promise<void> {
    if (limit === undefined || end >= limit) return
    const lost = await segment.lostOffset(end, limit)
    if (lost === undefined) return
    const reason = `the file ends with offset ${end - 1}, its indexes have ${lost}`
    throw new DamagedBytesError(segment.file.path, segment.size, reason)
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

  /** The position of an offset's batch. An index that proves wrong is rebuilt. */
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

  /** The active segment's indexes grow meanwhile: they are only rebuilt when the log is opened. */
  async #repaired(segment: Segment, error: unknown): Promise<boolean> {
    if (!(error instanceof IndexError)) throw error
    if (segment === this.#log.segments.all.at(-1)) return false
    await segment.rebuildIndexes()
    return true
  }

}

interface Place {
  readonly position: Position
  /** The size of the file when the read began. */
  readonly size: number
}

/** Up to `maxBytes`, or the whole first batch if one batch must be returned. */
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
  return await readAt(segment, place, batchBytes + OFFSET_BYTES) // with the next base offset
}

/** Reads bytes up to `size`. Throws DamagedBytesError if another program has cut the file. */
async function readAt(segment: Segment, { position, size }: Place, most: number): Promise<Buffer> {
  const wanted = Math.min(most, size - position)
  const bytes = await segment.file.read(position, wanted)
  if (bytes.length === wanted) return bytes
  const reason = `the file ends at ${position + bytes.length}, it had ${size} bytes before`
  throw new DamagedBytesError(segment.file.path, position + bytes.length, reason)
}

/** The base offset of the batch at a position, of which some bytes may be known. */
async function baseOffsetAt(segment: Segment, position: Position, known: Buffer): Promise<Offset> {
  const isKnown = known.length >= OFFSET_BYTES
  const size = position + OFFSET_BYTES
  return getInt64(isKnown ? known : await readAt(segment, { position, size }, OFFSET_BYTES), 0)
}

/** The newest time of a batch that has records; −1 if there is none. */
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
  if (!isReadable(batch.codec)) {
    // Its records cannot be read: the header's numbers are the best answer.
    return { offset: Math.max(batch.baseOffset, from), timestamp: batch.maxTimestamp }
  }
  const cursor = new RecordCursor(batch)
  while (cursor.next()) {
    const { offset, timestamp } = cursor
    if (offset >= from && timestamp >= target) return { offset, timestamp }
  }
  return undefined
}

/*
 * The short way of a read: the index, a few headers and the batches are read at once, on the event
 * loop, because a hop to another thread takes longer than reading 256 KiB from the page cache.
 *
 * It may be taken when the index is in memory and few bytes are wanted or left. Whatever is not as
 * it should be (a file shorter than it was, an index that does not fit, bytes that are damaged, the
 * end of a segment) is left to the long way, which knows what to do about it.
 */

import { getInt64 } from '../../base/bytes.js'
import { isDiskError } from '../../disk/disk.js'
import { Batch, BATCH_HEADER_BYTES, frameAt, SHORT } from '../../model/batch/batch.js'
import { lendBuffer } from '../../model/batch/read-buffers.js'
import type { Offset, Position } from '../../model/units.js'
import { IndexError } from '../format/index-file.js'
import { DamagedBytesError } from '../format/log-errors.js'
import { whyOutOfPlace } from '../format/neighbours.js'
import type { OffsetIndexEntry } from '../format/offset-index.js'
import {
  checkBytes,
  floorSegment,
  limitOf,
  NOTHING,
  OFFSET_BYTES,
  surroundingsOf,
  wholeBatches,
  type Cursors,
  type ReadBounds,
  type ReadLog,
} from './read-parts.js'
import type { Segment } from './segment.js'

/** The most that is read at once: 25 µs. The long way takes 60 for that much. */
const SHORT_READ_BYTES = 256 * 1024 + BATCH_HEADER_BYTES
/** Read from an index entry on: there is one every 4 KiB, unless batches are larger. */
const WINDOW_BYTES = 8 * 1024
/** Windows to look through: only with small batches are there more than two. */
const WINDOWS_MAX = 16
/** Larger reads hold at least one batch, as a rule; if not, they take the long way. */
const MOST_BATCHES_BYTES = 128 * 1024
/** Smaller buffers are cut from one that they share. */
const OWN_BUFFER_BYTES = 2 * 1024

/**
 * Reads that take longer, one after the other, have waited for the medium: for a while, others wait
 * in another thread. A single one may have waited for the processor.
 */
const SLOW_MS = 2
const SLOW_ONES = 2
const SLOW_PAUSE_MS = 200

/** Used by one call at a time: nothing waits while it is in use. */
const window = Buffer.allocUnsafeSlow(WINDOW_BYTES)
const header = window.subarray(0, BATCH_HEADER_BYTES)

export class ShortReads {
  readonly #log: ReadLog
  readonly #cursors: Cursors
  /** The disk was slow: the long way is taken until then. */
  #notBeforeMs = 0
  /** Reads in a row that were slow. */
  #slowOnes = 0

  constructor(log: ReadLog, cursors: Cursors) {
    this.#log = log
    this.#cursors = cursors
  }

  /** As LogReader.read; undefined if the long way must be taken. */
  read(from: Offset, bounds: ReadBounds): Buffer | undefined {
    const { clock } = this.#log.context
    const startedAtMs = clock.monotonicMs()
    if (startedAtMs < this.#notBeforeMs) return undefined
    try {
      return this.#read(from, bounds)
    } catch (error) {
      if (isForTheLongWay(error)) return undefined
      throw error
    } finally {
      const now = clock.monotonicMs()
      this.#slowOnes = now - startedAtMs > SLOW_MS ? this.#slowOnes + 1 : 0
      if (this.#slowOnes >= SLOW_ONES) this.#notBeforeMs = now + SLOW_PAUSE_MS
    }
  }

  #read(from: Offset, bounds: ReadBounds): Buffer | undefined {
    const { all: segments } = this.#log.segments
    const segment = segments[floorSegment(segments, from)] as Segment
    const { size } = segment
    const cursor = this.#cursors.position(segment, from)
    const place = cursor === undefined ? placeNow(segment, from) : { position: cursor, size: 0 }
    if (place === undefined) return undefined
    const { position } = place
    const bytes = readBatches(segment, place, bounds)
    if (bytes === undefined) return undefined
    const walked = wholeBatches(bytes, bounds.upTo)
    if (walked.bytes === 0) {
      return isCut(bytes, size - position) && !bounds.minOneBatch ? NOTHING : undefined
    }
    const checked = walked.bytes === bytes.length ? bytes : bytes.subarray(0, walked.bytes)
    checkBytes(segment, position, checked)
    const end = position + walked.bytes
    const limit = limitOf(this.#log, segment)
    if (end === size && limit !== undefined && walked.nextOffset < limit) return undefined
    if (end < size && bytes.length < walked.bytes + OFFSET_BYTES) return undefined
    const next = end < size ? getInt64(bytes, walked.bytes) : limit
    const batches = { bytes: checked, from, isNext: cursor !== undefined, limit: next }
    if (whyOutOfPlace(batches, surroundingsOf(this.#log)) !== undefined) return undefined
    this.#cursors.remember(from, { segment, offset: walked.nextOffset, position: end })
    return checked
  }
}

/** Where a batch begins, and its size; 0 if its header has not been read. */
interface Place {
  readonly position: Position
  readonly size: number
}

/** The batches at a position and the next base offset; undefined if these are too many bytes. */
function readBatches(
  segment: Segment,
  { position, size }: Place,
  bounds: ReadBounds,
): Buffer | undefined {
  const left = segment.size - position
  let wanted = Math.min(bounds.maxBytes, left)
  // What holds most batches is read without a look at the first one.
  if (wanted < left && wanted < MOST_BATCHES_BYTES && bounds.minOneBatch) {
    wanted = Math.max(wanted, size > 0 ? size : sizeAt(segment, position))
  }
  if (wanted > SHORT_READ_BYTES || wanted > left) return undefined
  const most = Math.min(wanted + OFFSET_BYTES, left)
  const bytes = most < OWN_BUFFER_BYTES ? Buffer.allocUnsafe(most) : lendBuffer(most)
  return segment.file.readNow(position, bytes) === most ? bytes : undefined
}

/** The size of the batch at a position, whose header is then in the window; SHORT at the end. */
function sizeAt({ file }: Segment, position: Position): number {
  const count = file.readNow(position, header)
  return count < BATCH_HEADER_BYTES ? SHORT : frameAt(window, 0, count)
}

/** The first batch is longer than these bytes, and the file has all of it. */
function isCut(bytes: Buffer, left: number): boolean {
  const size = frameAt(bytes, 0, bytes.length)
  return left > bytes.length && (size === SHORT || (size > bytes.length && size <= left))
}

/** As Segment.positionOf; undefined if the index is not in memory or does not fit. */
function placeNow(segment: Segment, offset: Offset): Place | undefined {
  const { baseOffset, offsetIndex } = segment
  if (offset <= baseOffset) return { position: 0, size: 0 }
  const around = offsetIndex.lookupNow(offset)
  if (around === undefined) return undefined
  const { entry, next } = around
  // Large batches have an entry each, so the next entry's is the batch: two reads instead of four,
  // 49 → 42 µs for a random one.
  if (next !== undefined && next.position - entry.position > WINDOW_BYTES) {
    const size = sizeAt(segment, next.position)
    const isHere = size >= BATCH_HEADER_BYTES && isOf(new Batch(window, 0), next, offset)
    if (isHere) return { position: next.position, size }
  }
  return placeFrom(segment, entry, offset)
}

/** The first batch from an entry on that reaches an offset; undefined if the entry is wrong. */
function placeFrom(
  { file }: Segment,
  entry: OffsetIndexEntry,
  offset: Offset,
): Place | undefined {
  let { position } = entry
  let next: Offset = 0
  for (let windows = 0; windows < WINDOWS_MAX; windows++) {
    const count = file.readNow(position, window)
    let at = 0
    for (; at + BATCH_HEADER_BYTES <= count;) {
      const size = frameAt(window, at, count)
      if (size < BATCH_HEADER_BYTES) return undefined
      const batch = new Batch(window, at)
      const isEntrys = position + at === entry.position
      if (batch.baseOffset < next || (isEntrys && !isOf(batch, entry, offset))) return undefined
      if (batch.lastOffset >= offset) return { position: position + at, size }
      next = batch.nextOffset
      at += size
    }
    if (at === 0) return undefined // the end, or not a whole header
    position += at
  }
  return undefined
}

/** Whether an entry's batch begins at its position; position 0 means that there is no entry. */
function isOf(batch: Batch, entry: OffsetIndexEntry, offset: Offset): boolean {
  if (entry.position === 0) return true
  return batch.baseOffset <= offset && batch.lastOffset === entry.offset
}

function isForTheLongWay(error: unknown): boolean {
  return (
    isDiskError(error) || error instanceof DamagedBytesError || error instanceof IndexError
  )
}

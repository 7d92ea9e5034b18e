/* What the long and the short way of a read share: where to look, what counts as read, checks. */

import type { Clock } from '../../base/clock.js'
import { Batch, frameAt, whyInvalid } from '../../model/batch/batch.js'
import { noteChecked } from '../../model/batch/checked-bytes.js'
import type { Offset, Position } from '../../model/units.js'
import type { LeaderEpochs } from '../format/leader-epochs.js'
import type { LogSettings } from '../format/log-config.js'
import { DamagedBytesError } from '../format/log-errors.js'
import type { Surroundings } from '../format/neighbours.js'
import type { Segment } from './segment.js'

/** Size of the base offset, with which a batch begins. */
export const OFFSET_BYTES = 8
/** Sequential readers whose next position is cached. */
const CURSORS_MAX = 32
export const NOTHING = Buffer.alloc(0)

export interface ReadBounds {
  /** Only batches that end below this offset are returned (the high watermark). */
  readonly upTo: Offset
  readonly maxBytes: number
  /** Whether to return the first batch even if it is larger than maxBytes. */
  readonly minOneBatch: boolean
}

/** The log that is read. */
export interface ReadLog {
  readonly segments: { readonly all: readonly Segment[] }
  readonly logEndOffset: Offset
  readonly context: { readonly settings: LogSettings; readonly clock: Clock }
  readonly epochs: LeaderEpochs
}

export function surroundingsOf({ context, epochs }: ReadLog): Surroundings {
  const hasGaps = context.settings.current.mayHaveGaps
  return { hasGaps, epochAt: offset => epochs.epochAt(offset) }
}

/** The index of the last segment that begins at or before `offset`; 0 if there is none. */
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

/** The offset that a segment's batches end below; undefined if it has left the log. */
export function limitOf({ segments, logEndOffset }: ReadLog, segment: Segment): Offset | undefined {
  const { all } = segments
  const index = all.lastIndexOf(segment) // most readers are near the end
  if (index < 0) return undefined
  return all[index + 1]?.baseOffset ?? logEndOffset
}

// ── sequential readers ───────────────────────────────────────────────────────────────────

interface Cursor {
  readonly segment: Segment
  readonly offset: Offset
  readonly position: Position
}

/** Where sequential readers continue. */
export class Cursors {
  /** The latest comes last. */
  readonly #cursors: Cursor[] = []

  position(segment: Segment, offset: Offset): Position | undefined {
    const cursors = this.#cursors
    for (let index = cursors.length - 1; index >= 0; index--) {
      const cursor = cursors[index] as Cursor
      if (cursor.offset === offset && cursor.segment === segment) return cursor.position
    }
    return undefined
  }

  /** A reader has continued from `from` up to `next`. */
  remember(from: Offset, next: Cursor): void {
    const index = this.#cursors.findIndex(cursor => cursor.offset === from)
    if (index >= 0) this.#cursors.splice(index, 1)
    else if (this.#cursors.length === CURSORS_MAX) this.#cursors.shift()
    this.#cursors.push(next)
  }

  clear(): void {
    this.#cursors.length = 0
  }
}

// ── the bytes read ───────────────────────────────────────────────────────────────────────

/** The size and end of the whole batches below `upTo` at the start of `bytes`. */
export function wholeBatches(bytes: Buffer, upTo: Offset): { bytes: number; nextOffset: Offset } {
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

/** The first batch, or nothing if it is cut off. */
export function firstWhole(bytes: Buffer): Buffer {
  const size = frameAt(bytes, 0, bytes.length)
  return size > 0 && size <= bytes.length ? bytes.subarray(0, size) : NOTHING
}

/**
 * Compares the checksums that this process has not compared yet. If these were all, the bytes count
 * as checked: a consumer in this process does not compare them again.
 */
export function checkBytes(segment: Segment, position: Position, bytes: Buffer): void {
  const { verifiedStart, verifiedEnd } = segment
  const end = position + bytes.length
  if (position >= verifiedStart && end <= verifiedEnd) return
  let isComplete = true
  for (let at = 0; at < bytes.length;) {
    const batch = new Batch(bytes, at)
    const isKnown = position + at >= verifiedStart && position + batch.end <= verifiedEnd
    const reason = isKnown ? undefined : whyInvalid(batch)
    if (reason !== undefined) {
      throw new DamagedBytesError(segment.file.path, position + at, reason)
    }
    isComplete &&= !isKnown
    at += batch.size
  }
  segment.noteVerified(position, end)
  if (isComplete) noteChecked(bytes)
}

/*
 * What a break in a log means. A crash leaves a torn tail; rot leaves corruption. They need
 * opposite answers: a torn tail is cut off, because it was never acknowledged; corruption is never
 * "repaired" by deleting the records after it.
 *
 * Pure: the caller gathers the facts, this file judges them.
 *
 *   clean        the log ends where its last batch ends
 *   torn-tail    a write that was under way when the process died or the power failed
 *   corruption   bytes that were written and have changed since
 */

import { LENGTH_AT } from '../../model/batch/batch.js'
import type { Offset, Position } from '../../model/units.js'

export type Verdict = 'clean' | 'torn-tail' | 'corruption'

/** The facts about the first break: the position from which a log cannot be read. */
export interface LogBreak {
  /** The offset that should come next. */
  readonly offset: Offset
  /** The recovery point: everything below it was synced and may have been acknowledged. */
  readonly durableOffset: Offset
  /**
   * A whole batch with a valid checksum begins there: only fields that the checksum leaves out
   * (offset, length, epoch) are wrong. A write that was cut short never leaves that, unless its
   * offset lay in a sector of its own (see `isOffsetLost`).
   */
  readonly isWhole: boolean
  /** The file ends inside the batch; no byte of it is known to be wrong. */
  readonly isShort: boolean
  /** A valid batch follows in the same file. */
  readonly isFollowedInFile: boolean
  /** A later segment holds a valid batch. */
  readonly isFollowedByFile: boolean
  /** A sector between the break and the next valid batch was never written: it reads as zeros. */
  readonly hasLostSector: boolean
}

export function judge(found: LogBreak | undefined): Verdict {
  if (found === undefined) return 'clean'
  if (found.offset < found.durableOffset) return 'corruption'
  if (found.isWhole) return 'corruption'
  // A write that was cut short leaves a short file; a power cut may also leave zeros for sectors
  // that were not written. Writes of one sync may reach the medium in any order, so valid batches
  // may follow. Any other bytes that differ from what was written have rotted.
  if (found.hasLostSector) return 'torn-tail'
  return found.isShort && !found.isFollowedInFile ? 'torn-tail' : 'corruption'
}

export const SECTOR_BYTES = 512
/** So many zeros make a part of a sector count: no header starts so, and few values end so. */
const ZERO_RUN_MIN = 17

/**
 * What follows the bytes that were read. If zeros follow, which a log writes ahead of its records,
 * the last sector of a batch can be lost although the file has its size: two zeros then make it
 * count, because the last byte of many batches is 0 anyway.
 */
export type Follower = 'bytes' | 'zeros' | 'nothing'
const LAST_RUN_MIN: Readonly<Record<Follower, number>> = {
  bytes: Infinity,
  zeros: 2,
  nothing: ZERO_RUN_MIN,
}

/**
 * True if `bytes`, read at `position` of the file, hold a sector that was never written. Sectors
 * are 512 bytes at multiples of 512. The sector with the break counts from the break on. If nothing
 * or zeros follow, the last sector counts up to the end of `bytes`.
 */
export function hasLostSector(
  bytes: Uint8Array,
  position: number,
  follower: Follower = 'bytes',
): boolean {
  for (let at = 0, end = 0; at < bytes.length; at = end) {
    const sectorEnd = sectorEndOf(position + at) - position
    end = Math.min(sectorEnd, bytes.length)
    // In the break's own sector the offset is enough: that of a batch after others is not 0.
    const wholeMin = at === 0 ? LENGTH_AT : ZERO_RUN_MIN
    const runMin = end === sectorEnd ? wholeMin : LAST_RUN_MIN[follower]
    if (end - at >= runMin && isZero(bytes, at, end)) return true
  }
  return false
}

/**
 * True if the offset of a batch lay at the end of a sector that was never written, while all that
 * the checksum covers lies in the next one. One bit that has rotted could also leave 0, where a
 * power of two should be: that does not count.
 *
 *   bytes 0–7 │ 8–11 of a header: offset │ length, of which the first three are 0 in small batches
 */
export function isOffsetLost(header: Uint8Array, position: Position, expected: Offset): boolean {
  const inSector = sectorEndOf(position) - position
  if (inSector < LENGTH_AT || inSector >= LENGTH_AT + LENGTH_BYTES) return false
  const isPowerOf2 = Math.log2(expected) % 1 === 0
  return !isPowerOf2 && isZero(header, 0, inSector)
}

const LENGTH_BYTES = 4

/** Where the sector of a position ends. */
export function sectorEndOf(position: Position): Position {
  return (Math.floor(position / SECTOR_BYTES) + 1) * SECTOR_BYTES
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false
  return true
}

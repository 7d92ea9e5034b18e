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

import type { Offset } from '../../model/units.js'

export type Verdict = 'clean' | 'torn-tail' | 'corruption'

/** The facts about the first break: the position from which a log cannot be read. */
export interface LogBreak {
  /** The offset that should come next. */
  readonly offset: Offset
  /** The recovery point: everything below it was synced and may have been acknowledged. */
  readonly durableOffset: Offset
  /**
   * A whole batch with a valid checksum begins there: only fields that the checksum leaves out
   * (offset, length, epoch) are wrong. A write that was cut short never leaves that.
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

const SECTOR_BYTES = 512
/** So many zeros at the break make the first sector count: no header starts with as many. */
const ZERO_RUN_MIN = 17

/**
 * True if `bytes`, read at `position` of the file, hold a sector that was never written. Sectors
 * are 512 bytes at multiples of 512. The sector with the break counts from the break on; with
 * `isWholeTail` (`bytes` reach from the break to the end of the file) it may end with the file.
 */
export function hasLostSector(bytes: Uint8Array, position: number, isWholeTail = false): boolean {
  let at = 0
  while (at < bytes.length) {
    const sectorEnd = (Math.floor((position + at) / SECTOR_BYTES) + 1) * SECTOR_BYTES - position
    const end = Math.min(sectorEnd, bytes.length)
    const isTail = isWholeTail && at === 0
    const isWhole = isTail || (end === sectorEnd && (end - at === SECTOR_BYTES || at === 0))
    if (isWhole && end - at >= ZERO_RUN_MIN && isZero(bytes, at, end)) return true
    at = end
  }
  return false
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false
  return true
}

/**
 * What a broken place in a log means. A crash leaves a torn tail; rot leaves corruption. They need
 * opposite answers: the tail is cut off, because nobody was promised it; corruption is never
 * "repaired" by deleting what follows it.
 *
 * Pure: the caller gathers the facts, this file judges them.
 *
 *   clean        the log ends where its last batch ends
 *   torn-tail    a write that was under way when the process died or the power went
 *   corruption   bytes that were safe once and are not any more
 */

import type { Offset } from '../../model/units.js'

export type Verdict = 'clean' | 'torn-tail' | 'corruption'

/** The facts about the first place where a log cannot be read on. */
export interface LogBreak {
  /** The offset that should come next. */
  readonly offset: Offset
  /** Below it everything was synced, hence promised: the recovery point. */
  readonly durableOffset: Offset
  /**
   * A whole batch stands there whose checksum is right: only what the checksum leaves out (offset,
   * length, epoch) is wrong. No write that was cut leaves that.
   */
  readonly isWhole: boolean
  /** The file just ends there, instead of holding something wrong. */
  readonly isShort: boolean
  /** A valid batch follows in the same file. */
  readonly isFollowedInFile: boolean
  /** A later segment holds a valid batch. */
  readonly isFollowedByFile: boolean
  /** A sector between the break and what follows was never written: it reads as zeros. */
  readonly hasLostSector: boolean
}

export function judge(found: LogBreak | undefined): Verdict {
  if (found === undefined) return 'clean'
  if (found.offset < found.durableOffset) return 'corruption'
  if (found.isWhole) return 'corruption'
  // A write that was cut leaves a file too short, a power cut may also leave zeros for sectors that
  // were not written. Writes of one sync may reach the medium in any order, so something valid may
  // follow. Bytes that are all there and are not what was written have rotted.
  if (found.hasLostSector) return 'torn-tail'
  return found.isShort && !found.isFollowedInFile ? 'torn-tail' : 'corruption'
}

const SECTOR_BYTES = 512
/** The first sector counts when so many zeros begin right at the break: no header starts so. */
const ZERO_RUN_MIN = 17

/**
 * Does `bytes`, which stood at `position` of the file, hold a sector that was never written?
 * Sectors are 512 bytes at multiples of 512. The one the break lies in counts from the break on,
 * and up to the end of the file when `isWholeTail` says that `bytes` go from the one to the other.
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

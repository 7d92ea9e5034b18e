/*
 * Checks base offset and leader epoch, which the checksum of a batch leaves out, against the
 * batches around it before a read returns the batch.
 *
 *   before   the first batch contains the offset read from, or begins with it if a reader continues
 *   between  each batch begins where the one before ends
 *   after    the last batch ends where the next one begins; at the end of a file, where the next
 *            segment begins or the log ends
 *   epoch    is the log's epoch at that offset
 *
 * In a compacted log there may be gaps: a batch may begin at a higher offset, never at a lower one.
 */

import { Batch } from '../../model/batch/batch.js'
import type { LeaderEpoch, Offset, Position } from '../../model/units.js'

/** Consecutive batches that a read is about to return, and their place in the log. */
export interface ReadBatches {
  readonly bytes: Buffer
  /** The offset that is read from. */
  readonly from: Offset
  /** The reader has read everything below `from`. */
  readonly isNext: boolean
  /**
   * Base offset of the next batch, or else of the next segment, or the end of the log. Undefined
   * if it is unknown, because the segment is no longer part of the log.
   */
  readonly limit: Offset | undefined
}

export interface Surroundings {
  /** Offsets may be missing, because the log is compacted. */
  readonly hasGaps: boolean
  /** The log's epoch at an offset, if that is known. */
  readonly epochAt: (offset: Offset) => LeaderEpoch | undefined
}

/** The position of the first batch that does not fit, and the reason; undefined if all fit. */
export function whyOutOfPlace(
  { bytes, from, isNext, limit }: ReadBatches,
  { hasGaps, epochAt }: Surroundings,
): { readonly at: Position; readonly reason: string } | undefined {
  const fits = (next: Offset, expected: Offset): boolean =>
    hasGaps ? next >= expected : next === expected
  let expected = from
  for (let at = 0; at < bytes.length;) {
    const batch = new Batch(bytes, at)
    const { baseOffset, lastOffset, leaderEpoch } = batch
    const holdsFirst = at === 0 && !isNext && baseOffset <= from && lastOffset >= from
    if (!holdsFirst && !fits(baseOffset, expected)) {
      return { at, reason: `a batch begins at offset ${baseOffset}, expected ${expected}` }
    }
    const epoch = epochAt(lastOffset) ?? leaderEpoch
    if (leaderEpoch !== epoch) {
      const reason = `leader epoch is ${leaderEpoch}, expected ${epoch} at offset ${baseOffset}`
      return { at, reason }
    }
    expected = batch.nextOffset
    at += batch.size
    const isLast = at >= bytes.length
    if (!isLast || limit === undefined || fits(limit, expected)) continue
    const reason = `a batch ends at offset ${expected - 1}, the next begins at ${limit}`
    return { at: batch.start, reason }
  }
  return undefined
}

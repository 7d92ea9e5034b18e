/**
 * What the checksum of a batch leaves out, base offset and leader epoch, held against what stands
 * around it, before the batch is handed out.
 *
 *   before   the first batch holds the wanted offset, or, where a reader goes on, begins with it
 *   between  each begins where the one before ends
 *   behind   the last ends where the next one begins; at the end of a file, where the next file or
 *            the log goes on
 *   epoch    is the one the log had at that offset
 *
 * In a compacted log there may be a gap instead of "where": the offset may be higher, never lower.
 */

import { Batch } from '../../model/batch.js'
import type { LeaderEpoch, Offset, Position } from '../../model/units.js'

/** Batches that are about to be handed out, one after the other, and where they stand. */
export interface Handful {
  readonly bytes: Buffer
  /** The offset that a reader wants. */
  readonly from: Offset
  /** The reader has got everything below: it goes on. */
  readonly isNext: boolean
  /**
   * Base offset of the batch behind, or where the next segment or the log's end is. Undefined when
   * nobody knows: the segment has left the log.
   */
  readonly limit: Offset | undefined
}

export interface Surroundings {
  /** Offsets may be missing, because the log is compacted. */
  readonly hasGaps: boolean
  /** The log's epoch at an offset, if that is known. */
  readonly epochAt: (offset: Offset) => LeaderEpoch | undefined
}

/** Where the first batch stands that does not fit, and why; undefined when all fit. */
export function whyOutOfPlace(
  { bytes, from, isNext, limit }: Handful,
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
      return { at, reason: `a batch begins at offset ${baseOffset}, ${expected} should come next` }
    }
    const epoch = epochAt(lastOffset) ?? leaderEpoch
    if (leaderEpoch !== epoch) {
      const reason = `leader epoch is ${leaderEpoch}, it was ${epoch} at offset ${baseOffset}`
      return { at, reason }
    }
    expected = batch.nextOffset
    at += batch.size
    const isLast = at >= bytes.length
    if (!isLast || limit === undefined || fits(limit, expected)) continue
    const reason = `a batch ends at offset ${expected - 1}, what follows begins at ${limit}`
    return { at: batch.start, reason }
  }
  return undefined
}

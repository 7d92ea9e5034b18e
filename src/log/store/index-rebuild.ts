/*
 * Rebuilds the indexes of a closed segment from its batches: the log is the truth, its indexes are
 * made from it. A look-up, recovery or `verify` that finds a contradiction asks for it.
 */

import type { DiskFile } from '../../disk/disk.js'
import type { Batch } from '../../model/batch/batch.js'
import type { Offset, Position } from '../../model/units.js'
import { DamagedBytesError } from '../format/log-errors.js'
import { scanBatches } from '../format/scan.js'
import type { SegmentTimes } from './segment-times.js'

/** What a rebuild needs of a segment. */
interface Indexed {
  readonly file: DiskFile
  readonly baseOffset: Offset
  /** Offsets of the segment are below this one. */
  readonly offsetLimit: Offset
  readonly times: SegmentTimes
  /** Empties the indexes. */
  resetIndexes(): void
  /** Adds the index entries of a batch. */
  note(batch: Batch, position: Position): void
  /** Writes the entries that wait. */
  seal(): void
}

/** Throws DamagedBytesError if a batch is invalid or lies outside the segment. */
export async function rebuildIndexes(segment: Indexed): Promise<void> {
  segment.resetIndexes()
  let next = segment.baseOffset
  const { position, reason } = await scanBatches(
    segment.file,
    (batch, at) => {
      const { baseOffset, nextOffset } = batch
      if (baseOffset < next) return `offset ${baseOffset} comes after ${next - 1}`
      if (nextOffset > segment.offsetLimit) {
        return `offset ${nextOffset - 1} is too far from ${segment.baseOffset}`
      }
      next = nextOffset
      segment.note(batch, at)
      return undefined
    },
    { isPassing: true },
  )
  if (reason !== undefined) throw new DamagedBytesError(segment.file.path, position, reason)
  segment.times.grown(0, position)
  segment.seal()
}

/*
 * Checks the file of leader epochs against the batches. The file has no checksum, and followers
 * truncate by it: so epochs without a batch are dropped, and a file that contradicts the batches
 * is rebuilt from them.
 *
 * Epochs of batches never descend. So it is enough to check both ends of the log and, where an
 * entry begins, the batches before and after: all batches between two of one epoch have that
 * epoch. That costs a look-up per entry, not a scan.
 */

import type { LeaderEpoch, Offset } from '../../model/units.js'
import { LeaderEpochs } from '../format/leader-epochs.js'
import { DamagedBytesError } from '../format/log-errors.js'
import { scanBatches } from '../format/scan.js'
import { floorSegment } from '../store/read-parts.js'
import type { BatchPlace, Segment } from '../store/segment.js'

/** A log that is being opened. */
export interface EpochExtent {
  readonly segments: readonly Segment[]
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** The last batch, if it is known. */
  readonly lastBatch: BatchPlace | undefined
  /** Offsets may be missing, because the log is compacted. */
  readonly hasGaps: boolean
  /** The partition's current epoch: no batch can have a later one. Infinity if it is unknown. */
  readonly leaderEpochMax: LeaderEpoch
}

/** Why these cannot be the epochs of the log; undefined if they can. */
export async function whyNotEpochsOf(
  log: EpochExtent,
  epochs: LeaderEpochs,
): Promise<string | undefined> {
  const { logStartOffset, logEndOffset, hasGaps } = log
  const starts = epochs.entries.slice(1).map(({ startOffset }) => startOffset)
  for (const offset of [logStartOffset, ...starts, logEndOffset]) {
    const isSeen = offset === logEndOffset && log.lastBatch !== undefined
    const { before, at = undefined } = isSeen
      ? { before: log.lastBatch }
      : await batchesAround(log.segments, offset)
    const reason = whyNot(log, epochs, before) ?? whyNot(log, epochs, at)
    if (reason !== undefined) return reason
    const isStart = offset > logStartOffset && offset < logEndOffset
    if (!isStart || hasGaps || at === undefined || at.baseOffset === offset) continue
    return `an epoch begins at ${offset}, inside the batch at ${at.baseOffset}`
  }
  return undefined
}

function whyNot(
  { logStartOffset, leaderEpochMax }: EpochExtent,
  epochs: LeaderEpochs,
  batch: BatchPlace | undefined,
): string | undefined {
  if (batch === undefined || batch.lastOffset < logStartOffset) return undefined
  const known = epochs.epochAt(batch.lastOffset) ?? -1
  const { baseOffset, leaderEpoch } = batch
  if (known === leaderEpoch && leaderEpoch <= leaderEpochMax) return undefined
  return `the batch at offset ${baseOffset} has leader epoch ${leaderEpoch}, expected ${known}`
}

async function batchesAround(
  segments: readonly Segment[],
  offset: Offset,
): Promise<{ before?: BatchPlace | undefined; at?: BatchPlace | undefined }> {
  const index = floorSegment(segments, offset)
  let { before, at } = await (segments[index] as Segment).around(offset)
  for (let later = index + 1; at === undefined && later < segments.length; later++) {
    at = (await (segments[later] as Segment).around(offset)).at
  }
  for (let earlier = index - 1; before === undefined && earlier >= 0; earlier--) {
    before = (await (segments[earlier] as Segment).around(offset)).before
  }
  return { before, at }
}

/**
 * The epochs of the batches. Throws DamagedBytesError if they descend, exceed the partition's
 * current epoch, or a batch cannot be read.
 */
export async function epochsOfBatches(
  segments: readonly Segment[],
  leaderEpochMax: LeaderEpoch,
): Promise<LeaderEpochs> {
  const epochs = new LeaderEpochs()
  for (const { file } of segments) {
    const { position, reason } = await scanBatches(
      file,
      ({ leaderEpoch, baseOffset }) => {
        if (leaderEpoch < epochs.latestEpoch || leaderEpoch > leaderEpochMax) {
          return `leader epoch ${leaderEpoch} is outside [${epochs.latestEpoch}, ${leaderEpochMax}]`
        }
        if (leaderEpoch > epochs.latestEpoch) epochs.assign(leaderEpoch, baseOffset)
        return undefined
      },
      { checksCrc: false, isPassing: true },
    )
    if (reason !== undefined) throw new DamagedBytesError(file.path, position, reason)
  }
  return epochs
}

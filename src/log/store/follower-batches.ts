/*
 * The batches a follower accepts from its leader: whole and unchanged. Nothing is patched, so
 * everything is checked first. Pure.
 */

import { Batch, frameAt, SHORT, whyBroken, whyInvalid } from '../../model/batch/batch.js'
import { PartlogError } from '../../model/errors.js'
import type { LeaderEpoch, Offset } from '../../model/units.js'

/** The end of the log that the batches must continue. */
export interface FollowerEnd {
  /** The log's name, for error sentences. */
  readonly name: string
  readonly logEndOffset: Offset
  /** The epoch of the last record; −1 if there is none. */
  readonly lastEpoch: LeaderEpoch
  /** Whether offsets may be missing, because the log is compacted. */
  readonly hasGaps: boolean
  /** The checksums of the batches need not be compared. Default false. */
  readonly isChecked?: boolean
}

/**
 * The batches in `bytes`. Throws CORRUPT_MESSAGE if they are not whole, valid batches,
 * OFFSET_OUT_OF_RANGE if they do not begin where the log ends or leave a gap, and
 * FENCED_LEADER_EPOCH if their epochs descend.
 */
export function followerBatches(bytes: Buffer, end: FollowerEnd): readonly Batch[] {
  const batches: Batch[] = []
  let { logEndOffset: expected, lastEpoch } = end
  for (let at = 0; at < bytes.length;) {
    const batch = wholeBatchAt(bytes, at, end)
    const { baseOffset, leaderEpoch } = batch
    if (baseOffset < expected || (baseOffset > expected && !end.hasGaps)) {
      const sentence = `${end.name}: a batch begins at offset ${baseOffset}, expected ${expected}`
      throw new PartlogError('OFFSET_OUT_OF_RANGE', sentence)
    }
    if (leaderEpoch < lastEpoch) {
      const sentence = `${end.name}: a batch of leader epoch ${leaderEpoch} follows ${lastEpoch}`
      throw new PartlogError('FENCED_LEADER_EPOCH', sentence)
    }
    expected = batch.nextOffset
    lastEpoch = leaderEpoch
    batches.push(batch)
    at += batch.size
  }
  return batches
}

/**
 * The base offset of the first batch in `bytes` if that batch is valid and `offset` lies inside it:
 * a leader whose log starts in the middle of a batch sends the batch whole.
 */
export function baseOfBatchAround(bytes: Buffer, offset: Offset): Offset | undefined {
  const size = frameAt(bytes, 0, bytes.length)
  if (size === SHORT || size < 0 || size > bytes.length) return undefined
  const batch = new Batch(bytes, 0)
  const isAround = batch.baseOffset < offset && offset < batch.nextOffset
  return isAround && whyInvalid(batch) === undefined ? batch.baseOffset : undefined
}

function wholeBatchAt(bytes: Buffer, at: number, { name, isChecked }: FollowerEnd): Batch {
  const size = frameAt(bytes, at, bytes.length)
  const isWhole = size !== SHORT && at + size <= bytes.length
  const reason = !isWhole ? 'the bytes end inside a batch' : size < 0 ? whyBroken(bytes, at) : ''
  const batch = reason === '' ? new Batch(bytes, at) : undefined
  const why = batch === undefined ? reason : isChecked ? undefined : whyInvalid(batch)
  if (batch !== undefined && why === undefined) return batch
  throw new PartlogError('CORRUPT_MESSAGE', `${name}: from the leader, at byte ${at}: ${why}`)
}

/** A segment's indexes store offsets relative to its base offset, in 31 bits. */
const OFFSETS_MAX = 2 ** 31

/** Splits consecutive batches into groups, each of which fits into a segment. */
export function segmentLoads(
  batches: readonly Batch[],
  segmentBytes: number,
): readonly (readonly Batch[])[] {
  const loads: Batch[][] = []
  let loadBytes = Infinity
  for (const batch of batches) {
    const first = loads.at(-1)?.[0]?.baseOffset ?? 0
    if (loadBytes + batch.size > segmentBytes || batch.nextOffset - first > OFFSETS_MAX) {
      loads.push([])
      loadBytes = 0
    }
    loads.at(-1)?.push(batch)
    loadBytes += batch.size
  }
  return loads
}

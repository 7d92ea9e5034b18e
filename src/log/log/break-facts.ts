/**
 * The facts about a place where a log cannot be read on, gathered for damage.ts to judge.
 *
 * A batch whose file ends inside it announces more bytes than there are. What stands among them is
 * part of it: values may hold whole batches (a .log file, a mirrored segment), which prove nothing.
 * Unless the length itself is wrong. Then the batch ends where one of these begins, or the file
 * does, and its checksum is right up to there.
 */

import { crc32c } from '../../base/crc32c.js'
import { Batch, BATCH_HEADER_BYTES, CRC_START, frameAt } from '../../model/batch.js'
import type { Offset, Position } from '../../model/units.js'
import { hasLostSector, type LogBreak } from '../format/damage.js'
import { findBatch, SCAN_WINDOW_BYTES } from '../format/scan.js'
import type { Segment } from './segment.js'

/** A wrong length is looked for in batches up to this size: none larger is written. */
const BATCH_BYTES_MAX = 256 * 1024 * 1024
/** Batches inside of one that may be the one behind it. */
const ENDS_MAX = 16

/** A place where a log cannot be read on. */
export interface Breakage {
  /** Of the segment. */
  readonly index: number
  readonly position: Position
  readonly reason: string
  /** The file ends inside what may be a batch. */
  readonly isShort: boolean
  /** A whole batch stands there, its checksum is right; it is not the one that comes next. */
  readonly isWhole: boolean
}

export async function factsOf(
  { index, position, isShort, isWhole }: Breakage,
  log: {
    readonly segments: readonly Segment[]
    /** The offset that should come next. */
    readonly end: Offset
    readonly durableOffset: Offset
  },
): Promise<LogBreak> {
  const segment = log.segments[index] as Segment
  const resumesAt = await findBatch(segment.file, position + 1, log.end + 1)
  const isInside = isShort && position < segment.size
  const gapEnd = (isInside ? undefined : resumesAt) ?? segment.size
  return {
    offset: log.end,
    durableOffset: log.durableOffset,
    isShort,
    isWhole: isWhole || (isInside && (await hasWrongLength(segment, position, log.end))),
    isFollowedInFile: resumesAt !== undefined && !isInside,
    isFollowedByFile: await isFollowedByFile(log.segments.slice(index + 1), log.end),
    hasLostSector: await lostSector(segment, position, gapEnd),
  }
}

async function isFollowedByFile(later: readonly Segment[], end: Offset): Promise<boolean> {
  for (const segment of later) {
    if ((await findBatch(segment.file, 0, end)) !== undefined) return true
  }
  return false
}

async function lostSector(segment: Segment, from: Position, to: Position): Promise<boolean> {
  // Windows end on sector borders, so that no sector is split between two of them.
  for (let at = from; at < to;) {
    const end = Math.min(to, (Math.floor(at / SCAN_WINDOW_BYTES) + 1) * SCAN_WINDOW_BYTES)
    const bytes = await segment.file.read(at, end - at)
    const isWholeTail = at === from && end === segment.size
    if (hasLostSector(bytes, at, isWholeTail)) return true
    at = end
  }
  return false
}

/** Is the checksum right if the batch ends where the file does, or where another one begins? */
async function hasWrongLength(segment: Segment, position: Position, end: Offset): Promise<boolean> {
  const { file, size } = segment
  const left = size - position
  if (left < BATCH_HEADER_BYTES || left > BATCH_BYTES_MAX) return false
  const bytes = await file.read(position, left)
  if (frameAt(bytes, 0, bytes.length) <= 0) return false
  const { crc } = new Batch(bytes, 0)
  const isEnd = (at: Position): boolean => crc32c(bytes, CRC_START, at - position) === crc
  if (isEnd(size)) return true
  let next = await findBatch(file, position + BATCH_HEADER_BYTES, end + 1)
  for (let count = 0; next !== undefined && count < ENDS_MAX; count++) {
    if (isEnd(next)) return true
    next = await findBatch(file, next + 1, end + 1)
  }
  return false
}

/*
 * Gathers the facts about a break in a log, for damage.ts to judge.
 *
 * A batch that ends after its file announces more bytes than there are. The bytes up to the end of
 * the file are part of it: its values may hold whole batches (a .log file, a mirrored segment),
 * which prove nothing. The exception is a wrong length: then the batch ends where one of these
 * batches begins, or where the file ends, and its checksum is valid up to there.
 */

import { crc32c } from '../../base/checksums/crc32c.js'
import type { DiskFile } from '../../disk/disk.js'
import { Batch, BATCH_HEADER_BYTES, CRC_START, frameAt, MAGIC_AT } from '../../model/batch/batch.js'
import type { Offset, Position } from '../../model/units.js'
import { findBatch, SCAN_WINDOW_BYTES, zerosFrom } from '../format/scan.js'
import type { Segment } from '../store/segment.js'
import {
  hasLostSector,
  isOffsetLost,
  sectorEndOf,
  type Follower,
  type LogBreak,
} from './torn-tail.js'

/** The largest batch that is checked for a wrong length: no larger batch is written. */
const BATCH_BYTES_MAX = 256 * 1024 * 1024
/** How many zeros a batch may end with and still be found. */
const LAST_ZEROS_MAX = 16
/** How many batches inside a batch are tried as the one after it. */
const ENDS_MAX = 16

/** A position from which a log cannot be read. */
export interface Breakage {
  /** The index of the segment. */
  readonly index: number
  readonly position: Position
  readonly reason: string
  /** The file ends inside what may be a batch. */
  readonly isShort: boolean
  /** A whole batch with a valid checksum begins there, but it cannot be the next one. */
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
  const next = isInside ? undefined : resumesAt
  const header = await segment.file.read(position, BATCH_HEADER_BYTES)
  return {
    offset: log.end,
    durableOffset: log.durableOffset,
    isShort,
    isWhole:
      !isOffsetLost(header, position, log.end) &&
      (isWhole ||
        (isInside && (await hasWrongLength(segment, position, log.end))) ||
        (next === undefined && (await endsBeforeZeros(segment.file, position)))),
    isFollowedInFile: resumesAt !== undefined && !isInside,
    isFollowedByFile: await isFollowedByFile(log.segments.slice(index + 1), log.end),
    hasLostSector: await hasLostSectors(
      segment,
      position,
      next === undefined
        ? await writtenEnd(segment.file, position)
        : { end: next, follower: 'bytes' },
    ),
  }
}

async function isFollowedByFile(later: readonly Segment[], end: Offset): Promise<boolean> {
  for (const segment of later) {
    if ((await findBatch(segment.file, 0, end)) !== undefined) return true
  }
  return false
}

/** Where the bytes end that were written, or should have been, and what follows them. */
interface WrittenEnd {
  readonly end: Position
  readonly follower: Follower
}

async function hasLostSectors(
  { file }: Segment,
  from: Position,
  { end: to, follower }: WrittenEnd,
): Promise<boolean> {
  // Windows end at sector boundaries, so that no window splits a sector.
  for (let at = from; at < to;) {
    const end = Math.min(to, (Math.floor(at / SCAN_WINDOW_BYTES) + 1) * SCAN_WINDOW_BYTES)
    const bytes = await file.read(at, end - at)
    if (hasLostSector(bytes, at, end === to ? follower : 'bytes')) return true
    at = end
  }
  return false
}

/**
 * Where the bytes after a break end, if no valid batch follows: with the batch that begins at the
 * break, or with the last byte that is not zero. Zeros after that are written ahead of records.
 */
async function writtenEnd(file: DiskFile, position: Position): Promise<WrittenEnd> {
  const header = await file.read(position, BATCH_HEADER_BYTES)
  const frame = frameAt(header, 0, header.length)
  const zerosAt = await zerosFrom(file, position)
  const announced = position + Math.max(0, frame)
  const end = Math.max(Math.min(announced, file.size), zerosAt)
  // Nothing was written, or of the header only what lies before the next sector: how long the batch
  // was is lost with that sector.
  const sectorEnd = sectorEndOf(position)
  const isHeaderCut = zerosAt <= sectorEnd && sectorEnd - position <= MAGIC_AT
  if (end === position || isHeaderCut) return { end: file.size, follower: 'nothing' }
  return { end, follower: end < file.size ? 'zeros' : 'nothing' }
}

/**
 * True if only the announced length of a batch is wrong: its checksum is valid if it ends where
 * zeros begin, which are written ahead of records, or a few zeros later.
 */
export async function endsBeforeZeros(file: DiskFile, position: Position): Promise<boolean> {
  const zerosAt = await zerosFrom(file, position)
  const end = Math.min(file.size, zerosAt + LAST_ZEROS_MAX)
  if (end - position < BATCH_HEADER_BYTES || end - position > BATCH_BYTES_MAX) return false
  const bytes = await file.read(position, end - position)
  if (frameAt(bytes, 0, bytes.length) <= 0) return false
  const { crc } = new Batch(bytes, 0)
  for (let at = zerosAt; at <= end; at++) {
    if (crc32c(bytes, CRC_START, at - position) === crc) return true
  }
  return false
}

/** True if the checksum is valid when the batch ends with the file or where another begins. */
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

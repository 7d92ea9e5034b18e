/*
 * What follows the last whole batch of a log's last segment, for tools that only read. Recovery,
 * which cuts, judges by torn-tail.ts.
 *
 *   unwritten   zeros up to the end: Kafka may allocate a file in advance (log.preallocate)
 *   torn        a write that a crash cut short, or that is still under way
 *   damaged     bytes that no write leaves
 *
 * A write that is cut short leaves a batch that ends early, or zeros where a sector was not written
 * in time. A batch that is complete but fails its checksum, or passes it and is invalid, was
 * written whole: it has rotted, or partlog cannot read it.
 */

import { crc32c } from '../../base/checksums/crc32c.js'
import type { DiskFile } from '../../disk/disk.js'
import { Batch, BATCH_HEADER_BYTES, BROKEN, frameAt, SHORT } from '../../model/batch/batch.js'
import type { Offset, Position } from '../../model/units.js'
import { findBatch, zerosFrom } from '../format/scan.js'
import { endsBeforeZeros } from './break-facts.js'
import { hasLostSector, type Follower } from './torn-tail.js'

export type Tail = 'unwritten' | 'torn' | 'damaged'

/** The first byte after the magic of a header. */
const AFTER_MAGIC = 17
const CRC_FROM = 21

/** Judges the bytes from `position` on, where the next offset should be `offset`. */
export async function judgeTail(
  file: DiskFile,
  position: Position,
  offset: Offset,
): Promise<Tail> {
  if ((await zerosFrom(file, position)) === position) return 'unwritten'
  const header = await file.read(position, BATCH_HEADER_BYTES)
  const size = frameAt(header, 0, header.length)
  if (size === SHORT) return 'torn'
  if (size === BROKEN) {
    const isHalf = header.subarray(AFTER_MAGIC).every(byte => byte === 0)
    return isHalf && !(await isFollowed(file, position + 1, offset)) ? 'torn' : 'damaged'
  }
  const left = file.size - position
  if (await endsBeforeZeros(file, position)) return 'damaged'
  if (size > left) return (await isWhole(file, position, header)) ? 'damaged' : 'torn'
  const bytes = await file.read(position, size)
  if (new Batch(bytes, 0).hasValidCrc) return 'damaged'
  if (!hasLostSector(bytes, position, await followerAt(file, position + size))) return 'damaged'
  return (await isFollowed(file, position + size, offset)) ? 'damaged' : 'torn'
}

async function isFollowed(file: DiskFile, from: Position, offset: Offset): Promise<boolean> {
  return (await findBatch(file, from, offset)) !== undefined
}

/**
 * True if only the announced length is wrong: then the checksum matches the bytes up to the end of
 * the file, or a later batch begins with exactly the next offset. Any other batch proves nothing:
 * it may be part of a value.
 */
async function isWhole(file: DiskFile, position: Position, header: Buffer): Promise<boolean> {
  if (header.length < BATCH_HEADER_BYTES) return false
  const batch = new Batch(header, 0)
  const left = file.size - position
  if (left <= MEMORY_MAX) {
    const bytes = await file.read(position, left)
    if (crc32c(bytes, CRC_FROM, bytes.length) === batch.crc) return true
  }
  const { nextOffset } = batch
  for (let at: Position | undefined = position; at !== undefined; ) {
    at = await findBatch(file, at + 1, nextOffset)
    if (at === undefined) return false
    const found = await file.read(at, BATCH_HEADER_BYTES)
    if (new Batch(found, 0).baseOffset === nextOffset) return true
  }
  return false
}

/** Larger than any batch. */
const MEMORY_MAX = 128 * 1024 * 1024

async function followerAt(file: DiskFile, position: Position): Promise<Follower> {
  if (position === file.size) return 'nothing'
  return (await zerosFrom(file, position)) === position ? 'zeros' : 'bytes'
}

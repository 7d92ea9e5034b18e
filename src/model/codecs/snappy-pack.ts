/*
 * Packs one raw snappy block, as google/snappy does: a table remembers where each four bytes
 * occurred last, and the first match is taken. While none is found, the steps grow.
 */

import {
  checkBlock,
  hashAt,
  MATCH_MIN,
  matchEnd,
  sameFour,
  TABLE_BITS,
  type Packing,
} from './packing.js'

/** Positions in the block, of four bytes by their hash. 0 is the first position, or none. */
const table = new Uint16Array(1 << TABLE_BITS)
/** No match is searched in the last bytes of a block. */
const MARGIN_BYTES = 15
const SKIP_SHIFT = 5
const COPY_MAX = 64
/** So that the rest of a long copy is not too short for another one. */
const COPY_BUT_LAST = 60
const COPY_1_MAX = 11
const COPY_1_DISTANCE_MAX = 2_047

/** The most bytes that a block of this size takes. */
export function packedMax(size: number): number {
  return 32 + size + Math.floor(size / 6)
}

/** Packs `bytes[start, end)`, at most 64 KiB, and appends the block to the output. */
export function packBlock(work: Packing, start: number, end: number): void {
  const { bytes } = work
  checkBlock(work, end - start, packedMax(end - start))
  putSize(work, end - start)
  table.fill(0)
  const limit = end - MARGIN_BYTES
  let literalAt = start
  let at = start + 1
  let skips = 1 << SKIP_SHIFT
  while (at < limit) {
    const slot = hashAt(bytes, at)
    const candidate = start + (table[slot] as number)
    table[slot] = at - start
    if (!sameFour(bytes, at, candidate)) {
      at += skips++ >>> SKIP_SHIFT
      continue
    }
    skips = 1 << SKIP_SHIFT
    if (at > literalAt) putLiteral(work, literalAt, at)
    const next = matchEnd(bytes, at + MATCH_MIN, candidate + MATCH_MIN, end)
    putCopy(work, at - candidate, next - at)
    literalAt = at = next
    if (at < limit) table[hashAt(bytes, at - 1)] = at - 1 - start
  }
  if (end > literalAt) putLiteral(work, literalAt, end)
}

function putSize(work: Packing, size: number): void {
  let left = size
  for (; left >= 0x80; left >>>= 7) work.into[work.out++] = left | 0x80
  work.into[work.out++] = left
}

function putLiteral(work: Packing, start: number, end: number): void {
  const { bytes, into } = work
  const last = end - start - 1
  if (last < 60) {
    into[work.out++] = last << 2
  } else if (last < 256) {
    into[work.out++] = 60 << 2
    into[work.out++] = last
  } else {
    into[work.out++] = 61 << 2
    into[work.out++] = last
    into[work.out++] = last >>> 8
  }
  work.out += bytes.copy(into, work.out, start, end)
}

function putCopy(work: Packing, distance: number, length: number): void {
  let left = length
  for (; left >= COPY_MAX + MATCH_MIN; left -= COPY_MAX) putCopy2(work, distance, COPY_MAX)
  if (left > COPY_MAX) {
    putCopy2(work, distance, COPY_BUT_LAST)
    left -= COPY_BUT_LAST
  }
  if (left > COPY_1_MAX || distance > COPY_1_DISTANCE_MAX) return putCopy2(work, distance, left)
  work.into[work.out++] = 1 | ((left - MATCH_MIN) << 2) | ((distance >>> 8) << 5)
  work.into[work.out++] = distance
}

function putCopy2(work: Packing, distance: number, length: number): void {
  work.into[work.out++] = 2 | ((length - 1) << 2)
  work.into[work.out++] = distance
  work.into[work.out++] = distance >>> 8
}

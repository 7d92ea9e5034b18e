/*
 * Packs one LZ4 block. The fast way, Kafka's default, is lz4's: a table remembers where each four
 * bytes occurred last, and the first match is taken; while none is found, the steps grow. The
 * thorough way (LZ4 HC's) also remembers where they occurred before that, looks at several of these
 * places for the longest match, and prefers a longer one that begins a byte later.
 *
 * In the format the last five bytes of a block are a literal, and no match begins in the last
 * twelve.
 */

import { LENGTH_MASK, MORE } from './lz4-block.js'
import {
  checkBlock,
  hashAt,
  MATCH_MIN,
  matchEnd,
  PACKED_BLOCK_MAX,
  sameFour,
  TABLE_BITS,
  type Packing,
} from './packing.js'

/** Positions in the block, of four bytes by their hash. 0 is the first position, or none. */
const table = new Uint16Array(1 << TABLE_BITS)
/** For each position, how far back the position before it with the same hash is; 0 ends it. */
const chain = new Uint16Array(PACKED_BLOCK_MAX)
const LAST_LITERAL_BYTES = 5
const MATCH_MARGIN_BYTES = 12
const SKIP_SHIFT = 6

/** The most bytes that a block of this size takes. */
export function packedMax(size: number): number {
  return size + Math.floor(size / MORE) + 16
}

/** Packs `bytes[start, end)`, at most 64 KiB, the fast way, and appends the block to the output. */
export function packBlock(work: Packing, start: number, end: number): void {
  const { bytes } = work
  checkBlock(work, end - start, packedMax(end - start))
  table.fill(0)
  const limit = end - MATCH_MARGIN_BYTES
  const matchLimit = end - LAST_LITERAL_BYTES
  let literalAt = start
  let at = start + 1
  let skips = 1 << SKIP_SHIFT
  while (at < limit) {
    const slot = hashAt(bytes, at)
    let from = start + (table[slot] as number)
    table[slot] = at - start
    if (!sameFour(bytes, at, from)) {
      at += skips++ >>> SKIP_SHIFT
      continue
    }
    skips = 1 << SKIP_SHIFT
    const next = matchEnd(bytes, at + MATCH_MIN, from + MATCH_MIN, matchLimit)
    while (at > literalAt && from > start && bytes[at - 1] === bytes[from - 1]) {
      at--
      from--
    }
    putSequence(work, [literalAt, at], at - from, next - at)
    literalAt = at = next
    if (at < limit) table[hashAt(bytes, at - 2)] = at - 2 - start
  }
  putLast(work, literalAt, end)
}

/** The longest match that was found at a position: its end, and how far back it begins. */
const found = { end: 0, distance: 0 }

/** Like `packBlock`, the thorough way: looks at up to `tries` places for each match. */
export function packBlockWell(work: Packing, [start, end]: Range, tries: number): void {
  const { bytes } = work
  checkBlock(work, end - start, packedMax(end - start))
  table.fill(0)
  const limit = end - MATCH_MARGIN_BYTES
  const search: Search = { bytes, start, limit: end - LAST_LITERAL_BYTES, tries, known: start }
  let literalAt = start
  for (let at = start + 1; at < limit;) {
    findLongest(search, at)
    if (found.end === 0) {
      at++
      continue
    }
    let { end: next, distance } = found
    while (at + 1 < limit) {
      findLongest(search, at + 1)
      if (found.end - at - 1 <= next - at) break
      at++
      next = found.end
      distance = found.distance
    }
    putSequence(work, [literalAt, at], distance, next - at)
    literalAt = at = next
  }
  putLast(work, literalAt, end)
}

type Range = readonly [start: number, end: number]

interface Search {
  readonly bytes: Buffer
  readonly start: number
  /** No match goes beyond it. */
  readonly limit: number
  readonly tries: number
  /** Positions below it are in the table. */
  known: number
}

/** Fills `found`; its end is 0 if there is no match. */
function findLongest(search: Search, at: number): void {
  const { bytes, start, limit, tries } = search
  for (; search.known <= at; search.known++) {
    const slot = hashAt(bytes, search.known)
    const place = search.known - start
    chain[place] = place - (table[slot] as number)
    table[slot] = place
  }
  found.end = 0
  let end = at + MATCH_MIN - 1
  let from = at
  for (let left = tries; left > 0; left--) {
    const back = chain[from - start] as number
    if (back === 0) return
    from -= back
    // A longer match has the byte that ends the longest one so far.
    if (bytes[from + end - at] !== bytes[end] || !sameFour(bytes, at, from)) continue
    const next = matchEnd(bytes, at + MATCH_MIN, from + MATCH_MIN, limit)
    if (next <= end) continue
    end = next
    found.end = next
    found.distance = at - from
    if (next === limit) return
  }
}

/** Writes a literal, and the match behind it. */
function putSequence(work: Packing, literal: Range, distance: number, length: number): void {
  const more = length - MATCH_MIN
  const { into } = work
  putLiteral(work, literal, Math.min(more, LENGTH_MASK))
  into[work.out++] = distance
  into[work.out++] = distance >>> 8
  putMore(work, more)
}

/** Writes the literal that ends the block. */
function putLast(work: Packing, start: number, end: number): void {
  putLiteral(work, [start, end], 0)
}

function putLiteral(work: Packing, [start, end]: Range, token: number): void {
  const { bytes, into } = work
  const length = end - start
  into[work.out++] = (Math.min(length, LENGTH_MASK) << 4) | token
  putMore(work, length)
  if (length > LENGTH_MASK) work.out += bytes.copy(into, work.out, start, end)
  else for (let at = start; at < end; at++) into[work.out++] = bytes[at] as number
}

/** What a length has beyond the 15 that its token holds. */
function putMore(work: Packing, length: number): void {
  let left = length - LENGTH_MASK
  if (left < 0) return
  for (; left >= MORE; left -= MORE) work.into[work.out++] = MORE
  work.into[work.out++] = left
}

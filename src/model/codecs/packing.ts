/* What the packers of snappy and lz4 have in common: how they look for matches. */

import { assert } from '../../base/assert.js'

/** What is packed, and where to. `out` moves on. */
export interface Packing {
  readonly bytes: Buffer
  readonly into: Buffer
  out: number
}

/** A block whose positions fit into the tables, 16 bits each. */
export const PACKED_BLOCK_MAX = 64 * 1024

/** Asserts that a block of this size can be packed, into `roomNeeded` bytes at most. */
export function checkBlock({ into, out }: Packing, size: number, roomNeeded: number): void {
  assert(size <= PACKED_BLOCK_MAX, 'a block is small', { size })
  // A Buffer would drop what is written beyond its end.
  assert(roomNeeded <= into.length - out, 'room for a block', { roomNeeded, out })
}

/** The shortest match: as many bytes as are hashed. */
export const MATCH_MIN = 4
/** A table of hashes has 2 to the power of this many places. */
export const TABLE_BITS = 14

/** Knuth's multiplier: 2^32 divided by the golden ratio. */
const MULTIPLIER = 0x9e3779b1

/** A hash of TABLE_BITS bits of the four bytes at `at`. */
export function hashAt(bytes: Buffer, at: number): number {
  return Math.imul(fourAt(bytes, at), MULTIPLIER) >>> (32 - TABLE_BITS)
}

function fourAt(bytes: Buffer, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}

export function sameFour(bytes: Buffer, a: number, b: number): boolean {
  return fourAt(bytes, a) === fourAt(bytes, b)
}

/** The end of the match of the bytes at `at` with those at `earlier`; at most `end`. */
export function matchEnd(bytes: Buffer, at: number, earlier: number, end: number): number {
  let [next, from] = [at, earlier]
  while (next < end && bytes[next] === bytes[from]) {
    next++
    from++
  }
  return next
}

/* What the packers of snappy and lz4 have in common: how they look for matches. */

/** What is packed, and where to. `out` moves on. */
export interface Packing {
  readonly bytes: Buffer
  readonly into: Buffer
  out: number
}

/** A match has at least so many bytes: those that are hashed. */
export const MATCH_MIN = 4
/** Of the number of places in a table of hashes. */
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

/** Where bytes from `at` on stop to be those from `earlier` on; at most `end`. */
export function matchEnd(bytes: Buffer, at: number, earlier: number, end: number): number {
  let [next, from] = [at, earlier]
  while (next < end && bytes[next] === bytes[from]) {
    next++
    from++
  }
  return next
}

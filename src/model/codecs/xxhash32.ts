/* xxHash32 with seed 0 (Cyan4973/xxHash): the checksum of LZ4 frames. */

const PRIME_1 = 0x9e3779b1
const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1
const STRIPE_BYTES = 16

/** The hash of `bytes[start, end)`, as an unsigned 32-bit integer. */
export function xxHash32(bytes: Buffer, start: number, end: number): number {
  let at = start
  let hash = PRIME_5
  if (end - start >= STRIPE_BYTES) {
    let [a, b, c, d] = [PRIME_1 + PRIME_2, PRIME_2, 0, -PRIME_1]
    for (; at <= end - STRIPE_BYTES; at += STRIPE_BYTES) {
      a = round(a, bytes.readInt32LE(at))
      b = round(b, bytes.readInt32LE(at + 4))
      c = round(c, bytes.readInt32LE(at + 8))
      d = round(d, bytes.readInt32LE(at + 12))
    }
    hash = rotated(a, 1) + rotated(b, 7) + rotated(c, 12) + rotated(d, 18)
  }
  hash = (hash + end - start) | 0
  for (; at <= end - 4; at += 4) {
    hash = (hash + Math.imul(bytes.readInt32LE(at), PRIME_3)) | 0
    hash = Math.imul(rotated(hash, 17), PRIME_4)
  }
  for (; at < end; at++) {
    hash = (hash + Math.imul(bytes[at] as number, PRIME_5)) | 0
    hash = Math.imul(rotated(hash, 11), PRIME_1)
  }
  return avalanche(hash)
}

function round(lane: number, word: number): number {
  return Math.imul(rotated((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1)
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function avalanche(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}

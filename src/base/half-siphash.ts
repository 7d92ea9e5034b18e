/*
 * HalfSipHash-2-4 with a result of 64 bits: a hash under a secret key. Bytes that collide cannot be
 * chosen without the key. Its words have 32 bits, which JavaScript numbers add and shift fast.
 */

/** Two words of 32 bits. */
export type HashKey = readonly [number, number]

/**
 * Writes the hash of `bytes[start, end)` into `words[at]` and `words[at + 1]`.
 *
 * Each step mixes in one word; the last word holds the remaining bytes and the length. Two more
 * steps give one word of the result each.
 */
export function halfSipHash(
  key: HashKey,
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
  { words, at }: { readonly words: Int32Array; readonly at: number },
): void {
  let v0 = key[0] | 0
  let v1 = key[1] ^ 0xee
  let v2 = key[0] ^ 0x6c796765
  let v3 = key[1] ^ 0x74656462
  const last = (end - start) >> 2
  for (let step = 0; step <= last + 2; step++) {
    let rounds = 4
    let word = 0
    if (step < last) word = wordAt(bytes, start + 4 * step)
    else if (step === last) word = lastWord(bytes, start, end)
    else if (step === last + 1) v2 ^= 0xee
    else v1 ^= 0xdd
    if (step <= last) rounds = 2
    v3 ^= word
    for (; rounds > 0; rounds--) {
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
    }
    v0 ^= word
    if (step > last) words[at + step - last - 1] = v1 ^ v3
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
  return low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
}

function lastWord(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  let word = length << 24
  for (let at = start + (length & ~3), shift = 0; at < end; at++, shift += 8) {
    word |= (bytes[at] as number) << shift
  }
  return word
}

/* Kafka's two hashes: of keys and of group ids. Both work in 32-bit integers that wrap. */

const SEED = 0x9747b28c | 0
const M = 0x5bd1e995
const R = 24

/**
 * Murmur2 as Kafka's Java client computes it over a key's bytes
 * (org.apache.kafka.common.utils.Utils.murmur2). A signed integer.
 */
export function murmur2(bytes: Uint8Array, length = bytes.length): number {
  let h = SEED ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    k = Math.imul(k, M)
    k ^= k >>> R
    h = Math.imul(h, M) ^ Math.imul(k, M)
  }
  const left = length - at
  if (left === 3) h ^= bytes[at + 2]! << 16
  if (left >= 2) h ^= bytes[at + 1]! << 8
  if (left >= 1) h = Math.imul(h ^ bytes[at]!, M)
  h = Math.imul(h ^ (h >>> 13), M)
  return h ^ (h >>> 15)
}

/** The partition of a key: the hash without its sign bit, modulo the number of partitions. */
export function partitionOfKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionCount
}

/** Java's String.hashCode, over UTF-16 code units. A signed integer. */
export function javaHash(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++) {
    hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0
  }
  return hash
}

/** A group's partition of `__consumer_offsets` (Kafka's Utils.abs maps MIN_VALUE to 0). */
export function partitionOfGroup(groupId: string, partitionCount: number): number {
  const hash = javaHash(groupId)
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % partitionCount
}

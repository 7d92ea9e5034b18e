/*
 * Random streams of a seed: each part of a simulation draws from its own, so a change of what one
 * part draws does not shift the others.
 */

import { seededRandom, type Random } from '../../base/random.js'

/** FNV-1a, 32 bits. */
export const HASH_START = 0x811c9dc5
const HASH_PRIME = 0x01000193

/** The hash of what was hashed so far and a text. */
export function hashOf(text: string, before = HASH_START): number {
  let hash = before
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), HASH_PRIME)
  }
  return hash
}

/** The stream of this name; the same seed and name give the same numbers. */
export function streamOf(seed: number, name: string): Random {
  return seededRandom(hashOf(`${seed} ${name}`))
}

/** An integer in [low, high]. */
export function between(random: Random, low: number, high: number): number {
  return low + random.int(high - low + 1)
}

/** True in `percent` of 100 cases. */
export function chance(random: Random, percent: number): boolean {
  return random.int(100) < percent
}

/** One of the entries. */
export function pick<T>(random: Random, entries: readonly T[]): T {
  return entries[random.int(entries.length)] as T
}

/** The entries that a throw of the dice leaves, each with `percent` of 100. */
export function subset<T>(random: Random, entries: readonly T[], percent: number): T[] {
  return entries.filter(() => chance(random, percent))
}

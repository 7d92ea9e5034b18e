/*
 * An LZ4 block (lz4/lz4, lz4_Block_format.md): sequences of a literal and a match.
 *
 *   token      │ more of l │ literal  │ distance        │ more of m
 *   llll mmmm    l = 15      l bytes    2 bytes, lowest   m = 15
 *                                       first
 *
 * - A length of 15 continues in the next bytes: each adds its value, and 255 means that one more
 *   follows. A match has m + 4 bytes and begins `distance` bytes back; it may reach into what it
 *   writes.
 * - The last sequence ends after its literal.
 */

import { copyMatch, damaged, GrowsTooLarge, LOOP_BYTES, type BlockWork } from './codec.js'
import { MATCH_MIN } from './packing.js'

export const LENGTH_MASK = 15
export const MORE = 255
const DISTANCE_BYTES = 2

/** Unpacks sequences until `out` has reached `until`, or to the end of the block. */
export function unpackSequences(block: BlockWork, until: number): void {
  const { bytes, end, into, outStart } = block
  let { at, out } = block
  while (at < end && out < until) {
    const token = bytes[at++] as number
    let literal = token >>> 4
    if (literal === LENGTH_MASK) {
      for (let more = MORE; more === MORE && at < end;) {
        more = bytes[at++] as number
        literal += more
      }
    }
    if (literal > end - at) throw broken(`a literal of ${literal} bytes in ${end - at}`)
    checkRoom(block, out, literal)
    if (literal > LOOP_BYTES) {
      bytes.copy(into, out, at, at + literal)
      at += literal
      out += literal
    } else for (const stop = at + literal; at < stop;) into[out++] = bytes[at++] as number
    if (at === end) break
    const distance = (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
    at += DISTANCE_BYTES
    let match = token & LENGTH_MASK
    if (match === LENGTH_MASK) {
      for (let more = MORE; more === MORE && at < end;) {
        more = bytes[at++] as number
        match += more
      }
    }
    match += MATCH_MIN
    if (at >= end) throw broken('a block ends with a match')
    if (distance === 0 || distance > out - outStart) {
      throw broken(`a match from ${distance} bytes back, after ${out - outStart}`)
    }
    checkRoom(block, out, match)
    out = copyMatch(into, out, distance, match)
  }
  block.at = at
  block.out = out
}

/** The buffer may be smaller than the frame: then the records are larger than may be unpacked. */
function checkRoom({ into, outEnd }: BlockWork, out: number, length: number): void {
  if (length > outEnd - out) throw broken('a block is larger than its frame allows')
  if (length > into.length - out) throw new GrowsTooLarge()
}

export function broken(why: string): Error {
  return damaged('lz4', why)
}

/*
 * A raw snappy block (google/snappy, format_description.txt): the size of its content as an
 * unsigned varint, then elements, each of which begins with a tag byte:
 *
 *   llllll00                literal of l + 1 bytes; l = 60 to 63: the length − 1 follows in 1 to 4
 *                           bytes, the lowest first
 *   dddlll01 d              copy of l + 4 bytes from 11 bits of distance back
 *   llllll10 d d            copy of l + 1 bytes, 16 bits of distance
 *   llllll11 d d d d        copy of l + 1 bytes, 32 bits of distance
 *
 * A copy may reach into what it writes. The elements give exactly as many bytes as announced.
 */

import { copyMatch, damaged, LOOP_BYTES, type BlockWork } from './codec.js'

const LITERAL = 0
const COPY_1 = 1
const COPY_2 = 2
/** Larger values of a literal's length are the number of its bytes. */
const SHORT_LITERAL_MAX = 60
const SIZE_BYTES_MAX = 5
const GROWS = 'a block is larger than it announces'
/** The shortest way to write 64 bytes is a copy of 3. */
const GROWTH = 64 / 3

/** The announced size of a block's content, and where its elements begin. */
export function contentOf(
  bytes: Buffer,
  start: number,
  end: number,
): { readonly size: number; readonly at: number } {
  let size = 0
  for (let at = start, scale = 1; at < end && at < start + SIZE_BYTES_MAX; scale *= 0x80) {
    const byte = bytes[at++] as number
    size += (byte & 0x7f) * scale
    if (byte >= 0x80) continue
    if (size > (end - at) * GROWTH) {
      throw broken(`a block of ${end - start} bytes announces ${size}`)
    }
    return { size, at }
  }
  throw broken('a block ends inside its size')
}

/** Unpacks elements until `out` has reached `until`, or to the end of the block. */
export function unpackElements(block: BlockWork, until: number): void {
  const { bytes, end, into, outStart, outEnd } = block
  let { at, out } = block
  while (at < end && out < until) {
    const tag = bytes[at++] as number
    const kind = tag & 3
    let length = (tag >>> 2) + 1
    if (kind === LITERAL) {
      if (length > SHORT_LITERAL_MAX) {
        const count = length - SHORT_LITERAL_MAX
        length = littleEndian(bytes, at, count) + 1
        at += count
      }
      if (length > end - at) {
        throw broken(`a literal of ${length} bytes in ${Math.max(end - at, 0)}`)
      }
      if (length > outEnd - out) throw broken(GROWS)
      if (length > LOOP_BYTES) {
        bytes.copy(into, out, at, at + length)
        at += length
        out += length
      } else for (const stop = at + length; at < stop;) into[out++] = bytes[at++] as number
      continue
    }
    let distance = bytes[at] as number
    if (kind === COPY_1) {
      length = ((tag >>> 2) & 7) + 4
      distance |= (tag >>> 5) << 8
      at++
    } else if (kind === COPY_2) {
      distance |= (bytes[at + 1] as number) << 8
      at += 2
    } else {
      distance = littleEndian(bytes, at, 4)
      at += 4
    }
    if (at > end) throw broken('a block ends inside a copy')
    if (distance === 0 || distance > out - outStart) {
      throw broken(`a copy from ${distance} bytes back, after ${out - outStart}`)
    }
    if (length > outEnd - out) throw broken(GROWS)
    out = copyMatch(into, out, distance, length)
  }
  block.at = at
  block.out = out
  if (at >= end && out !== outEnd) throw broken('a block is smaller than it announces')
}

/** Up to four bytes, the lowest first; bytes beyond the end count as 0, and are noticed later. */
function littleEndian(bytes: Buffer, at: number, count: number): number {
  let value = bytes[at] as number
  if (count > 1) value |= (bytes[at + 1] as number) << 8
  if (count > 2) value |= (bytes[at + 2] as number) << 16
  if (count > 3) value |= (bytes[at + 3] as number) << 24
  return value >>> 0
}

export function broken(why: string): Error {
  return damaged('snappy', why)
}

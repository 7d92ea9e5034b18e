/** Inputs made from inputs: bits, numbers, lengths, pieces, words. Repeatable by seed. */

import { putInt16, putInt32, putInt64, putUvarint } from '../../src/base/bytes.js'
import type { Random } from '../../src/base/random.js'

const BYTES = [0x00, 0x01, 0x02, 0x7f, 0x80, 0x81, 0xfe, 0xff]
const NUMBERS = [
  ...[0, 1, 2, -1, -2, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, 1_000_000],
  ...[2 ** 27, 2 ** 28, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 32 - 1, 2 ** 32],
]
const LARGE = [2 ** 52, 2 ** 53 - 1, -(2 ** 53 - 1)]
const TEXT = [...'0123456789 \t\n\r\0"\\{}[],:=+-.eEzZT/%_#aé€😀\ud800']

/** Inputs longer than this are not made longer. */
const LENGTH_MAX = 16 * 1024

export interface MutateOptions {
  readonly isText?: boolean | undefined
  readonly words?: readonly string[] | undefined
  /** Another input, pieces of which may be put in. */
  readonly other: Buffer
}

type Change = (bytes: Buffer, random: Random, options: MutateOptions) => Buffer

const place = (bytes: Buffer, random: Random): number => random.int(bytes.length + 1)
const of = <T>(list: readonly T[], random: Random): T => list[random.int(list.length)] as T

function piece(bytes: Buffer, random: Random): Buffer {
  const from = place(bytes, random)
  return bytes.subarray(from, from + 1 + random.int(random.int(2) === 0 ? 8 : bytes.length + 1))
}

function put(bytes: Buffer, at: number, more: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])
}

/** A number: an extreme, or one near the size of what is there. */
function number(bytes: Buffer, at: number, random: Random): number {
  if (random.int(3) > 0) return of(NUMBERS, random)
  return bytes.length - at + random.int(9) - 4
}

function overwrite(bytes: Buffer, width: number, write: (room: Buffer, at: number) => void): Buffer {
  if (bytes.length < width) return bytes
  write(bytes, 0)
  return bytes
}

const CHANGES: readonly Change[] = [
  function bit(bytes, random) {
    if (bytes.length > 0) bytes[random.int(bytes.length)]! ^= 1 << random.int(8)
    return bytes
  },
  function byte(bytes, random) {
    const value = random.int(2) === 0 ? of(BYTES, random) : random.int(256)
    if (bytes.length > 0) bytes[random.int(bytes.length)] = value
    return bytes
  },
  function int(bytes, random) {
    const width = of([2, 4, 8], random)
    if (bytes.length < width) return bytes
    const at = random.int(bytes.length - width + 1)
    return overwrite(bytes, width, room => {
      const value = number(bytes, at + width, random)
      if (width === 2) putInt16(room, value, at)
      else if (width === 4) putInt32(room, value, at)
      else putInt64(room, random.int(4) === 0 ? of(LARGE, random) : value, at)
    })
  },
  function plusOne(bytes, random) {
    if (bytes.length > 0) bytes[random.int(bytes.length)]! += of([1, -1, 2, -2], random)
    return bytes
  },
  function varint(bytes, random) {
    const at = place(bytes, random)
    const room = Buffer.alloc(10)
    const value = number(bytes, at, random) >>> 0
    let end = putUvarint(room, value, 0)
    // Sometimes longer than it needs to be, up to endless.
    for (let more = random.int(3) === 0 ? random.int(10 - end + 1) : 0; more > 0; more--) {
      room[end - 1]! |= 0x80
      room[end++] = 0
    }
    const skipped = of([0, 1, 1, 1, 2, end], random)
    return Buffer.concat([bytes.subarray(0, at), room.subarray(0, end), bytes.subarray(at + skipped)])
  },
  function cut(bytes, random) {
    return bytes.subarray(0, place(bytes, random))
  },
  function remove(bytes, random) {
    const from = place(bytes, random)
    const to = from + 1 + random.int(random.int(2) === 0 ? 8 : bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
  },
  function insert(bytes, random) {
    const fill = random.int(2) === 0 ? of(BYTES, random) : random.int(256)
    return put(bytes, place(bytes, random), Buffer.alloc(1 + random.int(16), fill))
  },
  function double(bytes, random) {
    return put(bytes, place(bytes, random), piece(bytes, random))
  },
  function splice(bytes, random, { other }) {
    return put(bytes, place(bytes, random), piece(other, random))
  },
  function exchange(bytes, random, { other }) {
    const at = random.int(Math.min(bytes.length, other.length) + 1)
    return Buffer.concat([bytes.subarray(0, at), other.subarray(at)])
  },
  function fill(bytes, random) {
    const at = place(bytes, random)
    bytes.subarray(at, at + 1 + random.int(16)).fill(of(BYTES, random))
    return bytes
  },
  function overwriteWith(bytes, random) {
    piece(bytes, random).copy(bytes, place(bytes, random))
    return bytes
  },
  function word(bytes, random, { words = [] }) {
    if (words.length === 0) return bytes
    return put(bytes, place(bytes, random), Buffer.from(of(words, random)))
  },
]

const TEXT_CHANGES: readonly Change[] = [
  function character(bytes, random) {
    const at = place(bytes, random)
    const skipped = random.int(2)
    const text = Buffer.from(of(TEXT, random))
    return Buffer.concat([bytes.subarray(0, at), text, bytes.subarray(at + skipped)])
  },
  function digits(bytes, random) {
    const long = of(['9'.repeat(400), '9007199254740993', '1e999', '-0', '00', '0x10'], random)
    return put(bytes, place(bytes, random), Buffer.from(long))
  },
  function again(bytes, random) {
    const lines = bytes.toString('latin1').split('\n')
    lines.splice(random.int(lines.length + 1), 0, of(lines, random))
    return Buffer.from(lines.join('\n'), 'latin1')
  },
]

/** `bytes` with a few changes, one time in four with many. */
export function mutated(bytes: Buffer, random: Random, options: MutateOptions): Buffer {
  const changes = options.isText === true ? [...CHANGES, ...TEXT_CHANGES] : CHANGES
  let result = Buffer.from(bytes)
  for (let left = 1 + random.int(random.int(4) === 0 ? 12 : 3); left > 0; left--) {
    const change = of(changes, random)
    // Views of the seed are not changed: each change begins with bytes of its own.
    result = change(Buffer.from(result), random, options) as Buffer<ArrayBuffer>
    if (result.length > LENGTH_MAX) result = result.subarray(0, LENGTH_MAX)
  }
  return result
}

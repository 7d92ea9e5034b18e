/*
 * The frames of a zstd stream (RFC 8878), as far as their sizes go:
 *
 *   28 b5 2f fd │ descriptor │ window │ dictionary │ size    │ block header, block … │ check
 *                 1 byte       1, or –  0 to 4       0 to 8    3 bytes                 4, or –
 *
 *   descriptor    size of `size` (2 bits), no window (1), 0, reserved (1), check (1), size of
 *                 `dictionary` (2)
 *   block header  size (21 bits), kind (2): stored, one byte repeated, compressed; last (1)
 *
 * Integers have their lowest byte first. Frames of other magic, 5x 2a 4d 18, hold an int32 size and
 * that many bytes, which readers skip.
 *
 * Node 22 reads only the first frame of several, and takes a frame that ends early for a whole one;
 * so it gets one whole frame at a time. Clients of Kafka write one; each costs Node a decoder.
 */

import { damaged } from './codec.js'

const MAGIC = 0xfd2fb528
const SKIPPED_MAGIC = 0x184d2a50
const FRAMES_MAX = 64
const INT_BYTES = 4
const DICTIONARY_BYTES = [0, 1, 2, 4] as const
const SIZE_BYTES_OF = [0, 2, 4, 8] as const
const BLOCK_HEADER_BYTES = 3
const REPEATED = 1
const RESERVED = 3

interface Head {
  /** The size of the content; 0 if the frame does not name it. */
  readonly size: number
  /** Where the first block begins. */
  readonly end: number
  readonly hasCheck: boolean
}

/** The head of the frame at `at`; undefined if it is not whole, or none. */
function headAt(bytes: Buffer, at: number): Head | undefined {
  if (bytes.length - at <= INT_BYTES || bytes.readUInt32LE(at) !== MAGIC) return undefined
  const descriptor = bytes[at + INT_BYTES] as number
  const hasWindow = (descriptor & 0b10_0000) === 0
  const dictionary = DICTIONARY_BYTES[(descriptor & 0b11) as 0 | 1 | 2 | 3]
  const sizeAt = at + INT_BYTES + 1 + (hasWindow ? 1 : 0) + dictionary
  const code = (descriptor >>> 6) as 0 | 1 | 2 | 3
  const sizeBytes = code === 0 && !hasWindow ? 1 : SIZE_BYTES_OF[code]
  const end = sizeAt + sizeBytes
  if (end > bytes.length) return undefined
  return { size: sizeIn(bytes, sizeAt, sizeBytes), end, hasCheck: (descriptor & 0b100) !== 0 }
}

function sizeIn(bytes: Buffer, at: number, count: number): number {
  if (count === 8) return Number(bytes.readBigUInt64LE(at))
  if (count === 0) return 0
  return bytes.readUIntLE(at, count) + (count === 2 ? 256 : 0)
}

/** The content size that the first frame announces: a hint. 0 if it announces none. */
export function announcedSize(bytes: Buffer): number {
  return headAt(bytes, 0)?.size ?? 0
}

/** The frames of a stream, one after the other. Throws CORRUPT_MESSAGE. */
export function* framesOf(bytes: Buffer): Generator<Buffer, void, undefined> {
  if (bytes.length === 0) throw broken('it is empty')
  let count = 0
  for (let at = 0; at < bytes.length;) {
    if (count++ === FRAMES_MAX) throw broken(`it has more than ${FRAMES_MAX} frames`)
    const skipped = skippedAt(bytes, at)
    const end = skipped ?? endOfFrame(bytes, at)
    if (end > bytes.length) throw broken('it ends early')
    if (skipped === undefined) yield bytes.subarray(at, end)
    at = end
  }
}

function skippedAt(bytes: Buffer, at: number): number | undefined {
  if (bytes.length - at < 2 * INT_BYTES) return undefined
  if ((bytes.readUInt32LE(at) & ~0xf) >>> 0 !== SKIPPED_MAGIC) return undefined
  return at + 2 * INT_BYTES + bytes.readUInt32LE(at + INT_BYTES)
}

/** Where the frame ends; beyond the bytes if it is not whole. */
function endOfFrame(bytes: Buffer, start: number): number {
  const head = headAt(bytes, start)
  if (head === undefined) throw broken('no frame begins where one should')
  let at = head.end
  for (let isLast = false; !isLast;) {
    if (bytes.length - at < BLOCK_HEADER_BYTES) return Infinity
    const header = bytes.readUIntLE(at, BLOCK_HEADER_BYTES)
    const kind = (header >>> 1) & 0b11
    if (kind === RESERVED) throw broken('a block is of a kind that does not exist')
    isLast = (header & 1) === 1
    at += BLOCK_HEADER_BYTES + (kind === REPEATED ? 1 : header >>> 3)
  }
  return at + (head.hasCheck ? INT_BYTES : 0)
}

function broken(why: string): Error {
  return damaged('zstd', why)
}

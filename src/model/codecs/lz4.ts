/*
 * The LZ4 frame (lz4/lz4, lz4_Frame_format.md), as far as Kafka reads it.
 *
 *   04 22 4d 18 │ FLG │ BD │ size    │ HC │ size  │ block │ check   │ … │ 0     │ check
 *   magic         1     1    8, or –   1    int32   bytes   4, or –       int32   4, or –
 *
 *   FLG   01 version, independent blocks, checksums of blocks, size of the content, checksum of the
 *         content, 0, 0
 *   BD    0, largest block (4 to 7: 64 KiB, 256 KiB, 1 MiB, 4 MiB), 0000
 *   HC    the second byte of the xxHash32 of FLG to size
 *   size  of a block; the highest bit says that the block is stored as it is
 *
 * - Integers have their lowest byte first.
 * - Blocks that depend on earlier ones are refused, and the checksum of the content is passed over,
 *   both as in Kafka. Bytes after the frame are ignored.
 * - Kafka before 0.10 hashed the magic as well: in messages of format 0 any HC is right.
 */

import {
  finished,
  finishedInTurns,
  GrowsTooLarge,
  PACK_STEP_BYTES,
  STEP_BLOCKS,
  STEP_BYTES,
} from './codec.js'
import type { CodecWork, Steps } from './codec.js'
import { broken, unpackSequences } from './lz4-block.js'
import { packBlock, packBlockWell, packedMax } from './lz4-pack.js'
import { LEVELS } from './levels.js'
import type { Packing } from './packing.js'
import { xxHash32 } from './xxhash32.js'

const MAGIC = 0x184d2204
const MAGIC_BYTES = 4
const VERSION = 1
const RESERVED_FLAGS = 0b11
const RESERVED_BLOCK_BITS = 0b1000_1111
const WORD_BYTES = 4
const CONTENT_SIZE_BYTES = 8
const HEADER_BYTES_MIN = 7
const STORED_BIT = 0x8000_0000
/** Each further byte of a match's length stands for 255. */
const GROWTH = 255

interface Frame {
  readonly bytes: Buffer
  readonly hasBlockChecksums: boolean
  readonly hasContentChecksum: boolean
  readonly blockMax: number
  /** Where the first block begins. */
  readonly start: number
}

interface Place {
  readonly start: number
  readonly end: number
  readonly isStored: boolean
}

/** Reads the head of a frame. */
function frameOf(bytes: Buffer, anyHeaderCheck: boolean): Frame {
  if (bytes.length < HEADER_BYTES_MIN) throw broken('it ends inside its header')
  const magic = bytes.readUInt32LE(0)
  if (magic !== MAGIC) throw broken(`its magic is 0x${magic.toString(16)}`)
  const flags = bytes[MAGIC_BYTES] as number
  const blocks = bytes[MAGIC_BYTES + 1] as number
  if (flags >>> 6 !== VERSION) throw broken(`its version is ${flags >>> 6}`)
  if ((flags & RESERVED_FLAGS) !== 0 || (blocks & RESERVED_BLOCK_BITS) !== 0) {
    throw broken('reserved bits are set in its header')
  }
  if ((flags & 0b10_0000) === 0) throw broken('its blocks depend on each other')
  const sizeCode = blocks >>> 4
  if (sizeCode < 4) throw broken(`its block size ${sizeCode} does not exist`)
  const checkAt = MAGIC_BYTES + 2 + ((flags & 0b1000) === 0 ? 0 : CONTENT_SIZE_BYTES)
  if (checkAt >= bytes.length) throw broken('it ends inside its header')
  const check = (xxHash32(bytes, MAGIC_BYTES, checkAt) >>> 8) & 0xff
  const isWrong = check !== bytes[checkAt] && !anyHeaderCheck
  if (isWrong) throw broken('the checksum of its header is wrong')
  return {
    bytes,
    hasBlockChecksums: (flags & 0b1_0000) !== 0,
    hasContentChecksum: (flags & 0b100) !== 0,
    blockMax: 1 << (8 + 2 * sizeCode),
    start: checkAt + 1,
  }
}

/** The blocks in turn, up to the end mark. */
function* blocksOf(frame: Frame): Generator<Place, void, undefined> {
  const { bytes, hasBlockChecksums, hasContentChecksum, blockMax } = frame
  const checkBytes = hasBlockChecksums ? WORD_BYTES : 0
  for (let at = frame.start; ;) {
    if (bytes.length - at < WORD_BYTES) throw broken('it ends without its end mark')
    const word = bytes.readUInt32LE(at)
    at += WORD_BYTES
    if (word === 0) {
      if (hasContentChecksum && bytes.length - at < WORD_BYTES) throw broken('it ends too early')
      return
    }
    const isStored = word >= STORED_BIT
    const size = isStored ? word - STORED_BIT : word
    const end = at + size
    if (size > blockMax) throw broken(`a block of ${size} bytes, at most ${blockMax} are allowed`)
    if (end + checkBytes > bytes.length) {
      throw broken(`a block of ${size} bytes in ${bytes.length - at}`)
    }
    yield { start: at, end, isStored }
    at = end + checkBytes
  }
}

/** An upper bound of the size of the content, computed from the blocks; at most `bytesMax`. */
function* roomFor(frame: Frame, bytesMax: number): Steps<number> {
  let room = 0
  let blocks = 0
  for (const { start, end, isStored } of blocksOf(frame)) {
    room += Math.min(frame.blockMax, (end - start) * (isStored ? 1 : GROWTH))
    if (++blocks % STEP_BLOCKS === 0) yield
  }
  return Math.min(room, bytesMax)
}

function* unpacked(bytes: Buffer, bytesMax: number, anyHeaderCheck = false): Steps<Buffer> {
  const frame = frameOf(bytes, anyHeaderCheck)
  const into = Buffer.allocUnsafe(yield* roomFor(frame, bytesMax))
  let out = 0
  let blocks = 0
  let until = STEP_BYTES
  for (const { start, end, isStored } of blocksOf(frame)) {
    if (frame.hasBlockChecksums) checkBlock(bytes, start, end)
    if (isStored) {
      if (end - start > into.length - out) throw new GrowsTooLarge()
      out += bytes.copy(into, out, start, end)
      if (out >= until || ++blocks % STEP_BLOCKS === 0) {
        until = out + STEP_BYTES
        yield
      }
      continue
    }
    const outEnd = out + frame.blockMax
    const block = { bytes, at: start, end, into, outStart: out, out, outEnd }
    while (block.at < end) {
      unpackSequences(block, until)
      if (block.out >= until || ++blocks % STEP_BLOCKS === 0) {
        until = block.out + STEP_BYTES
        yield
      }
    }
    out = block.out
  }
  return trimmed(into, out)
}

/** A small part of a large buffer would keep all of it. */
function trimmed(buffer: Buffer, size: number): Buffer {
  const part = buffer.subarray(0, size)
  return size < buffer.length >>> 1 ? Buffer.from(part) : part
}

function checkBlock(bytes: Buffer, start: number, end: number): void {
  if (bytes.readUInt32LE(end) !== xxHash32(bytes, start, end)) {
    throw broken('the checksum of a block is wrong')
  }
}

/** Unpacks a frame whose header may have the checksum of Kafka before 0.10. */
export function unpackOldLz4(bytes: Buffer, bytesMax: number): Buffer {
  return finished(unpacked(bytes, bytesMax, true))
}

// ── writing ──────────────────────────────────────────────────────────────────────────────

/** As Kafka writes it: independent blocks of 64 KiB, no checksum except that of the header. */
const HEADER = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82])
const BLOCK_BYTES = PACK_STEP_BYTES
/** Kafka's default is the fast way; all other levels, from 1 to 17, are thorough. */
const FAST = LEVELS.lz4.fallback
/** More places to look at make a block smaller by less than a hundredth. */
const TRIES_MAX = 128
const TRIES_MIN = 8

function* packed(bytes: Buffer, level: number): Steps<Buffer> {
  const count = Math.ceil(bytes.length / BLOCK_BYTES)
  const sizes = HEADER.length + (count + 1) * WORD_BYTES
  const into = Buffer.allocUnsafe(sizes + packedMax(bytes.length) + count * packedMax(0))
  const work: Packing = { bytes, into, out: HEADER.copy(into) }
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    if (start > 0) yield
    putBlock(work, start, level)
  }
  return into.subarray(0, into.writeUInt32LE(0, work.out))
}

/** A block that does not become smaller is stored. */
function putBlock(work: Packing, start: number, level: number): void {
  const { bytes, into } = work
  const end = Math.min(start + BLOCK_BYTES, bytes.length)
  const sizeAt = work.out
  const blockAt = (work.out += WORD_BYTES)
  if (level === FAST) packBlock(work, start, end)
  else packBlockWell(work, [start, end], triesOf(level))
  let size = work.out - blockAt
  if (size >= end - start) {
    work.out = blockAt + bytes.copy(into, blockAt, start, end)
    size = end - start + STORED_BIT
  }
  into.writeUInt32LE(size, sizeAt)
}

function triesOf(level: number): number {
  return Math.min(Math.max(1 << level, TRIES_MIN), TRIES_MAX)
}

export const lz4: CodecWork = {
  pack: (bytes, level = FAST) => finished(packed(bytes, level)),
  packAside: (bytes, level = FAST, turn) => finishedInTurns(packed(bytes, level), turn),
  unpack: (bytes, bytesMax) => finished(unpacked(bytes, bytesMax)),
  unpackAside: (bytes, bytesMax, turn) => finishedInTurns(unpacked(bytes, bytesMax), turn),
  announcedSize: () => 0, // a frame of Kafka's announces none
}

/*
 * Snappy as Kafka's clients write it: the framing of xerial's snappy-java, or one raw block.
 *
 *   82 "SNAPPY" 00 │ version 1 │ oldest reader 1 │ size │ raw block │ size │ raw block …
 *   8 bytes          int32       int32             int32
 *
 * - All integers are big-endian. The header may come again between two blocks: streams may be
 *   joined.
 * - Payloads that do not begin with these 8 bytes are one raw block (old producers, and clients
 *   whose library has no framing).
 * - This is not the framing of google/snappy ("sNaPpY"), which Kafka does not read.
 */

import { getInt32, putInt32 } from '../../base/bytes.js'
import {
  finished,
  finishedInTurns,
  GrowsTooLarge,
  PACK_STEP_BYTES,
  STEP_BLOCKS,
  STEP_BYTES,
} from './codec.js'
import type { CodecWork, Steps } from './codec.js'
import type { Packing } from './packing.js'
import { broken, contentOf, unpackElements } from './snappy-block.js'
import { packBlock, packedMax } from './snappy-pack.js'

const MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const HEADER_BYTES = MAGIC.length + 8
const OLDEST_VERSION = 1
const BLOCK_SIZE_BYTES = 4
/** Of one block's content; that of snappy-java. */
const BLOCK_BYTES = 32 * 1024

interface Place {
  readonly start: number
  readonly end: number
}

/** The raw blocks in turn. */
function* blocksOf(bytes: Buffer): Generator<Place, void, undefined> {
  if (!isHeader(bytes, 0)) return yield { start: 0, end: bytes.length }
  for (let at = 0; at < bytes.length;) {
    if (isHeader(bytes, at)) {
      at = afterHeader(bytes, at)
      continue
    }
    const left = bytes.length - at - BLOCK_SIZE_BYTES
    if (left < 0) throw broken('it ends inside the size of a block')
    const size = getInt32(bytes, at)
    if (size < 0 || size > left) throw broken(`a block of ${size} bytes in ${left}`)
    const start = at + BLOCK_SIZE_BYTES
    at = start + size
    yield { start, end: at }
  }
}

function isHeader(bytes: Buffer, at: number): boolean {
  const end = at + MAGIC.length
  return end <= bytes.length && bytes.compare(MAGIC, 0, MAGIC.length, at, end) === 0
}

function afterHeader(bytes: Buffer, at: number): number {
  if (bytes.length - at < HEADER_BYTES) throw broken('it ends inside its header')
  const version = getInt32(bytes, at + MAGIC.length)
  if (version < OLDEST_VERSION) throw broken(`the version of its framing is ${version}`)
  return at + HEADER_BYTES
}

/** Passes over the blocks to learn the size of the whole, before anything is allocated. */
function* sizeOf(bytes: Buffer, bytesMax: number): Steps<number> {
  let size = 0
  let blocks = 0
  for (const { start, end } of blocksOf(bytes)) {
    size += contentOf(bytes, start, end).size
    if (size > bytesMax) throw new GrowsTooLarge()
    if (++blocks % STEP_BLOCKS === 0) yield
  }
  return size
}

function* unpacked(bytes: Buffer, bytesMax: number): Steps<Buffer> {
  const size = yield* sizeOf(bytes, bytesMax)
  const into = Buffer.allocUnsafe(size)
  let out = 0
  let blocks = 0
  let until = STEP_BYTES
  for (const { start, end } of blocksOf(bytes)) {
    const content = contentOf(bytes, start, end)
    const outEnd = out + content.size
    const block = { bytes, at: content.at, end, into, outStart: out, out, outEnd }
    for (;;) {
      unpackElements(block, until)
      const isDue = block.out >= until || ++blocks % STEP_BLOCKS === 0
      if (isDue) until = block.out + STEP_BYTES
      if (isDue && block.out < size) yield
      if (block.at >= end) break
    }
    out = outEnd
  }
  return into
}

/** Always framed: Kafka's Java clients, librdkafka and others read that. */
function* packed(bytes: Buffer): Steps<Buffer> {
  const count = Math.ceil(bytes.length / BLOCK_BYTES)
  const lastMax = packedMax(bytes.length - Math.max(count - 1, 0) * BLOCK_BYTES)
  const blocksMax = Math.max(count - 1, 0) * packedMax(BLOCK_BYTES) + lastMax
  const into = Buffer.allocUnsafe(HEADER_BYTES + count * BLOCK_SIZE_BYTES + blocksMax)
  MAGIC.copy(into)
  putInt32(into, OLDEST_VERSION, MAGIC.length)
  putInt32(into, OLDEST_VERSION, MAGIC.length + 4)
  const work: Packing = { bytes, into, out: HEADER_BYTES }
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    if (start > 0 && start % PACK_STEP_BYTES === 0) yield
    const sizeAt = work.out
    work.out += BLOCK_SIZE_BYTES
    packBlock(work, start, Math.min(start + BLOCK_BYTES, bytes.length))
    putInt32(into, work.out - sizeAt - BLOCK_SIZE_BYTES, sizeAt)
  }
  return into.subarray(0, work.out)
}

export const snappy: CodecWork = {
  pack: bytes => finished(packed(bytes)),
  packAside: (bytes, _, turn) => finishedInTurns(packed(bytes), turn),
  unpack: (bytes, bytesMax) => finished(unpacked(bytes, bytesMax)),
  unpackAside: (bytes, bytesMax, turn) => finishedInTurns(unpacked(bytes, bytesMax), turn),
  announcedSize: () => 0, // unpacking itself begins with it
}

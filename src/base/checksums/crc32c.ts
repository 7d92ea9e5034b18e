/*
 * CRC-32C (Castagnoli), the checksum of Kafka's record batches and producer snapshots.
 * Reflected polynomial 0x82F63B78, initial value and final XOR 0xFFFFFFFF;
 * crc32c("123456789") = 0xE3069283.
 *
 * Long messages are folded first (crc32c-fold.ts); tables do the rest.
 *
 * Slicing by sixteen: sixteen tables of 256 words, one 16-byte step per turn of the loop.
 * Table k holds the CRC of a byte followed by k zero bytes, so sixteen look-ups of one step
 * are independent of each other and XOR together.
 */

import { FOLD_BYTES_MAX, FOLD_BYTES_MIN, Crc32cFolder } from './crc32c-fold.js'

const POLYNOMIAL = 0x82f63b78
const SLICES = 16
const TABLE = makeTables()

/**
 * Below this many bytes, finding the words costs more than it saves; on a big-endian machine the
 * words are wrong.
 */
const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1
const WORDS_MIN_BYTES = IS_LITTLE_ENDIAN ? 64 : Infinity

/** The checksum of `bytes[start, end)` as an unsigned 32-bit integer. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.byteLength): number {
  let crc = -1
  let at = start
  while (end - at >= FOLD_BYTES_MIN && IS_LITTLE_ENDIAN) {
    const next = Math.min(end, at + FOLD_BYTES_MAX)
    const folded = foldedOf(bytes, at, next, crc)
    if (folded === undefined) break
    crc = overTables(0, folded.bytes, folded.start, folded.end)
    at = next
  }
  return ~overTables(crc, bytes, at, end) >>> 0
}

let folder: Crc32cFolder | undefined | null = null

function foldedOf(bytes: Uint8Array, start: number, end: number, crc: number) {
  if (folder === null) folder = Crc32cFolder.create()
  return folder?.fold(bytes, start, end, crc)
}

function overTables(crc: number, bytes: Uint8Array, start: number, end: number): number {
  if (end - start < WORDS_MIN_BYTES) return overBytes(crc, bytes, start, end)
  // A reflected CRC takes little-endian words. They lie at multiples of four in memory.
  const { byteOffset } = bytes
  const firstWord = (byteOffset + start + 3) >>> 2
  const endWord = (byteOffset + end) >>> 2
  const before = overBytes(crc, bytes, start, firstWord * 4 - byteOffset)
  const words = overWords(before, wordsOf(bytes.buffer), firstWord, endWord)
  return overBytes(words, bytes, endWord * 4 - byteOffset, end)
}

function overBytes(crc: number, bytes: Uint8Array, start: number, end: number): number {
  let value = crc
  for (let at = start; at < end; at++) {
    value = TABLE[(value ^ bytes[at]!) & 255]! ^ (value >>> 8)
  }
  return value
}

function overWords(crc: number, words: Int32Array, from: number, end: number): number {
  const T = TABLE
  let value = crc
  let at = from
  for (const last = end - 4; at <= last; at += 4) {
    const a = value ^ words[at]!
    const b = words[at + 1]!
    const c = words[at + 2]!
    const d = words[at + 3]!
    value =
      T[0xf00 + (a & 255)]! ^
      T[0xe00 + ((a >>> 8) & 255)]! ^
      T[0xd00 + ((a >>> 16) & 255)]! ^
      T[0xc00 + (a >>> 24)]! ^
      T[0xb00 + (b & 255)]! ^
      T[0xa00 + ((b >>> 8) & 255)]! ^
      T[0x900 + ((b >>> 16) & 255)]! ^
      T[0x800 + (b >>> 24)]! ^
      T[0x700 + (c & 255)]! ^
      T[0x600 + ((c >>> 8) & 255)]! ^
      T[0x500 + ((c >>> 16) & 255)]! ^
      T[0x400 + (c >>> 24)]! ^
      T[0x300 + (d & 255)]! ^
      T[0x200 + ((d >>> 8) & 255)]! ^
      T[0x100 + ((d >>> 16) & 255)]! ^
      T[d >>> 24]!
  }
  for (; at < end; at++) {
    const a = value ^ words[at]!
    value =
      T[0x300 + (a & 255)]! ^
      T[0x200 + ((a >>> 8) & 255)]! ^
      T[0x100 + ((a >>> 16) & 255)]! ^
      T[a >>> 24]!
  }
  return value
}

let lastMemory: ArrayBufferLike | undefined
let lastWords: Int32Array = new Int32Array(0)

/** The memory as words; the view of the last memory used is cached. */
function wordsOf(memory: ArrayBufferLike): Int32Array {
  if (memory !== lastMemory) {
    lastMemory = memory
    lastWords = new Int32Array(memory, 0, memory.byteLength >>> 2)
  }
  return lastWords
}

function makeTables(): Int32Array {
  const table = new Int32Array(SLICES * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    table[byte] = crc
  }
  for (let index = 256; index < table.length; index++) {
    const before = table[index - 256]!
    table[index] = table[before & 255]! ^ (before >>> 8)
  }
  return table
}

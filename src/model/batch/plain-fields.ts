/*
 * The short way to a record's fields: varints of at most four bytes, in the shortest form. That is
 * every varint below 2^28 that a producer writes; others take the long way (record-cursor.ts).
 */

import { viewOf } from '../../base/bytes.js'
import { getUtf8 } from '../../base/utf8.js'

const NULL = 1 // −1 in zigzag
/** Not a plain varint. */
const NOT_PLAIN = -1
/** A position that no record reaches. */
const NOWHERE = 2 ** 31

/**
 * The varint at a position, before zigzag is undone; −1 if it has five bytes or more, or more than
 * it needs: then its last byte is 0.
 */
export function plainVarint(bytes: Buffer, at: number): number {
  const first = bytes[at] as number
  if (first < 0x80) return first
  const second = bytes[at + 1] as number
  const two = (first & 0x7f) | ((second & 0x7f) << 7)
  if (second < 0x80) return second > 0 ? two : NOT_PLAIN
  const third = bytes[at + 2] as number
  const three = two | ((third & 0x7f) << 14)
  if (third < 0x80) return third > 0 ? three : NOT_PLAIN
  const fourth = bytes[at + 3] as number
  return fourth > 0 && fourth < 0x80 ? three | (fourth << 21) : NOT_PLAIN
}

/** The bytes that a plain varint takes. */
export function plainBytes(raw: number): number {
  if (raw < 0x80) return 1
  if (raw < 0x4000) return 2
  return raw < 0x20_0000 ? 3 : 4
}

export function fromZigzag(raw: number): number {
  return (raw >>> 1) ^ -(raw & 1)
}

/** Where a key or value ends; beyond every record if its length is not plain. */
export function afterField(bytes: Buffer, at: number): number {
  const raw = plainVarint(bytes, at)
  const start = at + plainBytes(raw)
  if ((raw & 1) === 0) return start + (raw >>> 1)
  return raw === NULL ? start : NOWHERE
}

/** Whether the key or value at a position is null. */
export function isNullField(bytes: Buffer, at: number): boolean {
  return bytes[at] === NULL
}

/** Bytes, and the memory that they lie in. */
export interface OpenBytes {
  readonly bytes: Buffer
  readonly memory: ArrayBufferLike
  /** Where in the memory the bytes begin. */
  readonly memoryAt: number
}

/** The key or value that begins with its length at `at`, as a view; null if it is null. */
export function fieldView({ bytes, memory, memoryAt }: OpenBytes, at: number): Uint8Array | null {
  const raw = plainVarint(bytes, at)
  if (raw === NULL) return null
  // A Buffer, so that `toString()` gives the text, as with other clients.
  return viewOf(memory, memoryAt + at + plainBytes(raw), raw >>> 1)
}

/** The same as UTF-8 text. */
export function fieldText(bytes: Buffer, at: number): string | null {
  const raw = plainVarint(bytes, at)
  if (raw === NULL) return null
  const start = at + plainBytes(raw)
  return getUtf8(bytes, start, start + (raw >>> 1))
}

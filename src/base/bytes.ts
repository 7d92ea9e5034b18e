/*
 * Big-endian bytes, Kafka's way: fixed-width integers, zigzag varints (records) and unsigned
 * varints (flexible messages). Readers check every bound before they touch or allocate
 * anything; bytes that do not fit are a BytesError, never a wrong value.
 *
 * 64-bit integers travel as `number`. A value outside the safe integers cannot be represented
 * and is refused: no offset, timestamp or producer id that Kafka assigns comes near it.
 */

import { assert } from './assert.js'

/** Shared: nothing can be written into it. */
export const NO_BYTES = new Uint8Array(0)

export class BytesError extends Error {
  override readonly name = 'BytesError'
}

export const VARINT_MAX_BYTES = 5
const VARLONG_MAX_BYTES = 10

const TWO_32 = 0x1_0000_0000

interface BufferClass {
  readonly prototype: Buffer
  new (memory: ArrayBufferLike, start: number, length: number): Buffer
}

/**
 * The class of every Buffer, as Buffer.subarray finds it. `Buffer.from` looks at its arguments for
 * as long again: 32 → 18 ns per view.
 */
const BufferView = Reflect.get(Buffer, Symbol.species) as BufferClass

/**
 * A view of `length` bytes of this memory, which must lie within it. A caller that makes many keeps
 * `bytes.buffer`: to ask a Buffer for its memory takes as long as to make the view.
 */
export const viewOf: (memory: ArrayBufferLike, start: number, length: number) => Buffer =
  (BufferView as BufferClass | undefined)?.prototype === Buffer.prototype
    ? (memory, start, length) => new BufferView(memory, start, length)
    : (memory, start, length) => Buffer.from(memory, start, length)

/** A Buffer over the same memory: no copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

// ── integers in place ────────────────────────────────────────────────────────────────────
//
// For positions that are known to lie inside the buffer: nothing is checked, which makes these
// several times as fast as Buffer's own methods. All other code uses a ByteReader.

export function putInt16(buffer: Uint8Array, value: number, at: number): void {
  buffer[at] = value >> 8
  buffer[at + 1] = value
}

export function getInt16(buffer: Uint8Array, at: number): number {
  return (((buffer[at] as number) << 24) >> 16) | (buffer[at + 1] as number)
}

/** Writes a 32-bit value, signed or unsigned. */
export function putInt32(buffer: Uint8Array, value: number, at: number): void {
  buffer[at] = value >> 24
  buffer[at + 1] = value >> 16
  buffer[at + 2] = value >> 8
  buffer[at + 3] = value
}

export function getInt32(buffer: Uint8Array, at: number): number {
  const high = ((buffer[at] as number) << 24) | ((buffer[at + 1] as number) << 16)
  return high | ((buffer[at + 2] as number) << 8) | (buffer[at + 3] as number)
}

export function getUint32(buffer: Uint8Array, at: number): number {
  return getInt32(buffer, at) >>> 0
}

/** Writes a safe integer as a signed 64-bit value. */
export function putInt64(buffer: Uint8Array, value: number, at: number): void {
  putInt32(buffer, value === (value | 0) ? value >> 31 : Math.floor(value / TWO_32), at)
  putInt32(buffer, value, at + 4) // a shift takes a number modulo 2^32
}

/** Reads a signed 64-bit value; the result may be unsafe (check with Number.isSafeInteger). */
export function getInt64(buffer: Uint8Array, at: number): number {
  return getInt32(buffer, at) * TWO_32 + getUint32(buffer, at + 4)
}

// ── varints in place ─────────────────────────────────────────────────────────────────────

/** Bytes of the zigzag varint of a 32-bit integer. */
export function varintSize(value: number): number {
  const zigzag = (value << 1) ^ (value >> 31)
  return zigzag >= 0 && zigzag < 0x80 ? 1 : uvarintSize(zigzag >>> 0)
}

/** Bytes of the unsigned varint of a 32-bit integer. */
function uvarintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  return value < 0x1000_0000 ? 4 : 5
}

/** Writes a zigzag varint, returns the position after it. */
export function putVarint(buffer: Uint8Array, value: number, at: number): number {
  const zigzag = (value << 1) ^ (value >> 31)
  if (zigzag >= 0 && zigzag < 0x4000) {
    if (zigzag < 0x80) {
      buffer[at] = zigzag
      return at + 1
    }
    buffer[at] = (zigzag & 0x7f) | 0x80
    buffer[at + 1] = zigzag >>> 7
    return at + 2
  }
  return putUvarint(buffer, zigzag >>> 0, at)
}

/** Writes an unsigned varint of at most 32 bits, returns the position after it. */
export function putUvarint(buffer: Uint8Array, value: number, at: number): number {
  let rest = value
  let position = at
  while (rest >= 0x80) {
    buffer[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  buffer[position++] = rest
  return position
}

/** Bytes of the zigzag varint of a safe integer. */
export function varlongSize(value: number): number {
  if (value === (value | 0)) return varintSize(value)
  let rest = value < 0 ? -(value + 1) : value
  let size = 1
  for (rest = Math.floor(rest / 0x40); rest > 0; rest = Math.floor(rest / 0x80)) size++
  return size
}

/** Writes the zigzag varint of a safe integer, returns the position after it. */
export function putVarlong(buffer: Uint8Array, value: number, at: number): number {
  if (value === (value | 0)) return putVarint(buffer, value, at)
  // zigzag(n) = 2n for n ≥ 0 and −2n − 1 below: its lowest bit is the sign, the rest magnitude.
  let rest = value < 0 ? -(value + 1) : value
  let low = (rest % 0x40) * 2 + (value < 0 ? 1 : 0)
  rest = Math.floor(rest / 0x40)
  let position = at
  while (rest > 0) {
    buffer[position++] = low | 0x80
    low = rest % 0x80
    rest = Math.floor(rest / 0x80)
  }
  buffer[position++] = low
  return position
}

// ── reader ───────────────────────────────────────────────────────────────────────────────

/** Reads forward through `bytes[start, end)`; never beyond. */
export class ByteReader {
  readonly #buffer: Buffer
  readonly #end: number
  #at: number
  #countsLeft = Infinity

  constructor(bytes: Uint8Array, start = 0, end = bytes.byteLength) {
    this.#buffer = asBuffer(bytes)
    this.#at = start
    this.#end = end
  }

  get position(): number {
    return this.#at
  }

  get remaining(): number {
    return this.#end - this.#at
  }

  /** From here on, all counts may add up to `most`: bounds what a few bytes can claim. */
  limitCounts(most: number): void {
    this.#countsLeft = most
  }

  int8(): number {
    return this.#buffer.readInt8(this.#advance(1))
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#advance(2))
  }

  uint16(): number {
    return this.#buffer.readUInt16BE(this.#advance(2))
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#advance(4))
  }

  uint32(): number {
    return this.#buffer.readUInt32BE(this.#advance(4))
  }

  float64(): number {
    return this.#buffer.readDoubleBE(this.#advance(8))
  }

  int64(): number {
    const at = this.#advance(8)
    return safe(getInt64(this.#buffer, at), at)
  }

  uvarint(): number {
    const at = this.#at
    let value = 0
    for (let index = 0; index < VARINT_MAX_BYTES; index++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * 2 ** (7 * index)
      if (byte < 0x80) {
        if (value >= TWO_32) break
        return value
      }
    }
    throw new BytesError(`varint at byte ${at} is longer than 32 bits`)
  }

  varint(): number {
    const raw = this.uvarint()
    return (raw >>> 1) ^ -(raw & 1)
  }

  varlong(): number {
    const at = this.#at
    const first = this.#byte()
    let magnitude = (first & 0x7f) >>> 1
    let more = first >= 0x80
    for (let index = 1, scale = 0x40; more; index++, scale *= 0x80) {
      if (index === VARLONG_MAX_BYTES) {
        throw new BytesError(`varlong at byte ${at} is longer than 64 bits`)
      }
      const byte = this.#byte()
      magnitude += (byte & 0x7f) * scale
      more = byte >= 0x80
    }
    return safe(first & 1 ? -magnitude - 1 : magnitude, at)
  }

  /** The next `length` bytes as a view: no copy. */
  bytes(length: number): Buffer {
    if (length < 0) throw new BytesError(`negative length ${length} at byte ${this.#at}`)
    const at = this.#advance(length)
    return this.#buffer.subarray(at, at + length)
  }

  /** The next `length` bytes as UTF-8. */
  utf8(length: number): string {
    if (length < 0) throw new BytesError(`negative length ${length} at byte ${this.#at}`)
    const at = this.#advance(length)
    return this.#buffer.toString('utf8', at, at + length)
  }

  /** Checks a count of items of at least `minBytes` each against the bytes that are left. */
  count(value: number, minBytes = 1): number {
    if (value < 0 || value * minBytes > this.remaining) {
      throw new BytesError(
        `count ${value} at byte ${this.#at} cannot fit into ${this.remaining} bytes`,
      )
    }
    this.#countsLeft -= value
    if (this.#countsLeft >= 0) return value
    throw new BytesError(`count ${value} at byte ${this.#at} exceeds the limit on listed items`)
  }

  #byte(): number {
    return this.#buffer[this.#advance(1)] as number
  }

  #advance(length: number): number {
    const at = this.#at
    if (length > this.#end - at) {
      throw new BytesError(`${length} bytes wanted at byte ${at}, ${this.#end - at} left`)
    }
    this.#at = at + length
    return at
  }
}

function safe(value: number, at: number): number {
  if (!Number.isSafeInteger(value)) {
    throw new BytesError(`64-bit integer at byte ${at} is outside ±(2^53 − 1)`)
  }
  return value
}

// ── writer ───────────────────────────────────────────────────────────────────────────────

/** Bytes of at least this size are lent rather than copied, see {@link ByteWriter.parts}. */
const LENT_MIN_BYTES = 16 * 1024

/** Writes forward into a buffer that grows as needed. */
export class ByteWriter {
  #buffer: Buffer
  #at = 0
  readonly #lends: boolean
  /** What is finished: pieces of the buffer, up to `#partAt`, and lent bytes. */
  readonly #parts: Buffer[] = []
  #partAt = 0
  #lentBytes = 0

  /** `lends`: large values are not copied, and `parts` gives the result. */
  constructor(capacity = 64, lends = false) {
    this.#buffer = Buffer.allocUnsafe(capacity)
    this.#lends = lends
  }

  get length(): number {
    return this.#at + this.#lentBytes
  }

  int8(value: number): this {
    const at = this.#advance(1)
    this.#buffer.writeInt8(value, at)
    return this
  }

  int16(value: number): this {
    const at = this.#advance(2)
    this.#buffer.writeInt16BE(value, at)
    return this
  }

  uint16(value: number): this {
    const at = this.#advance(2)
    this.#buffer.writeUInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.#advance(4)
    this.#buffer.writeInt32BE(value, at)
    return this
  }

  uint32(value: number): this {
    const at = this.#advance(4)
    this.#buffer.writeUInt32BE(value, at)
    return this
  }

  float64(value: number): this {
    const at = this.#advance(8)
    this.#buffer.writeDoubleBE(value, at)
    return this
  }

  int64(value: number): this {
    if (!Number.isSafeInteger(value)) throw new BytesError(`${value} is not a safe integer`)
    const at = this.#advance(8)
    putInt64(this.#buffer, value, at)
    return this
  }

  uvarint(value: number): this {
    this.#reserve(VARINT_MAX_BYTES)
    this.#at = putUvarint(this.#buffer, value, this.#at)
    return this
  }

  varint(value: number): this {
    this.#reserve(VARINT_MAX_BYTES)
    this.#at = putVarint(this.#buffer, value, this.#at)
    return this
  }

  varlong(value: number): this {
    this.#reserve(VARLONG_MAX_BYTES)
    this.#at = putVarlong(this.#buffer, value, this.#at)
    return this
  }

  bytes(value: Uint8Array): this {
    if (this.#lends && value.byteLength >= LENT_MIN_BYTES) return this.#lend(value)
    const at = this.#advance(value.byteLength)
    this.#buffer.set(value, at)
    return this
  }

  utf8(value: string): this {
    const length = Buffer.byteLength(value)
    const at = this.#advance(length)
    this.#buffer.write(value, at, length, 'utf8')
    return this
  }

  /** The bytes written, as a view; the writer must not be used afterwards. */
  finish(): Buffer {
    assert(!this.#lends, 'a writer that lends has parts')
    return this.#buffer.subarray(0, this.#at)
  }

  /** The bytes written, in order; large values are the caller's own. The first never is. */
  parts(): readonly Buffer[] {
    this.#endPart()
    return this.#parts
  }

  #lend(value: Uint8Array): this {
    this.#endPart()
    this.#parts.push(asBuffer(value))
    this.#lentBytes += value.byteLength
    return this
  }

  #endPart(): void {
    if (this.#at > this.#partAt) this.#parts.push(this.#buffer.subarray(this.#partAt, this.#at))
    this.#partAt = this.#at
  }

  #advance(length: number): number {
    this.#reserve(length)
    const at = this.#at
    this.#at = at + length
    return at
  }

  #reserve(length: number): void {
    const needed = this.#at + length
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    grown.set(this.#buffer.subarray(0, this.#at))
    this.#buffer = grown
  }
}

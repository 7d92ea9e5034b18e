/*
 * Reads the records of one batch in order. The cursor holds the fields of the current record, so
 * skipping a record allocates nothing; keys, values and headers become objects only on demand, as
 * views of the batch's bytes.
 *
 * Every length is checked against its record before it is used. In the end the fields must fill
 * the record exactly.
 */

import { asBuffer, viewOf } from '../../base/bytes.js'
import { getUtf8 } from '../../base/utf8.js'
import { PartlogError } from '../errors.js'
import type { Offset, Timestamp } from '../units.js'
import { BATCH_HEADER_BYTES, type Batch } from './batch.js'
import { decompress } from './compression.js'
import { afterField, fromZigzag, plainBytes, plainVarint } from './plain-fields.js'
import { NO_HEADERS, type Header, type StoredRecord, type TimestampType } from './record.js'

/** The smallest record: length, attributes, two deltas, null key, null value, no headers. */
export const RECORD_BYTES_MIN = 7
const NULL_LENGTH = -1
/** The sum of two numbers up to this is exact. Milliseconds reach it in the year 144,683. */
const EXACT_MAX = 2 ** 52
const ENDS_EARLY = 'it ends inside a field'

/**
 * Where plain records are, as `findPlain` found them; kept, and used for one batch after another.
 * The deltas are those to the batch's first offset and `plainTimestamp`.
 */
export class PlainRecords {
  /** How many are found at once. */
  static readonly MOST = 512
  readonly offsetDeltas = new Int32Array(PlainRecords.MOST)
  readonly timeDeltas = new Int32Array(PlainRecords.MOST)
  /** Where the key begins, then comes the value. */
  readonly fieldsAt = new Int32Array(PlainRecords.MOST)
}

export class RecordCursor {
  /** Offset of the current record. */
  offset: Offset = 0
  /** Timestamp of the current record; beyond 2^53 the nearest number, see `exactTimestamp`. */
  timestamp: Timestamp = 0
  readonly timestampType: TimestampType

  readonly #batch: Batch
  readonly #bytes: Buffer
  readonly #end: number
  readonly #baseOffset: Offset
  readonly #baseTimestamp: Timestamp
  readonly #appendTime: Timestamp
  #left: number
  #at: number
  /** Where `passPlain` goes to, and the records that are left there. */
  #plainEnd = 0
  #plainLeft = 0
  #recordEnd = 0
  #timestampDeltaAt = 0
  #fieldsAt = 0
  #keyAt = 0
  #keyLength = NULL_LENGTH
  #valueAt = 0
  #valueLength = NULL_LENGTH
  #headersAt = 0
  #headerCount = 0
  /** Headers of the current record that have not been checked yet. */
  #headersLeft = 0

  /** `records`: the batch's records, if they are already decompressed. */
  constructor(batch: Batch, records?: Uint8Array) {
    const codec = batch.codec
    if (codec === undefined) {
      throw new PartlogError('UNSUPPORTED_COMPRESSION_TYPE', 'codec ids 5 to 7 do not exist')
    }
    const isPlain = codec === 'none'
    this.#batch = batch
    this.#bytes = isPlain ? batch.buffer : asBuffer(records ?? decompress(codec, batch.payload))
    this.#at = isPlain ? batch.start + BATCH_HEADER_BYTES : 0
    this.#end = isPlain ? batch.end : this.#bytes.length
    this.#left = batch.recordsCount
    this.#baseOffset = batch.baseOffset
    this.#baseTimestamp = batch.baseTimestamp
    this.#appendTime = batch.maxTimestamp
    this.timestampType = batch.timestampType
    if (this.#left < 0 || this.#left * RECORD_BYTES_MIN > this.#end - this.#at) {
      throw this.#broken(`${this.#left} records cannot fit into ${this.#end - this.#at} bytes`)
    }
  }

  /** Steps to the next record; returns false after the last one. */
  next(): boolean {
    return this.step(Infinity) === true
  }

  /**
   * Like `next`, but checks at most `headersMax` headers. Returns undefined if the record has more;
   * the next step continues with them. 64 MiB may be one record with 30 million headers.
   */
  step(headersMax: number): boolean | undefined {
    if (this.#headersLeft === 0 && !this.#begin()) return false
    if (this.#headersLeft > 0) this.#skipHeaders(headersMax)
    if (this.#headersLeft > 0) return undefined
    if (this.#at !== this.#recordEnd) {
      const left = this.#recordEnd - this.#at
      throw this.#broken(left < 0 ? ENDS_EARLY : `${left} bytes between its fields and its end`)
    }
    return true
  }

  /**
   * The short way through the records: finds up to `most` plain ones from offset `from` on, each at
   * a higher offset than the one before; others are passed over, as on the long way. Stops
   * before a record that is not plain: one with headers, with a length beyond 2^27, or one that is
   * not as it should be; `next` reads it, or says what is wrong with it. Returns the number of
   * records found; the cursor stays before them until `passPlain`.
   */
  findPlain(most: number, from: Offset, found: PlainRecords): number {
    this.#plainEnd = this.#at
    this.#plainLeft = this.#left
    const isStamped = this.timestampType === 'LogAppendTime'
    if (this.#headersLeft > 0 || !(isStamped || isExact(this.#baseTimestamp))) return 0
    // Locals, and one loop that makes no objects: the engine puts all of it into one function.
    const { offsetDeltas, timeDeltas, fieldsAt } = found
    const bytes = this.#bytes
    const end = this.#end
    let deltaMin = from - this.#baseOffset
    const countMax = Math.min(most, PlainRecords.MOST)
    let at = this.#at
    let left = this.#left
    let count = 0
    while (count < countMax && left > 0) {
      const length = plainVarint(bytes, at)
      const bodyAt = at + plainBytes(length)
      const recordEnd = bodyAt + (length >>> 1)
      if (length < 0 || (length & 1) === 1 || recordEnd > end) break
      const time = plainVarint(bytes, bodyAt + 1) // after the attributes, which are never used
      const offsetAt = bodyAt + 1 + plainBytes(time)
      const delta = plainVarint(bytes, offsetAt)
      const keyAt = offsetAt + plainBytes(delta)
      const valueAt = afterField(bytes, keyAt)
      if (valueAt > recordEnd) break
      const headersAt = afterField(bytes, valueAt)
      if ((time | delta) < 0 || headersAt + 1 !== recordEnd || bytes[headersAt] !== 0) break
      at = recordEnd
      left--
      const offsetDelta = fromZigzag(delta)
      if (offsetDelta < deltaMin) continue
      deltaMin = offsetDelta + 1
      offsetDeltas[count] = offsetDelta
      timeDeltas[count] = isStamped ? 0 : fromZigzag(time)
      fieldsAt[count] = keyAt
      count++
    }
    this.#plainEnd = at
    this.#plainLeft = left
    return count
  }

  /** Goes on after the records that `findPlain` has found or passed over. */
  passPlain(): void {
    this.#at = this.#plainEnd
    this.#left = this.#plainLeft
  }

  get baseOffset(): Offset {
    return this.#baseOffset
  }

  /** What the times of plain records are deltas to. */
  get plainTimestamp(): Timestamp {
    return this.timestampType === 'LogAppendTime' ? this.#appendTime : this.#baseTimestamp
  }

  /**
   * At the start of a batch that has a record for each of its offsets: passes over the records
   * below `from` by their lengths alone (a random read: 36 → 32 µs). If the record after them has
   * another offset, or a length is not plain, nothing is passed over.
   */
  skipTo(from: Offset): void {
    const { recordsCount, lastOffsetDelta } = this.#batch
    const count = from - this.#baseOffset
    const isDense = recordsCount === lastOffsetDelta + 1 && this.#left === recordsCount
    if (!isDense || count <= 0 || count >= recordsCount) return
    const bytes = this.#bytes
    let at = this.#at
    for (let skipped = 0; skipped < count; skipped++) {
      const length = plainVarint(bytes, at)
      at += plainBytes(length) + (length >>> 1)
      if (length < 0 || (length & 1) === 1 || at > this.#end) return
    }
    const timeAt = at + plainBytes(plainVarint(bytes, at)) + 1
    const deltaAt = timeAt + plainBytes(plainVarint(bytes, timeAt))
    if (fromZigzag(plainVarint(bytes, deltaAt)) !== count) return
    this.#at = at
    this.#left -= count
  }

  /** Reads the next record up to its headers; returns false if there is none. */
  #begin(): boolean {
    if (this.#left === 0) {
      if (this.#at !== this.#end) throw this.#broken(`${this.#end - this.#at} bytes left over`)
      return false
    }
    this.#left--
    this.#recordEnd = this.#end
    const length = this.#varint()
    if (length < 0 || length > this.#end - this.#at) throw this.#broken(`length is ${length}`)
    this.#recordEnd = this.#at + length
    this.#readBody()
    return true
  }

  get key(): Uint8Array | null {
    return this.#view(this.#keyAt, this.#keyLength)
  }

  get value(): Uint8Array | null {
    return this.#view(this.#valueAt, this.#valueLength)
  }

  /** The stored int64; as a number, a timestamp in nanoseconds would not be exact. */
  get exactTimestamp(): bigint {
    if (this.timestampType === 'LogAppendTime') return this.#batch.exactMaxTimestamp
    return BigInt.asIntN(64, this.#batch.exactBaseTimestamp + this.#exactTimestampDelta())
  }

  /** The bytes of the record behind its length. */
  get bodyBytes(): number {
    return this.#recordEnd - this.#timestampDeltaAt + 1
  }

  get headerCount(): number {
    return this.#headerCount
  }

  get headers(): readonly Header[] {
    return this.#headerCount === 0 ? NO_HEADERS : this.#readHeaders()
  }

  // ── for callers that read very many records: nothing is copied ─────────────────────────

  /** The bytes that the ranges below refer to. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** The bytes of the key; undefined if there is no key. */
  get keyRange(): { readonly start: number; readonly end: number } | undefined {
    if (this.#keyLength === NULL_LENGTH) return undefined
    return { start: this.#keyAt, end: this.#keyAt + this.#keyLength }
  }

  get hasKey(): boolean {
    return this.#keyLength !== NULL_LENGTH
  }

  /** False for a tombstone. */
  get hasValue(): boolean {
    return this.#valueLength !== NULL_LENGTH
  }

  /** Records that come after the current one. */
  get remaining(): number {
    return this.#left
  }

  /** The bytes of key, value and headers: the part that does not depend on the batch. */
  get fieldsRange(): { readonly start: number; readonly end: number } {
    return { start: this.#fieldsAt, end: this.#recordEnd }
  }

  /** The current record as an object of its own; its bytes are views of the batch. */
  record(): StoredRecord {
    const { offset, timestamp, timestampType, key, value, headers } = this
    return { offset, timestamp, timestampType, key, value, headers }
  }

  #readBody(): void {
    this.#at++ // attributes: always 0, never used
    this.#timestampDeltaAt = this.#at
    this.#readTimestamp(this.#varlong())
    this.offset = this.#baseOffset + this.#varint()
    this.#fieldsAt = this.#at
    this.#keyLength = this.#fieldLength()
    this.#keyAt = this.#at
    if (this.#keyLength > 0) this.#at += this.#keyLength
    this.#valueLength = this.#fieldLength()
    this.#valueAt = this.#at
    if (this.#valueLength > 0) this.#at += this.#valueLength
    this.#headerCount = this.#varint()
    this.#headersAt = this.#at
    if (this.#headerCount !== 0) this.#checkHeaderCount()
    this.#headersLeft = this.#headerCount
  }

  #readTimestamp(delta: number): void {
    const base = this.#baseTimestamp
    if (this.timestampType === 'LogAppendTime') this.timestamp = this.#appendTime
    else if (isExact(base) && isExact(delta)) this.timestamp = base + delta
    else this.timestamp = Number(this.exactTimestamp)
  }

  #checkHeaderCount(): void {
    const left = this.#recordEnd - this.#at
    if (this.#headerCount < 0 || this.#headerCount * 2 > left) {
      throw this.#broken(`${this.#headerCount} headers cannot fit into ${left} bytes`)
    }
  }

  #skipHeaders(most: number): void {
    const count = Math.min(this.#headersLeft, most)
    for (let index = 0; index < count; index++) {
      const keyLength = this.#fieldLength()
      if (keyLength < 0) throw this.#broken('a header has no key')
      this.#at += keyLength
      const valueLength = this.#fieldLength()
      this.#at += Math.max(valueLength, 0)
    }
    this.#headersLeft -= count
  }

  #readHeaders(): readonly Header[] {
    const resumeAt = this.#at
    this.#at = this.#headersAt
    const headers: Header[] = []
    for (let index = 0; index < this.#headerCount; index++) {
      const keyLength = this.#fieldLength()
      const key = getUtf8(this.#bytes, this.#at, this.#at + keyLength)
      this.#at += keyLength
      const valueLength = this.#fieldLength()
      headers.push({ key, value: this.#view(this.#at, valueLength) })
      this.#at += Math.max(valueLength, 0)
    }
    this.#at = resumeAt
    return headers
  }

  #fieldLength(): number {
    const length = this.#varint()
    if (length < NULL_LENGTH || length > this.#recordEnd - this.#at) {
      const left = this.#recordEnd - this.#at
      throw this.#broken(left < 0 ? ENDS_EARLY : `a field of ${length} bytes in ${left}`)
    }
    return length
  }

  // Neither method checks where the record ends: #fieldLength and `step` notice a read past it.
  // Past the buffer, bytes are undefined and count as 0x80 until the varint is too long.

  #varint(): number {
    const bytes = this.#bytes
    const first = bytes[this.#at++] as number
    if (first < 0x80) return (first >>> 1) ^ -(first & 1)
    let raw = first & 0x7f
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = bytes[this.#at++] as number
      raw |= (byte & 0x7f) << shift
      if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1)
    }
    throw this.#broken('a varint has more than 5 bytes')
  }

  #varlong(): number {
    const bytes = this.#bytes
    const first = bytes[this.#at++] as number
    if (first < 0x80) return (first >>> 1) ^ -(first & 1)
    let magnitude = (first & 0x7f) >>> 1
    for (let scale = 0x40, count = 1; count < 10; scale *= 0x80, count++) {
      const byte = bytes[this.#at++] as number
      magnitude += (byte & 0x7f) * scale
      if (byte < 0x80) return first & 1 ? -magnitude - 1 : magnitude
    }
    throw this.#broken('a varlong has more than 10 bytes')
  }

  /** Reads the delta again as a bigint; #varlong has already found where it ends. */
  #exactTimestampDelta(): bigint {
    let zigzag = 0n
    for (let at = this.#timestampDeltaAt, shift = 0n; ; at++, shift += 7n) {
      const byte = this.#bytes[at] as number
      zigzag |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n))
    }
  }

  #view(at: number, length: number): Uint8Array | null {
    if (length === NULL_LENGTH) return null
    // A Buffer, so that `toString()` gives the text, as with other clients.
    return viewOf(this.#bytes.buffer, this.#bytes.byteOffset + at, length)
  }

  #broken(what: string): PartlogError {
    return new PartlogError(
      'INVALID_RECORD',
      `record ${this.#left} before the end of the batch at offset ${this.#baseOffset}: ${what}`,
    )
  }
}

function isExact(time: number): boolean {
  return time <= EXACT_MAX && time >= -EXACT_MAX
}

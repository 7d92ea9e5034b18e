/*
 * Builds a batch of records. Each record is encoded once, straight into the buffer that later goes
 * to the disk; nothing is allocated per record.
 *
 *   record: length varint │ attributes 0 │ timestampDelta varlong │ offsetDelta varint
 *           │ keyLength varint │ key │ valueLength varint │ value │ headerCount varint │ headers
 *
 * The length of UTF-8 text is known only after it is written, but its varint comes before it, as
 * does that of the whole record. The builder leaves the room the varint will probably take, which
 * is nearly always right; if not, it shifts what follows.
 */

import { assert } from '../../base/assert.js'
import { putVarint, putVarlong, varintSize } from '../../base/bytes.js'
import { putUtf8 } from '../../base/utf8.js'
import type { Timestamp } from '../units.js'
import { BATCH_HEADER_BYTES, writeHeader } from './batch.js'
import { compress, type SupportedCodec } from './compression.js'
import type { BytesIn, HeaderIn } from './record.js'

/** Bytes of a record besides key, value and headers, at most. */
const RECORD_OVERHEAD_MAX = 36
/** Bytes of the two varints of a header, at most. */
const HEADER_OVERHEAD_MAX = 10
/** A UTF-16 code unit takes at most three bytes in UTF-8. */
const UTF8_BYTES_MAX = 3
/** Up to this length a loop over characters is faster than a call into the engine. */
const SHORT_TEXT = 32
/** The varint of −1: no key, no value. */
const NULL_FIELD = 0x01

export interface BatchOptions {
  readonly codec?: SupportedCodec
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
}

const NO_VIEW: Buffer = Buffer.alloc(0)

export interface PlainRecord {
  readonly key?: BytesIn | undefined
  readonly value: BytesIn
}

export interface RunOptions {
  readonly timestamp: Timestamp
  /** The size that the batch must not exceed, if it is less than that of the batch. */
  readonly sizeMax: number
}

export const NO_PAIRS: readonly HeaderIn[] = []

/** Returns a larger buffer, of at least `bytes`, in exchange for the old one. */
export type Grow = (buffer: Buffer, bytes: number) => Buffer

export class BatchBuilder {
  #buffer: Buffer
  readonly #grow: Grow | undefined
  #view: Buffer = NO_VIEW
  readonly #bytesMax: number
  /** A record that fits below this position needs no further check. */
  #room: number
  #at = BATCH_HEADER_BYTES
  #count = 0
  #baseTimestamp = 0
  #maxTimestamp = 0

  /**
   * Builds into `buffer`, which it borrows until the batch is sent. The batch grows to at most
   * `bytesMax`, or to the size of its first record; with `grow` it may outgrow its buffer.
   */
  constructor(buffer: Buffer, bytesMax = buffer.length, grow?: Grow) {
    assert(buffer.length >= BATCH_HEADER_BYTES, 'no room for a header', { size: buffer.length })
    this.#buffer = buffer
    this.#bytesMax = bytesMax
    this.#room = Math.min(buffer.length, bytesMax)
    this.#grow = grow
  }

  /** The buffer that holds the batch. */
  get buffer(): Buffer {
    return this.#buffer
  }

  get count(): number {
    return this.#count
  }

  /** Bytes of the batch so far, uncompressed. */
  get size(): number {
    return this.#at
  }

  get maxTimestamp(): Timestamp {
    return this.#maxTimestamp
  }

  /** Empties the batch: its buffer is used again. */
  clear(): void {
    this.#at = BATCH_HEADER_BYTES
    this.#count = 0
  }

  /** Adds a record; if it does not fit, returns false and changes nothing. */
  tryAppend(
    timestamp: Timestamp,
    key: BytesIn,
    value: BytesIn,
    headers: readonly HeaderIn[],
  ): boolean {
    if (!this.#hasRoom(key, value, headers)) return false
    if (this.#count === 0) {
      this.#baseTimestamp = timestamp
      this.#maxTimestamp = timestamp
    } else if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp
    }
    this.#writeRecord(timestamp - this.#baseTimestamp, key, value, headers)
    this.#count++
    return true
  }

  /**
   * Adds the records in `[from, to)` at one time, without headers, while they fit below `sizeMax`
   * and the buffer has room. Returns the index of the first that was not added.
   */
  appendRun(records: readonly PlainRecord[], from: number, to: number, run: RunOptions): number {
    const { timestamp, sizeMax } = run
    if (this.#count === 0 || timestamp !== this.#baseTimestamp) return from
    const room = Math.min(this.#room, sizeMax)
    const buffer = this.#buffer
    let at = this.#at // in a local variable: 35 → 19 ns for 100 bytes
    let index = from
    for (; index < to; index++) {
      const { key = null, value } = records[index] as PlainRecord
      if (at + RECORD_OVERHEAD_MAX + bound(key) + bound(value) > room) break
      if (typeof key === 'string' || typeof value === 'string') {
        this.#at = at
        this.#writeRecord(0, key, value, NO_PAIRS)
        at = this.#at
      } else {
        const count = this.#count
        at = putVarint(buffer, 3 + varintSize(count) + bytesSize(key) + bytesSize(value), at)
        buffer[at] = 0 // attributes
        buffer[at + 1] = 0 // timestamp delta
        at = putBytes(buffer, value, putBytes(buffer, key, putVarint(buffer, count, at + 2)))
        buffer[at++] = 0 // header count
      }
      this.#count++
    }
    this.#at = at
    return index
  }

  /** Seals the batch. The result is a view of the buffer, or a compressed copy. */
  build(options: BatchOptions = {}): Buffer {
    assert(this.#count > 0, 'a batch has records')
    const { codec = 'none', producerId, producerEpoch, baseSequence } = options
    const plain = this.#plain()
    const bytes = codec === 'none' ? plain : compressed(plain, codec)
    // Named one by one: spreading `options` would cost more than encoding a record.
    writeHeader(bytes, 0, bytes.length, {
      codec,
      producerId,
      producerEpoch,
      baseSequence,
      lastOffsetDelta: this.#count - 1,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
      recordsCount: this.#count,
    })
    return bytes
  }

  /** The bytes of the batch. A kept buffer is sealed often, most times at the same size. */
  #plain(): Buffer {
    const { buffer } = this.#view
    if (buffer !== this.#buffer.buffer || this.#view.length !== this.#at) {
      this.#view = this.#buffer.subarray(0, this.#at)
    }
    return this.#view
  }

  #hasRoom(key: BytesIn, value: BytesIn, headers: readonly HeaderIn[]): boolean {
    if (sizeBound(key, value, headers) <= this.#room - this.#at) return true
    const needed = this.#at + recordSizeMax(key, value, headers)
    if (needed > this.#bytesMax && this.#count > 0) return false
    if (needed <= this.#buffer.length) return true
    if (this.#grow === undefined) return false
    const larger = this.#grow(this.#buffer, needed)
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
    this.#room = Math.min(larger.length, this.#bytesMax)
    return true
  }

  #writeRecord(
    timestampDelta: number,
    key: BytesIn,
    value: BytesIn,
    headers: readonly HeaderIn[],
  ): void {
    const buffer = this.#buffer
    const start = this.#at
    const bodyAt = start + guessedWidth(lengthOf(key) + lengthOf(value))
    let at = bodyAt
    buffer[at++] = 0
    if (timestampDelta === 0) buffer[at++] = 0
    else at = putVarlong(buffer, timestampDelta, at)
    at = putVarint(buffer, this.#count, at)
    at = putField(buffer, key, at)
    at = putField(buffer, value, at)
    if (headers.length === 0) buffer[at++] = 0
    else at = putHeaders(buffer, headers, at)
    this.#at = putLength(buffer, start, bodyAt, at)
  }
}

/** A batch of one record in a buffer of its own, for callers that write one record at a time. */
export function singleRecordBatch(
  timestamp: Timestamp,
  key: BytesIn,
  value: BytesIn,
  headers: readonly HeaderIn[] = [],
): Buffer {
  const size = BATCH_HEADER_BYTES + recordSizeMax(key, value, headers)
  const builder = new BatchBuilder(Buffer.allocUnsafe(size))
  builder.tryAppend(timestamp, key, value, headers)
  return builder.build()
}

/** The most bytes a record can take inside a batch; text is counted exactly. */
export function recordSizeMax(key: BytesIn, value: BytesIn, headers: readonly HeaderIn[]): number {
  let size = RECORD_OVERHEAD_MAX + byteLength(key) + byteLength(value)
  for (const [name, content] of headers) {
    size += HEADER_OVERHEAD_MAX + byteLength(name) + byteLength(content)
  }
  return size
}

/** Like recordSizeMax, but counts text at its widest, which is cheap. */
export function sizeBound(key: BytesIn, value: BytesIn, headers: readonly HeaderIn[]): number {
  let size = RECORD_OVERHEAD_MAX + bound(key) + bound(value)
  if (headers.length === 0) return size
  for (const [name, content] of headers) {
    size += HEADER_OVERHEAD_MAX + bound(name) + bound(content)
  }
  return size
}

function bound(content: BytesIn): number {
  if (content === null) return 0
  return typeof content === 'string' ? content.length * UTF8_BYTES_MAX : content.length
}

function byteLength(content: BytesIn): number {
  if (content === null) return 0
  return typeof content === 'string' ? Buffer.byteLength(content) : content.length
}

/** Bytes, or UTF-16 units of text. */
function lengthOf(content: BytesIn): number {
  return content === null ? 0 : content.length
}

/** How many bytes the length of a record probably takes, by its key and value. */
function guessedWidth(contentLength: number): number {
  if (contentLength < 56) return 1
  return contentLength < 8000 ? 2 : 3
}

function putHeaders(buffer: Buffer, headers: readonly HeaderIn[], at: number): number {
  let next = putVarint(buffer, headers.length, at)
  for (const [name, content] of headers) {
    next = putField(buffer, name, next)
    next = putField(buffer, content, next)
  }
  return next
}

/** Bytes of a length-prefixed field. */
function bytesSize(content: Uint8Array | null): number {
  return content === null ? 1 : varintSize(content.length) + content.length
}

function putBytes(buffer: Buffer, content: Uint8Array | null, at: number): number {
  if (content === null) {
    buffer[at] = NULL_FIELD
    return at + 1
  }
  const start = putVarint(buffer, content.length, at)
  buffer.set(content, start)
  return start + content.length
}

/** Writes a length-prefixed field, returns the position after it. */
function putField(buffer: Buffer, content: BytesIn, at: number): number {
  if (typeof content !== 'string') return putBytes(buffer, content, at)
  const textAt = at + varintSize(content.length)
  return putLength(buffer, at, textAt, putText(buffer, content, textAt))
}

/**
 * Writes the length of `buffer[bodyAt, end)` at `at`, into room left by a guess; shifts the body
 * if the guess was wrong. Returns the position after the body.
 */
function putLength(buffer: Buffer, at: number, bodyAt: number, end: number): number {
  const length = end - bodyAt
  const width = varintSize(length)
  if (at + width !== bodyAt) buffer.copyWithin(at + width, bodyAt, end)
  putVarint(buffer, length, at)
  return at + width + length
}

/** Writes text as UTF-8, returns the position after it. */
function putText(buffer: Buffer, content: string, at: number): number {
  const { length } = content
  if (length <= SHORT_TEXT) {
    let index = 0
    for (; index < length; index++) {
      const code = content.charCodeAt(index)
      if (code >= 0x80) break
      buffer[at + index] = code
    }
    if (index === length) return at + length
  }
  return at + putUtf8(buffer, content, at)
}

function compressed(plain: Buffer, codec: SupportedCodec): Buffer {
  const payload = compress(codec, plain.subarray(BATCH_HEADER_BYTES))
  const bytes = Buffer.allocUnsafe(BATCH_HEADER_BYTES + payload.byteLength)
  bytes.set(payload, BATCH_HEADER_BYTES)
  return bytes
}

/*
 * Builds a batch of records. Each record is encoded once, straight into the buffer that later goes
 * to the disk; nothing is allocated per record. How a record is written is in record-writer.ts.
 */

import { assert } from '../../base/assert.js'
import type { Timestamp } from '../units.js'
import { BATCH_HEADER_BYTES, writeHeader } from './batch.js'
import { compress, type Codec, type Compression } from './compression.js'
import type { BytesIn, HeaderIn } from './record.js'
import { RecordWriter, recordSizeMax, sizeBound, type RecordRun } from './record-writer.js'

const NO_VIEW: Buffer = Buffer.alloc(0)

export interface BatchOptions {
  readonly codec?: Codec
  /** Of the codec; undefined is Kafka's default. */
  readonly level?: number | undefined
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
}

/** Returns a larger buffer, of at least `bytes`, in exchange for the old one. */
export type Grow = (buffer: Buffer, bytes: number) => Buffer

export class BatchBuilder {
  readonly #writer: RecordWriter
  readonly #grow: Grow | undefined
  #view: Buffer = NO_VIEW
  readonly #bytesMax: number
  /** A record that fits below this position needs no further check. */
  #room: number
  #baseTimestamp = 0
  #maxTimestamp = 0

  /**
   * Builds into `buffer`, which it borrows until the batch is sent. The batch grows to at most
   * `bytesMax`, or to the size of its first record; with `grow` it may outgrow its buffer.
   */
  constructor(buffer: Buffer, bytesMax = buffer.length, grow?: Grow) {
    assert(buffer.length >= BATCH_HEADER_BYTES, 'no room for a header', { size: buffer.length })
    this.#writer = new RecordWriter(buffer, BATCH_HEADER_BYTES)
    this.#bytesMax = bytesMax
    this.#room = Math.min(buffer.length, bytesMax)
    this.#grow = grow
  }

  /** The buffer that holds the batch. */
  get buffer(): Buffer {
    return this.#writer.buffer
  }

  get count(): number {
    return this.#writer.count
  }

  /** Bytes of the batch so far, uncompressed. */
  get size(): number {
    return this.#writer.at
  }

  get maxTimestamp(): Timestamp {
    return this.#maxTimestamp
  }

  /** Empties the batch: its buffer is used again. */
  clear(): void {
    this.#writer.at = BATCH_HEADER_BYTES
    this.#writer.count = 0
  }

  /** Adds a record; if it does not fit, returns false and changes nothing. */
  tryAppend(
    timestamp: Timestamp,
    key: BytesIn,
    value: BytesIn,
    headers: readonly HeaderIn[],
  ): boolean {
    if (!this.#hasRoom(key, value, headers)) return false
    const writer = this.#writer
    if (writer.count === 0) {
      this.#baseTimestamp = timestamp
      this.#maxTimestamp = timestamp
    } else if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp
    }
    writer.timestampDelta = timestamp - this.#baseTimestamp
    writer.put(key, value, headers)
    return true
  }

  /**
   * Adds records of one time, without headers, to a batch that has records, while they fit and the
   * batch does not outgrow `sizeMax`. Returns the place of the first that was not added.
   */
  appendRun(run: RecordRun, timestamp: Timestamp, sizeMax = Infinity): number {
    const writer = this.#writer
    if (writer.count === 0) return run.from
    writer.timestampDelta = timestamp - this.#baseTimestamp
    const next = writer.putRun(run, Math.min(this.#room, sizeMax))
    if (next > run.from && timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    return next
  }

  /** Seals the batch. The result is a view of the buffer, or a compressed copy. */
  build(options: BatchOptions = {}): Buffer {
    assert(this.count > 0, 'a batch has records')
    const { codec = 'none', level, producerId, producerEpoch, baseSequence } = options
    const { isTransactional, isControl } = options
    const plain = this.#plain()
    const bytes = codec === 'none' ? plain : compressed(plain, { codec, level })
    // Named one by one: spreading `options` would cost more than encoding a record.
    writeHeader(bytes, 0, bytes.length, {
      codec,
      producerId,
      producerEpoch,
      baseSequence,
      isTransactional,
      isControl,
      lastOffsetDelta: this.count - 1,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
      recordsCount: this.count,
    })
    return bytes
  }

  /** The bytes of the batch. A kept buffer is sealed often, most times at the same size. */
  #plain(): Buffer {
    const { buffer } = this.#view
    if (buffer !== this.buffer.buffer || this.#view.length !== this.size) {
      this.#view = this.buffer.subarray(0, this.size)
    }
    return this.#view
  }

  #hasRoom(key: BytesIn, value: BytesIn, headers: readonly HeaderIn[]): boolean {
    if (sizeBound(key, value, headers) <= this.#room - this.size) return true
    const needed = this.size + recordSizeMax(key, value, headers)
    if (needed > this.#bytesMax && this.count > 0) return false
    if (needed <= this.buffer.length) return true
    if (this.#grow === undefined) return false
    const larger = this.#grow(this.buffer, needed)
    this.buffer.copy(larger, 0, 0, this.size)
    this.#writer.buffer = larger
    this.#room = Math.min(larger.length, this.#bytesMax)
    return true
  }
}

function compressed(plain: Buffer, compression: Compression): Buffer {
  const payload = compress(compression, plain.subarray(BATCH_HEADER_BYTES))
  const bytes = Buffer.allocUnsafe(BATCH_HEADER_BYTES + payload.byteLength)
  bytes.set(payload, BATCH_HEADER_BYTES)
  return bytes
}

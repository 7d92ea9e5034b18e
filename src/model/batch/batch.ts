/*
 * The record batch, version 2, in Kafka's bytes: the unit of append, checksum and compression.
 *
 *   0          8       12      16 17      21    23      27         35         43
 *   ├──────────┼───────┼───────┼──┼───────┼─────┼───────┼──────────┼──────────┤
 *   │baseOffset│length │leader │ma│ crc   │attri│last   │base      │max       │
 *   │          │       │ Epoch │gi│       │butes│ Offset│ Timestamp│ Timestamp│
 *   │          │       │       │c │       │     │ Delta │          │          │
 *                                         ╰─── covered by the CRC-32C ───────▶
 *   43         51     53     57      61
 *   ├──────────┼──────┼──────┼───────┤
 *   │producerId│prod. │base  │records│ records, or one compressed stream of them
 *   │          │ Epoch│ Seq. │ Count │
 *   ▶─────────────────────────────────── … to the end ──────────────────────╯
 *
 * - `length` counts the bytes after it: the batch takes length + 12 bytes.
 * - The broker patches base offset and leader epoch, which the CRC leaves out on purpose; readers
 *   therefore check those fields against their neighbours.
 * - After compaction a batch may hold fewer records than offsets, or none: the next offset is
 *   always baseOffset + lastOffsetDelta + 1, never a count.
 * - A record's timestamp is baseTimestamp + its delta, except with LogAppendTime, where every
 *   record has maxTimestamp.
 */

import { assert } from '../../base/assert.js'
import {
  asBuffer,
  getInt16,
  getInt32,
  getInt64,
  getUint32,
  putInt16,
  putInt32,
  putInt64,
} from '../../base/bytes.js'
import { crc32c } from '../../base/checksums/crc32c.js'
import { NONE, type LeaderEpoch, type Offset, type Timestamp } from '../units.js'
import { codecId, codecOf, compress, type Codec, type Compression } from './compression.js'
import type { TimestampType } from './record.js'

export const LENGTH_AT = 8
const LEADER_EPOCH_AT = 12
export const MAGIC_AT = 16
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const LAST_OFFSET_DELTA_AT = 23
const BASE_TIMESTAMP_AT = 27
const MAX_TIMESTAMP_AT = 35
const PRODUCER_ID_AT = 43
const PRODUCER_EPOCH_AT = 51
const BASE_SEQUENCE_AT = 53
const RECORDS_COUNT_AT = 57

/** Bytes before the first record; the size of the smallest batch. */
export const BATCH_HEADER_BYTES = 61
/** Base offset and length: the bytes that `length` does not count. */
const LOG_OVERHEAD_BYTES = 12
/** The first byte that the CRC covers. */
export const CRC_START = ATTRIBUTES_AT
const MAGIC = 2

const CODEC_MASK = 0b111
const LOG_APPEND_TIME_BIT = 1 << 3
const TRANSACTIONAL_BIT = 1 << 4
const CONTROL_BIT = 1 << 5
const DELETE_HORIZON_BIT = 1 << 6

/** One batch inside a buffer. A view: it owns nothing and reads each field on demand. */
export class Batch {
  /** Bytes of the whole batch. */
  readonly size: number

  constructor(
    readonly buffer: Buffer,
    /** Where in the buffer the batch starts. */
    readonly start: number,
  ) {
    assert(start + BATCH_HEADER_BYTES <= buffer.length, 'a batch has its header', { start })
    this.size = getInt32(buffer, start + LENGTH_AT) + LOG_OVERHEAD_BYTES
  }

  get end(): number {
    return this.start + this.size
  }
  get baseOffset(): Offset {
    return getInt64(this.buffer, this.start)
  }
  get lastOffsetDelta(): number {
    return getInt32(this.buffer, this.start + LAST_OFFSET_DELTA_AT)
  }
  get lastOffset(): Offset {
    return this.baseOffset + this.lastOffsetDelta
  }
  get nextOffset(): Offset {
    return this.lastOffset + 1
  }
  get leaderEpoch(): LeaderEpoch {
    return getInt32(this.buffer, this.start + LEADER_EPOCH_AT)
  }
  get crc(): number {
    return getUint32(this.buffer, this.start + CRC_AT)
  }
  get attributes(): number {
    return getInt16(this.buffer, this.start + ATTRIBUTES_AT)
  }
  get baseTimestamp(): Timestamp {
    return getInt64(this.buffer, this.start + BASE_TIMESTAMP_AT)
  }
  get maxTimestamp(): Timestamp {
    return getInt64(this.buffer, this.start + MAX_TIMESTAMP_AT)
  }
  /** The stored int64: beyond 2^53 `baseTimestamp` is only the nearest number. */
  get exactBaseTimestamp(): bigint {
    return this.buffer.readBigInt64BE(this.start + BASE_TIMESTAMP_AT)
  }
  get exactMaxTimestamp(): bigint {
    return this.buffer.readBigInt64BE(this.start + MAX_TIMESTAMP_AT)
  }
  get producerId(): number {
    return getInt64(this.buffer, this.start + PRODUCER_ID_AT)
  }
  get exactProducerId(): bigint {
    return this.buffer.readBigInt64BE(this.start + PRODUCER_ID_AT)
  }
  get producerEpoch(): number {
    return getInt16(this.buffer, this.start + PRODUCER_EPOCH_AT)
  }
  get baseSequence(): number {
    return getInt32(this.buffer, this.start + BASE_SEQUENCE_AT)
  }
  get recordsCount(): number {
    return getInt32(this.buffer, this.start + RECORDS_COUNT_AT)
  }
  /** Undefined for the ids 5 to 7, which Kafka never writes. */
  get codec(): Codec | undefined {
    return codecOf(this.attributes & CODEC_MASK)
  }
  get timestampType(): TimestampType {
    return this.attributes & LOG_APPEND_TIME_BIT ? 'LogAppendTime' : 'CreateTime'
  }
  get isTransactional(): boolean {
    return (this.attributes & TRANSACTIONAL_BIT) !== 0
  }
  /** The batch holds a control record, never a user's record. */
  get isControl(): boolean {
    return (this.attributes & CONTROL_BIT) !== 0
  }
  /** The base timestamp is the time from which tombstones may be removed. */
  get hasDeleteHorizon(): boolean {
    return (this.attributes & DELETE_HORIZON_BIT) !== 0
  }
  /** The records, as stored: compressed when the codec says so. */
  get payload(): Buffer {
    return this.buffer.subarray(this.start + BATCH_HEADER_BYTES, this.end)
  }
  get hasValidCrc(): boolean {
    return crc32c(this.buffer, this.start + CRC_START, this.end) === this.crc
  }
  /** The bytes of the whole batch, a view. */
  get bytes(): Buffer {
    return this.buffer.subarray(this.start, this.end)
  }
}

// ── framing: three outcomes ──────────────────────────────────────────────────────────────

/**
 * What begins at `buffer[at]`, judged by the header alone (no checksum):
 * the size of a batch, which may reach beyond `end`; SHORT if the bytes end before the magic;
 * BROKEN if no batch starts like this.
 */
export const SHORT = 0
export const BROKEN = -1

export function frameAt(buffer: Buffer, at: number, end: number): number {
  if (end - at < MAGIC_AT + 1) return SHORT
  const size = getInt32(buffer, at + LENGTH_AT) + LOG_OVERHEAD_BYTES
  if (size < BATCH_HEADER_BYTES || buffer[at + MAGIC_AT] !== MAGIC) return BROKEN
  return size
}

/** The sentence for a BROKEN frame. */
export function whyBroken(buffer: Buffer, at: number): string {
  const length = getInt32(buffer, at + LENGTH_AT)
  const magic = buffer[at + MAGIC_AT] as number
  if (magic === 0 || magic === 1) {
    if (length >= 14) return `message format ${magic} of Kafka before 0.11 is not supported`
  }
  if (magic !== MAGIC) return `magic is ${magic}, expected ${MAGIC}`
  return `length is ${length}, at least ${BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES} is needed`
}

/**
 * Why a whole batch is invalid; undefined if it is valid. Checks that the header does not
 * contradict itself, and the CRC; the log checks the batch against its neighbours. Any int64 is a
 * valid time: some producers send nanoseconds, and Kafka accepts them.
 */
export function whyInvalid(batch: Batch): string | undefined {
  const { recordsCount, lastOffsetDelta, baseOffset } = batch
  if (baseOffset < 0 || !Number.isSafeInteger(baseOffset + Math.max(lastOffsetDelta, 0))) {
    return `base offset ${baseOffset} is impossible`
  }
  if (!batch.hasValidCrc) return `CRC-32C does not match (stored ${hex(batch.crc)})`
  if (lastOffsetDelta < 0) return `last offset delta is ${lastOffsetDelta}`
  if (recordsCount < 0 || recordsCount > lastOffsetDelta + 1) {
    return `${recordsCount} records in ${lastOffsetDelta + 1} offsets`
  }
  if (batch.codec === undefined) return `codec ${batch.attributes & CODEC_MASK} does not exist`
  return undefined
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}

/** All whole batches of `bytes`, up to the first byte that begins none. For tools and tests. */
export function* batchesOf(bytes: Uint8Array): Generator<Batch> {
  const buffer = asBuffer(bytes)
  for (let at = 0; at < buffer.length;) {
    const size = frameAt(buffer, at, buffer.length)
    if (size <= 0 || at + size > buffer.length) return
    yield new Batch(buffer, at)
    at += size
  }
}

// ── patching ─────────────────────────────────────────────────────────────────────────────

/** Gives the batch its place in the log. Leaves the CRC valid. */
export function assignOffset(batch: Batch, baseOffset: Offset, leaderEpoch: LeaderEpoch): void {
  putInt64(batch.buffer, baseOffset, batch.start)
  putInt32(batch.buffer, leaderEpoch, batch.start + LEADER_EPOCH_AT)
}

/** Replaces the batch's time with the broker's append time. Recomputes the CRC. */
export function stampLogAppendTime(batch: Batch, now: Timestamp): void {
  const { buffer, start, attributes } = batch
  putInt16(buffer, attributes | LOG_APPEND_TIME_BIT, start + ATTRIBUTES_AT)
  putInt64(buffer, now, start + MAX_TIMESTAMP_AT)
  sealCrc(buffer, start, batch.end)
}

/** The same batch with its records decompressed. Its checksum is wrong: it is never stored. */
export function unpacked(batch: Batch, payload: Uint8Array): Batch {
  return withPayload(batch, 'none', payload)
}

/** The same batch with the given uncompressed records compressed, and a checksum. */
export function packedAs(compression: Compression, batch: Batch, records: Uint8Array): Batch {
  const packed = withPayload(batch, compression.codec, compress(compression, records))
  sealCrc(packed.buffer, packed.start, packed.end)
  return packed
}

function withPayload(batch: Batch, codec: Codec, payload: Uint8Array): Batch {
  const bytes = Buffer.allocUnsafe(BATCH_HEADER_BYTES + payload.byteLength)
  batch.buffer.copy(bytes, 0, batch.start, batch.start + BATCH_HEADER_BYTES)
  bytes.set(payload, BATCH_HEADER_BYTES)
  putInt32(bytes, bytes.length - LOG_OVERHEAD_BYTES, LENGTH_AT)
  putInt16(bytes, (batch.attributes & ~CODEC_MASK) | codecId(codec), ATTRIBUTES_AT)
  return new Batch(bytes, 0)
}

// ── writing a header ─────────────────────────────────────────────────────────────────────

export interface BatchHeader {
  readonly baseOffset?: Offset | undefined
  readonly leaderEpoch?: LeaderEpoch | undefined
  readonly codec?: Codec | undefined
  readonly timestampType?: TimestampType | undefined
  readonly isTransactional?: boolean | undefined
  readonly isControl?: boolean | undefined
  readonly hasDeleteHorizon?: boolean | undefined
  readonly lastOffsetDelta: number
  readonly baseTimestamp: Timestamp
  readonly maxTimestamp: Timestamp
  readonly producerId?: number | undefined
  readonly producerEpoch?: number | undefined
  readonly baseSequence?: number | undefined
  readonly recordsCount: number
}

/** Writes the header, with the CRC, of the batch that fills `buffer[start, end)`. */
export function writeHeader(buffer: Buffer, start: number, end: number, h: BatchHeader): void {
  putInt64(buffer, h.baseOffset ?? 0, start)
  putInt32(buffer, end - start - LOG_OVERHEAD_BYTES, start + LENGTH_AT)
  putInt32(buffer, h.leaderEpoch ?? NONE, start + LEADER_EPOCH_AT)
  buffer[start + MAGIC_AT] = MAGIC
  putInt16(buffer, attributesOf(h), start + ATTRIBUTES_AT)
  putInt32(buffer, h.lastOffsetDelta, start + LAST_OFFSET_DELTA_AT)
  putInt64(buffer, h.baseTimestamp, start + BASE_TIMESTAMP_AT)
  putInt64(buffer, h.maxTimestamp, start + MAX_TIMESTAMP_AT)
  putInt64(buffer, h.producerId ?? NONE, start + PRODUCER_ID_AT)
  putInt16(buffer, h.producerEpoch ?? NONE, start + PRODUCER_EPOCH_AT)
  putInt32(buffer, h.baseSequence ?? NONE, start + BASE_SEQUENCE_AT)
  putInt32(buffer, h.recordsCount, start + RECORDS_COUNT_AT)
  sealCrc(buffer, start, end)
}

function attributesOf(header: BatchHeader): number {
  return (
    codecId(header.codec ?? 'none') |
    (header.timestampType === 'LogAppendTime' ? LOG_APPEND_TIME_BIT : 0) |
    (header.isTransactional ? TRANSACTIONAL_BIT : 0) |
    (header.isControl ? CONTROL_BIT : 0) |
    (header.hasDeleteHorizon ? DELETE_HORIZON_BIT : 0)
  )
}

function sealCrc(buffer: Buffer, start: number, end: number): void {
  putInt32(buffer, crc32c(buffer, start + CRC_START, end), start + CRC_AT)
}

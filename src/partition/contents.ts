/*
 * The contents of a compressed batch: its records, unpacked once, and the facts that the checks of
 * a batch need, found in one pass. The pass can run in steps, because 64 MiB may hold nine million
 * records. Pure.
 */

import { VARINT_MAX_BYTES } from '../base/bytes.js'
import type { Batch } from '../model/batch/batch.js'
import {
  DECOMPRESSED_BYTES_MAX,
  decompressWithin,
  type Bounds,
  type Codec,
} from '../model/batch/compression.js'
import { RecordCursor } from '../model/batch/record-cursor.js'
import { isPartlogError, PartlogError } from '../model/errors.js'
import type { Timestamp } from '../model/units.js'

/**
 * How many bytes of records are unpacked and checked within one turn of the event loop: about one
 * millisecond of work, 16 batches of a producer's default size.
 */
export const AT_ONCE_MAX_BYTES = 256 * 1024

/** How much may be unpacked within one step, and what is unpacked already. */
export interface Unpacking {
  /** Bytes of records that may still be unpacked; each batch uses up some. */
  bytesLeft: number
  /** The contents of the batch, if they are unpacked and checked already. */
  readonly contents?: Contents | undefined
}

/** For batches that this process has built itself. */
export function unlimited(): Unpacking {
  return { bytesLeft: Infinity }
}

/** The batch holds more than may be unpacked in this step. Nothing has changed. */
export class TooMuchAtOnce extends Error {
  override readonly name = 'TooMuchAtOnce'

  constructor() {
    super('the records of the batch must be unpacked in another thread')
  }
}

/** What the checks need of a record. */
export interface RecordFacts {
  /** The record's index in the batch, from 0. */
  readonly index: number
  readonly timestamp: Timestamp
  readonly hasKey: boolean
}

export class Contents {
  readonly records: Uint8Array
  readonly #batch: Batch
  readonly #cursor: RecordCursor
  readonly #recordBytesMax: number
  #index = 0
  #keyless: RecordFacts | undefined
  #oldest: RecordFacts | undefined

  /**
   * `recordBytesMax`: the largest record. Throws INVALID_RECORD if `records` cannot hold the
   * batch's record count.
   */
  constructor(batch: Batch, records: Uint8Array, recordBytesMax: number) {
    this.#batch = batch
    this.#recordBytesMax = recordBytesMax
    this.records = records
    this.#cursor = this.cursor()
  }

  /** The first record without a key. */
  get keyless(): RecordFacts | undefined {
    return this.#keyless
  }

  /** The record with the smallest timestamp, of those that have one. */
  get oldest(): RecordFacts | undefined {
    return this.#oldest
  }

  /** True if the records are too many to check within one turn. */
  get isLarge(): boolean {
    return this.records.length > AT_ONCE_MAX_BYTES
  }

  /** A new cursor at the first record. */
  cursor(): RecordCursor {
    return new RecordCursor(this.#batch, this.records)
  }

  /**
   * Checks that the batch holds as many records as it says, each whole and in its place. Checks up
   * to `count` records and headers (at most twice that); returns false when it has checked all.
   * Throws INVALID_RECORD.
   */
  check(count = Infinity): boolean {
    const cursor = this.#cursor
    for (let left = count; left > 0; left -= 1 + cursor.headerCount) {
      const hasRecord = cursor.step(left)
      if (hasRecord === undefined) return true
      if (!hasRecord) return false
      this.#note(cursor)
    }
    return true
  }

  #note(cursor: RecordCursor): void {
    const index = this.#index++
    checkPlace(cursor, this.#batch, index)
    const { timestamp, hasKey, bodyBytes } = cursor
    if (bodyBytes > this.#recordBytesMax) {
      const most = `max.decompressed.message.bytes is ${this.#recordBytesMax}`
      throw new PartlogError('INVALID_RECORD', `record ${index} has ${bodyBytes} bytes; ${most}`)
    }
    if (!hasKey) this.#keyless ??= { index, timestamp, hasKey }
    const isOlder = this.#oldest === undefined || timestamp < this.#oldest.timestamp
    if (timestamp >= 0 && isOlder) this.#oldest = { index, timestamp, hasKey }
  }
}

/** Throws INVALID_RECORD if the record's offset delta is not its index. */
export function checkPlace({ offset }: RecordCursor, { baseOffset }: Batch, index: number): void {
  const delta = offset - baseOffset
  if (delta === index) return
  const sentence = `record ${index} has offset delta ${delta} instead of ${index}`
  throw new PartlogError('INVALID_RECORD', sentence)
}

/**
 * Unpacks a batch, up to the size that consumers read, and checks its records. Throws
 * {@link TooMuchAtOnce}, INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE. When it throws, it is not
 * known how much was unpacked, so nothing is left for the batches that follow.
 */
export function unpackedNow(
  batch: Batch,
  unpacking: Unpacking,
  recordBytesMax: number,
): Contents {
  if (unpacking.contents !== undefined) return unpacking.contents
  const { bytesLeft } = unpacking
  unpacking.bytesLeft = 0
  const bounds = { now: bytesLeft, ever: recordsBytesMax(batch, recordBytesMax) }
  const contents = new Contents(batch, decompressedNow(batch, bounds), recordBytesMax)
  contents.check()
  unpacking.bytesLeft = bytesLeft - contents.records.length
  return contents
}

/** The most bytes that the records of a batch may have. */
export function recordsBytesMax({ recordsCount }: Batch, recordBytesMax: number): number {
  const each = recordBytesMax + VARINT_MAX_BYTES // its length comes before it
  return Math.min(DECOMPRESSED_BYTES_MAX, Math.max(recordsCount, 0) * each)
}

function decompressedNow({ codec, payload }: Batch, bounds: Bounds): Uint8Array {
  let records: Uint8Array | undefined
  try {
    records = decompressWithin(codec as Codec, payload, bounds)
  } catch (error) {
    throw asInvalid(error)
  }
  if (records === undefined) throw new TooMuchAtOnce()
  return records
}

/** A batch from a client that cannot be unpacked is the client's fault, not damage in a log. */
export function asInvalid(error: unknown): unknown {
  if (!isPartlogError(error, 'CORRUPT_MESSAGE')) return error
  return new PartlogError('INVALID_RECORD', error.sentence, { cause: error })
}

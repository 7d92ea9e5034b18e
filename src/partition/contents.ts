/**
 * What is in a compressed batch: its records, unpacked once, and all that the checks of a batch ask
 * about them, found out in one walk. The walk can be made in steps, because 64 MiB may hold nine
 * million records. Pure.
 */

import type { Batch } from '../model/batch.js'
import { decompressWithin, type Codec } from '../model/compression.js'
import { isPartlogError, PartlogError } from '../model/errors.js'
import { RecordCursor } from '../model/record-cursor.js'
import type { Timestamp } from '../model/units.js'

/**
 * So many bytes of records are unpacked and walked through within one turn of the event loop: a
 * millisecond's work, and 16 batches of a producer's default size.
 */
export const AT_ONCE_MAX_BYTES = 256 * 1024

/** What may be unpacked within one step, and what was unpacked before it. */
export interface Unpacking {
  /** So many bytes of records at most; less after each batch. */
  bytesLeft: number
  /** Of the batch in hand, looked through to its end. */
  readonly contents?: Contents | undefined
}

/** For those who bring a batch that they have built themselves. */
export function unlimited(): Unpacking {
  return { bytesLeft: Infinity }
}

/** The batch holds more than may be unpacked in this step. Nothing has changed. */
export class TooMuchAtOnce extends Error {
  override readonly name = 'TooMuchAtOnce'

  constructor() {
    super('the records of a batch are to be unpacked in another thread')
  }
}

/** What the checks ask about a record. */
export interface RecordFacts {
  /** Its place in the batch. */
  readonly index: number
  readonly timestamp: Timestamp
  readonly hasKey: boolean
}

export class Contents {
  readonly records: Uint8Array
  readonly #batch: Batch
  readonly #cursor: RecordCursor
  #index = 0
  #keyless: RecordFacts | undefined
  #oldest: RecordFacts | undefined

  /** Throws INVALID_RECORD: so many records cannot be in so many bytes. */
  constructor(batch: Batch, records: Uint8Array) {
    this.#batch = batch
    this.records = records
    this.#cursor = this.cursor()
  }

  /** The first record that has no key. */
  get keyless(): RecordFacts | undefined {
    return this.#keyless
  }

  /** Of the records that have a time the oldest one. */
  get oldest(): RecordFacts | undefined {
    return this.#oldest
  }

  /** Too many to be walked through within one turn. */
  get isLarge(): boolean {
    return this.records.length > AT_ONCE_MAX_BYTES
  }

  /** Reads the records once more. */
  cursor(): RecordCursor {
    return new RecordCursor(this.#batch, this.records)
  }

  /**
   * Are there as many records as the batch says, each whole and in its place? Looks at so many
   * records and headers of them, or twice that; false when all have been seen. Throws
   * INVALID_RECORD.
   */
  look(count = Infinity): boolean {
    const cursor = this.#cursor
    for (let left = count; left > 0; left -= 1 + cursor.headerCount) {
      const isThere = cursor.step(left)
      if (isThere === undefined) return true
      if (!isThere) return false
      this.#note(cursor)
    }
    return true
  }

  #note(cursor: RecordCursor): void {
    const index = this.#index++
    checkPlace(cursor, this.#batch, index)
    const { timestamp, hasKey } = cursor
    if (!hasKey) this.#keyless ??= { index, timestamp, hasKey }
    const isOlder = this.#oldest === undefined || timestamp < this.#oldest.timestamp
    if (timestamp >= 0 && isOlder) this.#oldest = { index, timestamp, hasKey }
  }
}

/** Throws INVALID_RECORD: the record has not the offset of its place. */
export function checkPlace({ offset }: RecordCursor, { baseOffset }: Batch, index: number): void {
  const delta = offset - baseOffset
  if (delta === index) return
  throw new PartlogError('INVALID_RECORD', `record ${index} has offset delta ${delta}`)
}

/**
 * Unpacks a batch, bounded by what it may grow to (more than that no consumer reads either), and
 * looks through it. Throws {@link TooMuchAtOnce}, INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE:
 * how much was done until then is not known, so nothing is left for the batches that follow.
 */
export function unpackedNow(batch: Batch, unpacking: Unpacking): Contents {
  if (unpacking.contents !== undefined) return unpacking.contents
  const { bytesLeft } = unpacking
  unpacking.bytesLeft = 0
  const contents = new Contents(batch, decompressedNow(batch, bytesLeft))
  contents.look()
  unpacking.bytesLeft = bytesLeft - contents.records.length
  return contents
}

function decompressedNow({ codec, payload }: Batch, bytesMax: number): Uint8Array {
  let records: Uint8Array | undefined
  try {
    records = decompressWithin(codec as Codec, payload, bytesMax)
  } catch (error) {
    throw asInvalid(error)
  }
  if (records === undefined) throw new TooMuchAtOnce()
  return records
}

/** What a client has sent and cannot be unpacked is its mistake, no damage here. */
export function asInvalid(error: unknown): unknown {
  if (!isPartlogError(error, 'CORRUPT_MESSAGE')) return error
  return new PartlogError('INVALID_RECORD', error.sentence, { cause: error })
}

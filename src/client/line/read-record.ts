/*
 * Records as they are given to the application: objects of one class, whose key and value are made
 * from the fetched bytes when they are first asked for.
 */

import {
  afterField,
  fieldText,
  fieldView,
  isNullField,
  type OpenBytes,
} from '../../model/batch/plain-fields.js'
import { NO_HEADERS, type Header, type TimestampType } from '../../model/batch/record.js'
import { asText, deserialize, type Deserializer } from './serdes.js'

/** So few bytes are copied out of a chunk: a record that is kept does not keep the chunk. */
const FEW_BYTES = 16 * 1024
/** Unless the chunk itself is hardly larger. */
const FEW_SHARE = 8
/** `console.log(record)` shows what this method returns. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom')
/** The key or value has not been asked for. */
const NOT_MADE = Symbol('not made')

export interface RecordPlace {
  readonly topic: string
  readonly partition: number
  readonly timestampType: TimestampType
  readonly leaderEpoch: number
}

/** Records that were taken of one batch at a time, and the bytes that they are made from. */
export class RecordSource implements OpenBytes {
  /** The first of these records among those that were taken. */
  readonly first: number
  readonly place: RecordPlace
  bytes: Buffer
  memory: ArrayBufferLike
  memoryAt: number
  /** Where in the batch `bytes` begin. */
  from = 0
  /** Where the fields of the first record begin; −1 before there is one. */
  #start = -1
  /** Where the last record ends, or where its fields begin if it is plain. */
  #last = -1
  #isLastPlain = false

  constructor(place: RecordPlace, bytes: Buffer, first: number) {
    this.place = place
    this.bytes = bytes
    this.memory = bytes.buffer
    this.memoryAt = bytes.byteOffset
    this.first = first
  }

  /** Plain records were taken: where the fields of the first and the last one begin. */
  notePlain(first: number, last: number): void {
    if (this.#start < 0) this.#start = first
    this.#last = last
    this.#isLastPlain = true
  }

  /** A record with these fields was taken the long way. */
  note(fields: { readonly start: number; readonly end: number }): void {
    if (this.#start < 0) this.#start = fields.start
    this.#last = fields.end
    this.#isLastPlain = false
  }

  /** Copies the bytes of few records. True if it did. */
  copyFew(): boolean {
    const { bytes } = this
    const start = this.#start
    if (start < 0 || this.#last - start > FEW_BYTES) return false
    const end = this.#isLastPlain ? afterField(bytes, afterField(bytes, this.#last)) : this.#last
    const size = end - start
    if (size > FEW_BYTES || size * FEW_SHARE > bytes.length) return false
    const copy = Buffer.from(bytes.subarray(start, end))
    this.bytes = copy
    this.memory = copy.buffer
    this.memoryAt = copy.byteOffset
    this.from = start
    return true
  }
}

type AnyDeserializer = Deserializer<unknown> | undefined

/** Implements ConsumerRecord. */
export class ReadRecord {
  declare readonly topic: string
  declare readonly partition: number
  declare readonly offset: number
  declare readonly timestamp: number
  declare readonly timestampType: TimestampType
  declare headers: readonly Header[]
  declare readonly leaderEpoch: number
  /** Undefined once key and value are made. */
  #source: RecordSource | undefined
  /** Where its fields begin, in the batch. */
  readonly #at: number
  #key: unknown = NOT_MADE
  #value: unknown = NOT_MADE

  constructor(source: RecordSource, offset: number, timestamp: number, at: number) {
    const { topic, partition, timestampType, leaderEpoch } = source.place
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.timestamp = timestamp
    this.timestampType = timestampType
    this.headers = NO_HEADERS
    this.leaderEpoch = leaderEpoch
    this.#source = source
    this.#at = at
  }

  // A copy that some library makes with this prototype has neither key nor value, but can be shown.
  // There are no private methods: each record would have to be marked as having them.

  get key(): unknown {
    if (!(#key in this)) return undefined
    if (this.#key === NOT_MADE) {
      const source = this.#source as RecordSource
      this.#key = fieldView(source, this.#at - source.from)
    }
    return this.#key
  }

  get value(): unknown {
    if (!(#value in this)) return undefined
    if (this.#value === NOT_MADE) {
      const source = this.#source as RecordSource
      this.#value = fieldView(source, afterField(source.bytes, this.#at - source.from))
    }
    return this.#value
  }

  /** Its fields were read the long way. */
  fill(key: Uint8Array | null, value: Uint8Array | null, headers: readonly Header[]): void {
    this.#key = key
    this.#value = value
    this.headers = headers
  }

  /** Deserializes now, so that a failure stops the reader at this record. */
  deserialize(keyAs: AnyDeserializer, valueAs: AnyDeserializer): void {
    const { bytes } = this.#source as RecordSource
    const at = this.#at
    const isPlain = this.#key === NOT_MADE
    if (isPlain && (keyAs === asText || isNullField(bytes, at))) this.#key = fieldText(bytes, at)
    else if (keyAs !== undefined) this.#key = deserialized(this, keyAs, 'key')
    if (isPlain && valueAs === asText) this.#value = fieldText(bytes, afterField(bytes, at))
    else if (valueAs !== undefined) this.#value = deserialized(this, valueAs, 'value')
    if (this.#key !== NOT_MADE && this.#value !== NOT_MADE) this.#source = undefined
  }

  /** What was made of the chunk already gets bytes of its own. */
  copyFields(): void {
    if (this.headers.length > 0) this.headers = this.headers.map(copiedHeader)
    if (this.#source === undefined) return
    this.#key = copied(this.#key)
    this.#value = copied(this.#value)
  }

  /** A plain object with all fields. */
  toJSON(): object {
    const { topic, partition, offset, timestamp, timestampType, key, value, headers } = this
    const { leaderEpoch } = this
    return { topic, partition, offset, timestamp, timestampType, key, value, headers, leaderEpoch }
  }

  [INSPECT](): object {
    return this.toJSON()
  }
}

function copiedHeader({ key, value }: Header): Header {
  return { key, value: copied(value) as Uint8Array | null }
}

function copied(made: unknown): unknown {
  return Buffer.isBuffer(made) ? Buffer.from(made) : made
}

function deserialized(
  record: ReadRecord,
  using: Deserializer<unknown>,
  part: 'key' | 'value',
): unknown {
  const { topic, partition, offset, headers, [part]: bytes } = record
  if (bytes === null) return null
  return deserialize(using, bytes as Uint8Array, { topic, partition, offset, headers }, part)
}

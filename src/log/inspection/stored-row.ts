/*
 * The records of a batch, all at once, as objects of one class: their keys and values are made when
 * they are asked for, as bytes, or as text with one character (of Latin-1) for each byte. Such text
 * costs nothing to cut out of its batch, and a program that writes records joins it and turns it
 * into bytes again, many records at a time.
 */

import type { Batch } from '../../model/batch/batch.js'
import { fieldView, plainBytes, plainVarint, afterField } from '../../model/batch/plain-fields.js'
import { PlainRecords, RecordCursor } from '../../model/batch/record-cursor.js'
import { NO_HEADERS, type Header, type TimestampType } from '../../model/batch/record.js'

/** A record as stored in a folder. */
export interface StoredTopicRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /**
   * Milliseconds since 1970; −1 if the record has none. For a time beyond 2^53 (in nanoseconds, for
   * example) this is only the nearest number, see `exactTimestamp`.
   */
  readonly timestamp: number
  /** The stored time if `timestamp` is not exact; otherwise undefined. */
  readonly exactTimestamp?: bigint
  readonly timestampType: TimestampType
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Header[]
  readonly leaderEpoch: number
  /** True for a control record; these are only read with `includeControl`. */
  readonly isControl: boolean
}

/** What the records of a batch have in common. */
export interface RowFacts {
  readonly topic: string
  readonly partition: number
  readonly timestampType: TimestampType
  readonly leaderEpoch: number
  readonly isControl: boolean
}

/** The bytes of a batch's records. */
class RowSource {
  readonly memory: ArrayBufferLike
  readonly memoryAt: number
  #text: string | undefined

  constructor(
    readonly facts: RowFacts,
    readonly bytes: Buffer,
    /** Where in the bytes the records begin, and end. */
    readonly start: number,
    readonly end: number,
  ) {
    this.memory = bytes.buffer
    this.memoryAt = bytes.byteOffset
  }

  /** The bytes from `start` on, a character for each. */
  get text(): string {
    return (this.#text ??= this.bytes.toString('latin1', this.start, this.end))
  }
}

/** A record of a batch; implements StoredTopicRecord. */
export class StoredRow implements StoredTopicRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly timestampType: TimestampType
  readonly headers: readonly Header[]
  readonly leaderEpoch: number
  readonly isControl: boolean
  readonly #source: RowSource
  /** Where its key begins, with its length. */
  readonly #at: number

  constructor(source: RowSource, offset: number, timestamp: number, at: number) {
    const { topic, partition, timestampType, leaderEpoch, isControl } = source.facts
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.timestamp = timestamp
    this.timestampType = timestampType
    this.headers = NO_HEADERS
    this.leaderEpoch = leaderEpoch
    this.isControl = isControl
    this.#source = source
    this.#at = at
  }

  get key(): Uint8Array | null {
    return fieldView(this.#source, this.#at)
  }

  get value(): Uint8Array | null {
    return fieldView(this.#source, afterField(this.#source.bytes, this.#at))
  }

  /** The key as text with a character for each byte. */
  get keyText(): string | null {
    return textAt(this.#source, this.#at)
  }

  /** The same of the value. */
  get valueText(): string | null {
    return textAt(this.#source, afterField(this.#source.bytes, this.#at))
  }

  /** A plain object with all fields. */
  toJSON(): StoredTopicRecord {
    const { topic, partition, offset, timestamp, timestampType, key, value, headers } = this
    const { leaderEpoch, isControl } = this
    const fields = { topic, partition, offset, timestamp, timestampType, key, value, headers }
    return { ...fields, leaderEpoch, isControl }
  }
}

function textAt(source: RowSource, at: number): string | null {
  const raw = plainVarint(source.bytes, at)
  if (raw === 1) return null // −1 in zigzag
  const from = at + plainBytes(raw) - source.start
  return source.text.substring(from, from + (raw >>> 1))
}

/** Filled and emptied within one call. */
const plain = new PlainRecords()

/**
 * The records of a batch, if the short way finds every one of them; undefined if one has headers,
 * or is not as it should be.
 */
export function plainRows(batch: Batch, facts: RowFacts): StoredRow[] | undefined {
  const cursor = new RecordCursor(batch)
  const { bytes, baseOffset, plainTimestamp } = cursor
  const isWhole = bytes === batch.buffer
  const start = isWhole ? batch.start : 0
  const source = new RowSource(facts, bytes, start, isWhole ? batch.end : bytes.length)
  const { recordsCount } = batch
  const rows: StoredRow[] = []
  while (rows.length < recordsCount) {
    const count = cursor.findPlain(PlainRecords.MOST, baseOffset, plain)
    const { offsetDeltas, timeDeltas, fieldsAt } = plain
    for (let index = 0; index < count; index++) {
      const offset = baseOffset + (offsetDeltas[index] as number)
      const timestamp = plainTimestamp + (timeDeltas[index] as number)
      rows.push(new StoredRow(source, offset, timestamp, fieldsAt[index] as number))
    }
    cursor.passPlain()
    // One that was passed over has an offset below the one before it: the long way shows it.
    if (count === 0 || rows.length + cursor.remaining !== recordsCount) return undefined
  }
  return cursor.next() ? undefined : rows
}

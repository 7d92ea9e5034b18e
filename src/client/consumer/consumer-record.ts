/* Records as applications get them, and their decoding from fetched bytes. */

import { asBuffer } from '../../base/bytes.js'
import { Batch, batchesOf, frameAt, whyInvalid } from '../../model/batch/batch.js'
import { giveBack } from '../../model/batch/read-buffers.js'
import { RecordCursor, type PlainRecordSink } from '../../model/batch/record-cursor.js'
import type { Header, TimestampType } from '../../model/batch/record.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import type { EpochTrail } from '../line/epoch-trail.js'
import { ReadRecord, RecordSource } from '../line/read-record.js'
import { asText, type Deserializer } from '../line/serdes.js'

/**
 * A record read from a topic.
 *
 * Its key and value are made when they are asked for. `{ ...record }` copies what it owns: all
 * fields but these two (which TypeScript knows); `JSON.stringify(record)` and `console.log(record)`
 * show all. A record may also be written as a literal, in tests of handlers.
 */
export declare abstract class ConsumerRecord<K = Uint8Array, V = Uint8Array> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970; −1 when the record has none. */
  readonly timestamp: number
  readonly timestampType: TimestampType
  /** null when the record has no key. */
  get key(): K | null
  /** null for a tombstone. */
  get value(): V | null
  /** In order; keys may repeat. */
  readonly headers: readonly Header[]
  /** Epoch of the leader that appended it; −1 when unknown. */
  readonly leaderEpoch: number
}

export interface Deserializers {
  readonly key: Deserializer<unknown> | undefined
  readonly value: Deserializer<unknown> | undefined
}

export interface ChunkOptions {
  readonly topic: string
  readonly partition: number
  /** Records below are skipped: the first batch may begin before the fetch offset. */
  readonly from: number
  readonly checkCrcs: boolean
  readonly deserializers: Deserializers
  /** Notes the leader epochs of the batches. */
  readonly epochs?: EpochTrail
}

/** The bytes of one fetch of one partition, decoded into records on demand. */
export class RecordChunk implements PlainRecordSink {
  readonly #bytes: Buffer
  readonly #options: ChunkOptions
  #at = 0
  #batch: Batch | undefined
  #cursor: RecordCursor | undefined
  /** The cursor is at a record that was not taken, because it could not be deserialized. */
  #hasRecord = false
  /** What `take` returns. */
  #taken: ReadRecord[] = []
  #source: RecordSource | undefined
  /** Records that were taken may be views of the bytes. */
  #isReferred = false
  #nextOffset: number
  /** The offset after its last whole batch: where the next fetch continues. */
  readonly endOffset: number

  constructor(bytes: Uint8Array, options: ChunkOptions) {
    this.#bytes = asBuffer(bytes)
    this.#options = options
    this.#nextOffset = options.from
    let end = options.from
    for (const batch of batchesOf(this.#bytes)) {
      end = batch.nextOffset
      if (end > options.from) {
        options.epochs?.note(batch.leaderEpoch, Math.max(batch.baseOffset, options.from))
      }
    }
    this.endOffset = Math.max(end, options.from)
  }

  get size(): number {
    return this.#bytes.length
  }

  /** The offset after everything taken so far, including control records and gaps. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /**
   * Up to `max` records; fewer at the end. Throws when the next record is invalid; the records
   * before it are returned first.
   */
  take(max: number): ConsumerRecord<unknown, unknown>[] {
    const records: ReadRecord[] = []
    this.#taken = records
    try {
      while (records.length < max && (this.#cursor !== undefined || this.#toNextBatch())) {
        this.#takeOfBatch(this.#cursor as RecordCursor, max)
      }
    } catch (error) {
      if (records.length === 0) throw error
    }
    this.#releaseSource()
    return records
  }

  /** Takes records of the current batch: plain ones in one loop, others one by one. */
  #takeOfBatch(cursor: RecordCursor, max: number): void {
    const records = this.#taken
    this.#source ??= this.#sourceOf(cursor)
    while (records.length < max) {
      if (!this.#hasRecord) {
        cursor.takePlain(max - records.length, this.#nextOffset, this)
        if (records.length === max) return
        if (!cursor.next()) return this.#endBatch()
        this.#hasRecord = cursor.offset >= this.#nextOffset
      }
      if (this.#hasRecord) this.#takeOne(cursor)
    }
  }

  #endBatch(): void {
    this.#releaseSource()
    this.#cursor = undefined
    this.#nextOffset = Math.max(this.#nextOffset, (this.#batch as Batch).nextOffset)
  }

  /** @internal Called for each record that `takePlain` of a cursor finds. */
  takePlain(offset: number, timestamp: number, fieldsAt: number): void {
    const source = this.#source as RecordSource
    source.notePlain(fieldsAt)
    this.#give(new ReadRecord(source, offset, timestamp, fieldsAt))
  }

  #takeOne(cursor: RecordCursor): void {
    const { offset, timestamp, key, value, headers, fieldsRange } = cursor
    const source = this.#source as RecordSource
    const record = new ReadRecord(source, offset, timestamp, fieldsRange.start)
    record.fill(key, value, headers)
    source.note(fieldsRange)
    this.#give(record)
    this.#hasRecord = false
  }

  #give(record: ReadRecord): void {
    const { key, value } = this.#options.deserializers
    if (key !== undefined || value !== undefined) record.deserialize(key, value)
    this.#taken.push(record)
    this.#nextOffset = record.offset + 1
  }

  #sourceOf({ bytes, timestampType }: RecordCursor): RecordSource {
    const { topic, partition } = this.#options
    const { leaderEpoch } = this.#batch as Batch
    const place = { topic, partition, timestampType, leaderEpoch }
    return new RecordSource(place, bytes, this.#taken.length)
  }

  /** Nothing more is taken of it. Its memory is given back unless something may refer to it. */
  close(): void {
    if (!this.#isReferred && !this.#hasOwnDeserializer) giveBack(this.#bytes)
  }

  /** A deserializer of the application may keep the bytes that it gets. */
  get #hasOwnDeserializer(): boolean {
    const { key, value } = this.#options.deserializers
    const isOwn = (each: Deserializer<unknown> | undefined): boolean =>
      each !== undefined && each !== asText
    return isOwn(key) || isOwn(value)
  }

  /** Nothing more is taken of a batch for now: few records get bytes of their own. */
  #releaseSource(): void {
    const source = this.#source
    this.#source = undefined
    if (source === undefined || source.first === this.#taken.length) return
    if (!source.copyFew()) {
      this.#isReferred = true
      return
    }
    for (let at = source.first; at < this.#taken.length; at++) this.#taken[at]?.copyFields()
  }

  #toNextBatch(): boolean {
    for (;;) {
      const size = frameAt(this.#bytes, this.#at, this.#bytes.length)
      if (size <= 0 || this.#at + size > this.#bytes.length) return false // cut: fetched again
      const batch = new Batch(this.#bytes, this.#at)
      if (this.#options.checkCrcs) this.#check(batch)
      if (batch.isControl || batch.nextOffset <= this.#nextOffset) {
        this.#at += size
        this.#nextOffset = Math.max(this.#nextOffset, batch.nextOffset)
        continue
      }
      this.#cursor = this.#opened(batch)
      this.#at += size // only now: the next poll must not skip an unreadable batch
      this.#batch = batch
      return true
    }
  }

  #opened(batch: Batch): RecordCursor {
    try {
      const cursor = new RecordCursor(batch)
      cursor.skipTo(this.#nextOffset)
      return cursor
    } catch (cause) {
      const { code, sentence } = toPartlogError(cause)
      const { topic, partition } = this.#options
      const where = `${topic}-${partition}: the batch at offset ${batch.baseOffset}`
      throw new PartlogError(code, `${where} cannot be read: ${sentence}`, { cause })
    }
  }

  #check(batch: Batch): void {
    const reason = whyInvalid(batch)
    if (reason === undefined) return
    const { topic, partition } = this.#options
    throw new PartlogError(
      'CORRUPT_MESSAGE',
      `${topic}-${partition}: the batch at offset ${batch.baseOffset} is damaged: ${reason}`,
    )
  }
}

/* Records as applications get them, and their decoding from fetched bytes. */

import { asBuffer } from '../../base/bytes.js'
import { Batch, batchesOf, frameAt, whyInvalid } from '../../model/batch/batch.js'
import { beginsOld, upgraded } from '../../model/batch/old-messages.js'
import { giveBack } from '../../model/batch/read-buffers.js'
import { PlainRecords, RecordCursor } from '../../model/batch/record-cursor.js'
import type { Header, TimestampType } from '../../model/batch/record.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import type { AbortedFilter } from '../line/aborted-filter.js'
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
  /** Which batches belong to aborted transactions. Default: none is left out. */
  readonly aborted?: AbortedFilter | undefined
}

/** Filled and emptied within one call. */
const plain = new PlainRecords()

/** The bytes of one fetch of one partition, decoded into records on demand. */
export class RecordChunk {
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
  /** Why the next record cannot be read: the cursor has gone into it and cannot go on. */
  #failure: PartlogError | undefined
  /** Why what comes after the last batch cannot be read. */
  readonly #rest: PartlogError | undefined
  #nextOffset: number
  /** The offset after its last whole batch: where the next fetch continues. */
  readonly endOffset: number

  constructor(bytes: Uint8Array, options: ChunkOptions) {
    const { bytes: readable, failure } = beginsOld(bytes)
      ? upgraded(asBuffer(bytes))
      : { bytes: asBuffer(bytes) }
    this.#bytes = readable
    this.#rest = failure
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
   * Up to `max` records; fewer at the end. Throws when the next record is invalid, again each time:
   * what follows it is not read. The records before it are returned first.
   */
  take(max: number): ConsumerRecord<unknown, unknown>[] {
    if (this.#failure !== undefined) throw this.#failure
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
        this.#takePlain(cursor, max - records.length)
        if (records.length === max) return
        if (!this.#step(cursor)) return this.#endBatch()
        this.#hasRecord = cursor.offset >= this.#nextOffset
      }
      if (this.#hasRecord) this.#takeOne(cursor)
    }
  }

  #step(cursor: RecordCursor): boolean {
    try {
      return cursor.next()
    } catch (error) {
      this.#failure = this.#unreadable(this.#batch as Batch, error)
      throw this.#failure
    }
  }

  #endBatch(): void {
    this.#releaseSource()
    this.#cursor = undefined
    this.#nextOffset = Math.max(this.#nextOffset, (this.#batch as Batch).nextOffset)
  }

  /** If one cannot be deserialized, it and those after it are found again. */
  #takePlain(cursor: RecordCursor, most: number): void {
    const source = this.#source as RecordSource
    for (let left = most; left > 0;) {
      const first = this.#taken.length
      const count = cursor.findPlain(left, this.#nextOffset, plain)
      if (count > 0) {
        source.notePlain(plain.fieldsAt[0] as number, plain.fieldsAt[count - 1] as number)
        makeRecords(source, cursor, count, this.#taken)
        this.#deserialize(first)
        this.#nextOffset = (this.#taken.at(-1) as ReadRecord).offset + 1
      }
      cursor.passPlain()
      if (count < PlainRecords.MOST) return
      left -= count
    }
  }

  /** Deserializes what was taken; one that fails is not taken, nor are those after it. */
  #deserialize(first: number): void {
    const { key, value } = this.#options.deserializers
    if (key === undefined && value === undefined) return
    const records = this.#taken
    for (let at = first; at < records.length; at++) {
      const record = records[at] as ReadRecord
      try {
        record.deserialize(key, value)
      } catch (error) {
        records.length = at
        if (at > first) this.#nextOffset = (records[at - 1] as ReadRecord).offset + 1
        throw error
      }
    }
  }

  #takeOne(cursor: RecordCursor): void {
    const { offset, timestamp, key, value, headers, fieldsRange } = cursor
    const source = this.#source as RecordSource
    const record = new ReadRecord(source, offset, timestamp, fieldsRange.start)
    record.fill(key, value, headers)
    source.note(fieldsRange)
    this.#taken.push(record)
    this.#deserialize(this.#taken.length - 1)
    this.#nextOffset = offset + 1
    this.#hasRecord = false
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
      if (size <= 0 || this.#at + size > this.#bytes.length) {
        if (this.#rest !== undefined) throw this.#named(this.#rest)
        return false // cut: fetched again
      }
      const batch = new Batch(this.#bytes, this.#at)
      if (this.#options.checkCrcs) this.#check(batch)
      const isLeftOut = this.#options.aborted?.leavesOut(batch) === true
      if (isLeftOut || batch.isControl || batch.nextOffset <= this.#nextOffset) {
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
    } catch (error) {
      throw this.#unreadable(batch, error)
    }
  }

  #unreadable({ baseOffset }: Batch, cause: unknown): PartlogError {
    const { code, sentence } = toPartlogError(cause)
    const { topic, partition } = this.#options
    const where = `${topic}-${partition}: the batch at offset ${baseOffset}`
    return new PartlogError(code, `${where} cannot be read: ${sentence}`, { cause })
  }

  #named(cause: PartlogError): PartlogError {
    const { topic, partition } = this.#options
    return new PartlogError(cause.code, `${topic}-${partition}: ${cause.sentence}`, { cause })
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

/** Makes the plain records that were found. A loop of its own: the engine sees all of it. */
function makeRecords(
  source: RecordSource,
  cursor: RecordCursor,
  count: number,
  records: ReadRecord[],
): void {
  const { offsetDeltas, timeDeltas, fieldsAt } = plain
  const { baseOffset, plainTimestamp } = cursor
  for (let n = 0; n < count; n++) {
    const offset = baseOffset + (offsetDeltas[n] as number)
    const timestamp = plainTimestamp + (timeDeltas[n] as number)
    records.push(new ReadRecord(source, offset, timestamp, fieldsAt[n] as number))
  }
}

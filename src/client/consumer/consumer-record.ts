/** Records as applications see them, and how fetched bytes become them. */

import { asBuffer } from '../../base/bytes.js'
import { Batch, batchesOf, frameAt, whyInvalid } from '../../model/batch/batch.js'
import { RecordCursor } from '../../model/batch/record-cursor.js'
import type { Header, TimestampType } from '../../model/batch/record.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import type { EpochTrail } from '../line/epoch-trail.js'
import { asText, deserialize, type Deserializer } from '../line/serdes.js'

/** A record read from a topic. */
export interface ConsumerRecord<K = Uint8Array, V = Uint8Array> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970; −1 when the record has none. */
  readonly timestamp: number
  readonly timestampType: TimestampType
  /** null when the record has no key. */
  readonly key: K | null
  /** null for a tombstone. */
  readonly value: V | null
  /** In order; keys may repeat. */
  readonly headers: readonly Header[]
  /** Which leadership of the partition wrote it; −1 when unknown. */
  readonly leaderEpoch: number
}

export interface Deserializers {
  readonly key: Deserializer<unknown> | undefined
  readonly value: Deserializer<unknown> | undefined
}

export interface ChunkOptions {
  readonly topic: string
  readonly partition: number
  /** Records below are skipped: the first batch may begin before what was asked for. */
  readonly from: number
  readonly checkCrcs: boolean
  readonly deserializers: Deserializers
  /** Told which leaderships have written what is here. */
  readonly epochs?: EpochTrail
}

/** The bytes of one fetch of one partition, turned into records bit by bit. */
export class RecordChunk {
  readonly #bytes: Buffer
  readonly #options: ChunkOptions
  #at = 0
  #batch: Batch | undefined
  #cursor: RecordCursor | undefined
  #leaderEpoch = -1
  #hasRecord = false
  #nextOffset: number
  /** The offset behind its last whole batch: where the next fetch goes on. */
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

  /** The offset behind everything taken so far, control records and gaps included. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /**
   * Up to `max` records; fewer at the end. Throws what is wrong with the next record; the ones
   * before it are handed out first.
   */
  take(max: number): ConsumerRecord<unknown, unknown>[] {
    const records: ConsumerRecord<unknown, unknown>[] = []
    try {
      while (records.length < max && this.#toNextRecord()) {
        const record = this.#record()
        records.push(record)
        this.#hasRecord = false
        this.#nextOffset = record.offset + 1
      }
    } catch (error) {
      if (records.length === 0) throw error
    }
    return records
  }

  /** Stands on the next record to hand out; false at the end. Standing already is fine. */
  #toNextRecord(): boolean {
    if (this.#hasRecord) return true
    for (;;) {
      if (this.#cursor === undefined && !this.#toNextBatch()) return false
      const cursor = this.#cursor as RecordCursor
      while (cursor.next()) {
        if (cursor.offset < this.#nextOffset) continue
        this.#hasRecord = true
        return true
      }
      this.#cursor = undefined
      this.#nextOffset = Math.max(this.#nextOffset, (this.#batch as Batch).nextOffset)
    }
  }

  #toNextBatch(): boolean {
    for (;;) {
      const size = frameAt(this.#bytes, this.#at, this.#bytes.length)
      if (size <= 0 || this.#at + size > this.#bytes.length) return false // a cut batch comes again
      const batch = new Batch(this.#bytes, this.#at)
      if (this.#options.checkCrcs) this.#check(batch)
      if (batch.isControl || batch.nextOffset <= this.#nextOffset) {
        this.#at += size
        this.#nextOffset = Math.max(this.#nextOffset, batch.nextOffset)
        continue
      }
      this.#cursor = this.#opened(batch)
      this.#at += size // one that cannot be read stays, or the next poll would begin behind it
      this.#batch = batch
      this.#leaderEpoch = batch.leaderEpoch
      return true
    }
  }

  #opened(batch: Batch): RecordCursor {
    try {
      return new RecordCursor(batch)
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

  #record(): ConsumerRecord<unknown, unknown> {
    const { topic, partition, deserializers } = this.#options
    const cursor = this.#cursor as RecordCursor
    const { offset, timestamp, timestampType, headers } = cursor
    const { key: keyAs, value: valueAs } = deserializers
    const key = keyAs === asText ? cursor.keyText : this.#deserialized(keyAs, cursor.key, 'key')
    const value =
      valueAs === asText ? cursor.valueText : this.#deserialized(valueAs, cursor.value, 'value')
    const leaderEpoch = this.#leaderEpoch
    return { topic, partition, offset, timestamp, timestampType, key, value, headers, leaderEpoch }
  }

  #deserialized(
    deserializer: Deserializer<unknown> | undefined,
    bytes: Uint8Array | null,
    part: 'key' | 'value',
  ): unknown {
    if (deserializer === undefined || bytes === null) return bytes
    const { topic, partition } = this.#options
    const { offset, headers } = this.#cursor as RecordCursor
    return deserialize(deserializer, bytes, { topic, partition, offset, headers }, part)
  }
}

/* Records as applications get them, and their decoding from fetched bytes. */

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
export class RecordChunk {
  readonly #bytes: Buffer
  readonly #options: ChunkOptions
  #at = 0
  #batch: Batch | undefined
  #cursor: RecordCursor | undefined
  #leaderEpoch = -1
  #hasRecord = false
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

  /** Moves to the next record to return, unless it is there already; false at the end. */
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

/**
 * Records into batches, one row of batches per partition. Pure: it holds no timers and sends
 * nothing; the producer asks what is ready and says what became of it.
 *
 *   open      the last batch of a row: records are added
 *   in flight the first batch of a row, once sent; at most one per row, so order is kept even when
 *             a send has to be repeated
 *
 * Invariant: `bytes` is the sum of the sizes of all batches that have not been settled.
 */

import { assert } from '../base/assert.js'
import { BatchBuilder, type BatchOptions } from '../model/batch-builder.js'
import { Batch, BATCH_HEADER_BYTES } from '../model/batch.js'
import type { BytesIn, HeaderIn } from '../model/record.js'
import { RecordCursor } from '../model/record-cursor.js'
import type { BufferPool } from './buffer-pool.js'

/** The result of one record, filled in when its batch is acknowledged. */
export interface Receipt {
  readonly topic: string
  readonly partition: number
  offset: number
  timestamp: number
}

/** Whoever waits for batches: told about each one it has records in. */
export interface BatchOwner {
  /** One more batch holds records of this owner. */
  batchAdded(): void
  batchDone(error: Error | undefined): void
}

export interface NewRecord {
  timestamp: number
  key: BytesIn
  value: BytesIn
  headers: readonly HeaderIn[]
}

/** Records of one owner that stand together in a batch, up to the next run. */
interface Run {
  readonly owner: BatchOwner
  /** Index of its first record in the batch. */
  readonly from: number
}

/** Records of one partition that are sent together. */
export class PendingBatch {
  readonly receipts: Receipt[] = []
  readonly runs: Run[] = []
  attempts = 0
  /** Not to be sent before this time: it has failed and waits. */
  notBeforeMs = 0
  /** An attempt ended without an answer: the records may be in the log. */
  outcomeUnknown = false
  lastError: Error | undefined
  isSettled = false
  #sealed: Buffer | undefined
  #lastOwner: BatchOwner | undefined

  constructor(
    readonly row: Row,
    readonly builder: BatchBuilder,
    readonly createdAtMs: number,
  ) {}

  get topic(): string {
    return this.row.topic
  }
  get partition(): number {
    return this.row.partition
  }
  get isSealed(): boolean {
    return this.#sealed !== undefined
  }

  /** Takes note of a record that was added, and whose it is. */
  note(receipt: Receipt, owner: BatchOwner): void {
    if (owner !== this.#lastOwner) {
      this.#lastOwner = owner
      this.runs.push({ owner, from: this.receipts.length })
      owner.batchAdded()
    }
    this.receipts.push(receipt)
  }

  /** The bytes to send; from the first call on the batch takes no more records. */
  seal(options: BatchOptions): Buffer {
    this.#sealed ??= this.builder.build(options)
    return this.#sealed
  }
}

/** The batches of one partition, the oldest first. */
export class Row {
  readonly batches: PendingBatch[] = []
  isInFlight = false

  /** The batch that records are added to, if there is one. */
  get openBatch(): PendingBatch | undefined {
    const last = this.batches[this.batches.length - 1]
    return last === undefined || last.isSealed ? undefined : last
  }

  /** How large the last batch became: the next one begins with a buffer for as much. */
  sizeHint = 0

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}
}

export interface AccumulatorOptions {
  readonly batchSize: number
  readonly pool: BufferPool
}

export class Accumulator {
  /** By topic, then by partition number. */
  readonly #rows = new Map<string, Row[]>()
  readonly #active = new Set<Row>()
  readonly #options: AccumulatorOptions
  #bytes = 0

  constructor(options: AccumulatorOptions) {
    this.#options = options
  }

  /** Bytes of all batches that are not settled. */
  get bytes(): number {
    return this.#bytes
  }
  /** Rows that hold batches. */
  get active(): ReadonlySet<Row> {
    return this.#active
  }

  /** The rows of a topic's partitions. */
  rowsOf(topic: string, partitionCount: number): readonly Row[] {
    let rows = this.#rows.get(topic)
    if (rows === undefined) this.#rows.set(topic, (rows = []))
    while (rows.length < partitionCount) rows.push(new Row(topic, rows.length))
    return rows
  }

  /** Adds a record to the open batch of a row, or to a new one when it does not fit. */
  append(row: Row, record: NewRecord, owner: BatchOwner, nowMs: number): Receipt {
    const { timestamp, key, value, headers } = record
    let batch = row.openBatch
    let sizeBefore = batch === undefined ? 0 : batch.builder.size
    if (batch === undefined || !batch.builder.tryAppend(timestamp, key, value, headers)) {
      sizeBefore = 0
      batch = this.#newBatch(row, nowMs)
      const fits = batch.builder.tryAppend(timestamp, key, value, headers)
      assert(fits, 'a batch takes its first record')
    }
    this.#bytes += batch.builder.size - sizeBefore
    const receipt = { topic: row.topic, partition: row.partition, offset: -1, timestamp }
    batch.note(receipt, owner)
    return receipt
  }

  /**
   * Replaces a batch, which must be sealed, by two with half of its records each: it was too large
   * for the broker. Order and owners stay.
   */
  split(batch: PendingBatch): void {
    const { row, receipts } = batch
    const half = Math.ceil(receipts.length / 2)
    const cursor = new RecordCursor(new Batch(batch.seal({}), 0))
    const halves = [0, half].map(from => {
      const part = this.#emptyBatch(row, batch.createdAtMs)
      part.outcomeUnknown = batch.outcomeUnknown
      const to = from === 0 ? half : receipts.length
      for (let index = from; index < to; index++) {
        cursor.next()
        const headers = cursor.headers.map(({ key, value }) => [key, value] as const)
        const fits = part.builder.tryAppend(cursor.timestamp, cursor.key, cursor.value, headers)
        assert(fits, 'half of a batch fits into one')
        part.note(receipts[index] as Receipt, ownerAt(batch, index))
      }
      this.#bytes += part.builder.size
      return part
    })
    row.batches.splice(row.batches.indexOf(batch), 0, ...halves)
    this.settle(batch, undefined, true)
  }

  /** The batch of a row that may be sent now, if there is one. */
  ready(row: Row, nowMs: number, lingerMs: number): PendingBatch | undefined {
    const first = row.batches[0]
    if (first === undefined || row.isInFlight || first.notBeforeMs > nowMs) return undefined
    const isFull = row.batches.length > 1 || first.isSealed
    return isFull || nowMs - first.createdAtMs >= lingerMs ? first : undefined
  }

  /** Takes a batch out and tells its owners. Its buffer returns to the pool if `isBufferFree`. */
  settle(batch: PendingBatch, error: Error | undefined, isBufferFree: boolean): void {
    if (batch.isSettled) return
    batch.isSettled = true
    const { row, builder } = batch
    if (row.batches[0] === batch) row.batches.shift()
    else row.batches.splice(row.batches.indexOf(batch), 1)
    if (row.batches.length === 0) this.#active.delete(row)
    row.sizeHint = builder.size
    this.#bytes -= builder.size
    if (isBufferFree) this.#options.pool.release(builder.buffer)
    for (const { owner } of batch.runs) owner.batchDone(error)
  }

  /** Forgets topics that have nothing to send, should there be very many. */
  prune(topicsMax: number): void {
    if (this.#rows.size <= topicsMax) return
    for (const [topic, rows] of this.#rows) {
      if (rows.every(row => row.batches.length === 0 && !row.isInFlight)) this.#rows.delete(topic)
    }
  }

  #newBatch(row: Row, nowMs: number): PendingBatch {
    const batch = this.#emptyBatch(row, nowMs)
    row.batches.push(batch)
    this.#active.add(row)
    return batch
  }

  #emptyBatch(row: Row, nowMs: number): PendingBatch {
    const { pool, batchSize } = this.#options
    const hint = Math.min(row.sizeHint, batchSize)
    const buffer = pool.take(Math.max(hint, BATCH_HEADER_BYTES))
    const builder = new BatchBuilder(buffer, batchSize, (old, bytes) => {
      const larger = pool.take(bytes)
      pool.release(old) // the builder copies it right now, before anybody can take it
      return larger
    })
    return new PendingBatch(row, builder, nowMs)
  }
}

function ownerAt(batch: PendingBatch, index: number): BatchOwner {
  return (batch.runs.findLast(run => run.from <= index) as Run).owner
}

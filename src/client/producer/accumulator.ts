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

import { assert } from '../../base/assert.js'
import { BatchBuilder, type BatchOptions } from '../../model/batch-builder.js'
import { Batch, BATCH_HEADER_BYTES } from '../../model/batch.js'
import { RecordCursor } from '../../model/record-cursor.js'
import type { BytesIn, HeaderIn } from '../../model/record.js'
import type { BufferPool } from './buffer-pool.js'

/** The result of one record, filled in when its batch is acknowledged. */
export interface Receipt {
  readonly topic: string
  readonly partition: number
  offset: number
  timestamp: number
}

/** Whoever waits for batches: told about each one it has records in. Its topic is one. */
export interface BatchOwner {
  /** Settles when it waits for nothing any more. */
  readonly promise: Promise<unknown>
  /** Of its records so far, in their order. */
  readonly receipts: Receipt[]
  /** One more batch holds records of this owner. */
  batchAdded(): void
  /** `isWritten`: the log has it. */
  batchDone(error: Error | undefined, isWritten: boolean): void
}

export interface NewRecord {
  timestamp: number
  key: BytesIn
  value: BytesIn
  headers: readonly HeaderIn[]
}

/**
 * Records of one owner that stand together in a batch: those in `[from, to)` of the owner's that go
 * to the batch's partition. So a record costs the batch no reference of its own.
 */
interface Run {
  readonly owner: BatchOwner
  readonly from: number
  to: number
}

/** Records of one partition that are sent together. */
export class PendingBatch {
  readonly runs: Run[] = []
  attempts = 0
  /** When it was first to be sent; undefined before. */
  triedSinceMs: number | undefined
  /** Not to be sent before this time: it has failed and waits. */
  notBeforeMs = 0
  /** An attempt ended without an answer: the records may be in the log. */
  outcomeUnknown = false
  lastError: Error | undefined
  isSettled = false
  #sealed: Buffer | undefined
  #lastRun: Run | undefined

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

  get count(): number {
    return this.builder.count
  }

  /** Takes note of a record that was added: the owner's so many-th. */
  note(owner: BatchOwner, index: number): void {
    const run = this.#lastRun
    if (run !== undefined && run.owner === owner) {
      run.to = index + 1
    } else {
      this.#lastRun = { owner, from: index, to: index + 1 }
      this.runs.push(this.#lastRun)
      owner.batchAdded()
    }
  }

  /** Visits its records in their order. */
  forEach(visit: (receipt: Receipt, owner: BatchOwner, index: number) => void): void {
    for (const { owner, from, to } of this.runs) {
      for (let index = from; index < to; index++) {
        const receipt = owner.receipts[index] as Receipt
        if (receipt.partition === this.partition) visit(receipt, owner, index)
      }
    }
  }

  /** The bytes to send; from the first call on the batch takes no more records. */
  seal(options: BatchOptions): Buffer {
    this.#sealed ??= this.builder.build(options)
    return this.#sealed
  }

  /** It was refused, and goes out again as something else. */
  unseal(): void {
    this.#sealed = undefined
  }
}

/** The batches of one partition, the oldest first. */
export class Row {
  readonly batches: PendingBatch[] = []
  isInFlight = false
  /** Under which id and epoch its records are counted, see ProducerIdentity. */
  producerId = -1
  producerEpoch = -1
  nextSequence = 0

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
  /** Are all batches settled? */
  get isEmpty(): boolean {
    return this.#bytes === 0
  }
  /** Rows that hold batches, or did until lately: see `rest`. */
  get active(): ReadonlySet<Row> {
    return this.#active
  }

  /** Nothing has come into an active row since its last batch was settled. */
  rest(row: Row): void {
    this.#active.delete(row)
  }

  /** The rows of a topic's partitions. */
  rowsOf(topic: string, partitionCount: number): readonly Row[] {
    let rows = this.#rows.get(topic)
    if (rows === undefined) this.#rows.set(topic, (rows = []))
    while (rows.length < partitionCount) rows.push(new Row(topic, rows.length))
    return rows
  }

  /** Adds a record to the open batch of a row, or to a new one when it does not fit. */
  append(row: Row, record: NewRecord, owner: BatchOwner, nowMs: number): void {
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
    const index = owner.receipts.length
    owner.receipts.push({ topic: row.topic, partition: row.partition, offset: -1, timestamp })
    batch.note(owner, index)
  }

  /**
   * Replaces a batch, which must be sealed, by two with half of its records each: it was too large
   * for the broker. Order and owners stay.
   */
  split(batch: PendingBatch): void {
    const { row, count } = batch
    const cursor = new RecordCursor(new Batch(batch.seal({}), 0))
    const halves = [0, 1].map(() => {
      const half = this.#emptyBatch(row, batch.createdAtMs)
      half.outcomeUnknown = batch.outcomeUnknown
      return half
    }) as [PendingBatch, PendingBatch]
    let moved = 0
    batch.forEach((_receipt, owner, index) => {
      const half = halves[moved++ < count / 2 ? 0 : 1]
      cursor.next()
      const headers = cursor.headers.map(({ key, value }) => [key, value] as const)
      const fits = half.builder.tryAppend(cursor.timestamp, cursor.key, cursor.value, headers)
      assert(fits, 'half of a batch fits into one')
      half.note(owner, index)
    })
    for (const half of halves) this.#bytes += half.builder.size
    row.batches.splice(row.batches.indexOf(batch), 0, ...halves)
    this.settle(batch, undefined, true, false)
  }

  /** The batch of a row that may be sent now, if there is one. */
  ready(row: Row, nowMs: number, lingerMs: number): PendingBatch | undefined {
    const first = row.batches[0]
    if (first === undefined || row.isInFlight || first.notBeforeMs > nowMs) return undefined
    const isFull = row.batches.length > 1 || first.isSealed
    return isFull || nowMs - first.createdAtMs >= lingerMs ? first : undefined
  }

  /** Takes a batch out and tells its owners. Its buffer returns to the pool if `isBufferFree`. */
  settle(
    batch: PendingBatch,
    error: Error | undefined,
    isBufferFree: boolean,
    isWritten = error === undefined,
  ): void {
    if (batch.isSettled) return
    batch.isSettled = true
    const { row, builder } = batch
    if (row.batches[0] === batch) row.batches.shift()
    else row.batches.splice(row.batches.indexOf(batch), 1)
    row.sizeHint = builder.size
    this.#bytes -= builder.size
    if (isBufferFree) this.#options.pool.release(builder.buffer)
    for (const { owner } of batch.runs) owner.batchDone(error, isWritten)
  }

  /** Those who wait for batches. */
  owners(): Set<BatchOwner> {
    const owners = new Set<BatchOwner>()
    for (const { batches } of this.#active) {
      for (const { runs } of batches) for (const { owner } of runs) owners.add(owner)
    }
    return owners
  }

  /** Forgets topics that have nothing to send, should there be very many; true if it did. */
  prune(topicsMax: number): boolean {
    const before = this.#rows.size
    if (before <= topicsMax) return false
    for (const [topic, rows] of this.#rows) {
      if (rows.every(row => row.batches.length === 0 && !row.isInFlight)) this.#rows.delete(topic)
    }
    return this.#rows.size < before
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

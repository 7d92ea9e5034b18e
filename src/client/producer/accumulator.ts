/*
 * Collects records into batches, one row of batches per partition. Pure: it has no timers and sends
 * nothing; the sender takes the ready batches and settles them. The states of a batch are drawn in
 * batch-states.ts.
 *
 * Invariants: in a row only the last batch is open, and only the first is in flight or waiting, so
 * the order is kept even when a batch is sent again. `bytes` is the sum of the sizes of all batches
 * that are not settled.
 */

import { assert } from '../../base/assert.js'
import { checkStep } from '../../base/states.js'
import { BatchBuilder, type BatchOptions } from '../../model/batch/batch-builder.js'
import { NO_PAIRS, type RecordRun } from '../../model/batch/record-writer.js'
import { Batch, BATCH_HEADER_BYTES } from '../../model/batch/batch.js'
import { RecordCursor } from '../../model/batch/record-cursor.js'
import type { HeaderIn } from '../../model/batch/record.js'
import { NONE, type Offset, type Timestamp } from '../../model/units.js'
import { BATCH_STATES, type BatchState } from './batch-states.js'
import type { BufferPool } from './buffer-pool.js'
import type { Message } from './messages.js'


/** A send that waits for the batches that hold its records; all are of one topic. */
export interface BatchOwner {
  /** Settles when all its batches are settled. */
  readonly promise: Promise<unknown>
  readonly messages: readonly Message[]
  /** The headers as pairs, of each message that has any. */
  readonly headers: SendHeaders
  /** The partition of each message; if undefined, all go to partition 0. */
  readonly partitions: readonly number[] | undefined
  /** The most bytes that all messages take. */
  readonly bytesMax: number
  /** How many messages are in batches. */
  appendedCount: number
  /** The timestamp of messages that have none of their own. */
  readonly sentAt: Timestamp
  /** The timestamps of messages that have one. */
  readonly times: readonly (Timestamp | undefined)[] | undefined
  /** One more batch holds records of this owner. */
  batchAdded(): void
  /**
   * The records of a run are in the log of their partition, from `offset` on, which is −1 if it is
   * unknown; returns the offset after them. `appendTime` is −1 if they keep their own timestamps.
   */
  written(run: Run, partition: number, offset: Offset, appendTime: Timestamp): Offset
  /** A batch was settled. `isWritten`: the log has its records. */
  batchDone(error: Error | undefined, isWritten: boolean): void
}

/** Headers as pairs, of each message that has any. */
export type SendHeaders = readonly (readonly HeaderIn[])[] | undefined

/**
 * Consecutive records of one owner in a batch, so that it needs no reference per record: the
 * messages at `order[from]` to `order[to - 1]`; without an order, those of the messages in
 * `[from, to)` that go to the partition of the batch.
 */
export interface Run {
  readonly owner: BatchOwner
  readonly order: Int32Array | undefined
  readonly from: number
  to: number
}

/** Records of one partition that are sent together. */
export class PendingBatch {
  readonly runs: Run[] = []
  attempts = 0
  /** When it was first sent; undefined before. */
  triedSinceMs: number | undefined
  /** It failed and is not sent again before this time. */
  notBeforeMs = 0
  /** An attempt ended without an answer: the records may be in the log. */
  outcomeUnknown = false
  lastError: Error | undefined
  #state: BatchState = 'open'
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
  get state(): BatchState {
    return this.#state
  }
  /** Whether its bytes, with their sequence, are built. */
  get isSealed(): boolean {
    return this.#sealed !== undefined
  }

  get count(): number {
    return this.builder.count
  }

  enter(state: BatchState): void {
    checkStep(BATCH_STATES, this.#state, state)
    this.#state = state
    if (this.row.open === this) this.row.open = undefined
  }

  /** Notes the records that were just appended. */
  note({ owner, order, from, to }: Run): void {
    const run = this.#lastRun
    if (run !== undefined && run.owner === owner && run.order === order) {
      run.to = to
    } else {
      this.#lastRun = { owner, order, from, to }
      this.runs.push(this.#lastRun)
      owner.batchAdded()
    }
  }

  /** Visits its records in order. */
  forEach(visit: (owner: BatchOwner, index: number) => void): void {
    for (const { owner, order, from, to } of this.runs) {
      for (let place = from; place < to; place++) {
        const index = order === undefined ? place : (order[place] as number)
        if ((owner.partitions?.[index] ?? 0) === this.partition) visit(owner, index)
      }
    }
  }

  /** Tells its owners where their records are; `baseOffset` is −1 if that is unknown. */
  written(baseOffset: Offset, appendTime: Timestamp = NONE): void {
    let offset = baseOffset
    for (const run of this.runs) {
      const next = run.owner.written(run, this.partition, offset, appendTime)
      if (baseOffset >= 0) offset = next
    }
  }

  /** The bytes to send, built by the first call; the batch takes no more records by then. */
  seal(options: BatchOptions): Buffer {
    assert(this.#state !== 'open', 'a batch that takes records has no bytes yet')
    this.#sealed ??= this.builder.build(options)
    return this.#sealed
  }

  /** It was refused and is sent again under another sequence. */
  unseal(): void {
    assert(this.#state === 'inFlight', 'only what was sent is refused', { state: this.#state })
    this.#sealed = undefined
  }
}

/** The batches of one partition, the oldest first. */
export class Row {
  readonly batches: PendingBatch[] = []
  /** The batch that records are added to, if there is one: the last. */
  open: PendingBatch | undefined
  #underWay: PendingBatch | undefined
  /** The id and epoch that `nextSequence` belongs to, see ProducerIdentity. */
  producerId = -1
  producerEpoch = -1
  nextSequence = 0
  /** So many sends go the long way before the next tries the short one. */
  longSends = 0

  /** The size of the last settled batch: the next one begins with a buffer of that size. */
  sizeHint = 0

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}

  /** Whether there is nothing to send and no answer is pending. */
  get isIdle(): boolean {
    return this.batches.length === 0 && this.#underWay === undefined
  }

  /** The batch whose answer is pending; it may have expired and be settled already. */
  get underWay(): PendingBatch | undefined {
    return this.#underWay
  }

  /** Marks a batch as sent. */
  send(batch: PendingBatch): void {
    const isNext = this.#underWay === undefined && this.batches[0] === batch
    assert(isNext, 'batches of a partition go out in order, one at a time')
    batch.enter('inFlight')
    this.#underWay = batch
  }

  /** The answer of the batch under way has arrived, or is no longer waited for. */
  answered(batch: PendingBatch): void {
    assert(this.#underWay === batch, 'only what is under way is answered')
    this.#underWay = undefined
  }
}

/** With fewer messages for each partition, taking them one by one is as fast. */
const GROUPED_MIN = 4

/** The messages of partition p are those at `order[starts[p]]` to `order[starts[p + 1] - 1]`. */
function byPartition(
  partitions: readonly number[],
  count: number,
): { readonly order: Int32Array; readonly starts: Int32Array } {
  const starts = new Int32Array(count + 2)
  for (const partition of partitions) starts[partition + 2]!++
  for (let at = 2; at < starts.length; at++) starts[at]! += starts[at - 1]!
  const order = new Int32Array(partitions.length)
  for (let index = 0; index < partitions.length; index++) {
    const place = (partitions[index] as number) + 1
    order[starts[place]!++] = index
  }
  return { order, starts }
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
  /** Whether all batches are settled. */
  get isEmpty(): boolean {
    return this.#bytes === 0
  }
  /** Rows that hold batches, or held some until `rest` was called for them. */
  get active(): ReadonlySet<Row> {
    return this.#active
  }

  /** Removes a row without batches from the active ones. */
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

  /**
   * Adds the messages of an owner that are in no batch yet, each to the open batch of its row, or
   * to a new one when it does not fit. Stops when the batches hold `bytesMax` bytes. True if all
   * messages are in batches.
   */
  append(owner: BatchOwner, rows: readonly Row[], nowMs: number, bytesMax: number): boolean {
    const { messages, headers, partitions, times, appendedCount } = owner
    const isPlain = headers === undefined && times === undefined
    if (isPlain && partitions !== undefined && appendedCount === 0) {
      const isWorthwhile = messages.length >= GROUPED_MIN * rows.length
      if (isWorthwhile && this.#bytes + owner.bytesMax <= bytesMax) {
        this.#appendGrouped(owner, rows, nowMs)
        return true
      }
    }
    for (let index = appendedCount; index < messages.length; index++) {
      if (this.#bytes >= bytesMax) return false
      const row = rows[partitions === undefined ? 0 : (partitions[index] as number)] as Row
      const one = { owner, order: undefined, from: index, to: index + 1 }
      const batch = this.#appendOne(row, one, nowMs)
      if (isPlain && partitions === undefined) {
        const run = { records: messages, order: undefined, from: index + 1, to: messages.length }
        index = this.#appendRun(batch, owner, run, bytesMax) - 1
      }
      owner.appendedCount = index + 1
    }
    return true
  }

  #appendOne(row: Row, one: Run, nowMs: number): PendingBatch {
    const { owner, order, from } = one
    const index = order === undefined ? from : (order[from] as number)
    const { key = null, value } = owner.messages[index] as Message
    const pairs = owner.headers?.[index] ?? NO_PAIRS
    const timestamp = owner.times?.[index] ?? owner.sentAt
    let batch = row.open
    let sizeBefore = batch === undefined ? 0 : batch.builder.size
    if (batch === undefined || !batch.builder.tryAppend(timestamp, key, value, pairs)) {
      sizeBefore = 0
      batch = this.#newBatch(row, nowMs)
      const fits = batch.builder.tryAppend(timestamp, key, value, pairs)
      assert(fits, 'a batch takes its first record')
    }
    this.#bytes += batch.builder.size - sizeBefore
    batch.note(one)
    return batch
  }

  /** Plain messages, one partition after the other. */
  #appendGrouped(owner: BatchOwner, rows: readonly Row[], nowMs: number): void {
    const { messages: records } = owner
    const { order, starts } = byPartition(owner.partitions as readonly number[], rows.length)
    for (const row of rows) {
      const to = starts[row.partition + 1] as number
      for (let place = starts[row.partition] as number; place < to;) {
        const batch = this.#appendOne(row, { owner, order, from: place, to: place + 1 }, nowMs)
        place = this.#appendRun(batch, owner, { records, order, from: place + 1, to }, Infinity)
      }
    }
    owner.appendedCount = records.length
  }

  /** The common case: plain messages of one partition. Returns the place of the next. */
  #appendRun(batch: PendingBatch, owner: BatchOwner, run: RecordRun, bytesMax: number): number {
    const { builder } = batch
    const { size } = builder
    const next = builder.appendRun(run, owner.sentAt, size + bytesMax - this.#bytes)
    if (next === run.from) return next
    this.#bytes += builder.size - size
    batch.note({ owner, order: run.order, from: run.from, to: next })
    return next
  }

  /**
   * Replaces a sent batch, which was too large for the broker, by two with half of its records
   * each. Order and owners stay.
   */
  split(batch: PendingBatch): void {
    const { row, count, state } = batch
    assert(state === 'inFlight' && count > 1, 'halves of a batch', { state, count })
    const cursor = new RecordCursor(new Batch(batch.seal({}), 0))
    const halves = [0, 1].map(() => {
      const half = this.#emptyBatch(row, batch.createdAtMs)
      half.outcomeUnknown = batch.outcomeUnknown
      half.enter('closed')
      return half
    }) as [PendingBatch, PendingBatch]
    let moved = 0
    batch.forEach((owner, index) => {
      const half = halves[moved++ < count / 2 ? 0 : 1]
      cursor.next()
      const headers = cursor.headers.map(({ key, value }) => [key, value] as const)
      const fits = half.builder.tryAppend(cursor.timestamp, cursor.key, cursor.value, headers)
      assert(fits, 'half of a batch fits into one')
      half.note({ owner, order: undefined, from: index, to: index + 1 })
    })
    for (const half of halves) this.#bytes += half.builder.size
    row.batches.splice(row.batches.indexOf(batch), 0, ...halves)
    this.settle(batch, undefined, true, false)
  }

  /** The batch of a row that may be sent now, if there is one. */
  ready(row: Row, nowMs: number, lingerMs: number): PendingBatch | undefined {
    const first = row.batches[0]
    if (first === undefined || row.underWay !== undefined) return undefined
    if (first.notBeforeMs > nowMs) return undefined
    return first.state !== 'open' || nowMs - first.createdAtMs >= lingerMs ? first : undefined
  }

  /** Removes a batch and notifies its owners. Its buffer returns to the pool if `isBufferFree`. */
  settle(
    batch: PendingBatch,
    error: Error | undefined,
    isBufferFree: boolean,
    isWritten = error === undefined,
  ): void {
    if (batch.state === 'settled') return
    batch.enter('settled')
    const { row, builder } = batch
    if (row.batches[0] === batch) row.batches.shift()
    else row.batches.splice(row.batches.indexOf(batch), 1)
    row.sizeHint = builder.size
    this.#bytes -= builder.size
    assert(this.#bytes >= 0, 'bytes of batches', { bytes: this.#bytes })
    if (isBufferFree) this.#options.pool.release(builder.buffer)
    for (const { owner } of batch.runs) owner.batchDone(error, isWritten)
  }

  /** The owners of all unsettled batches. */
  owners(): Set<BatchOwner> {
    const owners = new Set<BatchOwner>()
    for (const { batches } of this.#active) {
      for (const { runs } of batches) for (const { owner } of runs) owners.add(owner)
    }
    return owners
  }

  /** Forgets idle topics when there are more than `topicsMax`; true if it forgot any. */
  prune(topicsMax: number): boolean {
    const before = this.#rows.size
    if (before <= topicsMax) return false
    for (const [topic, rows] of this.#rows) {
      if (rows.every(row => row.isIdle)) this.#rows.delete(topic)
    }
    return this.#rows.size < before
  }

  #newBatch(row: Row, nowMs: number): PendingBatch {
    const batch = this.#emptyBatch(row, nowMs)
    row.open?.enter('closed')
    row.batches.push(batch)
    row.open = batch
    this.#active.add(row)
    return batch
  }

  #emptyBatch(row: Row, nowMs: number): PendingBatch {
    const { pool, batchSize } = this.#options
    const hint = Math.min(row.sizeHint, batchSize)
    const buffer = pool.take(Math.max(hint, BATCH_HEADER_BYTES))
    const builder = new BatchBuilder(buffer, batchSize, (old, bytes) => {
      const larger = pool.take(bytes)
      pool.release(old) // safe: the builder copies it before it can be taken again
      return larger
    })
    return new PendingBatch(row, builder, nowMs)
  }
}

/*
 * A log's state of each producer id: its epoch and its last five batches. It shows which batches
 * are duplicates and which are out of sequence. Kafka's rules (ProducerStateManager,
 * ProducerAppendInfo) and Kafka's snapshot files. Pure.
 *
 *   snapshot: int16 version 1 │ uint32 CRC-32C of what follows │ int32 count │ entries
 *   entry:    int64 producerId │ int16 epoch │ int32 lastSequence │ int64 lastOffset
 *             │ int32 offsetDelta │ int64 timestamp │ int32 coordinatorEpoch
 *             │ int64 currentTxnFirstOffset
 *
 * A snapshot holds only the last batch of each producer: after a restart the four before it are no
 * longer recognised as duplicates.
 *
 * A transaction is open from its first batch to its end marker; `update` tells when one ends.
 *
 * The state is a fold over the headers of the batches: apart from expiry, only `update` changes it,
 * also in recovery and on followers. Only batches that come from producers are checked.
 */

import { ByteReader, BytesError, ByteWriter } from '../../base/bytes.js'
import { crc32c } from '../../base/checksums/crc32c.js'
import type { Batch } from '../../model/batch/batch.js'
import { controlTypeOf, coordinatorEpochOf } from '../../model/batch/control.js'
import { PartlogError } from '../../model/errors.js'
import { sequenceAfter } from '../../model/sequences.js'
import { NONE, type Offset, type Position, type Timestamp } from '../../model/units.js'

/** How many batches of a producer are kept: Kafka's clients have at most five in flight. */
const BATCHES_KEPT = 5
/** The most producers; a new one then replaces the one that has been idle longest. */
const PRODUCERS_MAX = 10_000

/** int16 version │ uint32 CRC-32C of what follows │ int32 count │ entries */
const SNAPSHOT = { version: 1, crcAt: 2, countAt: 6, headerBytes: 10, entryBytes: 46 } as const

/** The problem of a snapshot file's bytes and its position; undefined if there is none. */
export function snapshotProblem(
  bytes: Uint8Array,
): { readonly position: Position; readonly problem: string } | undefined {
  const { version, crcAt, countAt, headerBytes, entryBytes } = SNAPSHOT
  const problemAt = (position: Position, problem: string) => ({ position, problem })
  if (bytes.length < headerBytes) return problemAt(0, `${bytes.length} bytes are too few`)
  const reader = new ByteReader(bytes)
  const found = reader.int16()
  if (found !== version) return problemAt(0, `version ${found} is not known`)
  if (reader.uint32() !== crc32c(bytes, countAt)) return problemAt(crcAt, 'CRC-32C does not match')
  const count = reader.int32()
  if (bytes.length === headerBytes + count * entryBytes) return undefined
  return problemAt(countAt, `${count} entries do not fill ${bytes.length} bytes`)
}

/** A batch that is already in the log. */
export interface WrittenBatch {
  readonly firstOffset: Offset
  readonly lastOffset: Offset
  readonly timestamp: Timestamp
}

/** A producer as tools see it; −1 for what there is not. */
export interface ActiveProducer {
  readonly producerId: number
  readonly epoch: number
  readonly lastSequence: number
  readonly lastTimestamp: Timestamp
  readonly coordinatorEpoch: number
  readonly currentTxnFirstOffset: Offset
}

/** A transaction whose end marker was written. */
export interface EndedTransaction {
  readonly producerId: number
  readonly firstOffset: Offset
  /** The offset of the marker. */
  readonly lastOffset: Offset
  readonly isAborted: boolean
}

interface BatchTrace {
  lastSequence: number
  lastOffset: Offset
  /** Last sequence minus first. */
  offsetDelta: number
  timestamp: Timestamp
}

class Producer {
  epoch = NONE
  coordinatorEpoch = NONE
  currentTxnFirstOffset: Offset = NONE
  lastTimestamp: Timestamp = NONE
  /** The broker's time when it last wrote; the times of records may be any. */
  seenAt: Timestamp
  /** A ring: the newest is at `#newest`, the oldest follows it. */
  readonly #batches: BatchTrace[] = []
  #newest = -1

  constructor(
    readonly id: number,
    seenAt: Timestamp,
  ) {
    this.seenAt = seenAt
  }

  get last(): BatchTrace | undefined {
    return this.#batches[this.#newest]
  }

  /** True for nearly every batch; such a batch needs no further check. */
  isNext(batch: Batch): boolean {
    const last = this.#batches[this.#newest]
    if (last === undefined || batch.baseSequence !== sequenceAfter(last.lastSequence, 1)) {
      return false
    }
    if (batch.producerEpoch !== this.epoch || batch.isControl) return false
    return this.currentTxnFirstOffset === NONE || batch.isTransactional
  }

  find(batch: Batch): BatchTrace | undefined {
    if (batch.producerEpoch !== this.epoch) return undefined
    const { lastOffsetDelta } = batch
    const lastSequence = sequenceAfter(batch.baseSequence, lastOffsetDelta)
    for (const trace of this.#batches) {
      if (trace.lastSequence === lastSequence && trace.offsetDelta === lastOffsetDelta) return trace
    }
    return undefined
  }

  /** A different epoch starts without batches. */
  setEpoch(epoch: number): void {
    if (epoch === this.epoch) return
    this.epoch = epoch
    this.#batches.length = 0
    this.#newest = -1
  }

  add(lastSequence: number, lastOffset: Offset, offsetDelta: number, timestamp: Timestamp): void {
    this.#newest = (this.#newest + 1) % BATCHES_KEPT
    const oldest = this.#batches[this.#newest]
    if (oldest === undefined) {
      this.#batches.push({ lastSequence, lastOffset, offsetDelta, timestamp })
      return
    }
    oldest.lastSequence = lastSequence
    oldest.lastOffset = lastOffset
    oldest.offsetDelta = offsetDelta
    oldest.timestamp = timestamp
  }
}

export class ProducerState {
  /** By producer id; the latest writer comes last. */
  readonly #producers = new Map<number, Producer>()
  #latest: Producer | undefined
  /** The producers that have an open transaction. */
  readonly #open = new Set<Producer>()

  /** The number of known producers. */
  get size(): number {
    return this.#producers.size
  }

  /**
   * Checks whether a batch may be appended. Returns its place if it is already in the log. Throws
   * INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_TXN_STATE or
   * TRANSACTION_COORDINATOR_FENCED if it must not be appended.
   */
  check(batch: Batch): WrittenBatch | undefined {
    const { producerId } = batch
    if (producerId < 0) return undefined
    const producer = this.#find(producerId)
    // An unknown producer may have written before its state expired: any sequence is accepted.
    if (producer === undefined) return undefined
    if (producer.isNext(batch)) return undefined
    if (batch.isControl) return void checkMarker(producer, batch)
    if (batch.baseSequence < 0) return void checkUnnumbered(producer, batch)
    const duplicate = producer.find(batch)
    if (duplicate === undefined) {
      checkOrder(producer, batch)
      return undefined
    }
    const { lastOffset, offsetDelta, timestamp } = duplicate
    return { firstOffset: lastOffset - offsetDelta, lastOffset, timestamp }
  }

  /** True if the batch is new and its sequence is the one that comes next, or any will do. */
  isNext(batch: Batch): boolean {
    const { producerId } = batch
    return producerId < 0 || (this.#find(producerId)?.isNext(batch) ?? true)
  }

  /** True if the batch holds the last records of a known producer. */
  isLast({ producerId, lastOffset }: Batch): boolean {
    return producerId >= 0 && this.#producers.get(producerId)?.last?.lastOffset === lastOffset
  }

  /**
   * Updates the state with a batch of the log; returns the transaction that it ends. `now` is the
   * broker's time.
   */
  update(batch: Batch, now: Timestamp): EndedTransaction | undefined {
    const { producerId } = batch
    if (producerId < 0) return undefined
    const producer = this.#touched(producerId, now)
    const timestamp = batch.maxTimestamp
    producer.setEpoch(batch.producerEpoch)
    producer.seenAt = now
    producer.lastTimestamp = timestamp
    if (batch.isControl) return this.#end(producer, batch)
    const { lastOffsetDelta, lastOffset, baseSequence } = batch
    producer.add(
      baseSequence < 0 ? NONE : sequenceAfter(baseSequence, lastOffsetDelta),
      lastOffset,
      lastOffsetDelta,
      timestamp,
    )
    if (batch.isTransactional && producer.currentTxnFirstOffset === NONE) {
      this.#begin(producer, batch.baseOffset)
    }
    return undefined
  }

  #begin(producer: Producer, firstOffset: Offset): void {
    producer.currentTxnFirstOffset = firstOffset
    this.#open.add(producer)
  }

  #end(producer: Producer, marker: Batch): EndedTransaction | undefined {
    producer.coordinatorEpoch = coordinatorEpochOf(marker)
    const firstOffset = producer.currentTxnFirstOffset
    producer.currentTxnFirstOffset = NONE
    if (!this.#open.delete(producer)) return undefined
    const isAborted = controlTypeOf(marker) === 'ABORT'
    return { producerId: producer.id, firstOffset, lastOffset: marker.lastOffset, isAborted }
  }

  /** Every known producer. */
  get active(): ActiveProducer[] {
    return [...this.#producers.values()].map(producer => {
      const { id: producerId, epoch, lastTimestamp, coordinatorEpoch } = producer
      const { currentTxnFirstOffset, last } = producer
      const lastSequence = last?.lastSequence ?? NONE
      const state = { producerId, epoch, lastSequence, lastTimestamp }
      return { ...state, coordinatorEpoch, currentTxnFirstOffset }
    })
  }

  /** The first offset of the oldest open transaction; Infinity if none is open. */
  get firstOpenOffset(): Offset {
    let first = Infinity
    for (const { currentTxnFirstOffset } of this.#open) {
      if (currentTxnFirstOffset < first) first = currentTxnFirstOffset
    }
    return first
  }

  /** True if the producer has an open transaction of this epoch in this log. */
  hasOpen(producerId: number, epoch: number): boolean {
    const producer = this.#find(producerId)
    return producer?.epoch === epoch && this.#open.has(producer)
  }

  /** The epoch of the last batch of a producer, end markers included; −1 if it is not known. */
  epochOf(producerId: number): number {
    return this.#find(producerId)?.epoch ?? NONE
  }

  /** Forgets producers without an open transaction that have written nothing for `afterMs`. */
  expire(now: Timestamp, afterMs: number): void {
    for (const [id, producer] of this.#producers) {
      const isOpen = producer.currentTxnFirstOffset !== NONE
      if (!isOpen && now - Math.max(producer.seenAt, producer.lastTimestamp) >= afterMs) {
        this.#forget(id, producer)
      }
    }
  }

  #find(id: number): Producer | undefined {
    return this.#latest?.id === id ? this.#latest : this.#producers.get(id)
  }

  /** The producer, created if it is unknown; it becomes the latest writer. */
  #touched(id: number, now: Timestamp): Producer {
    let producer = this.#find(id)
    if (producer !== undefined && producer === this.#latest) return producer
    if (producer === undefined) producer = new Producer(id, now)
    else this.#producers.delete(id)
    this.#producers.set(id, producer)
    this.#latest = producer
    if (this.#producers.size > PRODUCERS_MAX) this.#forgetQuietest()
    return producer
  }

  #forgetQuietest(): void {
    for (const [id, producer] of this.#producers) {
      if (!this.#open.has(producer)) return this.#forget(id, producer)
    }
  }

  #forget(id: number, producer: Producer): void {
    this.#producers.delete(id)
    if (producer === this.#latest) this.#latest = undefined
  }

  // ── snapshots ──────────────────────────────────────────────────────────────────────────

  /** The bytes of a snapshot file. */
  toSnapshot(): Buffer {
    const writer = new ByteWriter(SNAPSHOT.headerBytes + SNAPSHOT.entryBytes * this.#producers.size)
    writer.int16(SNAPSHOT.version).int32(0).int32(this.#producers.size)
    for (const [id, producer] of this.#producers) {
      const { epoch, last, lastTimestamp, coordinatorEpoch, currentTxnFirstOffset } = producer
      const { lastSequence = NONE, lastOffset = NONE, offsetDelta = 0 } = last ?? {}
      writer.int64(id).int16(epoch).int32(lastSequence).int64(lastOffset).int32(offsetDelta)
      writer.int64(lastTimestamp).int32(coordinatorEpoch).int64(currentTxnFirstOffset)
    }
    const bytes = writer.finish()
    bytes.writeUInt32BE(crc32c(bytes, SNAPSHOT.countAt), SNAPSHOT.crcAt)
    return bytes
  }

  /**
   * The state in a snapshot file. Throws BytesError if it is damaged. Its producers count as seen
   * `now`: how long they have been idle is unknown, because the times of records may be any.
   */
  static fromSnapshot(bytes: Uint8Array, now: Timestamp): ProducerState {
    const wrong = snapshotProblem(bytes)
    if (wrong !== undefined) throw new BytesError(wrong.problem)
    const reader = new ByteReader(bytes.subarray(SNAPSHOT.countAt))
    const state = new ProducerState()
    for (let left = reader.int32(); left > 0; left--) state.#read(reader, now)
    return state
  }

  #read(reader: ByteReader, now: Timestamp): void {
    const producer = this.#touched(reader.int64(), now)
    producer.setEpoch(reader.int16())
    const lastSequence = reader.int32()
    const lastOffset = reader.int64()
    const offsetDelta = reader.int32()
    producer.lastTimestamp = reader.int64()
    producer.coordinatorEpoch = reader.int32()
    const firstOffset = reader.int64()
    if (firstOffset !== NONE) this.#begin(producer, firstOffset)
    if (lastOffset >= 0) {
      producer.add(lastSequence, lastOffset, offsetDelta, producer.lastTimestamp)
    }
  }
}

function checkEpoch({ id, epoch }: Producer, { producerEpoch }: Batch): void {
  if (producerEpoch >= epoch) return
  throw new PartlogError(
    'INVALID_PRODUCER_EPOCH',
    `producer ${id} is in epoch ${epoch}, the batch has epoch ${producerEpoch}`,
  )
}

/** Kafka's rules for the end marker of a transaction. */
function checkMarker(producer: Producer, marker: Batch): void {
  checkEpoch(producer, marker)
  const epoch = coordinatorEpochOf(marker)
  if (epoch >= producer.coordinatorEpoch) return
  throw new PartlogError(
    'TRANSACTION_COORDINATOR_FENCED',
    `producer ${producer.id}: a marker of coordinator epoch ${producer.coordinatorEpoch} is in ` +
      `the log, this one has epoch ${epoch}`,
  )
}

/** A coordinator writes the offsets of a transaction: its batches have no sequence. */
function checkUnnumbered(producer: Producer, batch: Batch): void {
  checkEpoch(producer, batch)
  checkTransaction(producer, batch)
}

/** Kafka's rules for a batch that is not in the log yet. */
function checkOrder(producer: Producer, batch: Batch): void {
  const { producerId, producerEpoch, baseSequence } = batch
  const { epoch, last } = producer
  checkEpoch(producer, batch)
  const isNewEpoch = producerEpoch > epoch || last === undefined
  const expected = isNewEpoch ? 0 : sequenceAfter(last.lastSequence, 1)
  if (baseSequence === expected) return checkTransaction(producer, batch)
  throw new PartlogError(
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
    `producer ${producerId} in epoch ${producerEpoch}: expected sequence ${expected} next, ` +
      `the batch has ${baseSequence} to ${sequenceAfter(baseSequence, batch.lastOffsetDelta)}`,
  )
}

/** A producer with an open transaction writes within it. */
function checkTransaction(producer: Producer, { isTransactional }: Batch): void {
  if (producer.currentTxnFirstOffset === NONE || isTransactional) return
  throw new PartlogError(
    'INVALID_TXN_STATE',
    `producer ${producer.id} has an open transaction since offset ` +
      `${producer.currentTxnFirstOffset}, the batch belongs to none`,
  )
}

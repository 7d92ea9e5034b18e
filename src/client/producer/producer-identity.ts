/**
 * Who a producer is to the brokers: an id, an epoch, and a count of records per partition (kept in
 * the rows). With them a broker knows a batch that it has already, so a batch whose answer was lost
 * can be sent again. Pure; the sender asks for the id.
 *
 * A batch gets its sequence when it is sealed and keeps it. A row has at most one such batch, the
 * one that is under way or waits to be repeated.
 *
 * When a sealed batch is given up nobody knows whether its sequence was used. Then the producer
 * goes on in the next epoch (KIP-360), in which each row begins at 0 with its next batch. What is
 * sealed stays in its epoch: repeated as something else it could be written twice.
 */

import type { BatchOptions } from '../../model/batch/batch-builder.js'
import { PRODUCER_EPOCH_MAX, sequenceAfter, sequenceBefore } from '../../model/sequences.js'
import type { PendingBatch, Row } from './accumulator.js'

const UNKNOWN = -1

export class ProducerIdentity {
  #producerId = UNKNOWN
  #epoch = UNKNOWN
  /** There are no more epochs: what is sealed from now on needs a new id. */
  #isUsedUp = false
  /** Filled in anew for each batch: a batch costs no object. */
  readonly #options: { -readonly [K in keyof BatchOptions]: BatchOptions[K] }

  constructor(options: BatchOptions) {
    this.#options = { ...options }
  }

  /** Is there an id to seal batches with? */
  get isKnown(): boolean {
    return this.#producerId !== UNKNOWN && !this.#isUsedUp
  }

  set(producerId: number, epoch: number): void {
    this.#producerId = producerId
    this.#epoch = epoch
    this.#isUsedUp = false
  }

  /** The bytes to send, under the next sequence of the row if they were not sealed before. */
  seal(batch: PendingBatch): Buffer {
    const options = this.#options
    if (!batch.isSealed) {
      const { row } = batch
      this.#bringUpToDate(row)
      options.producerId = row.producerId
      options.producerEpoch = row.producerEpoch
      options.baseSequence = row.nextSequence
      row.nextSequence = sequenceAfter(row.nextSequence, batch.count)
    }
    return batch.seal(options)
  }

  /** A sealed batch was refused as a whole and goes in parts: they take its sequences. */
  takeBack({ row, count }: PendingBatch): void {
    row.nextSequence = sequenceBefore(row.nextSequence, count)
  }

  /** A sealed batch of this row is not sent again. */
  giveUp({ producerId, producerEpoch }: Row): void {
    if (producerId === this.#producerId && producerEpoch === this.#epoch) this.beginAnew()
  }

  /** Every row begins at 0 with the next batch that is sealed. */
  beginAnew(): void {
    if (this.#epoch < PRODUCER_EPOCH_MAX) this.#epoch++
    else this.#isUsedUp = true
  }

  #bringUpToDate(row: Row): void {
    if (row.producerId === this.#producerId && row.producerEpoch === this.#epoch) return
    row.producerId = this.#producerId
    row.producerEpoch = this.#epoch
    row.nextSequence = 0
  }
}

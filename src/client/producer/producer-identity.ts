/*
 * The identity of an idempotent producer: an id, an epoch, and the next sequence of each partition
 * (kept in the rows). By them a broker recognises a batch that it already has, so a batch whose
 * answer was lost can be sent again. Pure; the sender fetches the id.
 *
 * A batch gets its sequence when it is sealed and keeps it. A row has at most one sealed batch: the
 * one that is in flight or waits for its retry.
 *
 * When a sealed batch is given up, it is unknown whether its sequence was used. The producer then
 * continues in the next epoch (KIP-360), in which the next batch of each row begins at 0. A batch
 * that is already sealed stays in its epoch: under another sequence it could be written twice.
 */

import type { BatchOptions } from '../../model/batch/batch-builder.js'
import { PRODUCER_EPOCH_MAX, sequenceAfter, sequenceBefore } from '../../model/sequences.js'
import type { PendingBatch, Row } from './accumulator.js'

const UNKNOWN = -1

export class ProducerIdentity {
  #producerId = UNKNOWN
  #epoch = UNKNOWN
  /** All epochs are used: the next batch to be sealed needs a new id. */
  #isUsedUp = false
  /** Reused for every batch, so that a batch costs no object. */
  readonly #options: { -readonly [K in keyof BatchOptions]: BatchOptions[K] }

  constructor(options: BatchOptions) {
    this.#options = { ...options }
  }

  /** Whether there is an id to seal batches with. */
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
    if (batch.isSealed) return batch.seal(this.#options)
    const bytes = batch.seal(this.optionsFor(batch.row))
    this.used(batch.row, batch.count)
    return bytes
  }

  /** The options of the row's next batch. Valid until the next call. */
  optionsFor(row: Row): BatchOptions {
    const options = this.#options
    this.#bringUpToDate(row)
    options.producerId = row.producerId
    options.producerEpoch = row.producerEpoch
    options.baseSequence = row.nextSequence
    return options
  }

  /** The row's next sequences belong to a batch from now on. */
  used(row: Row, count: number): void {
    row.nextSequence = sequenceAfter(row.nextSequence, count)
  }

  /** A sealed batch was refused and is split: its parts reuse its sequences. */
  takeBack({ row, count }: PendingBatch): void {
    row.nextSequence = sequenceBefore(row.nextSequence, count)
  }

  /** A sealed batch of this row is not sent again. */
  giveUp({ producerId, producerEpoch }: Row): void {
    if (producerId === this.#producerId && producerEpoch === this.#epoch) this.beginNextEpoch()
  }

  /** Starts the next epoch: the next batch to be sealed in each row begins at 0. */
  beginNextEpoch(): void {
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

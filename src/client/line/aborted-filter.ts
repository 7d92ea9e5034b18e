/*
 * Leaves out the records of aborted transactions, as a read_committed consumer has to (Kafka's
 * CompletedFetch). The answer to a fetch names the aborted transactions that have records in it: a
 * producer's records are left out from the first offset of one to its end marker.
 */

import type { Batch } from '../../model/batch/batch.js'
import { controlTypeOf } from '../../model/batch/control.js'

export interface AbortedRange {
  readonly producerId: number
  readonly firstOffset: number
}

export class AbortedFilter {
  /** Those that begin later than what was seen, the first one last. */
  readonly #ahead: AbortedRange[]
  /** Producers whose records are left out at present. */
  readonly #aborted = new Set<number>()

  constructor(transactions: readonly AbortedRange[]) {
    this.#ahead = transactions.toSorted((a, b) => b.firstOffset - a.firstOffset)
  }

  /** Called with every batch, in order. True if the batch belongs to an aborted transaction. */
  leavesOut(batch: Batch): boolean {
    const { producerId, lastOffset, isControl, isTransactional } = batch
    let next = this.#ahead.at(-1)
    while (next !== undefined && next.firstOffset <= lastOffset) {
      this.#aborted.add(next.producerId)
      this.#ahead.pop()
      next = this.#ahead.at(-1)
    }
    if (!this.#aborted.has(producerId)) return false
    if (isControl && controlTypeOf(batch) === 'ABORT') this.#aborted.delete(producerId)
    return isTransactional && !isControl
  }
}

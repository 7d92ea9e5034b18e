/*
 * Which transactions of a log are decided, read from its batches: a transaction ends with a control
 * batch of its producer, which commits or aborts what the producer wrote since the one before. The
 * transaction index says the same faster, but no checksum covers it.
 */

import type { Batch } from '../../model/batch/batch.js'
import { controlTypeOf } from '../../model/batch/control.js'
import type { Offset } from '../../model/units.js'

interface Range {
  readonly from: Offset
  /** The offset of the end marker. */
  readonly until: Offset
}

/** Learns from the batches of a log, in order, how its transactions have ended. */
export class DecidedTransactions {
  /** By producer: where its open transaction begins. */
  readonly #open = new Map<number, Offset>()
  readonly #aborted = new Map<number, Range[]>()
  #end: Offset = 0

  /** The offset after the last batch that was added. */
  get end(): Offset {
    return this.#end
  }

  /** The first offset of a transaction that is not decided; `end` if all are. */
  get lastStableOffset(): Offset {
    return Math.min(this.#end, ...this.#open.values())
  }

  /** Takes the next batch; one that was taken before is ignored. */
  add(batch: Batch): void {
    if (batch.baseOffset < this.#end) return
    this.#end = batch.nextOffset
    const { producerId, isTransactional, isControl, baseOffset } = batch
    if (!isTransactional) return
    if (!isControl) {
      if (!this.#open.has(producerId)) this.#open.set(producerId, baseOffset)
      return
    }
    const from = this.#open.get(producerId)
    this.#open.delete(producerId)
    if (from === undefined || controlTypeOf(batch) !== 'ABORT') return
    const ranges = this.#aborted.get(producerId) ?? []
    ranges.push({ from, until: baseOffset })
    this.#aborted.set(producerId, ranges)
  }

  /** Was this batch written in a transaction that was aborted? */
  isAborted({ producerId, isTransactional, isControl, baseOffset }: Batch): boolean {
    if (!isTransactional || isControl) return false
    const ranges = this.#aborted.get(producerId)
    // Batches are asked for in order: ranges before this one are not needed again.
    while (ranges !== undefined && (ranges[0]?.until ?? Infinity) < baseOffset) ranges.shift()
    const first = ranges?.[0]
    return first !== undefined && baseOffset >= first.from
  }
}

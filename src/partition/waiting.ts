/*
 * Appends with acks=all wait here for the high watermark: Kafka's purgatory as promises.
 * broker/requests/produce-requests.ts chooses between acks 0, 1 and all.
 */

import type { Offset } from '../model/units.js'

interface Waiter {
  readonly offset: Offset
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Appends that wait for the high watermark, in the order of their offsets. */
export class OffsetWaiters {
  #waiters: Waiter[] = []

  /** Resolves when `advance` has reached `offset`, however high the offsets of others are. */
  wait(offset: Offset): Promise<void> {
    return new Promise((resolve, reject) => {
      // Most offsets are the highest: a lower one is of a batch that was sent again.
      const place = this.#waiters.findLastIndex(waiter => waiter.offset <= offset) + 1
      this.#waiters.splice(place, 0, { offset, resolve, reject })
    })
  }

  advance(offset: Offset): void {
    if (this.#waiters.length === 0) return
    let passed = 0
    while (passed < this.#waiters.length && (this.#waiters[passed] as Waiter).offset <= offset) {
      passed++
    }
    for (const waiter of this.#waiters.splice(0, passed)) waiter.resolve()
  }

  fail(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
  }
}

/** Those who were sent away with a member id, and are not back with it yet (KIP-394). */

import type { Clock, Timer } from '../../base/clock.js'
import { PartlogError } from '../../model/errors.js'

/** Kafka has no bound: whoever asks again and again there fills the memory of the coordinator. */
const PENDING_MAX = 10_000

export class PendingMembers {
  readonly #clock: Clock
  readonly #timers = new Map<string, Timer>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#timers.size
  }

  has(memberId: string): boolean {
    return this.#timers.has(memberId)
  }

  /** Waits for the member so long. Throws when too many are waited for. */
  add(memberId: string, timeoutMs: number, onLate: () => void): void {
    if (this.size >= PENDING_MAX) {
      const sentence = `${PENDING_MAX} new members are waited for already`
      throw new PartlogError('GROUP_MAX_SIZE_REACHED', sentence)
    }
    const onTime = (): void => {
      this.#timers.delete(memberId)
      onLate()
    }
    this.#timers.set(memberId, this.#clock.after(timeoutMs, onTime, 'background'))
  }

  /** False: it was not waited for. */
  remove(memberId: string): boolean {
    this.#timers.get(memberId)?.cancel()
    return this.#timers.delete(memberId)
  }

  clear(): void {
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }
}

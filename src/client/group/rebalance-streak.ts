/**
 * Rebalances, and heartbeats that ask for one, that follow each other. The members of a large group
 * come at once: so many may follow each other without a pause, but not without end.
 */

const WITHOUT_PAUSE = 50

export class RebalanceStreak {
  readonly #gapMs: number
  #count = 0
  #lastAtMs = -Infinity

  /** A gap that is longer ends a streak. */
  constructor(gapMs: number) {
    this.#gapMs = gapMs
  }

  /** Counts one more; returns the number of the pause it needs, 0 for none. */
  add(nowMs: number): number {
    if (nowMs - this.#lastAtMs > this.#gapMs) this.#count = 0
    this.#lastAtMs = nowMs
    this.#count++
    return Math.max(this.#count - WITHOUT_PAUSE, 0)
  }

  /** The group has come to rest. */
  end(): void {
    this.#count = 0
  }
}

/*
 * Counts rebalances in quick succession, and heartbeats that ask for one. When the members of a
 * large group join at once, rebalances may follow each other without a pause, but not endlessly.
 */

/** Rebalances in a streak that need no pause. */
const WITHOUT_PAUSE = 50

export class RebalanceStreak {
  readonly #gapMs: number
  #count = 0
  #lastAtMs = -Infinity

  /** A longer gap than this ends a streak. */
  constructor(gapMs: number) {
    this.#gapMs = gapMs
  }

  /** Counts one more; returns the number of the pause it needs, 0 for none. */
  add(nowMs: number): number {
    if (nowMs - this.#lastAtMs > this.#gapMs) this.#count = 0
    this.continue(nowMs)
    this.#count++
    return Math.max(this.#count - WITHOUT_PAUSE, 0)
  }

  /** A pause is over: the gap is counted from here, for the pause may be longer than the gap. */
  continue(nowMs: number): void {
    this.#lastAtMs = nowMs
  }

  /** The group is stable: the streak ends. */
  end(): void {
    this.#count = 0
  }
}

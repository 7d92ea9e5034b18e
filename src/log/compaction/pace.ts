/*
 * Splits long work into turns: no turn blocks the event loop for longer than a millisecond, and
 * between two turns the work can be stopped.
 */

import type { Clock } from '../../base/clock.js'

const TURN_MS = 1
/** Reading the clock costs as much as a small record. */
const LOOKS_SKIPPED = 16

export class Pace {
  readonly #clock: Clock
  readonly #check: () => void
  #sinceMs: number
  #skipped = 0

  /** `check` throws if the work must stop. */
  constructor(clock: Clock, check: () => void) {
    this.#clock = clock
    this.#check = check
    this.#sinceMs = clock.monotonicMs()
  }

  /** True if other work is due: `await turn()`. Cheap enough to call for each record. */
  get isDue(): boolean {
    if (++this.#skipped < LOOKS_SKIPPED) return false
    return this.isOver
  }

  /** Like `isDue`, after a step that may have taken long. */
  get isOver(): boolean {
    this.#skipped = 0
    return this.#clock.monotonicMs() - this.#sinceMs >= TURN_MS
  }

  /** Lets all other work run. */
  async turn(): Promise<void> {
    await this.#clock.turn()
    this.#sinceMs = this.#clock.monotonicMs()
    this.#check()
  }

  /** Throws if the work must stop. */
  check(): void {
    this.#check()
  }
}

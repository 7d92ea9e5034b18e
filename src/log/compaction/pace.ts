/**
 * Lets long work take turns with everything else: nothing keeps the event loop for longer than a
 * millisecond, and whoever wants the work to end is heard between two turns.
 */

import type { Clock } from '../../base/clock.js'

const TURN_MS = 1
/** Looking at the clock costs as much as a small record. */
const LOOKS_SKIPPED = 16

export class Pace {
  readonly #clock: Clock
  readonly #check: () => void
  #sinceMs: number
  #skipped = 0

  /** `check` throws when the work is not wanted any more. */
  constructor(clock: Clock, check: () => void) {
    this.#clock = clock
    this.#check = check
    this.#sinceMs = clock.monotonicMs()
  }

  /** Time to let others go on: `await turn()`. Cheap enough to ask for each record. */
  get isDue(): boolean {
    if (++this.#skipped < LOOKS_SKIPPED) return false
    return this.isOver
  }

  /** As `isDue`, after something that may have taken long. */
  get isOver(): boolean {
    this.#skipped = 0
    return this.#clock.monotonicMs() - this.#sinceMs >= TURN_MS
  }

  /** Everything else has its turn. */
  async turn(): Promise<void> {
    await this.#clock.turn()
    this.#sinceMs = this.#clock.monotonicMs()
    this.#check()
  }

  /** Throws when the work is not wanted any more. */
  check(): void {
    this.#check()
  }
}

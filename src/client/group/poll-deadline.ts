/* Checks that the application asks for records often enough (Kafka's max.poll.interval.ms). */

import type { Clock } from '../../base/clock.js'
import type { ReadingGate } from './reading-gate.js'

export class PollDeadline {
  readonly #clock: Clock
  readonly #gate: ReadingGate
  readonly #intervalMs: number
  #asksSeen = 0
  #askedAtMs = 0

  constructor(clock: Clock, gate: ReadingGate, intervalMs: number) {
    this.#clock = clock
    this.#gate = gate
    this.#intervalMs = intervalMs
  }

  /** Starts the whole interval again. */
  restart(): void {
    this.#askedAtMs = this.#clock.monotonicMs()
  }

  /** How long the application has left to ask for more; negative when it is over. */
  get leftMs(): number {
    const gate = this.#gate
    if (gate.isWaiting || gate.asks !== this.#asksSeen) {
      this.#askedAtMs = gate.askedAtMs
      this.#asksSeen = gate.asks
    }
    return this.#askedAtMs + this.#intervalMs - this.#clock.monotonicMs()
  }

  /** The application has not asked for more for longer than the interval. */
  get isOver(): boolean {
    return this.leftMs < 0
  }
}

/**
 * Says every now and then that a member is alive; one beat at a time. Where the coordinator holds a
 * beat until it has news, the next one follows at once, else after the interval.
 */

import type { Clock, Timer } from '../../base/clock.js'

export class Heartbeat {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #beat: (signal: AbortSignal) => Promise<void>
  #timer: Timer | undefined
  #run = new AbortController()

  /** `beat` deals with its failures itself, and ends when the signal aborts. */
  constructor(clock: Clock, intervalMs: number, beat: (signal: AbortSignal) => Promise<void>) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#beat = beat
  }

  /** The first one goes out now. */
  start(): void {
    this.stop()
    this.#run = new AbortController()
    void this.#beatOn(this.#run.signal)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#run.abort()
  }

  async #beatOn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const sentAtMs = this.#clock.monotonicMs()
      await this.#beat(signal)
      const restMs = sentAtMs + this.#intervalMs - this.#clock.monotonicMs()
      if (restMs > 0 && !signal.aborted) return this.#after(restMs, signal)
    }
  }

  #after(delayMs: number, signal: AbortSignal): void {
    this.#timer = this.#clock.after(delayMs, () => void this.#beatOn(signal), 'background')
  }
}

/*
 * Sends a member's heartbeats periodically, one at a time. After a beat that the coordinator held
 * for the whole interval, or several, the next one follows at once, otherwise after the rest of the
 * interval.
 */

import { Alarm } from '../../base/alarm.js'
import type { Clock } from '../../base/clock.js'

export class Heartbeat {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #beat: (signal: AbortSignal) => Promise<void>
  readonly #alarm: Alarm
  #run = new AbortController()

  /** `beat` handles its own failures, and ends when the signal aborts. */
  constructor(clock: Clock, intervalMs: number, beat: (signal: AbortSignal) => Promise<void>) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#beat = beat
    this.#alarm = new Alarm(clock, () => void this.#beatOn(this.#run.signal), 'background')
  }

  /** Sends the first beat now. */
  start(): void {
    this.stop()
    this.#run = new AbortController()
    void this.#beatOn(this.#run.signal)
  }

  stop(): void {
    this.#alarm.cancel()
    this.#run.abort()
  }

  async #beatOn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const sentAtMs = this.#clock.monotonicMs()
      await this.#beat(signal)
      const restMs = sentAtMs + this.#intervalMs - this.#clock.monotonicMs()
      if (restMs > 0 && !signal.aborted) return this.#alarm.set(restMs)
    }
  }
}

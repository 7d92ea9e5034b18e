/* Alarms: a callback at one moment, and promises with a time limit. */

import type { Clock, Timer } from './clock.js'

/** Calls `ring` at one moment, which can be moved or cancelled. */
export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  readonly #kind: 'background' | undefined
  #timer: Timer | undefined
  /** The time at which it rings; Infinity while it is not set. */
  #atMs = Infinity

  /** A `background` alarm does not keep the process alive. */
  constructor(clock: Clock, ring: () => void, kind?: 'background') {
    this.#clock = clock
    this.#ring = ring
    this.#kind = kind
  }

  get isSet(): boolean {
    return this.#atMs !== Infinity
  }

  /** Rings in `delayMs` instead of when it was set to ring; with Infinity it does not ring. */
  set(delayMs: number): void {
    this.cancel()
    if (delayMs === Infinity) return
    const timer = this.#clock.after(delayMs, () => this.#onTime(), this.#kind)
    this.#timer = timer
    this.#atMs = this.#clock.monotonicMs() + delayMs
  }

  /** Rings in `delayMs`, unless it is set to ring earlier. */
  setEarlier(delayMs: number): void {
    this.ringBy(this.#clock.monotonicMs() + delayMs)
  }

  /** Rings at `atMs` of the monotonic clock, unless it is set to ring earlier. */
  ringBy(atMs: number): void {
    if (atMs < this.#atMs) this.set(atMs - this.#clock.monotonicMs())
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#atMs = Infinity
  }

  #onTime(): void {
    this.#timer = undefined
    this.#atMs = Infinity
    this.#ring()
  }
}

/** Settles as `work` does, or rejects with the error of `late` after `timeoutMs`. */
export function within<T>(
  clock: Clock,
  timeoutMs: number,
  work: Promise<T>,
  late: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => reject(late()))
    work.then(resolve, reject).finally(() => timer.cancel())
  })
}

/** Alarms: one moment at which something is to happen, and promises that must not take longer. */

import type { Clock, Timer } from './clock.js'

/** One moment at which `ring` is called; it may be moved and cancelled. */
export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  readonly #kind: 'background' | undefined
  #timer: Timer | undefined
  /** When it rings; Infinity while it is not set. */
  #atMs = Infinity

  /** `background`: it does not keep the process alive. */
  constructor(clock: Clock, ring: () => void, kind?: 'background') {
    this.#clock = clock
    this.#ring = ring
    this.#kind = kind
  }

  get isSet(): boolean {
    return this.#atMs !== Infinity
  }

  /** Rings in `delayMs`, whatever it was set to; with Infinity not at all. */
  set(delayMs: number): void {
    this.cancel()
    if (delayMs === Infinity) return
    const timer = this.#clock.after(delayMs, () => this.#onTime(), this.#kind)
    this.#timer = timer
    this.#atMs = this.#clock.monotonicMs() + delayMs
  }

  /** Rings in `delayMs`, unless it rings before. */
  setEarlier(delayMs: number): void {
    if (this.#clock.monotonicMs() + delayMs < this.#atMs) this.set(delayMs)
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

/** Settles as `work` does, or rejects with the error of `late` when it takes longer. */
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

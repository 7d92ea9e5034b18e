/** Notices that nothing has happened for a while: one timer, whatever happens how often. */

import type { Clock, Timer } from '../base/clock.js'

export interface IdleOptions {
  readonly clock: Clock
  /** Infinity: never. */
  readonly maxIdleMs: number
  /** While it says so nothing has to happen: somebody else is at work. */
  readonly isBusy: () => boolean
  readonly onIdle: () => void
}

export class IdleWatch {
  readonly #options: IdleOptions
  #activeMs: number
  #timer: Timer | undefined

  constructor(options: IdleOptions) {
    this.#options = options
    this.#activeMs = options.clock.monotonicMs()
    this.#arm(options.maxIdleMs)
  }

  /** Something has happened. */
  touch(): void {
    this.#activeMs = this.#options.clock.monotonicMs()
  }

  end(): void {
    this.#timer?.cancel()
  }

  #arm(delayMs: number): void {
    const { clock } = this.#options
    if (delayMs !== Infinity) this.#timer = clock.after(delayMs, () => this.#look(), 'background')
  }

  #look(): void {
    const { clock, maxIdleMs, isBusy, onIdle } = this.#options
    if (isBusy()) this.touch()
    const restMs = this.#activeMs + maxIdleMs - clock.monotonicMs()
    if (restMs > 0) this.#arm(restMs)
    else onIdle()
  }
}

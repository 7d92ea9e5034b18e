/* Detects idleness with one timer, however often there is activity. */

import { Alarm } from '../base/alarm.js'
import type { Clock } from '../base/clock.js'

export interface IdleOptions {
  readonly clock: Clock
  /** Infinity: never. */
  readonly maxIdleMs: number
  /** While it returns true, the watch does not count as idle. */
  readonly isBusy: () => boolean
  readonly onIdle: () => void
}

export class IdleWatch {
  readonly #options: IdleOptions
  #activeMs: number
  readonly #alarm: Alarm

  constructor(options: IdleOptions) {
    this.#options = options
    this.#activeMs = options.clock.monotonicMs()
    this.#alarm = new Alarm(options.clock, () => this.#look(), 'background')
    this.#alarm.set(options.maxIdleMs)
  }

  /** Notes activity. */
  touch(): void {
    this.#activeMs = this.#options.clock.monotonicMs()
  }

  end(): void {
    this.#alarm.cancel()
  }

  #look(): void {
    const { clock, maxIdleMs, isBusy, onIdle } = this.#options
    if (isBusy()) this.touch()
    const restMs = this.#activeMs + maxIdleMs - clock.monotonicMs()
    if (restMs > 0) this.#alarm.set(restMs)
    else onIdle()
  }
}

/* Checks periodically, and on request, whether the subscribed topics have changed. */

import type { Clock, Timer } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'

export interface TopicWatchOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly intervalMs: number
  /** The shortest pause between two checks. */
  readonly pauseMs: number
  readonly refresh: () => Promise<void>
}

export class TopicWatch {
  readonly #options: TopicWatchOptions
  #timer: Timer | undefined
  #lookedAtMs = -Infinity
  /** A requested check is already scheduled. */
  #isHurried = false

  constructor(options: TopicWatchOptions) {
    this.#options = options
  }

  /** Checks at every interval from now on; checks never overlap. */
  start(): void {
    this.#startIn(this.#options.intervalMs)
  }

  /** Checks at once, or when the pause after the last check is over. */
  lookNow(): void {
    if (this.#timer === undefined || this.#isHurried) return
    const { clock, pauseMs } = this.#options
    this.#startIn(Math.max(this.#lookedAtMs + pauseMs - clock.monotonicMs(), 0))
    this.#isHurried = true
  }

  #startIn(delayMs: number): void {
    this.stop()
    const timer = this.#options.clock.after(delayMs, () => void this.#look(timer), 'background')
    this.#timer = timer
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#isHurried = false
  }

  async #look(timer: Timer): Promise<void> {
    const { refresh, logger, clock } = this.#options
    this.#isHurried = false
    this.#lookedAtMs = clock.monotonicMs()
    try {
      await refresh()
    } catch (error) {
      logger.warn('cannot refresh the metadata of the subscribed topics', { error })
    }
    if (this.#timer === timer) this.start() // neither stopped nor restarted meanwhile
  }
}

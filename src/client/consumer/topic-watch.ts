/** Looks now and then, and when there is a reason, whether the topics read have changed. */

import type { Clock, Timer } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'

export interface TopicWatchOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly intervalMs: number
  /** So long after a look the next one waits, whatever the reason. */
  readonly pauseMs: number
  readonly refresh: () => Promise<void>
}

export class TopicWatch {
  readonly #options: TopicWatchOptions
  #timer: Timer | undefined
  #lookedAtMs = -Infinity
  /** A look for a reason is due already. */
  #isHurried = false

  constructor(options: TopicWatchOptions) {
    this.#options = options
  }

  /** From now on every interval; one that lasts longer does not overlap the next. */
  start(): void {
    this.#startIn(this.#options.intervalMs)
  }

  /** Soon: at once, or when the pause after the last look is over. */
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
      logger.warn('metadata could not be refreshed', { error })
    }
    if (this.#timer === timer) this.start() // neither stopped nor started anew meanwhile
  }
}

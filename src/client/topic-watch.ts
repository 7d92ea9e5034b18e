/** Looks now and then whether the topics that are read have new partitions. */

import type { Clock, Timer } from '../base/clock.js'
import type { Logger } from '../base/logger.js'

export interface TopicWatchOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly intervalMs: number
  readonly refresh: () => Promise<void>
}

export class TopicWatch {
  readonly #options: TopicWatchOptions
  #timer: Timer | undefined

  constructor(options: TopicWatchOptions) {
    this.#options = options
  }

  /** From now on every interval; one that lasts longer does not overlap the next. */
  start(): void {
    this.stop()
    const { clock, intervalMs } = this.#options
    const timer = clock.after(intervalMs, () => void this.#look(timer), 'background')
    this.#timer = timer
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  async #look(timer: Timer): Promise<void> {
    const { refresh, logger } = this.#options
    try {
      await refresh()
    } catch (error) {
      logger.warn('metadata could not be refreshed', { error })
    }
    if (this.#timer === timer) this.start() // neither stopped nor started anew meanwhile
  }
}

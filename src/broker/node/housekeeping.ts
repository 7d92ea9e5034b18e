/** What a broker does now and then: one clock, one list. */

import type { Clock, Timer } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'

export interface Chore {
  readonly name: string
  readonly initialDelayMs: number
  readonly intervalMs: number
  /** Ends early when the signal aborts. */
  readonly run: (signal: AbortSignal) => Promise<void>
}

/** Runs chores in the background, each one again `intervalMs` after it has ended. */
export class Housekeeping {
  readonly #timers = new Map<Chore, Timer>()
  readonly #running = new Set<Promise<void>>()
  readonly #stopping = new AbortController()

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
    chores: readonly Chore[],
  ) {
    for (const chore of chores) this.#schedule(chore, chore.initialDelayMs)
  }

  /** No chore begins any more; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const timer of this.#timers.values()) timer.cancel()
    await Promise.all(this.#running)
  }

  #schedule(chore: Chore, delayMs: number): void {
    const onTime = (): void => {
      const done = this.#run(chore).finally(() => this.#running.delete(done))
      this.#running.add(done)
    }
    this.#timers.set(chore, this.clock.after(delayMs, onTime, 'background'))
  }

  async #run(chore: Chore): Promise<void> {
    try {
      await chore.run(this.#stopping.signal)
    } catch (error) {
      this.logger.warn(`${chore.name} failed, will be tried again`, { error })
    }
    if (!this.#stopping.signal.aborted) this.#schedule(chore, chore.intervalMs)
  }
}

/* Runs the periodic background work of a broker. */

import type { Clock, Timer } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'

export interface Chore {
  readonly name: string
  readonly initialDelayMs: number
  readonly intervalMs: number
  /** Ends early when the signal aborts. */
  readonly run: (signal: AbortSignal) => Promise<void>
}

/** Runs each chore in the background, and again `intervalMs` after it has ended. */
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

  /** Starts no more chores; resolves when the running ones have ended. */
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
      this.logger.warn(`${chore.name} failed, will retry`, { error })
    }
    if (!this.#stopping.signal.aborted) this.#schedule(chore, chore.intervalMs)
  }
}

/* Runs the periodic background work of a broker. */

import { assert } from '../../base/assert.js'
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
  readonly #running = new Map<Chore, Promise<void>>()
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
    await Promise.all(this.#running.values())
  }

  #schedule(chore: Chore, delayMs: number): void {
    const onTime = (): void => {
      assert(!this.#running.has(chore), 'a chore runs once at a time', { chore: chore.name })
      this.#running.set(chore, this.#run(chore))
    }
    this.#timers.set(chore, this.clock.after(delayMs, onTime, 'background'))
  }

  async #run(chore: Chore): Promise<void> {
    try {
      await chore.run(this.#stopping.signal)
    } catch (error) {
      this.logger.warn(`${chore.name} failed, will retry`, { error })
    }
    this.#running.delete(chore)
    if (!this.#stopping.signal.aborted) this.#schedule(chore, chore.intervalMs)
  }
}

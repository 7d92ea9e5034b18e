/*
 * A clock that moves only when a test advances it: a session time-out of 45 s costs a test no
 * time. Timers fire in the order of their deadlines. Between two of them, everything that became
 * runnable runs to its end, so each callback sees settled state.
 */

import { assert } from './assert.js'
import { atTurnEnd, nextTurn, type Clock, type Timer } from './clock.js'

interface Entry {
  readonly deadline: number
  readonly order: number
  readonly callback: () => void
}

/** 2026-01-01T00:00:00Z: reads as a time in the output of tests. */
export const START = Date.UTC(2026, 0, 1)

/** A clock for tests; made by {@link virtualClock}. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<Entry>()
  #elapsedMs = 0
  #order = 0

  constructor(readonly startsAt: number = START) {}

  /** The virtual wall time in milliseconds since 1970. */
  now(): number {
    return this.startsAt + this.#elapsedMs
  }

  /** Virtual milliseconds since the clock was created. */
  monotonicMs(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, callback: () => void): Timer {
    const deadline = this.#elapsedMs + Math.max(delayMs, 0)
    const entry = { deadline, order: this.#order++, callback }
    this.#timers.add(entry)
    return { cancel: () => void this.#timers.delete(entry) }
  }

  soon(callback: () => void): void {
    atTurnEnd(callback)
  }

  turn(): Promise<void> {
    return nextTurn()
  }

  /** Timers that have not fired. After everything is closed there should be none. */
  get pendingTimers(): number {
    return this.#timers.size
  }

  /**
   * Moves time forward by `ms` milliseconds and resolves when everything that became due has
   * run. Promises that wait for real I/O may still be pending.
   */
  async advance(ms: number): Promise<void> {
    assert(Number.isFinite(ms) && ms >= 0, 'time moves forward only', { ms })
    const target = this.#elapsedMs + ms
    await this.turn()
    for (let next = this.#next(target); next !== undefined; next = this.#next(target)) {
      this.#timers.delete(next)
      this.#elapsedMs = next.deadline
      next.callback()
      await this.turn()
    }
    this.#elapsedMs = target
  }

  #next(target: number): Entry | undefined {
    let best: Entry | undefined
    for (const entry of this.#timers) {
      if (entry.deadline > target) continue
      if (best === undefined || isBefore(entry, best)) best = entry
    }
    return best
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order)
}

/**
 * A clock for tests that only moves by `await clock.advance(ms)`. Pass it as `clock` to
 * `Cluster.memory` or `Cluster.open`: time-outs, linger, retention and timestamps follow it.
 */
export function virtualClock(startsAt?: number): VirtualClock {
  return new VirtualClock(startsAt)
}

/*
 * Time in a simulated world. What a real machine leaves open is drawn by the seed: timers of one
 * moment fire in any order, a timer may be late, callbacks of one turn run in any order.
 *
 * Each process and each broker has a clock of its own on top of it. Such a clock can stand still
 * (the process is paused: nothing of it runs until it goes on), end (the process was killed:
 * nothing of it runs again), and show another wall time.
 */

import { assert } from '../../base/assert.js'
import { atTurnEnd, nextTurn, type Clock, type Timer } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import { START } from '../../base/virtual-clock.js'
import { chance } from './streams.js'

interface Entry {
  readonly deadline: number
  /** Decides between entries of one moment. */
  readonly tie: number
  /** Undefined once it is cancelled. */
  callback: (() => void) | undefined
}

const TIES = 2 ** 30
/** How many of 100 timers are late, and by at most how many milliseconds. */
const LATE_PERCENT = 10
const LATE_MAX_MS = 3

/** The time of the whole world; moves from timer to timer. */
export class SimClock implements Clock {
  readonly #random: Random
  /** The next one last. */
  readonly #entries: Entry[] = []
  readonly #soon: (() => void)[] = []
  #elapsedMs = 0

  constructor(random: Random) {
    this.#random = random
  }

  now(): number {
    return START + this.#elapsedMs
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, callback: () => void): Timer {
    const lateMs = chance(this.#random, LATE_PERCENT) ? this.#random.int(LATE_MAX_MS + 1) : 0
    const deadline = this.#elapsedMs + Math.max(delayMs, 0) + lateMs
    const entry: Entry = { deadline, tie: this.#random.int(TIES), callback }
    this.#entries.splice(this.#placeOf(entry), 0, entry)
    return { cancel: () => void (entry.callback = undefined) }
  }

  soon(callback: () => void): void {
    this.#soon.push(callback)
    atTurnEnd(() => {
      const [next] = this.#soon.splice(this.#random.int(this.#soon.length), 1)
      next?.()
    })
  }

  turn(): Promise<void> {
    return nextTurn()
  }

  /** Timers that have not fired. */
  get pendingTimers(): number {
    return this.#entries.filter(({ callback }) => callback !== undefined).length
  }

  /** When the next timer is due; undefined if there is none. */
  get nextDueMs(): number | undefined {
    for (let last = this.#entries.at(-1); last !== undefined; last = this.#entries.at(-1)) {
      if (last.callback !== undefined) return last.deadline
      this.#entries.pop()
    }
    return undefined
  }

  /** Time passes without a timer. */
  moveTo(ms: number): void {
    assert(ms >= this.#elapsedMs, 'time moves forward only', { ms })
    this.#elapsedMs = ms
  }

  /**
   * Moves to the next timer and calls it. Resolves when everything that became runnable has run;
   * false if no timer is due by `limitMs`: then nothing has changed.
   */
  async step(limitMs: number): Promise<boolean> {
    await nextTurn()
    const dueMs = this.nextDueMs
    if (dueMs === undefined || dueMs > limitMs) return false
    const entry = this.#entries.pop()
    this.#elapsedMs = dueMs
    entry?.callback?.()
    await nextTurn()
    return true
  }

  /** Entries are sorted from the last one to the first one. */
  #placeOf({ deadline, tie }: Entry): number {
    let [low, high] = [0, this.#entries.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.#entries[middle] as Entry
      const isLater = other.deadline > deadline || (other.deadline === deadline && other.tie > tie)
      if (isLater) low = middle + 1
      else high = middle
    }
    return low
  }
}

type ClockState = 'running' | 'paused' | 'ended'

/** The clock of one process or broker of the world. */
export class LocalClock implements Clock {
  readonly #world: SimClock
  #state: ClockState = 'running'
  /** What would have run while the clock stood still. */
  readonly #held: (() => void)[] = []
  readonly #timers = new Set<Timer>()
  #aheadMs = 0

  constructor(world: SimClock) {
    this.#world = world
  }

  get state(): ClockState {
    return this.#state
  }

  now(): number {
    return this.#world.now() + this.#aheadMs
  }

  monotonicMs(): number {
    return this.#world.monotonicMs()
  }

  after(delayMs: number, callback: () => void): Timer {
    if (this.#state === 'ended') return { cancel: () => undefined }
    let isCancelled = false
    const run = (): void => {
      if (!isCancelled) callback()
    }
    const timer = this.#world.after(delayMs, () => {
      this.#timers.delete(timer)
      this.whenRunning(run)
    })
    this.#timers.add(timer)
    return {
      cancel: () => {
        isCancelled = true
        this.#timers.delete(timer)
        timer.cancel()
      },
    }
  }

  soon(callback: () => void): void {
    this.#world.soon(() => this.whenRunning(callback))
  }

  async turn(): Promise<void> {
    await this.#world.turn()
    if (this.#state !== 'running') await new Promise<void>(resolve => this.whenRunning(resolve))
  }

  /** Calls `callback` now, or when the process goes on; never if it has ended. */
  whenRunning(callback: () => void): void {
    if (this.#state === 'running') callback()
    else if (this.#state === 'paused') this.#held.push(callback)
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused'
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    for (const callback of this.#held.splice(0)) {
      this.#world.after(0, () => this.whenRunning(callback))
    }
  }

  /** The process is dead: nothing that waits for its clock ever goes on. */
  end(): void {
    this.#state = 'ended'
    this.#held.length = 0
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  /** The wall time jumps; the time that passes does not. */
  jump(ms: number): void {
    this.#aheadMs += ms
  }
}

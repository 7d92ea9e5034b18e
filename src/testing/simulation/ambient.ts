/*
 * Time and chance of the program under test. While a world runs, the global timers, Date,
 * performance and Math.random are the world's: a handler that waits a second costs no time, and
 * does the same in each run of a seed. partlog itself does not use the globals.
 *
 * Left as they are: microtasks, process.nextTick and setImmediate, which take no time; node:timers
 * and node:timers/promises, whose functions are not globals; AbortSignal.timeout.
 */

import type { Timer } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import type { SimClock } from './sim-clock.js'

type Callback = (...args: unknown[]) => void

/** What setTimeout and setInterval return here. */
interface TimerHandle {
  ref(): TimerHandle
  unref(): TimerHandle
  hasRef(): boolean
  refresh(): TimerHandle
  close(): void
  [Symbol.toPrimitive](): number
}

/** From now on; the returned function puts the real ones back. */
export function borrowGlobals(clock: SimClock, random: Random): () => void {
  const timers = new WorldTimers(clock)
  const RealDate = globalThis.Date
  class WorldDate extends RealDate {
    constructor(...args: [] | [value: number]) {
      if (args.length === 0) super(clock.now())
      else super(...args)
    }

    static override now(): number {
      return clock.now()
    }
  }
  const put = (target: object, name: string, value: unknown): (() => void) => {
    const before = Object.getOwnPropertyDescriptor(target, name)
    Object.defineProperty(target, name, { value, configurable: true, writable: true })
    return () => {
      if (before === undefined) Reflect.deleteProperty(target, name)
      else Object.defineProperty(target, name, before)
    }
  }
  const undo = [
    put(globalThis, 'setTimeout', timers.setTimeout),
    put(globalThis, 'setInterval', timers.setInterval),
    put(globalThis, 'clearTimeout', timers.clear),
    put(globalThis, 'clearInterval', timers.clear),
    put(globalThis, 'Date', WorldDate),
    put(globalThis.performance, 'now', () => clock.monotonicMs()),
    put(Math, 'random', () => random.int(2 ** 31) / 2 ** 31),
  ]
  return () => {
    for (const each of undo.reverse()) each()
    timers.clearAll()
  }
}

class WorldTimers {
  readonly #clock: SimClock
  readonly #running = new Map<number, Timer>()
  #made = 0

  constructor(clock: SimClock) {
    this.#clock = clock
  }

  readonly setTimeout = (callback: Callback, ms?: number, ...args: unknown[]): TimerHandle =>
    this.#start(ms, callback, args, false)

  readonly setInterval = (callback: Callback, ms?: number, ...args: unknown[]): TimerHandle =>
    this.#start(ms, callback, args, true)

  readonly clear = (handle: unknown): void => {
    if (handle === undefined || handle === null) return
    const id = Number(handle)
    this.#running.get(id)?.cancel()
    this.#running.delete(id)
  }

  clearAll(): void {
    for (const timer of this.#running.values()) timer.cancel()
    this.#running.clear()
  }

  #start(ms: number | undefined, callback: Callback, args: unknown[], repeats: boolean) {
    const id = ++this.#made
    const delayMs = Math.max(1, Number(ms) || 0)
    const arm = (): void => {
      const onTime = (): void => {
        this.#running.delete(id)
        if (repeats) arm()
        callback(...args)
      }
      this.#running.set(id, this.#clock.after(delayMs, onTime))
    }
    arm()
    return this.#handleOf(id, arm)
  }

  #handleOf(id: number, arm: () => void): TimerHandle {
    const handle: TimerHandle = {
      ref: () => handle,
      unref: () => handle,
      hasRef: () => true,
      refresh: () => {
        this.clear(id)
        arm()
        return handle
      },
      close: () => this.clear(id),
      [Symbol.toPrimitive]: () => id,
    }
    return handle
  }
}

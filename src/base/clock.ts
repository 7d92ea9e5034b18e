/*
 * Time is an argument. This file is the only home of Date, performance and the timers of Node:
 * everything above asks a Clock, so a test can pass one that it advances by hand.
 *
 * Durations and deadlines use `monotonicMs`; only timestamps that a user sees use `now`.
 *
 * Fake timers of test runners replace globals and properties of `process`. So this file takes the
 * real functions when it loads, from Node's modules where those have them: these are real even if
 * the fakes were installed first. `soon` works even if process.nextTick is a fake by then.
 */

import { performance } from 'node:perf_hooks'
import timers from 'node:timers'
import { whenAborted } from './tasks.js'

const { clearTimeout, setImmediate, setTimeout } = timers
// Not by import: that would open stdin, stdout and stderr, and takes 3 ms.
const { nextTick } = process.getBuiltinModule('node:process')
const wallTime = Date.now
const monotonicTime = performance.now.bind(performance)

/** A callback that `Clock.after` has scheduled. */
export interface Timer {
  /** Keeps the callback from running, if it has not run yet. */
  cancel(): void
}

/** The source of time; tests pass one that they move themselves, see {@link virtualClock}. */
export interface Clock {
  /** Wall time in whole milliseconds since 1970, as record timestamps have it. */
  now(): number
  /** Milliseconds since some fixed moment; never goes back. */
  monotonicMs(): number
  /**
   * Calls `callback` once after `delayMs`. A timer keeps the process alive, because something
   * waits for it, unless it is a `background` timer (housekeeping).
   */
  after(delayMs: number, callback: () => void, kind?: 'background'): Timer
  /**
   * Calls `callback` at the end of this turn: after everything that is already about to run.
   * Work of one turn that ends in one callback is how sends share a batch.
   */
  soon(callback: () => void): void
  /** Resolves in a later turn of the event loop, so that I/O and timers get their chance. */
  turn(): Promise<void>
}

/** Node keeps timer delays in 32 bits: a longer delay would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1

/**
 * How long `soon` callbacks may follow each other before timers and I/O of the host application
 * get a turn: otherwise a tight loop of awaited sends would never release the thread.
 */
const SOON_RUN_MAX_MS = 1

// ── turns of the event loop ──────────────────────────────────────────────────────────────

/** Callbacks of `atTurnEnd` that have not run yet. */
const pending: (() => void)[] = []
/** The end of this turn runs them even if the ticks never come. */
let isTurnWatched = false
/** Counts the turns in which a callback was scheduled. */
let turns = 0

function runNext(): void {
  pending.shift()?.()
}

function endTurn(): void {
  isTurnWatched = false
  while (pending.length > 0) runNext()
}

function watchTurn(): void {
  if (isTurnWatched) return
  isTurnWatched = true
  turns++
  setImmediate(endTurn)
}

/**
 * Calls `callback` at the end of this turn by process.nextTick; in the next turn if that was
 * replaced by a fake that does nothing.
 */
export function atTurnEnd(callback: () => void): void {
  watchTurn()
  pending.push(callback)
  nextTick(runNext)
}

/** Resolves in the next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** The real clock. */
export class SystemClock implements Clock {
  /** The turn in which `soon` was last called, and the time of its first call in that turn. */
  #soonTurn = 0
  #soonSinceMs = 0

  now(): number {
    return wallTime()
  }

  monotonicMs(): number {
    return monotonicTime()
  }

  after(delayMs: number, callback: () => void, kind?: 'background'): Timer {
    const deadline = this.monotonicMs() + delayMs
    const arm = (restMs: number): NodeJS.Timeout => {
      const timeout = setTimeout(fire, Math.min(Math.max(restMs, 0), TIMER_MAX_MS))
      return kind === 'background' ? timeout.unref() : timeout
    }
    const fire = (): void => {
      const restMs = deadline - this.monotonicMs()
      if (delayMs > TIMER_MAX_MS && restMs >= 1) timer = arm(restMs)
      else callback()
    }
    let timer = arm(delayMs)
    return { cancel: () => clearTimeout(timer) }
  }

  soon(callback: () => void): void {
    const nowMs = this.monotonicMs()
    watchTurn()
    if (this.#soonTurn !== turns) {
      this.#soonTurn = turns
      this.#soonSinceMs = nowMs
    }
    if (nowMs - this.#soonSinceMs < SOON_RUN_MAX_MS) atTurnEnd(callback)
    else setImmediate(callback)
  }

  turn(): Promise<void> {
    return nextTurn()
  }
}

/** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(delayMs, () => {
      forget()
      resolve()
    })
    const forget = whenAborted(signal, () => {
      timer.cancel()
      reject(signal?.reason as Error)
    })
  })
}

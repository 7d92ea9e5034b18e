/**
 * Time is an argument. This file is the only home of Date, performance and the timers of Node:
 * everything above asks a Clock, so a test can hand in one that it advances by hand.
 *
 * Durations and deadlines use `monotonicMs`; only timestamps that a user sees use `now`.
 */

/** Something that will happen, as `Clock.after` gives it. */
export interface Timer {
  /** Makes sure the callback does not run (any more). */
  cancel(): void
}

/** Time, handed in: see {@link virtualClock} for one that tests move. */
export interface Clock {
  /** Wall time in whole milliseconds since 1970, as record timestamps have it. */
  now(): number
  /** Milliseconds since some fixed moment; never goes back. */
  monotonicMs(): number
  /**
   * Calls `callback` once after `delayMs`. A timer keeps the process alive, because somebody
   * waits for it, unless it is a `background` one (housekeeping).
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

/** Node keeps timer delays in 32 bits: a longer one would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1

/**
 * How long `soon` callbacks may follow each other before timers and I/O of the host application
 * must get a turn: a tight loop of awaited sends would otherwise never let go of the thread.
 */
const SOON_RUN_MAX_MS = 1

/** The real clock. */
export class SystemClock implements Clock {
  /** When the first of the `soon` callbacks of this turn was asked for. */
  #soonSinceMs = 0
  #turnPending = false

  now(): number {
    return Date.now()
  }

  monotonicMs(): number {
    return performance.now()
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
    if (!this.#turnPending) {
      this.#turnPending = true
      this.#soonSinceMs = nowMs
      setImmediate(() => {
        this.#turnPending = false
      })
    }
    if (nowMs - this.#soonSinceMs < SOON_RUN_MAX_MS) process.nextTick(callback)
    else setImmediate(callback)
  }

  turn(): Promise<void> {
    return new Promise(resolve => setImmediate(resolve))
  }
}

/** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error)
    const onAbort = (): void => {
      timer.cancel()
      reject(signal?.reason as Error)
    }
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

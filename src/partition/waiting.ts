/*
 * Waiting for a partition: Kafka's purgatory as promises. A change, the deadline or the client's
 * abort ends a wait; nothing polls.
 */

import type { Clock } from '../base/clock.js'
import type { Offset } from '../model/units.js'

/** Callbacks that are called at every change. */
export class Watchers {
  readonly #callbacks = new Set<() => void>()

  /** Calls `callback` at every change until the returned function is called. */
  watch(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => void this.#callbacks.delete(callback)
  }

  notify(): void {
    if (this.#callbacks.size === 0) return
    for (const callback of [...this.#callbacks]) callback()
  }
}

export type WaitEnd = 'ready' | 'expired' | 'aborted'

export interface WaitOptions {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Resolves when `isReady()` is true: at once, or after a change in one of `sources`. Otherwise it
 * resolves when the time is over or the signal aborts.
 */
export function waitUntil(
  isReady: () => boolean,
  sources: readonly Watchers[],
  { clock, timeoutMs, signal }: WaitOptions,
): Promise<WaitEnd> {
  if (isReady()) return Promise.resolve('ready')
  return new Promise(resolve => {
    const end = (how: WaitEnd): void => {
      for (const stop of stops) stop()
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
      resolve(how)
    }
    const onAbort = (): void => end('aborted')
    const onChange = (): void => {
      if (isReady()) end('ready')
    }
    const stops = sources.map(source => source.watch(onChange))
    const timer = clock.after(timeoutMs, () => end('expired'))
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted) end('aborted')
  })
}

interface Waiter {
  readonly offset: Offset
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Appends that wait for the high watermark, in the order of their offsets. */
export class OffsetWaiters {
  #waiters: Waiter[] = []

  /** Resolves when `advance` has reached `offset`. */
  wait(offset: Offset): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ offset, resolve, reject }))
  }

  advance(offset: Offset): void {
    if (this.#waiters.length === 0) return
    let passed = 0
    while (passed < this.#waiters.length && (this.#waiters[passed] as Waiter).offset <= offset) {
      passed++
    }
    for (const waiter of this.#waiters.splice(0, passed)) waiter.resolve()
  }

  fail(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
  }
}

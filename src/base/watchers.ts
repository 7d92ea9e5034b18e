/*
 * Waiting for a change: callbacks, and promises with a time limit and an abort signal. Nothing
 * polls, and a wait that is over leaves nothing behind.
 */

import type { Clock, Timer } from './clock.js'
import { whenAborted } from './tasks.js'

/** A source of notices of changes. */
export interface Watchable {
  /** Calls `onChange` at changes until the returned function is called. */
  watch(onChange: () => void): () => void
}

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
    if (this.#callbacks.size === 1) return this.#only()
    for (const callback of [...this.#callbacks]) callback()
  }

  /** Without a copy: most have one, and are notified with every append. */
  #only(): void {
    const [callback] = this.#callbacks
    callback?.()
  }
}

export type WaitEnd = 'ready' | 'expired' | 'aborted'

export interface WaitOptions {
  readonly clock: Clock
  /** Default: no limit. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** A `background` wait does not keep the process alive. */
  readonly kind?: 'background' | undefined
}

/** Resolves at the next change of `source`, when the time is over, or when the signal aborts. */
export function nextChange(source: Watchers, options: WaitOptions): Promise<WaitEnd> {
  return waitFor(ready => source.watch(ready), options)
}

/** The same for two sources. */
export function nextChangeOfTwo(
  one: Watchers,
  other: Watchers,
  options: WaitOptions,
): Promise<WaitEnd> {
  return waitFor(ready => {
    const stops = [one.watch(ready), other.watch(ready)]
    return () => {
      for (const stop of stops) stop()
    }
  }, options)
}

/**
 * Resolves when `isReady()` is true: at once, or after a change in one of `sources`. Otherwise it
 * resolves when the time is over or the signal aborts.
 */
export function waitUntil(
  isReady: () => boolean,
  sources: readonly Watchable[],
  options: WaitOptions,
): Promise<WaitEnd> {
  if (isReady()) return Promise.resolve('ready')
  return waitFor(ready => {
    const onChange = (): void => {
      if (isReady()) ready()
    }
    const stops = sources.map(source => source.watch(onChange))
    return () => {
      for (const stop of stops) stop()
    }
  }, options)
}

/** `begin` starts to watch, later calls back, and returns a function that stops watching. */
function waitFor(
  begin: (ready: () => void) => () => void,
  { clock, timeoutMs, signal, kind }: WaitOptions,
): Promise<WaitEnd> {
  return new Promise(resolve => {
    let timer: Timer | undefined
    let forget: (() => void) | undefined
    const end = (how: WaitEnd): void => {
      stop()
      timer?.cancel()
      forget?.()
      resolve(how)
    }
    const stop = begin(() => end('ready'))
    if (timeoutMs !== undefined) timer = clock.after(timeoutMs, () => end('expired'), kind)
    if (signal !== undefined) forget = whenAborted(signal, () => end('aborted'))
  })
}

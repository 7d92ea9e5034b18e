/* How a command ends: a signal aborts its work, and what it opened is closed. */

import { SystemClock, type Clock } from '../../base/clock.js'
import { firstSignal, type Output } from './output.js'

/** The real time. */
export const clock: Clock = new SystemClock()

/** Aborts at the first signal, so that the command ends in order; a second signal kills it. */
export function endingSignal(output: Output): AbortSignal {
  const ending = new AbortController()
  void firstSignal('SIGINT', 'SIGTERM', 'SIGHUP').then(signal => {
    output.note(`${signal}: ending`)
    ending.abort()
  })
  return ending.signal
}

/** Something that must be closed. */
export interface Closable {
  close(): Promise<void>
}

/** Runs `use`, then closes `thing`. If both fail, rejects with the error of `use`. */
export async function closing<T>(thing: Closable, use: () => Promise<T>): Promise<T> {
  let result: T
  try {
    result = await use()
  } catch (error) {
    await thing.close().catch(() => undefined)
    throw error
  }
  await thing.close()
  return result
}

/** Prints events, each with the seconds since the start. */
export function storyteller(output: Output): (text: string) => void {
  const startedMs = clock.monotonicMs()
  return text => {
    const seconds = (clock.monotonicMs() - startedMs) / 1000
    output.note(`${seconds.toFixed(3).padStart(9)} s  ${text}`)
  }
}

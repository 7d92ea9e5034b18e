/** How the work of a command ends: by a signal, or with whatever it holds closed. */

import { SystemClock, type Clock } from '../../base/clock.js'
import { told, type Output } from './output.js'

/** The real time. */
export const clock: Clock = new SystemClock()

/** Aborts at the first signal that ends work, after what is in hand; a second one kills. */
export function endingSignal(output: Output): AbortSignal {
  const ending = new AbortController()
  void told('SIGINT', 'SIGTERM', 'SIGHUP').then(signal => {
    output.note(`${signal}: ending`)
    ending.abort()
  })
  return ending.signal
}

/** Something that has to be closed. */
export interface Closable {
  close(): Promise<void>
}

/** Uses it and closes it. What goes wrong first is told, not what closing makes of it. */
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

/** Tells what happens, each time with the seconds since the beginning. */
export function storyteller(output: Output): (text: string) => void {
  const startedMs = clock.monotonicMs()
  return text => {
    const seconds = (clock.monotonicMs() - startedMs) / 1000
    output.note(`${seconds.toFixed(3).padStart(9)} s  ${text}`)
  }
}

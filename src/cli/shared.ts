/** What several commands do alike. */

import type { Clock } from '../base/clock.js'
import { SystemClock } from '../base/clock.js'
import { text, type OptionType } from '../base/config.js'
import { Cluster } from '../cluster.js'
import { toggle, valued } from './command.js'
import { told, type Output } from './output.js'
import { timeFromIso, UTC } from './time-text.js'
import { openToWrite } from './waits.js'

export const clock: Clock = new SystemClock()

export const DIR_OPTION = valued(
  text,
  './data',
  'DIR',
  'the folder of the cluster (default ./data)',
)
export const JSON_OPTION = toggle('one JSON object per line instead of a table')

/** Tells what happens, each time with the seconds since the beginning. */
export function storyteller(output: Output): (text: string) => void {
  const startedMs = clock.monotonicMs()
  return text => {
    const seconds = (clock.monotonicMs() - startedMs) / 1000
    output.note(`${seconds.toFixed(3).padStart(9)} s  ${text}`)
  }
}

/** A day, or a time that does not say its zone, is one of UTC, as for Kafka's tools. */
function parseTime(given: string): Date | undefined {
  try {
    return new Date(Math.max(timeFromIso(given, UTC), 0)) // before 1970 there is nothing
  } catch {
    return undefined
  }
}

/** A time as ISO 8601. */
export const isoTime: OptionType<Date> = {
  expected: 'an ISO time like 2016-01-31T12:00:00Z',
  parse: () => undefined,
  parseText: parseTime,
}

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

/** Opens the cluster for looking only, runs `use`, closes it. */
export async function reading<T>(dir: string, use: (cluster: Cluster) => Promise<T>): Promise<T> {
  const cluster = await Cluster.open({ dir, readOnly: true })
  return await closing(cluster, () => use(cluster))
}

/**
 * Opens the cluster to change it, runs `use`, closes it. A folder that is none of a cluster stays
 * as it is.
 */
export async function writing<T>(
  dir: string,
  output: Output,
  use: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  await reading(dir, async () => undefined)
  const cluster = await openToWrite({ dir }, output)
  return await closing(cluster, () => use(cluster))
}

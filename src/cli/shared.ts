/** What several commands do alike. */

import type { Clock } from '../base/clock.js'
import { SystemClock } from '../base/clock.js'
import { text, type OptionType } from '../base/config.js'
import { Cluster } from '../cluster.js'
import { toggle, valued } from './command.js'
import { told, type Output } from './output.js'

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

/** Date.parse takes much else for a time: '1.5' is a day in January 2001. */
const ISO_TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/

function parseTime(given: string): Date | undefined {
  if (!ISO_TIME.test(given)) return undefined
  const ms = Date.parse(given)
  return Number.isNaN(ms) ? undefined : new Date(ms)
}

/** A time as ISO 8601. */
export const isoTime: OptionType<Date> = {
  expected: 'an ISO time like 2016-01-31T12:00:00Z',
  parse: () => undefined,
  parseText: parseTime,
}

/** An offset, or a time. */
export const offsetOrTime: OptionType<number | Date> = {
  expected: `an offset or ${isoTime.expected}`,
  parse: () => undefined,
  parseText: given => (/^\d{1,15}$/.test(given) ? Number(given) : parseTime(given)),
}

/** Aborts at SIGINT or SIGTERM, for work that ends after what is in hand; a second one kills. */
export function endingSignal(output: Output): AbortSignal {
  const ending = new AbortController()
  void told('SIGINT', 'SIGTERM').then(signal => {
    output.note(`${signal}: ending`)
    ending.abort()
  })
  return ending.signal
}

/** Opens the cluster for looking only, runs `use`, closes it. */
export async function reading<T>(dir: string, use: (cluster: Cluster) => Promise<T>): Promise<T> {
  const cluster = await Cluster.open({ dir, readOnly: true })
  try {
    return await use(cluster)
  } finally {
    await cluster.close()
  }
}

/**
 * Opens the cluster to change it, runs `use`, closes it. A folder that is none of a cluster stays
 * as it is.
 */
export async function writing<T>(dir: string, use: (cluster: Cluster) => Promise<T>): Promise<T> {
  await reading(dir, async () => undefined)
  const cluster = await Cluster.open({ dir })
  try {
    return await use(cluster)
  } finally {
    await cluster.close()
  }
}

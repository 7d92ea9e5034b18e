/** What several commands do alike. */

import type { Clock } from '../base/clock.js'
import { SystemClock } from '../base/clock.js'
import { text, type OptionType } from '../base/config.js'
import { Cluster } from '../cluster.js'
import { toggle, valued } from './command.js'

export const clock: Clock = new SystemClock()

export const DIR_OPTION = valued(
  text,
  './data',
  'DIR',
  'the folder of the cluster (default ./data)',
)
export const JSON_OPTION = toggle('one JSON object per line instead of a table')

/** Date.parse takes much else for a time: '1.5' is a day in January 2001. */
const ISO_TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/

/** An offset, or a time as ISO 8601. */
export const offsetOrTime: OptionType<number | Date> = {
  expected: 'an offset or an ISO time like 2016-01-31T12:00:00Z',
  parse: () => undefined,
  parseText: given => {
    if (/^\d{1,15}$/.test(given)) return Number(given)
    if (!ISO_TIME.test(given)) return undefined
    const ms = Date.parse(given)
    return Number.isNaN(ms) ? undefined : new Date(ms)
  },
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

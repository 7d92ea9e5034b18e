/* Options that several commands share, and the two ways they open a cluster. */

import { text } from '../base/options.js'
import { Cluster } from '../cluster/cluster.js'
import { toggle, valued } from './command.js'
import { openToWrite } from './copy/waits.js'
import { closing } from './terminal/ending.js'
import type { Output } from './terminal/output.js'

export const DIR_OPTION = valued(
  text,
  './data',
  'DIR',
  'the folder of the cluster (default ./data)',
)
export const JSON_OPTION = toggle('one JSON object per line instead of a table')

/** Opens the cluster read-only, runs `use`, closes it. */
export async function reading<T>(dir: string, use: (cluster: Cluster) => Promise<T>): Promise<T> {
  const cluster = await Cluster.open({ dir, readOnly: true })
  return await closing(cluster, () => use(cluster))
}

/**
 * Opens the cluster to change it, runs `use`, closes it. A folder that holds no cluster is refused
 * and stays unchanged.
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

/* Options that several commands share, and the ways they open a cluster. */

import { sleep } from '../base/clock.js'
import { text } from '../base/options.js'
import { Cluster } from '../cluster/cluster.js'
import { toggle, valued } from './command.js'
import { openToWrite } from './copy/waits.js'
import { clock, closing, endingSignal } from './terminal/ending.js'
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

// ── --watch ──────────────────────────────────────────────────────────────────────────────

/** Between two looks. */
const LOOK_MS = 250

export const WATCH_OPTION = toggle('show it again whenever it has changed, until a signal')

/** What a command shows: objects as lines of JSON, or a table. */
export interface Shown {
  readonly objects: readonly object[]
  readonly table: string
}

interface Watched {
  readonly dir: string
  readonly json: boolean
  readonly watch: boolean
}

/** Shows what `look` finds in a folder. */
export async function show(
  { dir, json, watch }: Watched,
  output: Output,
  look: (cluster: Cluster) => Promise<Shown>,
): Promise<void> {
  await reading(dir, async cluster => {
    let before: string | undefined
    const ending = watch ? endingSignal(output) : undefined
    do {
      const { objects, table } = await look(cluster)
      const now = JSON.stringify(objects)
      if (now !== before && json) for (const each of objects) await output.json(each)
      if (now !== before && !json) await output.line(before === undefined ? table : `\n${table}`)
      before = now
      if (watch) await sleep(clock, LOOK_MS, ending).catch(() => undefined)
    } while (watch && ending?.aborted !== true && !output.isClosed)
  })
}

/*
 * A folder that a replay follows beside its owner: how far each partition is committed, and when
 * there is more. A folder of Kafka says neither.
 */

import { sleep } from '../../base/clock.js'
import { Cluster } from '../../cluster/cluster.js'
import { FOLLOW_INTERVAL_MS, type Following } from '../../events/replay/replay-records.js'
import type { PartitionDirectory } from '../../log/inspection/partition-directory.js'
import { isPartlogError } from '../../model/errors.js'
import { clock, type Closable } from '../terminal/ending.js'

/** Undefined if the folder is not one of a cluster. */
export async function followedFolder(
  dir: string,
  partitions: readonly PartitionDirectory[],
): Promise<(Following & Closable) | undefined> {
  try {
    return new FollowedFolder(await Cluster.open({ dir, readOnly: true }), partitions)
  } catch (error) {
    if (isPartlogError(error, 'INVALID_ARGUMENT')) return undefined
    throw error
  }
}

class FollowedFolder implements Following {
  readonly #cluster: Cluster
  readonly #partitions: readonly PartitionDirectory[]
  /** How many records each topic had when `ends` was last asked. */
  readonly #records = new Map<string, number>()

  constructor(cluster: Cluster, partitions: readonly PartitionDirectory[]) {
    this.#cluster = cluster
    this.#partitions = partitions
  }

  async ends(): Promise<ReadonlyMap<PartitionDirectory, number>> {
    const { admin } = this.#cluster
    const ends = new Map<PartitionDirectory, number>()
    for (const topic of new Set(this.#partitions.map(each => each.topic))) {
      const first = await admin.listOffsets(topic, 'earliest')
      const last = await admin.listOffsets(topic, 'latest')
      const endOf = new Map(last.map(({ partition, offset }) => [partition, offset]))
      const sum = (all: typeof last): number => all.reduce((n, { offset }) => n + (offset ?? 0), 0)
      this.#records.set(topic, sum(last) - sum(first))
      for (const each of this.#partitions) {
        if (each.topic === topic) ends.set(each, endOf.get(each.partition) ?? 0)
      }
    }
    return ends
  }

  /** Retention may take away as many records as come: so it is looked at after a while anyway. */
  async changed(signal: AbortSignal | undefined): Promise<void> {
    const over = new AbortController()
    const either = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal])
    const more = [...this.#records].map(([topic, records]) =>
      this.#cluster.until({ topic, records: records + 1 }, { signal: either }),
    )
    const waits = [...more, sleep(clock, FOLLOW_INTERVAL_MS, either)]
    for (const wait of waits) wait.catch(() => undefined)
    await Promise.race(waits).catch(() => undefined)
    over.abort()
  }

  async close(): Promise<void> {
    await this.#cluster.close()
  }
}

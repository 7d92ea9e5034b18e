/** partlog: opening a folder, and the first record out of it, if there is one. */

import { Cluster } from '../../dist/index.js'
import { loadParts } from '../parts/cluster.mjs'

export async function measure({ dir, topic }) {
  await loadParts()
  const startedAt = performance.now()
  const cluster = await Cluster.open({ dir })
  const ms = performance.now() - startedAt
  const firstRecordMs = topic === undefined ? undefined : await firstOf(cluster, topic, startedAt)
  const { wasClosedCleanly } = cluster.recovery
  await cluster.close()
  return { ms, firstRecordMs, wasClosedCleanly }
}

async function firstOf(cluster, topic, startedAt) {
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest', maxPollRecords: 1 })
  await consumer.assign([{ topic, partition: 0 }])
  const [record] = await consumer.poll({ timeoutMs: 10_000 })
  if (record === undefined) throw new Error('no record')
  return performance.now() - startedAt
}

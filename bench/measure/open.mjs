/** partlog: opening a folder, and the first record out of it. */

import { Cluster } from '../../dist/index.js'

export async function measure({ dir, topic }) {
  const startedAt = performance.now()
  const cluster = await Cluster.open({ dir })
  const ms = performance.now() - startedAt
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest', maxPollRecords: 1 })
  await consumer.assign([{ topic, partition: 0 }])
  const [record] = await consumer.poll({ timeoutMs: 10_000 })
  const firstRecordMs = performance.now() - startedAt
  if (record === undefined) throw new Error('no record')
  const { wasClosedCleanly } = cluster.recovery
  await cluster.close()
  return { ms, firstRecordMs, wasClosedCleanly }
}

/** partlog: seek to a place nobody can foresee, read the record there. */

import { Cluster } from '../../dist/index.js'
import { TOPIC } from '../parts/topic.mjs'
import { seeded } from '../parts/records.mjs'
import { percentile } from '../parts/stats.mjs'

export async function measure({ dir, count, reads }) {
  const cluster = await Cluster.open({ dir })
  const consumer = cluster.consumer({ maxPollRecords: 1 })
  await consumer.assign([{ topic: TOPIC, partition: 0 }])
  const below = seeded(7)
  const times = []
  for (let read = 0; read < reads; read++) {
    const offset = below(count)
    const startedAt = performance.now()
    consumer.seek({ topic: TOPIC, partition: 0, offset })
    const [record] = await consumer.poll()
    times.push((performance.now() - startedAt) * 1_000)
    if (record?.offset !== offset) throw new Error(`record ${offset} did not come`)
  }
  await cluster.close()
  return { us: percentile(times, 0.5) }
}

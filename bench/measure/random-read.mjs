/**
 * partlog: seeks to a random offset and reads the record there. `isTail`: among the last records,
 * as a reader that returns.
 */

import { Cluster } from '../../dist/index.js'
import { bytesAt, seeded } from '../parts/records.mjs'
import { percentile } from '../parts/stats.mjs'
import { TOPIC } from '../parts/topic.mjs'

const TAIL_RECORDS = 1_000

export async function measure({ dir, count, reads, isTail = false }) {
  const cluster = await Cluster.open({ dir })
  const consumer = cluster.consumer({ maxPollRecords: 1 })
  await consumer.assign([{ topic: TOPIC, partition: 0 }])
  const below = seeded(7)
  const times = []
  for (let read = 0; read < reads; read++) {
    const offset = isTail ? count - 1 - below(TAIL_RECORDS) : below(count)
    const startedAt = performance.now()
    consumer.seek({ topic: TOPIC, partition: 0, offset })
    const [record] = await consumer.poll()
    times.push((performance.now() - startedAt) * 1_000)
    if (record?.offset !== offset) throw new Error(`record ${offset} did not come`)
    if (!bytesAt(offset).equals(record.value)) throw new Error(`record ${offset} is another one`)
  }
  await cluster.close()
  return { us: percentile(times, 0.5), p99: percentile(times, 0.99) }
}

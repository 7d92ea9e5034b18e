/** partlog: sends of 1,000 records, spread over all partitions of a topic. */

import { Cluster } from '../../dist/index.js'
import { bytesAt } from '../parts/records.mjs'
import { TOPIC } from '../parts/topic.mjs'

const BATCH_RECORDS = 1_000

export async function measure({ dir, partitions, count, warmUp }) {
  const cluster = await Cluster.open({ dir, durability: 'process' })
  await cluster.admin.createTopic({ topic: TOPIC, partitions })
  const producer = cluster.producer()
  const send = async total => {
    for (let start = 0; start < total; start += BATCH_RECORDS) {
      const messages = Array.from({ length: BATCH_RECORDS }, (_, n) => ({
        value: bytesAt(start + n),
        partition: n % partitions,
      }))
      await producer.send({ topic: TOPIC, messages })
    }
  }
  await send(warmUp)
  const startedAt = performance.now()
  await send(count)
  const ms = performance.now() - startedAt
  await cluster.close()
  return { count, ms, us: (ms * 1_000) / count }
}

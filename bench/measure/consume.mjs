/** partlog: all records of a topic as a group reads them, from the subscription to the last. */

import { Cluster } from '../../dist/index.js'
import { TOPIC } from '../parts/topic.mjs'
import { Reading } from '../parts/records.mjs'

const WAYS = {
  async eachBatch(consumer, reading, count) {
    const done = new AbortController()
    await consumer.run({
      signal: done.signal,
      eachBatch({ records }) {
        for (const { value } of records) reading.take(value)
        if (reading.count >= count) done.abort()
      },
    })
  },

  async forAwait(consumer, reading, count) {
    for await (const { value } of consumer) {
      reading.take(value)
      if (reading.count >= count) break
    }
  },
}

export async function measure({ dir, count, way, as = 'bytes' }) {
  const cluster = await Cluster.open({ dir })
  const consumer = cluster.consumer({
    groupId: `bench-${process.pid}`,
    autoOffsetReset: 'earliest',
    valueDeserializer: as,
  })
  const reading = new Reading()
  const startedAt = performance.now()
  await consumer.subscribe([TOPIC])
  await WAYS[way](consumer, reading, count)
  const ms = performance.now() - startedAt
  reading.finish(count)
  await cluster.close()
  return { count, ms }
}

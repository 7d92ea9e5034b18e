/** partlog: all records of a topic, from the subscription of a group to the last one. */

import { Cluster } from '../../dist/index.js'
import { TOPIC } from '../parts/topic.mjs'
import { Reading } from '../parts/records.mjs'

const WAYS = {
  async eachBatch(consumer, { take, isOver }) {
    const done = new AbortController()
    await consumer.run({
      signal: done.signal,
      eachBatch({ records }) {
        for (const { value } of records) take(value)
        if (isOver()) done.abort()
      },
    })
  },

  async eachRecord(consumer, { take, isOver }) {
    const done = new AbortController()
    await consumer.run({
      signal: done.signal,
      eachRecord({ value }) {
        take(value)
        if (isOver()) done.abort()
      },
    })
  },

  async forAwait(consumer, { take, isOver }) {
    for await (const { value } of consumer) {
      take(value)
      if (isOver()) break
    }
  },

  async poll(consumer, { take, isOver }) {
    while (!isOver()) for (const { value } of await consumer.poll()) take(value)
  },
}

/** Looks at no value: at the number of the records and the offset of the last one. */
async function untouched(consumer, count) {
  const done = new AbortController()
  let next = 0
  await consumer.run({
    signal: done.signal,
    eachBatch({ records }) {
      next += records.length
      if (records.at(-1).offset !== next - 1) throw new Error(`a record before ${next} is missing`)
      if (next >= count) done.abort()
    },
  })
  if (next !== count) throw new Error(`${next} records read, ${count} written`)
}

export async function measure({ dir, count, way, as = 'bytes' }) {
  const cluster = await Cluster.open({ dir })
  const consumer = cluster.consumer({
    groupId: `bench-${process.pid}`,
    autoOffsetReset: 'earliest',
    valueDeserializer: as,
  })
  const reading = new Reading()
  const take =
    as === 'string' ? value => reading.takeText(value) : value => reading.takeBytes(value)
  const isOver = () => reading.count >= count
  const startedAt = performance.now()
  await consumer.subscribe([TOPIC])
  if (way === 'untouched') await untouched(consumer, count)
  else await WAYS[way](consumer, { take, isOver })
  const ms = performance.now() - startedAt
  if (way !== 'untouched') reading.finish(count)
  await cluster.close()
  return { count, ms }
}

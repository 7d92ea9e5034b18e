/** Several brokers: what a copy costs, how long a failover takes, what many partitions hold. */

import { performance } from 'node:perf_hooks'
import { join } from 'node:path'
import { Cluster } from '../../dist/index.js'
import { percentile } from '../parts/stats.mjs'
import { recordAt, recordsFrom } from '../parts/records.mjs'
import { TOPIC } from '../parts/topic.mjs'

const BATCH = 1_000

/** Awaited single records, then batches with 8 sends under way. */
async function writing({ dir, durability, replicationFactor, acks, singles, batches }) {
  const cluster = await Cluster.open({ dir: join(dir, 'data'), brokers: 3, durability })
  await cluster.admin.createTopic({ topic: TOPIC, replicationFactor })
  const producer = cluster.producer({ acks })
  const send = messages => producer.send({ topic: TOPIC, messages })
  for (let n = 0; n < singles / 10; n++) await send([recordAt(n)])
  const latencies = []
  for (let n = 0; n < singles; n++) {
    const startedAt = performance.now()
    await send([recordAt(n)])
    latencies.push((performance.now() - startedAt) * 1000)
  }
  const startedAt = performance.now()
  const underWay = []
  for (let n = 0; n < batches; n++) {
    underWay.push(send(recordsFrom(n * BATCH, BATCH)))
    if (underWay.length === 8) await underWay.shift()
  }
  await Promise.all(underWay)
  const perSecond = (batches * BATCH) / (performance.now() - startedAt)
  await cluster.close()
  return { perSecond, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
}

/** From the leader's death to the first record that its successor acknowledges. */
async function failover({ dir, durability }) {
  const cluster = await Cluster.open({ dir: join(dir, 'data'), brokers: 3, durability })
  await cluster.admin.createTopic({ topic: TOPIC, assignment: [[1, 2, 3]] })
  const producer = cluster.producer()
  for (let n = 0; n < 100; n++) await producer.send({ topic: TOPIC, messages: [recordAt(n)] })
  const startedAt = performance.now()
  const killed = cluster.broker(1).kill()
  await producer.send({ topic: TOPIC, messages: [recordAt(0)] })
  const ms = performance.now() - startedAt
  await killed
  await cluster.close()
  return { ms }
}

/** Partitions with three copies each, a record in each. */
async function holding({ dir, partitions }) {
  const before = process.memoryUsage().rss
  const cluster = await Cluster.open({ dir: join(dir, 'data'), brokers: 3, durability: 'process' })
  await cluster.admin.createTopic({ topic: TOPIC, partitions, replicationFactor: 3 })
  const producer = cluster.producer()
  const messages = Array.from({ length: partitions }, (_, partition) => ({
    ...recordAt(partition),
    partition,
  }))
  await producer.send({ topic: TOPIC, messages })
  globalThis.gc?.()
  const bytes = process.memoryUsage().rss - before
  await cluster.close()
  return { bytes }
}

const KINDS = { writing, failover, holding }

export async function measure({ kind, ...params }) {
  return await KINDS[kind](params)
}

/** A log of many records and few keys is compacted by housekeeping, as it is for users. */

import { Cluster } from '../../dist/index.js'
import { forgetLoop } from '../parts/loop.mjs'
import { TOPIC } from '../parts/topic.mjs'

const BATCH = 100
const VALUE = 'v'.repeat(100)

export async function measure({ dir, count, keys, compression }) {
  const cleaned = []
  const info = (text, fields) => void (text.startsWith(TOPIC) && cleaned.push(fields))
  const silent = () => undefined
  const logger = { debug: silent, info, warn: console.error, error: console.error }
  const cluster = await Cluster.open({ dir, durability: 'process', logger })
  const segmentBytes = (compression === undefined ? 16 : 1) * 1024 * 1024
  const config = { 'cleanup.policy': 'compact', 'segment.bytes': segmentBytes }
  const waits = { 'min.cleanable.dirty.ratio': 1 }
  await cluster.admin.createTopic({ topic: TOPIC, partitions: 1, config: { ...config, ...waits } })
  const producer = cluster.producer({ compression })
  for (let from = 0; from < count; from += BATCH) {
    const messages = Array.from({ length: BATCH }, (_, n) => ({
      key: `key-${((from + n) * 7919) % keys}`,
      value: `${from + n}${VALUE}`,
    }))
    const sent = producer.send({ topic: TOPIC, messages })
    if (from % (8 * BATCH) === 0) await sent
  }
  await producer.flush()
  cleaned.length = 0 // deletions are logged as well
  await cluster.admin.alterConfig(TOPIC, { 'min.cleanable.dirty.ratio': 0 })
  await new Promise(resolve => setTimeout(resolve, 1000)) // for what filling has left to do
  forgetLoop()
  for (let waits = 0; cleaned.length === 0; waits++) {
    if (waits > 1200) throw new Error('nothing was compacted within a minute')
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  const [{ tookMs, endOffset, bytesBefore, bytesAfter }] = cleaned
  setImmediate(() => cluster.close())
  return { ms: tookMs, perSecond: endOffset / tookMs, bytesBefore, bytesAfter }
}

/** partlog: many partitions in one folder are created, closed and opened again. */

import { Cluster } from '../../dist/index.js'
import { TOPIC } from '../parts/topic.mjs'

export async function measure({ dir, partitions }) {
  let cluster = await Cluster.open({ dir, durability: 'process' })
  const createMs = await timed(() => cluster.admin.createTopic({ topic: TOPIC, partitions }))
  const closeMs = await timed(() => cluster.close())
  const openMs = await timed(async () => (cluster = await Cluster.open({ dir })))
  const found = (await cluster.admin.describeTopic(TOPIC)).partitions.length
  if (found !== partitions) throw new Error(`${found} partitions, ${partitions} created`)
  await cluster.close()
  return { createMs, openMs, closeMs }
}

async function timed(work) {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

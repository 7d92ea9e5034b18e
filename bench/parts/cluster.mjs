/** partlog as its users have it: the build. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Cluster } from '../../dist/index.js'
import { readyPages } from './page-cache.mjs'
import { RECORD_BYTES_MAX } from './records.mjs'
import { TOPIC, WARM_UP_TOPIC } from './topic.mjs'

/** A new cluster in a folder or, without one, in memory, with its topics. */
async function newCluster({ dir, durability }) {
  const cluster = await (dir === undefined
    ? Cluster.memory({ durability })
    : Cluster.open({ dir, durability }))
  for (const topic of [TOPIC, WARM_UP_TOPIC]) {
    await cluster.admin.createTopic({ topic, partitions: 1 })
  }
  return cluster
}

/**
 * Times `write(topic, count)` once it has warmed up in another topic. Returns also how many bytes
 * the records take on the disk.
 */
export async function timedWrites({ dir, durability, count, warmUp }, makeWrite) {
  const cluster = await newCluster({ dir, durability })
  const write = makeWrite(cluster.producer())
  await write(WARM_UP_TOPIC, warmUp)
  if (dir !== undefined) readyPages(dir, count * RECORD_BYTES_MAX)
  const startedAt = performance.now()
  await write(TOPIC, count)
  const ms = performance.now() - startedAt
  const [{ offset }] = await cluster.admin.listOffsets(TOPIC)
  if (offset !== count) throw new Error(`${offset} records in the log, ${count} written`)
  await cluster.close()
  return { count, ms, ...(dir === undefined ? {} : { bytes: storedBytes(dir) }) }
}

/** Bytes of the topic's log. */
function storedBytes(dir) {
  const folder = join(dir, 'broker-1', `${TOPIC}-0`)
  const segments = readdirSync(folder).filter(name => name.endsWith('.log'))
  return segments.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

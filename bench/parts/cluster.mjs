/** partlog as its users have it: the build. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Cluster } from '../../dist/index.js'
import { readyPages } from './page-cache.mjs'
import { RECORD_BYTES_MAX, VALUE_BYTES } from './records.mjs'
import { TOPIC, WARM_UP_TOPIC } from './topic.mjs'

/** A new cluster in a folder or, without one, in memory, with its topics. */
async function newCluster({ dir, durability, brokers = 1, partitions = 1, copies = 1 }) {
  const cluster = await (dir === undefined
    ? Cluster.memory({ durability, brokers })
    : Cluster.open({ dir, durability, brokers }))
  for (const topic of [TOPIC, WARM_UP_TOPIC]) {
    await cluster.admin.createTopic({ topic, partitions, replicationFactor: copies })
  }
  return cluster
}

/**
 * Times `write(topic, count)` once it has warmed up in another topic. Returns also how many bytes
 * the records take on the disk, all copies counted, and for each byte of their values.
 */
export async function timedWrites({ dir, count, warmUp, acks, ...options }, makeWrite) {
  const cluster = await newCluster({ dir, ...options })
  const write = makeWrite(cluster.producer(acks === undefined ? {} : { acks }))
  await write(WARM_UP_TOPIC, warmUp)
  const { copies = 1 } = options
  if (dir !== undefined) readyPages(dir, count * copies * RECORD_BYTES_MAX)
  const startedAt = performance.now()
  await write(TOPIC, count)
  const ms = performance.now() - startedAt
  const ends = await cluster.admin.listOffsets(TOPIC)
  const stored = ends.reduce((sum, { offset }) => sum + offset, 0)
  if (stored !== count) throw new Error(`${stored} records in the logs, ${count} written`)
  await cluster.close()
  if (dir === undefined) return { count, ms }
  const bytes = storedBytes(dir)
  return { count, ms, bytes, bytesPerValueByte: bytes / (count * VALUE_BYTES) }
}

/** Loads what the library loads with the first cluster. */
export async function loadParts() {
  await (await Cluster.memory()).close()
}

/** Bytes in the topic's logs. */
export function storedBytes(dir) {
  const folders = readdirSync(dir)
    .filter(name => name.startsWith('broker-'))
    .flatMap(broker => readdirSync(join(dir, broker)).map(name => join(dir, broker, name)))
    .filter(folder => new RegExp(`/${TOPIC}-\\d+$`).test(folder.replaceAll('\\', '/')))
  const segments = folders.flatMap(folder =>
    readdirSync(folder)
      .filter(name => name.endsWith('.log'))
      .map(name => join(folder, name)),
  )
  return segments.reduce((sum, path) => sum + statSync(path).size, 0)
}

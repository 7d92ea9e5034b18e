/**
 * partlog under a virtual clock: CPU of an hour with a consumer of a group that has nothing to
 * read, less that of an hour without.
 */

import { Cluster, virtualClock } from '../../dist/index.js'
import { TOPIC } from '../parts/topic.mjs'

const HOUR_MS = 3_600_000

export async function measure({ brokers, hours }) {
  const clock = virtualClock()
  const cluster = await Cluster.memory({ clock, brokers })
  await cluster.admin.createTopic({ topic: TOPIC })
  const alone = await cpuOf(clock, hours)
  const consumer = cluster.consumer({ groupId: 'idle' })
  await consumer.subscribe([TOPIC])
  const running = consumer.run({ eachRecord() {} })
  await clock.advance(60_000)
  const ms = (await cpuOf(clock, hours)) - alone
  await cluster.close()
  await running
  return { ms }
}

async function cpuOf(clock, hours) {
  const before = process.cpuUsage()
  await clock.advance(hours * HOUR_MS)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000 / hours
}

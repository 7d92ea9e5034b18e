/** Leaderships go back to the preferred replicas by themselves (auto.leader.rebalance.enable). */

import { expect, it } from 'vitest'
import type { ClusterOptions } from '../../src/cluster/cluster-options.js'
import { world, type World } from './world.js'

async function sixPartitions(options: ClusterOptions = {}): Promise<World> {
  const all = await world(options)
  const topic = { topic: 'orders', partitions: 6, replicationFactor: 3 }
  await all.passing(all.cluster.admin.createTopic(topic))
  return all
}

function leadersOf({ cluster }: World): number[] {
  const orders = cluster.describe().topics.find(({ topic }) => topic === 'orders')
  return (orders?.partitions ?? []).map(({ leader }) => leader)
}

async function restartAll({ cluster, clock, passing }: World): Promise<void> {
  for (const id of [1, 2, 3]) {
    await passing(cluster.broker(id).stop())
    await clock.advance(500)
    await passing(cluster.broker(id).start())
    await clock.advance(5_000)
  }
}

it('preferred leaders lead again within 300 s after a rolling restart', async () => {
  const all = await sixPartitions()
  const before = leadersOf(all)
  await restartAll(all)
  const moved = leadersOf(all)
  expect(moved).not.toEqual(before)
  const leaders: number[] = []
  all.cluster.on('leader', ({ leader }) => leaders.push(leader))
  await all.clock.advance(300_000)
  expect(leadersOf(all)).toEqual(before)
  const away = moved.filter((leader, index) => leader !== before[index])
  expect(leaders).toHaveLength(away.length) // none of the others was touched
})

it('a preferred leader does not lead before it is in sync', async () => {
  const all = await sixPartitions({ leaderImbalanceCheckIntervalSeconds: 20 })
  const before = leadersOf(all)
  const { cluster, clock, passing } = all
  await passing(cluster.broker(1).stop())
  const producer = cluster.producer()
  const messages = Array.from({ length: 60 }, (_, n) => ({ value: `${n}` }))
  await passing(producer.send({ topic: 'orders', messages }))
  cluster.network.partition([1], [2, 3]) // the controller reaches all of them
  await passing(cluster.broker(1).start())
  await clock.advance(50_000)
  expect(leadersOf(all)).not.toContain(1)
  cluster.network.heal()
  await clock.advance(25_000)
  expect(leadersOf(all)).toEqual(before)
  await passing(producer.send({ topic: 'orders', messages }))
})

it('automatic preferred elections can be switched off', async () => {
  const all = await sixPartitions({
    autoLeaderRebalanceEnable: false,
    leaderImbalanceCheckIntervalSeconds: 20,
  })
  const before = leadersOf(all)
  await restartAll(all)
  const moved = leadersOf(all)
  await all.clock.advance(60_000)
  expect(leadersOf(all)).toEqual(moved)
  await all.passing(all.cluster.admin.electLeaders({ type: 'preferred' }))
  expect(leadersOf(all)).toEqual(before)
})

it('preferred elections leave no timer after close', async () => {
  const all = await sixPartitions()
  await all.passing(all.cluster.close())
  expect(all.clock.pendingTimers).toBe(0)
})

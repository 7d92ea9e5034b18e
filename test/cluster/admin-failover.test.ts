/** What an admin asks for when brokers have died, or coordinators have moved. */

import { expect, it } from 'vitest'
import { world } from './world.js'

it('deleteRecords goes to the new leader when the known one has died', async () => {
  const all = await world()
  const { cluster, clock, passing, leader } = all
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 }))
  await passing(
    cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }, { value: 'b' }] }),
  )
  await passing(cluster.admin.deleteRecords({ topic: 'orders', partition: 0, offset: 1 }))
  await cluster.broker(leader()).kill()
  const killedMs = clock.monotonicMs()
  expect(
    await passing(cluster.admin.deleteRecords({ topic: 'orders', partition: 0, offset: 2 })),
  ).toBe(2)
  expect(clock.monotonicMs() - killedMs).toBeLessThan(1_000)
})

it('a group is listed even while its coordinator is loading', async () => {
  const all = await world()
  const { cluster, passing } = all
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 }))
  const c = cluster.consumer({ groupId: 'g' })
  await passing(c.assign([{ topic: 'orders', partition: 0 }]))
  await passing(c.commit({ offsets: [{ topic: 'orders', partition: 0, offset: 0 }] }))
  const rule = cluster.faults.on('findCoordinator').error('COORDINATOR_NOT_AVAILABLE')
  expect(await passing(cluster.admin.listGroupOffsets('g'))).toHaveLength(1)
  expect(rule.isSpent).toBe(true)
})

it('a coordinator that has moved is looked up again', async () => {
  const all = await world()
  const { cluster, passing } = all
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 }))
  const c = cluster.consumer({ groupId: 'g' })
  await passing(c.assign([{ topic: 'orders', partition: 0 }]))
  await passing(c.commit({ offsets: [{ topic: 'orders', partition: 0, offset: 0 }] }))
  cluster.faults.on('offsetFetch').error('NOT_COORDINATOR')
  expect(await passing(cluster.admin.listGroupOffsets('g'))).toHaveLength(1)
})

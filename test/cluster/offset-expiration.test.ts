import { expect, it, onTestFinished } from 'vitest'
import { virtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster.js'

const MINUTE = 60_000
const place = { topic: 'orders', partition: 0 }

it('offsets end when their group has been empty for offsetsRetentionMinutes', async () => {
  const clock = virtualClock()
  const cluster = await Cluster.memory({ clock, offsetsRetentionMinutes: 60 })
  onTestFinished(() => cluster.close())
  await cluster.admin.createTopic({ topic: 'orders' })
  await cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] })
  const living = cluster.consumer({ groupId: 'living' })
  await living.subscribe(['orders'])
  await living.commit({ offsets: [{ ...place, offset: 1 }] })
  const leaving = cluster.consumer({ groupId: 'leaving' })
  await leaving.subscribe(['orders'])
  await leaving.commit({ offsets: [{ ...place, offset: 1 }] })
  await clock.advance(30 * MINUTE) // nobody reads, so both are out of their groups by now
  void living.run({ eachRecord: () => undefined })
  await clock.advance(0)
  await living.ready()
  const offsetsOf = async (groupId: string): Promise<number | null | undefined> =>
    (await cluster.admin.listGroupOffsets(groupId))[0]?.offset
  await clock.advance(30 * MINUTE)
  expect([await offsetsOf('living'), await offsetsOf('leaving')]).toEqual([1, 1])
  await clock.advance(20 * MINUTE)
  expect([await offsetsOf('living'), await offsetsOf('leaving')]).toEqual([1, undefined])
  expect((await cluster.admin.listGroups()).map(({ groupId }) => groupId)).toEqual(['living'])
})

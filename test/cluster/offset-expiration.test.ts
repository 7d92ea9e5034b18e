import { expect, it, onTestFinished } from 'vitest'
import { virtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { wireWorld } from '../wire/client.js'

const MINUTE = 60_000
const place = { topic: 'orders', partition: 0 }

it('offsets expire when their group was empty for offsetsRetentionMinutes', async () => {
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
  await clock.advance(30 * MINUTE) // neither reads, so both have left their groups by now
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

it('a client from before KIP-211 sets the retention of its commit', async () => {
  const clock = virtualClock()
  const { cluster, connect } = await wireWorld({ clock })
  await cluster.admin.createTopic({ topic: 'orders' })
  const commit = async (groupId: string, version: number, retentionTimeMs: number) => {
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }]
    const topics = [{ name: 'orders', partitions }]
    const request = { groupId, topics, retentionTimeMs }
    const answer = await connect(1).ask('OffsetCommit', version, request)
    expect(answer.topics[0]?.partitions).toMatchObject([{ errorCode: 0 }])
  }
  await commit('short', 2, 30 * MINUTE)
  await commit('long', 4, 90 * MINUTE)
  await commit('usual', 3, -1)
  await commit('later', 5, 30 * MINUTE) // has no such field any more
  const groups = async (): Promise<string[]> =>
    (await cluster.admin.listGroups()).map(({ groupId }) => groupId)
  await clock.advance(45 * MINUTE)
  expect(await groups()).toEqual(['later', 'long', 'usual'])
  await clock.advance(60 * MINUTE)
  expect(await groups()).toEqual(['later', 'usual'])
})

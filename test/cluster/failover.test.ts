/** What clients notice when brokers come and go: nothing is lost, doubled or reordered. */

import { expect, it } from 'vitest'
import type { ClusterEvents } from '../../src/cluster/events.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { valuesOf, world } from './world.js'

it('no record is lost when every broker is killed in turn', async () => {
  const all = await world()
  const { cluster, clock, passing, isFull } = all
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 }))
  const producer = cluster.producer()
  const sends: Promise<unknown>[] = []
  for (let n = 0; n < 60; n++) {
    sends.push(producer.send({ topic: 'orders', messages: [{ value: `${n}` }] }))
    if (n % 20 === 10) await cluster.broker((n - 10) / 20 + 1).kill()
    if (n % 20 === 15) await cluster.broker((n - 15) / 20 + 1).start()
    await clock.advance(100)
  }
  await passing(Promise.all(sends))
  expect(await valuesOf(all, 60)).toEqual(Array.from({ length: 60 }, (_, n) => `${n}`))
  await clock.advance(5_000)
  expect(isFull()).toBe(true)
})

it.each(['request', 'answer'] as const)('a lost %s is repeated and in the log once', async what => {
  const all = await world()
  const { cluster, passing } = all
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 }))
  const rule = cluster.faults.on('produce', { topic: 'orders' })
  const fault = (what === 'request' ? rule.drop() : rule.dropAnswer()).times(3)
  const producer = cluster.producer()
  for (const value of ['a', 'b', 'c']) {
    await passing(producer.send({ topic: 'orders', messages: [{ value }] }))
  }
  expect(fault.count).toBe(3)
  expect(cluster.faults.unused()).toEqual([])
  expect(await valuesOf(all, 3)).toEqual(['a', 'b', 'c'])
})

it('a refusal by a fault rule makes the client ask metadata and retry', async () => {
  const all = await world()
  const { cluster, passing } = all
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 }))
  const fault = cluster.faults.on('produce', { topic: 'orders' }).error('NOT_LEADER_OR_FOLLOWER')
  fault.times(3)
  await passing(cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] }))
  expect(fault.isSpent).toBe(true)
  expect(await valuesOf(all, 1)).toEqual(['a'])
})

it('a consumer group continues when its coordinator dies', async () => {
  const all = await world()
  const { cluster, clock, passing, leader } = all
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 }))
  const producer = cluster.producer()
  const messages = ['a', 'b', 'c', 'd'].map(value => ({ value }))
  await passing(producer.send({ topic: 'orders', messages }))
  const options = { groupId: 'g', autoOffsetReset: 'earliest', maxPollRecords: 2 } as const
  const consumer = cluster.consumer({ ...options, valueDeserializer: 'string' })
  await passing(consumer.subscribe(['orders']))
  const poll = async () => (await passing(consumer.poll())).map(({ value }) => value)
  expect(await poll()).toEqual(['a', 'b'])
  await passing(consumer.commit())
  await cluster.broker(leader('__consumer_offsets')).kill()
  expect(await poll()).toEqual(['c', 'd'])
  await passing(consumer.commit())
  await clock.advance(1_000)
  const listed = await passing(cluster.admin.listGroupOffsets('g'))
  expect(listed).toMatchObject([{ topic: 'orders', offset: 4, lag: 0 }])
  expect(await passing(cluster.admin.listGroups())).toMatchObject([{ groupId: 'g' }])
})

it('offsets are fetched from the new leader when the known one has died', async () => {
  const all = await world()
  const { cluster, clock, passing, leader } = all
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 }))
  await passing(cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] }))
  const consumer = cluster.consumer()
  const partitions = [{ topic: 'orders', partition: 0 }]
  const end = [{ ...partitions[0], offset: 1 }]
  const ask = async (): Promise<void> => {
    expect(await passing(consumer.endOffsets(partitions))).toEqual(end)
    expect(await passing(cluster.admin.listOffsets('orders'))).toMatchObject(end)
  }
  await ask()
  await cluster.broker(leader()).kill()
  const killedMs = clock.monotonicMs()
  await ask()
  expect(clock.monotonicMs() - killedMs).toBeLessThan(1_000)
})

it('dead letters are fetched from the new leader', async () => {
  const all = await world()
  const { cluster, clock, passing, leader } = all
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 }))
  const producer = cluster.producer()
  for (const value of ['a', 'b', 'c', 'd']) {
    await passing(producer.send({ topic: 'orders', messages: [{ value }] }))
  }
  // It has fetched ahead as far as it may, and so does not hear of the death itself.
  const options = { autoOffsetReset: 'earliest', maxPartitionFetchBytes: 1 } as const
  const consumer = cluster.consumer({ groupId: 'g', ...options })
  await passing(consumer.subscribe(['orders']))
  const run = consumer.run({
    deadLetterTopic: 'dead',
    eachRecord: async ({ offset }) => {
      await new Promise<void>(resolve => clock.after(10, resolve))
      if (offset === 0) await cluster.broker(leader()).kill()
      throw new Error('mine')
    },
  })
  await clock.advance(2_000)
  await passing(cluster.until({ topic: 'dead', records: 4 }))
  expect(clock.monotonicMs()).toBeLessThan(5_000)
  await passing(consumer.close())
  await run
})

it('acknowledged records survive a power cut of all brokers', async () => {
  const disk = new MemoryDisk()
  const all = await world({}, disk)
  const { cluster, passing } = all
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 }))
  const producer = cluster.producer()
  for (const value of ['a', 'b']) {
    await passing(producer.send({ topic: 'orders', messages: [{ value }] }))
  }
  for (const broker of cluster.brokers) await broker.kill()
  expect(all.leader()).toBe(-1)
  for (const broker of cluster.brokers) await broker.start()
  await passing(producer.send({ topic: 'orders', messages: [{ value: 'c' }] }))
  expect(await valuesOf(all, 3)).toEqual(['a', 'b', 'c'])
})

it('a folder of three brokers opens with three again', async () => {
  const disk = new MemoryDisk()
  const first = await world({ racks: ['x', 'y', null] }, disk)
  await first.passing(first.cluster.admin.createTopic({ topic: 'orders', partitions: 3 }))
  await first.cluster.close()
  const again = await world({ brokers: undefined }, disk)
  const { brokers, topics } = again.cluster.describe()
  expect(brokers.map(({ id, isAlive }) => [id, isAlive])).toEqual([
    [1, true],
    [2, true],
    [3, true],
  ])
  expect(topics[0]?.partitions.map(({ isr }) => isr.length)).toEqual([3, 3, 3])
})

it('a folder opened with fewer brokers moves leaderships to those that run', async () => {
  const disk = new MemoryDisk()
  const first = await world({}, disk)
  await first.passing(first.cluster.admin.createTopic({ topic: 'orders', partitions: 3 }))
  await first.cluster.close()
  const again = await world({ brokers: 1 }, disk)
  const { topics } = again.cluster.describe()
  expect(topics[0]?.partitions.map(({ leader, isr }) => [leader, isr])).toEqual([
    [1, [1]],
    [1, [1]],
    [1, [1]],
  ])
})

/** The last in sync comes back with half of its log, one that is not in sync has all of it. */
async function lastComesBackShorter(config: object) {
  const disk = new MemoryDisk()
  const all = await world({}, disk)
  const { cluster, clock, passing, leader } = all
  const leaders: unknown[] = []
  const cuts: ClusterEvents['truncation'][] = []
  cluster.on('leader', event => leaders.push([event.leader, event.isUnclean]))
  cluster.on('truncation', event => cuts.push(event))
  await passing(cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2]], config }))
  const producer = cluster.producer()
  for (const value of ['a', 'b', 'c']) {
    await passing(producer.send({ topic: 'orders', messages: [{ value }] }))
  }
  await cluster.broker(2).kill()
  await cluster.broker(1).kill()
  const file = disk.open('broker-1/orders-0/00000000000000000000.log')
  file.truncate(Math.floor(file.size / 2)) // its tail is gone although it was synced
  file.close()
  await cluster.broker(2).start()
  // The last one in sync is waited for.
  expect(leader()).toBe('unclean.leader.election.enable' in config ? 2 : -1)
  await cluster.broker(1).start()
  await clock.advance(1_000)
  return { all, disk, cuts, leaders }
}

it('an out-of-sync replica with more records leads if unclean elections are allowed', async () => {
  const { all, leaders } = await lastComesBackShorter({ 'unclean.leader.election.enable': true })
  expect([all.leader(), leaders.at(-1)]).toEqual([2, [2, true]])
  expect(await valuesOf(all, 3)).toEqual(['a', 'b', 'c'])
})

it('an out-of-sync replica truncates its additional records, and an event reports it', async () => {
  const { all, leaders, cuts, disk } = await lastComesBackShorter({})
  expect([all.leader(), leaders.at(-1)]).toEqual([1, [1, false]])
  expect(await valuesOf(all, 1)).toEqual(['a'])
  expect(cuts).toMatchObject([{ broker: 2, fromOffset: 3, toOffset: 1 }])
  expect(cuts[0]?.keptIn).toEqual(['broker-2/orders-0/00000000000000000000.log.69.kept'])
  const kept = disk.open(cuts[0]?.keptIn[0] as string)
  expect(kept.size).toBe(2 * 69)
})

it('a broker that is separated from the controller does not start', async () => {
  const { cluster, passing } = await world()
  await cluster.broker(2).kill()
  cluster.network.partition([2], ['controller', 1, 3])
  await expect(cluster.broker(2).start()).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
  expect(cluster.broker(2).isRunning).toBe(false)
  cluster.network.heal()
  await passing(cluster.broker(2).start())
  expect(cluster.broker(2).isRunning).toBe(true)
})

it('a follower follows a new topic at once, without a pause', async () => {
  const { cluster, clock } = await world()
  const startedMs = clock.monotonicMs()
  const made = cluster.admin.createTopic({ topic: 'orders', partitions: 3, replicationFactor: 3 })
  for (let turn = 0; turn < 20; turn++) await clock.advance(0)
  await made
  const sent = cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] })
  for (let turn = 0; turn < 20; turn++) await clock.advance(0)
  await sent
  expect(clock.monotonicMs()).toBe(startedMs)
})

it('a send with acks 0 is done when it is sent', async () => {
  const { cluster, clock, passing } = await world()
  await passing(cluster.admin.createTopic({ topic: 'orders' }))
  const producer = cluster.producer({ acks: 0 })
  await passing(producer.send({ topic: 'orders', messages: [{ value: 'a' }] }))
  cluster.faults.on('produce', { topic: 'orders' }).delay(10_000)
  const before = clock.now()
  await producer.send({ topic: 'orders', messages: [{ value: 'b' }] })
  expect(clock.now()).toBe(before)
})

it('records of a send with acks 0 keep their bytes while they are under way', async () => {
  const { cluster, clock, passing } = await world()
  await passing(cluster.admin.createTopic({ topic: 'orders', partitions: 1 }))
  const producer = cluster.producer({ acks: 0 })
  await passing(producer.send({ topic: 'orders', messages: [{ value: 'first' }] }))
  const send = (value: string) => producer.send({ topic: 'orders', messages: [{ value }] })
  cluster.faults.on('produce', { topic: 'orders' }).delay(1_000)
  await send('second')
  await send('third!')
  await clock.advance(2_000)
  const options = { autoOffsetReset: 'earliest', valueDeserializer: 'string' } as const
  const consumer = cluster.consumer(options)
  await passing(consumer.assign([{ topic: 'orders', partition: 0 }]))
  const records = await passing(consumer.poll())
  expect(records.map(({ value }) => value)).toEqual(['first', 'third!', 'second'])
})

it('a send that was never sent is known not to be in the log', async () => {
  const { cluster, clock, passing } = await world()
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 1 }))
  const producer = cluster.producer({ deliveryTimeoutMs: 1_000 })
  await passing(producer.send({ topic: 'orders', messages: [{ value: 'a' }] }))
  const { topics } = cluster.describe()
  const leader = topics.find(({ topic }) => topic === 'orders')?.partitions[0]?.leader as number
  await cluster.broker(leader).kill()
  const sent = producer.send({ topic: 'orders', messages: [{ value: 'b' }] })
  const outcome = expect(sent).rejects.toMatchObject({
    code: 'DELIVERY_TIMED_OUT',
    outcomeUnknown: false,
  })
  await clock.advance(2_000)
  await outcome
})

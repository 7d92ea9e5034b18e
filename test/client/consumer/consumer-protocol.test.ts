/** Consumers whose coordinator assigns their partitions (KIP-848). */

import { describe, expect, it } from 'vitest'
import { partitionName, type TopicPartition } from '../../../src/model/names.js'
import type { Consumer } from '../../../src/client/consumer/consumer-api.js'
import type { ConsumerOptions } from '../../../src/client/consumer/consumer-options.js'
import type { ClusterOptions } from '../../../src/cluster/cluster-options.js'
import { settle, world, type World } from '../world.js'

type Options = ConsumerOptions<'bytes', 'string'>
type Reader = Consumer<Uint8Array, string>

/** Who reads which partition, as their listeners tell. */
class Watch {
  readonly owners = new Map<string, string>()
  readonly problems: string[] = []
  readonly told: string[] = []

  listeners(name: string) {
    const gone = (what: string) => (partitions: TopicPartition[]) => {
      this.told.push(`${name} ${what} ${partitions.map(partitionName).sort().join()}`)
      for (const each of partitions.map(partitionName)) {
        if (this.owners.get(each) !== name) this.problems.push(`${name} ${what} foreign ${each}`)
        else this.owners.delete(each)
      }
    }
    return {
      onPartitionsAssigned: (partitions: TopicPartition[]) => {
        this.told.push(`${name} gets ${partitions.map(partitionName).sort().join()}`)
        for (const each of partitions.map(partitionName)) {
          const owner = this.owners.get(each)
          if (owner !== undefined) this.problems.push(`${each} is ${owner}'s, and goes to ${name}`)
          this.owners.set(each, name)
        }
      },
      onPartitionsRevoked: gone('gives'),
      onPartitionsLost: gone('loses'),
    }
  }
}

const member = ({ cluster }: World, options: Options = {}): Reader =>
  cluster.consumer({
    autoOffsetReset: 'earliest',
    valueDeserializer: 'string',
    groupId: 'g',
    groupProtocol: 'consumer',
    ...options,
  })

async function joined(all: World, watch: Watch, name: string, options: Options = {}) {
  const consumer = member(all, { clientId: name, ...options })
  await consumer.subscribe(['orders'], watch.listeners(name))
  return consumer
}

const shareOf = (reader: Reader): number[] =>
  reader
    .assignment()
    .map(({ partition }) => partition)
    .sort()

const sorted = (reader: Reader) =>
  shareOf(reader).map(partition => ({ topic: 'orders', partition }))

/** Lets a minute pass at most. */
async function stable({ clock, cluster }: World, ...members: readonly Reader[]): Promise<void> {
  const condition = { group: 'g', stable: true, members: members.length } as const
  let isOver = false
  const done = cluster.until(condition).finally(() => (isOver = true))
  for (let step = 0; step < 600 && !isOver; step++) await clock.advance(100)
  expect(isOver).toBe(true)
  await done
  await Promise.all(members.map(each => each.ready()))
}

const newWorld = async (partitions: number, options: ClusterOptions = {}) => ({
  all: await world(partitions, options),
  watch: new Watch(),
})

describe('a consumer whose coordinator assigns', () => {
  it('reads everything, commits, and the next one goes on there', async () => {
    const { all, watch } = await newWorld(2)
    for (const [at, value] of ['a', 'b', 'c', 'd'].entries()) await all.write(at % 2, value)
    const one = await joined(all, watch, 'one')
    const values: string[] = []
    while (values.length < 4) values.push(...(await one.poll()).map(({ value }) => value ?? ''))
    expect(values.sort()).toEqual(['a', 'b', 'c', 'd'])
    await one.commit()
    expect(await one.groupMetadata()).toMatchObject({ groupId: 'g', generationId: 2 })
    await one.close()
    await all.write(0, 'e')
    const two = await joined(all, watch, 'two')
    expect((await two.poll()).map(({ value }) => value)).toEqual(['e'])
    expect(watch.problems).toEqual([])
  })

  it('members share, make room for a third, and get its partitions when it leaves', async () => {
    const { all, watch } = await newWorld(6)
    const [one, two] = [await joined(all, watch, 'one'), await joined(all, watch, 'two')]
    await stable(all, one, two)
    expect([one, two].map(each => shareOf(each).length)).toEqual([3, 3])
    const three = await joined(all, watch, 'three')
    await stable(all, one, two, three)
    expect([one, two, three].map(each => shareOf(each).length)).toEqual([2, 2, 2])
    await two.close()
    await stable(all, one, three)
    expect([...shareOf(one), ...shareOf(three)].sort()).toEqual([0, 1, 2, 3, 4, 5])
    expect(watch.problems).toEqual([])
    const [listed] = await all.cluster.admin.listGroups()
    expect(listed).toMatchObject({ groupId: 'g', type: 'consumer', state: 'Stable' })
    expect(await all.cluster.admin.describeGroups(['g'])).toMatchObject([
      {
        groupId: 'g',
        type: 'consumer',
        state: 'Stable',
        assignor: 'uniform',
        members: [
          { clientId: 'one', topics: ['orders'], partitions: sorted(one) },
          { clientId: 'three', partitions: sorted(three) },
        ],
      },
    ])
  })

  it('a member that has a record in hand gives its partition back when it is done with it', async () => {
    const { all, watch } = await newWorld(1)
    await all.write(0, 'a')
    await all.write(0, 'b')
    const one = await joined(all, watch, 'a-first', { maxPollRecords: 1 })
    await one.poll()
    const two = await joined(all, watch, 'b-second')
    await settle(all.clock)
    expect(shareOf(two)).toEqual([])
    const closing = one.close()
    await closing
    await stable(all, two)
    expect(shareOf(two)).toEqual([0])
    expect((await two.poll()).map(({ value }) => value)).toEqual(['a', 'b'])
    expect(watch.problems).toEqual([])
  })

  it('the assignor that members ask for', async () => {
    const { all, watch } = await newWorld(4)
    const options = { groupRemoteAssignor: 'range' }
    const one = await joined(all, watch, 'one', options)
    const two = await joined(all, watch, 'two', options)
    await stable(all, one, two)
    expect([shareOf(one), shareOf(two)].map(share => share.join()).sort()).toEqual(['0,1', '2,3'])
    const bad = member(all, { groupRemoteAssignor: 'sticky' })
    await expect(bad.subscribe(['orders'])).rejects.toMatchObject({ code: 'UNSUPPORTED_ASSIGNOR' })
  })

  it('partitions and topics that come later are read, and those of deleted topics are not', async () => {
    const { all, watch } = await newWorld(1)
    const reader = member(all, { metadataMaxAgeMs: 1_000 })
    await reader.subscribe(/^orders/, watch.listeners('reader'))
    await all.cluster.admin.createPartitions({ topic: 'orders', partitions: 2 })
    await settle(all.clock)
    await reader.ready()
    expect(shareOf(reader)).toEqual([0, 1])
    await all.cluster.admin.createTopic({ topic: 'orders-2', partitions: 1 })
    await all.clock.advance(1_500)
    await settle(all.clock)
    await reader.ready()
    expect(reader.assignment().map(({ topic }) => topic)).toContain('orders-2')
    await all.cluster.admin.deleteTopic('orders-2')
    await all.clock.advance(1_500)
    await settle(all.clock)
    expect(reader.assignment().map(({ topic }) => topic)).not.toContain('orders-2')
    expect(watch.problems).toEqual([])
  })

  it('a static member that comes back has its partitions, and nobody else notices', async () => {
    const { all, watch } = await newWorld(4)
    const one = await joined(all, watch, 'one', { groupInstanceId: 'i' })
    const two = await joined(all, watch, 'two')
    await stable(all, one, two)
    const had = shareOf(one)
    const told = watch.told.filter(each => each.startsWith('two')).length
    await one.close()
    const back = await joined(all, watch, 'back', { groupInstanceId: 'i' })
    await stable(all, back, two)
    expect(shareOf(back)).toEqual(had)
    expect(watch.told.filter(each => each.startsWith('two')).length).toBe(told)
  })

  it('a member of which the coordinator hears nothing loses its partitions, and joins anew', async () => {
    const { all, watch } = await newWorld(2)
    const one = await joined(all, watch, 'one')
    const two = await joined(all, watch, 'two')
    await stable(all, one, two)
    const rule = all.cluster.faults
      .on('consumerGroupHeartbeat', { client: 'one' } as never)
      .error('UNKNOWN_MEMBER_ID')
    await all.clock.advance(20_000)
    rule.remove()
    await all.clock.advance(20_000)
    await stable(all, one, two)
    expect([...shareOf(one), ...shareOf(two)].sort()).toEqual([0, 1])
    expect(watch.told.some(each => each.includes('loses'))).toBe(true)
  })

  it('an application that does not ask for records is out until it does', async () => {
    const { all, watch } = await newWorld(1)
    await all.write(0, 'a')
    const one = await joined(all, watch, 'one', { maxPollIntervalMs: 30_000 })
    await one.poll()
    await all.clock.advance(60_000)
    expect(shareOf(one)).toEqual([])
    expect((await all.cluster.admin.describeGroups(['g']))[0]?.state).toBe('Empty')
    const again = one.poll({ timeoutMs: 5_000 })
    await settle(all.clock)
    await all.clock.advance(100)
    expect((await again).map(({ value }) => value)).toEqual(['a'])
    expect(watch.told).toContain('one loses orders-0')
  })

  it('a group keeps its protocol while it has members', async () => {
    const { all, watch } = await newWorld(1)
    const one = await joined(all, watch, 'one')
    const classic = member(all, { groupProtocol: 'classic' })
    await expect(classic.subscribe(['orders'])).rejects.toMatchObject({
      code: 'INCONSISTENT_GROUP_PROTOCOL',
    })
    await one.close()
    await classic.subscribe(['orders'])
    await settle(all.clock)
    expect(shareOf(classic)).toEqual([0])
    const other = member(all)
    await expect(other.subscribe(['orders'])).rejects.toMatchObject({ code: 'GROUP_ID_NOT_FOUND' })
  })

  it.each<[Options, string]>([
    [{ sessionTimeoutMs: 10_000 }, 'sessionTimeoutMs'],
    [{ heartbeatIntervalMs: 1_000 }, 'heartbeatIntervalMs'],
    [{ partitionAssignmentStrategy: ['range'] }, 'partitionAssignmentStrategy'],
    [{ groupProtocol: 'classic', groupRemoteAssignor: 'range' }, 'groupRemoteAssignor'],
    [{ groupProtocol: 'streams' as never }, 'groupProtocol'],
  ])('options that the protocol does not have are refused: %j', async (options, name) => {
    const { all } = await newWorld(1)
    expect(() => member(all, options)).toThrow(name)
  })
})

describe('members come and go while records are written', () => {
  it.each([1, 3])('nothing is lost or read by two at a time, with %i brokers', async brokers => {
    const { all, watch } = await newWorld(6, { brokers, defaultReplicationFactor: brokers })
    const { clock } = all
    /** Lets time pass until it is done, two minutes at most. */
    const passing = async <T>(work: Promise<T>): Promise<T> => {
      let isOver = false
      const noted = work.finally(() => (isOver = true))
      noted.catch(() => undefined)
      for (let step = 0; step < 2_400 && !isOver; step++) await clock.advance(50)
      expect(isOver).toBe(true)
      return await noted
    }
    const seen = new Map<string, number>()
    const running: Promise<void>[] = []
    const start = async (name: string) => {
      const consumer = await passing(joined(all, watch, name, { maxPollRecords: 3 }))
      const ending = new AbortController()
      const run = consumer.run({
        signal: ending.signal,
        eachRecord({ value: text, partition }) {
          const value = text ?? ''
          const owner = watch.owners.get(`orders-${partition}`)
          if (owner !== name) watch.problems.push(`${name} reads ${partition} of ${owner}`)
          seen.set(value, (seen.get(value) ?? 0) + 1)
        },
      })
      running.push(run)
      const stop = async () => {
        ending.abort()
        await passing(run)
        await passing(consumer.close())
      }
      return { consumer, stop }
    }
    let count = 0
    const write = async () => {
      for (let at = 0; at < 20; at++) await passing(all.write(count % 6, `v${count++}`))
    }
    const one = await start('one')
    await write()
    const two = await start('two')
    await write()
    const three = await start('three')
    if (brokers > 1) {
      const { coordinator = 1 } = (await passing(all.cluster.admin.describeGroups(['g'])))[0] ?? {}
      await passing(all.cluster.broker(coordinator).kill())
    }
    await write()
    await one.stop()
    await write()
    const four = await start('four')
    await two.stop()
    await write()
    await stable(all, three.consumer, four.consumer)
    for (let round = 0; round < 200 && seen.size < count; round++) await all.clock.advance(100)
    expect(seen.size).toBe(count)
    await three.stop()
    await four.stop()
    await Promise.all(running)
    expect(watch.problems).toEqual([])
    // Everybody has committed before it gave a partition back.
    if (brokers === 1) expect([...seen.values()].filter(times => times > 1)).toEqual([])
  })
})

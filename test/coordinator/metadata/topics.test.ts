/** Decisions about the cluster, the image they make, and where replicas go. */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { StateMachine } from '../../../src/coordinator/fold/state-machine.js'
import { admitBroker, fenceBroker } from '../../../src/coordinator/metadata/brokers.js'
import { ClusterImage, journalRecord } from '../../../src/coordinator/metadata/cluster-image.js'
import {
  alterConfig,
  createPartitions,
  createTopic,
  deleteTopic,
  existingTopic,
  type NewTopic,
} from '../../../src/coordinator/metadata/topics.js'
import { ArrayJournal } from '../fold/array-journal.js'

async function cluster(brokerIds: readonly number[] = [1, 2, 3]) {
  const journal = new ArrayJournal()
  const machine = await StateMachine.load(journal, new ClusterImage())
  // Placement begins at the first broker.
  const context = { brokerIds, random: { ...seededRandom(1), int: () => 0 } }
  const topic = (name: string, some: Partial<NewTopic> = {}): NewTopic => ({
    name,
    partitionCount: 1,
    replicationFactor: 1,
    config: {},
    ...some,
  })
  return {
    journal,
    machine,
    image: machine.state,
    create: (name: string, some: Partial<NewTopic> = {}) =>
      machine.run(image => createTopic(image, topic(name, some), context)),
    grow: (name: string, count: number, assignment?: number[][]) =>
      machine.run(image => createPartitions(image, { name, count, assignment }, context)),
    alter: (name: string, changes: Record<string, unknown>) =>
      machine.run(image => alterConfig(image, name, changes)),
    remove: (name: string) => machine.run(image => deleteTopic(image, name)),
  }
}

type House = Awaited<ReturnType<typeof cluster>>

/** Everything in an image, as plain values. */
function pictureOf(image: ClusterImage): unknown {
  return [...image.topics.values()].map(topic => ({ ...topic, config: { ...topic.config } }))
}

/** Whatever the journal holds must lead to the very same image. */
async function expectSameAfterReplay({ journal, image }: House): Promise<void> {
  const again = await StateMachine.load(journal, new ClusterImage())
  expect(pictureOf(again.state)).toEqual(pictureOf(image))
}

describe('a topic of the system', () => {
  it('an internal topic gets no more partitions, because groups map to them by number', async () => {
    const house = await cluster()
    const name = '__consumer_offsets'
    await house.create(name, { partitionCount: 3 })
    await expect(house.grow(name, 5)).rejects.toMatchObject({ code: 'INVALID_TOPIC_EXCEPTION' })
    await expect(house.remove(name)).rejects.toMatchObject({ code: 'INVALID_TOPIC_EXCEPTION' })
    expect(house.image.topics.get(name)?.partitions).toHaveLength(3)
    await house.alter(name, { 'retention.ms': 5 }) // as Kafka has it
    await expectSameAfterReplay(house)
  })
})

describe('a topic', () => {
  it('a topic is created with its partitions and settings', async () => {
    const house = await cluster()
    const config = { 'retention.ms': 5 }
    const shape = { partitionCount: 2, replicationFactor: 2, config }
    const { topicId } = await house.create('orders', shape)
    const partition = {
      isr: [1, 2],
      leader: 1,
      leaderEpoch: 0,
      partitionEpoch: 0,
      partition: 0,
      replicas: [1, 2],
    }
    expect(pictureOf(house.image)).toEqual([
      {
        name: 'orders',
        topicId,
        isInternal: false,
        config: { 'retention.ms': '5' },
        wasCompacted: false,
        partitions: [
          partition,
          { ...partition, isr: [2, 3], leader: 2, partition: 1, replicas: [2, 3] },
        ],
      },
    ])
    expect(house.image.topicById(topicId)?.name).toBe('orders')
    await expectSameAfterReplay(house)
  })

  it.each([
    ['a/b', {}, 'INVALID_TOPIC_EXCEPTION'],
    ['orders', {}, 'TOPIC_ALREADY_EXISTS'],
    ['a_b', {}, 'INVALID_TOPIC_EXCEPTION'],
    ['new', { partitionCount: 0 }, 'INVALID_PARTITIONS'],
    ['new', { partitionCount: 1.5 }, 'INVALID_PARTITIONS'],
    ['new', { partitionCount: 100_000 }, 'INVALID_PARTITIONS'],
    ['new', { partitionCount: 99_999 }, 'POLICY_VIOLATION'],
    ['new', { replicationFactor: 0 }, 'INVALID_REPLICATION_FACTOR'],
    ['new', { replicationFactor: 4 }, 'INVALID_REPLICATION_FACTOR'],
    ['new', { config: { 'retention.m': 5 } }, 'INVALID_CONFIG'],
    [
      'new',
      { config: { 'min.compaction.lag.ms': 2, 'max.compaction.lag.ms': 1 } },
      'INVALID_CONFIG',
    ],
  ])('%s with %j is refused: %s', async (name, some, code) => {
    const house = await cluster()
    await house.create('orders')
    await house.create('a.b')
    const before = house.journal.records.length
    await expect(house.create(name, some)).rejects.toMatchObject({ code })
    expect(house.journal.records.length).toBe(before)
  })

  it('an internal topic cannot be deleted', async () => {
    const house = await cluster()
    await house.create('__consumer_offsets', { config: { 'cleanup.policy': 'compact' } })
    expect(house.image.topics.get('__consumer_offsets')?.isInternal).toBe(true)
    await expect(house.remove('__consumer_offsets')).rejects.toMatchObject({
      code: 'INVALID_TOPIC_EXCEPTION',
    })
  })

  it('a deleted topic is removed and its id remembered; a new one has another id', async () => {
    const house = await cluster()
    const { topicId } = await house.create('orders')
    expect(await house.remove('orders')).toEqual({ topicId })
    expect([house.image.topics.size, house.image.topicById(topicId)]).toEqual([0, undefined])
    expect(house.image.wasRemoved(topicId)).toBe(true)
    const next = await house.create('orders')
    expect(next.topicId).not.toBe(topicId)
    expect(house.image.wasRemoved(next.topicId)).toBe(false)
    await expect(house.remove('nothing')).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
    await expectSameAfterReplay(house)
  })

  it('a topic that does not exist is an error', () => {
    expect(() => existingTopic(new ClusterImage(), 'x')).toThrow('topic x does not exist')
  })
})

describe('more partitions', () => {
  it('new partitions are added after the existing ones, which do not change', async () => {
    const house = await cluster()
    await house.create('orders', { partitionCount: 2, replicationFactor: 2 })
    const before = house.image.topics.get('orders')?.partitions
    await house.grow('orders', 5)
    const after = house.image.topics.get('orders')?.partitions
    expect(after?.slice(0, 2)).toEqual(before)
    expect(after?.map(({ partition }) => partition)).toEqual([0, 1, 2, 3, 4])
    expect(after?.map(({ replicas }) => replicas)).toEqual([
      [1, 2],
      [2, 3],
      [3, 1],
      [1, 3],
      [2, 1],
    ])
    await expectSameAfterReplay(house)
  })

  it('new partitions are placed as the caller assigns them', async () => {
    const house = await cluster()
    await house.create('orders', { partitionCount: 1, replicationFactor: 2 })
    const assignment = [
      [3, 1],
      [2, 3],
    ]
    await house.grow('orders', 3, assignment)
    const after = house.image.topics.get('orders')?.partitions ?? []
    expect(after.map(({ replicas }) => replicas)).toEqual([[1, 2], ...assignment])
    expect(after.map(({ leader }) => leader)).toEqual([1, 3, 2])
    await expectSameAfterReplay(house)
  })

  it.each([
    ['too few of them', '1 2'],
    ['too many of them', '1 2|2 3|3 1'],
    ['none', ''],
    ['other numbers of replicas', '1 2|3'],
    ['brokers that there are not', '1 2|3 4'],
    ['a broker twice', '1 2|3 3'],
    ['no broker for one', '1 2|'],
  ])('more partitions of which the caller gives %s are refused', async (_, text) => {
    const words = (line: string): number[] => line.split(' ').filter(Boolean).map(Number)
    const assignment = text === '' ? [] : text.split('|').map(words)
    const house = await cluster()
    await house.create('orders', { partitionCount: 1, replicationFactor: 2 })
    const before = house.journal.records.length
    await expect(house.grow('orders', 3, assignment)).rejects.toMatchObject({
      code: 'INVALID_REPLICA_ASSIGNMENT',
    })
    expect(house.journal.records.length).toBe(before)
  })

  it('partitions and topics on brokers that are all dead are refused', async () => {
    const house = await cluster()
    for (const id of [1, 2])
      await house.machine.run(image => admitBroker(image, { id, rack: null }))
    await house.machine.run(image => fenceBroker(image, 2))
    await house.create('orders')
    const refused = { code: 'INVALID_REPLICA_ASSIGNMENT' }
    await expect(house.grow('orders', 2, [[2]])).rejects.toMatchObject(refused)
    await expect(house.create('more', { assignment: [[2]] })).rejects.toMatchObject(refused)
    await house.grow('orders', 2, [[1]])
  })

  it.each([2, 1, 0, -1, 2.5, NaN])('a partition count that does not grow is refused: %d', async count => {
    const house = await cluster()
    await house.create('orders', { partitionCount: 2 })
    await expect(house.grow('orders', count)).rejects.toMatchObject({
      code: 'INVALID_PARTITIONS',
      message: expect.stringContaining(`their number can only grow, got ${count}`),
    })
    expect(house.image.topics.get('orders')?.partitions).toHaveLength(2)
  })
})

describe('settings', () => {
  it('settings are set, changed and reset', async () => {
    const house = await cluster()
    await house.create('orders', { config: { 'retention.ms': 5, 'retention.bytes': 6 } })
    await house.alter('orders', { 'retention.ms': 7, 'segment.ms': '8', 'retention.bytes': null })
    const config = { 'retention.ms': '7', 'segment.ms': '8' }
    expect(house.image.topics.get('orders')?.config).toEqual(config)
    await expectSameAfterReplay(house)
  })

  it.each([
    [{ 'retention.ms': -2 }, 'INVALID_CONFIG'],
    [{ 'retention.ms': 5, nonsense: null }, 'INVALID_CONFIG'],
    [{ 'min.compaction.lag.ms': 2, 'max.compaction.lag.ms': 1 }, 'INVALID_CONFIG'],
  ])('%j are refused as a whole', async (changes, code) => {
    const house = await cluster()
    await house.create('orders')
    await expect(house.alter('orders', changes)).rejects.toMatchObject({ code })
    expect(house.image.topics.get('orders')?.config).toEqual({})
  })

  it('new settings are checked together with the current ones', async () => {
    const house = await cluster()
    await house.create('orders', { config: { 'max.compaction.lag.ms': 10 } })
    const longer = { 'min.compaction.lag.ms': 11 }
    await expect(house.alter('orders', longer)).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    await house.alter('orders', { ...longer, 'max.compaction.lag.ms': null })
    expect(house.image.topics.get('orders')?.config).toEqual({ 'min.compaction.lag.ms': '11' })
  })

  it('a topic remembers that it was compacted', async () => {
    const house = await cluster()
    await house.create('orders')
    const wasCompacted = (): boolean | undefined => house.image.topics.get('orders')?.wasCompacted
    expect(wasCompacted()).toBe(false)
    await house.alter('orders', { 'cleanup.policy': 'compact,delete' })
    expect(wasCompacted()).toBe(true)
    await house.alter('orders', { 'cleanup.policy': null })
    expect(wasCompacted()).toBe(true)
    await expectSameAfterReplay(house)
  })

  it('settings of a topic that does not exist are refused', async () => {
    const house = await cluster()
    await expect(house.alter('x', {})).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })
})

describe('any decisions', () => {
  it('replaying the records of any decisions gives the same image', async () => {
    const random = seededRandom(9)
    const house = await cluster()
    let refused = 0
    for (let step = 0; step < 300; step++) {
      const name = `t${random.int(6)}`
      const act = [
        () => house.create(name, { partitionCount: 1 + random.int(3) }),
        () => house.remove(name),
        () => house.grow(name, 1 + random.int(6)),
        () => house.alter(name, { 'retention.ms': random.int(2) === 0 ? null : random.int(9) }),
      ][random.int(4)] as () => Promise<unknown>
      await act().catch(() => refused++)
    }
    expect(refused).toBeGreaterThan(50)
    expect(refused).toBeLessThan(250)
    await expectSameAfterReplay(house)
  })
})

describe('the image', () => {
  it('the image ignores records of unknown kinds and about unknown topics', () => {
    const image = new ClusterImage()
    const topicId = 'ASNFZ4mrze8RIjNEVWZ3iA'
    const numbers = { partitionId: 0, leader: 1, leaderEpoch: 0, partitionEpoch: 0 }
    image.replay(journalRecord({ kind: 'Partition', topicId, replicas: [], isr: [], ...numbers }))
    const config = { resourceType: 2, resourceName: 'x', name: 'retention.ms', value: '5' }
    image.replay(journalRecord({ kind: 'Config', ...config }))
    image.replay({ key: null, value: null })
    image.replay({ key: null, value: Buffer.from([1, 99, 0]) })
    expect(image.topics.size).toBe(0)
  })

  it('the image ignores settings of resources other than topics', async () => {
    const house = await cluster()
    await house.create('orders')
    const config = { resourceType: 4, resourceName: 'orders', name: 'retention.ms', value: '5' }
    house.image.replay(journalRecord({ kind: 'Config', ...config }))
    expect(house.image.topics.get('orders')?.config).toEqual({})
  })
})

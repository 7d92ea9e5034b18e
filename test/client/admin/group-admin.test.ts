/** Groups seen and managed from outside: their members, their lag, and where they read. */

import { describe, expect, it } from 'vitest'
import type { ResetGroupOffsetsRequest } from '../../../src/client/admin/group-admin-options.js'
import type { Consumer } from '../../../src/client/consumer/consumer-api.js'
import type { ConsumerOptions } from '../../../src/client/consumer/consumer-options.js'
import { errorId, PartlogError } from '../../../src/model/errors.js'
import type { Request } from '../../../src/protocol/api.js'
import {
  encodeAssignment,
  encodeSubscription,
} from '../../../src/protocol/messages/consumer-protocol.js'
import { describeGroup } from '../../describe-group'
import { countRequests, intercept, isPending, orders, settle, world, type World } from '../world.js'

const text = { autoOffsetReset: 'earliest', valueDeserializer: 'string' } as const
type Options = ConsumerOptions<'bytes', 'string'>
type Reader = Consumer<Uint8Array, string>

const first = { topic: 'orders', partition: 0 }
const second = { topic: 'orders', partition: 1 }

function member({ cluster }: World, options: Options = {}): Reader {
  return cluster.consumer({ ...text, groupId: 'g', ...options })
}

async function joined(all: World, options: Options = {}): Promise<Reader> {
  const consumer = member(all, options)
  await consumer.subscribe(['orders'])
  return consumer
}

async function stable({ clock }: World, ...members: readonly Reader[]): Promise<void> {
  await settle(clock)
  await Promise.all(members.map(each => each.ready()))
}

/** A group that only keeps offsets. */
async function commitAs(all: World, groupId: string, ...offsets: number[]): Promise<void> {
  await all.cluster.admin.alterGroupOffsets({
    groupId,
    offsets: offsets.map((offset, partition) => ({ topic: 'orders', partition, offset })),
  })
}

async function committed(all: World, groupId = 'g'): Promise<(number | null)[]> {
  const { partitions } = await all.cluster.admin.groupLag(groupId)
  return partitions.map(({ offset }) => offset)
}

/** The broker that coordinates a group. */
async function coordinatorOf({ cluster }: World, groupId: string): Promise<number> {
  return (await describeGroup(cluster.admin, groupId)).coordinator
}

describe('groups are listed', () => {
  it('listGroups asks every coordinator, and filters by state', async () => {
    const all = await world(2, { brokers: 3 })
    const { admin } = all.cluster
    const names = Array.from({ length: 9 }, (_, index) => `group-${index}`)
    for (const groupId of names) await commitAs(all, groupId, 0)
    const one = await joined(all, { groupId: 'group-3' })
    await stable(all, one)
    expect((await admin.listGroups()).map(({ groupId }) => groupId)).toEqual(names)
    const coordinators = (await admin.describeGroups(names)).map(({ coordinator }) => coordinator)
    expect(new Set(coordinators).size).toBeGreaterThan(1)
    expect(await admin.listGroups({ states: ['Stable'] })).toEqual([
      { groupId: 'group-3', type: 'classic', state: 'Stable', protocolType: 'consumer' },
    ])
    expect(await admin.listGroups({ states: ['Empty'] })).toHaveLength(8)
    expect(await admin.listGroups({ states: ['Dead'] })).toEqual([])
  })

  it('listGroups lists a group once, even if two brokers name it or one is asked again', async () => {
    const all = await world(1, { brokers: 3 })
    await commitAs(all, 'g', 0)
    const group = { groupId: 'g', protocolType: '', groupState: 'Empty' }
    intercept((api, _request, next) =>
      api === 'ListGroups' ? { errorCode: 0, groups: [group] } : next(),
    )
    all.cluster.faults.on('listGroups').error('COORDINATOR_LOAD_IN_PROGRESS').times(2)
    const listed = all.cluster.admin.listGroups()
    await all.clock.advance(5_000)
    const shown = { groupId: 'g', type: 'classic', state: 'Empty', protocolType: '' }
    expect(await listed).toEqual([shown])
    all.cluster.faults.on('listGroups').error('INVALID_REQUEST')
    await expect(all.cluster.admin.listGroups()).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  })

  it('listGroups works while a broker dies', async () => {
    const all = await world(1, { brokers: 3 })
    await commitAs(all, 'g', 0)
    await all.cluster.broker(await coordinatorOf(all, 'g')).kill()
    const listed = all.cluster.admin.listGroups()
    await all.clock.advance(10_000)
    expect((await listed).map(({ groupId }) => groupId)).toEqual(['g'])
  })
})

describe('a group is described', () => {
  it('describeGroups shows members, their subscriptions and their partitions', async () => {
    const all = await world(3)
    const options = { partitionAssignmentStrategy: ['roundrobin' as const] }
    const one = await joined(all, { ...options, clientId: 'one' })
    const two = await joined(all, { ...options, clientId: 'two', groupInstanceId: 'i-2' })
    await stable(all, one, two)
    const described = await describeGroup(all.cluster.admin, 'g')
    expect(described).toMatchObject({
      groupId: 'g',
      state: 'Stable',
      protocolType: 'consumer',
      assignor: 'roundrobin',
      coordinator: 1,
    })
    const byClient = new Map(described.members.map(each => [each.clientId, each]))
    expect(byClient.get('one')).toEqual({
      memberId: one.groupMetadata().memberId,
      groupInstanceId: null,
      clientId: 'one',
      clientHost: '',
      topics: ['orders'],
      partitions: one.assignment(),
    })
    expect(byClient.get('two')).toMatchObject({
      groupInstanceId: 'i-2',
      partitions: two.assignment(),
    })
    expect(one.assignment().length + two.assignment().length).toBe(3)
  })

  it('describeGroups shows groups that only have offsets, or wait for members', async () => {
    const all = await world(1, { groupInitialRebalanceDelayMs: 3_000 })
    const { admin } = all.cluster
    await commitAs(all, 'g', 0)
    const empty = { state: 'Empty', protocolType: '', assignor: null, members: [] }
    expect(await describeGroup(admin, 'g')).toMatchObject(empty)
    const one = member(all)
    const joining = one.subscribe(['orders'])
    await settle(all.clock)
    expect(await describeGroup(admin, 'g')).toMatchObject({
      state: 'PreparingRebalance',
      protocolType: 'consumer',
      assignor: null,
      members: [{ topics: [], partitions: [] }],
    })
    await all.clock.advance(3_000)
    await joining
  })

  const subscription = encodeSubscription({ topics: ['t'], ownedPartitions: [], generationId: 1 })
  const garbage = Buffer.from([0, 3, 255])

  it.each([
    ['consumer', 'a subscription', subscription, ['t'], [{ topic: 't', partition: 7 }]],
    ['consumer', 'unreadable bytes', garbage, [], []],
    ['connect', 'bytes of another protocol', subscription, [], []],
  ])('members of type %s with %s are described', async (protocolType, _, bytes, topics, partitions) => {
    const all = await world(1)
    await commitAs(all, 'g', 0)
    const assignment = encodeAssignment([{ topic: 't', partition: 7 }])
    intercept(async (api, _request, next) => {
      const answer = (await next()) as { groups: object[] }
      if (api !== 'DescribeGroups') return answer
      const strange = { memberId: 'm', clientId: 'c', clientHost: '/1.2.3.4' }
      const isGarbage = bytes === garbage
      const words = { memberMetadata: bytes, memberAssignment: isGarbage ? bytes : assignment }
      const group = { ...answer.groups[0], protocolType, members: [{ ...strange, ...words }] }
      return { ...answer, groups: [group] }
    })
    const { members } = await describeGroup(all.cluster.admin, 'g')
    expect(members).toEqual([
      {
        memberId: 'm',
        groupInstanceId: null,
        clientId: 'c',
        clientHost: '/1.2.3.4',
        topics,
        partitions,
      },
    ])
  })

  it('describeGroups refuses a group that does not exist, and keeps the order of the request', async () => {
    const all = await world(1)
    const { admin } = all.cluster
    const nobody = { code: 'GROUP_ID_NOT_FOUND' }
    await expect(describeGroup(admin, 'nobody')).rejects.toMatchObject(nobody)
    await commitAs(all, 'b', 0)
    await commitAs(all, 'a', 0)
    const described = await admin.describeGroups(['b', 'a'])
    expect(described.map(({ groupId }) => groupId)).toEqual(['b', 'a'])
    await expect(admin.describeGroups(['b', 'nobody'])).rejects.toMatchObject(nobody)
    expect(await admin.describeGroups([])).toEqual([])
  })

  it('a group that an older broker calls dead does not exist', async () => {
    const all = await world(1)
    intercept(async (api, _request, next) => {
      const answer = (await next()) as { groups: object[] }
      if (api !== 'DescribeGroups') return answer
      return { ...answer, groups: answer.groups.map(each => ({ ...each, errorCode: 0 })) }
    })
    await expect(describeGroup(all.cluster.admin, 'g')).rejects.toMatchObject({
      code: 'GROUP_ID_NOT_FOUND',
    })
  })
})

describe('a group is deleted', () => {
  it('deleteGroups deletes a group with its offsets', async () => {
    const all = await world(1)
    const { admin } = all.cluster
    await commitAs(all, 'a', 0)
    await commitAs(all, 'b', 0)
    await commitAs(all, 'c', 0)
    await admin.deleteGroups(['a', 'c'])
    expect((await admin.listGroups()).map(({ groupId }) => groupId)).toEqual(['b'])
    expect(await admin.listGroupOffsets('a')).toEqual([])
  })

  it('deleteGroups refuses groups with members and unknown groups, and deletes the others', async () => {
    const all = await world(1)
    const { admin } = all.cluster
    const one = await joined(all)
    await commitAs(all, 'a', 0)
    await commitAs(all, 'b', 0)
    await expect(admin.deleteGroups(['a', 'g'])).rejects.toMatchObject({
      code: 'NON_EMPTY_GROUP',
      message: 'NON_EMPTY_GROUP: group g is Stable, with 1 members',
    })
    const failure = await admin.deleteGroups(['nobody', 'g', 'b']).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'GROUP_ID_NOT_FOUND' })
    expect(String(failure)).toMatch(/2 of 3 groups failed: .*group nobody does not exist; .*group g is Stable/)
    expect((await admin.listGroups()).map(({ groupId }) => groupId)).toEqual(['g'])
    await one.close()
    await admin.deleteGroups(['g'])
    expect(await admin.listGroups()).toEqual([])
  })

  it('deleteGroupOffsets deletes offsets, unless a member reads the topic', async () => {
    const all = await world(2)
    const { admin } = all.cluster
    await commitAs(all, 'g', 0, 0)
    await admin.deleteGroupOffsets({ groupId: 'g', partitions: [second] })
    expect((await admin.listGroupOffsets('g')).map(({ partition }) => partition)).toEqual([0])
    await joined(all)
    const refused = admin.deleteGroupOffsets({ groupId: 'g', partitions: [first] })
    await expect(refused).rejects.toMatchObject({ code: 'GROUP_SUBSCRIBED_TO_TOPIC' })
    const missing = admin.deleteGroupOffsets({ groupId: 'nobody', partitions: [first] })
    await expect(missing).rejects.toMatchObject({ code: 'GROUP_ID_NOT_FOUND' })
    expect(await admin.listGroupOffsets('g')).toHaveLength(1)
  })

  it('deleteGroupOffsets rejects if one partition has an error', async () => {
    const all = await world(1)
    await commitAs(all, 'g', 0)
    intercept(async (api, _request, next) => {
      if (api !== 'OffsetDelete') return next()
      await next()
      const partitions = [{ partitionIndex: 0, errorCode: 86 }]
      return { errorCode: 0, topics: [{ name: 'orders', partitions }] }
    })
    const refused = all.cluster.admin.deleteGroupOffsets({ groupId: 'g', partitions: [first] })
    await expect(refused).rejects.toMatchObject({ code: 'GROUP_SUBSCRIBED_TO_TOPIC' })
  })
})

describe('the lag of a group', () => {
  it('groupLag covers committed and assigned partitions, and names their members', async () => {
    const all = await world(3)
    await all.write(0, 'a', 'b', 'c')
    await all.write(2, 'x')
    const one = await joined(all, { clientId: 'one', enableAutoCommit: false })
    await one.commit({ offsets: [{ ...first, offset: 1, metadata: 'note' }] })
    await one.commit({ offsets: [{ ...first, partition: 2, offset: 1 }] })
    const reader = {
      memberId: one.groupMetadata().memberId,
      groupInstanceId: null,
      clientId: 'one',
      clientHost: '',
    }
    expect(await all.cluster.admin.groupLag('g')).toEqual({
      groupId: 'g',
      state: 'Stable',
      partitions: [
        { ...first, offset: 1, metadata: 'note', endOffset: 3, lag: 2, member: reader },
        { ...second, offset: null, metadata: '', endOffset: 0, lag: null, member: reader },
        { ...first, partition: 2, offset: 1, metadata: '', endOffset: 1, lag: 0, member: reader },
      ],
      totalLag: 2,
    })
    await one.close()
    const { state, partitions } = await all.cluster.admin.groupLag('g')
    expect([state, partitions.map(({ member: who }) => who)]).toEqual(['Empty', [null, null]])
  })

  it('the lag of a partition without a leader is unknown', async () => {
    const all = await world(1, { brokers: 3 })
    const { cluster, clock } = all
    await cluster.admin.createTopic({ topic: 'lonely', assignment: [[2], [3]] })
    const offsets = [0, 1].map(partition => ({ topic: 'lonely', partition, offset: 0 }))
    await cluster.admin.alterGroupOffsets({ groupId: 'g', offsets })
    await cluster.broker(2).kill()
    await clock.advance(1_000)
    const { partitions, totalLag } = await cluster.admin.groupLag('g')
    expect(partitions.map(({ endOffset, lag }) => [endOffset, lag])).toEqual([
      [null, null],
      [0, 0],
    ])
    expect(totalLag).toBe(0)
  })

  it('groupLag asks the new leader when the old one is dead', async () => {
    const all = await world(1, { brokers: 3 })
    const { cluster, clock } = all
    await all.write(0, 'a', 'b')
    await commitAs(all, 'g', 0)
    expect((await cluster.admin.groupLag('g')).totalLag).toBe(2)
    const [leader] = (await cluster.admin.describeTopic('orders')).partitions
    await cluster.broker(leader?.leader as number).kill()
    const lag = cluster.admin.groupLag('g')
    await clock.advance(10_000)
    expect((await lag).totalLag).toBe(2)
  })

  it('the lag is at least 0, even if an offset beyond the end was committed', async () => {
    const all = await world(1)
    await commitAs(all, 'g', 7)
    const [place] = (await all.cluster.admin.groupLag('g')).partitions
    expect(place).toMatchObject({ offset: 7, endOffset: 0, lag: 0 })
    expect(await all.cluster.admin.listGroupOffsets('g')).toMatchObject([{ endOffset: 0, lag: 0 }])
  })

  it('the lag of a group that does not exist is refused', async () => {
    const { cluster } = await world(1)
    await expect(cluster.admin.groupLag('nobody')).rejects.toMatchObject({
      code: 'GROUP_ID_NOT_FOUND',
    })
  })
})

describe('offsets are set', () => {
  it('alterGroupOffsets sets offsets of a group without members, also of a new one', async () => {
    const all = await world(2)
    const { admin } = all.cluster
    const offsets = [
      { ...first, offset: 7, metadata: 'note' },
      { ...second, offset: 3 },
    ]
    await admin.alterGroupOffsets({ groupId: 'g', offsets })
    const kept = await admin.listGroupOffsets('g')
    expect(kept.map(({ offset, metadata }) => [offset, metadata])).toEqual([
      [7, 'note'],
      [3, ''],
    ])
  })

  it('alterGroupOffsets refuses a group with members and says what to do', async () => {
    const all = await world(1)
    await joined(all)
    const refused = all.cluster.admin.alterGroupOffsets({
      groupId: 'g',
      offsets: [{ ...first, offset: 7 }],
    })
    await expect(refused).rejects.toMatchObject({ code: 'NON_EMPTY_GROUP' })
    await expect(refused).rejects.toThrow('close its consumers first, or set evenIfActive: true')
    expect(await committed(all)).toEqual([null])
  })

  it.each([
    [{ topic: 'nope', partition: 0 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [{ topic: 'orders', partition: 1 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [{ topic: '__consumer_offsets', partition: 0 }, 'INVALID_TOPIC_EXCEPTION'],
  ])('alterGroupOffsets refuses %o at once', async (place, code) => {
    const all = await world(1)
    await commitAs(all, 'g', 0)
    const offsets = [
      { ...first, offset: 1 },
      { ...place, offset: 1 },
    ]
    const refused = all.cluster.admin.alterGroupOffsets({ groupId: 'g', offsets })
    await expect(refused).rejects.toMatchObject({ code })
    expect(await committed(all)).toEqual([0])
  })
})

describe('offsets are reset', () => {
  /** Partition 0 holds 2 … 5 at 1000, 2000, …; partition 1 one record, partition 2 nothing. */
  async function ready(): Promise<World> {
    const all = await world(3)
    for (const [index, value] of [...'abcdef'].entries()) {
      await all.writeMessages({ partition: 0, value, timestamp: 1000 * (index - 1) + 1000 })
    }
    await all.writeMessages({ partition: 1, value: 'x', timestamp: 500 })
    await all.cluster.admin.deleteRecords({ ...first, offset: 2 })
    await commitAs(all, 'g', 3, 1, 0)
    return all
  }

  it.each<[ResetGroupOffsetsRequest['to'], number[]]>([
    ['earliest', [2, 0, 0]],
    ['latest', [6, 1, 0]],
    [{ timestamp: 3000 }, [3, 1, 0]],
    [{ timestamp: new Date(3001) }, [4, 1, 0]],
    [{ timestamp: 500 }, [2, 0, 0]],
    [{ offset: 4 }, [4, 1, 0]],
    [{ offset: 1 }, [2, 1, 0]],
    [{ shiftBy: -1 }, [2, 0, 0]],
    [{ shiftBy: 2 }, [5, 1, 0]],
    [{ shiftBy: -9 }, [2, 0, 0]],
    [{ shiftBy: 9 }, [6, 1, 0]],
    [{ shiftBy: 0 }, [3, 1, 0]],
    [{ offsets: [{ ...first, offset: 5 }] }, [5, 1, 0]],
    [
      {
        offsets: [
          { ...first, offset: 0 },
          { ...second, offset: 0 },
        ],
      },
      [2, 0, 0],
    ],
  ])('resetGroupOffsets resets to %o', async (to, expected) => {
    const all = await ready()
    const planned = await all.cluster.admin.resetGroupOffsets({ groupId: 'g', to, dryRun: true })
    expect(await committed(all)).toEqual([3, 1, 0])
    const done = await all.cluster.admin.resetGroupOffsets({ groupId: 'g', to })
    expect(done).toEqual(planned)
    expect(await committed(all)).toEqual(expected)
    const before = [3, 1, 0]
    const places = typeof to === 'object' && 'offsets' in to ? to.offsets : orders(3)
    expect(done).toEqual(
      places.map(({ topic, partition }) => {
        return { topic, partition, before: before[partition], offset: expected[partition] }
      }),
    )
  })

  it('resetGroupOffsets resets some partitions, or all of a topic', async () => {
    const all = await ready()
    const { admin } = all.cluster
    const to = 'latest'
    const some = { groupId: 'g', to, partitions: [second, first, first] } as const
    expect(await admin.resetGroupOffsets(some)).toEqual([
      { ...first, before: 3, offset: 6 },
      { ...second, before: 1, offset: 1 },
    ])
    await admin.createTopic({ topic: 'more', partitions: 2 })
    const topics = ['more']
    const done = await admin.resetGroupOffsets({ groupId: 'h', to, topics, partitions: [first] })
    expect(done).toEqual([
      { topic: 'more', partition: 0, before: null, offset: 0 },
      { topic: 'more', partition: 1, before: null, offset: 0 },
      { ...first, before: null, offset: 6 },
    ])
    expect(await committed(all, 'h')).toEqual([0, 0, 6])
    expect(await admin.resetGroupOffsets({ groupId: 'g', to, topics: [] })).toEqual([])
  })

  it.each<[Omit<ResetGroupOffsetsRequest, 'groupId'> & { groupId?: string }, string]>([
    [{ groupId: 'nobody', to: 'latest' }, 'GROUP_ID_NOT_FOUND'],
    [{ to: { shiftBy: 1 }, topics: ['more'] }, 'NO_OFFSET_FOR_PARTITION'],
    [{ to: 'latest', topics: ['nope'] }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [{ to: 'latest', partitions: [{ ...first, partition: 3 }] }, 'UNKNOWN_TOPIC_OR_PARTITION'],
  ])('resetGroupOffsets refuses %o at once', async (request, code) => {
    const all = await ready()
    await all.cluster.admin.createTopic({ topic: 'more' })
    const refused = all.cluster.admin.resetGroupOffsets({ groupId: 'g', ...request })
    await expect(refused).rejects.toMatchObject({ code })
    expect(await committed(all)).toEqual([3, 1, 0])
  })

  it('resetGroupOffsets refuses a group with members, with dryRun too', async () => {
    const all = await ready()
    await joined(all)
    for (const dryRun of [true, false]) {
      const refused = all.cluster.admin.resetGroupOffsets({ groupId: 'g', to: 'earliest', dryRun })
      await expect(refused).rejects.toMatchObject({ code: 'NON_EMPTY_GROUP' })
      await expect(refused).rejects.toThrow('group g is Stable, with 1 members: close')
    }
    expect(await committed(all)).toEqual([3, 1, 0])
  })

  it('resetGroupOffsets fails if a member joins before the commit', async () => {
    const all = await ready()
    intercept(async (api, request: Request<'OffsetCommit'>, next) => {
      if (api === 'OffsetCommit' && (request.memberId ?? '') === '') await joined(all)
      return next()
    })
    const refused = all.cluster.admin.resetGroupOffsets({ groupId: 'g', to: 'latest' })
    await expect(refused).rejects.toMatchObject({ code: 'NON_EMPTY_GROUP' })
    await expect(refused).rejects.toThrow('group g has members: close its consumers')
    expect(await committed(all)).toEqual([3, 1, 0])
  })
})

describe('an active group is moved', () => {
  interface Reading {
    readonly reader: Reader
    readonly seen: string[]
  }

  /** Reads for as long as the test lasts. */
  function read(reader: Reader): Reading {
    const seen: string[] = []
    void reader.run({ eachRecord: ({ value }) => void seen.push(value ?? '') })
    return { reader, seen }
  }

  const values = (from: number, to: number, prefix: string): string[] =>
    Array.from({ length: to - from }, (_, index) => `${prefix}${from + index}`)

  async function ready(
    count: number,
    options: Options = {},
  ): Promise<{ all: World; group: Reading[]; since: () => string[] }> {
    const all = await world(2)
    for (const [partition, prefix] of ['a', 'b'].entries()) {
      await all.write(partition, ...values(0, 10, prefix))
    }
    const readers = []
    for (let index = 0; index < count; index++) {
      readers.push(await joined(all, { clientId: `c${index}`, ...options }))
    }
    await stable(all, ...readers)
    const group = readers.map(read)
    await all.clock.advance(6_000) // all is read, and committed
    expect(await committed(all)).toEqual([10, 10])
    const since = (): string[] => group.flatMap(({ seen }) => seen.splice(0)).toSorted()
    since()
    return { all, group, since }
  }

  /** Time that passes while others answer, each after a few turns of the event loop. */
  async function inSteps({ clock }: World, ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) await clock.advance(50)
  }

  async function goOn(all: World, group: readonly Reading[]): Promise<void> {
    await stable(all, ...group.map(({ reader }) => reader))
    await all.clock.advance(1_000)
  }

  it.each([
    ['one member', 1, {}],
    ['two', 2, {}],
    ['three, of which one has nothing to do', 3, {}],
    ['two that cooperate', 2, { partitionAssignmentStrategy: ['cooperative-sticky' as const] }],
    ['a static one', 1, { groupInstanceId: 'i-1' }],
    ['one whose commits are slow to come', 2, { autoCommitIntervalMs: 5_500 }],
  ])('an active group (%s) is reset in one partition, and skips nothing elsewhere', async (_, count, options) => {
    const { all, group, since } = await ready(count, options)
    const { admin } = all.cluster
    const to = { offset: 4 }
    const request = { groupId: 'g', to, partitions: [first], evenIfActive: true }
    expect(await admin.resetGroupOffsets({ ...request, dryRun: true })).toHaveLength(1)
    expect((await describeGroup(admin, 'g')).members).toHaveLength(count)
    expect(await admin.resetGroupOffsets(request)).toEqual([{ ...first, before: 10, offset: 4 }])
    await goOn(all, group)
    expect(since()).toEqual(values(4, 10, 'a'))
    await all.write(0, 'a10')
    await all.write(1, 'b10')
    await all.clock.advance(6_000)
    expect(since()).toEqual(['a10', 'b10'])
    expect(await committed(all)).toEqual([11, 11])
    expect((await describeGroup(admin, 'g')).members).toHaveLength(count)
  })

  it('an active group that is moved forward does not read the records between', async () => {
    const { all, group, since } = await ready(2, { autoCommitIntervalMs: 1_000_000 }).catch(() =>
      ready(2),
    )
    const { admin } = all.cluster
    for (const { reader } of group) reader.pause(reader.assignment())
    await all.write(0, ...values(10, 20, 'a'))
    await admin.resetGroupOffsets({ groupId: 'g', to: 'latest', evenIfActive: true })
    await goOn(all, group)
    await all.write(0, 'last')
    await all.clock.advance(1_000)
    expect(since()).toEqual(['last'])
  })

  it('alterGroupOffsets moves an active group', async () => {
    const { all, group, since } = await ready(2)
    const offsets = [{ ...second, offset: 8 }]
    await all.cluster.admin.alterGroupOffsets({ groupId: 'g', offsets, evenIfActive: true })
    await goOn(all, group)
    expect(since()).toEqual(['b8', 'b9'])
  })

  it('uncommitted progress does not overwrite the offsets of an active group', async () => {
    const { all, group, since } = await ready(2)
    await all.write(0, ...values(10, 15, 'a'))
    await settle(all.clock)
    expect(since()).toEqual(values(10, 15, 'a')) // processed, the next commit is due in a while
    await all.cluster.admin.resetGroupOffsets({
      groupId: 'g',
      to: { offset: 2 },
      partitions: [first],
      evenIfActive: true,
    })
    await settle(all.clock)
    expect((await committed(all))[0]).toBe(2)
    await goOn(all, group)
    expect(since()).toEqual(values(2, 15, 'a').toSorted())
  })

  it('a record in hand cannot be committed after a reset, and is read again', async () => {
    const all = await world(1)
    await all.write(0, 'a', 'b', 'c')
    const one = await joined(all)
    const seen: string[] = []
    let release = (): void => undefined
    void one.run({
      eachRecord: async ({ value }) => {
        seen.push(value ?? '')
        if (seen.length === 2) await new Promise<void>(resolve => (release = resolve))
      },
    })
    await settle(all.clock)
    expect(seen).toEqual(['a', 'b'])
    await all.cluster.admin.resetGroupOffsets({
      groupId: 'g',
      to: 'earliest',
      topics: ['orders'],
      evenIfActive: true,
    })
    await settle(all.clock)
    await expect(one.commit({ offsets: [{ ...first, offset: 2 }] })).rejects.toMatchObject({
      code: 'UNKNOWN_MEMBER_ID',
    })
    release()
    await stable(all, one)
    await all.clock.advance(10)
    expect(seen).toEqual(['a', 'b', 'a', 'b', 'c'])
  })

  it.each(['NETWORK_EXCEPTION', 'REQUEST_TIMED_OUT'] as const)(
    'an older commit that is retried after %s does not overwrite a reset',
    async code => {
      const { all, group, since } = await ready(1)
      const [{ reader } = group[0] as Reading] = group
      all.cluster.faults.on('offsetCommit', { client: 'c0' }).error(code).times(1)
      const stale = reader.commit({ offsets: [{ ...first, offset: 9 }] })
      const queued = reader.commit({ offsets: [{ ...first, offset: 8 }] })
      for (const each of [stale, queued]) each.catch(() => undefined)
      await settle(all.clock) // the first has failed, and waits to be repeated
      await all.cluster.admin.resetGroupOffsets({
        groupId: 'g',
        to: { offset: 3 },
        partitions: [first],
        evenIfActive: true,
      })
      await goOn(all, group)
      for (const each of [stale, queued]) {
        await expect(each).rejects.toMatchObject({ code: 'ILLEGAL_GENERATION' })
        await expect(each).rejects.toThrow('was out of group g meanwhile')
      }
      expect(since()).toEqual(values(3, 10, 'a'))
    },
  )

  it('a reset is retried until no member is faster', async () => {
    const { all, group, since } = await ready(2)
    let rounds = 0
    let leaves = 0
    intercept(async (api, request: Request<'OffsetCommit'>, next) => {
      if (api === 'LeaveGroup') leaves++
      if (api !== 'OffsetCommit' || (request.memberId ?? '') !== '') return next()
      if (++rounds < 3) await stable(all, ...group.map(({ reader }) => reader))
      return next()
    })
    const reset = all.cluster.admin.resetGroupOffsets({
      groupId: 'g',
      to: { shiftBy: -2 },
      evenIfActive: true,
    })
    expect(await isPending(reset, all.clock)).toBe(true)
    await inSteps(all, 2_000)
    await reset
    expect([rounds, leaves]).toEqual([3, 3])
    await goOn(all, group)
    expect(since()).toEqual(['a8', 'a9', 'b8', 'b9'])
  })

  it('a reset that is not possible fails, and the group continues where it was', async () => {
    const { all, group, since } = await ready(1)
    intercept(async (api, request: Request<'OffsetCommit'>, next) => {
      const isMine = api === 'OffsetCommit' && (request.memberId ?? '') === ''
      if (isMine) await stable(all, ...group.map(({ reader }) => reader))
      return next()
    })
    const reset = all.cluster.admin.resetGroupOffsets({
      groupId: 'g',
      to: 'earliest',
      evenIfActive: true,
    })
    reset.catch(() => undefined)
    await inSteps(all, 59_000)
    expect(await isPending(reset, all.clock)).toBe(true)
    await inSteps(all, 2_000)
    await expect(reset).rejects.toMatchObject({ code: 'NON_EMPTY_GROUP' })
    await expect(reset).rejects.toThrow('joined again faster')
    await all.write(0, 'new')
    await goOn(all, group)
    expect(since()).toEqual(['new'])
  })
})

describe('commits of a member', () => {
  it('a commit that meets a rebalance succeeds in the new generation', async () => {
    const all = await world(1)
    const one = await joined(all, { clientId: 'c0', enableAutoCommit: false })
    const { generationId } = one.groupMetadata()
    all.cluster.faults.on('offsetCommit', { client: 'c0' }).error('REBALANCE_IN_PROGRESS')
    const commit = one.commit({ offsets: [{ ...first, offset: 5 }] })
    await settle(all.clock)
    one.enforceRebalance()
    await stable(all, one)
    expect(one.groupMetadata().generationId).toBe(generationId + 1)
    expect(await isPending(commit, all.clock)).toBe(true)
    await all.clock.advance(1_000)
    await commit
    expect(await committed(all)).toEqual([5])
  })

  it('a commit that was requested outside the group is not made after the member is back', async () => {
    const all = await world(1)
    await all.write(0, 'a', 'b')
    const one = await joined(all, { enableAutoCommit: false })
    let done = (): void => undefined
    let answer = (): void => undefined
    let handled = 0
    intercept(async (api, request: Request<'OffsetCommit'>, next) => {
      if (api !== 'OffsetCommit' || (request.memberId ?? '') === '') return next()
      await new Promise<void>(resolve => (answer = resolve))
      return next()
    })
    void one.run({
      eachRecord: () =>
        new Promise<void>(resolve => {
          done = resolve
          if (handled++ > 0) resolve()
        }),
    })
    await settle(all.clock)
    const slow = one.commit({ offsets: [{ ...first, offset: 1 }] })
    await settle(all.clock)
    const to = { offset: 2 }
    await all.cluster.admin.resetGroupOffsets({
      groupId: 'g',
      to,
      partitions: [first],
      evenIfActive: true,
    })
    await settle(all.clock)
    const late = one.commit({ offsets: [{ ...first, offset: 1 }] })
    for (const each of [slow, late]) each.catch(() => undefined)
    done()
    await stable(all, one)
    answer()
    await all.clock.advance(1_000)
    await expect(slow).rejects.toMatchObject({ code: 'ILLEGAL_GENERATION' })
    await expect(late).rejects.toMatchObject({ code: 'ILLEGAL_GENERATION' })
    expect(await committed(all)).toEqual([2])
  })
})

describe('members are removed', () => {
  it('removeGroupMembers removes all members, and they join again', async () => {
    const all = await world(2)
    const [one, two] = [await joined(all), await joined(all, { groupInstanceId: 'i-2' })]
    await stable(all, one, two)
    const before = [one, two].map(each => each.groupMetadata().memberId)
    const asked: unknown[] = []
    intercept((api, request: Request<'LeaveGroup'>, next) => {
      if (api === 'LeaveGroup') asked.push(...request.members)
      return next()
    })
    await all.cluster.admin.removeGroupMembers({ groupId: 'g' })
    await stable(all, one, two)
    const after = [one, two].map(each => each.groupMetadata().memberId)
    for (const id of after) expect(before).not.toContain(id)
    expect(asked).toMatchObject([
      { memberId: before[0], groupInstanceId: null },
      { memberId: '', groupInstanceId: 'i-2' },
    ])
    expect(one.assignment().length + two.assignment().length).toBe(2)
  })

  it('removing all members ignores one that has left, and reports other errors', async () => {
    const all = await world(1)
    const one = await joined(all)
    let errorCode = errorId('UNKNOWN_MEMBER_ID')
    intercept((api, { members }: Request<'LeaveGroup'>, next) =>
      api === 'LeaveGroup'
        ? { errorCode: 0, members: members.map(each => ({ ...each, errorCode })) }
        : next(),
    )
    await all.cluster.admin.removeGroupMembers({ groupId: 'g' })
    errorCode = errorId('FENCED_INSTANCE_ID')
    await expect(all.cluster.admin.removeGroupMembers({ groupId: 'g' })).rejects.toMatchObject({
      code: 'FENCED_INSTANCE_ID',
      message: expect.stringContaining(`removing "${one.groupMetadata().memberId}" from group g`),
    })
  })

  it('removeGroupMembers removes dynamic members by id and static ones by instance', async () => {
    const all = await world(3)
    const { admin } = all.cluster
    const one = await joined(all)
    const dead = await joined(all, { clientId: 'dead', groupInstanceId: 'i-2' })
    const cut = await joined(all, { clientId: 'cut' })
    await stable(all, one, dead, cut)
    await dead.close() // a static one is expected back
    const { memberId } = cut.groupMetadata()
    for (const api of ['heartbeat', 'joinGroup'] as const) {
      all.cluster.faults.on(api, { client: 'cut' }).drop().always()
    }
    const members = [{ groupInstanceId: 'i-2' }, { memberId }]
    await admin.removeGroupMembers({ groupId: 'g', members })
    await all.clock.advance(3_000) // no heartbeat is held while there are faults: the next one tells
    await stable(all, one)
    expect(one.assignment()).toHaveLength(3)
    const { members: left } = await describeGroup(admin, 'g')
    expect(left.map(each => each.memberId)).toEqual([one.groupMetadata().memberId])
  })

  it('unknown members are reported, and the others are removed', async () => {
    const all = await world(1)
    const { admin } = all.cluster
    const one = await joined(all)
    const { memberId } = one.groupMetadata()
    const members = [{ memberId: 'x' }, { groupInstanceId: 'y' }, { memberId }]
    await expect(admin.removeGroupMembers({ groupId: 'g', members })).rejects.toMatchObject({
      code: 'UNKNOWN_MEMBER_ID',
      message: 'UNKNOWN_MEMBER_ID: group g has no member "x", "y"',
    })
    await stable(all, one)
    expect(one.groupMetadata().memberId).not.toBe(memberId)
    await expect(admin.removeGroupMembers({ groupId: 'nobody' })).rejects.toMatchObject({
      code: 'GROUP_ID_NOT_FOUND',
    })
  })
})

describe('a coordinator that is away is looked for again', () => {
  type Admin = World['cluster']['admin']
  const offsets = [{ ...first, offset: 1 }]
  const CALLS: readonly [string, string, (admin: Admin) => Promise<unknown>][] = [
    ['describeGroup', 'DescribeGroups', admin => describeGroup(admin, 'g')],
    ['deleteGroups', 'DeleteGroups', admin => admin.deleteGroups(['g'])],
    ['listGroupOffsets', 'OffsetFetch', admin => admin.listGroupOffsets('g')],
    ['groupLag', 'DescribeGroups', admin => admin.groupLag('g')],
    ['alterGroupOffsets', 'OffsetCommit', admin => admin.alterGroupOffsets({ groupId: 'g', offsets })],
    [
      'resetGroupOffsets',
      'OffsetCommit',
      admin => admin.resetGroupOffsets({ groupId: 'g', to: 'earliest', topics: ['orders'] }),
    ],
    [
      'deleteGroupOffsets',
      'OffsetDelete',
      admin => admin.deleteGroupOffsets({ groupId: 'g', partitions: [first] }),
    ],
    ['removeGroupMembers', 'DescribeGroups', admin => admin.removeGroupMembers({ groupId: 'g' })],
    [
      'removing certain members',
      'LeaveGroup',
      async admin => {
        const removed = admin.removeGroupMembers({ groupId: 'g', members: [{ memberId: 'x' }] })
        await expect(removed).rejects.toMatchObject({ code: 'UNKNOWN_MEMBER_ID' })
      },
    ],
  ]

  const CODES = [
    'NOT_COORDINATOR',
    'COORDINATOR_NOT_AVAILABLE',
    'COORDINATOR_LOAD_IN_PROGRESS',
    'NETWORK_EXCEPTION',
  ] as const

  it.each(CODES.flatMap(code => CALLS.map(([name, ...rest]) => [name, code, ...rest] as const)))(
    '%s finds the coordinator again after %s',
    async (_, code, api, call) => {
      const all = await world(1)
      await commitAs(all, 'g', 0)
      const name = `${(api[0] as string).toLowerCase()}${api.slice(1)}` as 'describeGroups'
      if (code === 'NETWORK_EXCEPTION') all.cluster.faults.on(name).drop().times(2)
      else all.cluster.faults.on(name).error(code).times(2)
      const searches = countRequests('FindCoordinator')
      const called = call(all.cluster.admin)
      await all.clock.advance(5_000)
      await called
      expect(searches()).toBe(code === 'COORDINATOR_LOAD_IN_PROGRESS' ? 1 : 3)
    },
  )

  it('the search for a coordinator ends if it fails for good', async () => {
    const all = await world(1)
    all.cluster.faults.on('findCoordinator').error('INVALID_REQUEST')
    await expect(describeGroup(all.cluster.admin, 'g')).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    })
  })

  it('the coordinator is found again when it has died', async () => {
    const all = await world(1, { brokers: 3 })
    const { admin } = all.cluster
    await commitAs(all, 'g', 0)
    const before = await coordinatorOf(all, 'g')
    await all.cluster.broker(before).kill()
    const described = describeGroup(admin, 'g')
    await all.clock.advance(10_000)
    expect((await described).coordinator).not.toBe(before)
  })

  it('the search for a coordinator ends with the timeout', async () => {
    const all = await world(1)
    await commitAs(all, 'g', 0)
    intercept((api, _request, next) => {
      if (api !== 'DescribeGroups') return next()
      throw new PartlogError('NETWORK_EXCEPTION', 'gone')
    })
    const described = describeGroup(all.cluster.admin, 'g')
    described.catch(() => undefined)
    await all.clock.advance(60_000)
    await expect(described).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
  })
})

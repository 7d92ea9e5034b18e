/** Groups with the consumer protocol, asked of brokers word by word, under a virtual clock. */

import { describe, expect, it } from 'vitest'
import { errorOf } from '../../../src/model/errors.js'
import type { Request, Response } from '../../../src/protocol/api.js'
import { transactionWorld, type TransactionWorld } from './transaction-world.js'

type Beat = Request<'ConsumerGroupHeartbeat'>
type Answer = Response<'ConsumerGroupHeartbeat'>

const joining = (memberId: string, more: Partial<Beat> = {}): Beat => ({
  groupId: 'g',
  memberId,
  memberEpoch: 0,
  rebalanceTimeoutMs: 60_000,
  subscribedTopicNames: ['orders'],
  topicPartitions: [],
  clientHost: '/there',
  ...more,
})

const partitionsIn = ({ assignment = null }: Answer): number[] | null =>
  assignment?.topicPartitions.flatMap(({ partitions }) => partitions) ?? null

async function world(options: Parameters<typeof transactionWorld>[0] = {}) {
  const all = await transactionWorld(options)
  const node = await all.coordinatorOf('g', 0)
  const beat = (request: Beat): Promise<Answer> => all.ask(node, 'ConsumerGroupHeartbeat', request)
  const describeGroup = async (groupId = 'g') => {
    const [group] = (await all.ask(node, 'ConsumerGroupDescribe', { groupIds: [groupId] })).groups
    return group as Response<'ConsumerGroupDescribe'>['groups'][number]
  }
  return { ...all, node, beat, describeGroup }
}

const topicIdOf = async ({ ask, node }: Pick<TransactionWorld, 'ask'> & { node: number }) => {
  const { topics } = await ask(node, 'Metadata', { topics: [{ name: 'orders' }] } as never)
  return topics[0]?.topicId ?? ''
}

describe('ConsumerGroupHeartbeat and ConsumerGroupDescribe', () => {
  it('members join, share, and leave; a description has all of it', async () => {
    const all = await world()
    const { beat, describeGroup } = all
    const first = await beat(joining('a', { clientId: 'app', rackId: 'r' }))
    expect(first).toMatchObject({
      errorCode: 0,
      memberId: 'a',
      memberEpoch: 2,
      heartbeatIntervalMs: 5_000,
    })
    expect(partitionsIn(first)).toEqual([0, 1])
    await beat(joining('b', { subscribedTopicNames: null, subscribedTopicRegex: 'or.*' }))
    const topicId = await topicIdOf(all)
    const kept = [{ topicId, partitions: [0] }]
    const words = { groupId: 'g', memberId: 'a', memberEpoch: 2, clientId: 'app' }
    expect(partitionsIn(await beat({ ...words, topicPartitions: null }))).toEqual([0])
    expect((await beat({ ...words, topicPartitions: kept })).memberEpoch).toBe(3)
    expect(partitionsIn(await beat({ ...words, memberId: 'b', memberEpoch: 3 }))).toEqual([1])
    const both = { topicId, topicName: 'orders' }
    expect(await describeGroup()).toMatchObject({
      errorCode: 0,
      groupState: 'Stable',
      groupEpoch: 3,
      assignmentEpoch: 3,
      assignorName: 'uniform',
      members: [
        {
          memberId: 'a',
          memberEpoch: 3,
          clientId: 'app',
          rackId: 'r',
          memberType: 1,
          subscribedTopicNames: ['orders'],
          subscribedTopicRegex: null,
          assignment: { topicPartitions: [{ ...both, partitions: [0] }] },
          targetAssignment: { topicPartitions: [{ ...both, partitions: [0] }] },
        },
        { memberId: 'b', subscribedTopicNames: [], subscribedTopicRegex: 'or.*' },
      ],
    })
    await beat({ ...words, memberEpoch: -1 })
    expect(await describeGroup()).toMatchObject({ groupState: 'Assigning', groupEpoch: 4 })
  })

  it('what other requests about groups say of one', async () => {
    const { ask, beat, node, describeGroup } = await world()
    await beat(joining('a'))
    const list = async (request: Request<'ListGroups'>) => (await ask(node, 'ListGroups', request)).groups
    const listed = {
      groupId: 'g',
      protocolType: 'consumer',
      groupState: 'Stable',
      groupType: 'consumer',
    }
    expect(await list({})).toEqual([listed])
    expect(await list({ typesFilter: ['Consumer'], statesFilter: ['stable'] })).toEqual([listed])
    expect(await list({ typesFilter: ['classic'] })).toEqual([])
    expect(await list({ statesFilter: ['Assigning'] })).toEqual([])
    const [classic] = (await ask(node, 'DescribeGroups', { groups: ['g'] })).groups
    expect(errorOf(classic?.errorCode ?? 0)).toBe('GROUP_ID_NOT_FOUND')
    expect(classic).toMatchObject({ groupState: 'Dead' })
    const missing = await describeGroup('none')
    expect(errorOf(missing.errorCode)).toBe('GROUP_ID_NOT_FOUND')
    const refused = await ask(node, 'DeleteGroups', { groupsNames: ['g'] })
    expect(refused.results.map(({ errorCode }) => errorOf(errorCode))).toEqual(['NON_EMPTY_GROUP'])
    await beat({ groupId: 'g', memberId: 'a', memberEpoch: -1 })
    expect(await list({})).toEqual([{ ...listed, groupState: 'Empty' }])
    const gone = await ask(node, 'DeleteGroups', { groupsNames: ['g'] })
    expect(gone.results.map(({ errorCode }) => errorCode)).toEqual([0])
    expect(await list({})).toEqual([])
  })

  it('a member of version 0 may leave the choice of its id to the coordinator', async () => {
    const { beat } = await world()
    const named = await beat(joining('', { hasOwnId: false }))
    expect(named.memberId).toMatch(/^[\w-]{22}$/)
    expect(errorOf((await beat(joining(''))).errorCode)).toBe('INVALID_REQUEST')
  })

  it('the settings of a group say how long a session is, and how often a heartbeat comes', async () => {
    const { ask, beat, node, clock, describeGroup } = await world()
    const change = (name: string, value: string) => ({ name, value, configOperation: 0 })
    const configs = [
      change('consumer.session.timeout.ms', '60000'),
      change('consumer.heartbeat.interval.ms', '9000'),
    ]
    const resources = [{ resourceType: 32, resourceName: 'g', configs }]
    await ask(node, 'IncrementalAlterConfigs', { resources, validateOnly: false })
    expect(await beat(joining('a'))).toMatchObject({ heartbeatIntervalMs: 9_000 })
    await clock.advance(59_000)
    expect((await describeGroup()).members.length).toBe(1)
    await clock.advance(1_100)
    expect((await describeGroup()).groupState).toBe('Empty')
  })

  it('a heartbeat that may wait is answered when the member has something to do', async () => {
    const { beat, brokers, node, clock, cluster, passing } = await world()
    const { memberEpoch = 0 } = await beat(joining('a'))
    const words = { groupId: 'g', memberId: 'a', memberEpoch, maxWaitMs: 5_000 }
    let answer: Answer | undefined
    const held = Promise.resolve(brokers.get(node)?.handle('ConsumerGroupHeartbeat', words))
    void held.then(given => (answer = given))
    await clock.advance(2_000)
    expect(answer).toBeUndefined()
    await passing(cluster.admin.createPartitions({ topic: 'orders', partitions: 4 }))
    await clock.advance(100)
    expect(partitionsIn(answer as unknown as Answer)).toEqual([0, 1, 2, 3])
    // Without news it takes its time.
    const epoch = (answer as unknown as Answer).memberEpoch ?? 0
    const startedAt = clock.now()
    await beat({ ...words, memberEpoch: epoch })
    expect(clock.now() - startedAt).toBeGreaterThanOrEqual(5_000)
  })

  it('a held heartbeat changes nothing once its member has sent another', async () => {
    const { beat, brokers, node, clock, cluster, passing } = await world()
    const { memberEpoch = 0 } = await beat(joining('a'))
    const words = { groupId: 'g', memberId: 'a', memberEpoch, maxWaitMs: 5_000 }
    // The client has given the first one up: nothing hears its answer.
    const answers: (Answer | undefined)[] = [undefined, undefined]
    for (const n of [0, 1]) {
      const held = Promise.resolve(brokers.get(node)?.handle('ConsumerGroupHeartbeat', words))
      void held.then(given => (answers[n] = given))
      await clock.advance(500)
    }
    await passing(cluster.admin.createPartitions({ topic: 'orders', partitions: 4 }))
    await clock.advance(100)
    const [old, last] = answers as Answer[]
    expect([old?.memberEpoch, partitionsIn(old as Answer)]).toEqual([memberEpoch, null])
    expect(last?.memberEpoch).toBe(memberEpoch + 1)
    expect(partitionsIn(last as Answer)).toEqual([0, 1, 2, 3])
  })

  it('a member in an older epoch is told its assignment: it has missed an answer', async () => {
    const all = await world()
    const { beat, clock, cluster, passing } = all
    const { memberEpoch = 0 } = await beat(joining('a'))
    await passing(cluster.admin.createPartitions({ topic: 'orders', partitions: 4 }))
    await clock.advance(100)
    const topicPartitions = [{ topicId: await topicIdOf(all), partitions: [0, 1] }]
    const words = { groupId: 'g', memberId: 'a', memberEpoch, topicPartitions }
    const lost = await beat(words)
    expect(lost.memberEpoch).toBe(memberEpoch + 1)
    const again = await beat(words)
    expect([again.memberEpoch, partitionsIn(again)]).toEqual([memberEpoch + 1, [0, 1, 2, 3]])
    const known = await beat({ ...words, memberEpoch: memberEpoch + 1 })
    expect(partitionsIn(known)).toBe(null)
  })

  it('a coordinator that dies is followed by one that knows the same, and goes on', async () => {
    const all = await world({ brokers: 3 })
    const { beat, cluster, ask, coordinatorOf, collect, passing } = all
    await beat(joining('a'))
    await beat(joining('b'))
    const before = await all.describeGroup()
    expect(before).toMatchObject({ groupState: 'Reconciling', groupEpoch: 3 })
    await passing(cluster.broker(all.node).kill())
    await collect()
    let next = all.node
    for (let tries = 0; tries < 200 && next === all.node; tries++) {
      await all.clock.advance(100)
      next = await coordinatorOf('g', 0)
    }
    const [after] = (await ask(next, 'ConsumerGroupDescribe', { groupIds: ['g'] })).groups
    expect(after).toEqual(before)
    const words = { groupId: 'g', memberId: 'b', memberEpoch: 3 }
    expect((await ask(next, 'ConsumerGroupHeartbeat', words)).errorCode).toBe(0)
  })
})

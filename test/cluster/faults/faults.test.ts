import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/base/logger.js'
import { seededRandom } from '../../../src/base/random.js'
import { ConsumerClient } from '../../../src/client/consumer/consumer.js'
import { ProducerClient } from '../../../src/client/producer/producer.js'
import type { FaultApi, FaultBuilder, FaultFilter } from '../../../src/cluster/faults/faults.js'
import { CLIENT } from '../../../src/cluster/network/network-rules.js'
import { ERRORS, errorId } from '../../../src/model/errors.js'
import { APIS, type ApiName, type Request } from '../../../src/protocol/api.js'
import { ANY_NODE } from '../../../src/protocol/channel.js'
import {
  ask,
  brokerWorld,
  DONE,
  errorOf,
  note,
  ORDERS_ID,
  TestNode,
  wires,
  type BrokerWorld,
  type Wires,
} from '../../broker/replication/world.js'
import { batchOf } from '../../log/helpers.js'

const NOT_LEADER = errorId('NOT_LEADER_OR_FOLLOWER')

interface Nodes extends Wires {
  readonly first: TestNode
  readonly second: TestNode
}

function withNodes(): Nodes {
  const world = wires()
  const { network } = world
  return { ...world, first: new TestNode(network, 1), second: new TestNode(network, 2) }
}

/** Asks broker 1 so many times; which of the requests failed? */
async function failures({ client }: Wires, count: number): Promise<string> {
  let found = ''
  for (let index = 0; index < count; index++) {
    const { errorCode } = await client.send(1, 'ListGroups', {})
    found += errorCode === 0 ? '.' : 'x'
  }
  return found
}

const unusedOf = ({ faults }: Wires): string[] => faults.unused().map(({ effect }) => effect)

describe('how often a rule fires', () => {
  it.each<[string, (fault: FaultBuilder) => unknown, string, boolean]>([
    ['once', f => f.error('NOT_COORDINATOR'), 'x.....', true],
    ['so many times', f => f.error('NOT_COORDINATOR').times(3), 'xxx...', true],
    ['always', f => f.error('NOT_COORDINATOR').always(), 'xxxxxx', false],
    ['after a few', f => f.error('NOT_COORDINATOR').after(2), '..x...', true],
    ['after a few, twice', f => f.error('NOT_COORDINATOR').after(1).times(2), '.xx...', true],
    ['after a few, always', f => f.error('NOT_COORDINATOR').always().after(4), '....xx', false],
    ['the last word counts', f => f.error('NOT_COORDINATOR').always().times(2), 'xx....', true],
    ['not yet', f => f.error('NOT_COORDINATOR').after(6), '......', false],
  ])('how often a rule fires: %s', async (_, make, expected, isSpent) => {
    const world = withNodes()
    const rule = make(world.faults.on('listGroups')) as ReturnType<FaultBuilder['error']>
    expect(rule.count).toBe(0)
    expect(await failures(world, 6)).toBe(expected)
    expect(rule.count).toBe(expected.replaceAll('.', '').length)
    expect(rule.isSpent).toBe(isSpent)
    expect(world.faults.isEmpty).toBe(isSpent)
    expect(world.faults.unused()).toEqual(rule.count === 0 ? [rule] : [])
  })

  it('only the first rule that matches fires', async () => {
    const world = withNodes()
    const { faults } = world
    const rules = [
      faults.on('listGroups').error('NOT_COORDINATOR').after(1),
      faults.on('listGroups').error('INVALID_REQUEST').after(2),
      faults.on('leaveGroup').error('NOT_COORDINATOR').always(),
    ]
    const codes: number[] = []
    for (let index = 0; index < 5; index++) {
      codes.push((await world.client.send(1, 'ListGroups', {})).errorCode)
    }
    // The second rule sees the first, third and fourth request.
    expect(codes).toEqual([0, errorId('NOT_COORDINATOR'), 0, errorId('INVALID_REQUEST'), 0])
    expect(rules.map(({ count }) => count)).toEqual([1, 1, 0])
    expect(faults.unused()).toEqual([rules[2]])
  })

  it('a spent rule may get more firings, and keeps its place', async () => {
    const world = withNodes()
    const { faults, client } = world
    const rule = faults.on('listGroups').error('NOT_COORDINATOR')
    faults.on('listGroups').error('INVALID_REQUEST').always()
    await failures(world, 2)
    rule.times(2)
    const { errorCode } = await client.send(1, 'ListGroups', {})
    expect(errorCode).toBe(errorId('NOT_COORDINATOR'))
    expect([rule.count, rule.isSpent]).toEqual([2, true])
  })

  it('a removed rule does not fire, even if it is changed later', async () => {
    const world = withNodes()
    const rule = world.faults.on('listGroups').error('NOT_COORDINATOR').always()
    expect(await failures(world, 1)).toBe('x')
    rule.remove()
    expect(rule.always().isSpent).toBe(true)
    expect(await failures(world, 2)).toBe('..')
    expect([rule.count, world.faults.isEmpty]).toEqual([1, true])
  })

  it('clear removes all rules, unused ones too', async () => {
    const world = withNodes()
    world.faults.on('listGroups').drop().always()
    world.faults.on('fetch').delay(5)
    expect(unusedOf(world)).toEqual(['request lost', 'delay of 5 ms'])
    world.faults.clear()
    expect([world.faults.isEmpty, unusedOf(world)]).toEqual([true, []])
    expect(await failures(world, 1)).toBe('.')
  })

  it('a rule describes itself', () => {
    const { faults } = wires()
    const where = { topic: 'orders', partition: 1 }
    faults.on('produce', where).error('NOT_LEADER_OR_FOLLOWER')
    faults.on('fetch').dropAnswer()
    expect(faults.unused()).toMatchObject([
      { api: 'produce', where, effect: 'error NOT_LEADER_OR_FOLLOWER' },
      { api: 'fetch', where: {}, effect: 'answer lost' },
    ])
  })
})

describe('which requests', () => {
  const of = (from: number, to: number): string => `${from}→${to}`
  it.each<[FaultFilter, string[]]>([
    [{}, [of(CLIENT, 1), of(CLIENT, 2), of(1, 2)]],
    [{ broker: 1 }, [of(CLIENT, 1)]],
    [{ broker: 2 }, [of(CLIENT, 2), of(1, 2)]],
    [{ from: 1 }, [of(1, 2)]],
    [{ from: 'client' }, [of(CLIENT, 1), of(CLIENT, 2)]],
    [{ client: 'tester' }, [of(CLIENT, 1), of(CLIENT, 2)]],
    [{ client: 'another' }, []],
    [{ client: 'tester', broker: 2 }, [of(CLIENT, 2)]],
    [{ broker: 3 }, []],
  ])('the requests that a filter selects: %o', async (where, expected) => {
    const { faults, network, client, clock } = withNodes()
    faults.on('leaveGroup', where).drop().always()
    const order: string[] = []
    note(order, of(CLIENT, 1), ask(client, 1, 'a'))
    note(order, of(CLIENT, 2), ask(client, 2, 'b'))
    note(order, of(1, 2), ask(network.channelFrom(1), 2, 'c'))
    await clock.advance(0)
    const lost = order.filter(mark => mark.endsWith(': NETWORK_EXCEPTION'))
    expect(lost.map(mark => mark.split(':')[0])).toEqual(expected)
  })

  const partitions = [{ partitionIndex: 0 }, { partitionIndex: 1 }]
  const orders = { name: 'orders', topic: 'orders', resourceName: 'orders' }
  const topics = [{ ...orders, partitions }]
  const byId = { topicId: ORDERS_ID }
  const ASKED: [FaultApi, object, 'topics' | 'partitions'][] = [
    ['produce', { topicData: [{ ...orders, partitionData: [{ index: 1 }] }] }, 'partitions'],
    ['fetch', { topics: [{ ...orders, partitions: [{ partition: 1 }] }] }, 'partitions'],
    ['listOffsets', { topics }, 'partitions'],
    ['offsetCommit', { topics }, 'partitions'],
    ['deleteRecords', { topics }, 'partitions'],
    ['metadata', { topics }, 'topics'],
    ['metadata', { topics: null }, 'topics'],
    ['createTopics', { topics }, 'topics'],
    ['deleteTopics', { topics }, 'topics'],
    ['createPartitions', { topics }, 'topics'],
    ['describeConfigs', { resources: [orders] }, 'topics'],
    ['incrementalAlterConfigs', { resources: [orders] }, 'topics'],
    ['fetch', { topics: [{ ...byId, topic: '', partitions: [{ partition: 1 }] }] }, 'partitions'],
    ['metadata', { topics: [{ ...byId, name: null }] }, 'topics'],
    ['deleteTopics', { topics: [{ ...byId, name: null }] }, 'topics'],
  ]
  it.each(ASKED)('%s requests are selected by what they name: %j', (word, request, naming) => {
    const { faults } = wires()
    const api = Object.keys(APIS).find(name => name.toLowerCase() === word.toLowerCase()) as ApiName
    const matches = (where: FaultFilter): boolean => {
      faults.clear()
      faults.on(word, where).drop()
      const route = { from: CLIENT, to: 1, client: '' }
      return faults.match(api, request as Request<ApiName>, route) !== undefined
    }
    const namesAll = 'topics' in request && request.topics === null
    expect(matches({})).toBe(true)
    expect(matches({ topic: 'orders' })).toBe(true)
    expect(matches({ topic: 'payments' })).toBe(namesAll)
    if (naming === 'topics') return
    expect(matches({ partition: 1 })).toBe(true)
    expect(matches({ partition: 2 })).toBe(false)
    expect(matches({ topic: 'orders', partition: 1 })).toBe(true)
    expect(matches({ topic: 'payments', partition: 1 })).toBe(false)
  })

  it('rules know every API by its name', () => {
    const { faults } = wires()
    for (const api of Object.keys(APIS)) {
      const word = `${api.slice(0, 1).toLowerCase()}${api.slice(1)}` as FaultApi
      expect(faults.on(word).drop().api).toBe(word)
    }
  })
})

describe('what happens', () => {
  it('a delayed request does not delay others', async () => {
    const { faults, client, clock, first } = withNodes()
    faults.on('leaveGroup').delay(100)
    const order: string[] = []
    note(order, 'a', ask(client, 1, 'a'))
    await ask(client, 1, 'b')
    await clock.advance(99)
    expect(first.asked).toEqual(['b'])
    await clock.advance(1)
    expect(first.asked).toEqual(['b', 'a'])
    expect(order).toEqual(['a'])
  })

  it('a delayed request fails when its node ends', async () => {
    const { network, faults, client, clock, first } = withNodes()
    faults.on('leaveGroup').delay(100)
    const error = errorOf(ask(client, 1, 'a'))
    network.detach(1)
    expect(await error).toMatchObject({ code: 'NETWORK_EXCEPTION', outcomeUnknown: true })
    expect(clock.pendingTimers).toBe(0)
    expect(first.asked).toEqual([])
  })

  it.each([
    ['request', false],
    ['answer', true],
  ])('a lost %s: is the request handled? %s', async (what, isHandled) => {
    const { faults, client, first } = withNodes()
    const fault = faults.on('leaveGroup')
    const rule = isHandled ? fault.dropAnswer() : fault.drop()
    const error = await errorOf(ask(client, 1, 'a'))
    expect(error).toMatchObject({ code: 'NETWORK_EXCEPTION', outcomeUnknown: true })
    expect(error.message).toContain(`the ${what} of LeaveGroup`)
    expect(first.asked).toEqual(isHandled ? ['a'] : [])
    expect(rule.count).toBe(1)
    await expect(ask(client, 1, 'b')).resolves.toBe(DONE)
  })

  it('a lost answer fails when it would have come', async () => {
    const { faults, client, clock, first } = withNodes()
    faults.on('leaveGroup').dropAnswer()
    first.isHolding = true
    const order: string[] = []
    note(order, 'a', ask(client, 1, 'a'))
    await clock.advance(1_000)
    expect(order).toEqual([])
    first.answer()
    await clock.advance(0)
    expect(order).toEqual(['a: NETWORK_EXCEPTION'])
  })

  it('a fault error is answered at once, without the broker', () => {
    const { faults, client, first } = withNodes()
    faults.on('joinGroup').error('GROUP_MAX_SIZE_REACHED', 'no room')
    const request = { groupId: 'g', sessionTimeoutMs: 1, memberId: '', protocolType: 'consumer' }
    expect(client.send(1, 'JoinGroup', { ...request, protocols: [] })).toMatchObject({
      errorCode: errorId('GROUP_MAX_SIZE_REACHED'),
      errorMessage: 'no room',
      members: [],
    })
    expect(first.asked).toEqual([])
  })

  it('a fault occurs when the request arrives: after its delay, not if it is lost', async () => {
    const { network, faults, client, clock } = withNodes()
    const rule = faults.on('listGroups').error('NOT_COORDINATOR').always()
    network.drop({ to: 1 })
    await expect(client.send(1, 'ListGroups', {})).rejects.toThrow('NETWORK_EXCEPTION')
    network.heal()
    network.delay(100)
    const answer = client.send(1, 'ListGroups', {})
    await clock.advance(99)
    expect(rule.count).toBe(0)
    await clock.advance(1)
    expect((await answer).errorCode).toBe(errorId('NOT_COORDINATOR'))
    expect(rule.count).toBe(1)
  })

  it('the answer of a fault rule takes the way of all answers', async () => {
    const { network, faults, client, clock } = withNodes()
    faults.on('listGroups').error('NOT_COORDINATOR')
    network.delay(100, { answers: true })
    const order: string[] = []
    note(order, 'answered', Promise.resolve(client.send(1, 'ListGroups', {})))
    await clock.advance(99)
    expect(order).toEqual([])
    await clock.advance(1)
    expect(order).toEqual(['answered'])
  })
})

describe('errors where Kafka has them', () => {
  const both = <T>(fields: (partition: number) => T): T[] => [fields(0), fields(1)]
  const send = <A extends ApiName>({ client }: BrokerWorld, api: A, request: Request<A>) =>
    client.send(1, api, request)
  const produceBoth = (world: BrokerWorld) =>
    send(world, 'Produce', {
      acks: -1,
      timeoutMs: 1_000,
      topicData: [
        {
          name: 'orders',
          partitionData: both(index => ({ index, records: batchOf([`to ${index}`]) })),
        },
      ],
    })
  const fetchBoth = (world: BrokerWorld) =>
    send(world, 'Fetch', {
      maxWaitMs: 60_000,
      minBytes: 1_000_000,
      topics: [
        {
          topic: 'orders',
          partitions: both(partition => ({ partition, fetchOffset: 0, partitionMaxBytes: 1e6 })),
        },
      ],
    })

  it('Produce: one partition fails, the other one is written', async () => {
    const world = await brokerWorld()
    const where = { topic: 'orders', partition: 1 }
    const rule = world.faults.on('produce', where).error('NOT_LEADER_OR_FOLLOWER', 'moved')
    const { responses } = await produceBoth(world)
    expect(responses).toHaveLength(1)
    expect(responses[0]?.partitionResponses).toMatchObject([
      { index: 0, errorCode: 0, baseOffset: 0 },
      { index: 1, errorCode: NOT_LEADER, errorMessage: 'moved', baseOffset: -1 },
    ])
    expect(await world.ends()).toEqual([1, 0])
    expect(rule.count).toBe(1)
    expect((await produceBoth(world)).responses[0]?.partitionResponses).toMatchObject([
      { index: 0, errorCode: 0, baseOffset: 1 },
      { index: 1, errorCode: 0, baseOffset: 0 },
    ])
  })

  it('Produce: if all partitions fail, the broker is not asked', async () => {
    const world = await brokerWorld()
    world.faults.on('produce').error('NOT_ENOUGH_REPLICAS')
    const errorCode = errorId('NOT_ENOUGH_REPLICAS')
    expect((await produceBoth(world)).responses[0]?.partitionResponses).toMatchObject([
      { index: 0, errorCode },
      { index: 1, errorCode },
    ])
    expect([world.handled, await world.ends()]).toEqual([[], [0, 0]])
  })

  it('Produce: only the selected topic fails', async () => {
    const world = await brokerWorld()
    await world.cluster.admin.createTopic({ topic: 'payments' })
    world.faults.on('produce', { topic: 'orders' }).error('NOT_LEADER_OR_FOLLOWER')
    const topicData = ['orders', 'payments'].map(name => ({
      name,
      partitionData: [{ index: 0, records: batchOf(['a']) }],
    }))
    expect(await send(world, 'Produce', { acks: 1, timeoutMs: 1_000, topicData })).toMatchObject({
      responses: [
        { name: 'orders', partitionResponses: [{ errorCode: NOT_LEADER }] },
        { name: 'payments', partitionResponses: [{ errorCode: 0, baseOffset: 0 }] },
      ],
    })
  })

  it('Fetch: an error is answered at once, with the records of the others', async () => {
    const world = await brokerWorld()
    await produceBoth(world)
    world.faults.on('fetch', { partition: 0 }).error('NOT_LEADER_OR_FOLLOWER')
    const { responses } = await fetchBoth(world) // a long poll otherwise: the clock stands still
    expect(responses[0]?.partitions).toMatchObject([
      { partitionIndex: 0, errorCode: NOT_LEADER, records: null },
      { partitionIndex: 1, errorCode: 0, highWatermark: 1 },
    ])
    expect(responses[0]?.partitions[1]?.records?.byteLength).toBeGreaterThan(0)
  })

  it('ListOffsets: one partition fails, the others are answered', async () => {
    const world = await brokerWorld()
    await produceBoth(world)
    world.faults.on('listOffsets', { partition: 0 }).error('LEADER_NOT_AVAILABLE')
    const partitions = both(partitionIndex => ({ partitionIndex, timestamp: -1 }))
    expect(
      await send(world, 'ListOffsets', { topics: [{ name: 'orders', partitions }] }),
    ).toMatchObject({
      topics: [
        {
          name: 'orders',
          partitions: [
            { partitionIndex: 0, errorCode: errorId('LEADER_NOT_AVAILABLE') },
            { partitionIndex: 1, errorCode: 0, offset: 1 },
          ],
        },
      ],
    })
  })

  it('OffsetCommit: one partition fails, the others are committed', async () => {
    const world = await brokerWorld()
    world.faults.on('offsetCommit', { partition: 0 }).error('COORDINATOR_LOAD_IN_PROGRESS')
    const partitions = both(partitionIndex => ({
      partitionIndex,
      committedOffset: 7,
      committedMetadata: '',
    }))
    const topics = [{ name: 'orders', partitions }]
    expect(await send(world, 'OffsetCommit', { groupId: 'g', topics })).toMatchObject({
      topics: [
        {
          partitions: [
            { partitionIndex: 0, errorCode: errorId('COORDINATOR_LOAD_IN_PROGRESS') },
            { partitionIndex: 1, errorCode: 0 },
          ],
        },
      ],
    })
    const committed = await world.cluster.admin.listGroupOffsets('g')
    expect(committed).toMatchObject([{ partition: 1, offset: 7 }])
  })

  it('DeleteRecords: one partition fails, the others are deleted', async () => {
    const world = await brokerWorld()
    await produceBoth(world)
    world.faults.on('deleteRecords', { partition: 1 }).error('POLICY_VIOLATION')
    const partitions = both(partitionIndex => ({ partitionIndex, offset: 1 }))
    const topics = [{ name: 'orders', partitions }]
    expect(await send(world, 'DeleteRecords', { timeoutMs: 1, topics })).toMatchObject({
      topics: [
        {
          partitions: [
            { partitionIndex: 0, errorCode: 0, lowWatermark: 1 },
            { partitionIndex: 1, errorCode: errorId('POLICY_VIOLATION'), lowWatermark: -1 },
          ],
        },
      ],
    })
  })

  it('Metadata: one topic fails, brokers and other topics are answered', async () => {
    const world = await brokerWorld()
    await world.cluster.admin.createTopic({ topic: 'payments' })
    const errorCode = errorId('LEADER_NOT_AVAILABLE')
    world.faults.on('metadata', { topic: 'orders' }).error('LEADER_NOT_AVAILABLE').times(3)
    const ofOrders = { name: 'orders', errorCode, partitions: [] }
    const ofPayments = { name: 'payments', errorCode: 0 }
    const brokers = [{ nodeId: 1 }]
    const named = [{ name: 'orders' }, { name: 'payments' }]
    expect(await send(world, 'Metadata', { topics: named })).toMatchObject({
      brokers,
      topics: [ofOrders, ofPayments],
    })
    expect(await send(world, 'Metadata', { topics: [{ name: 'orders' }] })).toMatchObject({
      brokers,
      topics: [ofOrders],
    })
    const all = await send(world, 'Metadata', { topics: null })
    expect(
      [...all.topics].sort((a, b) => (a.name ?? '').localeCompare(b.name ?? '')),
    ).toMatchObject([ofOrders, ofPayments])
  })

  it('requests that name nothing are rejected with the error', async () => {
    const world = await brokerWorld()
    for (const api of ['metadata', 'produce'] as const) {
      world.faults.on(api).error('LEADER_NOT_AVAILABLE', 'not now')
    }
    const error = { code: 'LEADER_NOT_AVAILABLE', message: 'LEADER_NOT_AVAILABLE: not now' }
    const metadata = async (): Promise<unknown> => await send(world, 'Metadata', { topics: [] })
    await expect(metadata()).rejects.toMatchObject(error)
    const produce = async (): Promise<unknown> =>
      await send(world, 'Produce', { acks: 1, timeoutMs: 1, topicData: [] })
    await expect(produce()).rejects.toMatchObject(error)
  })

  it('CreateTopics, CreatePartitions and DeleteTopics fail for one topic', async () => {
    const world = await brokerWorld()
    const errorCode = errorId('POLICY_VIOLATION')
    const names = ['orders', 'other'] as const
    const failing = ['createTopics', 'createPartitions', 'deleteTopics'] as const
    for (const api of failing) world.faults.on(api, { topic: 'orders' }).error('POLICY_VIOLATION')
    const created = { numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
    const failed = { name: 'orders', errorCode }
    const fine = { name: 'other', errorCode: 0 }
    expect(
      await send(world, 'CreateTopics', { topics: names.map(name => ({ name, ...created })) }),
    ).toMatchObject({ topics: [failed, fine] })
    expect(
      await send(world, 'CreatePartitions', {
        topics: names.map(name => ({ name, count: 3, assignments: null })),
        timeoutMs: 1,
        validateOnly: false,
      }),
    ).toMatchObject({ results: [failed, fine] })
    expect(
      await send(world, 'DeleteTopics', { topics: names.map(name => ({ name })), timeoutMs: 1 }),
    ).toMatchObject({ responses: [failed, fine] })
    expect(await world.cluster.admin.listTopics()).toEqual(['orders'])
  })

  it('settings of topics: one resource fails, the others are changed', async () => {
    const world = await brokerWorld()
    await world.cluster.admin.createTopic({ topic: 'payments' })
    const errorCode = errorId('POLICY_VIOLATION')
    for (const api of ['describeConfigs', 'incrementalAlterConfigs'] as const) {
      world.faults.on(api, { topic: 'orders' }).error('POLICY_VIOLATION')
    }
    const resources = ['orders', 'payments'].map(resourceName => ({
      resourceType: 2,
      resourceName,
      configurationKeys: null,
      configs: [],
    }))
    const expected = [
      { resourceType: 2, resourceName: 'orders', errorCode },
      { resourceType: 2, resourceName: 'payments', errorCode: 0 },
    ]
    expect(await send(world, 'DescribeConfigs', { resources })).toMatchObject({ results: expected })
    expect(
      await send(world, 'IncrementalAlterConfigs', { resources, validateOnly: false }),
    ).toMatchObject({ responses: expected })
  })

  it('requests of groups fail as a whole', () => {
    const { faults, client } = withNodes()
    const errorCode = errorId('NOT_COORDINATOR')
    for (const api of ['findCoordinator', 'offsetFetch', 'leaveGroup', 'listGroups'] as const) {
      faults.on(api).error('NOT_COORDINATOR')
    }
    expect(client.send(ANY_NODE, 'FindCoordinator', { coordinatorKeys: ['g'] })).toMatchObject({
      coordinators: [{ key: 'g', nodeId: -1, errorCode }],
    })
    expect(
      client.send(1, 'OffsetFetch', { groups: [{ groupId: 'g', topics: null }] }),
    ).toMatchObject({ groups: [{ groupId: 'g', topics: [], errorCode }] })
    expect(client.send(1, 'LeaveGroup', { groupId: 'g', members: [] })).toMatchObject({
      errorCode,
      members: [],
    })
    expect(client.send(1, 'ListGroups', {})).toEqual({ errorCode, groups: [] })
  })
})

describe('clients among faults', () => {
  const contextOf = ({ client, clock }: Wires) => ({
    channel: client,
    clock,
    random: seededRandom(3),
    logger: silentLogger,
    onClose: () => undefined,
  })

  it('a producer retries what a broker has refused, in order', async () => {
    const world = await brokerWorld()
    const producer = new ProducerClient(contextOf(world))
    world.faults.on('produce', { partition: 0 }).error('NOT_ENOUGH_REPLICAS').times(2)
    world.faults.on('metadata').error('LEADER_NOT_AVAILABLE')
    world.faults.on('produce').drop()
    const sends = ['a', 'b', 'c'].map(value =>
      producer.send({ topic: 'orders', messages: [{ partition: 0, value }] }),
    )
    await world.clock.advance(10_000)
    const offsets = (await Promise.all(sends)).map(([record]) => record?.offset)
    expect(offsets).toEqual([0, 1, 2])
    expect(unusedOf(world)).toEqual([])
    await producer.close()
  })

  it('a consumer reads everything once, whatever is lost', async () => {
    const world = await brokerWorld()
    const producer = world.cluster.producer()
    const messages = ['a', 'b', 'c', 'd'].map((value, index) => ({ value, partition: index % 2 }))
    await producer.send({ topic: 'orders', messages })
    const consumer = new ConsumerClient<Uint8Array, string>(contextOf(world), {
      groupId: 'g',
      autoOffsetReset: 'earliest',
      valueDeserializer: 'string',
    })
    const { faults } = world
    faults.on('findCoordinator').error('COORDINATOR_NOT_AVAILABLE')
    faults.on('offsetFetch').drop()
    faults.on('listOffsets', { partition: 1 }).error('LEADER_NOT_AVAILABLE')
    faults.on('fetch').dropAnswer()
    faults.on('fetch', { partition: 1 }).error('NOT_LEADER_OR_FOLLOWER').after(1)
    faults.on('fetch').delay(300).after(2)
    const values: string[] = []
    const reading = (async () => {
      await consumer.subscribe(['orders'])
      while (values.length < 4) {
        for (const record of await consumer.poll({ timeoutMs: 5_000 })) {
          values.push(record.value as string)
        }
      }
    })()
    await world.clock.advance(60_000)
    await reading
    expect(values.sort()).toEqual(['a', 'b', 'c', 'd'])
    expect(unusedOf(world)).toEqual([])
    await consumer.close()
  })
})

describe('what cannot be meant', () => {
  const on = (api: string, where?: object) => (world: Wires) =>
    void world.faults.on(api as FaultApi, where as FaultFilter).drop()
  const rule = (change: (fault: FaultBuilder) => unknown) => (world: Wires) =>
    void change(world.faults.on('fetch'))
  const calls: [string, (world: Wires) => void, string][] = [
    ['no such request', on('prodcue'), 'api: expected one of produce, fetch, listOffsets, meta'],
    ['as Kafka writes it', on('Produce'), 'got "Produce"'],
    ['of an object', on('toString'), 'expected one of produce'],
    ['no request', on(undefined as never), 'got undefined'],
    ['a filter that is none', on('fetch', null as never), 'where: expected an object, got null'],
    ['a misspelt field', on('fetch', { topics: 'a' }), 'did you mean topic?'],
    ['no topic', on('fetch', { topic: '' }), 'topic: expected the name of a topic, got ""'],
    ['a topic as number', on('fetch', { topic: 5 }), 'got 5'],
    ['no partition', on('fetch', { partition: -1 }), 'a whole number of at least 0, got -1'],
    ['half a partition', on('fetch', { partition: 0.5 }), 'got 0.5'],
    ['partition as text', on('fetch', { partition: '0' }), 'got "0"'],
    ['no broker', on('fetch', { broker: 0 }), 'broker: expected a whole number of at least 1'],
    ['no sender', on('fetch', { from: 'broker' }), "from: expected 'client' or the id of a broker"],
    ['no client', on('fetch', { client: '' }), 'client: expected a clientId, got ""'],
    ['topic of a group', on('joinGroup', { topic: 'a' }), 'JoinGroup requests name no topics'],
    ['partition of a topic', on('metadata', { partition: 0 }), 'Metadata requests name no partitions'],
    ['no error', rule(f => f.error('NONE' as never)), 'error code: expected one of UNKNOWN_SERVER'],
    ['no code', rule(f => f.error('NOT_LEADER' as never)), 'got "NOT_LEADER"'],
    ['code as number', rule(f => f.error(6 as never)), 'got 6'],
    ['no sentence', rule(f => f.error('INVALID_RECORD', 5 as never)), 'message: expected a string'],
    ['no delay', rule(f => f.delay(NaN)), 'a number of milliseconds of at least 0, got NaN'],
    ['a delay before', rule(f => f.delay(-1)), 'got -1'],
    ['a delay for ever', rule(f => f.delay(Infinity)), 'got Infinity'],
  ]
  it.each(calls)('invalid arguments of a rule are refused: %s', (_, call, sentence) => {
    const world = wires()
    expect(() => call(world)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => call(world)).toThrow(sentence)
    expect(world.faults.isEmpty).toBe(true)
  })

  it.each<[string, (fault: FaultBuilder) => unknown, string]>([
    ['no times', f => f.drop().times(0), 'times: expected a whole number of at least 1, got 0'],
    ['half a time', f => f.drop().times(1.5), 'got 1.5'],
    ['NaN times', f => f.drop().times(NaN), 'got NaN'],
    ['times for ever', f => f.drop().times(Infinity), 'got Infinity'],
    [
      'after less than none',
      f => f.drop().after(-1),
      'after: expected a whole number of at least 0',
    ],
    ['after NaN', f => f.drop().after(NaN), 'got NaN'],
  ])('invalid arguments of a fault are refused: %s', async (_, call, sentence) => {
    const world = withNodes()
    const attempt = (): unknown => call(world.faults.on('listGroups'))
    expect(attempt).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    world.faults.clear()
    expect(attempt).toThrow(sentence)
  })

  it('FaultErrorCode has every code that a broker can answer with', () => {
    const { faults } = wires()
    const codes = Object.keys(ERRORS).filter(code => code !== 'NONE')
    const attempt = (): unknown => faults.on('fetch').error('' as never)
    expect(attempt).toThrow(`expected one of ${codes.join(', ')}, got ""`)
    for (const code of codes) faults.on('fetch').error(code as never)
    expect(faults.unused()).toHaveLength(codes.length)
  })
})

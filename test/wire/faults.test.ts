import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { virtualClock } from '../../src/base/virtual-clock.js'
import { wireApi } from '../../src/protocol/framing.js'
import { describeGroup } from '../describe-group'
import { batchOf } from '../log/helpers.js'
import { reach, wireWorld, type WireClient } from './client.js'

async function shop(brokers = 1) {
  const clock = virtualClock()
  const world = await wireWorld({ clock, brokers })
  const assignment = [Array.from({ length: brokers }, (_, index) => index + 1)]
  await world.cluster.admin.createTopic({ topic: 'orders', assignment })
  /** Says so when it is answered. */
  const watched = <T>(answer: Promise<T>) => {
    const seen: { value?: T; failed?: boolean } = {}
    answer.then(
      value => (seen.value = value),
      () => (seen.failed = true),
    )
    return seen
  }
  return { ...world, clock, watched }
}

const fetchFrom = (client: WireClient, maxWaitMs: number) =>
  client.ask('Fetch', 11, {
    maxWaitMs,
    minBytes: 1,
    replicaId: -1,
    topics: [
      {
        topic: 'orders',
        partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }],
      },
    ],
  })

const produce = (client: WireClient) =>
  client.ask('Produce', 7, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records: batchOf(['a']) }] }],
  })

describe('rules about faults', () => {
  it('a fault rule delays a request from a wire', async () => {
    const { cluster, connect, clock, watched } = await shop()
    const rule = cluster.faults.on('fetch', { topic: 'orders', client: 'app' }).delay(700)
    const seen = watched(fetchFrom(connect(), 0))
    await clock.advance(699)
    expect([rule.count, seen.value]).toEqual([1, undefined])
    await clock.advance(1)
    expect(seen.value?.responses[0]?.partitions).toMatchObject([{ errorCode: 0 }])
  })

  it('a fault rule answers an error for the selected partitions only', async () => {
    const { cluster, connect } = await shop()
    await cluster.admin.createPartitions({ topic: 'orders', partitions: 2 })
    cluster.faults.on('listOffsets', { partition: 1 }).error('NOT_LEADER_OR_FOLLOWER')
    const partitions = [0, 1].map(partitionIndex => ({ partitionIndex, timestamp: -1 }))
    const request = { replicaId: -1, topics: [{ name: 'orders', partitions }] }
    const { topics } = await connect().ask('ListOffsets', 3, request)
    expect(topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([0, 6])
    expect(cluster.faults.unused()).toEqual([])
  })

  it('a fault rule matches topics by id', async () => {
    const { cluster, connect } = await shop()
    await cluster.admin.createTopic({ topic: 'other', partitions: 2 })
    const client = connect()
    const idOf = async (name: string): Promise<string> => {
      const { topics } = await client.ask('Metadata', 12, { topics: [{ name }] })
      return topics[0]?.topicId ?? ''
    }
    const [orders, other] = [await idOf('orders'), await idOf('other')]
    cluster.faults.on('fetch', { partition: 1 }).error('NOT_LEADER_OR_FOLLOWER')
    const wanted = { fetchOffset: 0, partitionMaxBytes: 10_000 }
    const { responses } = await client.ask('Fetch', 13, {
      maxWaitMs: 0,
      minBytes: 0,
      topics: [
        { topicId: orders, partitions: [{ partition: 0, ...wanted }] },
        { topicId: other, partitions: [0, 1].map(partition => ({ partition, ...wanted })) },
      ],
    })
    const codes = responses.map(({ topicId, partitions }) => [
      ...[topicId, partitions.map(each => each.errorCode)],
    ])
    expect(codes).toEqual([
      [orders, [0]],
      [other, [0, 6]],
    ])
    cluster.faults.on('fetch').error('FENCED_LEADER_EPOCH')
    const failed = await client.ask('Fetch', 13, {
      maxWaitMs: 0,
      minBytes: 0,
      topics: [{ topicId: other, partitions: [{ partition: 0, ...wanted }] }],
    })
    expect(failed.responses).toMatchObject([{ topicId: other, partitions: [{ errorCode: 74 }] }])
    cluster.faults.on('metadata').error('LEADER_NOT_AVAILABLE')
    const topics = [{ name: null, topicId: other }]
    const metadata = await client.ask('Metadata', 12, { topics })
    expect(metadata.topics).toMatchObject([{ errorCode: 5, topicId: other }])
  })

  it('a fault rule for a topic fires for requests that name the topic by its id', async () => {
    const { cluster, connect } = await shop()
    await cluster.admin.createTopic({ topic: 'other' })
    const client = connect()
    const codesOf = async (names: readonly string[]): Promise<(number | undefined)[]> => {
      const { topics } = await client.ask('Metadata', 12, { topics: null })
      const ids = names.map(name => topics.find(each => each.name === name)?.topicId ?? '')
      const wanted = { partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }
      const { responses } = await client.ask('Fetch', 13, {
        maxWaitMs: 0,
        minBytes: 0,
        topics: ids.map(topicId => ({ topicId, partitions: [wanted] })),
      })
      return ids.map(id => {
        const answer = responses.find(({ topicId }) => topicId === id)
        return answer?.partitions[0]?.errorCode
      })
    }
    const rule = cluster.faults.on('fetch', { topic: 'orders' }).error('NOT_LEADER_OR_FOLLOWER')
    rule.always()
    expect(await codesOf(['other'])).toEqual([0])
    expect(rule.count).toBe(0)
    expect(await codesOf(['orders', 'other'])).toEqual([6, 0])
    expect(await codesOf(['orders'])).toEqual([6])
    await cluster.admin.deleteTopic('orders')
    await cluster.admin.createTopic({ topic: 'orders' }) // under another id
    expect(await codesOf(['orders', 'other'])).toEqual([6, 0])
    expect(rule.count).toBe(3)
  })

  it('a lost request or answer ends the connection', async () => {
    const { cluster, connect } = await shop()
    const ends = async () => (await cluster.admin.listOffsets('orders', 'latest'))[0]?.offset
    cluster.faults.on('produce').drop()
    await expect(produce(connect())).rejects.toThrow('the connection has ended')
    expect(await ends()).toBe(0)
    cluster.faults.on('produce').dropAnswer()
    await expect(produce(connect())).rejects.toThrow('the connection has ended')
    expect(await ends()).toBe(1)
    expect(await produce(connect())).toMatchObject({ responses: [{ name: 'orders' }] })
  })

  it.each([
    ['offsetForLeaderEpoch', 'OffsetForLeaderEpoch'],
    ['describeCluster', 'DescribeCluster'],
    ['alterConfigs', 'AlterConfigs'],
  ] as const)('fault rules know %s', async (word, api) => {
    const { cluster, connect } = await shop()
    cluster.faults.on(word).error('NOT_CONTROLLER')
    const requests = {
      OffsetForLeaderEpoch: {
        topics: [{ topic: 'orders', partitions: [{ partition: 0, leaderEpoch: 0 }] }],
      },
      DescribeCluster: { includeClusterAuthorizedOperations: false },
      AlterConfigs: {
        resources: [{ resourceType: 2, resourceName: 'orders', configs: [] }],
        validateOnly: false,
      },
    }
    const client = connect()
    const ask = async () => JSON.stringify(await client.ask(api, 2, requests[api] as never))
    expect(await ask()).toContain('"errorCode":41')
    expect(await ask()).toContain('"errorCode":0')
  })
})

describe('the network', () => {
  it('the network delays requests and answers of a wire', async () => {
    const { cluster, connect, clock, watched } = await shop()
    cluster.network.delay(50, { from: 'client' })
    const seen = watched(connect().ask('ListOffsets', 3, { replicaId: -1, topics: [] }))
    await clock.advance(49)
    expect(seen.value).toBeUndefined()
    await clock.advance(1)
    expect(seen.value).toMatchObject({ topics: [] })
  })

  it('a partition between clients and a broker ends its connections', async () => {
    const { cluster, connect } = await shop(2)
    const client = connect(1)
    await client.ask('Metadata', 4, { topics: [] })
    cluster.network.drop({ from: 'client', to: 1 })
    await expect(client.ask('Metadata', 4, { topics: [] })).rejects.toThrow('ended')
    expect(await connect(2).ask('Metadata', 4, { topics: [] })).toMatchObject({ topics: [] })
    cluster.network.heal()
    expect(await connect(1).ask('Metadata', 4, { topics: [] })).toMatchObject({ topics: [] })
  })
})

describe('the clock of a test', () => {
  it('a virtual clock ends the session of a member behind a wire', async () => {
    const { cluster, connect, clock } = await shop()
    const member = connect()
    const joining = {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
    }
    const { memberId, generationId = -1 } = await member.ask('JoinGroup', 3, joining)
    const assignments = [{ memberId, assignment: new Uint8Array(0) }]
    await member.ask('SyncGroup', 1, { groupId: 'g', generationId, memberId, assignments })
    const beat = async () =>
      (await member.ask('Heartbeat', 1, { groupId: 'g', generationId, memberId })).errorCode
    await cluster.until({ group: 'g', stable: true, members: 1 })
    for (let n = 0; n < 5; n++) {
      await clock.advance(9_999)
      expect(await beat()).toBe(0)
    }
    await clock.advance(10_000)
    expect(await beat()).toBe(25) // UNKNOWN_MEMBER_ID
    expect((await describeGroup(cluster.admin, 'g')).members).toEqual([])
  })

  it('a virtual clock ends the wait of a fetch', async () => {
    const { connect, clock, watched } = await shop()
    const seen = watched(fetchFrom(connect(), 30_000))
    await clock.advance(29_999)
    expect(seen.value).toBeUndefined()
    await clock.advance(1)
    expect(seen.value).toMatchObject({ errorCode: 0 })
  })
})

describe.each(['kill', 'stop'] as const)('a broker after %s', how => {
  it('a broker has no connections, and returns to its address', async () => {
    const { cluster, clock, watched } = await shop(2)
    const { bootstrap } = await cluster.listen({ port: 0 })
    const [one = '', two = ''] = bootstrap
    const [idle, waiting, other] = [reach(one), reach(one), reach(two)]
    for (const client of [idle, waiting, other]) await client.ask('Metadata', 4, { topics: [] })
    const timers = clock.pendingTimers
    const fetched = watched(fetchFrom(waiting, 300_000))
    while (clock.pendingTimers < timers + 1) await turn() // the fetch waits
    await cluster.broker(1)[how]()
    expect(await idle.ended()).toBe(true)
    // In order, a leader says that it is none any more.
    while (fetched.failed !== true && fetched.value === undefined) await turn()
    expect(fetched.failed).toBe(how === 'kill' ? true : undefined)
    expect(await waiting.ended()).toBe(true)
    const refused = reach(one)
    refused.send(wireApi('Metadata'), 4, { topics: [] })
    await expect(refused.frame()).rejects.toThrow()
    const { topics } = await other.ask('Metadata', 4, { topics: [{ name: 'orders' }] })
    expect(topics[0]?.partitions).toMatchObject([{ leaderId: 2 }]) // still there, and knows
    await cluster.broker(1).start()
    const { brokers } = await reach(one).ask('Metadata', 4, { topics: [] })
    expect(brokers.map(({ host, port }) => `${host}:${port}`)).toEqual(bootstrap)
  })
})

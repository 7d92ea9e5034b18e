import { describe, expect, it } from 'vitest'
import { crc32c } from '../../src/base/checksums/crc32c.js'
import { wireApi } from '../../src/protocol/framing.js'
import { vector } from '../golden/vectors.js'
import { batchOf } from '../log/helpers.js'
import { reach, wireWorld, type WireClient } from './client.js'

const UNKNOWN_ID = 'ASNFZ4mrze8RIjNEVWZ3iA'
const NOW = Date.UTC(2026, 0, 1)

async function shop(config: Record<string, string | number> = {}) {
  const world = await wireWorld({ brokers: 2 })
  await world.cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2]], config })
  await world.cluster.admin.createTopic({ topic: 'single', assignment: [[1]] })
  return { ...world, client: world.connect() }
}

/** Gives a batch other bytes, and the checksum that fits to them. */
function changed(change: (batch: Buffer) => void): Buffer {
  const batch = batchOf(['a', 'b'])
  change(batch)
  batch.writeUInt32BE(crc32c(batch, 21), 17)
  return batch
}

async function produce(
  client: WireClient,
  records: Uint8Array | null,
  { version = 9, acks = -1, topic = 'orders' } = {},
) {
  const answer = await client.ask('Produce', version, {
    transactionalId: null,
    acks,
    timeoutMs: 1_000,
    topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
  })
  return { ...answer, ...answer.responses[0]!.partitionResponses[0]! }
}

describe('an answer to Produce', () => {
  it.each<[string, number, Uint8Array | null, { version?: number; acks?: number }]>([
    ['what is there', 0, batchOf(['a']), {}],
    ['nothing', 87, null, {}],
    ['no bytes', 87, new Uint8Array(0), {}],
    ['half a batch', 87, batchOf(['a']).subarray(0, 50), {}],
    ['two batches', 87, Buffer.concat([batchOf(['a']), batchOf(['b'])]), {}],
    ['an old format', 87, changed(batch => batch.writeInt8(1, 16)), {}],
    ['a format that is not there yet', 2, changed(batch => batch.writeInt8(3, 16)), {}],
    ['an offset', 87, changed(batch => batch.writeBigInt64BE(5n, 0)), {}],
    ['another number of records', 87, changed(batch => batch.writeInt32BE(3, 57)), {}],
    ['a control batch', 87, changed(batch => batch.writeInt16BE(0x20, 21)), {}],
    ['zstd of a version that does not know it', 76, vector('zstd'), { version: 6 }],
    ['zstd', 0, vector('zstd'), { version: 7 }],
    ['snappy', 0, vector('snappy'), {}],
    ['lz4', 0, vector('lz4'), {}],
    ['snappy that is none', 87, changed(batch => batch.writeInt16BE(2, 21)), {}],
    ['lz4 that is none', 87, changed(batch => batch.writeInt16BE(3, 21)), {}],
    ['other acks', 21, batchOf(['a']), { acks: 2 }],
  ])('Produce answers whether a batch is appended: %s', async (_, errorCode, records, how) => {
    const { cluster, client } = await shop()
    const answer = await produce(client, records, how)
    expect(answer.errorCode).toBe(errorCode)
    expect(answer.baseOffset).toBe(errorCode === 0 ? 0 : -1)
    expect(answer).toMatchObject({ throttleTimeMs: 0, logAppendTimeMs: -1 })
    const [end] = await cluster.admin.listOffsets('orders', 'latest')
    expect(end?.offset === 0).toBe(errorCode !== 0)
  })

  it('Produce answers the append time if the topic uses it', async () => {
    const { client } = await shop({ 'message.timestamp.type': 'LogAppendTime' })
    expect((await produce(client, batchOf(['a']))).logAppendTimeMs).toBeGreaterThan(NOW)
  })

  it('Produce answers which records are invalid', async () => {
    const { client } = await shop({ 'cleanup.policy': 'compact' })
    expect(await produce(client, batchOf(['a', 'b']))).toMatchObject({
      errorCode: 87,
      recordErrors: [{ batchIndex: 0 }, { batchIndex: 1 }],
    })
    const late = await produce(client, batchOf(['a'], Date.now() + 7_200_000), { topic: 'single' })
    expect(late).toMatchObject({ errorCode: 32, recordErrors: [{ batchIndex: 0 }] })
    const { errorCode } = await produce(client, batchOf(['x'.repeat(2_000)]), { topic: 'nowhere' })
    expect(errorCode).toBe(3)
  })

  it('a failed send with acks 0 ends the connection', async () => {
    const { connect } = await shop()
    const client = connect()
    const topicData = (name: string) => [
      { name, partitionData: [{ index: 0, records: batchOf(['a']) }] },
    ]
    const request = { transactionalId: null, acks: 0, timeoutMs: 1_000 }
    client.send(wireApi('Produce'), 9, { ...request, topicData: topicData('orders') })
    expect((await client.ask('Metadata', 12, { topics: [] })).topics).toEqual([]) // still there
    client.send(wireApi('Produce'), 9, { ...request, topicData: topicData('nowhere') })
    expect(await client.ended()).toBe(true)
  })
})

describe('a broker that does not lead', () => {
  const leader = { leaderId: 1, leaderEpoch: 0 }
  const endpoint = { nodeId: 1, host: 'broker-1', port: 9092, rack: null }

  it('a broker that does not lead names the leader to producers', async () => {
    const { connect } = await shop()
    const client = connect(2)
    for (const topic of ['orders', 'single']) {
      const answer = await produce(client, batchOf(['a']), { version: 10, topic })
      expect(answer).toMatchObject({
        errorCode: 6,
        currentLeader: leader,
        nodeEndpoints: [endpoint],
      })
    }
    const fine = await produce(connect(1), batchOf(['a']), { version: 10 })
    expect(fine.nodeEndpoints).toEqual([])
    const bad = await produce(connect(1), null, { version: 10 })
    expect(bad).toMatchObject({ errorCode: 87, currentLeader: { leaderId: -1 }, nodeEndpoints: [] })
    const old = await produce(client, batchOf(['a']), { version: 9 })
    expect(old).toMatchObject({ errorCode: 6, currentLeader: { leaderId: -1 } })
    const nowhere = await produce(client, batchOf(['a']), { version: 10, topic: 'nowhere' })
    expect(nowhere).toMatchObject({ errorCode: 3, nodeEndpoints: [] })
  })

  it("a broker that does not lead gives the leader's address at this port", async () => {
    const { cluster } = await shop()
    const { bootstrap } = await cluster.listen({ port: 0 })
    const client = reach(bootstrap[1] as string)
    const { nodeEndpoints } = await produce(client, batchOf(['a']), { version: 10 })
    const [host, port] = bootstrap[0]?.split(':') ?? []
    expect(nodeEndpoints).toEqual([{ nodeId: 1, host, port: Number(port), rack: null }])
  })

  it.each([12, 15, 16])('a follower names the leader in Fetch v%d', async version => {
    const { connect } = await shop()
    const client = connect(2)
    const { topics } = await client.ask('Metadata', 12, { topics: null })
    for (const name of ['orders', 'single']) {
      const { topicId = '' } = topics.find(topic => topic.name === name) ?? {}
      const wanted = { partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }
      const answer = await client.ask('Fetch', version, {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [{ topic: name, topicId, partitions: [wanted] }],
      })
      const isNew = version >= 16
      expect(answer.responses[0]?.partitions[0]).toMatchObject({
        errorCode: 6,
        currentLeader: isNew ? leader : { leaderId: -1, leaderEpoch: -1 },
        records: Buffer.alloc(0),
      })
      expect(answer.nodeEndpoints).toEqual(isNew ? [endpoint] : [])
    }
  })
})

describe('an answer to Fetch', () => {
  const ask = async (client: WireClient, version: number, more: object, wanted: object = {}) => {
    const answer = await client.ask('Fetch', version, {
      maxWaitMs: 0,
      minBytes: 1,
      ...more,
      topics: [
        {
          topic: 'orders',
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000, ...wanted }],
        },
      ],
    })
    return { ...answer, first: answer.responses[0]?.partitions[0] }
  }

  it('Fetch keeps no sessions', async () => {
    const { client } = await shop()
    for (const sessionEpoch of [-1, 0]) {
      const answer = await ask(client, 11, { sessionId: 0, sessionEpoch })
      expect(answer).toMatchObject({ errorCode: 0, sessionId: 0, first: { errorCode: 0 } })
    }
    const answer = await ask(client, 11, { sessionId: 7, sessionEpoch: 1 })
    expect(answer).toMatchObject({ errorCode: 70, sessionId: 0, responses: [] })
  })

  it('Fetch lists aborted transactions only for read_committed', async () => {
    const { client } = await shop()
    expect((await ask(client, 11, { isolationLevel: 0 })).first?.abortedTransactions).toBe(null)
    expect((await ask(client, 11, { isolationLevel: 1 })).first?.abortedTransactions).toEqual([])
  })

  it('Fetch answers only errors that its version knows', async () => {
    const { cluster, client } = await shop()
    cluster.faults.on('fetch', { client: 'app' }).error('KAFKA_STORAGE_ERROR').times(2)
    expect((await ask(client, 5, {})).first?.errorCode).toBe(6)
    expect((await ask(client, 6, {})).first?.errorCode).toBe(56)
    expect((await ask(client, 9, {}, { currentLeaderEpoch: 7 })).first?.errorCode).toBe(75)
    expect((await ask(client, 9, {}, { fetchOffset: 7 })).first?.errorCode).toBe(1)
  })
})

describe('an answer to ListOffsets', () => {
  const ask = async (client: WireClient, version: number, ...timestamps: number[]) => {
    const partitions = timestamps.map(timestamp => ({ partitionIndex: 0, timestamp }))
    const topics = [{ name: 'orders', partitions }]
    const answer = await client.ask('ListOffsets', version, { replicaId: -1, topics })
    return answer.topics[0]!.partitions.map(each => [
      ...[each.errorCode, each.offset, each.timestamp, each.leaderEpoch],
    ])
  }

  it('ListOffsets answers the epoch of the found record', async () => {
    const { cluster, connect } = await shop()
    await produce(connect(1), batchOf(['a', 'b'], 1_000))
    await cluster.broker(1).kill()
    const client = connect(2)
    await produce(client, batchOf(['c'], 2_000))
    expect(await ask(client, 9, -2)).toEqual([[0, 0, -1, 0]])
    expect(await ask(client, 9, -1)).toEqual([[0, 3, -1, 1]])
    expect(await ask(client, 9, -3)).toEqual([[0, 2, 2_000, 1]])
    expect(await ask(client, 9, -4)).toEqual([[0, 0, -1, 0]])
    expect(await ask(client, 9, -5)).toEqual([[0, -1, -1, -1]])
    expect(await ask(client, 9, 500)).toEqual([[0, 0, 1_000, 0]])
    expect(await ask(client, 9, 1_500)).toEqual([[0, 2, 2_000, 1]])
    expect(await ask(client, 9, 3_000)).toEqual([[0, -1, -1, -1]])
    expect(await ask(client, 9, -6)).toEqual([[35, -1, -1, -1]])
    expect(await ask(client, 3, -1)).toEqual([[0, 3, -1, -1]])
  })

  it('ListOffsets knows special timestamps from their versions on', async () => {
    const { client } = await shop()
    const codes = async (version: number) =>
      (await Promise.all([-2, -3, -4, -5].map(async time => await ask(client, version, time)))).map(
        ([answer]) => answer?.[0],
      )
    const all = new Map<number, unknown>()
    for (const version of [6, 7, 8, 9]) all.set(version, await codes(version))
    expect(Object.fromEntries(all)).toEqual({
      6: [0, 35, 35, 35],
      7: [0, 0, 35, 35],
      8: [0, 0, 0, 35],
      9: [0, 0, 0, 0],
    })
    expect(await ask(client, 9, -1, -2)).toEqual([[42, -1, -1, -1]])
  })

  it('ListOffsets of a new leader waits until the end is known', async () => {
    const { cluster, client } = await shop()
    cluster.faults.on('listOffsets').error('OFFSET_NOT_AVAILABLE').times(2)
    expect(await ask(client, 4, -1)).toEqual([[5, -1, -1, -1]])
    expect(await ask(client, 5, -1)).toEqual([[78, -1, -1, -1]])
  })
})

describe('an answer to Metadata', () => {
  it('Metadata finds topics by id and reports unknown ids', async () => {
    const { client } = await shop()
    const { topics: all } = await client.ask('Metadata', 12, { topics: null })
    const { topicId = '' } = all.find(({ name }) => name === 'single') ?? {}
    const topics = [
      { name: null, topicId },
      { name: null, topicId: UNKNOWN_ID },
      { name: null, topicId },
    ]
    const answer = await client.ask('Metadata', 12, { topics, allowAutoTopicCreation: true })
    expect(answer.topics).toMatchObject([
      { errorCode: 0, name: 'single', topicId },
      { errorCode: 100, name: null, topicId: UNKNOWN_ID, partitions: [] },
    ])
  })

  it.each([10, 11])('Metadata v%d takes names only', async version => {
    const { cluster, client } = await shop()
    const { topics: all } = await client.ask('Metadata', 12, { topics: [{ name: 'single' }] })
    const topicId = all[0]?.topicId ?? ''
    const topics = [{ name: 'single' }, { name: null, topicId }, { name: 'new' }]
    const answer = await client.ask('Metadata', version, { topics })
    expect(answer.topics).toMatchObject([
      { errorCode: 42, name: 'single' },
      { errorCode: 42, name: '', topicId },
      { errorCode: 42, name: 'new' },
    ])
    const named = await client.ask('Metadata', version, { topics: [{ name: 'single' }] })
    expect(named.topics).toMatchObject([{ errorCode: 0, name: 'single', topicId }])
    expect(await cluster.admin.listTopics()).toEqual(['orders', 'single'])
  })

  it('Metadata answers each topic once and creates missing ones', async () => {
    const { cluster, client } = await shop()
    const ask = async (version: number, allowAutoTopicCreation: boolean, ...names: string[]) => {
      const topics = names.map(name => ({ name }))
      const answer = await client.ask('Metadata', version, { topics, allowAutoTopicCreation })
      return answer.topics.map(({ name, errorCode }) => `${name} ${errorCode}`)
    }
    expect(await ask(4, false, 'orders', 'new', 'orders', 'a b')).toEqual([
      'orders 0',
      'new 3',
      'a b 17',
    ])
    expect(await ask(4, true, 'new')).toEqual(['new 0'])
    for (const version of [0, 1, 2, 3]) {
      expect(await ask(version, false, `v${version}`)).toEqual([`v${version} 0`]) // cannot say no
    }
    expect(await cluster.admin.listTopics()).toHaveLength(7)
  })

  it.each([8, 10])('Metadata v%d answers authorized operations on request', async version => {
    const { client } = await shop()
    const ask = async (isAsked: boolean) => {
      const answer = await client.ask('Metadata', version, {
        topics: [{ name: 'orders' }],
        includeClusterAuthorizedOperations: isAsked,
        includeTopicAuthorizedOperations: isAsked,
      })
      return [answer.clusterAuthorizedOperations, answer.topics[0]?.topicAuthorizedOperations]
    }
    expect(await ask(false)).toEqual([-(2 ** 31), -(2 ** 31)])
    expect(await ask(true)).toEqual([8096, 3576])
    const request = { includeClusterAuthorizedOperations: true }
    const { clusterAuthorizedOperations } = await client.ask('DescribeCluster', 0, request)
    expect(clusterAuthorizedOperations).toBe(8096)
  })
})

describe('answers about groups', () => {
  it('unknown groups are no error before version 6', async () => {
    const { client, connect } = await shop()
    const ask = async (version: number) => {
      const request = { groups: ['none'], includeAuthorizedOperations: true }
      const found = await client.ask('FindCoordinator', 4, { coordinatorKeys: ['none'] })
      const coordinator = connect(found.coordinators[0]?.nodeId)
      return (await coordinator.ask('DescribeGroups', version, request)).groups[0]
    }
    expect(await ask(5)).toMatchObject({ errorCode: 0, groupState: 'Dead', errorMessage: null })
    expect(await ask(6)).toMatchObject({ errorCode: 69, groupState: 'Dead' })
    expect((await ask(6))?.errorMessage).toContain('none')
  })

  it('descriptions of groups have authorized operations on request', async () => {
    const { client, connect } = await shop()
    const { coordinators } = await client.ask('FindCoordinator', 4, { coordinatorKeys: ['g'] })
    expect(coordinators).toMatchObject([{ errorCode: 0, errorMessage: '' }])
    const coordinator = connect(coordinators[0]?.nodeId)
    const partitions = [{ partitionIndex: 0, committedOffset: 0, committedMetadata: '' }]
    const topics = [{ name: 'orders', partitions }]
    await coordinator.ask('OffsetCommit', 3, { groupId: 'g', topics, retentionTimeMs: 5_000 })
    const ask = async (includeAuthorizedOperations: boolean) => {
      const request = { groups: ['g'], includeAuthorizedOperations }
      return (await coordinator.ask('DescribeGroups', 5, request)).groups[0]
    }
    expect(await ask(false)).toMatchObject({ errorCode: 0, authorizedOperations: -(2 ** 31) })
    expect(await ask(true)).toMatchObject({ errorCode: 0, authorizedOperations: 3400 })
  })

  it('old versions of FindCoordinator answer one coordinator without an error', async () => {
    const { client } = await shop()
    const request = { key: 'g', coordinatorKeys: [] }
    const found = await client.ask('FindCoordinator', 2, request)
    expect(found).toMatchObject({ errorCode: 0, errorMessage: 'NONE', port: 9092 })
    const other = { key: 'g', keyType: 7, coordinatorKeys: [] }
    expect(await client.ask('FindCoordinator', 2, other)).toMatchObject({ errorCode: 42, port: -1 })
  })

  it('several groups are described at once, stable or not', async () => {
    const { client, connect } = await shop()
    const keys = ['one', 'two', 'three', 'four']
    const { coordinators } = await client.ask('FindCoordinator', 4, { coordinatorKeys: keys })
    expect(coordinators.map(({ key }) => key)).toEqual(keys)
    const here = coordinators.filter(({ nodeId }) => nodeId === coordinators[0]?.nodeId)
    const coordinator = connect(coordinators[0]?.nodeId)
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: 'm' }]
    const topics = [{ name: 'orders', partitions }]
    await coordinator.ask('OffsetCommit', 8, { groupId: 'one', topics })
    const wanted = [{ name: 'orders', partitionIndexes: [0] }]
    for (const requireStable of [false, true]) {
      const { groups } = await coordinator.ask('OffsetFetch', 8, {
        requireStable,
        groups: [
          { groupId: 'one', topics: null },
          ...here.slice(1).map(({ key }) => ({ groupId: key, topics: wanted })),
        ],
      })
      expect(groups.map(({ groupId, topics: [topic] }) => ({ groupId, ...topic }))).toMatchObject(
        here.map(({ key }) => ({
          groupId: key,
          name: 'orders',
          partitions: [
            {
              partitionIndex: 0,
              committedLeaderEpoch: -1,
              errorCode: 0,
              committedOffset: key === 'one' ? 7 : -1,
              metadata: key === 'one' ? 'm' : '',
            },
          ],
        })),
      )
    }
  })

  it('groups are listed by state and type, in versions that can ask for them', async () => {
    const { client, connect } = await shop()
    const { coordinators } = await client.ask('FindCoordinator', 4, { coordinatorKeys: ['g'] })
    const coordinator = connect(coordinators[0]?.nodeId)
    const partitions = [{ partitionIndex: 0, committedOffset: 0, committedMetadata: '' }]
    await coordinator.ask('OffsetCommit', 8, {
      groupId: 'g',
      topics: [{ name: 'orders', partitions }],
    })
    const ask = async (version: number, statesFilter: string[], typesFilter: string[] = []) =>
      (await coordinator.ask('ListGroups', version, { statesFilter, typesFilter })).groups
    const [group] = await ask(5, [])
    expect(group).toEqual({
      groupId: 'g',
      protocolType: '',
      groupState: 'Empty',
      groupType: 'classic',
    })
    expect(await ask(4, ['Stable', 'empty'])).toMatchObject([{ groupId: 'g', groupType: '' }])
    expect(await ask(4, ['Stable'])).toEqual([])
    expect(await ask(5, [], ['Classic'])).toHaveLength(1)
    expect(await ask(5, [], ['consumer'])).toEqual([])
    expect(await ask(3, [])).toMatchObject([{ groupId: 'g', groupState: '' }])
  })

  it('old versions of OffsetFetch have an error for each partition', async () => {
    const { cluster, client } = await shop()
    cluster.faults.on('offsetFetch').error('NOT_COORDINATOR').times(2)
    const topics = [{ name: 'orders', partitionIndexes: [0, 4] }]
    const ask = async (version: number) =>
      await client.ask('OffsetFetch', version, { groupId: 'g', topics, groups: [] })
    expect((await ask(1)).topics).toMatchObject([
      {
        name: 'orders',
        partitions: [
          { partitionIndex: 0, committedOffset: -1, errorCode: 16 },
          { partitionIndex: 4, committedOffset: -1, errorCode: 16 },
        ],
      },
    ])
    expect(await ask(2)).toMatchObject({ topics: [], errorCode: 16 })
  })
})

it('records of internal topics are not deleted', async () => {
  const { client, connect } = await shop()
  const { coordinators } = await client.ask('FindCoordinator', 4, { coordinatorKeys: ['g'] })
  const partitions = [0, 1].map(partitionIndex => ({ partitionIndex, offset: -1 }))
  const topics = [{ name: '__consumer_offsets', partitions }]
  const coordinator = connect(coordinators[0]?.nodeId)
  const answer = await coordinator.ask('DeleteRecords', 2, { topics, timeoutMs: 1_000 })
  const codes = answer.topics[0]?.partitions.map(({ errorCode }) => errorCode)
  expect(codes).toContain(17)
})

it('records are deleted up to an existing offset, or all of them', async () => {
  const { client } = await shop()
  await produce(client, batchOf(['a', 'b']))
  const remove = async (offset: number) => {
    const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0, offset }] }]
    const answer = await client.ask('DeleteRecords', 2, { topics, timeoutMs: 1_000 })
    const { errorCode, lowWatermark } = answer.topics[0]!.partitions[0]!
    return [errorCode, lowWatermark]
  }
  expect(await remove(-2)).toEqual([1, -1])
  expect(await remove(3)).toEqual([1, -1])
  expect(await remove(1)).toEqual([0, 1])
  expect(await remove(-1)).toEqual([0, 2])
})

it('an unknown type of election is refused', async () => {
  const { client } = await shop()
  const elect = async (electionType: number) => {
    const topicPartitions = [{ topic: 'orders', partitions: [0] }]
    return await client.ask('ElectLeaders', 2, { electionType, topicPartitions, timeoutMs: 1_000 })
  }
  expect(await elect(5)).toMatchObject({
    errorCode: 42,
    replicaElectionResults: [{ topic: 'orders', partitionResult: [{ errorCode: 42 }] }],
  })
  expect(await elect(0)).toMatchObject({ errorCode: 0, replicaElectionResults: [{}] })
})

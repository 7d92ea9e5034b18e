/** What a small request may ask for is bounded, and long work leaves the event loop its turns. */

import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster/cluster.js'
import { BatchBuilder } from '../../src/model/batch/batch-builder.js'
import { errorId } from '../../src/model/errors.js'
import { API_VERSIONS, wireWorld } from './client.js'

const POLICY_VIOLATION = errorId('POLICY_VIOLATION')

/** How many turns the event loop had while something was done. */
async function turnsDuring(task: () => Promise<unknown>): Promise<number> {
  let turns = 0
  let isOver = false
  const count = (): void => {
    turns++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  await task()
  isOver = true
  return turns
}

const topicOf = (name: string, numPartitions: number) => ({
  name,
  numPartitions,
  replicationFactor: 1,
  assignments: [],
  configs: [],
})

describe('new partitions', () => {
  it('a request creates at most 10,000 partitions in all', async () => {
    const { cluster, connect } = await wireWorld()
    const client = connect()
    for (const counts of [[10_001], [6_000, 4_001], [99_999], [2 ** 31 - 1, 2]]) {
      const topics = counts.map((count, index) => topicOf(`t${index}`, count))
      const answer = await client.ask('CreateTopics', 5, { topics, timeoutMs: 1_000 })
      const codes = answer.topics.map(({ errorCode }) => errorCode)
      expect(codes, counts.join()).toEqual(counts.map(() => POLICY_VIOLATION))
    }
    expect(await cluster.admin.listTopics()).toEqual([])
    await expect(cluster.admin.createTopic({ topic: 't', partitions: 10_001 })).rejects.toThrow(
      'POLICY_VIOLATION: 10001 partitions are too many for one request: at most 10000 can be created',
    )
  })

  it('new partitions count, existing ones do not', async () => {
    const cluster = await Cluster.memory()
    await cluster.admin.createTopic({ topic: 't', partitions: 3 })
    await expect(cluster.admin.createPartitions({ topic: 't', partitions: 10_004 })).rejects.toMatchObject({
      code: 'POLICY_VIOLATION',
    })
    await cluster.admin.createPartitions({ topic: 't', partitions: 4 })
    await cluster.close()
  })

  it('many partitions are created and deleted a few per turn of the event loop', async () => {
    const cluster = await Cluster.memory()
    const made = await turnsDuring(() =>
      cluster.admin.createTopic({ topic: 't', partitions: 1_000 }),
    )
    expect(made).toBeGreaterThanOrEqual(5)
    expect(await turnsDuring(() => cluster.admin.deleteTopic('t'))).toBeGreaterThanOrEqual(5)
    await cluster.close()
  })
})

describe('lists', () => {
  it('the lists of a request may have 100,000 entries together, not more', async () => {
    const { connect } = await wireWorld({ autoCreateTopics: false })
    const named = (count: number) => ({
      topics: Array.from({ length: count }, () => ({ name: '' })),
      allowAutoTopicCreation: false,
    })
    const client = connect()
    const answer = await client.ask('Metadata', 4, named(100_000))
    expect(answer.topics).toHaveLength(1)
    const another = connect()
    await expect(another.ask('Metadata', 4, named(100_001))).rejects.toThrow('has ended')
  })

  it.each(['Metadata', 'FindCoordinator', 'DescribeGroups'] as const)(
    'the entries of %s are handled a few per turn of the event loop',
    async api => {
      const { connect } = await wireWorld({ autoCreateTopics: false })
      const names = Array.from({ length: 2_000 }, (_, index) => `name-${index}`)
      const client = connect()
      await client.ask('FindCoordinator', 4, { keyType: 0, coordinatorKeys: ['warm'] })
      const requests = {
        Metadata: () => client.ask('Metadata', 4, { topics: names.map(name => ({ name })) }),
        FindCoordinator: () =>
          client.ask('FindCoordinator', 4, { keyType: 0, coordinatorKeys: names }),
        DescribeGroups: () => client.ask('DescribeGroups', 4, { groups: names }),
      }
      expect(await turnsDuring(requests[api])).toBeGreaterThanOrEqual(30)
    },
  )

  it('Metadata creates at most 10,000 partitions automatically', async () => {
    const { cluster, connect } = await wireWorld({ defaultPartitions: 10_001 })
    const topics = ['a', 'b'].map(name => ({ name }))
    const answer = await connect().ask('Metadata', 4, { topics, allowAutoTopicCreation: true })
    const codes = answer.topics.map(({ errorCode }) => errorCode)
    expect(codes).toEqual(codes.map(() => errorId('UNKNOWN_TOPIC_OR_PARTITION')))
    expect(await cluster.admin.listTopics()).toEqual([])
  })
})

describe('what is announced', () => {
  it('Produce is announced from version 0 so that clients compress', async () => {
    const { connect } = await wireWorld()
    const { apiKeys } = await connect().askApi(API_VERSIONS, 2, {})
    expect(apiKeys.find(({ apiKey }) => apiKey === 0)).toMatchObject({ minVersion: 0 })
    const client = connect()
    const header = Buffer.from([0, 0, 0, 11, 0, 0, 0, 2, 0, 0, 0, 9, 0, 1, 0x78])
    client.socket.write(header)
    expect(await client.ended()).toBe(true)
  })
})

it('records of a transaction without its id get an error that is final for every client', async () => {
  const { cluster, connect } = await wireWorld()
  await cluster.admin.createTopic({ topic: 't', partitions: 1 })
  const builder = new BatchBuilder(Buffer.alloc(200))
  builder.tryAppend(0, null, 'a', [])
  const header = { producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true }
  const partitionData = [{ index: 0, records: builder.build(header) }]
  const answer = await connect().ask('Produce', 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{ name: 't', partitionData }],
  })
  const refused = errorId('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
  expect(answer.responses[0]?.partitionResponses[0]?.errorCode).toBe(refused)
})

it('a fetch from outside that claims to be a replica reads as a consumer', async () => {
  const { cluster, connect } = await wireWorld({ brokers: 3 })
  await cluster.admin.createTopic({ topic: 't', assignment: [[1, 2, 3]] })
  const producer = cluster.producer({ acks: 1 })
  await producer.send({ topic: 't', messages: [{ value: 'committed' }] })
  await cluster.until({ topic: 't', records: 1 })
  for (const broker of [2, 3]) cluster.broker(broker).pauseReplication()
  await producer.send({ topic: 't', messages: [{ value: 'not yet' }] })
  const wanted = { partition: 0, fetchOffset: 2, partitionMaxBytes: 1_000 }
  for (const replicaId of [2, 3]) {
    for (const fetchOffset of [2, 1]) {
      const topics = [{ topic: 't', partitions: [{ ...wanted, fetchOffset }] }]
      const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000 }
      const answer = await connect().ask('Fetch', 11, { replicaId, ...limits, topics })
      const [partition] = answer.responses[0]?.partitions ?? []
      expect(partition?.highWatermark, `${replicaId}`).toBe(1)
      expect(partition?.records?.length ?? 0).toBe(0)
    }
  }
  expect(await cluster.admin.listOffsets('t', 'latest')).toMatchObject([{ offset: 1 }])
})

import { describe, expect, it } from 'vitest'
import { wireWorld } from './client.js'

const TOPIC = 2

async function shop() {
  const world = await wireWorld({ brokers: 3 })
  await world.cluster.admin.createTopic({
    topic: 'orders',
    assignment: [[1, 2, 3]],
    config: { 'retention.ms': 1000, 'cleanup.policy': 'delete' },
  })
  return { ...world, client: world.connect() }
}

describe('OffsetForLeaderEpoch', () => {
  it.each([2, 3, 4])('OffsetForLeaderEpoch v%d answers where an epoch ended', async version => {
    const { cluster, connect } = await shop()
    const producer = cluster.producer()
    await producer.send({ topic: 'orders', messages: [{ value: 'a' }, { value: 'b' }] })
    await cluster.broker(1).kill()
    await cluster.until({ topic: 'orders', records: 2 })
    await producer.send({ topic: 'orders', messages: [{ value: 'c' }] })
    const leader = connect(2)
    const ask = async (leaderEpoch: number, currentLeaderEpoch = -1, partition = 0) => {
      const partitions = [{ partition, currentLeaderEpoch, leaderEpoch }]
      const topics = [{ topic: 'orders', partitions }]
      const answer = await leader.ask('OffsetForLeaderEpoch', version, { replicaId: -1, topics })
      const { errorCode, leaderEpoch: epoch, endOffset } = answer.topics[0]!.partitions[0]!
      return [errorCode, epoch, endOffset]
    }
    expect(await ask(0)).toEqual([0, 0, 2])
    expect(await ask(1)).toEqual([0, 1, 3]) // the current one ends where the log does
    expect(await ask(1, 1)).toEqual([0, 1, 3])
    expect(await ask(7)).toEqual([0, -1, -1]) // not known here
    expect(await ask(0, 0)).toEqual([74, -1, -1]) // FENCED_LEADER_EPOCH
    expect(await ask(0, 2)).toEqual([75, -1, -1]) // UNKNOWN_LEADER_EPOCH
    expect(await ask(0, -1, 9)).toEqual([3, -1, -1]) // UNKNOWN_TOPIC_OR_PARTITION
  })

  it('OffsetForLeaderEpoch is answered by leaders only', async () => {
    const { connect } = await shop()
    const topics = [{ topic: 'orders', partitions: [{ partition: 0, leaderEpoch: 0 }] }]
    const answer = await connect(2).ask('OffsetForLeaderEpoch', 4, { topics })
    expect(answer.topics[0]?.partitions).toMatchObject([{ errorCode: 6, endOffset: -1 }])
  })
})

describe('ElectLeaders', () => {
  it('ElectLeaders of all partitions answers for those that change or cannot', async () => {
    const { cluster, connect } = await shop()
    const client = connect(2)
    await cluster.admin.createTopic({ topic: 'bills', partitions: 2 })
    const ask = async (topicPartitions: { topic: string; partitions: number[] }[] | null) => {
      const request = { electionType: 0, topicPartitions, timeoutMs: 5_000 }
      const answer = await client.ask('ElectLeaders', 2, request)
      expect(answer.errorCode).toBe(0)
      return answer.replicaElectionResults.map(({ topic, partitionResult }) => ({
        [topic]: partitionResult.map(({ partitionId, errorCode }) => [partitionId, errorCode]),
      }))
    }
    expect(await ask(null)).toEqual([])
    const named = [{ topic: 'orders', partitions: [0] }]
    expect(await ask(named)).toEqual([{ orders: [[0, 84]] }]) // ELECTION_NOT_NEEDED
    await cluster.broker(1).stop()
    const failed = await ask(null)
    expect(failed).toContainEqual({ orders: [[0, 80]] }) // PREFERRED_LEADER_NOT_AVAILABLE
    await cluster.broker(1).start()
    const isFull = (): boolean =>
      cluster
        .describe()
        .topics.every(({ partitions }) => partitions.every(({ isr }) => isr.length === 3))
    while (!isFull()) await new Promise(resolve => setImmediate(resolve))
    expect(await ask(null)).toContainEqual({ orders: [[0, 0]] })
    expect(await ask(null)).toEqual([])
  })
})

describe('DescribeCluster', () => {
  it.each([0, 1, 2])('DescribeCluster v%d lists brokers with their addresses', async version => {
    const { client } = await shop()
    const request = { includeClusterAuthorizedOperations: false }
    const answer = await client.ask('DescribeCluster', version, request)
    expect(answer.brokers).toEqual(
      [1, 2, 3].map(id => ({
        brokerId: id,
        host: `broker-${id}`,
        port: 9092,
        rack: null,
        isFenced: false,
      })),
    )
    const metadata = await client.ask('Metadata', 12, { topics: [] })
    expect(answer).toMatchObject({
      errorCode: 0,
      errorMessage: null,
      endpointType: 1,
      clusterId: metadata.clusterId,
      controllerId: 1,
      clusterAuthorizedOperations: -(2 ** 31),
    })
  })

  it('DescribeCluster lists fenced brokers on request', async () => {
    const { cluster, client } = await shop()
    await cluster.broker(3).kill()
    const ask = async (includeFencedBrokers: boolean) => {
      const request = { includeClusterAuthorizedOperations: false, includeFencedBrokers }
      const { brokers } = await client.ask('DescribeCluster', 2, request)
      return brokers.map(({ brokerId, isFenced }) => [brokerId, isFenced])
    }
    expect(await ask(false)).toEqual([
      [1, false],
      [2, false],
    ])
    expect(await ask(true)).toEqual([
      [1, false],
      [2, false],
      [3, true],
    ])
  })

  it('DescribeCluster serves brokers only', async () => {
    const { client } = await shop()
    const ask = async (endpointType: number) => {
      const request = { includeClusterAuthorizedOperations: false, endpointType }
      return (await client.ask('DescribeCluster', 1, request)).errorCode
    }
    expect([await ask(1), await ask(2), await ask(3)]).toEqual([0, 114, 115])
  })
})

describe('settings', () => {
  const config = (changes: Record<string, string | null>) => ({
    resourceType: TOPIC,
    resourceName: 'orders',
    configs: Object.entries(changes).map(([name, value]) => ({ name, value })),
  })

  it.each([0, 1, 2])('AlterConfigs v%d replaces all settings of a topic', async version => {
    const { cluster, client } = await shop()
    const own = async () =>
      (await cluster.admin.describeConfig('orders'))
        .filter(({ isDefault }) => !isDefault)
        .map(({ name, value }) => `${name}=${value}`)
    const alter = async (changes: Record<string, string | null>, validateOnly = false) => {
      const request = { resources: [config(changes)], validateOnly }
      const { responses } = await client.ask('AlterConfigs', version, request)
      return responses[0]
    }
    expect(await own()).toEqual(['cleanup.policy=delete', 'retention.ms=1000'])
    expect(await alter({ 'segment.ms': '5000' }, true)).toMatchObject({ errorCode: 0 })
    expect(await own()).toHaveLength(2) // only validated
    expect(await alter({ 'retention.ms': '7', 'segment.ms': '5000' })).toEqual({
      errorCode: 0,
      errorMessage: null,
      resourceType: TOPIC,
      resourceName: 'orders',
    })
    expect(await own()).toEqual(['retention.ms=7', 'segment.ms=5000'])
    expect(await alter({ 'retention.ms': 'x' })).toMatchObject({ errorCode: 40 })
    expect(await alter({ 'retention.ms': null })).toMatchObject({ errorCode: 42 })
    expect(await own()).toHaveLength(2)
    expect(await alter({})).toMatchObject({ errorCode: 0 })
    expect(await own()).toEqual([])
  })

  it('settings of another resource, or named twice, are refused one by one', async () => {
    const { client } = await shop()
    const broker = { ...config({ 'num.partitions': '2' }), resourceType: 4, resourceName: '1' }
    const nowhere = { ...config({}), resourceName: 'nowhere' }
    const twice = config({ 'retention.ms': '1' })
    const doubled = {
      ...config({}),
      resourceName: 'other',
      configs: [...twice.configs, ...twice.configs],
    }
    const request = { resources: [broker, nowhere, twice, twice, doubled], validateOnly: false }
    const { responses } = await client.ask('AlterConfigs', 2, request)
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([42, 3, 42, 42, 42])
  })

  it('list settings accept single values, others do not', async () => {
    const { client } = await shop()
    const change = async (name: string, configOperation: number, value: string | null) => {
      const resource = {
        resourceType: TOPIC,
        resourceName: 'orders',
        configs: [{ name, configOperation, value }],
      }
      const request = { resources: [resource], validateOnly: false }
      const { responses } = await client.ask('IncrementalAlterConfigs', 1, request)
      const described = await client.ask('DescribeConfigs', 4, {
        resources: [{ resourceType: TOPIC, resourceName: 'orders', configurationKeys: [name] }],
      })
      return [responses[0]?.errorCode, described.results[0]?.configs[0]?.value]
    }
    expect(await change('cleanup.policy', 2, 'compact')).toEqual([0, 'delete,compact'])
    expect(await change('cleanup.policy', 2, 'compact')).toEqual([0, 'delete,compact'])
    expect(await change('cleanup.policy', 3, 'delete')).toEqual([0, 'compact'])
    expect(await change('cleanup.policy', 1, null)).toEqual([0, 'delete'])
    expect(await change('cleanup.policy', 0, null)).toEqual([42, 'delete'])
    expect(await change('retention.ms', 2, '5')).toEqual([40, '1000'])
  })

  it('settings are described with type and synonyms on request', async () => {
    const { client } = await shop()
    const ask = async (version: number, includeSynonyms: boolean, keys: string[] | null) => {
      const resource = { resourceType: TOPIC, resourceName: 'orders', configurationKeys: keys }
      const request = { resources: [resource], includeSynonyms }
      return (await client.ask('DescribeConfigs', version, request)).results[0]?.configs ?? []
    }
    expect(await ask(4, true, ['retention.ms', 'segment.bytes'])).toEqual([
      {
        name: 'retention.ms',
        value: '1000',
        configSource: 1,
        configType: 5,
        readOnly: false,
        isSensitive: false,
        documentation: null,
        synonyms: [{ name: 'retention.ms', value: '1000', source: 1 }],
      },
      {
        name: 'segment.bytes',
        value: '1073741824',
        configSource: 5,
        configType: 3,
        readOnly: false,
        isSensitive: false,
        documentation: null,
        synonyms: [{ name: 'log.segment.bytes', value: '1073741824', source: 5 }],
      },
    ])
    const [old] = await ask(1, false, ['retention.ms'])
    expect(old).toMatchObject({ value: '1000', synonyms: [], configType: 0 })
    const all = await ask(2, false, null)
    expect(await ask(2, false, [])).toEqual(all) // no names ask for all
    expect(all.length).toBeGreaterThan(15)
    expect(await ask(2, false, ['internal.segment.bytes'])).toEqual([])
  })
})

describe('CreateTopics', () => {
  const topic = (name: string, more: object = {}) => ({
    name,
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [],
    configs: [],
    ...more,
  })

  it.each([true, false])('CreateTopics answers its result, validated only: %s', async only => {
    const { client } = await shop()
    const configs = [{ name: 'retention.ms', value: '5' }]
    const request = {
      topics: [
        topic('small', { configs }),
        topic('placed', {
          assignments: [
            { partitionIndex: 1, brokerIds: [3, 1] },
            { partitionIndex: 0, brokerIds: [2, 3] },
          ],
        }),
      ],
      validateOnly: only,
    }
    const { topics } = await client.ask('CreateTopics', 7, request)
    expect(topics).toMatchObject([
      { name: 'small', errorCode: 0, numPartitions: 1, replicationFactor: 3 },
      { name: 'placed', errorCode: 0, numPartitions: 2, replicationFactor: 2 },
    ])
    const names = topics[0]?.configs?.map(({ name }) => name) ?? []
    expect(names).toEqual(names.toSorted())
    expect(topics[0]?.configs).toContainEqual({
      name: 'retention.ms',
      value: '5',
      configSource: 1,
      readOnly: false,
      isSensitive: false,
    })
    expect(topics[1]?.configs?.every(({ configSource }) => configSource === 5)).toBe(true)
    const { topics: found } = await client.ask('Metadata', 12, { topics: null })
    expect(found.map(({ name }) => name).sort()).toEqual(
      only ? ['orders'] : ['orders', 'placed', 'small'],
    )
  })

  it('CreateTopics refuses contradictions topic by topic', async () => {
    const { client } = await shop()
    const assignments = [{ partitionIndex: 0, brokerIds: [1] }]
    const request = {
      topics: [
        topic('counted', { assignments, numPartitions: 1 }),
        topic('copied', { assignments, replicationFactor: 1 }),
        topic('unset', { configs: [{ name: 'retention.ms', value: null }] }),
        topic('twice'),
        topic('twice'),
        topic('orders'),
        topic('fine'),
      ],
    }
    const { topics } = await client.ask('CreateTopics', 7, request)
    expect(topics.map(({ errorCode }) => errorCode)).toEqual([42, 42, 40, 42, 36, 0])
    expect(topics[0]).toMatchObject({ numPartitions: -1, replicationFactor: -1, configs: [] })
  })
})

it('DeleteTopics takes a name or an id, each once', async () => {
  const { cluster, client } = await shop()
  const [{ topicId = '' } = {}] = (await client.ask('Metadata', 12, { topics: null })).topics
  const unknown = 'ASNFZ4mrze8RIjNEVWZ3iA'
  const remove = async (...topics: { name?: string | null; topicId?: string }[]) => {
    const { responses } = await client.ask('DeleteTopics', 6, { topics, timeoutMs: 1_000 })
    return responses.map(({ name, topicId: id, errorCode }) => [name, id === topicId, errorCode])
  }
  expect(await remove({ name: 'orders', topicId }, {}, { topicId: unknown })).toEqual([
    ['orders', true, 42],
    [null, false, 42],
    [null, false, 100],
  ])
  expect(await remove({ name: 'orders' }, { name: 'orders' })).toEqual([['orders', false, 42]])
  expect(await cluster.admin.listTopics()).toHaveLength(1)
  expect(await remove({ topicId })).toEqual([['orders', true, 0]])
  expect(await cluster.admin.listTopics()).toEqual([])
})

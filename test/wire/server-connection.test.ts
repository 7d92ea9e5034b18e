import type { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { virtualClock } from '../../src/base/virtual-clock.js'
import { wireApi } from '../../src/protocol/framing.js'
import { batchOf } from '../log/helpers.js'
import { API_VERSIONS, SOFTWARE, wireWorld } from './client.js'
import { encodeRequest } from './encoded.js'

describe('ApiVersions', () => {
  it.each([0, 1, 2, 3, 4, 5])('ApiVersions v%d lists the served versions', async version => {
    const { connect } = await wireWorld()
    const { errorCode, apiKeys } = await connect().askApi(API_VERSIONS, version, SOFTWARE)
    expect(errorCode).toBe(0)
    const range = (key: number) => apiKeys.find(({ apiKey }) => apiKey === key)
    expect(range(18)).toEqual({ apiKey: 18, minVersion: 0, maxVersion: 5 })
    expect(range(1)).toEqual({ apiKey: 1, minVersion: 4, maxVersion: 18 })
    expect(apiKeys.map(({ apiKey }) => apiKey)).toEqual(
      apiKeys.map(({ apiKey }) => apiKey).toSorted((a, b) => a - b),
    )
  })

  it('a client that means another cluster or broker is told to begin anew (KIP-1242)', async () => {
    const { connect } = await wireWorld({ brokers: 2 })
    const { clusterId } = await connect().ask('DescribeCluster', 0, {
      includeClusterAuthorizedOperations: false,
    })
    const ask = async (cluster: string | null, nodeId: number) => {
      const request = { ...SOFTWARE, clusterId: cluster, nodeId }
      const { errorCode, apiKeys } = await connect(2).askApi(API_VERSIONS, 5, request)
      expect(apiKeys.length > 0).toBe(errorCode === 0)
      return errorCode
    }
    expect(await ask(clusterId, 2)).toBe(0)
    expect(await ask(null, -1)).toBe(0)
    expect(await ask('another', 2)).toBe(129) // REBOOTSTRAP_REQUIRED
    expect(await ask(clusterId, 1)).toBe(129)
    for (const half of [await ask(clusterId, -1), await ask(null, 2)]) {
      expect(half).toBe(42) // INVALID_REQUEST
    }
  })

  it('an unknown version of ApiVersions is answered in version 0 with error 35', async () => {
    const { connect } = await wireWorld()
    const client = connect()
    const future = { ...API_VERSIONS, request: { ...API_VERSIONS.request, versions: [0, 99] } }
    const answer = await client.askApi({ ...API_VERSIONS, ...future } as never, 99, {}, 0)
    const own = { apiKey: 18, minVersion: 0, maxVersion: 5 }
    expect(answer).toMatchObject({ errorCode: 35, apiKeys: [own] })
    expect(await client.askApi(API_VERSIONS, 2, SOFTWARE)).toMatchObject({ errorCode: 0 })
  })
})

it.each([
  ['no name', '', '1.0', 42],
  ['no version', 'app', '', 42],
  ['a name with a space', 'my app', '1.0', 42],
  ['a name that ends in a dot', 'app.', '1.0', 42],
  ['a name of one letter', 'a', '1', 0],
  ['a name with what is allowed', 'my-app.js', '1.0-RC1', 0],
])("ApiVersions checks the client's software: %s", async (_, name, softwareVersion, errorCode) => {
  const { connect } = await wireWorld()
  const request = { clientSoftwareName: name, clientSoftwareVersion: softwareVersion }
  const answer = await connect().askApi(API_VERSIONS, 3, request)
  expect(answer.errorCode).toBe(errorCode)
  expect(answer.apiKeys.length > 0).toBe(errorCode === 0)
})

it('the header of an ApiVersions response has no tags in any version', async () => {
  const { connect } = await wireWorld()
  for (const version of [3, 4]) {
    const client = connect()
    const id = client.send(API_VERSIONS, version, SOFTWARE)
    const frame = await client.frame()
    const { apiKeys } = await client.askApi(API_VERSIONS, version, SOFTWARE)
    expect([frame.readInt32BE(0), frame.readInt16BE(4), frame[6]]).toEqual([
      id,
      0,
      apiKeys.length + 1,
    ])
  }
})

describe('older versions', () => {
  async function shop() {
    const world = await wireWorld({ brokers: 3, groupMinSessionTimeoutMs: 1 })
    await world.cluster.admin.createTopic({ topic: 'orders', partitions: 2 })
    return { ...world, client: world.connect() }
  }

  it('old versions of Metadata: an empty list means all topics, later null does', async () => {
    const { client } = await shop()
    for (const version of [0, 1, 12]) {
      const topics = version === 0 ? [] : null
      const { brokers, topics: found } = await client.ask('Metadata', version, { topics })
      expect(brokers.map(({ nodeId, host, port }) => `${nodeId} ${host}:${port}`)).toEqual([
        '1 broker-1:9092',
        '2 broker-2:9092',
        '3 broker-3:9092',
      ])
      expect(found.map(({ name }) => name)).toContain('orders')
    }
    const { topics } = await client.ask('Metadata', 1, { topics: [] })
    expect(topics).toEqual([])
  })

  it('old versions of FindCoordinator, OffsetCommit and OffsetFetch have one group', async () => {
    const { connect, client } = await shop()
    for (const version of [0, 2, 3, 4, 6]) {
      const request = { key: 'g', coordinatorKeys: ['g'] }
      const found = await client.ask('FindCoordinator', version, request)
      const place = version < 4 ? found : found.coordinators[0]
      expect(place).toMatchObject({ errorCode: 0, port: 9092 })
      const coordinator = connect(place?.nodeId)
      const topics = [
        {
          name: 'orders',
          partitions: [{ partitionIndex: 1, committedOffset: version, committedMetadata: 'm' }],
        },
      ]
      const commit = { groupId: 'g', topics, retentionTimeMs: 60_000 }
      await coordinator.ask('OffsetCommit', 2, commit)
      const wanted = [{ name: 'orders', partitionIndexes: [0, 1] }]
      const old = await coordinator.ask('OffsetFetch', version < 3 ? 4 : 7, {
        groupId: 'g',
        topics: wanted,
        groups: [],
      })
      expect(old.topics?.[0]?.partitions).toMatchObject([
        { partitionIndex: 0, committedOffset: -1, errorCode: 0 },
        { partitionIndex: 1, committedOffset: version, metadata: 'm' },
      ])
      const all = await coordinator.ask('OffsetFetch', 9, {
        groups: [{ groupId: 'g', topics: null }],
      })
      expect(all.groups[0]?.topics[0]?.partitions).toMatchObject([{ committedOffset: version }])
    }
  })

  it('old versions of JoinGroup need no member id, and LeaveGroup has one member', async () => {
    const { cluster, connect, client } = await shop()
    const { nodeId = -1 } = await client.ask('FindCoordinator', 0, {
      key: 'g',
      coordinatorKeys: [],
    })
    const coordinator = connect(nodeId)
    const request = {
      groupId: 'g',
      sessionTimeoutMs: 30_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
    }
    const joined = await coordinator.ask('JoinGroup', 0, request)
    expect(joined).toMatchObject({ errorCode: 0, generationId: 1, leader: joined.memberId })
    expect(joined.memberId).toMatch(/^app-/)
    const { memberId } = joined
    expect(
      await coordinator.ask('LeaveGroup', 1, { groupId: 'g', memberId, members: [] }),
    ).toMatchObject({ errorCode: 0 })
    expect(
      await coordinator.ask('LeaveGroup', 0, { groupId: 'g', memberId, members: [] }),
    ).toMatchObject({ errorCode: 25 })
    expect(
      await coordinator.ask('LeaveGroup', 2, { groupId: 'g', memberId, members: [] }),
    ).toMatchObject({ errorCode: 25 })
    const again = await coordinator.ask('JoinGroup', 4, request)
    expect(again.errorCode).toBe(79) // MEMBER_ID_REQUIRED
    expect(cluster.location).toBe('memory')
  })

  it('old versions of DeleteTopics have names', async () => {
    const { cluster, client } = await shop()
    const request = { topicNames: ['orders', 'none'], topics: [], timeoutMs: 1_000 }
    const { responses } = await client.ask('DeleteTopics', 3, request)
    expect(responses).toMatchObject([
      { name: 'orders', errorCode: 0 },
      { name: 'none', errorCode: 3 },
    ])
    const again = await client.ask('DeleteTopics', 5, request)
    expect(again.responses.map(({ errorCode }) => errorCode)).toEqual([3, 3])
    expect(await cluster.admin.listTopics()).toEqual([])
  })

  it('old versions of Fetch have topic names, later ones ids', async () => {
    const { cluster, connect, client } = await shop()
    await cluster.producer().send({ topic: 'orders', messages: [{ partition: 0, value: 'a' }] })
    const { topics } = await client.ask('Metadata', 12, { topics: [{ name: 'orders' }] })
    const [{ topicId = '', partitions = [] } = {}] = topics
    const leader = connect(partitions.find(({ partitionIndex }) => partitionIndex === 0)?.leaderId)
    for (const version of [4, 11, 12, 13, 17]) {
      const wanted = { partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }
      const { responses } = await leader.ask('Fetch', version, {
        maxWaitMs: 0,
        minBytes: 1,
        replicaId: -1,
        topics: [{ topic: 'orders', topicId, partitions: [wanted] }],
      })
      const name = version < 13 ? { topic: 'orders' } : { topicId }
      expect(responses).toMatchObject([{ ...name, partitions: [{ errorCode: 0 }] }])
      expect(responses[0]?.partitions[0]?.records?.byteLength).toBeGreaterThan(60)
    }
  })
})

it('an unknown topic id has its own error', async () => {
  const { connect } = await wireWorld()
  const wanted = { partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }
  const topicId = 'ASNFZ4mrze8RIjNEVWZ3iA'
  const { responses } = await connect().ask('Fetch', 13, {
    maxWaitMs: 0,
    minBytes: 1,
    replicaId: -1,
    topics: [{ topicId, partitions: [wanted] }],
  })
  expect(responses).toMatchObject([{ topicId, partitions: [{ errorCode: 100 }] }])
})

describe('a client that writes', () => {
  const produce = (acks: number, records: Uint8Array) => ({
    transactionalId: null,
    acks,
    timeoutMs: 1_000,
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records }] }],
  })

  it('requests are answered in order, except those without an answer', async () => {
    const { cluster, connect } = await wireWorld()
    await cluster.admin.createTopic({ topic: 'orders' })
    const client = connect()
    client.send(wireApi('Produce'), 7, produce(0, batchOf(['a'])))
    const { responses } = await client.ask('Produce', 7, produce(-1, batchOf(['b'])))
    expect(responses[0]?.partitionResponses).toMatchObject([{ errorCode: 0, baseOffset: 1 }])
    await cluster.until({ topic: 'orders', records: 2 })
  })

  it('an invalid batch is answered with its error and not stored', async () => {
    const { cluster, connect } = await wireWorld()
    await cluster.admin.createTopic({ topic: 'orders' })
    const damaged = batchOf(['a'])
    damaged[damaged.length - 1] = damaged.at(-1)! ^ 1
    const { responses } = await connect().ask('Produce', 11, produce(-1, damaged))
    expect(responses[0]?.partitionResponses).toMatchObject([{ errorCode: 2, baseOffset: -1 }])
    await cluster.until({ topic: 'orders', records: 0 })
    expect(cluster.describe().topics[0]?.partitions[0]?.copies[0]?.logEndOffset).toBe(0)
  })
})

describe('bytes behind a request', () => {
  it('bytes after a request are ignored, as in Kafka: librdkafka 2.15 sends some', async () => {
    const { connect } = await wireWorld()
    const client = connect()
    const header = { version: 12, correlationId: 7, clientId: 'x' }
    const request = encodeRequest(wireApi('Metadata'), header, { topics: null })
    const frame = Buffer.concat([request, Buffer.alloc(3)])
    frame.writeInt32BE(frame.length - 4)
    client.socket.write(frame)
    expect((await client.frame()).readInt32BE()).toBe(7)
    expect((await client.ask('Metadata', 4, { topics: [] })).brokers).toHaveLength(1)
  })
})

describe('a peer that is no client', () => {
  const metadata = (): Buffer =>
    encodeRequest(
      wireApi('Metadata'),
      { version: 4, correlationId: 1, clientId: 'x' },
      { topics: null },
    )
  const changed = (at: number, value: number): Buffer => {
    const frame = metadata()
    frame.writeInt16BE(value, at)
    return frame
  }

  it.each<[string, () => Uint8Array]>([
    ['HTTP', () => Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['TLS', () => Buffer.from('16030100c8010000c4030300000000', 'hex')],
    ['an API that is not there', () => changed(4, 999)],
    ['a version that is not served', () => changed(6, 99)],
    ['a negative version', () => changed(6, -1)],
    [
      'a count that cannot be',
      () => {
        const frame = metadata()
        frame.writeInt32BE(0x7fffffff, 15)
        return frame
      },
    ],
    ['an empty frame', () => Buffer.alloc(4)],
  ])('a peer that is no Kafka client is disconnected: %s', async (_, bytes) => {
    const { cluster, connect } = await wireWorld()
    const [stranger, client] = [connect(), connect()]
    stranger.socket.write(bytes())
    expect(await stranger.ended()).toBe(true)
    expect(await client.ask('Metadata', 4, { topics: [] })).toMatchObject({ topics: [] })
    expect(await cluster.admin.listTopics()).toEqual([])
  })

  it('a client may disconnect within a frame, or while it waits for an answer', async () => {
    const { cluster, connect } = await wireWorld()
    await cluster.admin.createTopic({ topic: 'orders' })
    const half = connect()
    half.socket.write(metadata().subarray(0, 9))
    half.socket.end()
    expect(await half.ended()).toBe(true)
    const waiting = connect()
    const wanted = { partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }
    waiting.send(wireApi('Fetch'), 11, {
      maxWaitMs: 300_000,
      minBytes: 1,
      replicaId: -1,
      topics: [{ topic: 'orders', partitions: [wanted] }],
    })
    waiting.socket.destroy()
    await cluster.close() // nothing holds it up
  })
})

it('a held request ends when its client disconnects', async () => {
  const clock = virtualClock()
  const { cluster, connect } = await wireWorld({ clock })
  await cluster.admin.createTopic({ topic: 'orders' })
  const waiting = connect()
  await waiting.ask('Metadata', 4, { topics: [] })
  const timers = clock.pendingTimers
  const wanted = { partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }
  waiting.send(wireApi('Fetch'), 11, {
    maxWaitMs: 300_000,
    minBytes: 1,
    replicaId: -1,
    topics: [{ topic: 'orders', partitions: [wanted] }],
  })
  while (clock.pendingTimers === timers) await clock.turn()
  waiting.socket.destroy()
  while (clock.pendingTimers > timers) await clock.turn()
})

describe('brokers behind a wire', () => {
  it('brokers have no address if the listener has none', async () => {
    const { cluster, connect } = await wireWorld()
    cluster.faults.on('findCoordinator').error('COORDINATOR_NOT_AVAILABLE')
    const { coordinators } = await connect().ask('FindCoordinator', 4, { coordinatorKeys: ['g'] })
    expect(coordinators).toMatchObject([{ nodeId: -1, host: '', port: -1, errorCode: 15 }])
  })

  it('brokers that die close their connections and refuse new ones until they return', async () => {
    const { cluster, connect } = await wireWorld({ brokers: 2 })
    const client = connect(2)
    await client.ask('Metadata', 4, { topics: [] })
    await cluster.broker(2).kill()
    expect(await client.ended()).toBe(true)
    const refused = connect(2)
    await expect(refused.frame()).rejects.toThrow('ECONNREFUSED')
    await cluster.broker(2).start()
    expect(await connect(2).ask('Metadata', 4, { topics: [] })).toMatchObject({ topics: [] })
  })

  it('errors have numbers that clients know', async () => {
    const { cluster, connect } = await wireWorld()
    await cluster.admin.createTopic({ topic: 'orders' })
    cluster.faults.on('listOffsets').error('LOG_OFFLINE')
    const partitions = [{ partitionIndex: 0, timestamp: -1 }]
    const { topics } = await connect().ask('ListOffsets', 3, {
      replicaId: -1,
      topics: [{ name: 'orders', partitions }],
    })
    expect(topics[0]?.partitions[0]?.errorCode).toBe(56) // KAFKA_STORAGE_ERROR
  })

  it('fault rules can select the client of a wire', async () => {
    const { cluster, connect } = await wireWorld()
    await cluster.admin.createTopic({ topic: 'orders' })
    cluster.faults.on('listOffsets', { client: 'app' }).error('NOT_LEADER_OR_FOLLOWER').times(1)
    cluster.faults.on('listOffsets', { client: 'other' }).error('LEADER_NOT_AVAILABLE').times(1)
    const client = connect()
    const ask = async (): Promise<number | undefined> => {
      const partitions = [{ partitionIndex: 0, timestamp: -1 }]
      const topics = [{ name: 'orders', partitions }]
      const answer = await client.ask('ListOffsets', 3, { replicaId: -1, topics })
      return answer.topics[0]?.partitions[0]?.errorCode
    }
    expect([await ask(), await ask()]).toEqual([6, 0])
  })

  it('sockets to unknown brokers are refused', async () => {
    const { cluster } = await wireWorld()
    const request = { host: 'x', port: 1, onConnect: () => undefined }
    const socket = cluster.socketFactory<Duplex>(request)
    const error = await new Promise<Error>(resolve => socket.once('error', resolve))
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  })
})

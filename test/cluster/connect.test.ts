import { describe, expect, it, onTestFinished } from 'vitest'
import {
  Cluster,
  connect,
  type ConnectOptions,
  type KafkaCluster,
  type PartlogError,
  type PartitionDescription,
} from '../../src/index.js'
import { APIS, type ApiName, type Request } from '../../src/protocol/api.js'
import { type RequestHeader } from '../../src/protocol/framing.js'
import {
  saslAuthenticateRequest,
  saslAuthenticateResponse,
  saslHandshakeRequest,
  saslHandshakeResponse,
} from '../../src/protocol/messages/sasl.js'
import type { Message } from '../../src/protocol/schema.js'
import { newestOf } from '../../src/wire/agreement.js'
import { versionsOf, type VersionRange } from '../../src/wire/versions.js'
import { describeGroup } from '../describe-group'
import { CERTIFICATE, KEY } from '../wire/certificate.js'
import { proxied, type ProxyOptions } from '../wire/proxy.js'
import { scramServer } from '../wire/scram-server.js'
import { encodeResponse } from '../wire/encoded.js'

/** What no client of partlog asks. */
const UNSPOKEN = new Set<ApiName>(['OffsetForLeaderEpoch', 'DescribeCluster', 'AlterConfigs',
  ...(['DescribeAcls', 'CreateAcls', 'DeleteAcls', 'DescribeUserScramCredentials'] as const),
  ...(['DescribeLogDirs', 'AlterReplicaLogDirs', 'ListPartitionReassignments'] as const),
  ...(['DescribeClientQuotas', 'AlterClientQuotas', 'WriteTxnMarkers'] as const),
  ...(['DescribeProducers', 'DescribeTransactions', 'ListTransactions'] as const),
  // With groupProtocol 'consumer': test/client/consumer/consumer-protocol.test.ts.
  ...(['ConsumerGroupHeartbeat'] as const),
  // A transactional producer speaks these: test/client/producer/transactional-producer.test.ts.
  ...(['AddPartitionsToTxn', 'AddOffsetsToTxn', 'EndTxn', 'TxnOffsetCommit'] as const),
  ...(['DescribeQuorum', 'UpdateFeatures', 'DescribeTopicPartitions', 'ListConfigResources'] as const),
])

const PLAIN_LAYOUT = { version: 0, isFlexible: false } as const

function never(): Promise<void> {
  return new Promise(() => undefined)
}

function respond<T>(header: RequestHeader, response: Message<T>, body: T): Buffer {
  const api = { key: header.apiKey, request: response, response }
  return encodeResponse(api, header, body)
}

async function embedded(brokers = 1): Promise<Cluster> {
  const cluster = await Cluster.memory({ brokers, defaultReplicationFactor: 1 })
  onTestFinished(() => cluster.close())
  return cluster
}

async function remote(
  options: Partial<ConnectOptions> & { readonly bootstrapServers: readonly string[] | string },
) {
  const cluster = await connect({ reconnectBackoffMs: 1, reconnectBackoffMaxMs: 10, ...options })
  onTestFinished(() => cluster.close())
  return cluster
}

async function behind(cluster: Cluster, options: ProxyOptions = {}) {
  const proxy = await proxied(cluster, options)
  return { proxy, far: await remote({ bootstrapServers: proxy.bootstrap }) }
}

/** Waits for a condition that other parts of the program bring about. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise(resolve => setImmediate(resolve))
}

const reader = {
  groupId: 'g',
  autoOffsetReset: 'earliest',
  heartbeatIntervalMs: 20,
  keyDeserializer: 'string',
  valueDeserializer: 'string',
} as const

/** What an application does all day, and what it gets to see. */
async function session(cluster: KafkaCluster): Promise<unknown[]> {
  const { admin } = cluster
  const seen: unknown[] = []
  const config = { 'retention.ms': 1_000_000 }
  await admin.createTopic({ topic: 'orders', partitions: 4, config })
  await admin.alterConfig('orders', { 'max.message.bytes': 50_000 })
  seen.push(await admin.listTopics(), await admin.describeConfig('orders'))
  const { topicId, partitions, ...described } = await admin.describeTopic('orders')
  seen.push(described, partitions.map(withoutEpoch))
  const producer = cluster.producer()
  const messages = Array.from({ length: 20 }, (_, at) => ({
    key: `k${at % 7}`,
    value: `v${at}`,
    headers: { at: String(at) },
    timestamp: 1_000 + at,
  }))
  seen.push(await producer.send({ topic: 'orders', messages }))
  const fast = cluster.producer({ acks: 0 })
  await fast.send({ topic: 'orders', messages: [{ partition: 0, value: 'unanswered' }] })
  await fast.close()
  seen.push(await read(cluster, 21))
  seen.push(
    await admin.groupLag('g'),
    (await admin.listGroups()).map(({ groupId }) => groupId),
  )
  const { coordinator, ...group } = await describeGroup(admin, 'g')
  seen.push(group, await describeGroup(admin, 'nobody').catch((error: PartlogError) => error.code))
  const to = { timestamp: 1_010 } as const
  seen.push(await admin.resetGroupOffsets({ groupId: 'g', topics: ['orders'], to }))
  seen.push(await admin.listOffsets('orders', 'earliest'))
  await admin.deleteRecords({ topic: 'orders', partition: 0, offset: 1 })
  seen.push(await admin.listOffsets('orders', 'earliest'))
  await admin.createPartitions({ topic: 'orders', partitions: 5 })
  await admin.electLeaders({ type: 'preferred' })
  await admin.deleteGroupOffsets({ groupId: 'g', partitions: [{ topic: 'orders', partition: 1 }] })
  seen.push(await admin.listGroupOffsets('g'))
  seen.push((await admin.describeTopic('orders')).partitions.length)
  await admin.deleteGroups(['g'])
  seen.push(await admin.listGroups())
  await admin.deleteTopic('orders')
  seen.push((await admin.listTopics()).includes('orders'))
  await producer.close()
  return seen
}

/** Older brokers do not tell the epoch. */
function withoutEpoch({ leaderEpoch, ...partition }: PartitionDescription) {
  return partition
}

/** Everything there is, read by a group of two; sorted, because either member may read any record. */
async function read(cluster: KafkaCluster, count: number): Promise<unknown> {
  const records: { readonly partition: number; readonly offset: number }[] = []
  const members = [cluster.consumer(reader), cluster.consumer(reader)]
  await Promise.all(members.map(each => each.subscribe(['orders'])))
  const runs = members.map(each =>
    each.run({
      eachRecord: record => {
        const { timestamp, headers, key, value, ...others } = record
        const [, text] = headers.map(each => String(each.value))
        const time = value === 'unanswered' ? 0 : timestamp
        const rest = { key, value, time, text, headers: headers.length }
        records.push({ ...others, ...rest })
      },
    }),
  )
  await until(() => records.length >= count)
  await Promise.all(members.map(each => each.close()))
  await Promise.all(runs)
  return records.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)
}

const SPOKEN = (Object.keys(APIS) as ApiName[]).filter(api => !UNSPOKEN.has(api))

/** Every version of what the clients ask. */
function expected(): string[] {
  return SPOKEN.flatMap(api => {
    const { min: oldest, max } = versionsOf(api)
    const min = api === 'OffsetFetch' ? oldest + 1 : oldest // the oldest cannot ask for everything
    const newest = Math.min(max, newestOf(api, {} as Request<typeof api>))
    return Array.from({ length: newest - min + 1 }, (_, at) => `${api} ${min + at}`)
  })
}

const VERSIONS_MOST = Math.max(...SPOKEN.map(api => versionsOf(api).max - versionsOf(api).min))

describe('connect', () => {
  it('a remote cluster gives the clients of an embedded one', async () => {
    const here = await session(await embedded())
    const { far, proxy } = await behind(await embedded())
    expect(await session(far)).toEqual(here)
    expect(proxy.passed.filter(({ api }) => api === 'Fetch')[0]?.version).toBe(12)
  })

  it('a session sees the same with every version of every request', async () => {
    const here = await session(await embedded())
    const seen = new Set<string>()
    for (let step = 0; step <= VERSIONS_MOST; step++) {
      const serves = (api: ApiName, { min, max }: VersionRange): VersionRange => ({
        min,
        max: Math.min(min + step + (api === 'OffsetFetch' ? 1 : 0), max),
      })
      const { far, proxy } = await behind(await embedded(), { serves, apiVersionsMax: step % 5 })
      expect(await session(far), `step ${step}`).toEqual(here)
      for (const { api, version } of proxy.passed) seen.add(`${api} ${version}`)
      await far.close()
    }
    expect([...seen].toSorted()).toEqual(expected().toSorted())
  })
})

describe('a connection', () => {
  it('a connection starts with any broker that can be reached', async () => {
    const here = await embedded(2)
    const { bootstrap } = await here.listen({ port: 0 })
    const far = await remote({ bootstrapServers: `127.0.0.1:1, ${bootstrap[1]}` })
    expect(far.bootstrapServers).toEqual(['127.0.0.1:1', bootstrap[1]])
    expect(await far.admin.listTopics()).toEqual([])
  })

  it('connect fails at once if no broker can be reached', async () => {
    const error = await connect({ bootstrapServers: ['127.0.0.1:1'] }).catch((e: unknown) => e)
    expect(error).toMatchObject({
      code: 'NETWORK_EXCEPTION',
      retriable: true,
      outcomeUnknown: false,
      message: expect.stringMatching(/127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/),
    })
  })

  it('connect waits for a silent broker no longer than its time-out', async () => {
    let held = 0
    const { proxy, far } = await behind(await embedded(), {
      onRequest: ({ api }) => (api === 'ListGroups' && held++ < 1 ? never() : undefined),
    })
    const quick = await remote({ bootstrapServers: proxy.bootstrap, requestTimeoutMs: 30 })
    expect(await quick.admin.listGroups()).toEqual([]) // it was asked again, on a new connection
    expect(held).toBe(2)
    expect(await far.admin.listGroups()).toEqual([])
  })

  it.each([
    ['does not serve at all', undefined, 'does not serve Metadata'],
    ['serves in newer versions only', { min: 99, max: 100 }, 'versions 99 to 100'],
  ])('connect fails if a broker %s what is asked', async (_what, range, sentence) => {
    const proxy = await proxied(await embedded(), { serves: () => range })
    await expect(connect({ bootstrapServers: proxy.bootstrap })).rejects.toMatchObject({
      code: 'UNSUPPORTED_VERSION',
      message: expect.stringContaining(sentence),
    })
  })

  it('a request that an older broker would misunderstand is refused', async () => {
    const serves = (_api: ApiName, { min }: VersionRange): VersionRange => ({ min, max: min })
    const { far } = await behind(await embedded(), { serves })
    const expected = { code: 'UNSUPPORTED_VERSION' }
    await expect(far.admin.listGroups({ states: ['Empty'] })).rejects.toMatchObject(expected)
    await expect(far.admin.listGroupOffsets('g')).rejects.toMatchObject(expected)
  })

  it('a connection that was idle for long is replaced', async () => {
    const cluster = await embedded()
    const proxy = await proxied(cluster)
    const far = await remote({ bootstrapServers: proxy.bootstrap, connectionsMaxIdleMs: 1 })
    for (let times = 0; times < 3; times++) {
      const before = proxy.connections.ever
      await new Promise(resolve => setTimeout(resolve, 2))
      await far.admin.listTopics()
      expect(proxy.connections.ever).toBe(before + 1)
    }
    await until(() => proxy.connections.open === 1)
  })

  it('close leaves no connection open, and later requests fail', async () => {
    const { proxy, far } = await behind(await embedded())
    await far.admin.createTopic({ topic: 'orders', partitions: 2 })
    const consumer = far.consumer({ groupId: 'g' })
    await consumer.subscribe(['orders'])
    const polling = consumer.poll({ timeoutMs: 60_000 })
    const producer = far.producer()
    await producer.send({ topic: 'orders', messages: [{ value: 'a' }] })
    expect(proxy.connections.open).toBeGreaterThan(3)
    await far.close()
    await polling
    await until(() => proxy.connections.open === 0)
    await expect(far.admin.listTopics()).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(producer.send({ topic: 'orders', messages: [] })).rejects.toMatchObject({
      code: 'CLOSED',
    })
    expect(() => far.producer()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  })

  it('a client is not delayed by its own waiting requests', async () => {
    const { proxy, far } = await behind(await embedded())
    await far.admin.createTopic({ topic: 'orders', partitions: 9 })
    const consumer = far.consumer({ ...reader, fetchMaxWaitMs: 600_000 })
    await consumer.subscribe(['orders'])
    const polling = consumer.poll({ timeoutMs: 600_000 })
    await until(() => proxy.passed.some(({ api }) => api === 'Fetch'))
    await consumer.commit({ offsets: [{ topic: 'orders', partition: 0, offset: 0 }] })
    const producer = far.producer()
    await producer.send({ topic: 'orders', messages: [{ partition: 3, value: 'a' }] })
    expect((await polling).map(({ value }) => value)).toEqual(['a'])
    await consumer.close()
  })

  it('a member can leave while a JoinGroup waits', async () => {
    const { proxy, far } = await behind(await embedded())
    await far.admin.createTopic({ topic: 'orders', partitions: 2 })
    const one = far.consumer({ ...reader, heartbeatIntervalMs: 10_000 })
    await one.subscribe(['orders'])
    const two = far.consumer(reader)
    const joining = two.subscribe(['orders'])
    await until(() => proxy.passed.filter(({ api }) => api === 'JoinGroup').length === 4)
    await two.close()
    await joining
    expect(proxy.passed.some(({ api }) => api === 'LeaveGroup')).toBe(true)
  })

  it('a client opens no more connections than it needs', async () => {
    const { proxy, far } = await behind(await embedded())
    const base = proxy.connections.open
    await far.admin.createTopic({ topic: 'orders', partitions: 20 })
    const consumer = far.consumer({ ...reader, fetchMaxWaitMs: 600_000 })
    await consumer.assign(
      Array.from({ length: 20 }, (_, partition) => ({
        topic: 'orders',
        partition,
      })),
    )
    const producer = far.producer()
    let read = 0
    for (let partition = 0; partition < 20; partition++) {
      await producer.send({ topic: 'orders', messages: [{ partition, value: 'a' }] })
      read += (await consumer.poll({ timeoutMs: 60_000 })).length
    }
    expect(read).toBe(20)
    expect(proxy.connections.open - base).toBeLessThanOrEqual(1 + 1 + 1 + 4)
  })
})

describe('brokers that go', () => {
  it('brokers that end cost no record, and none is duplicated or out of order', async () => {
    const cluster = await Cluster.memory({ brokers: 3 })
    onTestFinished(() => cluster.close())
    const { far, proxy } = await behind(cluster)
    await far.admin.createTopic({ topic: 'orders', partitions: 3 })
    const producer = far.producer({ retryBackoffMs: 1 })
    const consumer = far.consumer({ ...reader, retryBackoffMs: 1, sessionTimeoutMs: 6_000 })
    await consumer.subscribe(['orders'])
    const seen: string[][] = [[], [], []]
    const running = consumer.run({
      eachRecord: ({ partition, value }) => void seen[partition]?.push(value as string),
    })
    const expected: string[][] = [[], [], []]
    const send = async (round: number): Promise<void> => {
      const messages = Array.from({ length: 30 }, (_, at) => {
        expected[at % 3]?.push(`${round}-${at}`)
        return { partition: at % 3, value: `${round}-${at}` }
      })
      await producer.send({ topic: 'orders', messages })
    }
    for (let round = 0; round < 12; round++) {
      const sending = send(round)
      if (round % 3 === 1) proxy.cut()
      if (round % 3 === 2) await cluster.broker((round % 3) + 1).kill()
      await sending
      if (round % 3 === 2) await cluster.broker((round % 3) + 1).start()
    }
    await until(() => seen.flat().length >= expected.flat().length)
    expect(seen.map(values => [...new Set(values)])).toEqual(expected)
    const { partitions } = await far.admin.groupLag('g')
    expect(partitions.map(({ endOffset }) => endOffset)).toEqual([120, 120, 120])
    await consumer.close()
    await running
  })

  it('brokers that return at another address are found again', async () => {
    const cluster = await embedded()
    const first = await cluster.listen({ port: 0 })
    const far = await remote({ bootstrapServers: first.bootstrap })
    await far.admin.createTopic({ topic: 'orders' })
    const producer = far.producer({ retryBackoffMs: 1 })
    await producer.send({ topic: 'orders', messages: [{ value: 'a' }] })
    await first.close()
    const port = Number(first.bootstrap[0]?.split(':')[1])
    const sending = producer.send({ topic: 'orders', messages: [{ value: 'b' }] })
    await cluster.listen({ port })
    expect((await sending)[0]?.offset).toBe(1)
  })
})

describe.each(['elsewhere', 'in this process'])('acks 0, brokers %s', place => {
  it('sends with acks 0 follow a leader that moves', async () => {
    const cluster = await Cluster.memory({ brokers: 2 })
    onTestFinished(() => cluster.close())
    await cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2]] })
    const leader = () => cluster.describe().topics.find(({ topic }) => topic === 'orders')
    await cluster.broker(1).kill()
    await cluster.broker(1).start()
    await until(() => leader()?.partitions[0]?.isr.length === 2)
    const far = place === 'elsewhere' ? (await behind(cluster)).far : cluster
    const producer = far.producer({ acks: 0, retryBackoffMs: 1 })
    const end = async () => (await cluster.admin.listOffsets('orders'))[0]?.offset
    await producer.send({ topic: 'orders', messages: [{ value: 'a' }] })
    while ((await end()) !== 1) await new Promise(resolve => setImmediate(resolve))
    await cluster.admin.electLeaders({ type: 'preferred' })
    expect(leader()?.partitions[0]?.leader).toBe(1)
    while ((await end()) === 1) {
      await producer.send({ topic: 'orders', messages: [{ value: 'b' }] })
      await new Promise(resolve => setImmediate(resolve))
    }
  })
})

describe('a password', () => {
  const PLAIN = { mechanism: 'plain', username: 'alice', password: 'secret' } as const

  /** A broker that wants a password; counts the clients that it lets in. */
  function guard(lifetimeMs = 0) {
    const state = { letIn: 0, mechanism: '' }
    let scram: ReturnType<typeof scramServer> | undefined
    const challenge = (bytes: string): string | undefined => {
      if (state.mechanism === 'PLAIN') return bytes === '\0alice\0secret' ? '' : undefined
      if (!bytes.startsWith('n,,')) return scram?.final(bytes)
      const hash = state.mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512'
      const salt = Buffer.from('salt')
      scram = scramServer({ hash, password: 'secret', salt, iterations: 4_096, nonce: 'n' })
      return scram.first(bytes).challenge
    }
    const answer: ProxyOptions['answer'] = (header, reader) => {
      if (header.apiKey === 17) {
        state.mechanism = saslHandshakeRequest.type.read(reader, PLAIN_LAYOUT).mechanism
        const isKnown = /^(PLAIN|SCRAM-SHA-(256|512))$/.test(state.mechanism)
        const body = { errorCode: isKnown ? 0 : 33, mechanisms: ['PLAIN', 'SCRAM-SHA-256'] }
        return respond(header, saslHandshakeResponse, body)
      }
      if (header.apiKey !== 36) return undefined
      const { authBytes } = saslAuthenticateRequest.type.read(reader, PLAIN_LAYOUT)
      const text = challenge(Buffer.from(authBytes).toString())
      if (text !== undefined && !text.startsWith('r=')) state.letIn++
      return respond(header, saslAuthenticateResponse, {
        errorCode: text === undefined ? 58 : 0,
        errorMessage: text === undefined ? 'Authentication failed' : null,
        authBytes: Buffer.from(text ?? ''),
        sessionLifetimeMs: lifetimeMs,
      })
    }
    return { answer, state }
  }

  it.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('%s authenticates', async mechanism => {
    const { answer, state } = guard()
    const { bootstrap } = await proxied(await embedded(), { answer })
    const far = await remote({ bootstrapServers: bootstrap, sasl: { ...PLAIN, mechanism } })
    expect(await far.admin.listTopics()).toEqual([])
    expect(state.letIn).toBe(2) // the first look, and the admin
  })

  it.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
    'a wrong password is refused: %s',
    async mechanism => {
      const { bootstrap } = await proxied(await embedded(), { answer: guard().answer })
      const sasl = { ...PLAIN, mechanism, password: 'hunter2' }
      const error = await connect({ bootstrapServers: bootstrap, sasl }).catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'SASL_AUTHENTICATION_FAILED', retriable: false })
      expect(String(error)).toContain('Authentication failed')
      expect(String(error)).not.toContain('hunter2')
    },
  )

  it('the client authenticates again before its session ends', async () => {
    const { answer, state } = guard(40)
    const { bootstrap } = await proxied(await embedded(), { answer })
    const far = await remote({ bootstrapServers: bootstrap, sasl: PLAIN })
    await far.admin.listTopics()
    const before = state.letIn
    await far.admin.listTopics()
    expect(state.letIn).toBe(before)
    await new Promise(resolve => setTimeout(resolve, 40))
    await far.admin.listTopics()
    expect(state.letIn).toBe(before + 1)
  })

  it('a mechanism that the broker does not accept is refused with those it accepts', async () => {
    const answer: ProxyOptions['answer'] = header =>
      header.apiKey === 17
        ? respond(header, saslHandshakeResponse, { errorCode: 33, mechanisms: ['GSSAPI'] })
        : undefined
    const { bootstrap } = await proxied(await embedded(), { answer })
    await expect(connect({ bootstrapServers: bootstrap, sasl: PLAIN })).rejects.toMatchObject({
      code: 'UNSUPPORTED_SASL_MECHANISM',
      message: expect.stringContaining('the broker does not accept PLAIN; it accepts: GSSAPI'),
    })
  })
})

describe('TLS', () => {
  const tls = { key: KEY, cert: CERTIFICATE }

  it('TLS encrypts a connection to a broker with a trusted certificate', async () => {
    const { bootstrap } = await proxied(await embedded(), { tls })
    for (const ssl of [{ ca: CERTIFICATE }, { ca: [Buffer.from(CERTIFICATE)] }]) {
      const far = await remote({ bootstrapServers: bootstrap, ssl })
      await far.admin.listTopics()
    }
    const any = { rejectUnauthorized: false }
    expect(await remote({ bootstrapServers: bootstrap, ssl: any })).toBeDefined()
  })

  it('an untrusted certificate, or one for another name, is refused', async () => {
    const { bootstrap } = await proxied(await embedded(), { tls })
    const cases = [
      [true, 'self-signed'],
      [{ ca: CERTIFICATE, servername: 'example.com' }, 'example.com'],
    ] as const
    for (const [ssl, why] of cases) {
      await expect(connect({ bootstrapServers: bootstrap, ssl })).rejects.toMatchObject({
        code: 'NETWORK_EXCEPTION',
        message: expect.stringContaining(why),
      })
    }
  })

  it('TLS against plain text, and the other way round, is recognised', async () => {
    const plain = await (await embedded()).listen({ port: 0 })
    const secret = await proxied(await embedded(), { tls })
    await expect(
      connect({ bootstrapServers: plain.bootstrap, ssl: true, connectionSetupTimeoutMs: 500 }),
    ).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
    await expect(connect({ bootstrapServers: secret.bootstrap })).rejects.toMatchObject({
      code: 'NETWORK_EXCEPTION',
      message: expect.stringContaining('the port may need TLS'),
    })
  })
})

describe('options', () => {
  const ok = { bootstrapServers: '127.0.0.1:1' }

  it.each([
    [{}, 'bootstrapServers'],
    [undefined, 'bootstrapServers'],
    [{ bootstrapServers: [] }, 'bootstrapServers'],
    [{ bootstrapServers: 'kafka' }, 'kafka'],
    [{ bootstrapServers: [1] }, '1'],
    [{ ...ok, brokers: 3 }, 'brokers'],
    [{ ...ok, ssl: 'yes' }, 'ssl'],
    [{ ...ok, ssl: { cas: '' } }, 'cas'],
    [{ ...ok, ssl: { rejectUnauthorized: 'no' } }, 'rejectUnauthorized'],
    [{ ...ok, sasl: true }, 'sasl'],
    [{ ...ok, sasl: { mechanism: 'gssapi', username: 'a', password: 'b' } }, 'mechanism'],
    [{ ...ok, sasl: { mechanism: 'plain', username: 'a' } }, 'password'],
    [{ ...ok, sasl: { mechanism: 'plain', username: 'a', password: 5 } }, 'password'],
    [{ ...ok, requestTimeoutMs: 0 }, 'requestTimeoutMs'],
    [{ ...ok, reconnectBackoffMs: -1 }, 'reconnectBackoffMs'],
    [{ ...ok, logger: 1 }, 'logger'],
  ])('options %j are refused', async (options, word) => {
    await expect(connect(options as never)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(word),
    })
  })
})

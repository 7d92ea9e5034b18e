/**
 * What the compiler must see, and what it must refuse. Checked by `npm run check`: a wrong type is
 * an error here, and so is a use that should be refused and is not. Nothing of this is run.
 */

import * as partlog from '../../src/index.js'
import {
  Cluster,
  connect,
  isPartlogError,
  json,
  openLogDirectory,
  virtualClock,
  type Acks,
  type Admin,
  type AdminClient,
  type Consumer,
  type ConsumerOptions,
  type ConsumerRecord,
  type DeserializerContext,
  type ErrorCode,
  type GroupDescription,
  type GroupState,
  type Header,
  type JsonValue,
  type KafkaCluster,
  type Message,
  type PartitionLag,
  type PartlogError,
  type Producer,
  type RecordBatch,
  type RecordMetadata,
  type RemoteCluster,
  type ResetOffset,
  type ResetTarget,
  type StoredTopicRecord,
  type TopicSetting,
} from '../../src/index.js'

/** Compiles only for equal types: `any` equals nothing but itself. */
type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

function same<A, B>(_: Equal<A, B>): void {}

interface Order {
  readonly id: string
  readonly cents: number
}

// ── opening ──────────────────────────────────────────────────────────────────────────────

export async function opening(): Promise<void> {
  const cluster = await Cluster.open({ dir: './data' })
  same<typeof cluster, Cluster>(true)
  await Cluster.open({
    dir: './data',
    readOnly: true,
    durability: 'process',
    onCorruption: 'offline',
  })
  await Cluster.memory()
  await Cluster.memory({ clock: virtualClock(), autoCreateTopics: false, logger: console })
  same<typeof cluster.recovery.wasClosedCleanly, boolean>(true)

  // @ts-expect-error a folder is needed
  await Cluster.open()
  // @ts-expect-error a folder is needed
  await Cluster.open({})
  // @ts-expect-error not a folder
  await Cluster.open({ dir: 5 })
  // @ts-expect-error no such durability
  await Cluster.open({ dir: './data', durability: 'disk' })
  // @ts-expect-error a misspelt option
  await Cluster.open({ dir: './data', readonly: true })
  // @ts-expect-error there is no folder in memory
  await Cluster.memory({ dir: './data' })
  // @ts-expect-error made by open and memory only
  new Cluster({})
  // @ts-expect-error what opening found cannot be changed
  cluster.recovery.wasClosedCleanly = true
  // @ts-expect-error there is one admin
  cluster.admin = cluster.admin
}

export async function connecting(): Promise<void> {
  const remote = await connect({ bootstrapServers: ['a:9092'], ssl: true })
  same<typeof remote, RemoteCluster>(true)
  await connect({
    bootstrapServers: 'a:9092,b:9092',
    ssl: { ca: Buffer.from(''), rejectUnauthorized: true },
    sasl: { mechanism: 'scram-sha-256', username: 'a', password: 'b' },
  })
  const anywhere: KafkaCluster[] = [remote, await Cluster.memory()]
  for (const cluster of anywhere) {
    same<ReturnType<typeof cluster.producer>, Producer>(true)
    const consumer = cluster.consumer({ valueDeserializer: 'string' })
    same<typeof consumer, Consumer<Uint8Array, string>>(true)
    await cluster.close()
  }

  // @ts-expect-error where?
  await connect({})
  const login = { username: 'a', password: 'b' }
  // @ts-expect-error no such way
  await connect({ bootstrapServers: 'a:1', sasl: { ...login, mechanism: 'gssapi' } })
  // @ts-expect-error only an embedded cluster can be broken
  remote.faults.on('produce')
  // @ts-expect-error only an embedded cluster knows its brokers
  remote.broker(1)
  // @ts-expect-error it is made by connect
  new RemoteCluster()
  // @ts-expect-error parts are made by clusters
  remote.checkOpen()
}

export async function disposing(): Promise<void> {
  await using cluster = await Cluster.memory()
  await using producer = cluster.producer()
  await using consumer = cluster.consumer()
  same<typeof producer, Producer>(true)
  same<typeof consumer, Consumer<Uint8Array, Uint8Array>>(true)
  // @ts-expect-error closing takes time: `await using` is needed
  using wrong = cluster.producer()
  void wrong
}

// ── writing ──────────────────────────────────────────────────────────────────────────────

export async function writing(cluster: Cluster): Promise<void> {
  const producer = cluster.producer({ acks: 'all', lingerMs: 5 })
  const metas = await producer.send({ topic: 't', messages: [{ key: 'k', value: 'v' }] })
  same<typeof metas, RecordMetadata[]>(true)
  same<(typeof metas)[number]['offset'], number>(true)
  same<Acks, 0 | 1 | 'all'>(true)
  const messages: readonly Message[] = [
    { value: null },
    { key: null, value: new Uint8Array(3), partition: 2, timestamp: new Date() },
    { key: Buffer.from('k'), value: 'v', headers: { a: 'x', b: ['y', null] } },
    { value: 'v', headers: [['a', 'x']] as const },
    { value: 'v', headers: new Map([['a', Buffer.alloc(1)]]) },
  ]
  await producer.send({ topic: 't', messages })

  // @ts-expect-error not one of 0, 1, 'all'
  cluster.producer({ acks: 2 })
  // @ts-expect-error a misspelt option
  cluster.producer({ lingerMS: 5 })
  // @ts-expect-error a time without its unit in the name
  cluster.producer({ linger: 5 })
  // @ts-expect-error a topic is needed
  await producer.send({ messages: [{ value: 'v' }] })
  // @ts-expect-error a list is needed
  await producer.send({ topic: 't', messages: { value: 'v' } })
  // @ts-expect-error a tombstone says so: value is null
  await producer.send({ topic: 't', messages: [{ key: 'k' }] })
  // @ts-expect-error objects do not serialize themselves
  await producer.send({ topic: 't', messages: [{ value: { a: 1 } }] })
  // @ts-expect-error nor do numbers
  await producer.send({ topic: 't', messages: [{ key: 7, value: 'v' }] })
  // @ts-expect-error an ISO time is no timestamp
  await producer.send({ topic: 't', messages: [{ value: 'v', timestamp: '2026-01-01' }] })
}

// ── reading ──────────────────────────────────────────────────────────────────────────────

export async function reading(cluster: Cluster): Promise<void> {
  const bytes = cluster.consumer({ groupId: 'g' })
  same<typeof bytes, Consumer<Uint8Array, Uint8Array>>(true)

  const strings = cluster.consumer({ keyDeserializer: 'string', valueDeserializer: 'string' })
  same<typeof strings, Consumer<string, string>>(true)

  const mixed = cluster.consumer({ valueDeserializer: 'json' })
  same<typeof mixed, Consumer<Uint8Array, JsonValue>>(true)

  const orders = cluster.consumer({ groupId: 'g', valueDeserializer: json<Order>() })
  same<typeof orders, Consumer<Uint8Array, Order>>(true)

  const numbers = cluster.consumer({
    keyDeserializer: (bytes, context) => {
      same<typeof bytes, Uint8Array>(true)
      same<typeof context, DeserializerContext>(true)
      return bytes.length
    },
    valueDeserializer: bytes => new Date(bytes.length),
  })
  same<typeof numbers, Consumer<number, Date>>(true)

  const options: ConsumerOptions<'string'> = { groupId: 'g' }
  same<ReturnType<typeof cluster.consumer<'string'>>, Consumer<string, Uint8Array>>(true)
  const known: Consumer<string, Uint8Array> = cluster.consumer(options)
  void known

  for await (const record of strings) {
    same<typeof record, ConsumerRecord<string, string>>(true)
    same<typeof record.key, string | null>(true)
    same<typeof record.value, string | null>(true)
    same<typeof record.headers, readonly Header[]>(true)
    // @ts-expect-error a tombstone has no value
    record.value.length
    // @ts-expect-error records are as they were written
    record.offset = 0
  }
  const polled = await orders.poll({ timeoutMs: 10, signal: AbortSignal.timeout(5) })
  same<typeof polled, ConsumerRecord<Uint8Array, Order>[]>(true)
  for (const record of polled) {
    // @ts-expect-error: a copy of a record has neither its key nor its value
    const copy: Message = { ...record }
    const literal: ConsumerRecord<Uint8Array, Order> = { ...record, key: null, value: null }
    void [copy, literal]
  }
  await orders.run({ eachRecord: record => same<typeof record.value, Order | null>(true) })
  await orders.run({
    eachBatch: async batch => same<typeof batch, RecordBatch<Uint8Array, Order>>(true),
  })
  await orders.commit({ records: polled })
  await orders.commit({ offsets: [{ topic: 't', partition: 0, offset: 1 }] })
}

export async function readingWrong(cluster: Cluster): Promise<void> {
  const consumer = cluster.consumer({ groupId: 'g', valueDeserializer: json<Order>() })
  const [record] = await consumer.poll()
  // @ts-expect-error there may be no record
  record.value
  // @ts-expect-error an order has no such field
  record?.value?.price
  // @ts-expect-error JSON of any kind must be looked at first
  for await (const { value } of cluster.consumer({ valueDeserializer: 'json' })) value.id
  // @ts-expect-error no such deserializer
  cluster.consumer({ valueDeserializer: 'text' })
  // @ts-expect-error a deserializer is given bytes
  cluster.consumer({ valueDeserializer: (value: string) => value })
  // @ts-expect-error a misspelt option
  cluster.consumer({ groupID: 'g' })
  // @ts-expect-error no such reset
  cluster.consumer({ autoOffsetReset: 'beginning' })
  cluster.consumer({ autoOffsetReset: 'by_duration:PT1H' })
  // @ts-expect-error how long is missing
  cluster.consumer({ autoOffsetReset: 'by_duration' })
  // @ts-expect-error a list of topics
  await consumer.subscribe('t')
  // @ts-expect-error a partition has a number
  await consumer.assign([{ topic: 't' }])
  // @ts-expect-error an offset is a number
  consumer.seek({ topic: 't', partition: 0, offset: 'earliest' })
  // @ts-expect-error time-outs are in milliseconds, and say so
  await consumer.poll({ timeout: 5 })
}

// ── managing ─────────────────────────────────────────────────────────────────────────────

export async function managing({ admin }: Cluster): Promise<void> {
  await admin.createTopic({
    topic: 't',
    partitions: 6,
    config: { 'retention.ms': 7 * 86_400_000, 'cleanup.policy': 'delete' },
  })
  const setting: TopicSetting = 'segment.bytes'
  void setting
  same<Awaited<ReturnType<typeof admin.listTopics>>, string[]>(true)
  const [offset] = await admin.listOffsets({ topic: 't', at: 'earliest' })
  same<NonNullable<typeof offset>['offset'], number | null>(true)
  await admin.listOffsets({ topic: 't', at: new Date() })
  const [listing] = await admin.listGroupOffsets('g')
  same<NonNullable<typeof listing>['lag'], number>(true)
  const [group] = await admin.listGroups({ states: ['Stable', 'Empty'] })
  same<NonNullable<typeof group>['state'], GroupState>(true)
  same<Awaited<ReturnType<typeof admin.describeGroups>>, GroupDescription[]>(true)
  const { partitions, totalLag } = await admin.groupLag('g')
  same<typeof totalLag, number>(true)
  same<typeof partitions, readonly PartitionLag[]>(true)
  const targets: readonly ResetTarget[] = [
    'earliest',
    { timestamp: new Date() },
    { shiftBy: -5 },
    { offsets: [{ topic: 't', partition: 0, offset: 1 }] },
  ]
  for (const to of targets) {
    const done = await admin.resetGroupOffsets({ groupId: 'g', to, topics: ['t'], dryRun: true })
    same<typeof done, ResetOffset[]>(true)
  }
  await admin.removeGroupMembers({
    groupId: 'g',
    members: [{ memberId: 'm' }, { groupInstanceId: 'i' }],
  })

  // @ts-expect-error no such state
  await admin.listGroups({ states: ['Idle'] })
  // @ts-expect-error no such place
  await admin.resetGroupOffsets({ groupId: 'g', to: 'beginning' })
  // @ts-expect-error where to?
  await admin.resetGroupOffsets({ groupId: 'g' })
  // @ts-expect-error a list of groups
  await admin.deleteGroups('g')
  // @ts-expect-error a member has one of two names
  await admin.removeGroupMembers({ groupId: 'g', members: ['m'] })
  // @ts-expect-error a name is needed
  await admin.createTopic({ partitions: 6 })
  // @ts-expect-error no such setting
  await admin.createTopic({ topic: 't', config: { retentionMs: 1 } })
  // @ts-expect-error no such place
  await admin.listOffsets({ topic: 't', at: 'beginning' })
  // @ts-expect-error one topic at a time
  await admin.deleteTopic(['t'])
}

// ── what the options say, and nothing else ───────────────────────────────────────────────

export function annotations(cluster: KafkaCluster): unknown[] {
  const right: Consumer<Uint8Array, string> = cluster.consumer({ valueDeserializer: 'string' })
  const plain: Consumer = cluster.consumer({})
  const own: Consumer<Uint8Array, number> = cluster.consumer({ valueDeserializer: () => 1 })
  const known: Consumer<Uint8Array, Order> = cluster.consumer({ valueDeserializer: json<Order>() })
  // @ts-expect-error values are strings
  const a: Consumer = cluster.consumer({ valueDeserializer: 'string' })
  // @ts-expect-error values are strings
  const b: Consumer<Uint8Array, number> = cluster.consumer({ valueDeserializer: 'string' })
  // @ts-expect-error keys are JSON, values bytes
  const c: Consumer<Date, { id: bigint }> = cluster.consumer({ keyDeserializer: 'json' })
  // @ts-expect-error the function gives numbers
  const d: Consumer<Uint8Array, string> = cluster.consumer({ valueDeserializer: () => 1 })
  class Service {
    // @ts-expect-error values are bytes
    readonly consumer: Consumer<string, number> = cluster.consumer({ valueDeserializer: 'bytes' })
  }
  // @ts-expect-error values are bytes
  const make = (): Consumer<Uint8Array, number> => cluster.consumer({})
  return [right, plain, own, known, a, b, c, d, Service, make]
}

export function variables(cluster: KafkaCluster): void {
  const widened = { groupId: 'g', valueDeserializer: 'string' }
  same<ReturnType<typeof reading>, Consumer<unknown, unknown>>(true)
  function reading() {
    return cluster.consumer(widened)
  }
  const kept = { groupId: 'g', valueDeserializer: 'string' } as const
  const typed = cluster.consumer(kept)
  same<typeof typed, Consumer<Uint8Array, string>>(true)
  const checked = { valueDeserializer: 'json' } satisfies ConsumerOptions<'bytes', 'json'>
  const json = cluster.consumer(checked)
  same<typeof json, Consumer<Uint8Array, JsonValue>>(true)
  // @ts-expect-error a misspelt name
  cluster.consumer({ valueDeserializer: 'strng' })
  // @ts-expect-error a misspelt name
  cluster.consumer({ groupId: 'g', keyDeserializer: 'Json' as const })
}

// ── fakes of clients in unit tests ───────────────────────────────────────────────────────

export function fakes(): [Producer, Pick<Admin, 'createTopic'>, Pick<Consumer, 'poll'>] {
  const producer: Producer = {
    send: () => Promise.resolve([]),
    sendBatch: () => Promise.resolve([]),
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  return [
    producer,
    { createTopic: () => Promise.resolve() },
    { poll: () => Promise.resolve([]) },
  ]
}

// ── admins ───────────────────────────────────────────────────────────────────────────────

export async function admins(cluster: KafkaCluster): Promise<void> {
  await using admin = cluster.adminClient({ defaultApiTimeoutMs: 500, clientId: undefined })
  same<typeof admin, AdminClient>(true)
  await admin.alterConfig({ topic: 't', config: { 'retention.ms': null } })
  await admin.alterGroupOffsets({ groupId: 'g', offsets: [{ topic: 't', partition: 0, offset: 1 }] })
  await Cluster.memory({ admin: { requestTimeoutMs: 100 } })
  // @ts-expect-error a misspelt option
  cluster.adminClient({ timeoutMs: 1 })
  // @ts-expect-error the cluster closes its own
  await cluster.admin.close()
}

// ── classes that only the library makes ──────────────────────────────────────────────────

export function constructors(): unknown[] {
  return [
    // @ts-expect-error made by cluster.producer
    new partlog.Producer(),
    // @ts-expect-error made by cluster.consumer
    new partlog.Consumer(),
    // @ts-expect-error made by clusters
    new partlog.Admin(),
    // @ts-expect-error made by clusters
    new partlog.BrokerHandle(),
    // @ts-expect-error made by clusters
    new partlog.ClusterFaults(),
    // @ts-expect-error made by openLogDirectory
    new partlog.PartitionDirectory(),
    // @ts-expect-error made by connect
    new partlog.RemoteCluster(),
    // @ts-expect-error an interface
    class extends partlog.KafkaCluster {},
    // @ts-expect-error made by Cluster.open and Cluster.memory
    class extends partlog.Cluster {},
  ]
}

export async function folders(): Promise<void> {
  const { partitions } = await openLogDirectory('./data')
  for (const partition of partitions) {
    for await (const record of partition.records({ from: 5, until: new Date() })) {
      same<typeof record, StoredTopicRecord>(true)
      same<typeof record.value, Uint8Array | null>(true)
    }
    // @ts-expect-error an ISO time is no Date
    partition.records({ from: '2026-01-01' })
  }
}

export function errors(error: unknown): ErrorCode | undefined {
  // @ts-expect-error its type is not known
  error.code
  if (isPartlogError(error, 'LOCKED')) {
    same<typeof error, PartlogError>(true)
    same<typeof error.retriable, boolean>(true)
    return error.code
  }
  // @ts-expect-error no such code
  isPartlogError(error, 'BUSY')
  return undefined
}

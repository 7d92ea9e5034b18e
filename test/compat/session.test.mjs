// A whole session of kafkajs, without a port: topics, records with keys and headers, a group of
// two, a broker that dies, commits, a restart, offsets by time, groups described and deleted.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import kafkajs from 'kafkajs'
import { Cluster } from './partlog.mjs'

const { Kafka, logLevel, Partitioners } = kafkajs

const TOPIC = 'orders'
const soon = ms => new Promise(resolve => setTimeout(resolve, ms))

async function waitFor(what, isSo) {
  const deadline = Date.now() + 30_000
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, `waited for ${what}`)
    await soon(20)
  }
}

const leadersOf = (cluster, name) =>
  cluster
    .describe()
    .topics.find(({ topic }) => topic === name)
    .partitions.map(({ leader }) => leader)

/** Java's String.hashCode, as Kafka spreads groups. */
function partitionOfGroup(groupId, count) {
  let hash = 0
  for (const char of groupId) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) | 0
  return Math.abs(hash) % count
}

/** kafkajs on a cluster; what it opens is closed at the end. */
function connected(cluster, t) {
  const kafka = new Kafka({
    clientId: 'app',
    brokers: cluster.bootstrap,
    socketFactory: cluster.socketFactory,
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 20 },
  })
  const clients = []
  t.after(async () => {
    // While there is a cluster to leave: kafkajs tries for minutes otherwise.
    await Promise.allSettled(clients.map(client => client.disconnect()))
    await cluster.close()
  })
  const open = async client => {
    clients.push(client)
    await client.connect()
    return client
  }
  const consumer = async (name, seen) => {
    const client = await open(
      kafka.consumer({
        groupId: 'billing',
        sessionTimeout: 6_000,
        heartbeatInterval: 500,
        maxWaitTimeInMs: 100, // it waits for its open poll when it leaves or rebalances
      }),
    )
    await client.subscribe({ topic: TOPIC, fromBeginning: true })
    await client.run({
      eachMessage: async ({ partition, message }) => {
        seen.push({ name, partition, offset: message.offset, value: String(message.value) })
      },
    })
    return client
  }
  const createPartitioner = Partitioners.DefaultPartitioner
  return {
    consumer,
    admin: () => open(kafka.admin()),
    producer: () => open(kafka.producer({ createPartitioner, idempotent: true })),
  }
}

test('a session of kafkajs through the socket factory', { timeout: 120_000 }, async t => {
  const cluster = await Cluster.memory({ brokers: 3 })
  const kafka = connected(cluster, t)
  const admin = await kafka.admin()
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 4, replicationFactor: 3 }] })
  const { topics } = await admin.fetchTopicMetadata({ topics: [TOPIC] })
  assert.equal(topics[0].partitions.length, 4)
  assert.deepEqual(
    (await admin.describeCluster()).brokers.map(({ nodeId }) => nodeId),
    [1, 2, 3],
  )

  const producer = await kafka.producer()
  const messages = Array.from({ length: 40 }, (_, n) => ({
    key: `customer-${n % 10}`,
    value: `first-${n}`,
    headers: { trace: `t${n}` },
  }))
  const places = await producer.send({ topic: TOPIC, messages })
  assert.ok(places.every(({ errorCode }) => errorCode === 0))

  // The same records, in the same order per partition, for partlog's own consumer.
  const own = cluster.consumer({ autoOffsetReset: 'earliest', valueDeserializer: 'string' })
  await own.assign([0, 1, 2, 3].map(partition => ({ topic: TOPIC, partition })))
  const records = []
  while (records.length < 40) records.push(...(await own.poll()))
  assert.deepEqual(
    records.map(({ value }) => value).sort(),
    messages.map(({ value }) => value).sort(),
  )
  assert.equal(Buffer.from(records[0].headers[0].value).toString()[0], 't')
  await own.close()

  const seen = []
  await kafka.consumer('one', seen)
  await waitFor('40 records', () => seen.length >= 40)
  const two = await kafka.consumer('two', seen)
  await cluster.until(
    { group: 'billing', stable: true, members: 2 },
    { signal: AbortSignal.timeout(30_000) },
  )
  await soon(1_000) // the second one fetches by now
  await producer.send({
    topic: TOPIC,
    messages: messages.map(each => ({ ...each, value: `second ${each.value}` })),
  })
  await waitFor('80 records', () => new Set(seen.map(({ value }) => value)).size >= 80)
  assert.deepEqual([...new Set(seen.map(({ name }) => name))].sort(), ['one', 'two'])

  // A broker dies: clients need not be told. But for another producer: when a leader dies under a
  // send, kafkajs 2.2.4 resolves it without having sent that leader's records to the next one.
  const coordinator = leadersOf(cluster, '__consumer_offsets')[partitionOfGroup('billing', 3)]
  const leader = leadersOf(cluster, TOPIC).find(id => id !== coordinator)
  await cluster.broker(leader).kill()
  await (
    await kafka.producer()
  ).send({
    topic: TOPIC,
    messages: messages.map(each => ({ ...each, value: `third ${each.value}` })),
  })
  await waitFor('120 records', () => new Set(seen.map(({ value }) => value)).size >= 120)
  await cluster.broker(leader).start()

  await two.disconnect()
  const { groups } = await admin.describeGroups(['billing'])
  assert.equal(groups[0].protocolType, 'consumer')
  const listed = await admin.listGroups()
  assert.deepEqual(listed.groups, [{ groupId: 'billing', protocolType: 'consumer' }])
  const ends = await admin.fetchTopicOffsets(TOPIC)
  assert.equal(
    ends.reduce((sum, { high }) => sum + Number(high), 0),
    120,
  )
  const byTime = await admin.fetchTopicOffsetsByTimestamp(TOPIC, 0)
  assert.deepEqual(
    byTime.map(({ offset }) => offset),
    ['0', '0', '0', '0'],
  )
})

test('offsets and groups outlive their consumers; groups and topics can be deleted', async t => {
  const cluster = await Cluster.memory()
  const kafka = connected(cluster, t)
  const admin = await kafka.admin()
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }] })
  const producer = await kafka.producer()
  await producer.send({ topic: TOPIC, messages: [{ value: 'a' }, { value: 'b' }] })
  const seen = []
  const one = await kafka.consumer('one', seen)
  await waitFor('2 records', () => seen.length >= 2)
  await one.disconnect()
  const [{ partitions }] = await admin.fetchOffsets({ groupId: 'billing', topics: [TOPIC] })
  assert.equal(partitions[0].offset, '2')
  await producer.send({ topic: TOPIC, messages: [{ value: 'c' }] })
  const again = await kafka.consumer('again', seen)
  await waitFor('3 records', () => seen.length >= 3)
  assert.deepEqual(
    seen.map(({ value }) => value),
    ['a', 'b', 'c'],
  )
  await again.disconnect()
  await admin.setOffsets({
    groupId: 'billing',
    topic: TOPIC,
    partitions: [{ partition: 0, offset: '1' }],
  })
  const [moved] = await admin.fetchOffsets({ groupId: 'billing', topics: [TOPIC] })
  assert.equal(moved.partitions[0].offset, '1')
  assert.deepEqual(await admin.deleteGroups(['billing']), [{ groupId: 'billing', errorCode: 0 }])
  await admin.deleteTopics({ topics: [TOPIC] })
  assert.deepEqual(await admin.listTopics(), ['__consumer_offsets'])
})

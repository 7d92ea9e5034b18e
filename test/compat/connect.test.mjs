// partlog's own clients on a real Kafka broker: they see there what they see of an embedded
// cluster, share groups with kafkajs, and are let in by password and over TLS.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import kafkajs from 'kafkajs'
import { connect } from '../../dist/index.js'
import { freePorts, startBroker } from './kafka/broker.mjs'
import { missingKafka } from './kafka/jars.mjs'
import { Cluster } from './partlog.mjs'
import { kafkaTarget, missingBroker } from './targets.mjs'
import { waitFor } from './wait.mjs'

const { Kafka, logLevel } = kafkajs
const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

const member = groupId => ({
  groupId,
  autoOffsetReset: 'earliest',
  heartbeatIntervalMs: 200,
  sessionTimeoutMs: 6_000,
  keyDeserializer: 'string',
  valueDeserializer: 'string',
})

/** What an application does, and what it gets to see. */
async function session(cluster) {
  const { admin } = cluster
  const topic = 'own-session'
  const seen = {}
  const errorOf = promise =>
    promise.then(
      () => 'none',
      error => error.code,
    )
  const config = { 'retention.ms': 86_400_000, 'min.insync.replicas': 1 }
  await admin.createTopic({ topic, partitions: 4, replicationFactor: 1, config })
  await admin.alterConfig(topic, { 'max.message.bytes': 50_000 })
  seen.twice = await errorOf(admin.createTopic({ topic, partitions: 4 }))
  const changed = async () => {
    return (await admin.describeConfig(topic)).filter(({ isDefault }) => !isDefault)
  }
  await waitFor('the settings', async () => (await changed()).length === 3) // brokers hear of it
  seen.config = await changed()
  seen.config.sort((a, b) => (a.name < b.name ? -1 : 1))
  const { topicId, ...described } = await admin.describeTopic(topic)
  seen.topic = described
  const producer = cluster.producer()
  const messages = Array.from({ length: 30 }, (_, at) => ({
    key: at % 5 === 4 ? null : `k${at % 7}`,
    value: at % 10 === 9 ? null : `v${at}`,
    headers: { at: String(at), more: Buffer.from([at]) },
    partition: at % 5 === 4 ? 0 : undefined,
    timestamp: Date.UTC(2026, 10, 1) + at,
  }))
  seen.sent = await producer.send({ topic, messages })
  seen.large = await errorOf(producer.send({ topic, messages: [{ value: 'x'.repeat(60_000) }] }))
  const zipped = cluster.producer({ compression: 'gzip', acks: 1 })
  await zipped.send({ topic, messages: [{ partition: 1, value: 'z'.repeat(1_000), timestamp: 1 }] })
  await zipped.close()
  seen.read = await read(cluster, topic, 31)
  seen.lag = await admin.groupLag('own-group')
  const { coordinator, ...group } = await admin.describeGroups(['own-group']).then(([group]) => group)
  seen.group = group
  const to = { timestamp: Date.UTC(2026, 10, 1) + 10 }
  seen.reset = await admin.resetGroupOffsets({ groupId: 'own-group', topics: [topic], to })
  seen.ends = await admin.listOffsets(topic)
  seen.newest = await admin.listOffsets(topic, 'max-timestamp')
  seen.low = await admin.deleteRecords({ topic, partition: 0, offset: 1 })
  seen.starts = await admin.listOffsets(topic, 'earliest')
  seen.beyond = await errorOf(admin.deleteRecords({ topic, partition: 0, offset: 1_000 }))
  await admin.createPartitions({ topic, partitions: 5 })
  await waitFor('the fifth partition', async () => {
    return (await admin.describeTopic(topic)).partitions.length === 5
  })
  seen.fewer = await errorOf(admin.createPartitions({ topic, partitions: 2 }))
  await admin.deleteGroupOffsets({ groupId: 'own-group', partitions: [{ topic, partition: 1 }] })
  seen.offsets = await admin.listGroupOffsets('own-group')
  await admin.deleteGroups(['own-group'])
  seen.nobody = await errorOf(admin.describeGroups(['own-group']).then(([group]) => group))
  await admin.deleteTopic(topic)
  await waitFor('the topic to go', async () => !(await admin.listTopics()).includes(topic))
  seen.gone = await errorOf(admin.describeTopic(topic))
  await producer.close()
  return seen
}

async function read(cluster, topic, count) {
  const records = []
  const members = [cluster.consumer(member('own-group')), cluster.consumer(member('own-group'))]
  await Promise.all(members.map(each => each.subscribe([topic])))
  const runs = members.map(each =>
    each.run({
      eachRecord: ({ headers, timestamp, key, value, ...others }) => {
        const kept = headers.map(each => [each.key, Buffer.from(each.value).toString('hex')])
        records.push({ ...others, key, value, headers: kept, timestamp })
      },
    }),
  )
  await waitFor('all records', () => records.length >= count)
  await Promise.all(members.map(each => each.close()))
  await Promise.all(runs)
  return records.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)
}

describe('partlog clients on a real broker', { skip: missingBroker() }, () => {
  let target
  let cluster

  before(async () => {
    target = await kafkaTarget()
    cluster = await connect({ bootstrapServers: target.bootstrap })
  })
  after(async () => {
    await cluster?.close()
    await target?.close()
  })

  test('see what they see of an embedded cluster', async () => {
    const embedded = await Cluster.memory()
    const here = await session(embedded)
    await embedded.close()
    const there = await session(cluster)
    for (const [what, seen] of Object.entries(here)) assert.deepEqual(there[what], seen, what)
  })

  test('make topics with settings that partlog has not', async () => {
    const topic = 'other-settings'
    const config = { 'compression.type': 'zstd', 'flush.ms': 60_000, preallocate: true }
    await cluster.admin.createTopic({ topic, config })
    await cluster.admin.alterConfig(topic, { 'flush.ms': null, 'flush.messages': 100 })
    const found = async () => {
      const all = await cluster.admin.describeConfig(topic)
      // A broker may have a default of its own that counts as set.
      const set = all.filter(({ name, isDefault }) => !isDefault && !name.startsWith('min.'))
      return set.map(({ name, value }) => `${name}=${value}`).sort()
    }
    await waitFor('the settings', async () => (await found()).includes('flush.messages=100'))
    const expected = ['compression.type=zstd', 'flush.messages=100', 'preallocate=true']
    assert.deepEqual(await found(), expected)
    const wrong = cluster.admin.createTopic({ topic: 'never', config: { 'flush.ms': -1 } })
    await assert.rejects(wrong, { code: 'INVALID_CONFIG' })
  })

  test('share a group with kafkajs', async t => {
    const brokers = target.bootstrap
    await shareGroup(t, cluster, new Kafka({ brokers, logLevel: logLevel.NOTHING }))
  })

  test('send a million records in order, and read them all', async () => {
    await cluster.admin.createTopic({ topic: 'own-many', partitions: 3, replicationFactor: 1 })
    const producer = cluster.producer({ lingerMs: 5 })
    for (let at = 0; at < 1_000_000; at += 50_000) {
      const values = Array.from({ length: 50_000 }, (_, more) => at + more)
      const messages = values.map(value => ({ partition: value % 3, value: String(value) }))
      await producer.send({ topic: 'own-many', messages })
    }
    const consumer = cluster.consumer({ ...member('own-many'), maxPollRecords: 10_000 })
    await consumer.subscribe(['own-many'])
    const next = [0, 1, 2]
    let count = 0
    while (count < 1_000_000) {
      for (const { partition, value } of await consumer.poll()) {
        assert.equal(Number(value), next[partition])
        next[partition] += 3
        count++
      }
    }
    await consumer.close()
    await producer.close()
  })
})

test('partlog clients share a group of an embedded cluster with kafkajs', async t => {
  const embedded = await Cluster.memory()
  const { bootstrap: brokers, socketFactory } = embedded
  await shareGroup(t, embedded, new Kafka({ brokers, socketFactory, logLevel: logLevel.NOTHING }))
  await embedded.close()
})

/** One member of each kind: all records once, offsets of one are the offsets of the other. */
async function shareGroup(t, cluster, kafka) {
  const topic = 'own-shared'
  await cluster.admin.createTopic({ topic, partitions: 4, replicationFactor: 1 })
  const isKnown = () =>
    cluster.admin.describeTopic(topic).then(
      ({ partitions }) => partitions.every(({ leader }) => leader >= 0),
      () => false,
    )
  await waitFor('the topic', isKnown) // a broker hears of it a little later
  const seen = { ours: [], theirs: [] }
  const theirs = kafka.consumer({
    groupId: 'own-both',
    heartbeatInterval: 200,
    sessionTimeout: 6_000,
    maxWaitTimeInMs: 100, // it waits for its open poll when it leaves or rebalances
  })
  t.after(() => theirs.disconnect())
  await theirs.connect()
  await theirs.subscribe({ topic, fromBeginning: true })
  await theirs.run({
    eachMessage: async ({ partition, message }) => {
      seen.theirs.push([partition, String(message.value)])
    },
  })
  const ours = cluster.consumer({
    ...member('own-both'),
    partitionAssignmentStrategy: ['RoundRobinAssigner'],
  })
  t.after(() => ours.close())
  await ours.subscribe([topic])
  const running = ours.run({
    eachRecord: ({ partition, value }) => void seen.ours.push([partition, value]),
  })
  const stable = async count => {
    const { state, members } = await cluster.admin.describeGroups(['own-both']).then(([group]) => group)
    return state === 'Stable' && members.length === count
  }
  await waitFor('a group of two', () => stable(2))
  assert.equal(ours.assignment().length, 2)
  const producer = cluster.producer()
  const send = async name => {
    const messages = Array.from({ length: 40 }, (_, at) => ({
      partition: at % 4,
      value: `${name}-${at}`,
    }))
    await producer.send({ topic, messages })
  }
  const all = () => [...seen.ours, ...seen.theirs].map(([, value]) => value)
  await send('one')
  await waitFor('the first records', () => all().length === 40)
  assert.deepEqual([seen.ours.length, seen.theirs.length], [20, 20])
  await theirs.disconnect() // commits
  await waitFor('ours alone', async () => (await stable(1)) && ours.assignment().length === 4)
  await send('two')
  await waitFor('the next records', () => all().length === 80)
  assert.equal(new Set(all()).size, 80) // none twice: each goes on where the other has committed
  await ours.close()
  await running
  const admin = kafka.admin()
  await admin.connect()
  const [{ partitions }] = await admin.fetchOffsets({ groupId: 'own-both', topics: [topic] })
  assert.deepEqual(
    partitions.map(({ offset }) => offset),
    ['20', '20', '20', '20'],
  )
  await admin.disconnect()
  await producer.close()
}

describe('partlog clients with names of their own', { skip: missingKafka() }, () => {
  const login = { username: 'alice', password: 'secret' }
  let broker
  let ports
  let folder
  let ca

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'partlog-tls-'))
    const store = join(folder, 'keys.p12')
    const keytool = (...words) => {
      const all = [...words, '-alias', 'k', '-keystore', store, '-storepass', 'changeit']
      const { status, stdout, stderr } = spawnSync('keytool', all, { encoding: 'utf8' })
      assert.equal(status, 0, stdout + stderr)
    }
    const names = ['-dname', 'CN=localhost', '-ext', 'SAN=dns:localhost', '-validity', '2']
    keytool('-genkeypair', '-keyalg', 'RSA', '-storetype', 'PKCS12', ...names)
    keytool('-exportcert', '-rfc', '-file', join(folder, 'ca.pem'))
    ca = readFileSync(join(folder, 'ca.pem'), 'utf8')
    const [sasl, ssl] = await freePorts(2)
    ports = { sasl, ssl }
    const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map(
      name => `${name}=[name=${login.username},password=${login.password}]`,
    )
    const listeners = { SASL_PLAINTEXT: sasl, SSL: ssl }
    broker = await startBroker({ listeners, scram, settings: guarded(store, login) })
  })
  after(async () => {
    await broker?.stop()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })

  test('with a password, for longer than the broker believes one', async () => {
    const bootstrapServers = `localhost:${ports.sasl}`
    const cluster = await connect({ bootstrapServers, sasl: { mechanism: 'plain', ...login } })
    const producer = cluster.producer()
    const until = Date.now() + 2_500 // connections.max.reauth.ms is 1,000
    while (Date.now() < until) {
      await producer.send({ topic: 'guarded', messages: [{ value: 'a' }] })
      await pause(20)
    }
    await cluster.close()
  })

  test('over TLS', async () => {
    const bootstrapServers = `localhost:${ports.ssl}`
    const cluster = await connect({ bootstrapServers, ssl: { ca } })
    await cluster.producer().send({ topic: 'secret', messages: [{ value: 'a' }] })
    await cluster.close()
    await assert.rejects(connect({ bootstrapServers, ssl: true }), { code: 'NETWORK_EXCEPTION' })
  })

  for (const mechanism of ['scram-sha-256', 'scram-sha-512']) {
    test(`with ${mechanism}`, async () => {
      const bootstrapServers = `localhost:${ports.sasl}`
      const sasl = { mechanism, ...login }
      const cluster = await connect({ bootstrapServers, sasl })
      await cluster.admin.listTopics()
      await cluster.close()
      const wrong = { ...sasl, password: 'no' }
      await assert.rejects(connect({ bootstrapServers, sasl: wrong }), {
        code: 'SASL_AUTHENTICATION_FAILED',
      })
    })
  }
})

/** What a broker needs to want a password at one port and to show a certificate at the other. */
function guarded(store, { username, password }) {
  const jaas = (name, module, users = '') => [
    `listener.name.sasl_plaintext.${name}.sasl.jaas.config`,
    `org.apache.kafka.common.security.${module} required${users};`,
  ]
  return {
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'connections.max.reauth.ms': 1_000,
    'ssl.keystore.location': store,
    'ssl.keystore.password': 'changeit',
    'ssl.key.password': 'changeit',
    'ssl.keystore.type': 'PKCS12',
    ...Object.fromEntries([
      jaas('plain', 'plain.PlainLoginModule', ` user_${username}="${password}"`),
      jaas('scram-sha-256', 'scram.ScramLoginModule'),
      jaas('scram-sha-512', 'scram.ScramLoginModule'),
    ]),
  }
}

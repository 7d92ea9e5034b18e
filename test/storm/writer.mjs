/**
 * A child: a cluster with writers, a group of two, compaction, retention and an admin. It says on
 * standard output, in calls that have returned before anything else happens, what it was promised:
 *
 *   o {…}                            the folder is open, with what recovery found
 *   a TOPIC PARTITION OFFSET KEY ID  a record is acknowledged
 *   f KEY ID CODE SENTENCE           a send was refused; whether it is in the log is not known
 *   n PARTITION OFFSET ID            the group has read a record
 *   c PARTITION OFFSET               the group has committed
 *   t+ TOPIC · t? TOPIC · t- TOPIC   a topic was made, is about to be deleted, was deleted
 *   e WHERE CODE                     something else was refused
 *   hogs N                           it has taken N descriptors, all that were left
 */

import { closeSync, openSync, writeSync } from 'node:fs'
import { Cluster } from '../../dist/index.js'
import { quickClock } from './quick-clock.mjs'
import { makeTopics } from './topics.mjs'

const { dir, run, brokers = 1, durability = 'power', port, ...options } = JSON.parse(process.argv[2])
const { speed = 100, deliveryTimeoutMs = 30_000, writers = 4, pauseMs = 0, records = Infinity } = options
const { makes = false, stays = false, sessionMs = 10_000 } = options
const { groups = true, admin = true, faults = true, bounces = false, hogs = false } = options

const say = line => writeSync(1, `${line}\n`)
const after = ms => new Promise(resolve => setTimeout(resolve, ms))
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const clock = quickClock(speed)

say(`pid ${process.pid}`)
const cluster = await Cluster.open({
  dir, durability, clock, logger: silent, groupMinSessionTimeoutMs: 300,
  replicaLagTimeMaxMs: 1_000 * speed, brokerSessionTimeoutMs: 1_000 * speed,
  ...(brokers === 1 ? {} : { brokers }),
})
const { wasClosedCleanly, offline, unknownFolders } = cluster.recovery
say(`o ${JSON.stringify({ wasClosedCleanly, offline: offline.map(String), unknownFolders })}`)
if (makes) await makeTopics(cluster)
if (port !== undefined) say(`at ${(await cluster.listen({ port: 0 })).bootstrap[0]}`)

const producer = cluster.producer({
  acks: 'all', deliveryTimeoutMs: deliveryTimeoutMs * speed, requestTimeoutMs: 500 * speed,
  maxBlockMs: deliveryTimeoutMs * speed,
})
/** Of each key the number of its next record. */
const next = new Map()
let sent = 0

async function send(topic, key) {
  const n = next.get(`${topic} ${key}`) ?? 0
  next.set(`${topic} ${key}`, n + 1)
  const id = `${run}.${n}`
  // A table also forgets keys; where a value is missing, the header has the id.
  const value = topic === 'table' && n % 5 === 4 ? null : id + ' '.repeat((n * 37) % 200)
  const messages = [{ key, value, headers: { id } }]
  try {
    const [place] = await producer.send({ topic, messages })
    say(`a ${topic} ${place.partition} ${place.offset} ${key} ${id}`)
  } catch (error) {
    say(`f ${topic} ${key} ${id} ${error.code ?? 'UNTYPED'} ${error.message.replaceAll('\n', ' ')}`)
    await after(20)
  }
}

/** Each writer has its keys; several records of one key are on their way at once. */
async function write(writer) {
  const topics = ['log', 'log', 'table', 'short']
  for (let turn = 0; sent < records; turn++) {
    const topic = topics[turn % topics.length]
    const count = 1 + ((turn * 7 + writer) % 5)
    sent += count
    const key = `k${writer}-${turn % 3}`
    await Promise.all(Array.from({ length: count }, () => send(topic, key)))
    if (pauseMs > 0) await after(pauseMs)
  }
}

async function read(member) {
  const consumer = cluster.consumer({
    groupId: 'g', clientId: `m${member}`, autoOffsetReset: 'earliest', enableAutoCommit: false,
    sessionTimeoutMs: sessionMs * speed, heartbeatIntervalMs: (sessionMs * speed) / 5, valueDeserializer: 'string',
  })
  let count = 0
  for (;;) {
    try {
      if (consumer.subscription().length === 0) await consumer.subscribe(['log'])
      for await (const record of consumer) {
        say(`n ${record.partition} ${record.offset} ${record.value.trimEnd()}`)
        if (++count % 5 !== 0) continue
        await consumer.commit({ records: [record] })
        say(`c ${record.partition} ${record.offset + 1}`)
      }
    } catch (error) {
      say(`e group ${error.code ?? error.stack.replaceAll('\n', ' ')}`)
      await after(20)
    }
  }
}

async function administer() {
  for (let n = 0; ; n++) {
    const topic = `made-${run}-${n}`
    try {
      await cluster.admin.createTopic({ topic, partitions: 2 })
      say(`t+ ${topic}`)
      await producer.send({ topic, messages: [{ value: 'x' }] })
      if (n % 3 !== 0) {
        say(`t? ${topic}`)
        await cluster.admin.deleteTopic(topic)
        say(`t- ${topic}`)
      }
    } catch (error) {
      say(`e admin ${error.code ?? error.stack.replaceAll('\n', ' ')}`)
    }
    await after(60)
  }
}

/** Answers get lost: what is sent again must be in the log once. */
async function lose() {
  for (;;) {
    await after(100)
    cluster.faults.clear()
    cluster.faults.on('produce').dropAnswer().times(2)
  }
}

async function bounce() {
  for (let id = 1; ; id = (id % brokers) + 1) {
    await after(150)
    await cluster.broker(id).kill()
    await after(50)
    await cluster.broker(id).start()
  }
}

/** Takes every descriptor that the process may have, and gives them back after a while. */
async function hog() {
  for (;;) {
    const taken = []
    try {
      for (;;) taken.push(openSync('/dev/null', 'r'))
    } catch {
      say(`hogs ${taken.length}`)
    }
    await after(400)
    for (const descriptor of taken) closeSync(descriptor)
    say('hogs 0')
    await after(400)
  }
}

const failed = error => {
  say(`e program ${error.stack.replaceAll('\n', ' ')}`)
  process.exit(3)
}
if (groups) for (const member of [1, 2]) read(member).catch(failed)
if (admin) administer().catch(failed)
if (faults) lose().catch(failed)
if (hogs) hog().catch(failed)
if (bounces && brokers > 1) bounce().catch(failed)
const writing = Promise.all(Array.from({ length: writers }, (_, index) => write(index)))
await writing.catch(failed)
if (stays) {
  say('written')
  await new Promise(() => undefined)
}
await cluster.close()
say('closed')
process.exit(0)

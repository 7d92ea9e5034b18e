// How fast kafkajs is on partlog: without a port, over TCP and, side by side in the same run, on a
// broker of your own. Here client and cluster share one thread, a broker elsewhere has its own.
//
//   npm --prefix test/compat run bench -- [--broker host:port] [--records 50000] [--runs 5]

import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import kafkajs from 'kafkajs'
import { Cluster } from './partlog.mjs'

const { Kafka, logLevel, Partitioners } = kafkajs

const { values: options } = parseArgs({
  options: {
    broker: { type: 'string' },
    records: { type: 'string', default: '50000' },
    runs: { type: 'string', default: '5' },
    // One first message in a process of its own, for the figures of cold starts.
    first: { type: 'string' },
  },
})
const RECORDS = Number(options.records)
const RUNS = Number(options.runs)
const RECORD_BYTES = 200
const BATCH_RECORDS = 1_000
const PARTITIONS = 3

/** What a client connects to. */
const PLACES = {
  'port-less': async () => {
    const cluster = await Cluster.memory({ defaultPartitions: PARTITIONS })
    const { bootstrap: brokers, socketFactory } = cluster
    return { brokers, socketFactory, close: () => cluster.close() }
  },
  tcp: async () => {
    const cluster = await Cluster.memory({ defaultPartitions: PARTITIONS })
    const { bootstrap } = await cluster.listen({ port: 0 })
    return { brokers: [...bootstrap], close: () => cluster.close() }
  },
  ...(options.broker === undefined
    ? {}
    : { broker: async () => ({ brokers: [options.broker], close: async () => {} }) }),
}

const median = values => values.toSorted((a, b) => a - b)[values.length >> 1]

/** Opens a place, a topic of its own and a client; closes them after `work`. */
async function within(openPlace, work) {
  const { close, ...place } = await openPlace()
  const kafka = new Kafka({ clientId: 'bench', logLevel: logLevel.NOTHING, ...place })
  const clients = []
  const open = async client => {
    clients.push(client)
    await client.connect()
    return client
  }
  try {
    return await work({
      topic: `bench-${randomUUID()}`,
      producer: () => open(kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })),
      consumer: () => open(kafka.consumer({ groupId: `bench-${randomUUID()}` })),
    })
  } finally {
    for (const client of clients) await client.disconnect()
    await close()
  }
}

/** From nothing to the first message in the hands of a group, in milliseconds. */
async function firstMessage(openPlace) {
  const startedMs = performance.now()
  return await within(openPlace, async ({ topic, producer, consumer }) => {
    const sender = await producer()
    await sender.send({ topic, messages: [{ value: 'first' }] })
    const reader = await consumer()
    await reader.subscribe({ topic, fromBeginning: true })
    await new Promise((resolve, reject) => {
      reader.run({ eachMessage: async () => resolve() }).catch(reject)
    })
    return performance.now() - startedMs
  })
}

/** As in a test file that begins: another process, in which nothing is compiled yet. */
function coldFirstMessage(name) {
  const broker = options.broker === undefined ? [] : ['--broker', options.broker]
  const args = [fileURLToPath(import.meta.url), '--first', name, ...broker]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return Number(stdout)
}

/** Records per second, sent in batches and read in batches. */
async function throughput(openPlace) {
  return await within(openPlace, async ({ topic, producer, consumer }) => {
    const messages = Array.from({ length: BATCH_RECORDS }, (_, n) => ({
      key: `key-${n}`,
      value: Buffer.alloc(RECORD_BYTES, 97 + (n % 26)),
    }))
    const sender = await producer()
    await sender.send({ topic, messages: messages.slice(0, 1) })
    const sendingMs = performance.now()
    for (let sent = 0; sent < RECORDS; sent += BATCH_RECORDS) await sender.send({ topic, messages })
    const produced = RECORDS / (performance.now() - sendingMs)

    const reader = await consumer()
    await reader.subscribe({ topic, fromBeginning: true })
    let seen = 0
    let readingMs
    await new Promise((resolve, reject) => {
      const eachBatch = async ({ batch }) => {
        readingMs ??= performance.now()
        seen += batch.messages.length
        if (seen > RECORDS) resolve()
      }
      reader.run({ eachBatch }).catch(reject)
    })
    return {
      produced: produced * 1_000,
      consumed: (seen / (performance.now() - readingMs)) * 1_000,
    }
  })
}

/** Runs of the places take turns, so that whatever else the machine does hits all of them. */
async function measure() {
  const rows = Object.fromEntries(
    Object.keys(PLACES).map(name => [name, { cold: [], warm: [], produced: [], consumed: [] }]),
  )
  for (let run = 0; run < RUNS; run++) {
    for (const [name, openPlace] of Object.entries(PLACES)) {
      const row = rows[name]
      row.cold.push(coldFirstMessage(name))
      row.warm.push(await firstMessage(openPlace))
      const { produced, consumed } = await throughput(openPlace)
      row.produced.push(produced)
      row.consumed.push(consumed)
    }
  }
  return rows
}

function report(rows) {
  const names = Object.keys(rows)
  const line = (what, textOf) => {
    const cells = names.map(name => textOf(rows[name]).padStart(22)).join('')
    console.log(`${what.padEnd(38)}${cells}`)
  }
  const speed = values => {
    const perSecond = median(values)
    const megabytes = (perSecond * RECORD_BYTES) / 1e6
    return `${Math.round(perSecond).toLocaleString('en-US')}/s ${megabytes.toFixed(0)} MB/s`
  }
  const took = values => `${median(values).toFixed(0)} ms`
  console.log(`${RECORDS} records of ${RECORD_BYTES} bytes, medians of ${RUNS}`)
  console.log(`${' '.repeat(38)}${names.map(name => name.padStart(22)).join('')}`)
  line('first message of a group, new process', row => took(row.cold))
  line('first message of a group, again', row => took(row.warm))
  line(`send, ${BATCH_RECORDS} at once`, row => speed(row.produced))
  line('eachBatch', row => speed(row.consumed))
}

if (options.first !== undefined) console.log(await firstMessage(PLACES[options.first]))
else report(await measure())

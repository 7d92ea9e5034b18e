/** Sessions through the recording proxy, at a real broker and at partlog with one broker. */

import * as kafkajs from '../clients/kafkajs.mjs'
import { freePorts, startBroker } from '../kafka/broker.mjs'
import { Cluster } from '../partlog.mjs'
import { runSession } from '../session.mjs'
import { BROKER_SETTINGS, PARTITIONS } from '../targets.mjs'
import { startProxy } from './proxy.mjs'

/** kcat and NestJS speak through librdkafka and kafkajs: nothing of their own to be recorded. */
export const CLIENTS = [
  ['kafkajs', () => import('../clients/kafkajs.mjs')],
  ['platformatic', () => import('../clients/platformatic.mjs')],
  ['confluent-node', () => import('../clients/confluent-node.mjs')],
  ['confluent-python', async () => (await import('../clients/confluent-python.mjs')).client],
  ['kafka-python', async () => (await import('../clients/kafka-python.mjs')).client],
]

/** Every client's session at a broker of its own; a client that is missing is left out. */
export async function recordAll(record) {
  const all = []
  for (const [name, load] of CLIENTS) {
    const client = await load()
    const missing = client.missing()
    if (missing === undefined) all.push({ name, events: await record(client) })
    else console.error(`${name} is left out: ${missing}`)
  }
  return all
}

export async function recordAtKafka(client) {
  const [port] = await freePorts(1)
  const broker = await startBroker({ advertisedPort: port, settings: BROKER_SETTINGS })
  try {
    return await recorded(client, { port, target: { host: '127.0.0.1', port: broker.port } })
  } finally {
    await broker.stop()
  }
}

/** partlog listens at the same port of another address of this machine, and tells the proxy's. */
export async function recordAtPartlog(client) {
  const cluster = await Cluster.memory({ brokers: 1, defaultPartitions: PARTITIONS })
  try {
    const behind = { host: '127.0.0.2', advertisedHost: '127.0.0.1' }
    const { bootstrap } = await cluster.listen({ port: 0, ...behind })
    const port = Number(bootstrap[0].split(':')[1])
    return await recorded(client, { port, target: { host: behind.host, port } })
  } finally {
    await cluster.close()
  }
}

async function recorded(client, { port, target }) {
  const events = []
  const proxy = await startProxy({ port, target, onFrame: event => events.push(event) })
  try {
    const place = { bootstrap: [`127.0.0.1:${port}`], replicas: 1 }
    // A broker that has just started says that its coordinators are loading: not of interest here.
    await runSession(kafkajs.connect(place), place, 'warm')
    events.length = 0
    await runSession(await client.connect(place), place, 'golden')
    return exchanges(events)
  } finally {
    await proxy.close()
  }
}

/**
 * The events in their order, as `{ connection, kind, id, api, version, bytes }`: a response has the
 * number, API and version of its request.
 */
function exchanges(events) {
  const open = new Map()
  let lastId = 0
  return events.map(({ connection, kind, bytes }) => {
    const correlation = bytes.readInt32BE(kind === 'request' ? 4 : 0)
    const key = `${connection}/${correlation}`
    if (kind === 'request') {
      const head = { id: ++lastId, api: bytes.readInt16BE(0), version: bytes.readInt16BE(2) }
      open.set(key, head)
    }
    return { connection, kind, ...open.get(key), bytes }
  })
}

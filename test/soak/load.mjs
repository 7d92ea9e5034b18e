/**
 * What runs during a soak: writers at a steady pace, two groups, compaction, retention, an admin
 * that makes and deletes topics, a member that comes and goes, and readers of the folder that live
 * for a moment, in processes of their own.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Cluster } from '../../dist/index.js'
import { quickClock } from '../storm/quick-clock.mjs'

const MIB = 1024 * 1024
const TOPICS = {
  events: { 'segment.bytes': MIB, 'retention.bytes': 4 * MIB, 'file.delete.delay.ms': 1_000 },
  table: {
    'segment.bytes': MIB, 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': 0.3,
    'file.delete.delay.ms': 1_000,
  },
}
const PARTITIONS = 3
const KEYS = 2_000
const TICK_MS = 10
const MADE_EVERY_MS = 1_000
const MEMBER_EVERY_MS = 5_000
const READER_EVERY_MS = 5_000
const READER = fileURLToPath(new URL('reader.mjs', import.meta.url))

/** Starts everything; `counts` goes up while it runs. `stop` ends it and closes the cluster. */
export async function startLoad({ dir, rate, speed }) {
  const counts = { acked: 0, read: 0, topics: 0, members: 0, readers: 0 }
  const clock = quickClock(speed)
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  const cluster = await Cluster.open({ dir, clock, logger: silent })
  for (const [topic, config] of Object.entries(TOPICS)) {
    await cluster.admin.createTopic({ topic, partitions: PARTITIONS, config })
  }
  const ending = new AbortController()
  const context = { cluster, clock, counts, rate, speed, dir, signal: ending.signal }
  let failure
  const parts = [write, administer, comeAndGo, forkReaders, readOneByOne, readByPoll]
  const running = parts.map(part =>
    part(context).catch(error => {
      failure ??= error
    }),
  )
  return {
    counts,
    get failure() {
      return failure
    },
    async stop() {
      ending.abort()
      await Promise.all(running)
      await cluster.close()
    },
  }
}

/** Real milliseconds, whatever the speed of the cluster's clock. */
function pause(ms, signal) {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}

async function write({ cluster, counts, rate, signal }) {
  const producer = cluster.producer()
  const began = performance.now()
  let sent = 0
  while (!signal.aborted) {
    const due = Math.floor(((performance.now() - began) / 1_000) * rate)
    const sends = []
    // What the machine could not do in time is caught up in steps.
    for (const end = Math.min(due, sent + rate); sent < end; sent++) {
      const topic = sent % 4 === 0 ? 'table' : 'events'
      const key = `key-${(sent * 7919) % KEYS}`
      sends.push(producer.send({ topic, messages: [{ key, value: `${sent}`.padEnd(100, '.') }] }))
    }
    await Promise.all(sends)
    counts.acked += sends.length
    await pause(TICK_MS, signal)
  }
}

function consumerOf({ cluster, speed }, groupId, options = {}) {
  const sessionTimeoutMs = Math.min(45_000 * speed, 1_800_000)
  return cluster.consumer({ groupId, autoOffsetReset: 'earliest', sessionTimeoutMs, ...options })
}

async function readOneByOne(context) {
  const { counts, signal } = context
  const consumer = consumerOf(context, 'one-by-one', { autoCommitIntervalMs: 5_000 })
  await consumer.subscribe(['events', 'table'])
  await consumer.run({ eachRecord: () => void counts.read++, signal })
}

async function readByPoll(context) {
  const { signal, speed } = context
  const consumer = consumerOf(context, 'polls', { enableAutoCommit: false })
  await consumer.subscribe(['events'])
  while (!signal.aborted) {
    const records = await consumer.poll({ timeoutMs: 200 * speed })
    if (records.length > 0) await consumer.commit()
  }
}

/** A member joins, reads a little and leaves: two rebalances each time. */
async function comeAndGo(context) {
  const { counts, signal, speed } = context
  while (!signal.aborted) {
    await pause(MEMBER_EVERY_MS, signal)
    if (signal.aborted) return
    const consumer = consumerOf(context, 'polls', { enableAutoCommit: false })
    await consumer.subscribe(['events'])
    await consumer.poll({ timeoutMs: 200 * speed })
    await consumer.close()
    counts.members++
  }
}

async function administer({ cluster, counts, signal }) {
  const producer = cluster.producer()
  while (!signal.aborted) {
    const topic = `made-${counts.topics}`
    await cluster.admin.createTopic({ topic, partitions: 2 })
    await producer.send({ topic, messages: [{ value: 'x' }] })
    await cluster.admin.deleteTopic(topic)
    counts.topics++
    await pause(MADE_EVERY_MS, signal)
  }
}

async function forkReaders({ dir, counts, signal }) {
  while (!signal.aborted) {
    await pause(READER_EVERY_MS, signal)
    if (signal.aborted) return
    const reader = spawn(process.execPath, [READER, dir], { stdio: ['ignore', 'ignore', 'pipe'] })
    let errors = ''
    reader.stderr.on('data', chunk => (errors += chunk))
    const [code] = await once(reader, 'close')
    if (code !== 0) throw new Error(`a reader of the folder failed: ${errors}`)
    counts.readers++
  }
}

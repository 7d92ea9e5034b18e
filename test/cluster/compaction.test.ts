/** Compacted topics, from the outside. */

import { describe, expect, it, onTestFinished } from 'vitest'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { parseOffsets } from '../../src/log/format/checkpoints.js'
import { inspectPartition } from '../../src/log/inspection/verify-log.js'
import { settle } from '../crash/harness.js'

const COMPACT = {
  'cleanup.policy': 'compact',
  'min.cleanable.dirty.ratio': 0,
  'internal.segment.bytes': 600,
  'index.interval.bytes': 100,
} as const
const ORDERS = { topic: 'orders', partition: 0 }

interface World {
  readonly disk: MemoryDisk
  readonly clock: VirtualClock
  cluster: Cluster
}

async function world(options: object = {}): Promise<World> {
  const disk = new MemoryDisk()
  const clock = new VirtualClock()
  const cluster = await Cluster.onDisk(disk, { clock, ...options })
  const w = { disk, clock, cluster }
  onTestFinished(() => w.cluster.close())
  return w
}

/** Five keys, each written over and over. */
async function send(cluster: Cluster, count: number, from = 0): Promise<void> {
  const producer = cluster.producer()
  for (let n = from; n < from + count; n++) {
    await producer.send({ topic: 'orders', messages: [{ key: `k${n % 5}`, value: `${n}` }] })
  }
}

async function linesIn(cluster: Cluster): Promise<string[]> {
  const consumer = cluster.consumer({
    autoOffsetReset: 'earliest',
    keyDeserializer: 'string',
    valueDeserializer: 'string',
  })
  await consumer.assign([ORDERS])
  const [end] = await consumer.endOffsets([ORDERS])
  const lines: string[] = []
  while ((await consumer.position(ORDERS)) < (end?.offset ?? 0)) {
    for (const { offset, key, value } of await consumer.poll()) {
      lines.push(`${offset}:${key}=${value}`)
    }
  }
  await consumer.close()
  return lines
}

/** Gives housekeeping its time, and what it does its turns. */
async function pass(clock: VirtualClock, ms = 15_000): Promise<void> {
  await clock.advance(ms)
  for (let turn = 0; turn < 20; turn++) await settle()
}

async function firstDirty(disk: MemoryDisk, broker: number, topic: string): Promise<number> {
  const path = `broker-${broker}/cleaner-offset-checkpoint`
  if (!disk.exists(path)) return -1
  const text = (await disk.open(path).read(0, 10_000)).toString()
  return parseOffsets(text).get(`${topic}-0`) ?? -1
}

describe('a compacted topic', () => {
  it('a compacted topic keeps the latest record of each key, also after a restart', async () => {
    const w = await world()
    await w.cluster.admin.createTopic({ topic: 'orders', config: COMPACT })
    await send(w.cluster, 60)
    expect(await linesIn(w.cluster)).toHaveLength(60)
    await pass(w.clock)
    const lines = await linesIn(w.cluster)
    expect(lines.length).toBeLessThan(20)
    expect(lines.slice(-5)).toEqual([55, 56, 57, 58, 59].map(n => `${n}:k${n % 5}=${n}`))
    expect(await firstDirty(w.disk, 1, 'orders')).toBeGreaterThan(0)

    await w.cluster.close()
    expect((await inspectPartition(w.disk, 'broker-1/orders-0')).problems).toEqual([])
    w.cluster = await Cluster.onDisk(w.disk, { clock: w.clock })
    expect(w.cluster.recovery).toMatchObject({ findings: [], offline: [] })
    expect(await linesIn(w.cluster)).toEqual(lines)
    await send(w.cluster, 1, 60)
    expect((await linesIn(w.cluster)).at(-1)).toBe('60:k0=60')
  })

  it('a compacted topic refuses records without a key, and deleteRecords', async () => {
    const { cluster } = await world()
    await cluster.admin.createTopic({ topic: 'orders', config: COMPACT })
    const keyless = cluster.producer().send({ topic: 'orders', messages: [{ value: 'x' }] })
    await expect(keyless).rejects.toMatchObject({ code: 'INVALID_RECORD' })
    await send(cluster, 3)
    const deleting = cluster.admin.deleteRecords({ ...ORDERS, offset: 2 })
    await expect(deleting).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
    await cluster.admin.alterConfig('orders', { 'cleanup.policy': 'compact,delete' })
    await cluster.admin.deleteRecords({ ...ORDERS, offset: 2 })
    expect(await linesIn(cluster)).toEqual(['2:k2=2'])
  })

  it('a compacted topic keeps old records; compact,delete does not', async () => {
    const w = await world()
    const config = { ...COMPACT, 'retention.ms': 100_000 }
    await w.cluster.admin.createTopic({ topic: 'orders', config })
    await send(w.cluster, 30)
    await pass(w.clock, 700_000)
    const first = (lines: readonly string[]): number => Number(lines[0]?.split(':')[0])
    const lines = await linesIn(w.cluster)
    expect(lines.at(-1)).toBe('29:k4=29')
    expect(lines.length).toBeGreaterThanOrEqual(5)
    const [start] = await w.cluster.admin.listOffsets('orders', 'earliest')
    expect(start?.offset).toBe(0)
    await w.cluster.admin.alterConfig('orders', { 'cleanup.policy': 'compact,delete' })
    await send(w.cluster, 20, 30)
    await pass(w.clock, 700_000)
    await send(w.cluster, 1, 50)
    const left = await linesIn(w.cluster)
    expect(first(left)).toBeGreaterThan(29)
    expect(left.at(-1)).toBe('50:k0=50')
  })

  it('a topic that is no longer compacted keeps its gaps', async () => {
    const w = await world()
    await w.cluster.admin.createTopic({ topic: 'orders', config: COMPACT })
    await send(w.cluster, 60)
    await pass(w.clock)
    const lines = await linesIn(w.cluster)
    await w.cluster.admin.alterConfig('orders', { 'cleanup.policy': 'delete' })
    expect(await linesIn(w.cluster)).toEqual(lines)
    await w.cluster.close()
    w.cluster = await Cluster.onDisk(w.disk, { clock: w.clock })
    expect(await linesIn(w.cluster)).toEqual(lines)
    expect((await inspectPartition(w.disk, 'broker-1/orders-0')).problems).toEqual([])
  })

  it('each broker with a replica compacts it', async () => {
    const w = await world({ brokers: 3 })
    await w.cluster.admin.createTopic({
      topic: 'orders',
      assignment: [[1, 2, 3]],
      config: COMPACT,
    })
    await send(w.cluster, 60)
    await pass(w.clock, 61_000)
    for (const broker of [1, 2, 3]) {
      expect(await firstDirty(w.disk, broker, 'orders')).toBeGreaterThan(0)
    }
    const lines = await linesIn(w.cluster)
    expect(lines.length).toBeLessThan(20)
    // A broker that lost everything copies what is left, over the gaps; and may lead.
    await w.cluster.broker(3).stop()
    await w.disk.remove('broker-3')
    await w.cluster.broker(3).start()
    await send(w.cluster, 1, 60)
    await pass(w.clock, 61_000)
    await w.cluster.broker(1).stop()
    await w.cluster.broker(2).stop()
    expect((await linesIn(w.cluster)).slice(-6)).toEqual([...lines.slice(-5), '60:k0=60'])
    const { problems } = await inspectPartition(w.disk, 'broker-3/orders-0')
    expect(problems).toEqual([])
  })
})

describe('__consumer_offsets', () => {
  it('groups keep their offsets when __consumer_offsets is compacted', async () => {
    const w = await world()
    await w.cluster.admin.createTopic({ topic: 'orders' })
    const commit = async (groupId: string, offset: number): Promise<void> => {
      const consumer = w.cluster.consumer({ groupId })
      await consumer.commit({ offsets: [{ ...ORDERS, offset }] })
      await consumer.close()
    }
    await commit('billing', 0)
    const settings = await w.cluster.admin.describeConfig('__consumer_offsets')
    const valueOf = (name: string) => settings.find(setting => setting.name === name)?.value
    expect([valueOf('cleanup.policy'), valueOf('segment.bytes')]).toEqual(['compact', '104857600'])
    const { 'cleanup.policy': _, ...small } = COMPACT
    await w.cluster.admin.alterConfig('__consumer_offsets', small)
    for (let offset = 1; offset <= 30; offset++) await commit('billing', offset)
    await commit('shipping', 7)
    for (let offset = 31; offset <= 60; offset++) await commit('billing', offset)
    await pass(w.clock, 61_000)
    expect(await firstDirty(w.disk, 1, '__consumer_offsets')).toBeGreaterThan(0)
    const places = async (): Promise<unknown[]> =>
      await Promise.all(
        ['billing', 'shipping'].map(
          async group => (await w.cluster.admin.listGroupOffsets(group))[0]?.offset,
        ),
      )
    expect(await places()).toEqual([60, 7])
    await w.cluster.close()
    w.cluster = await Cluster.onDisk(w.disk, { clock: w.clock })
    expect(await places()).toEqual([60, 7])
  })
})

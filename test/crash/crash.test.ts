/** Acknowledged changes survive any crash. One scenario per kind of change. */

import { describe, expect, it, vi } from 'vitest'
import type { Cluster } from '../../src/cluster/cluster.js'
import { enumerateCrashes, type Scenario, type World } from './harness.js'

/** Thousands of openings each, on a machine that may have other work. */
vi.setConfig({ testTimeout: 600_000 }) // far above what a loaded machine costs

const SMALL = { 'internal.segment.bytes': 400, 'index.interval.bytes': 100, 'retention.ms': -1 }

/** Values sent in order, and how many of them were acknowledged. */
interface Sent {
  values: string[]
  acknowledged: number
}

const sent = (): Sent => ({ values: [], acknowledged: 0 })

async function createOrders({ cluster }: World<unknown>): Promise<void> {
  await cluster.admin.createTopic({ topic: 'orders', config: SMALL })
}

/** Sends values one after the other, each acknowledged before the next. */
async function sendOneByOne(world: World<Sent>, count: number): Promise<void> {
  const producer = world.cluster.producer()
  for (let index = 0; index < count; index++) {
    const value = `v${world.promised.values.length}`
    world.promised.values.push(value)
    await producer.send({ topic: 'orders', messages: [{ value }] })
    world.promised.acknowledged = world.promised.values.length
  }
}

/** Everything in a partition, as `offset:value`. */
async function readAll(cluster: Cluster, topic = 'orders', partition = 0): Promise<string[]> {
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest', valueDeserializer: 'string' })
  await consumer.assign([{ topic, partition }])
  const [end] = await consumer.endOffsets([{ topic, partition }])
  const lines: string[] = []
  while ((await consumer.position({ topic, partition })) < (end?.offset ?? 0)) {
    for (const record of await consumer.poll()) lines.push(`${record.offset}:${record.value}`)
  }
  await consumer.close()
  return lines
}

/** The log is a prefix of what was sent, and holds at least what was acknowledged. */
async function checkSent({ cluster, promised }: World<Sent>): Promise<void> {
  const expected = promised.values.map((value, offset) => `${offset}:${value}`)
  const found = await readAll(cluster)
  expect(found).toEqual(expected.slice(0, found.length))
  expect(found.length).toBeGreaterThanOrEqual(promised.acknowledged)
}

async function exists(cluster: Cluster, topic: string): Promise<boolean> {
  return (await cluster.admin.listTopics()).includes(topic)
}

async function run<P>(scenario: Scenario<P>): Promise<void> {
  const { crashes, opened, openedTwice } = await enumerateCrashes(scenario)
  // A scenario without crashes proves nothing.
  expect(crashes).toBeGreaterThan(0)
  expect(opened).toBeGreaterThan(crashes)
  expect(openedTwice).toBeGreaterThan(opened)
}

describe('crashes', () => {
  it('no crash while appending breaks a promise', async () => {
    await run<Sent>({
      promises: sent,
      prepare: createOrders,
      act: world => sendOneByOne(world, 4),
      check: checkSent,
    })
  })

  it('no crash while batches share a sync breaks a promise', async () => {
    await run<Sent>({
      promises: sent,
      prepare: createOrders,
      act: async world => {
        const producer = world.cluster.producer({ batchSize: 100 })
        for (let round = 0; round < 3; round++) {
          const values = Array.from({ length: 8 }, (_, i) => `v${round * 8 + i}`)
          world.promised.values.push(...values)
          await producer.send({ topic: 'orders', messages: values.map(value => ({ value })) })
          world.promised.acknowledged = world.promised.values.length
        }
      },
      check: checkSent,
    })
  })

  it('no crash while segments roll breaks a promise', async () => {
    await run<Sent>({
      promises: sent,
      prepare: async world => {
        await createOrders(world)
        await sendOneByOne(world, 4)
      },
      act: world => sendOneByOne(world, 12),
      check: checkSent,
    })
  })

  it('no crash while checkpoints are written breaks a promise', async () => {
    await run<Sent>({
      promises: sent,
      prepare: async world => {
        await createOrders(world)
        await sendOneByOne(world, 7)
      },
      act: async world => {
        await world.clock.advance(61_000)
        await sendOneByOne(world, 2)
      },
      check: checkSent,
    })
  })

  it('no crash during retention breaks a promise', async () => {
    await run<Sent & { firstKept: number }>({
      promises: () => ({ ...sent(), firstKept: 0 }),
      prepare: async world => {
        const config = { ...SMALL, 'retention.bytes': 500, 'file.delete.delay.ms': 1000 }
        await world.cluster.admin.createTopic({ topic: 'orders', config })
        await sendOneByOne(world, 20)
      },
      act: async world => {
        await world.clock.advance(31_000)
        await world.clock.advance(2_000)
        await sendOneByOne(world, 2)
      },
      check: async ({ cluster, promised }) => {
        const found = await readAll(cluster)
        const expected = promised.values.map((value, offset) => `${offset}:${value}`)
        const first = Number(found[0]?.split(':')[0])
        expect(found).toEqual(expected.slice(first, first + found.length))
        expect(first + found.length).toBeGreaterThanOrEqual(promised.acknowledged)
        // Retention keeps at least this much: the last 500 bytes are about seven records.
        expect(first).toBeLessThanOrEqual(promised.values.length - 7)
      },
    })
  })

  it('no crash while a topic is created breaks a promise', async () => {
    await run<{ created: boolean }>({
      promises: () => ({ created: false }),
      act: async ({ cluster, promised }) => {
        await cluster.admin.createTopic({ topic: 'orders', partitions: 3 })
        promised.created = true
      },
      check: async ({ cluster, promised }) => {
        if (promised.created) expect(await exists(cluster, 'orders')).toBe(true)
        if (!(await exists(cluster, 'orders'))) return
        const { partitions } = await cluster.admin.describeTopic('orders')
        expect(partitions).toHaveLength(3)
        await cluster.producer().send({ topic: 'orders', messages: [{ value: 'x', partition: 2 }] })
        expect(await readAll(cluster, 'orders', 2)).toEqual(['0:x'])
      },
    })
  })

  it('no crash while a topic is deleted and recreated breaks a promise', async () => {
    await run<{ state: 'first' | 'deleted' | 'second'; attempted: boolean }>({
      promises: () => ({ state: 'first', attempted: false }),
      prepare: async ({ cluster }) => {
        await cluster.admin.createTopic({ topic: 'orders', config: SMALL })
        const messages = Array.from({ length: 8 }, (_, i) => ({ value: `first${i}` }))
        await cluster.producer({ batchSize: 100 }).send({ topic: 'orders', messages })
      },
      act: async ({ cluster, clock, promised }) => {
        await clock.advance(61_000)
        promised.attempted = true
        await cluster.admin.deleteTopic('orders')
        promised.state = 'deleted'
        await cluster.admin.createTopic({ topic: 'orders' })
        await cluster.producer().send({ topic: 'orders', messages: [{ value: 'second' }] })
        promised.state = 'second'
      },
      check: async ({ cluster, promised }) => {
        const isThere = await exists(cluster, 'orders')
        if (promised.state === 'second') {
          expect(await readAll(cluster)).toEqual(['0:second'])
        } else if (promised.state === 'deleted') {
          // Not a single record of the first one comes back.
          if (isThere) expect(['', '0:second']).toContain((await readAll(cluster)).join())
        } else if (!promised.attempted || isThere) {
          expect(await readAll(cluster)).toHaveLength(8)
        }
        await cluster.producer().send({ topic: 'orders', messages: [{ value: 'more' }] })
        expect((await readAll(cluster)).at(-1)).toMatch(/:more$/)
      },
    })
  })

  it('no crash while partitions are added or settings change breaks a promise', async () => {
    await run<{ partitions: number; retention: string }>({
      promises: () => ({ partitions: 1, retention: '-1' }),
      prepare: createOrders,
      act: async ({ cluster, promised }) => {
        await cluster.admin.createPartitions({ topic: 'orders', partitions: 3 })
        promised.partitions = 3
        await cluster.admin.alterConfig('orders', { 'retention.ms': 1000 })
        promised.retention = '1000'
      },
      check: async ({ cluster, promised }) => {
        const { partitions } = await cluster.admin.describeTopic('orders')
        expect([1, 3]).toContain(partitions.length)
        expect(partitions.length).toBeGreaterThanOrEqual(promised.partitions)
        const settings = await cluster.admin.describeConfig('orders')
        const retention = settings.find(setting => setting.name === 'retention.ms')?.value
        expect(promised.retention === '1000' ? ['1000'] : ['-1', '1000']).toContain(retention)
      },
    })
  })

  it('no crash while offsets are committed breaks a promise', async () => {
    await run<{ committed: number; attempted: number }>({
      promises: () => ({ committed: -1, attempted: -1 }),
      prepare: createOrders,
      act: async ({ cluster, promised }) => {
        const consumer = cluster.consumer({ groupId: 'billing' })
        for (const offset of [3, 5, 4]) {
          promised.attempted = offset
          await consumer.commit({ offsets: [{ topic: 'orders', partition: 0, offset }] })
          promised.committed = offset
        }
      },
      check: async ({ cluster, promised }) => {
        const [found] = await cluster.admin.listGroupOffsets('billing')
        const allowed = [promised.committed, promised.attempted]
        expect(allowed).toContain(found?.offset ?? -1)
      },
    })
  })

  it('no crash while records are deleted breaks a promise', async () => {
    await run<Sent & { start: number; attempted: number }>({
      promises: () => ({ ...sent(), start: 0, attempted: 0 }),
      prepare: async world => {
        await createOrders(world)
        await sendOneByOne(world, 12)
      },
      act: async ({ cluster, clock, promised }) => {
        for (const offset of [3, 8]) {
          promised.attempted = offset
          await cluster.admin.deleteRecords({ topic: 'orders', partition: 0, offset })
          promised.start = offset
        }
        await clock.advance(31_000)
      },
      check: async ({ cluster, promised }) => {
        const found = await readAll(cluster)
        const expected = promised.values.map((value, offset) => `${offset}:${value}`)
        const first = expected.length - found.length
        expect(found).toEqual(expected.slice(first))
        expect([promised.start, promised.attempted]).toContain(first)
      },
    })
  })

  it('no crash during close breaks a promise', async () => {
    await run<Sent>({
      promises: sent,
      prepare: async world => {
        await createOrders(world)
        await sendOneByOne(world, 7)
      },
      act: world => world.cluster.close(),
      check: checkSent,
    })
  })
})

describe('in process mode', () => {
  it('a power cut in process mode may remove a suffix, never leave a hole', async () => {
    await run<Sent>({
      options: { durability: 'process' },
      promises: sent,
      prepare: createOrders,
      act: world => sendOneByOne(world, 12),
      check: async ({ cluster, promised }) => {
        if (!(await exists(cluster, 'orders'))) return expect.fail('the topic was durable')
        const found = await readAll(cluster)
        const expected = promised.values.map((value, offset) => `${offset}:${value}`)
        expect(found).toEqual(expected.slice(0, found.length))
      },
    })
  })
})

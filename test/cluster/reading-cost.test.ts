/** What reading costs, counted: bytes from the disk, and fetches. Nothing here is timed. */

import { createHook } from 'node:async_hooks'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { Cluster, type ConsumerOptions, type ConsumerRecord } from '../../src/index.js'
import { settle } from '../client/world.js'
import { countingDisk } from '../disk/counting.js'

const place = { topic: 't', partition: 0 }
const BATCHES = 300
const PER_BATCH = 100
const RECORDS = BATCHES * PER_BATCH
/** One batch of the log below. */
const BATCH_BYTES = 11_000
const valueAt = (offset: number): string => `${offset}`.padStart(100)

/** 3 MB in batches of 100 records, and a consumer of it. */
async function world(maxPollRecords = 1, options: ConsumerOptions<never, never> = {}) {
  const { disk, counts } = countingDisk(new MemoryDisk())
  const clock = new VirtualClock()
  const cluster = await Cluster.onDisk(disk, { clock })
  onTestFinished(() => cluster.close())
  await cluster.admin.createTopic({ topic: 't' })
  const producer = cluster.producer()
  for (let n = 0; n < BATCHES; n++) {
    const values = Array.from({ length: PER_BATCH }, (_, index) => valueAt(n * PER_BATCH + index))
    await producer.send({ topic: 't', messages: values.map(value => ({ value })) })
  }
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest', maxPollRecords, ...options })
  await consumer.assign([place])
  const read = async (offset: number): Promise<void> => {
    consumer.seek({ ...place, offset })
    const [record] = await consumer.poll()
    expect(record?.offset).toBe(offset)
  }
  await read(RECORDS / 2) // loads the index
  const costOf = async (work: () => Promise<void>): Promise<typeof counts> => {
    await settle(clock)
    counts.bytes = counts.calls = 0
    await work()
    await settle(clock) // nothing is fetched ahead in the background either
    return { ...counts }
  }
  return { cluster, consumer, producer, read, costOf }
}

describe('a reader that is moved for each record', () => {
  it('a reader that is moved for each record has one batch and a few headers read for a record anywhere', async () => {
    const { read, costOf } = await world()
    const random = seededRandom(3)
    for (let n = 0; n < 20; n++) {
      const offset = random.int(RECORDS)
      const { bytes, calls } = await costOf(() => read(offset))
      expect(bytes, `offset ${offset}`).toBeLessThan(2 * 8_192 + 2 * BATCH_BYTES)
      expect(calls).toBeLessThanOrEqual(4)
    }
  })

  it('a reader that is moved for each record has no buffer made for a record', async () => {
    const { read } = await world()
    const random = seededRandom(4)
    await read(0)
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow')
    for (let n = 0; n < 50; n++) await read(random.int(RECORDS))
    expect(allocate.mock.calls.length).toBeLessThan(3)
    allocate.mockRestore()
  })

  it.each([
    ['one', 1, {}],
    ['few', 7, {}],
    ['many', 90, {}],
    ['text', 7, { valueDeserializer: 'string' }],
    ['what a deserializer keeps', 7, { valueDeserializer: (bytes: Uint8Array) => bytes }],
  ])('what it keeps stays as it was: %s', async (_, count, options) => {
    const { consumer } = await world(count, options as ConsumerOptions<never, never>)
    const random = seededRandom(5)
    const records: ConsumerRecord<unknown, unknown>[] = []
    for (let n = 0; n < 60; n++) {
      consumer.seek({ ...place, offset: random.int(RECORDS) })
      records.push(...(await consumer.poll()))
    }
    for (const { offset, value } of records) expect(String(value)).toBe(valueAt(offset))
  })

  it('the same at the tail, and behind its position', async () => {
    const { consumer, read, costOf } = await world()
    const tail = await costOf(async () => {
      await consumer.seekToEnd([place])
      const end = await consumer.position(place)
      await read(end - 1)
    })
    expect(tail.bytes).toBeLessThan(2 * 8_192 + 2 * BATCH_BYTES)
    const behind = await costOf(() => read(RECORDS - 5_000))
    expect(behind.bytes).toBeLessThan(2 * 8_192 + 2 * BATCH_BYTES)
  })

  it('what it does not come back for is not fetched; what it reads on to is', async () => {
    const { consumer, read, costOf } = await world(10)
    await read(1_000)
    const more = await costOf(async () => {
      for (let n = 0; n < 40; n++) await consumer.poll()
    })
    expect(more.bytes).toBeGreaterThan(4 * BATCH_BYTES) // ahead of it, too
  })
})

describe('a reader of everything', () => {
  it('a reader of everything has every byte read once, in pieces that grow', async () => {
    const { consumer, costOf } = await world(500)
    consumer.seek({ ...place, offset: 0 })
    let seen = 0
    const { bytes, calls } = await costOf(async () => {
      while (seen < RECORDS) seen += (await consumer.poll()).length
    })
    expect(bytes).toBeLessThan(1.1 * BATCHES * BATCH_BYTES)
    expect(calls).toBeLessThan(30)
  })
})

describe('a handler', () => {
  /** The promises that are made while `count` records are handled. */
  async function promisesFor(count: number, handler: () => Promise<void> | void): Promise<number> {
    const { consumer } = await world(500)
    consumer.seek({ ...place, offset: 0 })
    const ending = new AbortController()
    let handled = 0
    let made = 0
    const hook = createHook({
      init: (_, type) => {
        if (type === 'PROMISE') made++
      },
    })
    hook.enable()
    await consumer.run({
      signal: ending.signal,
      eachRecord: () => {
        if (++handled === count) ending.abort()
        return handler()
      },
    })
    hook.disable()
    return made
  }

  it('a handler that returns no promise costs none', async () => {
    const made = await promisesFor(20_000, () => undefined)
    expect(made).toBeLessThan(20_000 / 10)
  })

  it('a handler that returns a promise is waited for', async () => {
    expect(await promisesFor(1_000, async () => undefined)).toBeGreaterThan(1_000)
  })
})

describe('a reader at the end', () => {
  it('a reader at the end has only what was appended read', async () => {
    const { consumer, producer, costOf } = await world(500)
    await consumer.seekToEnd([place])
    for (let n = 0; n < 5; n++) {
      const cost = await costOf(async () => {
        const polled = consumer.poll()
        await producer.send({ topic: 't', messages: [{ value: 'new' }] })
        expect(await polled).toHaveLength(1)
      })
      expect(cost.bytes).toBeLessThan(200)
    }
  })
})

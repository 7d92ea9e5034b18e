import { describe, expect, it, onTestFinished } from 'vitest'
import { crc32c } from '../../../src/base/checksums/crc32c.js'
import type { ConsumerRecord } from '../../../src/client/consumer/consumer-record.js'
import { json } from '../../../src/client/line/serdes.js'
import type { JsonValue } from '../../../src/client/line/serdes.js'
import { PartlogError } from '../../../src/model/errors.js'
import type { Request } from '../../../src/protocol/api.js'
import { singleRecordBatch } from '../../model/batch/records.js'
import { withoutZstd } from '../../model/without-zstd.js'
import { countRequests, intercept, isPending, orders, settle, world } from '../world.js'

const text = { valueDeserializer: 'string', autoOffsetReset: 'earliest' } as const
/** In the header of a batch. */
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const valuesOf = (records: readonly ConsumerRecord<unknown, unknown>[]): unknown[] =>
  records.map(({ value }) => value)

describe('poll', () => {
  it('poll returns records in order, and waits if there are none', async () => {
    const { cluster, clock, write } = await world()
    await write(0, 'a', 'b', 'c')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    expect(valuesOf(await consumer.poll())).toEqual(['a', 'b', 'c'])
    const next = consumer.poll()
    expect(await isPending(next, clock)).toBe(true)
    await clock.advance(1_000)
    expect(await next).toEqual([])
  })

  it('an append wakes a poll', async () => {
    const { cluster, clock, write } = await world()
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const polled = consumer.poll()
    await settle(clock)
    await write(0, 'new')
    expect(valuesOf(await polled)).toEqual(['new'])
    expect(clock.monotonicMs()).toBe(0)
  })

  it('a poll with a timeout of 0 returns what was already fetched', async () => {
    const { cluster, clock, write } = await world()
    await write(0, 'a')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    await settle(clock)
    expect(valuesOf(await consumer.poll({ timeoutMs: 0 }))).toEqual(['a'])
    expect(await consumer.poll({ timeoutMs: 0 })).toEqual([])
  })

  it('a poll may wait forever', async () => {
    const { cluster, clock, write } = await world()
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const polled = consumer.poll({ timeoutMs: Infinity })
    await clock.advance(600_000)
    await write(0, 'late')
    expect(valuesOf(await polled)).toEqual(['late'])
  })

  it('a signal ends a poll, and the next poll continues', async () => {
    const { cluster, clock, write } = await world()
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const controller = new AbortController()
    const polled = consumer.poll({ signal: controller.signal })
    await settle(clock)
    controller.abort(new Error('enough'))
    await expect(polled).rejects.toThrow('enough')
    await expect(consumer.poll({ signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow(
      'no',
    )
    await write(0, 'a')
    expect(valuesOf(await consumer.poll())).toEqual(['a'])
  })

  it('close ends a poll', async () => {
    const { cluster, clock } = await world()
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const polled = consumer.poll({ timeoutMs: Infinity })
    await settle(clock)
    await consumer.close()
    expect(await polled).toEqual([])
  })

  it('a poll returns at most maxPollRecords records, and serves all partitions', async () => {
    const { cluster, clock, write } = await world(3)
    for (const partition of [0, 1, 2]) await write(partition, ...Array(5).fill(`p${partition}`))
    const consumer = cluster.consumer({ ...text, maxPollRecords: 4 })
    await consumer.assign(orders(3))
    await settle(clock)
    const seen: unknown[] = []
    const sizes: number[] = []
    while (seen.length < 15) {
      const records = await consumer.poll()
      sizes.push(records.length)
      seen.push(...valuesOf(records))
    }
    expect(sizes).toEqual([4, 4, 4, 3])
    expect(seen.toSorted()).toEqual([
      ...Array(5).fill('p0'),
      ...Array(5).fill('p1'),
      ...Array(5).fill('p2'),
    ])
  })

  it('a record has all its fields', async () => {
    const { cluster, clock, writeMessages } = await world(2)
    await writeMessages({
      partition: 1,
      key: 'k',
      value: Buffer.of(0, 255),
      timestamp: 5,
      headers: { trace: 'x' },
    })
    await writeMessages({ partition: 1, value: null })
    const consumer = cluster.consumer({ autoOffsetReset: 'earliest' })
    await consumer.assign(orders(2))
    await settle(clock)
    const [first, second] = await consumer.poll()
    expect(first).toMatchObject({
      topic: 'orders',
      partition: 1,
      offset: 0,
      timestamp: 5,
      timestampType: 'CreateTime',
      key: Buffer.from('k'),
      value: Buffer.from([0, 255]),
      headers: [{ key: 'trace', value: Buffer.from('x') }],
      leaderEpoch: 0,
    })
    expect(second).toMatchObject({ offset: 1, timestamp: clock.now(), key: null, value: null })
  })
})

describe('fairness', () => {
  it('a partition with very many records does not delay the others', async () => {
    const { cluster, clock, write } = await world(2)
    for (let n = 0; n < 30; n++) await write(0, ...Array<string>(50).fill('much'))
    await write(1, 'little')
    const consumer = cluster.consumer({
      ...text,
      maxPollRecords: 10,
      maxPartitionFetchBytes: 4_000,
    })
    await consumer.assign(orders(2))
    let before = 0
    for (;;) {
      await settle(clock)
      const records = await consumer.poll()
      if (records.some(({ partition }) => partition === 1)) break
      before += records.length
    }
    expect(before).toBeLessThanOrEqual(300) // one fetch of the other
  })

  it('a poll may return very many records', async () => {
    const { cluster, clock, writeMessages } = await world()
    const messages = Array.from({ length: 150_000 }, () => ({ value: null }))
    await writeMessages(...messages.slice(0, 75_000))
    await writeMessages(...messages.slice(75_000))
    const sizes = { maxPollRecords: 1_000_000, maxPartitionFetchBytes: 10_000_000 }
    const consumer = cluster.consumer({ ...text, ...sizes })
    await consumer.assign(orders())
    await settle(clock)
    let seen = 0
    while (seen < 150_000) seen += (await consumer.poll()).length
    expect(seen).toBe(150_000)
  })
})

describe('a long poll', () => {
  it.each([{ fetchMaxWaitMs: 0 }, { fetchMinBytes: 0 }])(
    'a consumer with %j does not send fetches endlessly',
    async of => {
      const { cluster, clock } = await world()
      const fetches = countRequests('Fetch')
      const consumer = cluster.consumer({ ...text, ...of })
      await consumer.assign(orders())
      for (let turn = 0; turn < 50; turn++) await settle(clock)
      expect(fetches()).toBeLessThan(3)
    },
  )

  it('an idle consumer fetches once per fetchMaxWaitMs', async () => {
    const { cluster, clock } = await world()
    const fetches = countRequests('Fetch')
    const consumer = cluster.consumer({ ...text, fetchMinBytes: 2, fetchMaxWaitMs: 500 })
    await consumer.assign(orders())
    const polled = consumer.poll({ timeoutMs: 10_000 })
    await clock.advance(9_999)
    expect(fetches()).toBe(20)
    await clock.advance(1)
    expect(await polled).toEqual([])
  })

  it('an idle consumer is held for long while nothing can have changed', async () => {
    const { cluster, clock, write } = await world(3)
    const consumer = cluster.consumer(text)
    await consumer.assign(orders(3))
    const fetches = countRequests('Fetch')
    const polled = consumer.poll({ timeoutMs: 7_200_000 })
    await clock.advance(3_600_000)
    expect(fetches()).toBeLessThanOrEqual(13)
    await write(2, 'news')
    await settle(clock)
    expect(valuesOf(await polled)).toEqual(['news']) // at once
  })

  it('while there are faults or rules, a consumer fetches once per fetchMaxWaitMs', async () => {
    const { cluster, clock } = await world()
    const consumer = cluster.consumer({ ...text, retryBackoffMs: 1 })
    await consumer.assign(orders())
    const fetches = countRequests('Fetch')
    const polled = consumer.poll({ timeoutMs: 60_000 })
    await clock.advance(10_200)
    expect(fetches()).toBe(1)
    cluster.network.delay(1, { api: 'produce' })
    await clock.advance(10_000)
    expect(fetches()).toBe(21)
    cluster.network.heal()
    const fault = cluster.faults.on('fetch').error('UNKNOWN_SERVER_ERROR')
    const failure = polled.catch((error: unknown) => error)
    await clock.advance(500)
    expect(fault.count).toBe(1)
    expect(await failure).toMatchObject({ code: 'UNKNOWN_SERVER_ERROR' })
  })

  it('a fetch waits for fetchMinBytes, but not longer than fetchMaxWaitMs', async () => {
    const { cluster, clock, write } = await world()
    const consumer = cluster.consumer({ ...text, fetchMinBytes: 1_000, fetchMaxWaitMs: 300 })
    await consumer.assign(orders())
    const polled = consumer.poll()
    await settle(clock)
    await write(0, 'small')
    await clock.advance(299)
    expect(await isPending(polled, clock)).toBe(true)
    await clock.advance(1)
    expect(valuesOf(await polled)).toEqual(['small'])

    const second = consumer.poll()
    await settle(clock)
    await write(0, 'x'.repeat(1_000))
    expect((await second).length).toBe(1)
    expect(clock.monotonicMs()).toBe(300)
  })

  it('a consumer fetches ahead once it has come back, by a bounded amount', async () => {
    const { cluster, clock, write } = await world()
    for (let n = 0; n < 20; n++) await write(0, `${n}`.padEnd(200))
    const fetches = countRequests('Fetch')
    const consumer = cluster.consumer({ ...text, maxPartitionFetchBytes: 250, maxPollRecords: 1 })
    await consumer.assign(orders())
    const pollAndSettle = async (): Promise<number> => {
      await consumer.poll()
      await settle(clock)
      return fetches()
    }
    await settle(clock)
    expect(fetches()).toBe(1)
    expect(await pollAndSettle()).toBe(1) // it may have wanted just this record
    expect(await pollAndSettle()).toBe(3) // the chunk it needs, and one ahead
    expect(await pollAndSettle()).toBe(4)
    expect(await pollAndSettle()).toBe(5)
  })

  it('a consumer fetches nothing ahead while it has fetchMaxBytes ready', async () => {
    const { cluster, clock, write } = await world()
    for (let n = 0; n < 20; n++) await cluster.producer().send(twoOf(`${n}`.padEnd(200)))
    await write(0, 'last')
    const fetches = countRequests('Fetch')
    const limits = { maxPartitionFetchBytes: 400, fetchMaxBytes: 400, maxPollRecords: 1 }
    const consumer = cluster.consumer({ ...text, ...limits })
    await consumer.assign(orders())
    await settle(clock)
    for (let polls = 1; polls <= 9; polls++) {
      await consumer.poll()
      await settle(clock)
      expect(fetches(), `after ${polls} records`).toBe(Math.ceil(polls / 2))
    }
  })
})

/** Two records in one batch. */
const twoOf = (value: string) => ({
  topic: 'orders',
  messages: [0, 1].map(() => ({ value, partition: 0 })),
})

describe('sizes', () => {
  it.each([
    { maxPartitionFetchBytes: 1 },
    { fetchMaxBytes: 1 },
    { maxPartitionFetchBytes: 0, fetchMaxBytes: 0 },
  ])('the first batch is delivered whatever its size with %j', async sizes => {
    const { cluster, clock, write } = await world(2)
    await write(0, 'a'.repeat(1_000))
    await write(0, 'b')
    await write(1, 'c')
    const consumer = cluster.consumer({ ...text, ...sizes })
    await consumer.assign(orders(2))
    const seen: unknown[] = []
    while (seen.length < 3) {
      const polled = consumer.poll()
      await settle(clock)
      seen.push(...valuesOf(await polled))
    }
    expect(seen.toSorted()).toEqual(['a'.repeat(1_000), 'b', 'c'])
  })

  it('maxPartitionFetchBytes and fetchMaxBytes bound what a fetch brings', async () => {
    const { cluster, clock, write } = await world(4)
    for (const partition of [0, 1, 2, 3]) {
      for (let n = 0; n < 10; n++) await write(partition, 'x'.repeat(1_000))
    }
    const sizes: number[] = []
    intercept(async (api, _request, next) => {
      const response = (await next()) as { responses: { partitions: { records: Buffer }[] }[] }
      if (api === 'Fetch') {
        const records = response.responses.flatMap(each => each.partitions)
        sizes.push(...records.map(each => each.records?.byteLength ?? 0))
        sizes.push(-records.reduce((sum, each) => sum + (each.records?.byteLength ?? 0), 0))
      }
      return response
    })
    const limits = { maxPartitionFetchBytes: 3_500, fetchMaxBytes: 6_000 }
    const consumer = cluster.consumer({ ...text, ...limits })
    await consumer.assign(orders(4))
    await settle(clock)
    expect(sizes.length).toBeGreaterThan(4)
    expect(Math.max(...sizes)).toBeGreaterThan(3_000)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(3_500)
    expect(-Math.min(...sizes)).toBeLessThanOrEqual(6_000)
    let seen = 0
    while (seen < 40) {
      const polled = consumer.poll()
      await settle(clock)
      seen += (await polled).length
    }
    expect(seen).toBe(40)
  })
})

describe('for await', () => {
  it('for await delivers records one by one until the consumer is closed', async () => {
    const { cluster, clock, write } = await world()
    await write(0, 'a', 'b')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const seen: unknown[] = []
    const loop = (async () => {
      for await (const record of consumer) seen.push(record.value)
    })()
    await settle(clock)
    expect(seen).toEqual(['a', 'b'])
    await write(0, 'c')
    await settle(clock)
    expect(seen).toEqual(['a', 'b', 'c'])
    await consumer.close()
    await loop
  })

  it('close ends a for await loop after the record in hand', async () => {
    const { cluster, clock, write } = await world()
    await write(0, 'a', 'b', 'c', 'd')
    const consumer = cluster.consumer({ ...text, groupId: 'g' })
    await consumer.subscribe(['orders'])
    const seen: unknown[] = []
    for await (const { value } of consumer) {
      seen.push(value)
      if (value === 'b') void consumer.close()
      await settle(clock)
    }
    expect(seen).toEqual(['a', 'b'])
    const next = cluster.consumer({ ...text, groupId: 'g' })
    await next.subscribe(['orders'])
    expect(await next.position({ topic: 'orders', partition: 0 })).toBe(1)
  })

  it('a loop that was left delivers the record in hand again when it is entered again', async () => {
    const { cluster, write } = await world()
    await write(0, 'a', 'b', 'c')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const seen: unknown[] = []
    for (let round = 0; round < 2; round++) {
      for await (const record of consumer) {
        seen.push(record.value)
        if (seen.length % 2 === 0) break
      }
    }
    expect(seen).toEqual(['a', 'b', 'b', 'c'])
    expect(await consumer.position({ topic: 'orders', partition: 0 })).toBe(2)
  })

  it.each(['before', 'after'])('a record that was committed %s the loop was left is not read again', async when => {
    const { cluster, write } = await world()
    await write(0, 'a', 'b', 'c')
    const consumer = cluster.consumer({ ...text, groupId: 'g' })
    await consumer.subscribe(['orders'])
    for await (const { value } of consumer) {
      if (value !== 'b') continue
      if (when === 'before') await consumer.commit()
      break
    }
    if (when === 'after') await consumer.commit()
    expect(await consumer.committed()).toMatchObject([{ offset: 2 }])
    expect(valuesOf(await consumer.poll())).toEqual(['c'])
  })

  it('a record whose loop body threw is not committed by reading on', async () => {
    const { cluster, write } = await world()
    await write(0, 'a', 'b', 'c')
    const consumer = cluster.consumer({ ...text, groupId: 'g' })
    await consumer.subscribe(['orders'])
    const processed: unknown[] = []
    for (let attempt = 1; attempt <= 2; attempt++) {
      try {
        for await (const { value } of consumer) {
          if (value === 'b' && attempt === 1) throw new Error('not today')
          processed.push(value)
          if (value === 'c') break
        }
      } catch {
        await consumer.unsubscribe()
        expect(await consumer.committed(orders())).toMatchObject([{ offset: 1 }])
        await consumer.subscribe(['orders'])
      }
    }
    expect(processed).toEqual(['a', 'b', 'c'])
  })

  it('steps that are requested at once are answered in order, and none is lost', async () => {
    const { cluster, clock, write } = await world(2)
    const values = Array.from({ length: 1_200 }, (_, n) => `${n}`)
    await write(0, ...values)
    await write(1, 'other')
    const consumer = cluster.consumer({ ...text, groupId: 'g', maxPollRecords: 100 })
    await consumer.subscribe(['orders'])
    const iterator = consumer[Symbol.asyncIterator]()
    const steps = await Promise.all(Array.from({ length: 1_201 }, () => iterator.next()))
    const seen = steps.map(step => (step.value as { value: string }).value)
    expect(seen.filter(value => value !== 'other')).toEqual(values)
    expect(seen).toContain('other')
    const waiting = [iterator.next(), iterator.next()]
    await settle(clock)
    await iterator.return?.()
    expect(await Promise.all(waiting)).toEqual([
      { value: undefined, done: true },
      { value: undefined, done: true },
    ])
    expect(await iterator.next()).toMatchObject({ done: true })
  })

  it('a throw in the loop frees the consumer for another reader', async () => {
    const { cluster, write } = await world()
    await write(0, 'a', 'b')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const loop = async (): Promise<void> => {
      for await (const record of consumer) throw new Error(`no ${record.value}`)
    }
    await expect(loop()).rejects.toThrow('no a')
    expect(valuesOf(await consumer.poll())).toEqual(['a', 'b'])
  })

  it('a pause holds back what was fetched with the record in hand', async () => {
    const { cluster, clock, write } = await world()
    await write(0, 'a', 'b', 'c')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const seen: unknown[] = []
    const loop = (async () => {
      for await (const { value } of consumer) {
        seen.push(value)
        if (value === 'a') consumer.pause(orders())
      }
    })()
    await settle(clock)
    expect(seen).toEqual(['a'])
    consumer.resume(orders())
    await settle(clock)
    expect(seen).toEqual(['a', 'b', 'c'])
    await consumer.close()
    await loop
  })

  it('a loop follows a seek and a pause that are made inside it', async () => {
    const { cluster, clock, write } = await world(2)
    await write(0, 'a', 'b', 'c')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders(2))
    const seen: unknown[] = []
    let hasSought = false
    const loop = (async () => {
      for await (const { value } of consumer) {
        seen.push(value)
        if (value === 'b' && !hasSought) {
          hasSought = true
          consumer.seek({ topic: 'orders', partition: 0, offset: 0 })
        }
        if (value === 'c') {
          consumer.pause(orders(1))
          await write(0, 'd')
          await write(1, 'other')
        }
      }
    })()
    await settle(clock)
    expect(seen).toEqual(['a', 'b', 'a', 'b', 'c', 'other'])
    consumer.resume(orders(1))
    await settle(clock)
    expect(seen.at(-1)).toBe('d')
    await consumer.close()
    await loop
  })
})

describe('run', () => {
  it('run calls eachRecord sequentially', async () => {
    const { cluster, clock, write } = await world()
    await write(0, 'a', 'b', 'c')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const log: string[] = []
    const running = consumer.run({
      eachRecord: async ({ value }) => {
        log.push(`${value} begins`)
        await clock.turn()
        log.push(`${value} ends`)
      },
    })
    await settle(clock)
    await settle(clock)
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
    await consumer.close()
    await running
  })

  it('run calls eachBatch with at most maxPollRecords records of one partition', async () => {
    const { cluster, clock, write } = await world(2)
    await write(0, 'a', 'b', 'c')
    await write(1, 'x')
    const consumer = cluster.consumer({ ...text, maxPollRecords: 2 })
    await consumer.assign(orders(2))
    const batches: unknown[] = []
    const running = consumer.run({
      eachBatch: ({ topic, partition, records, highWatermark }) => {
        batches.push([`${topic}-${partition}`, valuesOf(records), highWatermark])
      },
    })
    await settle(clock)
    expect(batches.toSorted()).toEqual([
      ['orders-0', ['a', 'b'], 3],
      ['orders-0', ['c'], 3],
      ['orders-1', ['x'], 1],
    ])
    await consumer.close()
    await running
  })

  it.each(['eachRecord', 'eachBatch'] as const)(
    'run rejects when %s throws, and the record is read again',
    async kind => {
      const { cluster, write } = await world()
      await write(0, 'a', 'b', 'c')
      const consumer = cluster.consumer({ ...text, groupId: 'g' })
      await consumer.subscribe(['orders'])
      const fail = (): never => {
        throw new Error('no')
      }
      const handler =
        kind === 'eachBatch'
          ? { eachBatch: fail }
          : { eachRecord: ({ value }: { value: unknown }) => (value === 'b' ? fail() : undefined) }
      await expect(consumer.run(handler)).rejects.toThrow('no')
      const expected = kind === 'eachBatch' ? ['a', 'b', 'c'] : ['b', 'c']
      const offset = 3 - expected.length
      expect(await consumer.position({ topic: 'orders', partition: 0 })).toBe(offset)
      await consumer.unsubscribe()
      expect(await consumer.committed(orders())).toMatchObject([{ offset }])
      await consumer.subscribe(['orders'])
      expect(valuesOf(await consumer.poll())).toEqual(expected)
    },
  )

  it('run follows a seek and a pause that the handler makes', async () => {
    const { cluster, clock, write } = await world()
    await write(0, 'a', 'b', 'c')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const seen: unknown[] = []
    const running = consumer.run({
      eachRecord: ({ value }) => {
        seen.push(value)
        if (seen.length === 2) consumer.seek({ topic: 'orders', partition: 0, offset: 0 })
        if (seen.length === 3) consumer.pause(orders())
      },
    })
    await settle(clock)
    expect(seen).toEqual(['a', 'b', 'a'])
    consumer.resume(orders())
    await settle(clock)
    expect(seen).toEqual(['a', 'b', 'a', 'b', 'c'])
    await consumer.close()
    await running
  })

  it('a signal ends run after the record in hand', async () => {
    const { cluster, write } = await world()
    await write(0, 'a', 'b', 'c')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const controller = new AbortController()
    const seen: unknown[] = []
    await consumer.run({
      signal: controller.signal,
      eachRecord: ({ value }) => {
        seen.push(value)
        if (value === 'b') controller.abort()
      },
    })
    expect(seen).toEqual(['a', 'b'])
    expect(valuesOf(await consumer.poll())).toEqual(['c'])
  })

  it('a handler may close the consumer', async () => {
    const { cluster, write } = await world()
    await write(0, 'a', 'b')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const seen: unknown[] = []
    await consumer.run({
      eachRecord: async ({ value }) => {
        seen.push(value)
        await consumer.close()
      },
    })
    expect(seen).toEqual(['a'])
  })
})

describe('one reader at a time', () => {
  it('poll, for await and run exclude each other until one has ended', async () => {
    const { cluster, clock, write } = await world()
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const polled = consumer.poll()
    const refused = { code: 'INVALID_REQUEST', message: expect.stringContaining('poll is reading') }
    await expect(consumer.poll()).rejects.toMatchObject(refused)
    await expect(consumer.run({ eachRecord: () => undefined })).rejects.toMatchObject(refused)
    expect(() => consumer[Symbol.asyncIterator]()).toThrow('poll is reading')
    await settle(clock)
    await write(0, 'a')
    await polled
    await write(0, 'b')
    expect(valuesOf(await consumer.poll())).toEqual(['b'])
  })

  it('reading without a subscription is refused', async () => {
    const { cluster } = await world()
    const consumer = cluster.consumer(text)
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    await expect(consumer.run({ eachRecord: () => undefined })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    })
  })
})

describe('deserializers', () => {
  it('json, string and custom deserializers work, and null stays null', async () => {
    const { cluster, clock, writeMessages } = await world()
    await writeMessages({ key: 'k1', value: '{"n":1}' }, { key: null, value: null })
    const consumer = cluster.consumer({
      autoOffsetReset: 'earliest',
      keyDeserializer: (bytes, { topic, partition, offset }) =>
        `${topic}-${partition}@${offset}:${Buffer.from(bytes).toString()}`,
      valueDeserializer: 'json',
    })
    await consumer.assign(orders())
    await settle(clock)
    const records: ConsumerRecord<string, JsonValue>[] = await consumer.poll()
    expect(records.map(({ key, value }) => [key, value])).toEqual([
      ['orders-0@0:k1', { n: 1 }],
      [null, null],
    ])
  })

  it('json<T>() has a type', async () => {
    const { cluster, write } = await world()
    await write(0, '{"n":1}')
    const consumer = cluster.consumer({
      autoOffsetReset: 'earliest',
      valueDeserializer: json<{ n: number }>(),
    })
    await consumer.assign(orders())
    const [record] = await consumer.poll()
    expect((record?.value?.n ?? 0) + 1).toBe(2)
  })

  it('a record that cannot be deserialized stops its partition until a seek skips it', async () => {
    const { cluster, write } = await world()
    await write(0, '1', '2', 'not json', '4')
    const consumer = cluster.consumer({ ...text, valueDeserializer: 'json' })
    await consumer.assign(orders())
    expect(valuesOf(await consumer.poll())).toEqual([1, 2])
    for (let again = 0; again < 2; again++) {
      const failure = (await consumer.poll().catch(error => error)) as PartlogError
      expect(failure).toMatchObject({ code: 'SERIALIZATION_FAILED' })
      expect(failure.message).toContain('orders-0')
      expect(failure.message).toContain('offset 2')
    }
    expect(await consumer.position({ topic: 'orders', partition: 0 })).toBe(2)
    consumer.seek({ topic: 'orders', partition: 0, offset: 3 })
    expect(valuesOf(await consumer.poll())).toEqual([4])
    consumer.seek({ topic: 'orders', partition: 0, offset: 0 })
    expect(valuesOf(await consumer.poll())).toEqual([1, 2]) // and it knows of the bad one behind
    consumer.seek({ topic: 'orders', partition: 0, offset: 3 })
    expect(valuesOf(await consumer.poll())).toEqual([4])
  })

  it('a record that cannot be deserialized stops a loop and a run', async () => {
    const { cluster, write } = await world()
    await write(0, '1', 'not json')
    const consumer = cluster.consumer({ ...text, valueDeserializer: 'json' })
    await consumer.assign(orders())
    const seen: unknown[] = []
    const loop = async (): Promise<void> => {
      for await (const { value } of consumer) seen.push(value)
    }
    await expect(loop()).rejects.toMatchObject({ code: 'SERIALIZATION_FAILED' })
    await expect(
      consumer.run({ eachRecord: ({ value }) => void seen.push(value) }),
    ).rejects.toMatchObject({ code: 'SERIALIZATION_FAILED' })
    expect(seen).toEqual([1])
  })
})

describe('when fetching fails', () => {
  /** What a broker answers about a partition that it cannot read. */
  const refusal = (request: Request<'Fetch'>, partition: number, errorCode: number) => ({
    errorCode: 0,
    responses: request.topics.map(({ topic = '', partitions }) => ({
      topic,
      partitions: partitions.map(each => ({
        partitionIndex: each.partition,
        errorCode: each.partition === partition ? errorCode : 0,
        highWatermark: -1,
        records: null,
      })),
    })),
  })

  /** Partition 0 holds a record, partition 1 another, but the first time it is CORRUPT_MESSAGE. */
  const halfBroken = async () => {
    const { cluster, clock, write } = await world(2)
    await write(0, 'a')
    await write(1, 'b')
    let isRefused = false
    intercept((api, request: Request<'Fetch'>, next) => {
      if (api !== 'Fetch' || isRefused) return next()
      isRefused = true
      return Promise.resolve(next()).then(answer => {
        const [topic] = (answer as { responses: { partitions: object[] }[] }).responses
        const [, refused] = refusal(request, 1, 2).responses[0]?.partitions ?? []
        if (topic !== undefined && refused !== undefined) topic.partitions[1] = refused
        return answer
      })
    })
    const consumer = cluster.consumer(text)
    await consumer.assign(orders(2))
    await settle(clock)
    return { consumer, clock }
  }

  it('the records of other partitions are delivered before the error of one', async () => {
    const { consumer, clock } = await halfBroken()
    expect(valuesOf(await consumer.poll())).toEqual(['a'])
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE' })
    const polled = consumer.poll({ timeoutMs: 5_000 })
    await clock.advance(1_000)
    expect(valuesOf(await polled)).toEqual(['b'])
  })

  it('a pending error is reported after a pause and a resume', async () => {
    const { consumer } = await halfBroken()
    expect(valuesOf(await consumer.poll())).toEqual(['a'])
    consumer.pause(orders())
    consumer.resume(orders())
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE' })
  })

  it('a success makes the next retry pause short again', async () => {
    const { cluster, clock, write } = await world()
    const at: number[] = []
    let failures = 0
    intercept((api, _request, next) => {
      if (api !== 'Fetch') return next()
      at.push(clock.monotonicMs())
      if (failures-- > 0) throw new PartlogError('NETWORK_EXCEPTION', 'no line')
      return next()
    })
    const consumer = cluster.consumer({ ...text, retryBackoffMs: 100, retryBackoffMaxMs: 10_000 })
    await consumer.assign(orders())
    for (const value of ['a', 'b']) {
      failures = 5
      const polled = consumer.poll({ timeoutMs: 60_000 })
      await write(0, value)
      await clock.advance(20_000)
      expect(valuesOf(await polled)).toEqual([value])
    }
    const gaps = at.slice(1).map((time, index) => time - (at[index] as number))
    const shortOnes = gaps.filter(gap => gap >= 80 && gap <= 120)
    expect(shortOnes).toHaveLength(2)
  })

  it('a loop of polls lets other code run', async () => {
    const { cluster, write } = await world()
    await write(0, 'not json')
    const consumer = cluster.consumer({ ...text, valueDeserializer: 'json' })
    await consumer.assign(orders())
    let othersRan = false
    setImmediate(() => (othersRan = true))
    for (let polls = 0; !othersRan; polls++) {
      expect(polls).toBeLessThan(100)
      await expect(consumer.poll()).rejects.toMatchObject({ code: 'SERIALIZATION_FAILED' })
    }
  })

  it('a passing fetch error is retried with growing pauses', async () => {
    const { cluster, clock, write } = await world()
    await write(0, 'a')
    const at: number[] = []
    intercept((api, _request, next) => {
      if (api !== 'Fetch') return next()
      at.push(clock.monotonicMs())
      if (at.length <= 4) throw new PartlogError('NETWORK_EXCEPTION', 'no line')
      return next()
    })
    const consumer = cluster.consumer({ ...text, retryBackoffMs: 100, retryBackoffMaxMs: 400 })
    await consumer.assign(orders())
    const polled = consumer.poll({ timeoutMs: 60_000 })
    await clock.advance(5_000)
    expect(valuesOf(await polled)).toEqual(['a'])
    const pauses = at.slice(1, 5).map((time, index) => time - (at[index] as number))
    // Kafka's back-off: doubling, with a jitter of a fifth either way, up to the maximum.
    const [first = 0, second = 0, third = 0, fourth = 0] = pauses
    expect(first).toBeGreaterThanOrEqual(80)
    expect(first).toBeLessThanOrEqual(120)
    expect(second).toBeGreaterThanOrEqual(160)
    expect(third).toBeGreaterThanOrEqual(320)
    expect(fourth).toBeLessThanOrEqual(480)
  })

  it('a final fetch error is reported, and reading may be tried again', async () => {
    const { cluster, clock, write } = await world()
    await write(0, 'a')
    let isBroken = true
    intercept((api, request: Request<'Fetch'>, next) => {
      if (api !== 'Fetch' || !isBroken) return next()
      const partition = { partitionIndex: 0, errorCode: 2, highWatermark: -1, records: null }
      const { topic } = request.topics[0] as { topic: string }
      return { errorCode: 0, responses: [{ topic, partitions: [partition] }] }
    })
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    await settle(clock)
    const first = await consumer.poll().catch(error => error)
    expect(first).toMatchObject({ code: 'CORRUPT_MESSAGE' })
    isBroken = false
    const polled = consumer.poll()
    await clock.advance(500)
    expect(valuesOf(await polled)).toEqual(['a'])
  })

  it('each poll reports a batch that cannot be read, and none skips it', async () => {
    onTestFinished(withoutZstd())
    const { cluster } = await world()
    const zstd = singleRecordBatch(1, null, 'compressed')
    zstd.writeInt16BE(4, ATTRIBUTES_AT)
    zstd.writeUInt32BE(crc32c(zstd, ATTRIBUTES_AT, zstd.length), CRC_AT)
    const readable = [0, 2].map(n => singleRecordBatch(1, null, String(n)))
    intercept((api, request: Request<'Fetch'>, next) => {
      if (api !== 'Fetch') return next()
      const [first = zstd, second = zstd] = readable
      const batches = [first, zstd, second].map(batch => Buffer.from(batch))
      batches.forEach((batch, offset) => batch.writeBigInt64BE(BigInt(offset), 0))
      const records = Buffer.concat(batches)
      const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 3, records }
      const { topic } = request.topics[0] as { topic: string }
      return { errorCode: 0, responses: [{ topic, partitions: [partition] }] }
    })
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    expect(valuesOf(await consumer.poll())).toEqual(['0'])
    for (let n = 0; n < 3; n++) {
      await expect(consumer.poll()).rejects.toMatchObject({
        code: 'UNSUPPORTED_COMPRESSION_TYPE',
        message: expect.stringContaining(
          'orders-0: the batch at offset 1 cannot be read',
        ) as string,
      })
      expect(await consumer.position({ topic: 'orders', partition: 0 })).toBe(1)
    }
    consumer.seek({ topic: 'orders', partition: 0, offset: 2 })
    expect(valuesOf(await consumer.poll())).toEqual(['2'])
  })
})

describe('a broker that answers oddly', () => {
  it('an error of a whole fetch is reported', async () => {
    const { cluster } = await world()
    intercept((api, _request, next) =>
      api === 'Fetch' ? { errorCode: 31, responses: [] } : next(),
    )
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'CLUSTER_AUTHORIZATION_FAILED' })
  })

  it('a fetch that answers nothing about a partition is not repeated without a pause', async () => {
    const { cluster, clock } = await world()
    let asked = 0
    const end = intercept((api, _request, next) => {
      if (api !== 'Fetch') return next()
      asked++
      return { errorCode: 0, responses: [] }
    })
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    await clock.advance(10_000)
    expect(asked).toBeGreaterThan(5)
    expect(asked).toBeLessThan(25)
    end()
    const polling = consumer.poll()
    await cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] })
    await clock.advance(2_000)
    expect(valuesOf(await polling)).toEqual(['a'])
  })
})

/**
 * An unclean election cuts a log below what was read (KIP-320): readers notice, whatever they did
 * meanwhile, and whatever was written since; what is lost is told.
 */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import type { AutoOffsetReset } from '../../src/client/consumer/reset-policy.js'
import { intercept } from '../client/world.js'
import { world } from './world.js'

const ORDERS = { topic: 'orders', partition: 0 }
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index)

/** Twenty records on broker 1, ten of them on broker 2 as well. */
async function halfCopied() {
  const warnings: string[] = []
  const note = (sentence: string): void => void warnings.push(sentence)
  const logger = { debug() {}, info() {}, warn: note, error() {} }
  const all = await world({ brokers: 3, logger, offsetsRetentionMinutes: 10_000 })
  const { cluster, clock, passing } = all
  // Commits are kept by all three: only the topic that is read is cut.
  await passing(cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2]] }))
  const producer = cluster.producer({ acks: 1 })
  const write = async (values: readonly string[]): Promise<void> => {
    for (const value of values) {
      await passing(producer.send({ topic: 'orders', messages: [{ value }] }))
    }
  }
  const consumer = (autoOffsetReset: AutoOffsetReset, groupId = 'g') =>
    cluster.consumer({
      groupId,
      autoOffsetReset,
      enableAutoCommit: false,
      valueDeserializer: 'string',
      retryBackoffMs: 20,
    })
  type Reader = ReturnType<typeof consumer>
  const read = async (reader: Reader, count: number): Promise<(string | null)[]> => {
    const values: (string | null)[] = []
    for (let polls = 0; values.length < count && polls < 50; polls++) {
      values.push(...(await passing(reader.poll({ timeoutMs: 200 }))).map(({ value }) => value))
    }
    values.push(...(await passing(reader.poll({ timeoutMs: 1_000 }))).map(({ value }) => value))
    return values
  }
  await write(range(0, 10).map(n => `a${n}`))
  await clock.advance(2_000)
  cluster.broker(2).pauseReplication()
  await write(range(10, 20).map(n => `a${n}`))
  await clock.advance(60_000) // broker 2 is out of the ISR by now
  /** Broker 1 dies, broker 2 leads without the ten records it never had. */
  const cut = async (): Promise<void> => {
    await cluster.broker(1).kill()
    await passing(cluster.admin.electLeaders({ type: 'unclean', partitions: [ORDERS] }))
    await clock.advance(1_000)
  }
  return { ...all, consumer, read, write, cut, warnings }
}

const NEW = range(10, 30).map(n => `b${n}`)

describe('a log that was cut below what was read', () => {
  for (const policy of ['earliest', 'latest', 'by_duration:PT1H'] as const) {
    describe(`with '${policy}'`, () => {
      it('a consumer of a truncated log continues from the first record that differs', async () => {
        const { consumer, passing, read, write, cut, warnings } = await halfCopied()
        const reader = consumer(policy)
        await passing(reader.assign([ORDERS]))
        await passing(reader.seekToBeginning())
        expect(await read(reader, 20)).toHaveLength(20)
        await cut()
        await write(NEW)
        expect(await read(reader, NEW.length)).toEqual(NEW)
        expect(warnings.filter(each => each.includes('was truncated below position 20'))).toHaveLength(1)
      })

      it('a paused consumer of a truncated log does so too', async () => {
        const { consumer, passing, read, write, cut } = await halfCopied()
        const reader = consumer(policy)
        await passing(reader.assign([ORDERS]))
        await passing(reader.seekToBeginning())
        expect(await read(reader, 20)).toHaveLength(20)
        reader.pause([ORDERS])
        await cut()
        await write(NEW)
        reader.resume([ORDERS])
        expect(await read(reader, NEW.length)).toEqual(NEW)
      })

      it.each(['commit()', 'records', 'offsets'])('a new consumer of a truncated log, from its %s, does so too', async how => {
        const { consumer, passing, read, write, cut, warnings } = await halfCopied()
        const before = consumer(policy)
        await passing(before.assign([ORDERS]))
        await passing(before.seekToBeginning())
        const records = await passing(before.poll())
        for (let polls = 0; records.length < 20 && polls < 30; polls++) {
          records.push(...(await passing(before.poll({ timeoutMs: 100 }))))
        }
        const offsets = [{ ...ORDERS, offset: 20 }]
        const requests = { 'commit()': {}, records: { records }, offsets: { offsets } }
        await passing(before.commit(requests[how as keyof typeof requests]))
        await passing(before.close())
        await cut()
        await write(NEW)
        const reader = consumer(policy)
        await passing(reader.assign([ORDERS]))
        expect(await passing(reader.committed())).toMatchObject([{ offset: 20, leaderEpoch: 0 }])
        expect(await read(reader, NEW.length)).toEqual(NEW)
        expect(warnings.join()).toContain('records from offset 10 on differ from those read')
      })
    })
  }

  it("'none' rejects with the offset of divergence, until the consumer seeks", async () => {
    const { consumer, passing, read, write, cut } = await halfCopied()
    const reader = consumer('none')
    await passing(reader.assign([ORDERS]))
    reader.seek({ ...ORDERS, offset: 0 })
    expect(await read(reader, 20)).toHaveLength(20)
    await passing(reader.commit())
    await cut()
    await write(NEW)
    const record = { ...ORDERS, offset: 10 }
    for (let again = 0; again < 2; again++) {
      const polled = passing(reader.poll({ timeoutMs: 2_000 }))
      await expect(polled).rejects.toMatchObject({ code: 'LOG_TRUNCATION', record })
    }
    const restarted = consumer('none')
    await passing(restarted.assign([ORDERS]))
    const polled = passing(restarted.poll({ timeoutMs: 2_000 }))
    await expect(polled).rejects.toMatchObject({ code: 'LOG_TRUNCATION', record })
    restarted.seek(record)
    expect(await read(restarted, NEW.length)).toEqual(NEW)
  })

  it('a truncated log without new records is noticed too', async () => {
    const { consumer, passing, read, write, cut } = await halfCopied()
    const reader = consumer('latest')
    await passing(reader.assign([ORDERS]))
    await passing(reader.seekToBeginning())
    expect(await read(reader, 20)).toHaveLength(20)
    await cut()
    expect(await read(reader, 0)).toEqual([])
    expect(await passing(reader.position(ORDERS))).toBe(10)
    await write(['b10'])
    expect(await read(reader, 1)).toEqual(['b10'])
  })

  it('records that survive a truncation are not delivered again', async () => {
    const { consumer, passing, cluster, read, write, cut } = await halfCopied()
    const reader = consumer('earliest')
    await passing(reader.assign([ORDERS]))
    const records = await passing(reader.poll({ timeoutMs: 2_000 }))
    await passing(reader.commit({ records: records.filter(({ offset }) => offset < 5) }))
    await passing(reader.close())
    await cut()
    await write(NEW)
    const again = consumer('earliest')
    await passing(again.assign([ORDERS]))
    expect(await read(again, 25)).toEqual([...range(5, 10).map(n => `a${n}`), ...NEW])
    expect(await passing(cluster.admin.listGroupOffsets('g'))).toMatchObject([{ offset: 5 }])
  })
})

describe('brokers that do not compare what a reader has (before Kafka 2.7)', () => {
  interface Asked {
    readonly replicaId?: number
    readonly topics: { readonly partitions: { lastFetchedEpoch: number }[] }[]
  }

  const ofOld = (): void => {
    intercept((api, request: Asked, next) => {
      if (api === 'Fetch' && request.replicaId === undefined) {
        for (const { partitions } of request.topics) {
          for (const wanted of partitions) wanted.lastFetchedEpoch = -1
        }
      }
      return next()
    })
  }

  it.each(['earliest', 'latest'] as const)("an old broker is asked where its log was truncated ('%s')", async policy => {
    ofOld()
    const { consumer, passing, read, write, cut, warnings } = await halfCopied()
    const reader = consumer(policy)
    await passing(reader.assign([ORDERS]))
    await passing(reader.seekToBeginning())
    expect(await read(reader, 20)).toHaveLength(20)
    await cut()
    await write(['b10', 'b11'])
    expect(await read(reader, 2)).toEqual(['b10', 'b11'])
    expect(warnings.join()).toContain('orders-0 was truncated below position 20: records from offset 10')
  })

  it("'none' rejects at an old broker, too", async () => {
    ofOld()
    const { consumer, passing, read, cut } = await halfCopied()
    const reader = consumer('none')
    await passing(reader.assign([ORDERS]))
    reader.seek({ ...ORDERS, offset: 0 })
    expect(await read(reader, 20)).toHaveLength(20)
    await cut()
    const record = { ...ORDERS, offset: 10 }
    const polled = passing(reader.poll({ timeoutMs: 2_000 }))
    await expect(polled).rejects.toMatchObject({ code: 'LOG_TRUNCATION', record })
  })
})

it('a leader that repeats a divergence is not asked in a loop', async () => {
  const { cluster, clock, passing } = await halfCopied()
  let fetches = 0
  intercept((api, request: { replicaId?: number }, next) => {
    if (api !== 'Fetch' || request.replicaId !== undefined) return next()
    fetches++
    const known = { highWatermark: 20, logStartOffset: 0, records: Buffer.alloc(0) }
    const divergingEpoch = { epoch: 0, endOffset: 30 }
    const answer = { partitionIndex: 0, errorCode: 0, ...known, divergingEpoch }
    return Promise.resolve({ errorCode: 0, responses: [{ topic: 'orders', partitions: [answer] }] })
  })
  const reader = cluster.consumer()
  await passing(reader.assign([ORDERS]))
  await clock.advance(60_000)
  expect(fetches).toBeGreaterThan(30)
  expect(fetches).toBeLessThan(90) // once a second, after the first ones
})

it('an epoch that the log never had means a truncated log', async () => {
  for (const policy of ['earliest', 'none'] as const) {
    const { consumer, passing, read, warnings } = await halfCopied()
    const reader = consumer(policy)
    await passing(reader.assign([ORDERS]))
    reader.seek({ ...ORDERS, offset: 12, leaderEpoch: 7 })
    const sentence = 'the leader does not know the epoch of the last record read'
    if (policy === 'earliest') {
      expect(await read(reader, 20)).toHaveLength(20)
      expect(warnings.join()).toContain(sentence)
    } else {
      const polled = passing(reader.poll({ timeoutMs: 2_000 }))
      await expect(polled).rejects.toThrow(`LOG_TRUNCATION: orders-0 was truncated below position 12`)
    }
    await passing(reader.close())
  }
})

it('a log that has lost its start is not a truncated one', async () => {
  const { cluster, consumer, passing, read } = await halfCopied()
  const reader = consumer('none')
  await passing(reader.assign([ORDERS]))
  reader.seek({ ...ORDERS, offset: 5, leaderEpoch: 0 })
  const deleted = cluster.admin.deleteRecords({ ...ORDERS, offset: 8 })
  deleted.catch(() => undefined) // it waits for the broker that copies nothing
  const polled = passing(reader.poll({ timeoutMs: 2_000 }))
  await expect(polled).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  reader.seek({ ...ORDERS, offset: 8, leaderEpoch: 0 })
  expect(await read(reader, 12)).toHaveLength(12)
})

describe('a commit', () => {
  it('a commit does not go back', async () => {
    const { cluster, clock, passing } = await world({ brokers: 1 })
    await passing(cluster.admin.createTopic({ topic: 'orders' }))
    const messages = range(0, 30).map(n => ({ value: `${n}` }))
    await passing(cluster.producer().send({ topic: 'orders', messages }))
    const options = { groupId: 'g', autoOffsetReset: 'earliest', maxPollRecords: 10 } as const
    const consumer = cluster.consumer(options)
    await passing(consumer.subscribe(['orders']))
    const committed = async () => (await passing(cluster.admin.listGroupOffsets('g')))[0]?.offset
    await passing(consumer.poll())
    await passing(consumer.commit({ offsets: [{ ...ORDERS, offset: 25 }] }))
    await passing(consumer.poll())
    await clock.advance(6_000)
    expect(await committed()).toBe(25)
    await passing(consumer.poll())
    await passing(consumer.poll({ timeoutMs: 10 }))
    await clock.advance(6_000)
    expect(await committed()).toBe(30)
    consumer.seek({ ...ORDERS, offset: 3 }) // the application wants it
    await clock.advance(6_000)
    expect(await committed()).toBe(3)
  })
})

describe('a leader that has not heard of its successor', () => {
  /** Broker 3 is cut off from the controller and goes on believing that it leads. */
  async function zombie() {
    const random = seededRandom(1)
    const all = await world({ brokers: 3, random, brokerSessionTimeoutMs: 1_000 })
    const { cluster, clock, passing } = all
    await passing(cluster.admin.createTopic({ topic: 'orders', assignment: [[3, 1, 2]] }))
    const send = async (producer: ReturnType<typeof cluster.producer>, count: number) => {
      for (let n = 0; n < count; n++) {
        await passing(producer.send({ topic: 'orders', messages: [{ value: `${n}` }] }))
      }
    }
    await send(cluster.producer(), 5)
    cluster.network.partition(['controller'], [3])
    await clock.advance(5_000)
    /** From now on only the zombie tells metadata. */
    const onlyZombie = (times: number): void => {
      for (const broker of [1, 2]) cluster.faults.on('metadata', { broker }).drop().times(times)
    }
    return { ...all, send, onlyZombie }
  }

  it('a leader that does not know its successor is not believed', async () => {
    const { cluster, passing, send, onlyZombie, leader } = await zombie()
    const silence = cluster.faults.on('metadata', { broker: 3 }).drop().always()
    // acks 1: the zombie would say that it has the records, and lose them
    const producer = cluster.producer({ acks: 1 })
    const consumer = cluster.consumer({ retryBackoffMs: 20 })
    await send(producer, 5)
    await passing(consumer.assign([ORDERS]))
    const first = await passing(consumer.endOffsets([ORDERS]))
    expect(first).toEqual([{ ...ORDERS, offset: 10 }])
    silence.remove()
    onlyZombie(3)
    const refusal = { broker: leader(), from: 'client' } as const
    cluster.faults.on('listOffsets', refusal).error('NOT_LEADER_OR_FOLLOWER').times(1)
    cluster.faults.on('produce', refusal).error('NOT_LEADER_OR_FOLLOWER').times(1)
    expect(await passing(consumer.endOffsets([ORDERS]))).toEqual(first)
    await send(producer, 1)
    const topic = cluster.describe().topics.find(({ topic: name }) => name === 'orders')
    const copy = topic?.partitions[0]?.copies.find(({ broker }) => broker === 3)
    expect(copy).toMatchObject({ logEndOffset: 5 })
  })
})

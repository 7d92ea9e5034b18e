import { describe, expect, it } from 'vitest'
import { PartlogError } from '../../../src/model/errors.js'
import type { Request } from '../../../src/protocol/api.js'
import { intercept, isPending, orders, settle, world, type World } from '../world.js'

const text = { valueDeserializer: 'string', autoOffsetReset: 'earliest' } as const
const first = { topic: 'orders', partition: 0 }

/** Values of one poll. */
const polledBy = async (
  { clock }: World,
  consumer: { poll(): Promise<{ value: string | null }[]> },
) => {
  await settle(clock)
  return (await consumer.poll()).map(({ value }) => value)
}

describe('subscribe', () => {
  it('subscribe reads all partitions of its topics, and assignment() lists them', async () => {
    const all = await world(2)
    const { cluster, write } = all
    await cluster.admin.createTopic({ topic: 'payments' })
    await write(1, 'a')
    await cluster.producer().send({ topic: 'payments', messages: [{ value: 'p' }] })
    const consumer = cluster.consumer({ ...text, groupId: 'g' })
    await consumer.subscribe(['orders', 'payments', 'orders'])
    expect(consumer.subscription()).toEqual(['orders', 'payments'])
    expect(consumer.assignment()).toEqual([...orders(2), { topic: 'payments', partition: 0 }])
    expect((await polledBy(all, consumer)).toSorted()).toEqual(['a', 'p'])
  })

  it("records that are written after subscribe resolved are read, also from 'latest'", async () => {
    const all = await world()
    const { cluster, write } = all
    await write(0, 'old')
    const consumer = cluster.consumer({ groupId: 'g', valueDeserializer: 'string' })
    await consumer.subscribe(['orders'])
    await write(0, 'new')
    expect(await polledBy(all, consumer)).toEqual(['new'])
  })

  it('subscribe creates a topic, if cluster and consumer allow it', async () => {
    const { cluster } = await world(1, { defaultPartitions: 3 })
    const refusing = cluster.consumer({ groupId: 'g', allowAutoCreateTopics: false })
    await expect(refusing.subscribe(['fresh'])).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
    expect(await cluster.admin.listTopics()).toEqual(['orders'])
    const consumer = cluster.consumer({ groupId: 'g' })
    await consumer.subscribe(['fresh'])
    expect(consumer.assignment()).toHaveLength(3)
  })

  it('partitions that are added later are read from their first record', async () => {
    const all = await world(1)
    const { cluster, clock, write } = all
    const consumer = cluster.consumer({ ...text, groupId: 'g', metadataMaxAgeMs: 10_000 })
    await consumer.subscribe(['orders'])
    await cluster.admin.createPartitions({ topic: 'orders', partitions: 3 })
    await write(2, 'there')
    await clock.advance(9_999)
    expect(consumer.assignment()).toEqual(orders(1))
    await clock.advance(1)
    await settle(clock)
    expect(consumer.assignment()).toEqual(orders(3))
    expect(await polledBy(all, consumer)).toEqual(['there'])
  })

  it('a new subscription keeps the positions of topics that stay', async () => {
    const all = await world()
    const { cluster, write } = all
    await write(0, 'a', 'b')
    const consumer = cluster.consumer({ ...text, groupId: 'g', maxPollRecords: 1 })
    await consumer.subscribe(['orders'])
    expect(await polledBy(all, consumer)).toEqual(['a'])
    await cluster.admin.createTopic({ topic: 'more' })
    await consumer.subscribe(['more', 'orders'])
    expect(await polledBy(all, consumer)).toEqual(['b'])
  })

  it('a subscription that is interrupted by close leaves no member behind', async () => {
    const { cluster, clock } = await world()
    const one = cluster.consumer({ groupId: 'g' })
    const subscribed = one.subscribe(['orders'])
    subscribed.catch(() => undefined)
    await one.close()
    await expect(subscribed).rejects.toMatchObject({ code: 'CLOSED' })
    const two = cluster.consumer({ groupId: 'g' })
    await Promise.all([two.subscribe(['orders']), two.subscribe(['orders'])])
    await two.close()
    await cluster.close()
    expect(clock.pendingTimers).toBe(0)
  })

  it('topics that are no longer subscribed to deliver nothing, and what was processed is committed', async () => {
    const all = await world(2)
    const { cluster, clock, write } = all
    await write(0, 'a', 'b', 'c')
    await write(1, 'x')
    const consumer = cluster.consumer({ ...text, groupId: 'g' })
    await consumer.assign(orders(1))
    const seen: unknown[] = []
    const loop = (async () => {
      for await (const { value } of consumer) {
        seen.push(value)
        if (value === 'b') await consumer.assign([{ topic: 'orders', partition: 1 }])
      }
    })()
    await settle(clock)
    expect(seen).toEqual(['a', 'b', 'x'])
    expect(await consumer.committed(orders(1))).toMatchObject([{ offset: 1 }])
    await consumer.close()
    await loop
  })

  it('unsubscribe leaves the group and commits what was processed', async () => {
    const all = await world()
    const { cluster, write } = all
    await write(0, 'a', 'b')
    const consumer = cluster.consumer({ ...text, groupId: 'g', maxPollRecords: 1 })
    await consumer.subscribe(['orders'])
    expect(await polledBy(all, consumer)).toEqual(['a'])
    expect(await polledBy(all, consumer)).toEqual(['b'])
    await consumer.unsubscribe()
    expect(consumer.assignment()).toEqual([])
    expect(consumer.subscription()).toEqual([])
    expect(await consumer.committed(orders())).toMatchObject([{ offset: 1 }])
    const other = cluster.consumer({ groupId: 'g' })
    await other.subscribe(['orders'])
    expect(other.assignment()).toEqual(orders())
  })
})

describe('assign', () => {
  it('a new assignment keeps the positions of partitions that stay, with and without a group', async () => {
    for (const groupId of ['g', undefined]) {
      const all = await world(2)
      await all.write(0, 'a', 'b')
      const options = groupId === undefined ? text : { ...text, groupId, enableAutoCommit: false }
      const consumer = all.cluster.consumer({ ...options, maxPollRecords: 1 })
      await consumer.assign(orders(1))
      expect(await polledBy(all, consumer)).toEqual(['a'])
      await consumer.assign(orders(2))
      expect(await polledBy(all, consumer)).toEqual(['b'])
    }
  })

  it('assign needs no group and replaces the assignment before', async () => {
    const all = await world(3)
    const { cluster, write } = all
    for (const partition of [0, 1, 2]) await write(partition, `p${partition}`)
    const consumer = cluster.consumer(text)
    await consumer.assign([{ topic: 'orders', partition: 1 }])
    expect(await polledBy(all, consumer)).toEqual(['p1'])
    await consumer.assign([{ topic: 'orders', partition: 2 }])
    expect(await polledBy(all, consumer)).toEqual(['p2'])
    expect(consumer.assignment()).toEqual([{ topic: 'orders', partition: 2 }])
    await consumer.assign([])
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  })

  it('assign begins at the committed offsets of the group', async () => {
    const all = await world()
    const { cluster, write } = all
    await write(0, 'a', 'b', 'c')
    const consumer = cluster.consumer({ ...text, groupId: 'g' })
    await consumer.assign(orders())
    await consumer.commit({ offsets: [{ ...first, offset: 2 }] })
    await consumer.close()
    const next = cluster.consumer({ ...text, groupId: 'g' })
    await next.assign(orders())
    expect(await next.position(first)).toBe(2)
    expect(await polledBy(all, next)).toEqual(['c'])
  })

  it('assign refuses a partition that does not exist, and keeps the assignment', async () => {
    const { cluster } = await world(2)
    const consumer = cluster.consumer()
    await consumer.assign(orders(2))
    await expect(consumer.assign([{ topic: 'orders', partition: 2 }])).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
    expect(consumer.assignment()).toEqual(orders(2))
  })
})

it('offsets and records are requested with the known leader epoch', async () => {
  const { cluster, clock, write } = await world()
  await write(0, 'a')
  const epochs: Record<string, unknown[]> = { Fetch: [], ListOffsets: [] }
  intercept((api, request: Request<'Fetch'>, next) => {
    const noted = epochs[api]
    for (const { partitions } of noted === undefined ? [] : request.topics) {
      for (const { currentLeaderEpoch } of partitions) noted?.push(currentLeaderEpoch)
    }
    return next()
  })
  const consumer = cluster.consumer(text)
  await consumer.assign(orders())
  await settle(clock)
  await consumer.poll()
  await cluster.admin.listOffsets('orders')
  expect(new Set(epochs['ListOffsets'])).toEqual(new Set([0]))
  expect(new Set(epochs['Fetch'])).toEqual(new Set([0]))
})

describe('autoOffsetReset', () => {
  it.each([
    ['earliest', 0],
    ['latest', 2],
  ] as const)('autoOffsetReset %s begins at its end of the log', async (autoOffsetReset, offset) => {
    const { cluster, write } = await world()
    await write(0, 'a', 'b')
    const consumer = cluster.consumer({ autoOffsetReset })
    await consumer.assign(orders())
    expect(await consumer.position(first)).toBe(offset)
  })

  it('autoOffsetReset none: reading fails until the application seeks', async () => {
    const all = await world()
    const { cluster, clock, write } = all
    await write(0, 'a', 'b')
    const consumer = cluster.consumer({ ...text, autoOffsetReset: 'none' })
    await consumer.assign(orders())
    const failure = { code: 'NO_OFFSET_FOR_PARTITION' }
    await expect(consumer.poll()).rejects.toMatchObject(failure)
    const again = consumer.poll()
    again.catch(() => undefined)
    await clock.advance(500)
    await expect(again).rejects.toMatchObject(failure)
    await expect(consumer.position(first)).rejects.toMatchObject(failure)
    consumer.seek({ ...first, offset: 1 })
    expect(await polledBy(all, consumer)).toEqual(['b'])
  })

  it.each([
    ['earliest', ['c', 'd']],
    ['latest', ['e']],
  ] as const)('autoOffsetReset %s is used when the offset is gone', async (autoOffsetReset, expected) => {
    const all = await world()
    const { cluster, clock, write } = all
    await write(0, 'a', 'b', 'c', 'd')
    const consumer = cluster.consumer({ ...text, autoOffsetReset })
    await consumer.assign(orders())
    consumer.seek({ ...first, offset: 0 })
    await cluster.admin.deleteRecords({ ...first, offset: 2 })
    await settle(clock)
    if (autoOffsetReset === 'latest') await write(0, 'e')
    expect(await polledBy(all, consumer)).toEqual(expected)
  })

  it('autoOffsetReset none: a gone offset is OFFSET_OUT_OF_RANGE', async () => {
    const all = await world()
    const { cluster, clock, write } = all
    await write(0, 'a', 'b')
    const consumer = cluster.consumer({ ...text, autoOffsetReset: 'none' })
    await consumer.assign(orders())
    consumer.seek({ ...first, offset: 7 })
    await settle(clock)
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
    consumer.seek({ ...first, offset: 0 })
    expect(await polledBy(all, consumer)).toEqual(['a', 'b'])
  })
})

describe('seek', () => {
  it('seek moves forward, back and to both ends', async () => {
    const all = await world(2)
    const { cluster, write } = all
    await write(0, 'a', 'b', 'c')
    await write(1, 'x')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders(2))
    consumer.pause([{ topic: 'orders', partition: 1 }])
    expect(await polledBy(all, consumer)).toEqual(['a', 'b', 'c'])
    consumer.seek({ ...first, offset: 1 })
    expect(await consumer.position(first)).toBe(1)
    expect(await polledBy(all, consumer)).toEqual(['b', 'c'])
    await consumer.seekToBeginning(orders())
    expect(await consumer.position(first)).toBe(0)
    expect(await polledBy(all, consumer)).toEqual(['a', 'b', 'c'])
    consumer.seek({ ...first, offset: 0 })
    await consumer.seekToEnd()
    expect(await consumer.position(first)).toBe(3)
    expect(await consumer.position({ topic: 'orders', partition: 1 })).toBe(1)
    await write(0, 'd')
    expect(await polledBy(all, consumer)).toEqual(['d'])
  })

  it('seek does not wait for the fetch in flight', async () => {
    const all = await world()
    const { cluster, clock, write } = all
    await write(0, 'a')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    expect(await polledBy(all, consumer)).toEqual(['a'])
    await settle(clock) // the long poll behind the end is waiting now
    consumer.seek({ ...first, offset: 0 })
    expect(await polledBy(all, consumer)).toEqual(['a'])
    expect(clock.monotonicMs()).toBe(0)
  })

  it('the answer of a fetch from before a seek is dropped', async () => {
    const all = await world()
    const { cluster, clock, write } = all
    await write(0, 'a', 'b', 'c')
    const releases: (() => void)[] = []
    intercept((api, _request, next) => {
      if (api !== 'Fetch') return next()
      return Promise.resolve(next()).then(async answer => {
        await new Promise<void>(resolve => releases.push(resolve))
        return answer
      })
    })
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    await settle(clock)
    consumer.seek({ ...first, offset: 2 })
    await settle(clock)
    const polled = consumer.poll()
    for (let round = 0; round < 4; round++) {
      for (const release of releases.splice(0)) release()
      await settle(clock)
    }
    expect((await polled).map(({ value }) => value)).toEqual(['c'])
  })

  it('a seek wins over a reset in flight', async () => {
    const all = await world()
    const { cluster, clock, write } = all
    await write(0, 'a', 'b', 'c')
    let release: (() => void) | undefined
    intercept((api, _request, next) => {
      if (api !== 'ListOffsets') return next()
      return new Promise<void>(resolve => (release = resolve)).then(() => next())
    })
    const consumer = cluster.consumer(text)
    const assigned = consumer.assign(orders())
    await settle(clock)
    consumer.seek({ ...first, offset: 2 })
    release?.()
    await assigned
    expect(await polledBy(all, consumer)).toEqual(['c'])
  })

  it.each([1, 2])('a seek wins over a reset that fails at attempt %i', async attempt => {
    const all = await world()
    const { cluster, clock, write } = all
    await write(0, 'a', 'b')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    const refusals: (() => void)[] = []
    intercept((api, _request, next) => {
      if (api !== 'ListOffsets' || refusals.length === attempt) return next()
      return new Promise<void>(resolve => refusals.push(resolve)).then(() => {
        throw new PartlogError('TOPIC_AUTHORIZATION_FAILED', 'not yours')
      })
    })
    consumer.seek({ ...first, offset: 100 })
    await settle(clock)
    for (const each of Array.from({ length: attempt }).keys()) {
      if (each === attempt - 1) consumer.seek({ ...first, offset: 1 })
      refusals[each]?.()
      await settle(clock)
    }
    expect(refusals).toHaveLength(attempt)
    expect(await polledBy(all, consumer)).toEqual(['b'])
  })

  it('a seek in a partition that is not assigned is refused', async () => {
    const { cluster } = await world(2)
    const consumer = cluster.consumer()
    await consumer.assign(orders())
    const refused = expect.objectContaining({ code: 'INVALID_REQUEST' })
    const second = { topic: 'orders', partition: 1 }
    expect(() => consumer.seek({ ...second, offset: 0 })).toThrow(refused)
    expect(() => consumer.pause([second])).toThrow(refused)
    expect(() => consumer.resume([second])).toThrow(refused)
    await expect(consumer.seekToEnd([second])).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    await expect(consumer.position(second)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  })
})

describe('pause and resume', () => {
  it('records that were fetched before a pause are delivered after resume', async () => {
    const all = await world(2)
    const { cluster, clock, write } = all
    await write(0, 'a', 'b')
    const consumer = cluster.consumer({ ...text, maxPollRecords: 1 })
    await consumer.assign(orders(2))
    expect(await polledBy(all, consumer)).toEqual(['a'])
    consumer.pause(orders())
    expect(consumer.paused()).toEqual(orders())
    const polled = consumer.poll()
    expect(await isPending(polled, clock)).toBe(true)
    await write(1, 'other')
    expect((await polled).map(({ value }) => value)).toEqual(['other'])
    consumer.resume(orders())
    expect(consumer.paused()).toEqual([])
    expect(await polledBy(all, consumer)).toEqual(['b'])
  })

  it('a paused partition is not fetched', async () => {
    const { cluster, clock, write } = await world(2)
    const consumer = cluster.consumer(text)
    await consumer.assign(orders(2))
    consumer.pause(orders())
    const asked = new Set<number>()
    intercept((api, request: Request<'Fetch'>, next) => {
      if (api === 'Fetch') {
        for (const each of request.topics[0]?.partitions ?? []) asked.add(each.partition)
      }
      return next()
    })
    await write(0, 'a')
    await clock.advance(5_000)
    expect([...asked]).toEqual([1])
  })

  it('resume wakes a poll that waits', async () => {
    const { cluster, clock, write } = await world()
    await write(0, 'a')
    const consumer = cluster.consumer(text)
    await consumer.assign(orders())
    consumer.pause(orders())
    const polled = consumer.poll()
    expect(await isPending(polled, clock)).toBe(true)
    consumer.resume(orders())
    expect((await polled).map(({ value }) => value)).toEqual(['a'])
  })
})

describe('offsets', () => {
  it('offsetsForTimes finds the first record that is not older', async () => {
    const { cluster, writeMessages } = await world(2)
    for (const timestamp of [1_000, 2_000, 2_000, 5_000]) {
      await writeMessages({ partition: 0, value: 'x', timestamp })
    }
    const consumer = cluster.consumer()
    const ask = async (timestamp: number | Date) =>
      await consumer.offsetsForTimes([{ ...first, timestamp }])
    expect(await ask(0)).toEqual([{ ...first, offset: 0, timestamp: 1_000 }])
    expect(await ask(1_001)).toEqual([{ ...first, offset: 1, timestamp: 2_000 }])
    expect(await ask(new Date(2_001))).toEqual([{ ...first, offset: 3, timestamp: 5_000 }])
    expect(await ask(5_001)).toEqual([{ ...first, offset: null, timestamp: null }])
    expect(
      await consumer.offsetsForTimes([
        { topic: 'orders', partition: 1, timestamp: 0 },
        { ...first, timestamp: 5_000 },
      ]),
    ).toEqual([
      { topic: 'orders', partition: 1, offset: null, timestamp: null },
      { ...first, offset: 3, timestamp: 5_000 },
    ])
  })

  it('beginningOffsets and endOffsets find both ends', async () => {
    const { cluster, write } = await world(2)
    await write(0, 'a', 'b', 'c')
    await cluster.admin.deleteRecords({ ...first, offset: 1 })
    const consumer = cluster.consumer()
    expect(await consumer.beginningOffsets(orders(2))).toMatchObject([{ offset: 1 }, { offset: 0 }])
    expect(await consumer.endOffsets(orders(2))).toMatchObject([{ offset: 3 }, { offset: 0 }])
  })

  it('a leader that is away for a while is asked again for offsets', async () => {
    const { cluster, clock } = await world()
    const consumer = cluster.consumer()
    let failures = 3
    intercept((api, _request, next) => {
      if (api === 'ListOffsets' && failures-- > 0) {
        throw new PartlogError('NETWORK_EXCEPTION', 'no line')
      }
      return next()
    })
    const asked = consumer.endOffsets(orders())
    await clock.advance(2_000)
    expect(await asked).toEqual([{ ...first, offset: 0 }])
  })

  it('assign retries for offsets until defaultApiTimeoutMs is over', async () => {
    const { cluster, clock } = await world(3)
    const consumer = cluster.consumer({ ...text, defaultApiTimeoutMs: 3_000 })
    intercept((api, _request, next) => {
      if (api === 'ListOffsets') throw new PartlogError('NETWORK_EXCEPTION', 'no line')
      return next()
    })
    const assigned = consumer.assign(orders(3))
    assigned.catch(() => undefined)
    await clock.advance(3_000)
    await expect(assigned).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
  })

  it('a request for offsets fails after defaultApiTimeoutMs', async () => {
    const { cluster, clock } = await world()
    const consumer = cluster.consumer({ defaultApiTimeoutMs: 3_000 })
    intercept((api, _request, next) => {
      if (api === 'ListOffsets') throw new PartlogError('NETWORK_EXCEPTION', 'no line')
      return next()
    })
    const asked = consumer.endOffsets(orders())
    asked.catch(() => undefined)
    await clock.advance(5_000)
    await expect(asked).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
    expect(clock.monotonicMs()).toBeLessThanOrEqual(5_000)
  })
})

import { describe, expect, it } from 'vitest'
import { Deferred } from '../../../src/base/tasks.js'
import type { Consumer } from '../../../src/client/consumer/consumer-api.js'
import type { ConsumerRecord } from '../../../src/client/consumer/consumer-record.js'
import { errorId, PartlogError } from '../../../src/model/errors.js'
import type { Request } from '../../../src/protocol/api.js'
import { countRequests, intercept, isPending, orders, settle, world, type World } from '../world.js'

const options = {
  groupId: 'g',
  valueDeserializer: 'string',
  autoOffsetReset: 'earliest',
} as const
const manual = { ...options, enableAutoCommit: false } as const
const first = { topic: 'orders', partition: 0 }

async function committed({ cluster }: World): Promise<(number | null)[]> {
  const looking = cluster.consumer({ groupId: 'g' })
  const { partitions } = await cluster.admin.describeTopic('orders')
  const found = await looking.committed(orders(partitions.length))
  await looking.close()
  return found.map(({ offset }) => offset)
}

async function ready(partitions = 1, of: object = options) {
  const all = await world(partitions)
  const consumer: Consumer<Uint8Array, string> = all.cluster.consumer({ ...options, ...of })
  await consumer.subscribe(['orders'])
  const poll = async (): Promise<ConsumerRecord<Uint8Array, string>[]> => {
    await settle(all.clock)
    return await consumer.poll()
  }
  return { ...all, all, consumer, poll }
}

describe('commit', () => {
  it('commit without arguments commits everything delivered', async () => {
    const { all, consumer, poll, write } = await ready(2, manual)
    await write(0, 'a', 'b', 'c')
    await write(1, 'x')
    expect(await poll()).toHaveLength(4)
    expect(await committed(all)).toEqual([null, null])
    await consumer.commit()
    expect(await committed(all)).toEqual([3, 1])
  })

  it('a commit of records commits each offset + 1, with metadata', async () => {
    const { all, consumer, poll, write } = await ready(2, manual)
    await write(0, 'a', 'b', 'c')
    const records = await poll()
    await consumer.commit({ records: records.slice(0, 2), metadata: 'half way' })
    expect(await committed(all)).toEqual([2, null])
    expect(await consumer.committed(orders(2))).toEqual([
      { ...first, offset: 2, metadata: 'half way', leaderEpoch: 0 },
      { topic: 'orders', partition: 1, offset: null, metadata: '', leaderEpoch: -1 },
    ])
  })

  it('an automatic commit that waits for another one does not go back behind it', async () => {
    const held = new Deferred<void>()
    const { all, consumer, poll, write, clock } = await ready(1, { autoCommitIntervalMs: 5_000 })
    await write(0, 'a', 'b', 'c')
    const one = await poll()
    expect(one).toHaveLength(3)
    await write(0, 'd', 'e')
    const two = await poll() // the first three are processed, these are in hand
    expect(two).toHaveLength(2)
    const end = intercept(async (api, _request, next) => {
      if (api === 'OffsetCommit') await held.promise
      return await next()
    })
    const commit = consumer.commit({ records: two })
    await clock.advance(5_000) // the automatic commit of the first three queues up
    held.resolve()
    await commit
    await settle(clock)
    end()
    expect(await committed(all)).toEqual([5])
    await consumer.close()
    expect(await committed(all)).toEqual([5])
  })

  it('a commit of records in any order commits the furthest', async () => {
    const { all, consumer, poll, write } = await ready(1, manual)
    await write(0, 'a', 'b', 'c')
    await consumer.commit({ records: (await poll()).toReversed() })
    expect(await committed(all)).toEqual([3])
  })

  it('a commit of offsets may name partitions that are not assigned', async () => {
    const { all, consumer } = await ready(2, manual)
    await consumer.assign([{ topic: 'orders', partition: 1 }])
    await consumer.commit({ offsets: [{ ...first, offset: 7, metadata: 'm' }] })
    expect(await committed(all)).toEqual([7, null])
  })

  it('a commit of nothing changes nothing', async () => {
    const { all, consumer } = await ready(1, manual)
    const commits = countRequests('OffsetCommit')
    await consumer.commit({ records: [] })
    await consumer.commit({ offsets: [] })
    expect(commits()).toBe(0)
    expect(await committed(all)).toEqual([null])
  })

  it('commits are sent in the order of the calls', async () => {
    const { all, clock, consumer } = await ready(1, manual)
    const releases: (() => void)[] = []
    intercept((api, _request, next) => {
      if (api !== 'OffsetCommit') return next()
      return new Promise<void>(resolve => releases.push(resolve)).then(() => next())
    })
    const commits = [1, 2].map(offset => consumer.commit({ offsets: [{ ...first, offset }] }))
    await settle(clock)
    expect(releases).toHaveLength(1)
    releases[0]?.()
    await commits[0]
    await settle(clock)
    expect(releases).toHaveLength(2)
    releases[1]?.()
    await commits[1]
    expect(await committed(all)).toEqual([2])
  })

  it('a commit survives a coordinator that is away for a while', async () => {
    const { all, clock, consumer } = await ready(1, manual)
    let failures = 2
    intercept((api, request: Request<'OffsetCommit'>, next) => {
      if (api !== 'OffsetCommit' || failures-- <= 0) return next()
      const topics = request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: 16 })),
      }))
      return { topics } // 16: NOT_COORDINATOR
    })
    const done = consumer.commit({ offsets: [{ ...first, offset: 4 }] })
    await clock.advance(1_000)
    await done
    expect(await committed(all)).toEqual([4])
  })

  it('a commit reports what the coordinator refuses', async () => {
    const { consumer } = await ready(1, manual)
    const metadata = 'x'.repeat(4_097)
    await expect(
      consumer.commit({ offsets: [{ ...first, offset: 1, metadata }] }),
    ).rejects.toMatchObject({ code: 'OFFSET_METADATA_TOO_LARGE' })
  })

  it('a commit for a partition that does not exist is refused at once, and others are committed', async () => {
    const { all, consumer } = await ready(1, manual)
    for (const place of [
      { topic: 'nowhere', partition: 0 },
      { topic: 'orders', partition: 1 },
    ]) {
      const offset = place.partition + 1
      const offsets = [
        { ...place, offset: 1 },
        { ...first, offset },
      ]
      const unknown = { code: 'UNKNOWN_TOPIC_OR_PARTITION' }
      await expect(consumer.commit({ offsets })).rejects.toMatchObject(unknown)
      expect(await committed(all)).toEqual([offset])
    }
    expect(await all.cluster.admin.listTopics()).toEqual(['orders']) // asking has made none
  })

  it('a commit for a topic that is new to the coordinator is retried', async () => {
    const { all, clock, consumer } = await ready(1, manual)
    let refusals = 0
    intercept((api, _request, next) => {
      if (api !== 'OffsetCommit' || refusals++ > 0) return next()
      const errorCode = errorId('UNKNOWN_TOPIC_OR_PARTITION')
      const partitions = [{ partitionIndex: 0, errorCode, errorMessage: null }]
      return { topics: [{ name: 'orders', partitions }] }
    })
    const committing = consumer.commit({ offsets: [{ ...first, offset: 1 }] })
    await clock.advance(1_000)
    await committing
    expect(refusals).toBe(2)
    expect(await committed(all)).toEqual([1])
  })
})

describe('auto-commit', () => {
  it('auto-commit commits the previous poll after autoCommitIntervalMs', async () => {
    const { all, clock, poll, write } = await ready()
    await write(0, 'a', 'b')
    await poll()
    await clock.advance(5_000)
    expect(await committed(all)).toEqual([0])
    await write(0, 'c')
    await poll()
    await clock.advance(4_999)
    expect(await committed(all)).toEqual([0])
    await clock.advance(1)
    await settle(clock)
    expect(await committed(all)).toEqual([2])
  })

  it('an automatic commit takes what is processed when its turn comes', async () => {
    const { all, clock, consumer, poll, write } = await ready(1, { maxPollRecords: 1 })
    await write(0, 'a', 'b', 'c')
    const released = new Deferred<void>()
    let isHeld = true
    intercept(async (api, _request, next) => {
      if (api === 'OffsetCommit' && isHeld) await released.promise
      return await next()
    })
    await poll()
    const held = consumer.commit({ offsets: [{ ...first, offset: 0 }] })
    await poll()
    await clock.advance(5_000) // the automatic commit of a waits
    await poll() // b is processed
    isHeld = false
    released.resolve()
    await held
    await settle(clock)
    expect(await committed(all)).toEqual([2])
  })

  it('close commits what was processed, never the current poll', async () => {
    const { all, consumer, poll, write } = await ready()
    await write(0, 'a', 'b')
    await poll()
    await write(0, 'c')
    await poll()
    await consumer.close()
    expect(await committed(all)).toEqual([2])
  })

  it('the record in hand of a loop is not processed', async () => {
    const { all, clock, consumer, write } = await ready()
    await write(0, 'a', 'b', 'c')
    for await (const { value } of consumer) {
      if (value !== 'c') continue
      await clock.advance(10_000)
      expect(await committed(all)).toEqual([2])
      break
    }
    await consumer.close()
    expect(await committed(all)).toEqual([2])
  })

  it('in a loop a record is processed when the next one is waited for', async () => {
    const { all, clock, consumer, write } = await ready()
    await write(0, 'a', 'b', 'c')
    const seen: string[] = []
    const loop = (async () => {
      for await (const { value } of consumer) seen.push(value as string)
    })()
    await settle(clock)
    expect(seen).toEqual(['a', 'b', 'c'])
    await clock.advance(5_000)
    expect(await committed(all)).toEqual([3])
    await consumer.close()
    await loop
  })

  it('in run a record is processed when its handler has resolved', async () => {
    const { all, clock, consumer, write } = await ready()
    await write(0, 'a', 'b', 'c')
    let release: (() => void) | undefined
    const running = consumer.run({
      eachRecord: ({ value }) =>
        value === 'b' ? new Promise<void>(resolve => (release = resolve)) : undefined,
    })
    await clock.advance(5_000)
    expect(await committed(all)).toEqual([1])
    release?.()
    await clock.advance(5_000)
    expect(await committed(all)).toEqual([3])
    await consumer.close()
    await running
  })

  it('in run a batch is processed as a whole', async () => {
    const { all, clock, consumer, write } = await ready()
    await write(0, 'a', 'b', 'c')
    let release: (() => void) | undefined
    const running = consumer.run({
      eachBatch: () => new Promise<void>(resolve => (release = resolve)),
    })
    await clock.advance(5_000)
    expect(await committed(all)).toEqual([0])
    const closed = consumer.close()
    release?.()
    await closed
    await running
    expect((await committed(all))[0]).not.toBe(1)
  })

  it('auto-commit never passes a position that was sought back', async () => {
    const { all, clock, consumer, poll, write } = await ready()
    await write(0, 'a', 'b', 'c')
    await poll()
    consumer.seek({ ...first, offset: 1 })
    await clock.advance(5_000)
    expect(await committed(all)).toEqual([1])
  })

  it('auto-commit follows a seek back behind what was committed', async () => {
    const { all, clock, consumer, poll, write } = await ready()
    await write(0, 'a', 'b', 'c')
    await poll()
    await consumer.commit()
    expect(await committed(all)).toEqual([3])
    consumer.seek({ ...first, offset: 1 })
    await clock.advance(5_000)
    expect(await committed(all)).toEqual([1])
  })

  it('auto-commit never goes back behind an explicit commit that is ahead', async () => {
    const { all, clock, consumer, poll, write } = await ready(1, { maxPollRecords: 2 })
    await write(0, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i')
    await poll()
    await consumer.commit({ offsets: [{ ...first, offset: 8 }] })
    for (let polls = 0; polls < 2; polls++) await poll()
    await clock.advance(5_000)
    expect(await committed(all)).toEqual([8])
  })

  it('close commits for partitions that were assigned by hand, too', async () => {
    const all = await world(1)
    await all.write(0, 'a', 'b')
    const consumer = all.cluster.consumer(options)
    await consumer.assign([first])
    await consumer.poll()
    await consumer.poll({ timeoutMs: 0 })
    await consumer.close()
    expect(await committed(all)).toEqual([2])
  })

  it('auto-commit can be switched off', async () => {
    const { all, clock, consumer, poll, write } = await ready(1, manual)
    await write(0, 'a')
    await poll()
    await write(0, 'b')
    await poll()
    await clock.advance(60_000)
    await consumer.close()
    expect(await committed(all)).toEqual([null])
  })

  it('auto-commit does not overwrite an explicit commit until more is processed', async () => {
    const { all, clock, consumer, poll, write } = await ready()
    await write(0, 'a', 'b', 'c')
    await poll()
    await consumer.commit({ offsets: [{ ...first, offset: 2 }] })
    await clock.advance(20_000)
    expect(await committed(all)).toEqual([2])
    await write(0, 'd')
    await poll()
    await clock.advance(5_000)
    expect(await committed(all)).toEqual([3])
  })

  it('auto-commit does not repeat a commit that changes nothing', async () => {
    const { clock, consumer, poll, write } = await ready()
    await write(0, 'a')
    await poll()
    await consumer.commit()
    const commits = countRequests('OffsetCommit')
    await clock.advance(60_000)
    await consumer.close()
    expect(commits()).toBe(0)
  })

  it('auto-commit waits for the answer before it commits again', async () => {
    const { clock, poll, write } = await ready()
    await write(0, 'a')
    await poll()
    await write(0, 'b')
    await poll()
    const releases: (() => void)[] = []
    intercept((api, _request, next) => {
      if (api !== 'OffsetCommit') return next()
      return new Promise<void>(resolve => releases.push(resolve)).then(() => next())
    })
    await clock.advance(20_000)
    expect(releases).toHaveLength(1)
    releases[0]?.()
    await clock.advance(20_000)
    expect(releases).toHaveLength(1)
  })

  it('records processed during a commit are part of the next one', async () => {
    const { all, clock, consumer, write } = await ready()
    await write(0, 'a', 'b')
    let release: (() => void) | undefined
    intercept((api, _request, next) => {
      if (api !== 'OffsetCommit' || release !== undefined) return next()
      return new Promise<void>(resolve => (release = resolve)).then(() => next())
    })
    const iterator = consumer[Symbol.asyncIterator]()
    await iterator.next()
    await iterator.next()
    await clock.advance(5_000)
    const third = iterator.next()
    expect(await isPending(third, clock)).toBe(true)
    release?.()
    await settle(clock)
    expect(await committed(all)).toEqual([1])
    await consumer.close()
    expect(await committed(all)).toEqual([2])
  })

  it('a failed auto-commit is logged, and the next one may succeed', async () => {
    const warnings: string[] = []
    const silent = (): void => undefined
    const warn = (sentence: string): void => void warnings.push(sentence)
    const logger = { debug: silent, info: silent, warn, error: silent }
    const all = await world(1, { logger })
    const { cluster, clock, write } = all
    let isAway = true
    intercept((api, _request, next) => {
      if (api === 'OffsetCommit' && isAway) throw new PartlogError('NOT_COORDINATOR', 'moved')
      return next()
    })
    const consumer = cluster.consumer({ ...options, defaultApiTimeoutMs: 2_000 })
    await consumer.subscribe(['orders'])
    await write(0, 'a')
    await settle(clock)
    await consumer.poll()
    await write(0, 'b')
    await settle(clock)
    await consumer.poll()
    await clock.advance(9_000)
    expect(warnings).toEqual([expect.stringContaining('could not be committed')])
    isAway = false
    await clock.advance(6_000)
    expect(await committed(all)).toEqual([1])
  })
})

describe('committed offsets', () => {
  it('a committed offset is not committed again by a consumer that begins there', async () => {
    const { cluster, consumer, poll, write } = await ready()
    await write(0, 'a', 'b')
    await poll()
    await consumer.commit()
    await consumer.close()
    const commits = countRequests('OffsetCommit')
    const next = cluster.consumer(options)
    await next.subscribe(['orders'])
    await next.close()
    expect(commits()).toBe(0)
  })

  it('the next consumer of a group begins at the committed offsets', async () => {
    const { cluster, clock, consumer, poll, write } = await ready()
    await write(0, 'a', 'b', 'c')
    await poll()
    await consumer.commit()
    await consumer.close()
    await write(0, 'd')
    const next = cluster.consumer(options)
    await next.subscribe(['orders'])
    await settle(clock)
    expect((await next.poll()).map(({ value }) => value)).toEqual(['d'])
  })

  it('committed offsets belong to their group', async () => {
    const { cluster, clock, consumer, poll, write } = await ready()
    await write(0, 'a')
    await poll()
    await consumer.commit()
    const other = cluster.consumer({ ...options, groupId: 'other' })
    await other.subscribe(['orders'])
    await settle(clock)
    expect((await other.poll()).map(({ value }) => value)).toEqual(['a'])
    await other.commit()
    expect((await cluster.admin.listGroups()).map(({ groupId }) => groupId)).toEqual(['g', 'other'])
  })

  it('committed offsets are deleted with their topic', async () => {
    const { cluster, clock, consumer, poll, write } = await ready()
    await write(0, 'a')
    await poll()
    await consumer.commit()
    await consumer.close()
    await cluster.admin.deleteTopic('orders')
    await cluster.admin.createTopic({ topic: 'orders' })
    const next = cluster.consumer(options)
    expect(await next.committed(orders())).toMatchObject([{ offset: null }])
    await next.subscribe(['orders'])
    await settle(clock)
    expect(await next.position(first)).toBe(0)
  })

  it('committed offsets show as lag', async () => {
    const { cluster, consumer, poll, write } = await ready(2, manual)
    await write(0, 'a', 'b')
    await poll()
    await consumer.commit({ offsets: [{ ...first, offset: 1, metadata: 'note' }] })
    expect(await cluster.admin.listGroupOffsets('g')).toEqual([
      { ...first, offset: 1, metadata: 'note', endOffset: 2, lag: 1 },
    ])
    expect(await cluster.admin.listGroups()).toMatchObject([{ groupId: 'g', state: 'Stable' }])
    await consumer.close()
    expect(await cluster.admin.listGroups()).toMatchObject([{ groupId: 'g', state: 'Empty' }])
  })
})

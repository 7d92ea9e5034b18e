/**
 * Topics that are deleted while a group reads them, and made anew: the group goes on with what is
 * there, no call waits for what is not, nothing brings it back, and nothing of the old one counts for
 * a new one.
 */

import { describe, expect, it } from 'vitest'
import type { Consumer } from '../../../src/client/consumer/consumer-api.js'
import type { AssignorName } from '../../../src/client/group/assignor-option.js'
import { intercept, isPending, settle, world, type World } from '../world.js'

const ASSIGNORS: AssignorName[] = ['range', 'roundrobin', 'sticky', 'cooperative-sticky']

/** The topics orders (3 partitions) and bills (2), each with a record per partition. */
async function twoTopics(): Promise<World> {
  const all = await world(3)
  const { cluster, write } = all
  await cluster.admin.createTopic({ topic: 'bills', partitions: 2 })
  for (const partition of [0, 1, 2]) await write(partition, `o${partition}`)
  for (const partition of [0, 1]) {
    const messages = [{ partition, value: `b${partition}` }]
    await cluster.producer().send({ topic: 'bills', messages })
  }
  return all
}

type Reader = Consumer<Uint8Array, string>

function reader({ cluster }: World, of: object = {}): Reader {
  return cluster.consumer({
    groupId: 'g',
    autoOffsetReset: 'earliest',
    valueDeserializer: 'string',
    metadataMaxAgeMs: 10_000,
    ...of,
  })
}

const owned = (...readers: Reader[]): string =>
  readers
    .flatMap(each => each.assignment().map(({ topic, partition }) => `${topic}-${partition}`))
    .toSorted()
    .join(' ')

const forever = (each: Reader): void => void each.run({ eachRecord() {} }).catch(() => undefined)

describe.each(ASSIGNORS)('a topic is deleted while a group with %s reads it', assignor => {
  const options = { partitionAssignmentStrategy: [assignor] }

  it.each([
    ['by name', ['orders', 'bills']],
    ['by pattern', /^(orders|bills)$/],
  ] as const)("a deleted topic's partitions are revoked when members subscribed %s", async (_, topics) => {
    const all = await twoTopics()
    const { cluster, clock } = all
    const readers = [reader(all, options), reader(all, options)]
    for (const each of readers) {
      const subscribed = each.subscribe(topics)
      await settle(clock)
      await subscribed
      forever(each)
    }
    await cluster.until({ group: 'g', lag: 0 })
    await cluster.admin.deleteTopic('orders')
    await clock.advance(5_000)
    expect(owned(...readers)).toBe('bills-0 bills-1')
    await cluster.until({ group: 'g', lag: 0 }) // nothing is left to read of it
    // What else has changed is found as before.
    await cluster.admin.createPartitions({ topic: 'bills', partitions: 4 })
    await clock.advance(11_000)
    expect(owned(...readers)).toBe('bills-0 bills-1 bills-2 bills-3')
    expect(await cluster.admin.listTopics()).toEqual(['bills'])
  })

  it('a topic that was deleted and created again is read from its beginning', async () => {
    const all = await twoTopics()
    const { cluster, clock } = all
    const values: (string | null)[] = []
    const one = reader(all, options)
    await one.subscribe(['orders', 'bills'])
    const running = one.run({ eachRecord: ({ value }) => void values.push(value) })
    running.catch(() => undefined)
    await cluster.until({ group: 'g', lag: 0 })
    await cluster.admin.deleteTopic('orders')
    await cluster.admin.createTopic({ topic: 'orders', partitions: 1 })
    values.length = 0
    await all.write(0, 'n0', 'n1', 'n2')
    await clock.advance(5_000)
    expect(values).toEqual(['n0', 'n1', 'n2'])
    expect(owned(one)).toBe('bills-0 bills-1 orders-0')
    await cluster.until({ group: 'g', lag: 0 })
    const lag = await cluster.admin.groupLag('g')
    const ofOrders = lag.partitions.filter(({ topic }) => topic === 'orders')
    expect(ofOrders).toMatchObject([{ partition: 0, offset: 3, lag: 0 }])
  })
})

describe('a topic that is gone', () => {
  it('uncommitted positions of a deleted topic do not delay the next rebalance', async () => {
    const all = await twoTopics()
    const { cluster, clock } = all
    const one = reader(all)
    await one.subscribe(['orders', 'bills'])
    await one.poll()
    await one.poll({ timeoutMs: 0 }) // all of it is processed, and not committed
    await cluster.admin.deleteTopic('orders')
    const two = reader(all)
    const joining = two.subscribe(['bills'])
    expect(await isPending(joining, clock)).toBe(false)
    await joining
    const committed = await cluster.admin.listGroupOffsets('g')
    expect(committed.map(({ topic, offset }) => [topic, offset])).toEqual([
      ['bills', 1],
      ['bills', 1],
    ])
  })

  it('a commit of delivered records leaves out a deleted topic', async () => {
    const all = await twoTopics()
    const { cluster } = all
    const one = reader(all, { enableAutoCommit: false })
    await one.subscribe(['orders', 'bills'])
    const records = await one.poll()
    await cluster.admin.deleteTopic('orders')
    await one.commit()
    expect(await cluster.admin.listGroupOffsets('g')).toHaveLength(2)
    const unknown = { code: 'UNKNOWN_TOPIC_OR_PARTITION' }
    await expect(one.commit({ records })).rejects.toMatchObject(unknown)
  })

  it('other partitions are assigned while a subscribed topic does not exist', async () => {
    const all = await twoTopics()
    const { cluster, clock } = all
    let isDeleted = false
    // The leader has shared out a topic that is deleted before any member has asked for offsets.
    intercept((api, _request, next) => {
      if (api !== 'OffsetFetch' || isDeleted) return next()
      isDeleted = true
      return cluster.admin.deleteTopic('orders').then(next)
    })
    const one = reader(all)
    const joining = one.subscribe(['orders', 'bills'])
    await clock.advance(100)
    await joining
    expect((await one.poll()).map(({ value }) => value).toSorted()).toEqual(['b0', 'b1'])
    await clock.advance(5_000)
    expect(owned(one)).toBe('bills-0 bills-1')
  })

  it('no reader creates a deleted topic again', async () => {
    const all = await twoTopics()
    const { cluster, clock } = all
    const [named, matching, idle] = [
      reader(all),
      reader(all, { groupId: 'h' }),
      reader(all, { groupId: 'i' }),
    ]
    await named.subscribe(['orders', 'bills'])
    await matching.subscribe(/^orders|^bills/)
    await idle.subscribe(/^orders|^bills/)
    await idle.poll({ timeoutMs: 0 })
    const byHand = cluster.consumer({ autoOffsetReset: 'earliest' })
    const first = { topic: 'orders', partition: 0 }
    await byHand.assign([first])
    const producer = cluster.producer() // knows it, and is idle
    await producer.send({ topic: 'orders', messages: [{ value: 'x' }] })
    forever(named)
    forever(matching)
    await clock.advance(10)
    await cluster.admin.deleteTopic('orders')
    for (const asking of [
      byHand.endOffsets([first]),
      byHand.offsetsForTimes([{ ...first, timestamp: 0 }]),
      byHand.committed([first]),
      cluster.admin.listOffsets('orders'),
      cluster.admin.groupLag('g'),
      cluster.admin.listGroupOffsets('h'),
    ]) {
      asking.catch(() => undefined)
    }
    await clock.advance(61_000)
    expect(await cluster.admin.listTopics()).toEqual(['bills'])
    await named.subscribe(['orders', 'bills']) // to subscribe may make it
    expect(await cluster.admin.listTopics()).toEqual(['bills', 'orders'])
  })
})

describe('what was read of a topic that was made anew', () => {
  const first = { topic: 'orders', partition: 0 }

  /** Paused, so that nothing is asked for while the topic is another one. */
  async function paused(policy: 'earliest' | 'none') {
    const all = await world()
    await all.write(0, 'a', 'b', 'c')
    const one = reader(all, { autoOffsetReset: policy, enableAutoCommit: false })
    await one.assign([first])
    one.seek({ ...first, offset: 0 })
    expect(await one.poll()).toHaveLength(3)
    await settle(all.clock)
    one.pause([first])
    await all.clock.advance(600)
    await all.cluster.admin.deleteTopic('orders')
    await all.cluster.admin.createTopic({ topic: 'orders' })
    await all.write(0, 'A', 'B', 'C', 'D')
    return { ...all, one }
  }

  it('offsets of a deleted topic are not committed for the recreated one', async () => {
    const { cluster, one } = await paused('earliest')
    await one.commit()
    expect(await cluster.admin.listGroupOffsets('g')).toEqual([])
  })

  it('no record of a recreated topic is skipped', async () => {
    const { clock, one } = await paused('earliest')
    one.resume([first])
    const polled = one.poll({ timeoutMs: 5_000 })
    await clock.advance(5_000)
    expect((await polled).map(({ value }) => value)).toEqual(['A', 'B', 'C', 'D'])
  })

  it('with autoOffsetReset none a recreated topic is reported', async () => {
    const { clock, one } = await paused('none')
    one.resume([first])
    const polled = one.poll({ timeoutMs: 5_000 })
    polled.catch(() => undefined)
    await clock.advance(5_000)
    await expect(polled).rejects.toMatchObject({ code: 'NO_OFFSET_FOR_PARTITION' })
  })
})

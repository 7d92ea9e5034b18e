/** Calls about what is not there are answered at once: no time passes, and nothing is made. */

import { describe, expect, it } from 'vitest'
import type { Admin } from '../../../src/client/admin/admin-api.js'
import { errorId, PartlogError } from '../../../src/model/errors.js'
import { intercept, isPending, world } from '../world.js'

const nowhere = { topic: 'nowhere', partition: 0 }
const beyond = { topic: 'orders', partition: 7 }

const CALLS: Readonly<Record<string, (admin: Admin, place: typeof nowhere) => Promise<unknown>>> = {
  deleteRecords: (admin, place) => admin.deleteRecords({ ...place, offset: 1 }),
  setOffsets: (admin, place) =>
    admin.alterGroupOffsets({ groupId: 'g', offsets: [{ ...place, offset: 1 }] }),
  resetOffsets: (admin, place) =>
    admin.resetGroupOffsets({ groupId: 'g', to: 'earliest', partitions: [place] }),
  deleteGroupOffsets: (admin, place) =>
    admin.deleteGroupOffsets({ groupId: 'g', partitions: [place] }),
  electLeaders: (admin, place) => admin.electLeaders({ type: 'preferred', partitions: [place] }),
}

const OF_TOPICS: Readonly<Record<string, (admin: Admin, topic: string) => Promise<unknown>>> = {
  describeTopic: (admin, topic) => admin.describeTopic(topic),
  deleteTopic: (admin, topic) => admin.deleteTopic(topic),
  createPartitions: (admin, topic) => admin.createPartitions({ topic, partitions: 3 }),
  describeConfig: (admin, topic) => admin.describeConfig(topic),
  alterConfig: (admin, topic) => admin.alterConfig(topic, { 'retention.ms': 1 }),
  listOffsets: (admin, topic) => admin.listOffsets(topic),
  resetOffsets: (admin, topic) =>
    admin.resetGroupOffsets({ groupId: 'g', to: 'latest', topics: [topic] }),
}

async function refusalOf(call: Promise<unknown>, clock: Parameters<typeof isPending>[1]) {
  call.catch(() => undefined)
  expect(await isPending(call, clock)).toBe(false)
  return await call.then(
    () => 'done',
    (error: PartlogError) => error.code,
  )
}

describe.each(Object.entries(CALLS))('%s', (_, call) => {
  it.each([nowhere, beyond])('a call about $topic-$partition, which does not exist, is refused', async place => {
    const { cluster, clock } = await world()
    await cluster.admin.alterGroupOffsets({
      groupId: 'g',
      offsets: [{ topic: 'orders', partition: 0, offset: 0 }],
    })
    const refusal = await refusalOf(call(cluster.admin, place), clock)
    expect(refusal).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await cluster.admin.listTopics()).toEqual(['orders'])
  })
})

it.each(Object.entries(OF_TOPICS))('%s for a topic that does not exist is refused', async (_, call) => {
  const { cluster, clock } = await world()
  const refusal = await refusalOf(call(cluster.admin, 'nowhere'), clock)
  expect(refusal).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  expect(await cluster.admin.listTopics()).toEqual(['orders'])
})

describe('a consumer', () => {
  it.each([nowhere, beyond])('a consumer of $topic-$partition, which does not exist, is refused', async place => {
    const { cluster, clock } = await world()
    const consumer = cluster.consumer({ groupId: 'g', allowAutoCreateTopics: false })
    for (const call of [
      () => consumer.endOffsets([place]),
      () => consumer.beginningOffsets([place]),
      () => consumer.offsetsForTimes([{ ...place, timestamp: 1 }]),
      () => consumer.assign([place]),
      () => consumer.commit({ offsets: [{ ...place, offset: 1 }] }),
    ]) {
      expect(await refusalOf(call(), clock)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    }
    expect(await cluster.admin.listTopics()).toEqual(['orders'])
  })

  it('a consumer that subscribes to a topic that does not exist is refused', async () => {
    const { cluster, clock } = await world()
    const consumer = cluster.consumer({ groupId: 'g', allowAutoCreateTopics: false })
    const refusal = await refusalOf(consumer.subscribe(['nowhere']), clock)
    expect(refusal).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })
})

it('a call retries a leader that does not know a new topic yet', async () => {
  const { cluster, clock, write } = await world()
  await write(0, 'a', 'b')
  let refusals = 0
  intercept((api, _request, next) => {
    if (api !== 'DeleteRecords' || refusals++ > 1) return next()
    const errorCode = errorId('UNKNOWN_TOPIC_OR_PARTITION')
    const partitions = [{ partitionIndex: 0, errorCode, errorMessage: null, lowWatermark: -1 }]
    return { topics: [{ name: 'orders', partitions }] }
  })
  const deleted = cluster.admin.deleteRecords({ topic: 'orders', partition: 0, offset: 1 })
  await clock.advance(2_000)
  expect(await deleted).toBe(1)
  expect(refusals).toBe(3)
})

it('subscribe and assign retry what may pass', async () => {
  for (const topics of [['orders'], /^orders/] as const) {
    const { cluster, clock } = await world()
    let failures = 0
    const end = intercept((api, _request, next) => {
      if (api !== 'Metadata' || failures++ > 2) return next()
      throw new PartlogError('NETWORK_EXCEPTION', 'not now')
    })
    const consumer = cluster.consumer({ groupId: 'g' })
    const subscribed = consumer.subscribe(topics)
    await clock.advance(5_000)
    await subscribed
    failures = 0
    const assigned = consumer.assign([{ topic: 'orders', partition: 0 }])
    await clock.advance(5_000)
    await assigned
    expect(failures).toBeGreaterThan(3)
    end()
  }
})

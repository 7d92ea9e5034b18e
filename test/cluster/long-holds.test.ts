/** Fetches that leaders hold for long while nothing can have changed: what must not wait for them. */

import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster, type ClusterOptions } from '../../src/index.js'
import { Broker } from '../../src/broker/broker.js'
import type { FetchRequest } from '../../src/protocol/messages/fetch.js'
import { countRequests, orders, settle } from '../client/world.js'

const MINUTE = 60_000
const place = { topic: 'orders', partition: 0 }

async function world(options: ClusterOptions = {}) {
  const clock = new VirtualClock()
  const cluster = await Cluster.memory({ clock, random: seededRandom(7), brokers: 3, ...options })
  onTestFinished(() => cluster.close())
  await cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 })
  const producer = cluster.producer({ retryBackoffMs: 1 })
  const write = async (value: string): Promise<void> => {
    const sent = producer.send({ topic: 'orders', messages: [{ value }] })
    await settle(clock)
    await sent
  }
  await write('first')
  await clock.advance(12 * MINUTE)
  const partition = async () => (await cluster.admin.describeTopic('orders')).partitions[0]
  const follower = async (): Promise<number> => {
    const { leader, replicas = [] } = (await partition()) ?? {}
    return replicas.find(id => id !== leader) ?? -1
  }
  return { cluster, clock, write, partition, follower }
}

describe('followers that were held for long', () => {
  it('ask rarely while nothing happens', async () => {
    const { clock } = await world()
    const fetches = countRequests('Fetch')
    await clock.advance(60 * MINUTE)
    expect(fetches()).toBeLessThan(6 * 30)
  })

  it('copy what is appended at once', async () => {
    const { write, clock, cluster } = await world()
    const before = clock.monotonicMs()
    await write('second')
    expect(clock.monotonicMs()).toBe(before)
    const [{ offset } = { offset: -1 }] = await cluster
      .consumer()
      .endOffsets(orders())
    expect(offset).toBe(2)
  })

  it('count as caught up until something is appended that they do not have', async () => {
    const { cluster, clock, partition, follower } = await world({ replicaLagTimeMaxMs: 30_000 })
    const id = await follower()
    cluster.broker(id).pauseReplication()
    void cluster.producer({ acks: 1 }).send({ topic: 'orders', messages: [{ value: 'x' }] })
    await settle(clock)
    await clock.advance(25_000)
    expect((await partition())?.isr).toContain(id)
    await clock.advance(30_000)
    expect((await partition())?.isr).not.toContain(id)
    cluster.broker(id).resumeReplication()
    await clock.advance(1_000)
    expect((await partition())?.isr).toContain(id)
  })
})

/** The fetches of orders by followers, and the brokers that they came to. */
function fetchesOfFollowers() {
  const handle = vi.spyOn(Broker.prototype, 'handle')
  onTestFinished(() => handle.mockRestore())
  return () =>
    handle.mock.calls.flatMap(([api, request], index) => {
      const { replicaId = -1, topics } = request as FetchRequest
      if (api !== 'Fetch' || replicaId < 0) return []
      const leader = handle.mock.contexts[index] as Broker
      const from = topics.find(({ topic }) => topic === 'orders')?.partitions[0]?.fetchOffset ?? -1
      return { leader, replicaId, from, request: request as FetchRequest }
    })
}

describe('a follower whose fetch is held for long', () => {
  it('a follower whose fetch is held for long stays in sync when an earlier fetch of it arrives late, and says less', async () => {
    const fetches = fetchesOfFollowers()
    const { clock, write, partition } = await world({ replicaLagTimeMaxMs: 30_000 })
    const late = fetches().find(({ from }) => from === 0)
    expect(late?.replicaId).not.toBe((await partition())?.leader)
    await write('second')
    await clock.advance(12 * MINUTE)
    void late?.leader.handle('Fetch', { ...(late.request as object) } as FetchRequest)
    await settle(clock)
    for (let n = 0; n < 8; n++) {
      await clock.advance(MINUTE)
      expect((await partition())?.isr).toContain(late?.replicaId)
    }
    const before = fetches().length
    await clock.advance(60 * MINUTE)
    expect(fetches().length - before).toBeLessThan(6 * 30)
  })
})

describe('consumers that were held for long', () => {
  it('read on from the next leader', async () => {
    const { cluster, clock, write, partition } = await world()
    const consumer = cluster.consumer({ autoOffsetReset: 'earliest', valueDeserializer: 'string' })
    await consumer.assign([place])
    const seen: (string | null)[] = []
    void consumer.run({ eachRecord: ({ value }) => void seen.push(value) })
    await clock.advance(12 * MINUTE)
    const { leader } = (await partition()) ?? {}
    const killed = cluster.broker(leader ?? -1).kill()
    await clock.advance(20_000)
    await killed
    await write('second')
    await clock.advance(2_000)
    expect(seen).toEqual(['first', 'second'])
  })
})

/** A cluster goes on when the disk of one of its brokers does not. */

import { describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import type { Acks } from '../../src/client/producer/producer-config.js'
import type { ClusterOptions } from '../../src/cluster/cluster-options.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { DiskError } from '../../src/disk/disk.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { flipBit } from './damage.js'

interface World {
  readonly disk: MemoryDisk
  readonly clock: VirtualClock
  readonly cluster: Cluster
  readonly events: string[]
}

async function opened(disk: MemoryDisk, of: ClusterOptions = {}): Promise<World> {
  const clock = new VirtualClock()
  const random = seededRandom(3)
  const cluster = await Cluster.onDisk(disk, { brokers: 3, clock, random, ...of })
  onTestFinished(() => cluster.close())
  const events: string[] = []
  cluster.on('leader', ({ leader, topic }) => events.push(`${topic}: leader ${leader}`))
  cluster.on('repair', ({ broker }) => events.push(`repair on ${broker}`))
  return { disk, clock, cluster, events }
}

/** Orders on brokers 1, 2 and 3, led by 1, with a record. */
async function world(): Promise<World> {
  const all = await opened(new MemoryDisk())
  await all.cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2, 3]] })
  await sent(all, 'a')
  return all
}

async function sent({ cluster, clock }: World, value: string, acks: Acks = 'all') {
  const producer = cluster.producer({ acks })
  const sending = producer.send({ topic: 'orders', messages: [{ value }] })
  const [[place]] = await Promise.all([sending, clock.advance(60_000)])
  await producer.close()
  return place?.offset ?? -1
}

const leaderOf = ({ cluster }: World) => cluster.describe().topics[0]?.partitions[0]?.leader ?? -1

const copyOn = ({ cluster }: World, broker: number) =>
  cluster.describe().topics[0]?.partitions[0]?.copies.find(copy => copy.broker === broker)

/** Every operation of this kind on the records of a broker fails from now on. */
function breakDisk({ disk }: World, broker: number, kind: string, code: string): void {
  disk.beforeOperation = operation => {
    const isThere = operation.path.startsWith(`broker-${broker}/orders-0/`)
    if (isThere && operation.kind === kind) throw new DiskError(code, kind, operation.path)
    return undefined
  }
}

describe("a leader's disk", () => {
  it.each([
    ['does not sync', 'sync', 'EIO', 'offline'],
    ['does not write', 'append', 'EIO', 'offline'],
    // What comes back as a follower is waited for, until it turns out that it cannot follow.
    ['is full', 'append', 'ENOSPC', 'follower'],
  ])("when a leader's disk fails (%s), another broker leads", async (_, kind, code, state) => {
    const all = await world()
    const first = leaderOf(all)
    breakDisk(all, first, kind, code)
    expect(await sent(all, 'b', code === 'ENOSPC' ? 1 : 'all')).toBeGreaterThanOrEqual(1)
    expect(leaderOf(all)).not.toBe(first)
    expect(copyOn(all, first)).toMatchObject({ state, isInSync: false })
  })

  it('a broker with a failed disk works again after a restart', async () => {
    const all = await world()
    const first = leaderOf(all)
    breakDisk(all, first, 'sync', 'EIO')
    await sent(all, 'b')
    all.disk.beforeOperation = undefined
    await all.cluster.broker(first).kill()
    await all.cluster.broker(first).start()
    await all.clock.advance(2_000)
    expect(copyOn(all, first)).toMatchObject({ state: 'follower', isInSync: true })
  })

  it('a broker whose disk has room again follows and is in sync', async () => {
    const all = await world()
    const first = leaderOf(all)
    breakDisk(all, first, 'append', 'ENOSPC')
    await sent(all, 'b', 1)
    all.disk.beforeOperation = undefined
    await all.clock.advance(3_000)
    expect(copyOn(all, first)).toMatchObject({ state: 'follower', isInSync: true })
  })
})

describe("a follower's disk", () => {
  it("when a follower's disk does not sync, the others continue", async () => {
    const all = await world()
    const follower = leaderOf(all) === 2 ? 3 : 2
    breakDisk(all, follower, 'sync', 'EIO')
    expect(await sent(all, 'b')).toBe(1)
    expect(copyOn(all, follower)).toMatchObject({ state: 'offline', isInSync: false })
  })
})

describe('bytes that are not what was written', () => {
  it('damaged bytes are replaced from the leader, and the old files are kept', async () => {
    const all = await world()
    for (const value of ['b', 'c', 'd']) await sent(all, value)
    const first = leaderOf(all)
    await all.cluster.broker(first).stop()
    await flipBit(all.disk, `broker-${first}/orders-0/00000000000000000000.log`, 70)
    await all.cluster.broker(first).start()
    await all.cluster.admin.electLeaders({ type: 'preferred' }).catch(() => undefined)
    await all.clock.advance(3_000)
    const consumer = all.cluster.consumer({
      autoOffsetReset: 'earliest',
      valueDeserializer: 'string',
    })
    await consumer.assign([{ topic: 'orders', partition: 0 }])
    const seen: (string | null)[] = []
    while (seen.length < 4) {
      const polled = consumer.poll({ timeoutMs: 5_000 })
      await all.clock.advance(5_000)
      seen.push(...(await polled).map(({ value }) => value))
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd'])
    await all.clock.advance(5_000)
    expect(all.events).toContain(`repair on ${first}`)
    expect(copyOn(all, first)).toMatchObject({ logEndOffset: 4, isInSync: true })
    const folders = all.disk.list(`broker-${first}`).map(({ name }) => name)
    expect(folders.filter(name => /^orders-0\..*-stray$/.test(name))).toHaveLength(1)
  })
})

describe('the last in-sync replica, when its bytes are not what was written', () => {
  const LOG = 'broker-1/orders-0/00000000000000000000.log'

  /** Orders on brokers 1 and 2, neither of which runs; only 1 has b and c; b is damaged. */
  async function damaged(): Promise<World> {
    const all = await opened(new MemoryDisk())
    await all.cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2]] })
    await sent(all, 'a')
    await all.cluster.broker(2).kill()
    for (const value of ['b', 'c']) await sent(all, value)
    await all.cluster.broker(1).kill()
    await flipBit(all.disk, LOG, 100)
    return all
  }

  const start = async ({ cluster }: World, ...ids: number[]): Promise<void> => {
    for (const id of ids) await cluster.broker(id).start()
  }

  const electUnclean = ({ cluster }: World): Promise<void> =>
    cluster.admin.electLeaders({ type: 'unclean' })

  it('a damaged last in-sync replica does not lead, and no other one does', async () => {
    const all = await damaged()
    await start(all, 1, 2)
    const producer = all.cluster.producer({ deliveryTimeoutMs: 30_000 })
    const sending = producer.send({ topic: 'orders', messages: [{ value: 'd' }] })
    await Promise.all([
      expect(sending).rejects.toMatchObject({ code: 'DELIVERY_TIMED_OUT' }),
      all.clock.advance(40_000),
    ])
    expect(leaderOf(all)).toBe(-1)
    expect(copyOn(all, 1)).toMatchObject({ state: 'offline', isInSync: true })
    expect(copyOn(all, 2)).toMatchObject({ state: 'idle', isInSync: false, logEndOffset: 1 })
  })

  it('the last in-sync replica with damaged bytes does not lead after reopening', async () => {
    const before = await damaged()
    await before.cluster.close()
    const all = await opened(before.disk)
    const partition = { topic: 'orders', partition: 0 }
    expect(all.cluster.recovery.offline).toMatchObject([partition])
    expect(leaderOf(all)).toBe(-1)
    for (const broker of [3, 2]) {
      await all.cluster.broker(broker).kill()
      await start(all, broker)
    }
    expect(leaderOf(all)).toBe(-1)
    const preferred = { type: 'preferred', partitions: [partition] } as const
    await expect(all.cluster.admin.electLeaders(preferred)).rejects.toMatchObject({
      code: 'PREFERRED_LEADER_NOT_AVAILABLE',
    })
  })

  it('a damaged last in-sync replica loses an unclean election and is copied again', async () => {
    const all = await damaged()
    await start(all, 1, 2)
    await electUnclean(all)
    await all.clock.advance(2_000)
    expect(leaderOf(all)).toBe(2)
    expect(await sent(all, 'd')).toBe(1)
    expect(all.events).toContain('repair on 1')
    expect(copyOn(all, 1)).toMatchObject({ state: 'follower', isInSync: true, logEndOffset: 2 })
  })

  it('the last in-sync replica leads again when its bytes are restored', async () => {
    const all = await damaged()
    await start(all, 1)
    expect(leaderOf(all)).toBe(-1)
    await all.cluster.broker(1).kill()
    await flipBit(all.disk, LOG, 100)
    await start(all, 1)
    expect(leaderOf(all)).toBe(1)
    expect(await sent(all, 'd')).toBe(3)
  })

  it('a damaged replica leads, and reports the damage, if it is the only one', async () => {
    const all = await opened(new MemoryDisk())
    await all.cluster.admin.createTopic({ topic: 'orders', assignment: [[1]] })
    for (const value of ['a', 'b', 'c']) await sent(all, value)
    await all.cluster.broker(1).kill()
    await flipBit(all.disk, LOG, 100)
    await start(all, 1)
    expect(leaderOf(all)).toBe(1)
    await expect(sent(all, 'd')).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
  })
})

describe('a topic that is deleted', () => {
  it('no partition of a deleted topic serves on when the folder of one cannot be renamed', async () => {
    const { disk, cluster, clock } = await opened(new MemoryDisk(), { autoCreateTopics: false })
    await cluster.admin.createTopic({ topic: 'orders', assignment: [[1], [1], [1]] })
    const producer = cluster.producer({ acks: 1, deliveryTimeoutMs: 30_000 })
    const send = (): Promise<PromiseSettledResult<unknown>[]> => {
      const messages = [1, 2].map(partition => ({ partition, value: `${partition}` }))
      const sends = messages.map(each => producer.send({ topic: 'orders', messages: [each] }))
      return Promise.allSettled(sends)
    }
    await send()
    disk.beforeOperation = ({ kind, path }) => {
      if (kind !== 'rename' || path !== 'broker-1/orders-0') return undefined
      throw new DiskError('EIO', kind, path)
    }
    await expect(cluster.admin.deleteTopic('orders')).rejects.toMatchObject({
      code: 'KAFKA_STORAGE_ERROR',
    })
    const [settled] = await Promise.all([send(), clock.advance(60_000)])
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(disk.exists('broker-1/orders-1') || disk.exists('broker-1/orders-2')).toBe(false)
  })
})

/** Leaderships that go from one broker to another: what is told, and what is lost. */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import type { ClusterOptions } from '../../src/cluster/cluster-options.js'
import { Cluster } from '../../src/cluster/cluster.js'
import type { ClusterEvents } from '../../src/cluster/events.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { valuesOf, world, type World } from './world.js'

const SEND = (value: string) => ({ topic: 'orders', messages: [{ value }] })

async function orders(assignment: number[][], config = {}): Promise<World> {
  const all = await world()
  await all.passing(all.cluster.admin.createTopic({ topic: 'orders', assignment, config }))
  return all
}

const copiesIn = ({ cluster }: World): number[] =>
  cluster
    .describe()
    .topics[0]?.partitions[0]?.copies.map(({ logEndOffset }) => logEndOffset) as number[]

describe('a leader', () => {
  it('waits for a leader that is stopped continue at the next one', async () => {
    const all = await orders([[1, 2, 3]])
    const { cluster, passing, settle } = all
    const producer = cluster.producer()
    await passing(producer.send(SEND('a')))
    for (const id of [2, 3]) cluster.broker(id).pauseReplication()
    const sent = producer.send(SEND('b'))
    await settle()
    const stopped = cluster.broker(1).stop()
    for (const id of [2, 3]) cluster.broker(id).resumeReplication()
    await passing(stopped)
    expect(await passing(sent)).toMatchObject([{ offset: 1 }])
    expect(await valuesOf(all, 2)).toEqual(['a', 'b'])
  })

  it('a leader that can be reached again is followed at once', async () => {
    const all = await orders([[1, 2, 3]])
    const { cluster, clock, passing, settle } = all
    cluster.network.partition([1], [2, 3])
    await clock.advance(2_300)
    await passing(cluster.producer({ acks: 1 }).send(SEND('a')))
    await clock.advance(300)
    expect(copiesIn(all)).toEqual([1, 0, 0])
    cluster.network.heal()
    await settle()
    expect(copiesIn(all)).toEqual([1, 1, 1])
  })
})

describe('after a crash of everything', () => {
  it('after a crash, the replica with the longest log leads', async () => {
    const disk = new MemoryDisk()
    const options = { brokers: 3, clock: new VirtualClock(), random: seededRandom(5) }
    const { admin, ...before } = await openedOn(disk, options)
    await admin.createTopic({ topic: 'orders', assignment: [[1, 2, 3]] })
    for (const value of ['a', 'b', 'c']) await before.send(value)
    // It is left as it is. Its disk has lied to broker 1, which has only a half of it.
    const file = disk.open('broker-1/orders-0/00000000000000000000.log')
    file.truncate(Math.floor(file.size / 2))
    file.close()
    const all = await world({}, disk)
    expect(all.leader()).toBe(2)
    expect(await valuesOf(all, 3)).toEqual(['a', 'b', 'c'])
    await all.clock.advance(2_000)
    expect(copiesIn(all)).toEqual([3, 3, 3])
  })

  /** A cluster that is not closed. */
  async function openedOn(disk: MemoryDisk, options: ClusterOptions) {
    const cluster = await Cluster.onDisk(disk, options)
    const producer = cluster.producer()
    const { admin } = cluster
    return { admin, send: (value: string) => producer.send(SEND(value)) }
  }
})

describe('a broker', () => {
  it('a broker that is started and stopped several times at once does so in order', async () => {
    const { cluster, passing } = await orders([[1, 2, 3]])
    const broker = cluster.broker(2)
    await passing(Promise.all([broker.stop(), broker.start()]))
    expect(broker.isRunning).toBe(true)
    await passing(Promise.all([broker.stop(), broker.start(), broker.kill()]))
    expect(broker.isRunning).toBe(false)
  })
})

describe('a leader that cannot reach the controller', () => {
  it('a leader that was separated from the controller proposes the ISR again', async () => {
    const all = await world({ brokerSessionTimeoutMs: 600_000 })
    const { cluster, clock, passing } = all
    await passing(cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2, 3]] }))
    const isr = (): unknown => cluster.describe().topics[0]?.partitions[0]?.isr
    const producer = cluster.producer({ requestTimeoutMs: 110_000 })
    await passing(producer.send(SEND('a')))
    cluster.network.partition([1], ['controller'])
    cluster.broker(3).pauseReplication()
    const sent = producer.send(SEND('b'))
    await clock.advance(50_000)
    expect([copiesIn(all), isr()]).toEqual([
      [2, 2, 1],
      [1, 2, 3],
    ])
    cluster.network.heal()
    await clock.advance(50_000)
    expect(isr()).toEqual([1, 2])
    expect(await passing(sent)).toMatchObject([{ offset: 1 }])
  })
})

describe('records that are lost', () => {
  /** Broker 2 is out of sync and leads, for 1 is dead; then 1 is back. */
  async function uncleanly(all: World): Promise<void> {
    const { cluster, clock } = all
    await cluster.broker(1).kill()
    await cluster.broker(2).start()
    await clock.advance(1_000)
    await cluster.broker(1).start()
    await clock.advance(1_000)
    await cluster.admin.electLeaders({ type: 'preferred' })
    await clock.advance(1_000)
  }

  it('data loss is reported once, and only if records are lost', async () => {
    const all = await orders([[1, 2]], { 'unclean.leader.election.enable': true })
    const { cluster, passing } = all
    const lost: ClusterEvents['dataLoss'][] = []
    cluster.on('dataLoss', event => lost.push(event))
    const producer = cluster.producer()
    await passing(producer.send(SEND('a')))
    await cluster.broker(2).kill()
    await uncleanly(all) // nothing came in meanwhile
    expect(lost).toEqual([])
    await cluster.broker(2).kill()
    for (const value of ['b', 'c']) await passing(producer.send(SEND(value)))
    await uncleanly(all)
    const place = { topic: 'orders', partition: 0, broker: 2 }
    expect(lost).toEqual([{ ...place, fromOffset: 1, toOffset: 3 }])
    await cluster.broker(2).kill()
    await uncleanly(all)
    expect(lost).toHaveLength(1)
  })
})

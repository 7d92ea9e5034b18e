/**
 * Records that were deleted stay deleted, whichever replica leads next: the answer waits until all
 * that live know the new log start (Kafka's low watermark), or says that time ran out.
 */

import { describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import type { PartlogError } from '../../src/model/errors.js'

const ORDERS = { topic: 'orders', partition: 0 }
const RECORDS = 6

async function world(brokers: number, disk = new MemoryDisk()) {
  const clock = new VirtualClock()
  const passing = async <T>(done: Promise<T>): Promise<T> => {
    let isOver = false
    const noted = done.finally(() => (isOver = true))
    noted.catch(() => undefined)
    while (!isOver) await clock.advance(20)
    return await noted
  }
  const options = { brokers, clock, random: seededRandom(9) }
  const cluster = await passing(Cluster.onDisk(disk, options))
  onTestFinished(() => cluster.close())
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: brokers }))
  const messages = Array.from({ length: RECORDS }, (_, n) => ({ value: `${n}` }))
  await passing(cluster.producer().send({ topic: 'orders', messages }))
  const view = () =>
    cluster.describe().topics.find(({ topic }) => topic === 'orders')?.partitions[0]
  const leader = () => cluster.broker(view()?.leader as number)
  const followers = () => cluster.brokers.filter(({ id }) => id !== view()?.leader)
  const first = async (): Promise<number | null | undefined> =>
    (await passing(cluster.admin.listOffsets('orders', 'earliest')))[0]?.offset
  return { cluster, clock, passing, view, leader, followers, first }
}

describe('deleteRecords', () => {
  it('deleteRecords with one broker does not wait', async () => {
    const { cluster, clock } = await world(1)
    const before = clock.monotonicMs()
    expect(await cluster.admin.deleteRecords({ ...ORDERS, offset: 4 })).toBe(4)
    expect(clock.monotonicMs()).toBe(before)
  })

  it('deleteRecords with three brokers takes no time if all follow', async () => {
    const { cluster, clock } = await world(3)
    const before = clock.monotonicMs()
    const deleted = cluster.admin.deleteRecords({ ...ORDERS, offset: 4 })
    await clock.advance(0)
    expect(await deleted).toBe(4)
    expect(clock.monotonicMs()).toBe(before)
  })

  it.each([1, 2])('deletions survive %d deaths of the leader', async deaths => {
    const { cluster, passing, leader, first } = await world(3)
    await passing(cluster.admin.deleteRecords({ ...ORDERS, offset: 4 }))
    for (let n = 0; n < deaths; n++) {
      await passing(leader().kill())
      expect(await first()).toBe(4)
    }
  })

  it('deleted records stay deleted if all brokers die at once', async () => {
    const { cluster, passing, first } = await world(3)
    await passing(cluster.admin.deleteRecords({ ...ORDERS, offset: 'latest' }))
    await passing(Promise.all(cluster.brokers.map(each => each.kill())))
    for (const each of [...cluster.brokers].reverse()) await passing(each.start())
    expect(await first()).toBe(RECORDS)
  })

  it('deleteRecords does not wait for a dead broker, which deletes when it returns', async () => {
    const { cluster, clock, passing, leader, followers, first } = await world(3)
    const dead = followers()[0]
    await passing(dead?.kill() as Promise<void>)
    await passing(cluster.admin.deleteRecords({ ...ORDERS, offset: 4 }))
    await passing(dead?.start() as Promise<void>)
    await passing(cluster.until({ topic: 'orders', records: 2 }))
    await clock.advance(2_000)
    for (const each of [leader(), ...followers()]) {
      if (each.id !== dead?.id) await passing(each.kill())
    }
    expect(await first()).toBe(4)
  })

  it('a broker returns to a log that starts in the middle of a batch', async () => {
    const { cluster, clock, passing, view, leader, followers, first } = await world(3)
    const dead = followers()[0]
    await passing(dead?.kill() as Promise<void>)
    const messages = Array.from({ length: RECORDS }, (_, n) => ({ value: `${n + RECORDS}` }))
    await passing(cluster.producer().send({ topic: 'orders', messages }))
    await passing(cluster.admin.deleteRecords({ ...ORDERS, offset: 9 }))
    await passing(dead?.start() as Promise<void>)
    await clock.advance(5_000)
    expect(view()?.isr).toContain(dead?.id)
    const marks = view()?.copies.map(copy => [copy.logStartOffset, copy.logEndOffset])
    expect(marks).toEqual([[9, 12], [9, 12], [9, 12]])
    for (const each of [leader(), ...followers()]) {
      if (each.id !== dead?.id) await passing(each.kill())
    }
    expect(await first()).toBe(9)
  })

  it('deleteRecords stops waiting for a broker that dies', async () => {
    const { cluster, clock, passing, followers } = await world(3)
    const [slow] = followers()
    slow?.pauseReplication()
    const deleted = cluster.admin.deleteRecords({ ...ORDERS, offset: 4 })
    await clock.advance(1_000)
    await passing(slow?.kill() as Promise<void>)
    const before = clock.monotonicMs()
    expect(await passing(deleted)).toBe(4)
    expect(clock.monotonicMs() - before).toBeLessThan(100)
  })

  it('deleteRecords waits for a replica that does not follow, then names it', async () => {
    const { cluster, clock, passing, followers } = await world(3)
    const [slow] = followers()
    slow?.pauseReplication()
    const deleted = cluster.admin.deleteRecords({ ...ORDERS, offset: 4 })
    const failed = deleted.catch((error: unknown) => error as PartlogError)
    await clock.advance(59_000)
    await passing(failed)
    expect(await failed).toMatchObject({ code: 'REQUEST_TIMED_OUT', retriable: true })
    expect(String(await failed)).toContain(`brokers ${slow?.id} have not confirmed it within 30000 ms`)
    slow?.resumeReplication()
    expect(await passing(cluster.admin.deleteRecords({ ...ORDERS, offset: 4 }))).toBe(4)
  })

  it('deleteRecords is retried with the next leader if the first one dies', async () => {
    const { cluster, clock, passing, leader, followers, first } = await world(3)
    for (const each of followers()) each.pauseReplication()
    const deleted = cluster.admin.deleteRecords({ ...ORDERS, offset: 4 })
    await clock.advance(100)
    const others = followers()
    await passing(leader().kill())
    for (const each of others) each.resumeReplication()
    expect(await passing(deleted)).toBe(4)
    await passing(leader().kill())
    expect(await first()).toBe(4)
  })
})

/**
 * A process dies, and the folder is opened again: members that lived in it are gone at once, those
 * that came in from outside may be back, static ones are expected for as long as ever.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { copyOf } from '../crash/harness.js'
import { describeGroup } from '../describe-group'

const SESSION = { sessionTimeoutMs: 45_000, autoOffsetReset: 'earliest' } as const

async function opened(disk: MemoryDisk, brokers: number) {
  const clock = new VirtualClock()
  const cluster = await Cluster.onDisk(disk, { brokers, clock, random: seededRandom(3) })
  onTestFinished(() => cluster.close())
  /** Resolves with how much time it took. */
  const took = async (done: Promise<unknown>): Promise<number> => {
    const since = clock.monotonicMs()
    let isOver = false
    const noted = done.finally(() => (isOver = true))
    noted.catch(() => undefined)
    while (!isOver) await clock.advance(10)
    await noted
    return clock.monotonicMs() - since
  }
  const member = async (options: object = {}, topics: string[] = ['orders']) => {
    const consumer = cluster.consumer({ groupId: 'g', ...SESSION, ...options })
    const tookMs = await took(consumer.subscribe(topics))
    return { consumer, tookMs }
  }
  const group = async () => {
    const describing = describeGroup(cluster.admin, 'g')
    await took(describing)
    return await describing
  }
  return { cluster, clock, took, member, group }
}

/** What the disk holds when the process dies now. */
const dies = (disk: MemoryDisk): MemoryDisk => copyOf(disk.history)

it.each([1, 3])('members of a dead process are not waited for, %i brokers', async brokers => {
  const disk = new MemoryDisk({ recordsHistory: true })
  const before = await opened(disk, brokers)
  await before.took(before.cluster.admin.createTopic({ topic: 'orders', partitions: 4 }))
  for (let n = 0; n < 3; n++) await before.member({ clientId: `app-${n}` })
  expect((await before.group()).members).toHaveLength(3)
  const after = await opened(dies(disk), brokers)
  const { consumer, tookMs } = await after.member()
  expect(tookMs).toBeLessThan(1_000)
  expect(consumer.assignment()).toHaveLength(4)
  expect((await after.group()).members).toHaveLength(1)
})

it('members of a dead process are reported, and their commits stay', async () => {
  const disk = new MemoryDisk({ recordsHistory: true })
  const before = await opened(disk, 1)
  await before.cluster.admin.createTopic({ topic: 'orders' })
  await before.cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] })
  const { consumer } = await before.member({ clientId: 'app-1' })
  await consumer.poll()
  await consumer.commit()
  const told: string[] = []
  const clock = new VirtualClock()
  const logger = { debug() {}, warn() {}, error() {}, info: (what: string) => void told.push(what) }
  const cluster = await Cluster.onDisk(dies(disk), { clock, logger })
  onTestFinished(() => cluster.close())
  await clock.advance(0)
  expect(told).toContain('group g is in generation 2: the process of clients app-1 has ended')
  expect((await describeGroup(cluster.admin, 'g')).state).toBe('Empty')
  expect(await cluster.admin.listGroupOffsets('g')).toMatchObject([{ offset: 1, lag: 0 }])
})

it('a broker that restarts in the same process loses no members', async () => {
  const disk = new MemoryDisk({ recordsHistory: true })
  const { cluster, clock, member, group } = await opened(disk, 1)
  await cluster.admin.createTopic({ topic: 'orders' })
  const { consumer } = await member()
  const before = consumer.groupMetadata()
  await cluster.broker(1).kill()
  await cluster.broker(1).start()
  await clock.advance(10_000)
  const { members, state } = await group()
  expect({ state, count: members.length }).toEqual({ state: 'Stable', count: 1 })
  expect(consumer.assignment()).toHaveLength(1)
  expect(consumer.groupMetadata()).toEqual(before) // nor did it have to join again
})

it('opening read-only does not remove members', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'partlog-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const owner = await Cluster.open({ dir })
  onTestFinished(() => owner.close())
  await owner.admin.createTopic({ topic: 'orders' })
  await owner.consumer({ groupId: 'g' }).subscribe(['orders'])
  const looking = await Cluster.open({ dir, readOnly: true })
  onTestFinished(() => looking.close())
  const { state, members } = await describeGroup(looking.admin, 'g')
  expect({ state, count: members.length }).toEqual({ state: 'Stable', count: 1 })
})

it('static members of a dead process are expected, and return at once', async () => {
  const disk = new MemoryDisk({ recordsHistory: true })
  const before = await opened(disk, 1)
  await before.cluster.admin.createTopic({ topic: 'orders', partitions: 4 })
  const former = [
    await before.member({ groupInstanceId: 'i-1' }),
    await before.member({ groupInstanceId: 'i-2' }),
  ]
  await before.clock.advance(100)
  const [one] = former.map(({ consumer }) => consumer.assignment())
  const after = await opened(dies(disk), 1)
  const again = await after.member({ groupInstanceId: 'i-1' })
  expect(again.tookMs).toBeLessThan(1_000)
  expect(again.consumer.assignment()).toEqual(one)
  expect((await after.group()).members).toHaveLength(2)
  await after.clock.advance(46_000) // the other one does not come
  expect(again.consumer.assignment()).toHaveLength(4)
})

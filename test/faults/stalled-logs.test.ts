/** A log whose disk has no room for it waits by itself: everything else goes on beside it. */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { DiskError } from '../../src/disk/disk.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'

const TINY = { 'internal.segment.bytes': 300 }

/** A cluster, and the end of a promise within so many virtual seconds, else 'hangs'. */
async function world(brokers: number) {
  const disk = new MemoryDisk()
  const clock = new VirtualClock()
  const cluster = await Cluster.onDisk(disk, { brokers, clock, random: seededRandom(3) })
  const within = async (done: Promise<unknown>, seconds = 60): Promise<unknown> => {
    let end: unknown
    const note = (answer: unknown): void => void (end = answer ?? 'done')
    done.then(note, note)
    for (let n = 0; n < seconds * 4 && end === undefined; n++) await clock.advance(250)
    return end ?? 'hangs'
  }
  const send = (topic: string, timestamp?: number): Promise<unknown> => {
    const message = { value: 'x'.repeat(120), ...(timestamp === undefined ? {} : { timestamp }) }
    const producer = cluster.producer({ deliveryTimeoutMs: 3_000, requestTimeoutMs: 1_000 })
    return producer.send({ topic, messages: [message] })
  }
  /** The names of new segments of a log cannot be made durable. */
  const stall = (folder: string): void => {
    disk.beforeOperation = ({ kind, path }) => {
      if (kind === 'syncDirectory' && path === folder) throw new DiskError('EMFILE', 'open', path)
      return undefined
    }
  }
  return { disk, clock, cluster, within, send, stall }
}

/** `t` on one broker, with segments to roll, cannot make their names durable. */
async function stalled() {
  const all = await world(1)
  const { cluster, within, send, stall } = all
  await within(cluster.admin.createTopic({ topic: 't', config: TINY }))
  const config = { ...TINY, 'retention.ms': 1_000 }
  await within(cluster.admin.createTopic({ topic: 'old', config }))
  for (let n = 0; n < 4; n++) await within(send('old', all.clock.now() - 60_000))
  stall('broker-1/t-0')
  for (let n = 0; n < 4; n++) await within(send('t'))
  expect(String(await within(send('t')))).toContain('EMFILE')
  return all
}

describe('a stalled log', () => {
  it('retention of other logs continues while one log is stalled', async () => {
    const { cluster, clock, disk, within } = await stalled()
    await clock.advance(400_000)
    const listing = within(cluster.admin.listOffsets('old', 'earliest'))
    expect(await listing).toMatchObject([{ offset: 4 }])
    disk.beforeOperation = undefined
    await within(cluster.close())
  })

  it('topics can be created while a log is stalled', async () => {
    const { cluster, clock, within, send, disk } = await stalled()
    await clock.advance(130_000) // checkpoints have tried
    expect(await within(cluster.admin.createTopic({ topic: 'new' }))).not.toBe('hangs')
    expect(await within(send('new'))).toMatchObject([{ offset: 0 }])
    disk.beforeOperation = undefined
    expect(await within(send('t'))).toMatchObject([{ partition: 0 }])
    await within(cluster.close())
  })

  it.each(['close', 'kill', 'stop'] as const)('a stalled log does not prevent %s', async how => {
    const { cluster, clock, within, disk } = await stalled()
    await clock.advance(130_000)
    const ending = how === 'close' ? cluster.close() : cluster.broker(1)[how]()
    expect(await within(ending)).not.toBe('hangs')
    disk.beforeOperation = undefined
    await within(cluster.close())
  })
})

describe('a follower whose log is stalled', () => {
  it('a follower with a stalled log follows other partitions, and is in sync later', async () => {
    const { cluster, clock, disk, within, send, stall } = await world(2)
    const assignment = [[1, 2]]
    await within(cluster.admin.createTopic({ topic: 't', assignment, config: TINY }))
    const config = { 'min.insync.replicas': 2 }
    await within(cluster.admin.createTopic({ topic: 'u', assignment, config }))
    stall('broker-2/t-0')
    for (let n = 0; n < 4; n++) await within(send('t'))
    await clock.advance(60_000)
    expect(await within(send('u'))).toMatchObject([{ offset: 0 }])
    const isr = () => cluster.describe().topics.map(({ partitions }) => partitions[0]?.isr.length)
    expect(isr()).toEqual([1, 2])
    disk.beforeOperation = undefined
    await clock.advance(10_000)
    expect(isr()).toEqual([2, 2])
    await within(cluster.close())
  })
})

describe('a replica that cannot be opened for want of room', () => {
  it('a replica that a full disk keeps from opening is retried each second', async () => {
    const { cluster, clock, disk, within, send } = await world(2)
    let tries = 0
    disk.beforeOperation = ({ kind, path }) => {
      if (kind !== 'create' || !path.startsWith('broker-2/t-0/')) return undefined
      tries++
      throw new DiskError('ENOSPC', kind, path)
    }
    await within(cluster.admin.createTopic({ topic: 't', assignment: [[1, 2]] }))
    await clock.advance(10_000)
    expect(tries).toBeGreaterThanOrEqual(8)
    expect(tries).toBeLessThanOrEqual(30)
    expect(await within(send('t'))).toMatchObject([{ offset: 0 }])
    disk.beforeOperation = undefined
    await clock.advance(10_000)
    expect(cluster.describe().topics[0]?.partitions[0]?.isr).toHaveLength(2)
    await within(cluster.close())
  })
})

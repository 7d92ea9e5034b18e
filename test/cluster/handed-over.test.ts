/** What copies cost, counted: a leader hands over what it appends while the fetches are held. */

import { describe, expect, it, vi } from 'vitest'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import type { ClusterOptions } from '../../src/index.js'
import { segmentFile } from '../../src/log/format/files.js'
import { countRequests } from '../client/world.js'
import { countingDisk } from '../disk/counting.js'
import { world } from './world.js'

const summed = vi.hoisted(() => ({ bytes: 0 }))
vi.mock('../../src/base/checksums/crc32c.js', async importOriginal => {
  const { crc32c } = await importOriginal<typeof import('../../src/base/checksums/crc32c.js')>()
  return {
    crc32c: (bytes: Uint8Array, start = 0, end = bytes.byteLength) => {
      summed.bytes += end - start
      return crc32c(bytes, start, end)
    },
  }
})

const orders = (values: readonly string[]) => ({
  topic: 'orders',
  messages: values.map(value => ({ value })),
})

async function replicated(options: ClusterOptions = {}, below = new MemoryDisk()) {
  const all = await world({ durability: 'process', ...options }, below)
  const { cluster, passing, settle } = all
  await passing(cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2, 3]] }))
  const producer = cluster.producer()
  await passing(producer.send(orders(['first'])))
  await settle()
  const copies = () =>
    cluster
      .describe()
      .topics.find(({ topic }) => topic === 'orders')
      ?.partitions[0]?.copies.map(copy => [copy.logEndOffset, copy.highWatermark])
  return { ...all, producer, copies }
}

const bytesOn = (disk: MemoryDisk, broker: number): string => {
  const file = disk.open(`broker-${broker}/orders-0/${segmentFile(0, 'log')}`)
  const bytes = Buffer.alloc(file.size)
  file.readNow(0, bytes)
  return bytes.toString('latin1')
}

describe('a send with three copies', () => {
  it('asks for nothing, reads nothing back, and sums each byte once', async () => {
    const { disk, counts } = countingDisk(new MemoryDisk())
    const { producer, passing } = await replicated({}, disk as MemoryDisk)
    const fetches = countRequests('Fetch')
    summed.bytes = counts.calls = 0
    const values = Array.from({ length: 1_000 }, () => 'x'.repeat(100))
    for (let n = 0; n < 5; n++) await passing(producer.send(orders(values)))
    expect(counts.calls).toBe(0)
    expect(fetches()).toBe(0)
    expect(summed.bytes).toBeGreaterThan(5 * 100_000)
    expect(summed.bytes).toBeLessThan(5 * 120_000)
  })

  it('a send with three copies is on every copy, with the same bytes and high watermark, when it is acknowledged', async () => {
    const { producer, passing, copies, disk } = await replicated()
    await passing(producer.send(orders(['second', 'third'])))
    expect(copies()).toEqual([[3, 3], [3, 3], [3, 3]])
    expect(bytesOn(disk, 1)).toContain('third')
    for (const broker of [2, 3]) expect(bytesOn(disk, broker) === bytesOn(disk, 1)).toBe(true)
  })
})

describe('a leader hands over nothing', () => {
  it('a leader hands over nothing to a follower that is paused: it asks when it resumes', async () => {
    const { cluster, settle, copies, producer, passing } = await replicated()
    cluster.broker(2).pauseReplication()
    const sent = producer.send(orders(['second']))
    await settle()
    expect(copies()?.map(([end]) => end)).toEqual([2, 1, 2])
    cluster.broker(2).resumeReplication()
    await passing(sent)
    expect(copies()?.map(([end]) => end)).toEqual([2, 2, 2])
  })

  it('a leader hands over nothing while a rule of the network is set that requests may meet', async () => {
    const { cluster, copies, producer, passing } = await replicated()
    cluster.network.delay(1_000, { to: 1, api: 'metadata' })
    const fetches = countRequests('Fetch')
    await passing(producer.send(orders(['second'])))
    expect(copies()?.map(([end]) => end)).toEqual([2, 2, 2])
    expect(fetches()).toBeGreaterThan(1)
  })

  it('a leader hands over nothing that has to survive a power cut: a copy counts when it is durable', async () => {
    const { producer, passing, copies } = await replicated({ durability: 'power' })
    const fetches = countRequests('Fetch')
    await passing(producer.send(orders(['second'])))
    expect(copies()?.map(([end]) => end)).toEqual([2, 2, 2])
    expect(fetches()).toBeGreaterThan(1)
  })
})

/**
 * What the disk is asked for each partition that is made, opened, closed: counted, not timed. Many
 * small topics are what people build, one for each session of an agent for example.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Cluster } from '../../src/cluster/cluster.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { limitDescriptors, wrapCalls } from '../disk/system-calls.js'

const PARTITIONS = 60

function countingDisk() {
  const disk = new MemoryDisk({ recordsHistory: true })
  const counted = async (work: () => Promise<unknown>) => {
    const before = disk.history.length
    await work()
    const done = disk.history.slice(before)
    return {
      syncs: done.filter(({ kind }) => kind === 'sync' || kind === 'syncDirectory').length,
      changes: done.length,
    }
  }
  return { disk, counted }
}

describe('a new cluster', () => {
  it('a new cluster for one record costs 36 syncs from its opening to its end', async () => {
    const { disk, counted } = countingDisk()
    let cluster: Cluster | undefined
    const opened = await counted(async () => (cluster = await Cluster.onDisk(disk)))
    const sent = await counted(async () => {
      await cluster?.producer().send({ topic: 't', messages: [{ value: 'v' }] })
    })
    const closed = await counted(async () => await cluster?.close())
    // Per folder: its name, its properties (2); names of logs; the first record's log (5).
    expect(opened.syncs).toBe(12)
    // The topic, its folder's name, the producer's id; the first record's log (5).
    expect(sent.syncs).toBe(8)
    // Per folder: snapshot, time index; checkpoints with copies and marker (5 and 3), names (2).
    expect(closed.syncs).toBe(16)
  })
})

describe('many partitions', () => {
  it.each([1, 3])('partitions of one topic cost no sync each until they are written, %i brokers', async n => {
    const { disk, counted } = countingDisk()
    const cluster = await Cluster.onDisk(disk, { brokers: n })
    const topic = { topic: 't', partitions: PARTITIONS, replicationFactor: n }
    const made = await counted(() => cluster.admin.createTopic(topic))
    expect(made.syncs).toBeLessThan(12 * n)
    const closed = await counted(() => cluster.close())
    expect(closed.syncs).toBeLessThan(20 * (n + 1))
    let again: Cluster | undefined
    const opened = await counted(async () => (again = await Cluster.onDisk(disk, { brokers: n })))
    expect(opened.changes).toBeLessThan(PARTITIONS)
    const closedAgain = await counted(async () => await again?.close())
    expect(closedAgain.changes).toBeLessThan(PARTITIONS)
  })

  it('partitions of a topic of their own cost two syncs each', async () => {
    const { disk, counted } = countingDisk()
    const cluster = await Cluster.onDisk(disk)
    await cluster.admin.createTopic({ topic: 'first' })
    const made = await counted(async () => {
      for (let i = 0; i < PARTITIONS; i++) await cluster.admin.createTopic({ topic: `t${i}` })
    })
    // The record in the metadata log, and the name of the new folder.
    expect(made.syncs / PARTITIONS).toBeLessThanOrEqual(2)
    const closed = await counted(() => cluster.close())
    expect(closed.syncs).toBeLessThan(PARTITIONS)
  })

  it('closing syncs only the partitions that were written since the last checkpoint', async () => {
    const { disk, counted } = countingDisk()
    const cluster = await Cluster.onDisk(disk)
    await cluster.admin.createTopic({ topic: 't', partitions: PARTITIONS })
    const messages = Array.from({ length: 3 }, (_, partition) => ({ partition, value: 'x' }))
    await cluster.producer().send({ topic: 't', messages })
    const closed = await counted(() => cluster.close())
    expect(closed.syncs).toBeLessThan(PARTITIONS)
  })

  it('open two files each when they are made and opened, and leave none open', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'partlog-many-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const descriptors = limitDescriptors(Infinity)
    const counted = async (work: () => Promise<unknown>): Promise<number> => {
      const before = descriptors.made
      await work()
      return (descriptors.made - before) / PARTITIONS
    }
    let cluster = await Cluster.open({ dir, durability: 'process' })
    const topic = { topic: 't', partitions: PARTITIONS }
    expect(await counted(() => cluster.admin.createTopic(topic))).toBeLessThan(2.5)
    expect(await counted(() => cluster.close())).toBeLessThan(0.7)
    expect(descriptors.open).toBe(0)
    expect(await counted(async () => (cluster = await Cluster.open({ dir })))).toBeLessThan(3)
    await cluster.close()
    expect(descriptors.open).toBe(0)
  })

  it('partitions are opened without a check that their files exist', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'partlog-many-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const first = await Cluster.open({ dir, durability: 'process' })
    await first.admin.createTopic({ topic: 't', partitions: PARTITIONS })
    await first.close()
    let looks = 0
    wrapCalls(['statSync'], real => (...args) => {
      looks++
      return real(...args)
    })
    const again = await Cluster.open({ dir })
    expect(looks).toBeLessThan(PARTITIONS / 2)
    await again.close()
  })
})

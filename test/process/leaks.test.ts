/** Opening and closing repeatedly leaves nothing open: descriptors, timers, sockets. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Cluster, openLogDirectory } from '../../src/index.js'

/** What of the process is in use, by kind. Files are counted where the system shows them. */
function inUse(): Record<string, number> {
  const counts: Record<string, number> = { files: openFiles() }
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0 // no Linux
  }
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'partlog-leaks-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function filled(dir: string): Promise<void> {
  const cluster = await Cluster.open({ dir })
  await cluster.admin.createTopic({ topic: 't', partitions: 12 })
  const messages = Array.from({ length: 12 }, (_, partition) => ({ partition, value: 'x' }))
  await cluster.producer().send({ topic: 't', messages })
  await cluster.close()
}

/**
 * Does it often and compares before and after; the first time warms up. What ends in the next turns
 * of the event loop is no leak, nor is what the test runner has open now and then: one thing left
 * each time is.
 */
async function leavesNothing(times: number, task: () => Promise<unknown>): Promise<void> {
  await task()
  const before = inUse()
  for (let i = 0; i < times; i++) await task()
  const left = (): [string, number][] =>
    Object.entries(inUse())
      .map(([kind, count]): [string, number] => [kind, count - (before[kind] ?? 0)])
      .filter(([, more]) => more >= times / 2)
  for (let turn = 0; turn < 200 && left().length > 0; turn++) {
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(left()).toEqual([])
}

describe('nothing is left open', () => {
  let dir = ''
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'partlog-leaks-'))
    await filled(dir)
    return () => rmSync(dir, { recursive: true, force: true })
  })

  it('opening a folder 100 times read-only leaves nothing open', async () => {
    await leavesNothing(100, async () => (await Cluster.open({ dir, readOnly: true })).close())
  })

  it('opening a folder 20 times with a producer and a group leaves nothing open', async () => {
    await leavesNothing(20, async () => {
      const cluster = await Cluster.open({ dir })
      await cluster.producer().send({ topic: 't', messages: [{ value: 'y' }] })
      const consumer = cluster.consumer({ groupId: 'g', autoOffsetReset: 'earliest' })
      await consumer.subscribe(['t'])
      await consumer.poll()
      await cluster.close()
    })
  })

  it('reading logs 100 times leaves nothing open, even if the reader stops early', async () => {
    await leavesNothing(100, async () => {
      const { partitions } = await openLogDirectory(join(dir, 'broker-1'))
      expect(partitions.length).toBeGreaterThanOrEqual(12)
      for (const partition of partitions) {
        for await (const record of partition.records()) {
          expect(record.value).not.toBe(undefined)
          break
        }
      }
    })
  })

  it('20 clusters in memory with three brokers and a port leave nothing open', async () => {
    await leavesNothing(20, async () => {
      const cluster = await Cluster.memory({ brokers: 3 })
      await cluster.listen({ port: 0 })
      await cluster.producer().send({ topic: 't', messages: [{ value: 'x' }] })
      await cluster.close()
    })
  })

  it('openings that fail leave nothing open', async () => {
    const broken = newFolder()
    await filled(broken)
    const file = join(broken, 'broker-1', 'meta.properties')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/cluster\.id=.*/, 'cluster.id=another'))
    await leavesNothing(50, () => expect(Cluster.open({ dir: broken })).rejects.toThrow())
    const notOne = newFolder()
    await leavesNothing(50, () =>
      expect(Cluster.open({ dir: notOne, readOnly: true })).rejects.toThrow(notOne),
    )
  })
})

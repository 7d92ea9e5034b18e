import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { settingsOf, sourceTopic } from '../../../src/cli/copy/source.js'
import { Cluster } from '../../../src/index.js'

/** Three partitions, two copies of each; the leader's is now the first, now the last of them. */
async function folder(): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'partlog-source-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const cluster = await Cluster.open({ dir, brokers: 3, durability: 'process' })
  const assignment = [
    [1, 3],
    [3, 1],
    [1, 2],
  ]
  await cluster.admin.createTopic({ topic: 'orders', assignment })
  await cluster.admin.createTopic({ topic: 'orders-2', partitions: 5 })
  await cluster.close()
  return dir
}

it("the leader's copy of each partition is read", async () => {
  const { partitions, count } = await sourceTopic(await folder(), 'orders', [])
  const folders = partitions.map(({ folder: place }) => place).sort()
  expect(folders).toEqual(['broker-1/orders-0', 'broker-1/orders-2', 'broker-3/orders-1'])
  expect(count).toBe(3)
})

it('the number of partitions is the same if only one is read', async () => {
  const { partitions, count } = await sourceTopic(await folder(), 'orders', [1])
  expect(partitions.map(({ folder: place }) => place)).toEqual(['broker-3/orders-1'])
  expect(count).toBe(3)
})

it('a folder without its controller has one copy of each partition and no settings', async () => {
  const dir = await folder()
  rmSync(join(dir, 'controller'), { recursive: true })
  const { partitions } = await sourceTopic(dir, 'orders', [])
  expect(partitions.map(({ partition }) => partition).sort()).toEqual([0, 1, 2])
  expect(await settingsOf(dir, 'orders')).toBeUndefined()
})

it("another broker's copy is read if the leader's copy is gone", async () => {
  const dir = await folder()
  rmSync(join(dir, 'broker-3/orders-1'), { recursive: true })
  const { partitions } = await sourceTopic(dir, 'orders', [])
  const folders = partitions.map(({ folder: place }) => place).sort()
  expect(folders).toEqual(['broker-1/orders-0', 'broker-1/orders-1', 'broker-1/orders-2'])
})

it('a folder is read while another process writes to it', async () => {
  const dir = await folder()
  const cluster = await Cluster.open({ dir, brokers: 3 })
  onTestFinished(() => cluster.close())
  expect(await settingsOf(dir, 'orders')).toBeDefined()
})

/** Offsets of groups go with the records: to another folder, a topic, a cluster. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, it, onTestFinished } from 'vitest'
import { parseCall } from '../../../src/cli/command.js'
import { replayCommand } from '../../../src/cli/replay.js'
import { Output } from '../../../src/cli/terminal/output.js'
import { Cluster } from '../../../src/index.js'
import { elsewhere, storedRecords } from '../../process/kafka-world.js'

async function replay(...words: readonly string[]) {
  let stderr = ''
  const errors = new PassThrough()
  errors.on('data', chunk => (stderr += String(chunk)))
  const output = new Output(
    new PassThrough().resume() as unknown as NodeJS.WriteStream,
    errors as unknown as NodeJS.WriteStream,
  )
  const line = ['orders', '--dir', dir, ...words]
  const code = await replayCommand.run({ ...parseCall(replayCommand, line), output })
  return { code, stderr }
}

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'partlog-groups-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'data')
}

let dir = ''

/** Ten records in partition 0, five in partition 1; `deleted` has no commit any more. */
async function folder(): Promise<void> {
  dir = tempFolder()
  await using cluster = await Cluster.open({ dir, durability: 'process' })
  const config = { 'retention.ms': -1 }
  await cluster.admin.createTopic({ topic: 'orders', partitions: 2, config })
  await cluster.admin.createTopic({ topic: 'other', partitions: 1, config })
  const messages = Array.from({ length: 15 }, (_, n) => ({
    partition: n % 3 === 2 ? 1 : 0,
    key: String(n),
    value: JSON.stringify({ n }),
    timestamp: 1_000 + n,
  }))
  await cluster.producer().send({ topic: 'orders', messages })
  const commit = async (groupId: string, topic: string, ...offsets: number[]) =>
    await cluster.admin.alterGroupOffsets({
      groupId,
      offsets: offsets.map((offset, partition) => ({
        topic,
        partition,
        offset,
        metadata: `${groupId} ${partition}`,
      })),
    })
  await commit('billing', 'orders', 3, 0)
  await commit('billing', 'orders', 4, 5)
  await commit('late', 'orders', 10)
  await commit('elsewhere', 'other', 0)
  await commit('deleted', 'orders', 1)
  await cluster.admin.deleteGroups(['deleted'])
}

async function offsetsOf(cluster: Cluster, groupId: string, topic = 'orders'): Promise<unknown[]> {
  const listed = await cluster.admin.listGroupOffsets(groupId)
  return listed
    .filter(each => each.topic === topic)
    .map(({ partition, offset, metadata }) => [partition, offset, metadata])
}

it('to another folder, at the same records', async () => {
  await folder()
  const target = tempFolder()
  const { code, stderr } = await replay('--to', 'orders', '--to-dir', target, '--groups')
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stderr).toContain('partlog: offsets of 2 groups are carried over\n')
  expect(await storedRecords(target, 'orders')).toEqual(await storedRecords(dir, 'orders'))
  await using cluster = await Cluster.open({ dir: target })
  const ends = [[0, 4, 'billing 0'], [1, 5, 'billing 1']]
  expect(await offsetsOf(cluster, 'billing')).toEqual(ends)
  expect(await offsetsOf(cluster, 'late')).toEqual([[0, 10, 'late 0']])
  expect((await cluster.admin.listGroups()).map(({ groupId }) => groupId).sort()).toEqual([
    'billing',
    'late',
  ])
})

it('to a topic that has records, of some records: at the next one that was copied', async () => {
  await folder()
  {
    await using cluster = await Cluster.open({ dir, durability: 'process' })
    await cluster.admin.createTopic({ topic: 'copy', partitions: 2 })
    const messages = [0, 0, 0, 1].map(partition => ({ partition, value: 'before' }))
    await cluster.producer().send({ topic: 'copy', messages })
  }
  // Offsets 0 to 9 of partition 0 hold n = 0 1 3 4 6 7 9 10 12 13; of these 1, 7 and 13 are copied.
  const where = 'n = 1 or n = 7 or n = 13'
  await replay('--to', 'copy', '--partitions', 'keep', '--where', where, '--groups')
  await using cluster = await Cluster.open({ dir })
  // Behind offset 4 (n = 6) comes n = 7, the second one copied; nothing of partition 1 was copied.
  const moved = [[0, 4, 'billing 0'], [1, 1, 'billing 1']]
  expect(await offsetsOf(cluster, 'billing', 'copy')).toEqual(moved)
  expect(await offsetsOf(cluster, 'late', 'copy')).toEqual([[0, 6, 'late 0']])
})

it('to a cluster; a group that is active there keeps its offsets, and the exit code is 1', async () => {
  await folder()
  const { cluster, at } = await elsewhere()
  expect(await replay('--to', at('orders'), '--groups')).toMatchObject({ code: 0 })
  expect(await offsetsOf(cluster, 'late')).toEqual([[0, 10, 'late 0']])
  const consumer = cluster.consumer({ groupId: 'late' })
  await consumer.subscribe(['orders'])
  await consumer.poll({ timeoutMs: 0 })
  const members = async () => (await cluster.admin.describeGroups(['late']))[0]?.members.length
  await expect.poll(members).toBe(1)
  const { code, stderr } = await replay('--to', at('orders'), '--groups')
  expect(code).toBe(1)
  expect(stderr).toContain('partlog: offsets of group late are not carried over: ')
  expect(stderr).toContain('partlog: offsets of 1 groups are carried over\n')
  expect(await offsetsOf(cluster, 'billing')).toEqual([[0, 14, 'billing 0'], [1, 10, 'billing 1']])
})

it.each([
  [['--groups'], '--groups: only with --to TOPIC'],
  [['--to', 'x', '--groups'], '--groups: needs --partitions keep'],
  [['--to', './x.jsonl', '--to-dir', 'y'], '--to-dir: only with --to TOPIC'],
])('%j is refused', async (words, sentence) => {
  await folder()
  await expect(replay(...words)).rejects.toThrow(sentence)
})

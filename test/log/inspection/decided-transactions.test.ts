/** Folders that hold transactions, read as a read_committed consumer reads. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { Cluster, openLogDirectory, type RecordRange } from '../../../src/index.js'

async function folderWith(write: (cluster: Cluster) => Promise<void>): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'partlog-transactions-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const cluster = await Cluster.open({ dir, durability: 'process' })
  await cluster.admin.createTopic({ topic: 't', partitions: 1 })
  await write(cluster)
  await cluster.close()
  return dir
}

async function read(dir: string, range: RecordRange) {
  const { partitions } = await openLogDirectory(dir)
  const partition = partitions.find(each => each.topic === 't')
  if (partition === undefined) throw new Error('no topic')
  const values: string[] = []
  for await (const { value } of partition.records(range)) values.push(String(value))
  return { values, aborted: partition.aborted, undecided: partition.undecided }
}

const COMMITTED = { isolationLevel: 'read_committed' } as const

it('records of aborted transactions are left out, those of others are read', async () => {
  const dir = await folderWith(async cluster => {
    const [a, b] = ['a', 'b'].map(transactionalId => cluster.producer({ transactionalId }))
    const plain = cluster.producer()
    for (const each of [a, b]) await each?.init()
    const send = (producer: typeof a | typeof plain, value: string) =>
      producer?.send({ topic: 't', messages: [{ value }] })
    await send(plain, 'plain 1')
    await a?.begin()
    await b?.begin()
    await send(a, 'aborted 1')
    await send(b, 'committed 1')
    await send(plain, 'plain 2')
    await a?.abort()
    await b?.commit()
    await a?.begin()
    await send(a, 'committed 2')
    await a?.commit()
    await a?.begin()
    await send(a, 'aborted 2')
    await a?.abort()
    await send(plain, 'plain 3')
  })
  const left = ['plain 1', 'committed 1', 'plain 2', 'committed 2', 'plain 3']
  expect(await read(dir, COMMITTED)).toEqual({ values: left, aborted: 2, undecided: undefined })
  expect((await read(dir, { ...COMMITTED, from: 1 })).values).toEqual(left.slice(1))
  expect((await read(dir, { ...COMMITTED, from: 2, until: 4 })).values).toEqual(left.slice(1, 3))
  const all = await read(dir, {})
  expect(all.values).toHaveLength(7)
  expect(all.aborted).toBe(0)
})

it('reading ends before the first record of an open transaction, and says so', async () => {
  const dir = await folderWith(async cluster => {
    const producer = cluster.producer({ transactionalId: 'a' })
    await producer.init()
    await cluster.producer().send({ topic: 't', messages: [{ value: 'before' }] })
    await producer.begin()
    await producer.send({ topic: 't', messages: [{ value: 'open' }] })
    await cluster.producer().send({ topic: 't', messages: [{ value: 'behind' }] })
  })
  const { values, undecided } = await read(dir, COMMITTED)
  expect(values.slice(0, 1)).toEqual(['before'])
  // Closing the cluster may have aborted the transaction: then nothing is open.
  if (undecided === undefined) expect(values).toEqual(['before', 'behind'])
  else expect({ values, undecided }).toEqual({ values: ['before'], undecided: { from: 1, until: 3 } })
  expect((await read(dir, {})).values.slice(0, 3)).toEqual(['before', 'open', 'behind'])
})

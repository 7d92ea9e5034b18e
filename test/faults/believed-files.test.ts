/** Digits on disk that no checksum covers: nothing is cut, deleted or elected because of them. */

import { describe, expect, it } from 'vitest'
import type { ClusterEvents } from '../../src/cluster/events.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { valuesOf, world, type World } from '../cluster/world.js'
import { flipBit } from './damage.js'

const EPOCHS = 'broker-3/orders-0/leader-epoch-checkpoint'
const LOG_STARTS = 'broker-1/log-start-offset-checkpoint'
const SMALL = { 'internal.segment.bytes': 400 }

const textOf = async (disk: MemoryDisk, path: string): Promise<string> => {
  const file = disk.open(path)
  const bytes = await file.read(0, file.size)
  file.close()
  return bytes.toString()
}

async function replace(disk: MemoryDisk, path: string, from: string, to: string): Promise<void> {
  const text = await textOf(disk, path)
  expect(text).toContain(from)
  await disk.remove(path)
  const file = disk.create(path)
  file.append(Buffer.from(text.replace(from, to)))
  file.close()
}

async function send({ cluster, passing }: World, from: number, to: number): Promise<void> {
  const producer = cluster.producer({ acks: 'all' })
  for (let n = from; n < to; n++) {
    await passing(producer.send({ topic: 'orders', messages: [{ value: `v${n}` }] }))
  }
}

const values = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => `v${from + n}`)

describe('one digit of a copy that is out of sync', () => {
  /** Broker 3 has the first 3 of 20 records. */
  async function lagging(isKilled: boolean): Promise<MemoryDisk> {
    const disk = new MemoryDisk()
    const all = await world({}, disk)
    const { cluster, passing } = all
    const topic = { topic: 'orders', assignment: [[1, 2, 3]], config: SMALL }
    await passing(cluster.admin.createTopic(topic))
    await send(all, 0, 3)
    await cluster.broker(3).kill()
    await send(all, 3, 20)
    if (!isKilled) await passing(cluster.close())
    else for (const id of [1, 2]) await cluster.broker(id).kill()
    return disk
  }

  it.each([
    ['after a crash', true, '0 0', '1 0'],
    ['after a crash, far off', true, '0 0', '7 0'],
    ['after a clean close', false, '0 0', '1 0'],
    ['another offset', true, '0 0', '0 2'],
  ])('one changed digit does not elect a replica: %s', async (_, isKilled, from, to) => {
    const disk = await lagging(isKilled)
    await replace(disk, EPOCHS, `${from}\n`, `${to}\n`)
    const all = await world({}, disk)
    const cuts: ClusterEvents['truncation'][] = []
    all.cluster.on('truncation', event => cuts.push(event))
    await all.clock.advance(5_000)
    const { findings } = all.cluster.recovery
    expect(findings.map(({ kind, file }) => [kind, file])).toContainEqual([
      'epochs-rebuilt',
      EPOCHS,
    ])
    expect(await valuesOf(all, 20)).toEqual(values(0, 20))
    expect(cuts).toEqual([])
    expect(all.isFull()).toBe(true)
    const copies = all.cluster.describe().topics[0]?.partitions[0]?.copies
    expect(copies?.map(({ logEndOffset }) => logEndOffset)).toEqual([20, 20, 20])
  })
})

it('a replica that is damaged at opening is set aside, and an event reports it', async () => {
  const disk = new MemoryDisk()
  const all = await world({}, disk)
  await all.passing(all.cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2, 3]] }))
  await send(all, 0, 5)
  await all.passing(all.cluster.close())
  await flipBit(disk, 'broker-2/orders-0/00000000000000000000.log', 100)
  const again = await world({}, disk)
  const [finding, ...others] = again.cluster.recovery.findings
  expect(others).toEqual([])
  expect(finding).toMatchObject({ kind: 'set-aside', file: 'broker-2/orders-0' })
  expect(finding?.reason).toContain('00000000000000000000.log at position')
  expect(disk.list(finding?.keptIn[0] as string).map(({ name }) => name)).toContain(
    '00000000000000000000.log',
  )
  await again.clock.advance(2_000)
  expect(again.isFull()).toBe(true)
  expect(await valuesOf(again, 5)).toEqual(values(0, 5))
})

describe('a log whose process was killed', () => {
  const LOG = 'broker-1/orders-0/00000000000000000000.log'

  /** One copy of 5 records, the high watermark of which was written down. */
  async function killed(durability: 'power' | 'process'): Promise<MemoryDisk> {
    const disk = new MemoryDisk()
    const all = await world({ brokers: 1, durability }, disk)
    await all.passing(all.cluster.admin.createTopic({ topic: 'orders' }))
    await send(all, 0, 5)
    await all.clock.advance(6_000)
    await all.cluster.broker(1).kill()
    const file = disk.open(LOG)
    file.truncate(file.size - 70)
    file.close()
    return disk
  }

  it('a killed log with less than was committed is offline', async () => {
    const all = await world({ brokers: 1 }, await killed('power'))
    expect(all.cluster.recovery.offline).toMatchObject([
      { topic: 'orders', error: { code: 'CORRUPT_LOG' } },
    ])
  })

  it('a killed log continues if committed records need not be durable', async () => {
    const all = await world({ brokers: 1, durability: 'process' }, await killed('process'))
    expect(all.cluster.recovery.offline).toEqual([])
    expect((await valuesOf(all, 4)).slice(0, 3)).toEqual(values(0, 3))
  })

  it('a recreated topic is not compared with the high watermark of the old one', async () => {
    const disk = new MemoryDisk()
    const all = await world({ brokers: 1 }, disk)
    await all.passing(all.cluster.admin.createTopic({ topic: 'orders' }))
    await send(all, 0, 5)
    await all.clock.advance(6_000)
    await all.passing(all.cluster.admin.deleteTopic('orders'))
    await all.passing(all.cluster.admin.createTopic({ topic: 'orders' }))
    await send(all, 0, 1)
    await all.cluster.broker(1).kill()
    const again = await world({ brokers: 1 }, disk)
    expect(again.cluster.recovery.offline).toEqual([])
    expect(await valuesOf(again, 1)).toEqual(values(0, 1))
  })
})

describe('one digit of the log start', () => {
  const NONE_BEFORE = '0\n0\n'

  async function deletedUpTo5(): Promise<{ disk: MemoryDisk; logs: string[] }> {
    const disk = new MemoryDisk()
    const all = await world({ brokers: 1 }, disk)
    await all.passing(all.cluster.admin.createTopic({ topic: 'orders', config: SMALL }))
    await send(all, 0, 100)
    const place = { topic: 'orders', partition: 0 }
    await all.passing(all.cluster.admin.deleteRecords({ ...place, offset: 3 }))
    await all.passing(all.cluster.close())
    return { disk, logs: logsOn(disk) }
  }

  const logsOn = (disk: MemoryDisk): string[] =>
    disk
      .list('broker-1/orders-0')
      .map(({ name }) => name)
      .filter(name => name.endsWith('.log'))

  it.each([
    ['beyond the end', 'orders 0 903'],
    ['behind most of it', 'orders 0 93'],
    ['before the deleted ones', 'orders 0 0'],
    ['of another partition', 'orders 1 3'],
  ])('one changed digit of the log start deletes and hides nothing: %s', async (_, line) => {
    const { disk, logs } = await deletedUpTo5()
    await replace(disk, LOG_STARTS, 'orders 0 3', line)
    const all = await world({ brokers: 1 }, disk)
    expect(all.cluster.recovery.findings).toMatchObject([
      { kind: 'checkpoint-restored', file: LOG_STARTS },
    ])
    await all.clock.advance(400_000) // retention looks
    expect(await valuesOf(all, 97)).toEqual(values(3, 100))
    expect(logsOn(disk)).toEqual(logs)
    expect(await textOf(disk, LOG_STARTS)).toContain('orders 0 3\n')
  })

  it('a log start of an older checkpoint, or none, is not believed', async () => {
    const { disk } = await deletedUpTo5()
    const now = await textOf(disk, LOG_STARTS)
    for (const text of [NONE_BEFORE, '0\n1\nother 0 9\n', undefined]) {
      await disk.remove(LOG_STARTS)
      if (text !== undefined) disk.create(LOG_STARTS).append(Buffer.from(text))
      const all = await world({ brokers: 1 }, disk)
      expect(await valuesOf(all, 97)).toEqual(values(3, 100))
      await all.passing(all.cluster.close())
      expect(await textOf(disk, LOG_STARTS)).toBe(now)
    }
  })

  it('a log start without a sealed copy is checked against the log', async () => {
    const { disk, logs } = await deletedUpTo5()
    await disk.remove(`${LOG_STARTS}.sealed`)
    await replace(disk, LOG_STARTS, 'orders 0 3', 'orders 0 903')
    const all = await world({ brokers: 1 }, disk)
    expect(all.cluster.recovery.findings).toMatchObject([
      { kind: 'checkpoint-ignored', file: LOG_STARTS },
    ])
    expect(await valuesOf(all, 100)).toEqual(values(0, 100))
    expect(logsOn(disk)).toEqual(logs)
  })
})

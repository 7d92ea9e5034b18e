/** A folder that is read beside its owner: what a reader sees, when, and what it never sees. */

import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import type { Consumer } from '../../src/index.js'
import { systemError, wrapCalls } from '../disk/system-calls.js'

const TEXT = { valueDeserializer: 'string', autoOffsetReset: 'earliest' } as const
const FIRST = { topic: 'orders', partition: 0 }
const SMALL = { 'internal.segment.bytes': 600, 'index.interval.bytes': 100 }

function newFolder(): string {
  const parent = mkdtempSync(join(tmpdir(), 'partlog-test-'))
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }))
  return join(parent, 'data')
}

async function opened(dir: string, options: object = {}): Promise<Cluster> {
  const cluster = await Cluster.open({ dir, ...options })
  onTestFinished(() => cluster.close())
  return cluster
}

const reading = (dir: string): Promise<Cluster> => opened(dir, { readOnly: true })

async function send(cluster: Cluster, values: readonly string[], topic = 'orders'): Promise<void> {
  const producer = cluster.producer()
  for (const value of values) {
    await producer.send({ topic, messages: [{ key: value.slice(0, 1), value, partition: 0 }] })
  }
  await producer.close()
}

async function assigned(cluster: Cluster, place = FIRST): Promise<Consumer<unknown, string>> {
  const consumer = cluster.consumer(TEXT)
  await consumer.assign([place])
  return consumer as unknown as Consumer<unknown, string>
}

/** The next values, as many as are wanted, however long they take to come. */
async function next(consumer: Consumer<unknown, string>, count: number): Promise<string[]> {
  const values: string[] = []
  while (values.length < count) {
    values.push(...(await consumer.poll({ timeoutMs: 30_000 })).map(({ value }) => value as string))
  }
  return values
}

const NO_THROW = { throwIfNoEntry: false } as const
const range = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => `${(from + n) % 5}:${from + n}`)

const logOf = (dir: string): string =>
  join(dir, 'broker-1/orders-0/00000000000000000000.log')

/** The first batch of the log, at another offset: the checksum leaves that out. */
function batchAt(dir: string, offset: number): Buffer {
  const bytes = readFileSync(logOf(dir))
  const batch = bytes.subarray(0, 12 + bytes.readInt32BE(8))
  batch.writeBigInt64BE(BigInt(offset))
  return batch
}

describe('beside its owner', () => {
  it('a waiting consumer gets what the owner sends, in order and once', async () => {
    const dir = newFolder()
    const owner = await opened(dir)
    await owner.admin.createTopic({ topic: 'orders', config: SMALL })
    await send(owner, range(0, 3))
    const consumer = await assigned(await reading(dir))
    expect(await next(consumer, 3)).toEqual(range(0, 3))
    const later = next(consumer, 40) // many segments
    await send(owner, range(3, 43))
    expect(await later).toEqual(range(3, 43))
  })

  it('for await, seek, until and describe see what comes', async () => {
    const dir = newFolder()
    const owner = await opened(dir, { durability: 'process' })
    await owner.admin.createTopic({ topic: 'orders' })
    const reader = await reading(dir)
    const consumer = await assigned(reader)
    const seen: string[] = []
    const loop = (async () => {
      for await (const { value } of consumer) if (seen.push(value as string) === 4) return
    })()
    await send(owner, range(0, 4))
    await loop
    expect(seen).toEqual(range(0, 4))
    await reader.until({ topic: 'orders', records: 4 })
    consumer.seek({ ...FIRST, offset: 2 })
    expect(await next(consumer, 2)).toEqual(range(2, 4))
    const [copy] = reader.describe().topics[0]?.partitions[0]?.copies ?? []
    expect(copy).toMatchObject({ state: 'leader', logStartOffset: 0, highWatermark: 4 })
  })

  it('topics and partitions that are made are there, deleted ones are gone', async () => {
    const dir = newFolder()
    const owner = await opened(dir)
    await send(owner, ['a'])
    const reader = await reading(dir)
    expect(await reader.admin.listTopics()).toEqual(['orders'])
    const consumer = await assigned(reader)
    expect(await next(consumer, 1)).toEqual(['a'])

    await owner.admin.createTopic({ topic: 'payments', partitions: 2 })
    await send(owner, ['p'], 'payments')
    await reader.until({ topic: 'payments', records: 1 })
    expect(await next(await assigned(reader, { topic: 'payments', partition: 0 }), 1)).toEqual(['p'])
    await owner.admin.createPartitions({ topic: 'payments', partitions: 3 })
    await owner.producer().send({ topic: 'payments', messages: [{ value: 'q', partition: 2 }] })
    await reader.until({ topic: 'payments', records: 2 })
    expect(await next(await assigned(reader, { topic: 'payments', partition: 2 }), 1)).toEqual(['q'])

    await owner.admin.deleteTopic('orders')
    await owner.admin.createTopic({ topic: 'orders' }) // another topic of that name
    await send(owner, ['b', 'c'])
    await reader.until({ topic: 'orders', records: 2 })
    expect(await next(await assigned(reader), 2)).toEqual(['b', 'c'])
    await owner.admin.deleteTopic('payments')
    await send(owner, ['d'])
    await reader.until({ topic: 'orders', records: 3 })
    expect(await reader.admin.listTopics()).toEqual(['orders'])
  })

  it('retention and deleted records move the log start, and what is left stays readable', async () => {
    const dir = newFolder()
    const clock = new VirtualClock(Date.now())
    const owner = await opened(dir, { clock })
    const config = { ...SMALL, 'retention.bytes': 1_500, 'retention.ms': -1 }
    await owner.admin.createTopic({ topic: 'orders', config })
    await send(owner, range(0, 60))
    const reader = await reading(dir)
    const consumer = await assigned(reader)
    await next(consumer, 60)
    const files = (): number => readdirSync(join(dir, 'broker-1/orders-0')).length
    const before = files()
    await clock.advance(31_000)
    const started = async (cluster: Cluster): Promise<number> =>
      (await cluster.admin.listOffsets('orders', 'earliest'))[0]?.offset ?? -1
    const start = await started(owner)
    expect(start).toBeGreaterThan(20)
    while (files() >= before) await clock.advance(1_000) // the files go after a minute
    await send(owner, range(60, 61))
    expect(await next(consumer, 1)).toEqual(range(60, 61))
    expect(await started(reader)).toBe(start)
    consumer.seek({ ...FIRST, offset: start })
    expect(await next(consumer, 61 - start)).toEqual(range(start, 61))

    await owner.admin.deleteRecords({ ...FIRST, offset: 58 })
    await send(owner, range(61, 62))
    await next(consumer, 1)
    expect(await started(reader)).toBe(58)
  })

  it('a compaction swaps segments while a reader is inside one', async () => {
    const dir = newFolder()
    const clock = new VirtualClock(Date.now())
    const owner = await opened(dir, { clock })
    const config = {
      ...SMALL,
      'cleanup.policy': 'compact',
      'min.cleanable.dirty.ratio': 0,
      'file.delete.delay.ms': 0,
    }
    await owner.admin.createTopic({ topic: 'orders', config })
    await send(owner, range(0, 60))
    const reader = await reading(dir)
    const consumer = reader.consumer({ ...TEXT, maxPollRecords: 1, fetchMaxBytes: 1 })
    await consumer.assign([FIRST])
    const seen = (await consumer.poll()).map(({ offset }) => offset)
    const folder = join(dir, 'broker-1/orders-0')
    const bytes = (): number =>
      readdirSync(folder)
        .filter(name => /\.(log|swap)$/.test(name))
        .reduce((sum, name) => sum + (statSync(join(folder, name), NO_THROW)?.size ?? 0), 0)
    while (bytes() > 1_500) await clock.advance(1_000) // checkpoints come first
    await send(owner, range(60, 70))
    await reader.until({ topic: 'orders', records: 70 })
    const values: string[] = []
    while (seen.at(-1) !== 69) {
      for (const { offset, value } of await consumer.poll({ timeoutMs: 30_000 })) {
        seen.push(offset)
        values.push(value as string)
      }
    }
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    expect(new Set(seen).size).toBe(seen.length)
    expect(values.slice(-10)).toEqual(range(60, 70))
    expect(seen.length).toBeLessThan(60) // the compacted segments were read
    const again = await assigned(await reading(dir))
    const left = await next(again, 11)
    expect(left.slice(-10)).toEqual(range(60, 70))
  })

  it('groups, their members and their offsets are those of the owner', async () => {
    const dir = newFolder()
    const owner = await opened(dir)
    await owner.admin.createTopic({ topic: 'orders' })
    const reader = await reading(dir)
    expect(await reader.admin.listGroups()).toEqual([])
    const worker = owner.consumer({ ...TEXT, groupId: 'billing' })
    await worker.subscribe(['orders'])
    await send(owner, range(0, 5))
    await reader.until({ group: 'billing', stable: true, members: 1 })
    await worker.poll({ timeoutMs: 30_000 })
    await worker.commit()
    await reader.until({ group: 'billing', lag: 0 })
    const lag = await reader.admin.groupLag('billing')
    expect(lag).toMatchObject({ totalLag: 0, partitions: [{ offset: 5, endOffset: 5 }] })
    const another = reader.consumer({ groupId: 'nobody' })
    await another.assign([FIRST])
    expect(await another.committed([FIRST])).toMatchObject([{ offset: null }])
  })

  it('several brokers: the reader follows the leader, whoever it is', async () => {
    const dir = newFolder()
    const owner = await opened(dir, { brokers: 3 })
    await owner.admin.createTopic({ topic: 'orders', assignment: [[1, 2, 3]] })
    await send(owner, range(0, 5))
    const reader = await reading(dir)
    const consumer = await assigned(reader)
    expect(await next(consumer, 5)).toEqual(range(0, 5))
    for (const [id, from] of [[1, 5], [2, 10], [3, 15]] as const) {
      await owner.broker(id).kill()
      await send(owner, range(from, from + 5))
      expect(await next(consumer, 5)).toEqual(range(from, from + 5))
      await owner.broker(id).start()
      const isFull = (): boolean =>
        owner.describe().topics[0]?.partitions[0]?.isr.length === 3
      while (!isFull()) await new Promise<unknown>(resolve => owner.on('isr', resolve))
    }
    const { partitions } = reader.describe().topics[0] ?? {}
    expect(partitions?.[0]?.copies).toHaveLength(3)
  })
})

describe('what is never shown', () => {
  it('records that are in the file while their owner does not call them committed', async () => {
    const dir = newFolder()
    const owner = await opened(dir)
    await send(owner, ['a'])
    await send(owner, ['p'], 'payments')
    const reader = await reading(dir)
    const consumer = await assigned(reader)
    expect(await next(consumer, 1)).toEqual(['a'])
    appendFileSync(logOf(dir), batchAt(dir, 1)) // as a write that waits for its sync
    await send(owner, ['q'], 'payments') // what comes later is shown
    await reader.until({ topic: 'payments', records: 2 })
    const endOf = async (cluster: Cluster): Promise<number> =>
      (await cluster.admin.listOffsets('orders', 'latest'))[0]?.offset ?? -1
    expect(await endOf(reader)).toBe(1)
    expect(await endOf(await reading(dir))).toBe(1) // nor to a reader that comes now
    await send(owner, ['b', 'c']) // in its place
    expect(await next(consumer, 2)).toEqual(['b', 'c'])
  })

  it('records that not every in-sync replica has', async () => {
    const dir = newFolder()
    const owner = await opened(dir, { brokers: 3, durability: 'process' })
    await owner.admin.createTopic({ topic: 'orders', assignment: [[1, 2, 3]] })
    await owner.admin.createTopic({ topic: 'payments', assignment: [[1]] })
    await send(owner, ['a'])
    const reader = await reading(dir)
    const consumer = await assigned(reader)
    expect(await next(consumer, 1)).toEqual(['a'])
    owner.broker(2).pauseReplication()
    const leaderOnly = owner.producer({ acks: 1 })
    await leaderOnly.send({ topic: 'orders', messages: [{ value: 'b' }] })
    await send(owner, ['p'], 'payments')
    await reader.until({ topic: 'payments', records: 1 })
    expect((await reader.admin.listOffsets('orders', 'latest'))[0]?.offset).toBe(1)
    owner.broker(2).resumeReplication()
    expect(await next(consumer, 1)).toEqual(['b'])
  })
})

describe('an idle reader', () => {
  it('makes no call to the system while its time does not go on', async () => {
    let calls = 0
    const counted = ['openSync', 'readSync', 'readFileSync', 'statSync', 'readdirSync'] as const
    wrapCalls([...counted, 'fstatSync', 'read'], real => (...args) => {
      calls++
      return real(...args)
    })
    const dir = newFolder()
    const owner = await opened(dir)
    await send(owner, ['a'])
    const clock = new VirtualClock(Date.now())
    const reader = await opened(dir, { readOnly: true, clock })
    const consumer = reader.consumer(TEXT)
    await consumer.assign([FIRST])
    expect(await consumer.poll()).toHaveLength(1)
    const waiting = consumer.poll({ timeoutMs: 600_000 })
    for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
    const before = calls
    for (let turn = 0; turn < 1_000; turn++) await new Promise(resolve => setImmediate(resolve))
    expect(calls - before).toBe(0)
    for (let second = 0; second < 60; second++) await clock.advance(1_000)
    // Some file systems lose events: a look per second, at one small file.
    expect(calls - before).toBeLessThanOrEqual(60 * 6)
    await send(owner, ['b'])
    expect(await waiting).toHaveLength(1)
  })

  it('polls with pauses where folders cannot be watched', async () => {
    wrapCalls(['watch'], () => () => {
      throw systemError('ENOSPC', 28, 'watch')
    })
    const dir = newFolder()
    const owner = await opened(dir)
    await send(owner, ['a'])
    const consumer = await assigned(await reading(dir))
    expect(await next(consumer, 1)).toEqual(['a'])
    const later = next(consumer, 2)
    await send(owner, ['b', 'c'])
    expect(await later).toEqual(['b', 'c'])
  })
})

describe('owners come and go', () => {
  it('a reader of a folder that nobody owns follows the owner that comes', async () => {
    const dir = newFolder()
    const before = await opened(dir)
    await send(before, range(0, 3))
    await before.close()
    const reader = await reading(dir)
    const consumer = await assigned(reader)
    expect(await next(consumer, 3)).toEqual(range(0, 3))
    const owner = await opened(dir)
    await send(owner, range(3, 6))
    expect(await next(consumer, 3)).toEqual(range(3, 6))
  })

  it('a torn tail that an owner has left is cut by the next one, and was never shown', async () => {
    const dir = newFolder()
    const before = await opened(dir)
    await send(before, range(0, 3))
    const log = logOf(dir)
    const reader = await reading(dir)
    const consumer = await assigned(reader)
    expect(await next(consumer, 3)).toEqual(range(0, 3))
    await before.close()
    rmSync(join(dir, 'broker-1/.kafka_cleanshutdown')) // as a process that dies leaves it
    const { size } = statSync(log)
    appendFileSync(log, batchAt(dir, 3).subarray(0, 70))
    const late = await reading(dir)
    expect(await next(await assigned(late), 3)).toEqual(range(0, 3))
    const owner = await opened(dir)
    expect(owner.recovery.findings).toMatchObject([{ kind: 'torn-tail' }])
    expect(statSync(log).size).toBe(size)
    await send(owner, range(3, 5))
    expect(await next(consumer, 2)).toEqual(range(3, 5))
  })

  it('a reader outlives its owner, and goes on with the next one', async () => {
    const dir = newFolder()
    const first = await opened(dir)
    await send(first, range(0, 3))
    const reader = await reading(dir)
    const consumer = await assigned(reader)
    expect(await next(consumer, 3)).toEqual(range(0, 3))
    await first.close()
    for (const from of [3, 6, 9]) {
      const owner = await opened(dir)
      await send(owner, range(from, from + 3))
      await owner.close()
      expect(await next(consumer, 3)).toEqual(range(from, from + 3))
    }
  })
})

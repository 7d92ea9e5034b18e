/** Opening, closing and opening again, on files of the machine and in memory. */

import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { DiskError } from '../../src/disk/disk.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { isPartlogError } from '../../src/model/errors.js'
import { systemError, wrapCalls } from '../disk/system-calls.js'
import { flipBit } from '../faults/damage.js'

const text = { valueDeserializer: 'string', autoOffsetReset: 'earliest' } as const
const first = { topic: 'orders', partition: 0 }

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

async function valuesIn(cluster: Cluster, topic = 'orders', groupId?: string): Promise<unknown[]> {
  const consumer = cluster.consumer({ ...text, ...(groupId === undefined ? {} : { groupId }) })
  const { partitions } = await cluster.admin.describeTopic(topic)
  const all = partitions.map(({ partition }) => ({ topic, partition }))
  await consumer.assign(all)
  const ends = await consumer.endOffsets(all)
  const values: unknown[] = []
  for (;;) {
    const positions = await Promise.all(all.map(each => consumer.position(each)))
    if (positions.every((position, index) => position >= (ends[index]?.offset ?? 0))) break
    values.push(...(await consumer.poll()).map(({ value }) => value))
  }
  await consumer.close()
  return values
}

/** Every file below a folder with its bytes. */
function filesIn(dir: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const entry of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
    const path = join(dir, entry)
    if (statSync(path).isFile()) files.set(entry, readFileSync(path).toString('base64'))
  }
  return files
}

describe('a folder that cannot be had', () => {
  it.each([
    ['EROFS', 30],
    ['EACCES', 13],
    ['EPERM', 1],
  ])('a folder that fails with %s is READ_ONLY, and the error says so', async (code, errno) => {
    const dir = newFolder()
    await (await opened(dir)).close()
    wrapCalls(['writeFileSync'], () => () => {
      throw systemError(code, errno, 'open')
    })
    const error: unknown = await Cluster.open({ dir }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'READ_ONLY' })
    expect((error as Error).message).toMatch(new RegExp(`${dir} .*${code}.*readOnly: true`))
    await (await opened(dir, { readOnly: true })).close()
  })

  it('a folder that is a file, or is below one, is named in the error', async () => {
    const file = `${newFolder()}-file`
    writeFileSync(file, '')
    for (const dir of [file, join(file, 'd')]) {
      for (const readOnly of [true, false]) {
        const opening = Cluster.open({ dir, readOnly })
        await expect(opening, `${readOnly}`).rejects.toThrow(dir)
        await expect(opening).rejects.not.toMatchObject({ code: 'UNKNOWN_SERVER_ERROR' })
      }
    }
  })

  it('a folder that may not be read is not called a foreign one', async () => {
    const dir = newFolder()
    await (await opened(dir)).close()
    wrapCalls(['readdirSync', 'statSync'], () => () => {
      throw systemError('EACCES', 13, 'scandir')
    })
    const opening = Cluster.open({ dir, readOnly: true })
    await expect(opening).rejects.toThrow(/EACCES \(permission denied\)/)
    await expect(opening).rejects.toThrow(dir)
  })
})

describe('a folder', () => {
  it('a folder is created, and its records are there when it is opened again', async () => {
    const dir = newFolder()
    const before = await opened(dir)
    expect(before.location).toBe(dir)
    expect(before.recovery).toMatchObject({ findings: [], offline: [], unknownFolders: [] })
    await before.admin.createTopic({
      topic: 'orders',
      partitions: 2,
      config: { 'retention.ms': -1 },
    })
    const { topicId } = await before.admin.describeTopic('orders')
    const producer = before.producer()
    await producer.send({ topic: 'orders', messages: [{ value: 'a', partition: 1 }] })
    const consumer = before.consumer({ groupId: 'g' })
    await consumer.assign([{ topic: 'orders', partition: 1 }])
    await consumer.commit({
      offsets: [{ topic: 'orders', partition: 1, offset: 1, metadata: 'm' }],
    })
    await before.close()

    const after = await opened(dir)
    expect(after.recovery.wasClosedCleanly).toBe(true)
    expect(await after.admin.describeTopic('orders')).toMatchObject({ topicId })
    const settings = await after.admin.describeConfig('orders')
    expect(settings.find(({ name }) => name === 'retention.ms')).toMatchObject({ value: '-1' })
    expect(await valuesIn(after)).toEqual(['a'])
    expect(await after.admin.listGroupOffsets('g')).toEqual([
      { topic: 'orders', partition: 1, offset: 1, metadata: 'm', endOffset: 1, lag: 0 },
    ])
    const [place] = await after
      .producer()
      .send({ topic: 'orders', messages: [{ value: 'b', partition: 1 }] })
    expect(place?.offset).toBe(1)
  })

  it('a folder has one owner at a time, and the error names it', async () => {
    const dir = newFolder()
    const owner = await opened(dir)
    const refused = await Cluster.open({ dir }).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'LOCKED',
      message: expect.stringMatching(/is owned by this process on .* since 20/),
    })
    await owner.close()
    await (await opened(dir)).close()
  })

  it('a folder that is opened ten times at once has one owner', async () => {
    const dir = newFolder()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => Cluster.open({ dir })),
    )
    const owners = outcomes.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
    await Promise.all(owners.map(owner => owner.close()))
    expect(owners).toHaveLength(1)
    for (const each of outcomes) {
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'LOCKED' })
    }
  })

  it('a folder that cannot be opened is unlocked', async () => {
    const dir = newFolder()
    const broken = await opened(dir)
    await broken.admin.createTopic({ topic: 'orders' })
    await broken.close()
    await expect(Cluster.open({ dir, clock: 5 as never })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
    })
    await (await opened(dir)).close()
  })

  it('a file instead of a folder is refused', async () => {
    await expect(Cluster.open({ dir: process.execPath })).rejects.toMatchObject({
      code: 'KAFKA_STORAGE_ERROR',
    })
  })
})

describe('read-only', () => {
  it('a read-only cluster shows a folder next to its owner and changes nothing', async () => {
    const dir = newFolder()
    const owner = await opened(dir)
    const producer = owner.producer()
    await producer.send({ topic: 'orders', messages: [{ value: 'a' }] })
    const before = filesIn(dir)

    const reader = await opened(dir, { readOnly: true })
    expect(await valuesIn(reader)).toEqual(['a'])
    expect(filesIn(dir)).toEqual(before)

    await producer.send({ topic: 'orders', messages: [{ value: 'b' }] })
    await reader.until({ topic: 'orders', records: 2 })
    expect(await valuesIn(reader)).toEqual(['a', 'b'])
    const again = await opened(dir, { readOnly: true })
    expect(await valuesIn(again)).toEqual(['a', 'b'])
    expect(await valuesIn(owner)).toEqual(['a', 'b'])
  })

  it('a read-only cluster refuses every change', async () => {
    const dir = newFolder()
    const owner = await opened(dir)
    await owner.producer().send({ topic: 'orders', messages: [{ value: 'a' }] })
    await owner.close()
    const before = filesIn(dir)
    const { admin, ...rest } = { admin: (await opened(dir, { readOnly: true })).admin }
    expect(rest).toEqual({})
    const reader = await opened(dir, { readOnly: true })
    const consumer = reader.consumer({ groupId: 'g' })
    await consumer.assign([first])
    const readOnly = { code: 'READ_ONLY' }
    const calls = [
      () => reader.producer().send({ topic: 'orders', messages: [{ value: 'b' }] }),
      () => admin.createTopic({ topic: 'more' }),
      () => admin.deleteTopic('orders'),
      () => admin.createPartitions({ topic: 'orders', partitions: 2 }),
      () => admin.alterConfig('orders', { 'retention.ms': 5 }),
      () => admin.deleteRecords({ ...first, offset: 1 }),
      () => consumer.commit({ offsets: [{ ...first, offset: 1 }] }),
    ]
    for (const call of calls) await expect(call()).rejects.toMatchObject(readOnly)
    await reader.close()
    expect(filesIn(dir)).toEqual(before)
  })

  it('a read-only cluster needs a folder of a cluster', async () => {
    const dir = newFolder()
    await expect(Cluster.open({ dir, readOnly: true })).rejects.toMatchObject({
      code: expect.stringMatching(/INVALID_ARGUMENT|KAFKA_STORAGE_ERROR/),
    })
    await expect(Cluster.open({ dir: tmpdir(), readOnly: true })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('openLogDirectory'),
    })
  })
})

describe('close', () => {
  it('close settles all requests in flight and leaves no timer', async () => {
    const clock = new VirtualClock()
    const cluster = await Cluster.memory({ clock })
    await cluster.admin.createTopic({ topic: 'orders' })
    const producer = cluster.producer({ lingerMs: 60_000 })
    const idle = cluster.consumer({ groupId: 'idle' })
    await idle.subscribe(['orders'])
    const looping = cluster.consumer(text)
    await looping.assign([first])
    const running = cluster.consumer(text)
    await running.assign([first])
    const polling = cluster.consumer(text)
    await polling.assign([first])

    const seen: unknown[] = []
    const sent = producer.send({ topic: 'orders', messages: [{ value: 'lingers' }] })
    const loop = (async () => {
      for await (const { value } of looping) seen.push(value)
    })()
    const run = running.run({ eachRecord: () => undefined })
    const poll = polling.poll({ timeoutMs: Infinity })
    const flushed = producer.flush()
    await clock.advance(0)
    await cluster.close()
    await Promise.all([loop, run, flushed])
    expect(await sent).toMatchObject([{ offset: 0 }])
    expect((await poll).length).toBeLessThanOrEqual(1)
    expect(clock.pendingTimers).toBe(0)
  })

  it.each([
    [
      'is being made',
      (cluster: Cluster) => cluster.admin.createTopic({ topic: 'many', partitions: 150 }),
    ],
    ['is being deleted', (cluster: Cluster) => cluster.admin.deleteTopic('old')],
  ])('close waits for a topic that %s, and leaves the folder consistent', async (_, change) => {
    const dir = newFolder()
    const cluster = await opened(dir)
    await cluster.admin.createTopic({ topic: 'old', partitions: 100 })
    const changed = change(cluster).then(
      () => 'done',
      (error: { code: string }) => error.code,
    )
    for (let turn = 0; turn < 30; turn++) await new Promise(resolve => setImmediate(resolve))
    await cluster.close()
    const left = filesIn(dir)
    expect(await changed).toMatch(/done|CLOSED/)
    expect(filesIn(dir)).toEqual(left)
    const next = await opened(dir)
    expect(next.recovery).toMatchObject({ wasClosedCleanly: true, offline: [] })
    for (const topic of await next.admin.listTopics()) {
      await next.producer().send({ topic, messages: [{ value: 'a' }] })
    }
  })

  it('close can be called several times', async () => {
    const cluster = await Cluster.memory()
    const producer = cluster.producer()
    await producer.send({ topic: 'orders', messages: [{ value: 'a' }] })
    await Promise.all([cluster.close(), producer.close(), cluster.close()])
    await cluster.close()
    await cluster[Symbol.asyncDispose]()
  })

  it('after close, every call fails with CLOSED', async () => {
    const cluster = await Cluster.memory()
    await cluster.admin.createTopic({ topic: 'orders' })
    const { admin } = cluster
    const producer = cluster.producer()
    const consumer = cluster.consumer({ groupId: 'g' })
    await consumer.subscribe(['orders'])
    await cluster.close()
    const closed = { code: 'CLOSED' }
    const calls: (() => unknown)[] = [
      () => cluster.producer(),
      () => cluster.consumer(),
      () => admin.listTopics(),
      () => admin.createTopic({ topic: 'more' }),
      () => producer.send({ topic: 'orders', messages: [{ value: 'a' }] }),
      () => producer.flush(),
      () => consumer.poll(),
      () => consumer.subscribe(['orders']),
      () => consumer.assign([first]),
      () => consumer.commit(),
      () => consumer.committed(),
      () => consumer.seek({ ...first, offset: 0 }),
      () => consumer.seekToEnd(),
      () => consumer.pause([first]),
      () => consumer.resume([first]),
      () => consumer.position(first),
      () => consumer.endOffsets([first]),
      () => consumer.run({ eachRecord: () => undefined }),
      () => consumer[Symbol.asyncIterator](),
      () => consumer.unsubscribe(),
    ]
    for (const call of calls) {
      const failure = await (async () => call())().catch((error: unknown) => error)
      expect(isPartlogError(failure) ? failure : String(failure), call.toString()).toMatchObject(
        closed,
      )
    }
  })

  it('`await using` closes a cluster and its clients', async () => {
    const cluster = await Cluster.memory()
    const producer = cluster.producer()
    const consumer = cluster.consumer()
    for (const each of [producer, consumer, cluster]) await each[Symbol.asyncDispose]()
    expect(() => cluster.producer()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  })
})

describe('a disk that fails', () => {
  it('a damaged partition is offline, the others work', async () => {
    const disk = new MemoryDisk()
    const before = await Cluster.onDisk(disk)
    await before.admin.createTopic({ topic: 'orders', partitions: 2 })
    const producer = before.producer()
    for (const partition of [0, 1]) {
      for (const value of ['a', 'b', 'c']) {
        await producer.send({ topic: 'orders', messages: [{ value, partition }] })
      }
    }
    await before.close()
    const path = 'broker-1/orders-0/00000000000000000000.log'
    await flipBit(disk, path, 100)

    const after = await Cluster.onDisk(disk)
    expect(after.recovery.wasClosedCleanly).toBe(true)
    expect(after.recovery.offline).toMatchObject([
      { topic: 'orders', partition: 0, error: { code: 'CORRUPT_LOG' } },
    ])
    const { message } = after.recovery.offline[0]?.error as Error
    expect(message).toContain(`${path} at position 69`)
    const consumer = after.consumer(text)
    await consumer.assign([first, { topic: 'orders', partition: 1 }])
    const values: unknown[] = []
    const codes = new Set<unknown>()
    while (values.length < 3 || codes.size === 0) {
      await consumer.poll().then(
        records => values.push(...records.map(({ value }) => value)),
        (error: { code: string }) => codes.add(error.code),
      )
    }
    expect(values).toEqual(['a', 'b', 'c'])
    expect([...codes]).toEqual(['CORRUPT_LOG'])
    const next = after.producer()
    await expect(
      next.send({ topic: 'orders', messages: [{ value: 'd', partition: 0 }] }),
    ).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    await next.send({ topic: 'orders', messages: [{ value: 'd', partition: 1 }] })
    await after.close()

    const cut = await Cluster.onDisk(disk, { onCorruption: 'truncate' })
    expect(cut.recovery.offline).toEqual([])
    expect(cut.recovery.findings.length).toBeGreaterThan(0)
    await cut.producer().send({ topic: 'orders', messages: [{ value: 'new', partition: 0 }] })
    await cut.close()
  })

  it('a full disk refuses records until it has room', async () => {
    const disk = new MemoryDisk()
    const clock = new VirtualClock()
    const cluster = await Cluster.onDisk(disk, { clock })
    await cluster.admin.createTopic({ topic: 'orders' })
    const producer = cluster.producer()
    const send = async (value: string) =>
      await producer.send({ topic: 'orders', messages: [{ value }] })
    await send('a')
    disk.beforeOperation = operation => {
      if (operation.kind === 'append') throw new DiskError('ENOSPC', 'write', operation.path)
      return undefined
    }
    const waits = send('b')
    await clock.advance(5_000)
    expect(await valuesIn(cluster)).toEqual(['a'])
    disk.beforeOperation = undefined
    await clock.advance(5_000)
    expect(await waits).toMatchObject([{ offset: 1 }])
    expect(await valuesIn(cluster)).toEqual(['a', 'b'])
    await cluster.close()
  })

  it('a disk that has room again accepts commits and topics again', async () => {
    const disk = new MemoryDisk()
    const clock = new VirtualClock()
    const cluster = await Cluster.onDisk(disk, { clock })
    await cluster.admin.createTopic({ topic: 'orders' })
    const consumer = cluster.consumer({ groupId: 'g', defaultApiTimeoutMs: 1_000 })
    await consumer.assign([first])
    const commit = async (offset: number): Promise<void> =>
      await consumer.commit({ offsets: [{ ...first, offset }] })
    await commit(1)
    disk.beforeOperation = operation => {
      if (operation.kind === 'append') throw new DiskError('ENOSPC', 'write', operation.path)
      return undefined
    }
    const refused = [commit(2), cluster.admin.createTopic({ topic: 'more' })]
    for (const each of refused) each.catch(() => undefined)
    await clock.advance(120_000)
    for (const each of refused) await expect(each).rejects.toThrow('KAFKA_STORAGE_ERROR')
    expect(await cluster.admin.listTopics()).toEqual(['orders'])
    expect(await consumer.committed()).toMatchObject([{ offset: 1 }])
    disk.beforeOperation = undefined
    await commit(3)
    await cluster.admin.createTopic({ topic: 'more' })
    expect(await consumer.committed()).toMatchObject([{ offset: 3 }])
    await cluster.close()
    const after = await Cluster.onDisk(disk)
    expect(await after.admin.listTopics()).toEqual(['more', 'orders'])
    await after.close()
  })

  it('a commit that is too large is refused, and only that one', async () => {
    const cluster = await Cluster.memory()
    await cluster.admin.createTopic({ topic: 'orders', partitions: 300 })
    const consumer = cluster.consumer({ groupId: 'g' })
    const offsets = Array.from({ length: 300 }, (_, partition) => ({
      topic: 'orders',
      partition,
      offset: 1,
      metadata: 'x'.repeat(4_000),
    }))
    await expect(consumer.commit({ offsets })).rejects.toThrow('MESSAGE_TOO_LARGE')
    await consumer.commit({ offsets: offsets.slice(0, 10) })
    expect(await consumer.committed([first])).toMatchObject([{ offset: 1 }])
    await cluster.close()
  })

  it('a logger that throws has no effect', async () => {
    const fail = (): never => {
      throw new Error('the logger is broken, too')
    }
    const logger = { debug: fail, info: fail, warn: fail, error: fail }
    const disk = new MemoryDisk()
    const cluster = await Cluster.onDisk(disk, { logger })
    await cluster.admin.createTopic({ topic: 'orders' })
    disk.beforeOperation = operation => {
      if (operation.kind === 'sync') throw new DiskError('EIO', 'fsync', operation.path)
      return undefined
    }
    await expect(
      cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] }),
    ).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
    disk.beforeOperation = undefined
    await cluster.close()
  })

  it('a failed sync takes the partition offline, and nothing unsure is durable', async () => {
    const disk = new MemoryDisk()
    const cluster = await Cluster.onDisk(disk)
    await cluster.admin.createTopic({ topic: 'orders', partitions: 2 })
    const producer = cluster.producer()
    const send = async (value: string, partition: number) =>
      await producer.send({ topic: 'orders', messages: [{ value, partition }] })
    await send('a', 0)
    disk.beforeOperation = operation => {
      if (operation.kind === 'sync' && operation.path.includes('orders-0')) {
        throw new DiskError('EIO', 'fsync', operation.path)
      }
      return undefined
    }
    await expect(send('b', 0)).rejects.toMatchObject({ code: 'LOG_OFFLINE', outcomeUnknown: true })
    disk.beforeOperation = undefined
    await expect(send('c', 0)).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
    await send('d', 1)
    await cluster.close()
    const after = await Cluster.onDisk(disk)
    expect(after.recovery.wasClosedCleanly).toBe(false)
    expect(await valuesIn(after)).toEqual(expect.arrayContaining(['a', 'd']))
    await after.close()
  })

  it('a cluster with a damaged metadata log does not open', async () => {
    const disk = new MemoryDisk()
    const before = await Cluster.onDisk(disk)
    await before.admin.createTopic({ topic: 'orders' })
    await before.admin.createTopic({ topic: 'payments' })
    await before.close()
    await flipBit(disk, 'controller/__cluster_metadata-0/00000000000000000000.log', 70)
    await expect(Cluster.onDisk(disk)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
  })
})

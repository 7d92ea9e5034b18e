/** The short way of a send and the long way have the same result. */

import { describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import type { Message, RecordMetadata } from '../../../src/client/producer/messages.js'
import type { Producer, ProducerOptions } from '../../../src/client/producer/producer-api.js'
import { Broker } from '../../../src/broker/broker.js'
import { Cluster } from '../../../src/cluster/cluster.js'
import type { ClusterOptions } from '../../../src/cluster/cluster-options.js'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'
import { DiskError } from '../../../src/disk/disk.js'
import { batchesOf } from '../../../src/model/batch/batch.js'

const T = Date.UTC(2026, 0, 1)

/** Counts the batches that come the short way while `work` runs. */
async function shortOnes(work: () => Promise<unknown>): Promise<number> {
  const { appendNow } = Broker.prototype
  let taken = 0
  Broker.prototype.appendNow = function (batch) {
    const offset = appendNow.call(this, batch)
    if (offset >= 0) taken++
    return offset
  }
  try {
    await work()
  } finally {
    Broker.prototype.appendNow = appendNow
  }
  return taken
}

interface Opened {
  readonly cluster: Cluster
  readonly disk: MemoryDisk
  readonly producer: Producer
}

async function opened(
  topic: Record<string, unknown> = {},
  options: ProducerOptions = {},
  clusterOptions: ClusterOptions = {},
): Promise<Opened> {
  const disk = new MemoryDisk()
  const cluster = await Cluster.onDisk(disk, {
    clock: new VirtualClock(T),
    random: seededRandom(1),
    durability: 'process',
    ...clusterOptions,
  })
  onTestFinished(() => cluster.close())
  await cluster.admin.createTopic({ topic: 'orders', ...topic })
  const producer = cluster.producer(options)
  await producer.send({ topic: 'orders', messages: [{ key: 'first', value: 'first' }] })
  return { cluster, disk, producer }
}

/** Any fault rule sends every request the long way. */
function closeShortWay({ cluster }: Opened): void {
  cluster.faults.on('produce', { topic: 'another' }).error('INVALID_RECORD')
}

/** The bytes of all partitions' logs. */
async function logsOf({ disk }: Opened, partitions: number): Promise<string[]> {
  return await Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      const file = disk.open(`broker-1/orders-${partition}/${'0'.repeat(20)}.log`)
      return (await file.read(0, file.size)).toString('latin1')
    }),
  )
}

function messageOf(random: ReturnType<typeof seededRandom>): Message {
  const texts = ['', 'plain', 'größe', 'x'.repeat(random.int(300)), '😀'.repeat(20)]
  const content = (): string | Uint8Array => {
    const text = texts[random.int(texts.length)] as string
    return random.int(2) === 0 ? text : Buffer.from(text)
  }
  return {
    key: [undefined, null, content()][random.int(3)],
    value: random.int(5) === 0 ? null : content(),
    ...(random.int(6) === 0 ? { headers: { kind: 'a' } } : {}),
    ...(random.int(6) === 0 ? { timestamp: T + random.int(1_000) } : {}),
    ...(random.int(6) === 0 ? { partition: random.int(3) } : {}),
  }
}

describe('a short send', () => {
  it('a short send writes the bytes that a long one writes, and has the same receipts', async () => {
    const short = await opened({ partitions: 3 })
    const long = await opened({ partitions: 3 })
    closeShortWay(long)
    const random = seededRandom(7)
    const messages = Array.from({ length: 600 }, () => messageOf(random))
    const sendAll = async ({ producer }: Opened): Promise<RecordMetadata[]> => {
      const receipts: RecordMetadata[] = []
      for (const message of messages) {
        receipts.push(...(await producer.send({ topic: 'orders', messages: [message] })))
      }
      return receipts
    }
    const all: RecordMetadata[][] = []
    const taken = await shortOnes(async () => all.push(await sendAll(short), await sendAll(long)))
    expect(taken).toBeGreaterThan(300)
    expect(all[0]).toEqual(all[1])
    expect(await logsOf(short, 3)).toEqual(await logsOf(long, 3))
  })

  it('sends of one turn share a batch, all but the first', async () => {
    const world = await opened()
    const { producer } = world
    const receipts = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        producer.send({ topic: 'orders', messages: [{ value: `${n}` }] }),
      ),
    )
    expect(receipts.flat().map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    const [bytes] = await logsOf(world, 1)
    const counts = [...batchesOf(Buffer.from(bytes as string, 'latin1'))].map(b => b.recordsCount)
    expect(counts).toEqual([1, 1, 9])
  })

  it('a short send does not overtake a send in front of it', async () => {
    const { producer } = await opened()
    const many = { topic: 'orders', messages: [{ value: 'a' }, { value: 'b' }] }
    const one = { topic: 'orders', messages: [{ value: 'c' }] }
    const [first, second] = await Promise.all([producer.send(many), producer.send(one)])
    expect([...first, ...second].map(({ offset }) => offset)).toEqual([1, 2, 3])
  })

  it('a loop of short sends lets the event loop turn', async () => {
    const { producer } = await opened()
    let turns = 0
    let isOver = false
    const count = (): void => {
      turns++
      if (!isOver) setImmediate(count)
    }
    setImmediate(count)
    for (let n = 0; n < 2_000; n++) {
      await producer.send({ topic: 'orders', messages: [{ value: 'a' }] })
    }
    isOver = true
    expect(turns).toBeGreaterThan(5)
  })

  it('with acks 0 a short send tells no offset', async () => {
    const { producer } = await opened({}, { acks: 0 })
    const send = () => producer.send({ topic: 'orders', messages: [{ value: 'a' }] })
    expect(await shortOnes(send)).toBe(1)
    expect(await send()).toEqual([{ topic: 'orders', partition: 0, offset: -1, timestamp: T }])
  })

  it('the bytes of a short send may be reused when it has returned', async () => {
    const world = await opened()
    const value = Buffer.from('good')
    const sent = world.producer.send({ topic: 'orders', messages: [{ value }] })
    value.fill('x')
    await sent
    const [bytes] = await logsOf(world, 1)
    expect(bytes).toContain('good')
  })
})

describe('the long way', () => {
  const one: Message = { key: 'k', value: 'v' }
  const CASES: [string, Record<string, unknown>, ProducerOptions, Message][] = [
    ['linger', {}, { lingerMs: 1 }, one],
    ['compression', {}, { compression: 'gzip' }, one],
    ['a partitioner', {}, { partitioner: () => 0 }, one],
    ['headers', {}, {}, { ...one, headers: { a: 'b' } }],
    ['a time', {}, {}, { ...one, timestamp: T }],
    ['a record larger than the kept buffer', {}, {}, { value: 'x'.repeat(20_000) }],
    ['a compacted topic', { config: { 'cleanup.policy': 'compact' } }, {}, one],
    ['append time', { config: { 'message.timestamp.type': 'LogAppendTime' } }, {}, one],
    ["the topic's codec", { config: { 'compression.type': 'gzip' } }, {}, one],
    ['a limit for old times', { config: { 'message.timestamp.before.max.ms': 9 } }, {}, one],
  ]
  it.each(CASES)('a send goes the long way because of %s', async (_, topic, options, message) => {
    const { cluster } = await opened(topic)
    const producer = cluster.producer(options)
    const send = () => producer.send({ topic: 'orders', messages: [message] })
    await flushed(producer, send) // it has its id now
    expect(await shortOnes(() => flushed(producer, send))).toBe(0)
  })

  it('a send goes the long way with other replicas, faults, delays and power', async () => {
    const replicated = await opened({ replicationFactor: 3 }, {}, { brokers: 3 })
    const faulty = await opened()
    closeShortWay(faulty)
    const delayed = await opened()
    delayed.cluster.network.delay(1, { api: 'heartbeat' })
    const durable = await opened({}, {}, { durability: 'power' })
    for (const { producer } of [replicated, faulty, delayed, durable]) {
      const send = () => producer.send({ topic: 'orders', messages: [one] })
      expect(await shortOnes(send)).toBe(0)
    }
    faulty.cluster.faults.clear()
    const sendMany = async (): Promise<void> => {
      for (let n = 0; n < 1_000; n++) {
        await faulty.producer.send({ topic: 'orders', messages: [one] })
      }
    }
    expect(await shortOnes(sendMany)).toBeGreaterThan(400)
  })

  it('a message that a topic refuses is refused with the error of the long way', async () => {
    const { producer } = await opened({ config: { 'max.message.bytes': 100 } })
    const large = producer.send({ topic: 'orders', messages: [{ value: 'x'.repeat(200) }] })
    await expect(large).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    const wrong = producer.send({ topic: 'orders', messages: [{ value: 7 as never }] })
    await expect(wrong).rejects.toThrow('message 0: value: expected a string')
  })

  it.each([{ maxRequestSize: 300 }, { bufferMemory: 300 }])(
    'a record that exceeds the limits of its producer is refused: %j',
    async options => {
      const { cluster, producer: first } = await opened()
      const producer = cluster.producer(options)
      await producer.send({ topic: 'orders', messages: [one] })
      const large = producer.send({ topic: 'orders', messages: [{ value: 'x'.repeat(400) }] })
      await expect(large).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
      expect(await first.send({ topic: 'orders', messages: [one] })).toMatchObject([{ offset: 2 }])
    },
  )

  it('a partitioner is asked once for each message, also if the call waits for memory', async () => {
    const { cluster } = await opened()
    const asked: string[] = []
    const partitioner = ({ message }: { message: Message }): number => {
      asked.push(String(message.value).slice(0, 2))
      return 0
    }
    const producer = cluster.producer({ partitioner, bufferMemory: 1_000, batchSize: 500 })
    const values = Array.from({ length: 6 }, (_, n) => `v${n}${'x'.repeat(600)}`)
    await Promise.all(
      values.map(value => producer.send({ topic: 'orders', messages: [{ value }] })),
    )
    expect(asked).toEqual(['v0', 'v1', 'v2', 'v3', 'v4', 'v5'])
  })

  it('a short send that the disk refuses is tried again and written once', async () => {
    const { disk, producer } = await opened()
    let refused = 0
    disk.beforeOperation = operation => {
      if (operation.kind !== 'append' || !operation.path.endsWith('.log')) return undefined
      refused++
      throw new DiskError('ENOSPC', 'append', operation.path)
    }
    const sent = producer.send({ topic: 'orders', messages: [{ value: 'a' }] })
    disk.beforeOperation = undefined
    expect(refused).toBe(1)
    expect(await sent).toMatchObject([{ offset: 1 }])
    const next = producer.send({ topic: 'orders', messages: [{ value: 'b' }] })
    expect(await next).toMatchObject([{ offset: 2 }])
  })
})

/** Sends with linger resolve when they are flushed. */
async function flushed(producer: Producer, send: () => Promise<unknown>): Promise<void> {
  const sent = send()
  await producer.flush()
  await sent
}

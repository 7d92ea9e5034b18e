import { describe, expect, it, vi } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import type { Message } from '../../../src/client/producer/messages.js'
import type { Producer, ProducerOptions } from '../../../src/client/producer/producer-api.js'
import { ProducerClient } from '../../../src/client/producer/producer.js'
import { Batch } from '../../../src/model/batch/batch.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'
import { FakeCluster } from '../fake-cluster.js'

interface Setup {
  readonly cluster: FakeCluster
  readonly clock: VirtualClock
  readonly producer: Producer
  /** Sends values to partition 0 of orders. */
  readonly send: (...values: string[]) => ReturnType<Producer['send']>
}

function setup(options: ProducerOptions = {}, cluster = new FakeCluster()): Setup {
  const clock = new VirtualClock()
  const random = seededRandom(1)
  const context = { channel: cluster, clock, random, onClose: () => undefined }
  const producer = new ProducerClient(context, options)
  const send: Setup['send'] = (...values) =>
    producer.send({ topic: 'orders', messages: values.map(value => ({ value, partition: 0 })) })
  return { cluster, clock, producer, send }
}

/** As `setup`, with the topic's metadata known already. */
async function ready(options: ProducerOptions = {}, cluster?: FakeCluster): Promise<Setup> {
  const world = setup(options, cluster)
  await Promise.all([world.send('first'), world.producer.flush()])
  world.cluster.arrivals.length = 0
  return world
}

/** Lets everything run that can run without time passing. */
const settle = (clock: VirtualClock): Promise<void> => clock.advance(0)

/** The code a promise rejects with, or 'pending' or 'resolved'. */
async function outcomeOf(promise: Promise<unknown>, clock: VirtualClock): Promise<string> {
  let outcome = 'pending'
  promise.then(
    () => (outcome = 'resolved'),
    (error: { code: string }) => (outcome = error.code),
  )
  await settle(clock)
  return outcome
}

const valuesOf = (cluster: FakeCluster): (string | null)[][] =>
  cluster.arrivals.flatMap(({ batches }) => batches.map(({ values }) => values))

describe('receipts', () => {
  it('receipts of one call are in the order of its messages, whatever partitions they go to', async () => {
    const { producer } = await ready({}, new FakeCluster({ orders: [1, 2, 1] }))
    const partitions = [2, 0, 1, 0, 2, 1, 0, 0, 1, 2, 2, 1, 0]
    const messages = partitions.map((partition, index) => ({ value: `v${index}`, partition }))
    const receipts = await producer.send({ topic: 'orders', messages })
    const next = [1, 0, 0] // the first record of all is in partition 0
    const expected = partitions.map(partition => ({ partition, offset: next[partition]!++ }))
    expect(receipts.map(({ partition, offset }) => ({ partition, offset }))).toEqual(expected)
  })
})

describe('batching', () => {
  it('sends of one turn share a batch per partition and a request per leader', async () => {
    const cluster = new FakeCluster({ orders: [1, 2, 1] })
    const { producer } = await ready({}, cluster)
    const sends = [0, 1, 2, 0, 1, 2].map((partition, index) =>
      producer.send({ topic: 'orders', messages: [{ value: `v${index}`, partition }] }),
    )
    const places = (await Promise.all(sends)).flat()
    expect(cluster.arrivals.map(({ nodeId }) => nodeId)).toEqual([1, 2])
    expect(valuesOf(cluster)).toEqual([
      ['v0', 'v3'],
      ['v2', 'v5'],
      ['v1', 'v4'],
    ])
    expect(places.map(({ partition, offset }) => `${partition}:${offset}`)).toEqual([
      '0:1',
      '1:0',
      '2:0',
      '0:2',
      '1:1',
      '2:1',
    ])
  })

  it('a batch waits lingerMs for more records, unless it is full', async () => {
    const { cluster, clock, send } = setup({ lingerMs: 50, batchSize: 200 })
    const [early, late] = [send('early'), send('late')]
    await clock.advance(49)
    expect(cluster.arrivals).toEqual([])
    await clock.advance(1)
    await Promise.all([early, late])
    expect(valuesOf(cluster)).toEqual([['early', 'late']])
    const full = send('x'.repeat(100), 'y'.repeat(100))
    await settle(clock)
    expect(valuesOf(cluster)[1]).toEqual(['x'.repeat(100)])
    await clock.advance(50)
    await full
  })

  it('a record larger than batchSize has a batch of its own', async () => {
    const { cluster, send } = await ready({ batchSize: 100 })
    await send('a', 'x'.repeat(500), 'b')
    expect(valuesOf(cluster)).toEqual([['a'], ['x'.repeat(500)], ['b']])
  })

  it('a request carries no more than maxRequestSize', async () => {
    const cluster = new FakeCluster({ orders: [1, 1, 1] })
    const { producer } = await ready({ maxRequestSize: 1_000 }, cluster)
    const messages = [0, 1, 2].map(partition => ({ value: 'x'.repeat(400), partition }))
    await producer.send({ topic: 'orders', messages })
    expect(cluster.arrivals.map(({ batches }) => batches.length)).toEqual([2, 1])
  })

  it('batches are compressed on request', async () => {
    const { cluster, send } = await ready({ compression: 'gzip' })
    await send('x'.repeat(10_000))
    const [batch] = cluster.arrivals[0]!.batches
    expect(new Batch(batch!.bytes, 0).codec).toBe('gzip')
    expect(batch!.bytes.length).toBeLessThan(1_000)
  })

  it('a send without messages resolves with nothing', async () => {
    const { producer } = setup()
    expect(await producer.send({ topic: 'orders', messages: [] })).toEqual([])
  })
})

describe('acks', () => {
  it("acks are sent as Kafka's numbers", async () => {
    for (const [acks, number] of [
      ['all', -1],
      [1, 1],
      [0, 0],
    ] as const) {
      const { cluster, send } = await ready({ acks })
      await send('x')
      expect(cluster.arrivals[0]!.acks).toBe(number)
    }
  })

  it('acks 0 does not wait for an answer, and the offset is unknown', async () => {
    const { cluster, send } = await ready({ acks: 0 })
    cluster.isHolding = true
    expect(await send('x')).toMatchObject([{ topic: 'orders', partition: 0, offset: -1 }])
    expect(cluster.heldAnswers).toBe(1)
  })

  it('the append time of the broker is the timestamp of the record', async () => {
    const { cluster, send } = await ready()
    cluster.logAppendTimeMs = 1234
    expect(await send('x')).toMatchObject([{ timestamp: 1234 }])
  })
})

describe('when a send fails', () => {
  it('a failed batch is retried after the back-off, with fresh metadata', async () => {
    const { cluster, clock, send } = await ready({ retryBackoffMs: 100 })
    cluster.fates.push({ error: 'NOT_LEADER_OR_FOLLOWER' })
    cluster.leaders.set('orders', [2])
    const sent = send('x')
    await clock.advance(79) // 100 ms ± 20 %
    expect(cluster.arrivals.map(({ nodeId }) => nodeId)).toEqual([1])
    await clock.advance(42)
    expect(cluster.arrivals.map(({ nodeId }) => nodeId)).toEqual([1, 2])
    expect(await sent).toMatchObject([{ offset: 1 }])
  })

  it('later batches wait while one is retried', async () => {
    const { cluster, clock, send } = await ready()
    cluster.fates.push({ error: 'NOT_LEADER_OR_FOLLOWER' }, { error: 'NOT_LEADER_OR_FOLLOWER' })
    const sent = [send('a')]
    await settle(clock)
    sent.push(send('b'))
    await settle(clock)
    sent.push(send('c'))
    await clock.advance(1_000)
    await Promise.all(sent)
    expect(cluster.valuesIn('orders')).toEqual(['first', 'a', 'b', 'c'])
  })

  it('a final error rejects the sends of its batch only', async () => {
    const cluster = new FakeCluster({ orders: [1, 1] })
    const { producer } = await ready({}, cluster)
    cluster.fates.push({ error: 'INVALID_TIMESTAMP', partition: 1 })
    const [bad, good] = [1, 0].map(partition =>
      producer.send({ topic: 'orders', messages: [{ value: 'x', partition }] }),
    )
    await expect(bad).rejects.toMatchObject({ code: 'INVALID_TIMESTAMP', outcomeUnknown: false })
    await expect(good).resolves.toMatchObject([{ offset: 1 }])
    await expect(
      producer.send({ topic: 'orders', messages: [{ value: 'y', partition: 1 }] }),
    ).resolves.toMatchObject([{ offset: 0 }])
  })

  it('a send over two batches rejects when one fails, after both have settled', async () => {
    const cluster = new FakeCluster({ orders: [1, 2] })
    const { producer, clock } = await ready({}, cluster)
    cluster.isHolding = true
    cluster.fates.push({ error: 'INVALID_TIMESTAMP', partition: 0 })
    const sent = producer.send({
      topic: 'orders',
      messages: [
        { value: 'a', partition: 0 },
        { value: 'b', partition: 1 },
      ],
    })
    await settle(clock)
    expect(await outcomeOf(sent, clock)).toBe('pending')
    cluster.release()
    expect(await outcomeOf(sent, clock)).toBe('INVALID_TIMESTAMP')
    expect(cluster.valuesIn('orders', 1)).toEqual(['b'])
  })

  it('a batch that is too large for the broker is halved until it fits', async () => {
    const { cluster, clock, send } = await ready()
    const tooLarge = { error: 'MESSAGE_TOO_LARGE' } as const
    cluster.fates.push(tooLarge, tooLarge)
    const two = send('a', 'b')
    const three = send('c', 'd', 'e')
    await clock.advance(0)
    expect((await two).map(({ offset }) => offset)).toEqual([1, 2])
    expect((await three).map(({ offset }) => offset)).toEqual([3, 4, 5])
    expect(valuesOf(cluster)).toEqual([
      ['a', 'b', 'c', 'd', 'e'],
      ['a', 'b', 'c'],
      ['a', 'b'],
      ['c'],
      ['d', 'e'],
    ])
  })

  it('halves keep keys, headers and timestamps, compressed or not', async () => {
    for (const compression of ['none', 'gzip'] as const) {
      const { cluster, producer } = await ready({ compression })
      cluster.fates.push({ error: 'MESSAGE_TOO_LARGE' })
      const message = (n: number): Message => ({
        key: n === 1 ? null : `k${n}`,
        value: n === 2 ? null : `v${n}`,
        headers: [
          ['h', `${n}`],
          ['h', null],
        ],
        timestamp: 1000 + n,
        partition: 0,
      })
      await producer.send({ topic: 'orders', messages: [0, 1, 2].map(message) })
      const halves = cluster.arrivals.slice(1).map(({ batches }) => batches[0]!.bytes)
      expect(halves.map(recordsOf)).toEqual([
        ['1000 k0=v0 h=0,h=null', '1001 null=v1 h=1,h=null'],
        ['1002 k2=null h=2,h=null'],
      ])
    }
  })

  it('a single record that is too large for the broker is an error', async () => {
    const { cluster, send } = await ready()
    cluster.fates.push({ error: 'MESSAGE_TOO_LARGE' })
    await expect(send('a')).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  })

  it('after a lost connection the outcome is unknown until an answer arrives', async () => {
    const { cluster, clock, send } = await ready()
    cluster.fates.push({ throws: 'NETWORK_EXCEPTION' }, { error: 'INVALID_TIMESTAMP' })
    const sent = send('x')
    sent.catch(() => undefined)
    await clock.advance(200)
    await expect(sent).rejects.toMatchObject({ code: 'INVALID_TIMESTAMP', outcomeUnknown: true })
  })

  it('a send that failed in one of its partitions reports an unknown outcome', async () => {
    const cluster = new FakeCluster({ orders: [1, 1] })
    const { producer } = await ready({}, cluster)
    cluster.fates.push({ error: 'MESSAGE_TOO_LARGE', partition: 1 })
    const messages = [
      { value: 'there', partition: 0 },
      { value: 'too large', partition: 1 },
    ]
    await expect(producer.send({ topic: 'orders', messages })).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
      outcomeUnknown: true,
    })
  })

  it('some errors come after the append, so the outcome is unknown', async () => {
    const { cluster, clock, send } = await ready({
      deliveryTimeoutMs: 300,
      enableIdempotence: false,
    })
    for (const error of ['REQUEST_TIMED_OUT', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND'] as const) {
      for (let n = 0; n < 10; n++) cluster.fates.push({ error })
      const sent = send('x')
      sent.catch(() => undefined)
      await clock.advance(1_000)
      await expect(sent).rejects.toMatchObject({ outcomeUnknown: true, code: error })
      expect(cluster.fates).toHaveLength(9) // sent once: it might be in the log twice
      cluster.fates.length = 0
    }
    cluster.fates.push({ error: 'LOG_OFFLINE' })
    await expect(send('x')).rejects.toMatchObject({ code: 'LOG_OFFLINE', outcomeUnknown: true })
    cluster.fates.push({ error: 'CORRUPT_LOG' })
    await expect(send('x')).rejects.toMatchObject({ code: 'CORRUPT_LOG', outcomeUnknown: false })
  })

  it('the halves of a batch whose answer was lost may be in the log', async () => {
    const { cluster, clock, send } = await ready()
    cluster.fates.push({ throws: 'NETWORK_EXCEPTION' }, { error: 'MESSAGE_TOO_LARGE' })
    cluster.fates.push({ error: 'INVALID_TIMESTAMP' }, { error: 'INVALID_TIMESTAMP' })
    const sent = send('x', 'y')
    sent.catch(() => undefined)
    await clock.advance(1_000)
    await expect(sent).rejects.toMatchObject({ code: 'INVALID_TIMESTAMP', outcomeUnknown: true })
  })

  it('after deliveryTimeoutMs a send fails with the reason and its outcome', async () => {
    const { cluster, clock, send } = await ready({ deliveryTimeoutMs: 5_000 })
    for (let n = 0; n < 100; n++) cluster.fates.push({ error: 'NOT_ENOUGH_REPLICAS' })
    const sent = send('x')
    sent.catch(() => undefined)
    await clock.advance(4_999)
    expect(await outcomeOf(sent, clock)).toBe('pending')
    await clock.advance(1_000)
    await expect(sent).rejects.toMatchObject({
      code: 'DELIVERY_TIMED_OUT',
      outcomeUnknown: false,
      cause: { code: 'NOT_ENOUGH_REPLICAS' },
    })
  })

  it('a send that waited behind a refused one, and was never tried, fails with its reason', async () => {
    const { cluster, clock, send } = await ready({ deliveryTimeoutMs: 5_000 })
    cluster.fates.push({ error: 'KAFKA_STORAGE_ERROR' }, 'lost')
    const refused = send('x')
    await clock.advance(100)
    const behind = send('y')
    for (const sent of [refused, behind]) sent.catch(() => undefined)
    await clock.advance(5_100)
    const reason = { code: 'DELIVERY_TIMED_OUT', cause: { code: 'KAFKA_STORAGE_ERROR' } }
    await expect(refused).rejects.toMatchObject({ ...reason, outcomeUnknown: true })
    await expect(behind).rejects.toMatchObject({ ...reason, outcomeUnknown: false })
    expect(valuesOf(cluster)).toEqual([['x'], ['x']])
  })

  it('a send fails if its answer never arrives', async () => {
    const { cluster, clock, send } = await ready({ deliveryTimeoutMs: 5_000 })
    cluster.fates.push('lost')
    const sent = send('x')
    sent.catch(() => undefined)
    await clock.advance(5_000)
    await expect(sent).rejects.toMatchObject({ code: 'DELIVERY_TIMED_OUT', outcomeUnknown: true })
  })

  it('a send waits for a leader', async () => {
    const cluster = new FakeCluster({ orders: [-1] })
    const { clock, send } = setup({}, cluster)
    const sent = send('x')
    await clock.advance(3_000)
    expect(cluster.arrivals).toEqual([])
    cluster.leaders.set('orders', [3])
    await clock.advance(2_000)
    expect(cluster.arrivals.map(({ nodeId }) => nodeId)).toEqual([3])
    await sent
  })

  it('if there is no leader in time, nothing was written', async () => {
    const { clock, send } = setup({}, new FakeCluster({ orders: [-1] }))
    const sent = send('x')
    sent.catch(() => undefined)
    await clock.advance(121_000)
    await expect(sent).rejects.toMatchObject({ code: 'DELIVERY_TIMED_OUT', outcomeUnknown: false })
  })
})

describe('metadata', () => {
  it('sends that wait for metadata share a request and keep their order', async () => {
    const { cluster, send } = setup()
    await Promise.all([send('a'), send('b'), send('c')])
    expect(cluster.metadataRequests).toBe(1)
    expect(cluster.valuesIn('orders')).toEqual(['a', 'b', 'c'])
  })

  it('metadata requests are retried for at most maxBlockMs', async () => {
    const { cluster, clock, send } = setup({ maxBlockMs: 1_000 })
    cluster.metadataFates.push('NETWORK_EXCEPTION')
    const sent = send('a')
    await clock.advance(200)
    await sent
    const unknown = setup({ maxBlockMs: 1_000 }, new FakeCluster({}))
    const never = unknown.send('a')
    never.catch(() => undefined)
    await unknown.clock.advance(1_000)
    await expect(never).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })

  it('old metadata is refreshed while sends continue, and new partitions are used', async () => {
    const { cluster, clock, producer } = await ready({ metadataMaxAgeMs: 10_000 })
    cluster.leaders.set('orders', [1, 1])
    const placesOfTwo = async (): Promise<number[]> => {
      const messages = [{ value: 'x' }, { value: 'y' }]
      const places = await producer.send({ topic: 'orders', messages })
      return places.map(({ partition }) => partition)
    }
    await clock.advance(10_000)
    expect(await placesOfTwo()).toEqual([0, 0])
    await clock.advance(1)
    expect(await placesOfTwo()).toEqual([0, 0])
    await settle(clock)
    expect((await placesOfTwo()).toSorted()).toEqual([0, 1])
    expect(cluster.metadataRequests).toBe(2)
  })

  it('metadata is refreshed for a partition that is not known', async () => {
    const { cluster, clock, producer } = await ready()
    cluster.leaders.set('orders', [1, 1])
    const sendTo = (partition: number): Promise<unknown> =>
      producer.send({ topic: 'orders', messages: [{ value: `to ${partition}`, partition }] })
    const sends = [sendTo(0), sendTo(1), sendTo(0)]
    const refused = sendTo(2)
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_PARTITIONS' })
    await Promise.all(sends)
    await settle(clock)
    expect(cluster.valuesIn('orders')).toEqual(['first', 'to 0', 'to 0'])
    expect(cluster.valuesIn('orders', 1)).toEqual(['to 1'])
    expect(cluster.metadataRequests).toBe(2)
  })
})

describe('bufferMemory', () => {
  const KB = 'x'.repeat(1_000)

  it('sends wait for free memory in their order', async () => {
    const { cluster, clock, send } = await ready({ bufferMemory: 2_500, batchSize: 1_200 })
    cluster.isHolding = true
    const sends = ['a', 'b', 'c', 'd', 'e'].map(name => send(name + KB))
    sends.push(send('small'))
    await settle(clock)
    for (let round = 0; round < 8; round++) {
      cluster.release()
      await settle(clock)
    }
    await Promise.all(sends)
    const names = cluster.valuesIn('orders').map(value => value!.replace(KB, ''))
    expect(names).toEqual(['first', 'a', 'b', 'c', 'd', 'e', 'small'])
  })

  it('bufferMemory is exceeded by at most one record', async () => {
    const { cluster, clock, send } = await ready({ bufferMemory: 5_000, batchSize: 1_200 })
    cluster.isHolding = true
    const sends = Array.from({ length: 30 }, () => send(KB))
    await settle(clock)
    for (let round = 0; round < 100 && cluster.heldAnswers > 0; round++) {
      cluster.release()
      await settle(clock)
    }
    await Promise.all(sends)
    // One batch per partition is under way; what matters is that all of it arrived.
    expect(cluster.valuesIn('orders')).toHaveLength(31)
  })

  it('a send that gets no memory within maxBlockMs rejects, and none of it is sent', async () => {
    const options = { bufferMemory: 2_000, batchSize: 1_200, maxBlockMs: 500 }
    const { cluster, clock, send } = await ready(options)
    cluster.isHolding = true
    const first = send('a' + KB, 'b' + KB)
    const second = send('c')
    second.catch(() => undefined)
    await clock.advance(499)
    expect(await outcomeOf(second, clock)).toBe('pending')
    await clock.advance(1)
    await expect(second).rejects.toMatchObject({ code: 'BUFFER_EXHAUSTED', outcomeUnknown: false })
    cluster.isHolding = false
    cluster.release()
    await first
    expect(await send('d')).toMatchObject([{ offset: 3 }])
  })

  it('a send of which half was accepted reports an unknown outcome', async () => {
    const options = { bufferMemory: 2_000, batchSize: 1_200, maxBlockMs: 500 }
    const { cluster, clock, send } = await ready(options)
    cluster.isHolding = true
    const sent = send('a' + KB, 'b' + KB, 'c' + KB)
    sent.catch(() => undefined)
    await clock.advance(500)
    cluster.isHolding = false
    cluster.release()
    await settle(clock)
    await expect(sent).rejects.toMatchObject({ code: 'BUFFER_EXHAUSTED', outcomeUnknown: true })
  })

  it('batches do not linger while sends wait for memory', async () => {
    const { cluster, clock, send } = await ready({ bufferMemory: 2_500, lingerMs: 60_000 })
    const sends = Array.from({ length: 6 }, () => send(KB))
    for (const each of sends.slice(0, 3)) expect(await outcomeOf(each, clock)).toBe('resolved')
    expect(clock.monotonicMs()).toBe(0)
    await clock.advance(60_000)
    await Promise.all(sends)
    expect(cluster.valuesIn('orders')).toHaveLength(7)
  })

  it('sends keep their order when one waits for memory and metadata', async () => {
    const { cluster, clock, producer, send } = await ready({ bufferMemory: 2_000 })
    cluster.leaders.set('orders', [1, 1])
    cluster.isHolding = true
    const sendTwo = (): Promise<unknown> =>
      producer.send({
        topic: 'orders',
        messages: [
          { value: 'C', partition: 0 },
          { value: 'elsewhere', partition: 1 },
        ],
      })
    const sends = [
      send('A'.repeat(1_800)),
      send('B'.repeat(1_800)),
      send('X'),
      sendTwo(),
      send('D'),
    ]
    await settle(clock)
    cluster.isHolding = false
    for (let round = 0; round < 5; round++) {
      cluster.release()
      await settle(clock)
    }
    await Promise.all(sends)
    const order = cluster.valuesIn('orders').map(value => value?.slice(0, 1))
    expect(order).toEqual(['f', 'A', 'B', 'X', 'C', 'D'])
  })

  it('the memory of waiting sends is bounded', async () => {
    const { cluster, clock, send } = await ready({ bufferMemory: 2_000, batchSize: 1_200 })
    cluster.isHolding = true
    const sends = Array.from({ length: 30 }, () => send(KB))
    const outcomes = await Promise.all(sends.map(each => outcomeOf(each, clock)))
    const refused = outcomes.filter(outcome => outcome === 'BUFFER_EXHAUSTED').length
    expect(refused).toBeGreaterThan(5)
    expect(outcomes.slice(0, 10)).not.toContain('BUFFER_EXHAUSTED')
    cluster.isHolding = false
    cluster.release()
    await settle(clock)
    await Promise.allSettled(sends)
    expect(cluster.valuesIn('orders')).toHaveLength(31 - refused)
    cluster.isHolding = true // what waited does not count any more
    const more = Array.from({ length: 10 }, () => send(KB))
    for (const each of more) expect(await outcomeOf(each, clock)).toBe('pending')
    cluster.isHolding = false
    cluster.release()
    await Promise.all(more)
  })
})

describe('bytes may be changed once send has returned', () => {
  const change = async (world: Setup): Promise<string[]> => {
    const bytes = (): Uint8Array => Uint8Array.from([65])
    const [key, value, header] = [bytes(), bytes(), bytes()]
    const timestamp = new Date(5)
    const messages = [{ key, value, headers: [['h', header] as const], timestamp, partition: 0 }]
    const sent = world.producer.send({ topic: 'orders', messages })
    for (const each of [key, value, header]) each[0] = 66
    timestamp.setTime(6)
    messages.length = 0
    world.cluster.isHolding = false
    world.cluster.release()
    await world.clock.advance(0)
    await sent
    return recordsOf(world.cluster.arrivals.at(-1)!.batches[0]!.bytes)
  }

  it('a message may be changed once send returned, if it is sent at once', async () => {
    expect(await change(await ready())).toEqual(['5 A=A h=A'])
  })

  it('a message may be changed once send returned, if it waits for metadata', async () => {
    expect(await change(setup())).toEqual(['5 A=A h=A'])
  })

  it('a message may be changed once send returned, if it waits for memory', async () => {
    const world = await ready({ bufferMemory: 500 })
    world.cluster.isHolding = true
    const large = world.send('x'.repeat(400), 'y'.repeat(30))
    expect(await change(world)).toEqual(['5 A=A h=A'])
    await large
  })
})

describe('partitions', () => {
  const sentTo = async (options: ProducerOptions, messages: Message[]): Promise<number[]> => {
    const { producer } = setup(options, new FakeCluster({ orders: [1, 1, 1] }))
    return (await producer.send({ topic: 'orders', messages })).map(({ partition }) => partition)
  }
  const value = 'x'

  it('records with a key share a partition, others rotate, an explicit partition is used', async () => {
    expect(await sentTo({}, [{ value }, { value }, { value }, { value }])).toEqual([0, 1, 2, 0])
    const keyed = await sentTo({}, [{ key: 'a', value }, { value }, { key: 'a', value }])
    expect(keyed[0]).toBe(keyed[2])
    expect(
      await sentTo({}, [
        { value, partition: 2 },
        { key: 'a', value, partition: 1 },
      ]),
    ).toEqual([2, 1])
  })

  it('an empty key is a key', async () => {
    const empty = [
      { key: '', value },
      { key: '', value },
      { key: new Uint8Array(0), value },
    ]
    expect(new Set(await sentTo({}, empty)).size).toBe(1)
  })

  it('a custom partitioner chooses the partition', async () => {
    const partitioner: ProducerOptions['partitioner'] = ({ topic, message, partitionCount }) =>
      topic === 'orders' && message.value === 'last' ? partitionCount - 1 : 0
    const messages = [{ value }, { value: 'last' }, { value: 'last', partition: 1 }]
    expect(await sentTo({ partitioner }, messages)).toEqual([0, 2, 1])
  })

  it('a partitioner that throws or returns nonsense refuses the whole send', async () => {
    for (const choice of [3, -1, 0.5, NaN, '0', undefined]) {
      const { cluster, producer } = await ready({ partitioner: () => choice as number })
      const messages = [{ value, partition: 0 }, { value }]
      await expect(producer.send({ topic: 'orders', messages })).rejects.toMatchObject({
        code: 'INVALID_PARTITIONS',
      })
      expect(cluster.arrivals).toEqual([])
    }
    const partitioner = (): number => {
      throw new RangeError('no idea')
    }
    const { producer } = await ready({ partitioner })
    await expect(producer.send({ topic: 'orders', messages: [{ value }] })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      cause: { message: 'no idea' },
    })
  })
})

describe('sendBatch', () => {
  it('sendBatch returns the offsets in the order of the messages', async () => {
    const { producer } = setup({}, new FakeCluster({ orders: [1], bills: [1] }))
    const places = await producer.sendBatch({
      topicMessages: [
        { topic: 'orders', messages: [{ value: 'a' }, { value: 'b' }] },
        { topic: 'bills', messages: [{ value: 'c' }] },
        { topic: 'orders', messages: [{ value: 'd' }] },
      ],
    })
    expect(places.map(({ topic, offset }) => `${topic}:${offset}`)).toEqual([
      'orders:0',
      'orders:1',
      'bills:0',
      'orders:2',
    ])
  })

  it('sendBatch checks everything before it sends anything', async () => {
    const good = { topic: 'orders', messages: [{ value: 'a' }] }
    const large = { topic: 'orders', messages: [{ value: 'x'.repeat(2_000) }] }
    const headers = [['h', 5]] as unknown as Message['headers']
    const odd = { topic: 'orders', messages: [{ value: 'a', headers }] }
    const { cluster, producer, clock } = await ready({ maxRequestSize: 1_000 })
    for (const bad of [large, odd, { topic: 'no/name', messages: [] }]) {
      await expect(
        producer.sendBatch({ topicMessages: [good, bad as typeof good] }),
      ).rejects.toThrow()
    }
    await settle(clock)
    expect(cluster.arrivals).toEqual([])
  })
})

describe('flush and close', () => {
  it('flush sends without lingerMs, and ignores failures', async () => {
    const { cluster, producer, send, clock } = setup({ lingerMs: 1_000 })
    const first = send('a')
    await producer.flush()
    await first
    cluster.fates.push({ error: 'INVALID_TIMESTAMP' })
    const bad = send('b')
    bad.catch(() => undefined)
    await producer.flush()
    await expect(bad).rejects.toMatchObject({ code: 'INVALID_TIMESTAMP' })
    const lingering = send('c')
    expect(await outcomeOf(lingering, clock)).toBe('pending')
    await producer.close()
    await lingering
  })

  it('flush can be aborted', async () => {
    const { cluster, producer, send } = await ready()
    cluster.isHolding = true
    const sent = send('a')
    const controller = new AbortController()
    const flushed = producer.flush({ signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(flushed).rejects.toThrow('enough')
    cluster.isHolding = false
    await new Promise(resolve => setImmediate(resolve))
    cluster.release()
    await sent
  })

  it('close sends what is left, settles every promise and leaves no timer', async () => {
    const { cluster, clock, producer, send } = await ready({ lingerMs: 1_000, bufferMemory: 1_000 })
    const sends = Array.from({ length: 20 }, (_, n) => send(`${n}`.padEnd(100)))
    await producer.close()
    await Promise.all(sends)
    expect(cluster.valuesIn('orders')).toHaveLength(21)
    expect(clock.pendingTimers).toBe(0)
  })

  it('a closed producer rejects every call', async () => {
    const { producer, send } = await ready()
    await producer.close()
    await producer.close()
    const closed = { code: 'CLOSED' }
    await expect(send('a')).rejects.toMatchObject(closed)
    await expect(producer.flush()).rejects.toMatchObject(closed)
    await expect(
      producer.sendBatch({ topicMessages: [{ topic: 'orders', messages: [] }] }),
    ).rejects.toMatchObject(closed)
  })

  it('close ends the search for a topic', async () => {
    const { clock, producer } = setup({}, new FakeCluster({}))
    const sent = producer.send({ topic: 'nowhere', messages: [{ value: 'a' }] })
    sent.catch(() => undefined)
    await clock.advance(1_000)
    await producer.close()
    await expect(sent).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(clock.monotonicMs()).toBe(1_000)
    expect(clock.pendingTimers).toBe(0)
  })

  it('a lingering batch keeps the process alive, a batch in flight does not', async () => {
    const { cluster, clock, producer, send } = await ready({
      lingerMs: 900,
      deliveryTimeoutMs: 1_000,
    })
    const kinds: (string | undefined)[] = []
    const after = clock.after.bind(clock)
    const spy = vi.spyOn(clock, 'after')
    spy.mockImplementation(((delayMs: number, callback: () => void, kind?: 'background') => {
      kinds.push(kind)
      return after(delayMs, callback)
    }) as typeof clock.after)
    const first = send('a')
    await producer.flush()
    await first
    await clock.advance(300)
    kinds.length = 0
    const second = send('b') // its linger ends after the timer of the first one
    await settle(clock)
    expect(kinds).toEqual([undefined])
    await clock.advance(900)
    await second
    expect(cluster.valuesIn('orders')).toHaveLength(3)
  })

  it('close ends after deliveryTimeoutMs if no broker answers', async () => {
    const { cluster, clock, producer, send } = await ready({ deliveryTimeoutMs: 1_000 })
    cluster.fates.push('lost')
    const sent = send('a')
    sent.catch(() => undefined)
    await settle(clock)
    const later = send('b')
    later.catch(() => undefined)
    const closed = producer.close()
    await clock.advance(1_000)
    await closed
    await expect(sent).rejects.toMatchObject({ outcomeUnknown: true })
    await expect(later).rejects.toMatchObject({ outcomeUnknown: false })
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('bad input', () => {
  const refused = async (request: unknown): Promise<string> => {
    const { cluster, producer, clock } = setup()
    const sent = producer.send(request as Parameters<Producer['send']>[0])
    const code = await outcomeOf(sent, clock)
    expect(cluster.metadataRequests, 'nothing has happened').toBe(0)
    return code
  }
  const withMessage = (message: unknown) => ({ topic: 'orders', messages: [message] })

  it.each([
    ['nothing', undefined, 'INVALID_ARGUMENT'],
    ['null', null, 'INVALID_ARGUMENT'],
    ['text', 'orders', 'INVALID_ARGUMENT'],
    ['no topic', { messages: [] }, 'INVALID_TOPIC_EXCEPTION'],
    ['an empty topic', { topic: '', messages: [] }, 'INVALID_TOPIC_EXCEPTION'],
    ['a path as topic', { topic: '../x', messages: [] }, 'INVALID_TOPIC_EXCEPTION'],
    ['a long topic', { topic: 'x'.repeat(250), messages: [] }, 'INVALID_TOPIC_EXCEPTION'],
    ['no messages', { topic: 'orders' }, 'INVALID_ARGUMENT'],
    ['one message', { topic: 'orders', messages: { value: 'x' } }, 'INVALID_ARGUMENT'],
    ['a message of text', withMessage('x'), 'INVALID_ARGUMENT'],
    ['a message of nothing', withMessage(null), 'INVALID_ARGUMENT'],
    ['a value left out', withMessage({ key: 'k' }), 'INVALID_ARGUMENT'],
    ['a number as value', withMessage({ value: 5 }), 'INVALID_ARGUMENT'],
    ['an object as value', withMessage({ value: { a: 1 } }), 'INVALID_ARGUMENT'],
    ['a number as key', withMessage({ key: 5, value: 'x' }), 'INVALID_ARGUMENT'],
    ['no such partition', withMessage({ value: 'x', partition: -1 }), 'INVALID_PARTITIONS'],
    ['half a partition', withMessage({ value: 'x', partition: 1.5 }), 'INVALID_PARTITIONS'],
    ['partition NaN', withMessage({ value: 'x', partition: NaN }), 'INVALID_PARTITIONS'],
    ['partition as text', withMessage({ value: 'x', partition: '1' }), 'INVALID_PARTITIONS'],
    ['time NaN', withMessage({ value: 'x', timestamp: NaN }), 'INVALID_TIMESTAMP'],
    ['time 1.5', withMessage({ value: 'x', timestamp: 1.5 }), 'INVALID_TIMESTAMP'],
    ['time −2', withMessage({ value: 'x', timestamp: -2 }), 'INVALID_TIMESTAMP'],
    ['a date before 1970', withMessage({ value: 'x', timestamp: new Date(-1) }), 'INVALID_TIMESTAMP'],
    ['time 2⁵³', withMessage({ value: 'x', timestamp: 2 ** 53 }), 'INVALID_TIMESTAMP'],
    ['no date', withMessage({ value: 'x', timestamp: new Date('?') }), 'INVALID_TIMESTAMP'],
    ['time as text', withMessage({ value: 'x', timestamp: '2026' }), 'INVALID_TIMESTAMP'],
    ['headers as text', withMessage({ value: 'x', headers: 'h' }), 'INVALID_ARGUMENT'],
    ['headers null', withMessage({ value: 'x', headers: null }), 'INVALID_ARGUMENT'],
    ['header of number', withMessage({ value: 'x', headers: { h: 5 } }), 'INVALID_ARGUMENT'],
    ['header pairs of text', withMessage({ value: 'x', headers: ['ab'] }), 'INVALID_ARGUMENT'],
    ['header key 5', withMessage({ value: 'x', headers: [[5, 'x']] }), 'INVALID_ARGUMENT'],
  ])('send refuses %s', async (_, request, code) => {
    expect(await refused(request)).toBe(code)
  })

  it('send refuses a hole in the messages', async () => {
    const messages = [{ value: 'x' }] as Message[]
    messages[2] = { value: 'y' }
    expect(await refused({ topic: 'orders', messages })).toBe('INVALID_ARGUMENT')
  })

  it('the error of a message names its place', async () => {
    const { producer } = setup()
    const messages = [{ value: 'x' }, { value: 5 as unknown as string }]
    await expect(producer.send({ topic: 'orders', messages })).rejects.toThrow(
      'message 1: value: expected a string, a Uint8Array or null, got 5',
    )
  })

  it('headers with names such as __proto__ are ordinary headers', async () => {
    const { cluster, producer } = await ready()
    const headers = JSON.parse(
      '{"__proto__": "a", "constructor": ["b", "c"]}',
    ) as Message['headers']
    await producer.send({ topic: 'orders', messages: [{ value: 'x', headers, timestamp: 1 }] })
    expect(recordsOf(cluster.arrivals[0]!.batches[0]!.bytes)).toEqual([
      '1 null=x __proto__=a,constructor=b,constructor=c',
    ])
    expect(({} as Record<string, unknown>).a).toBe(undefined)
  })

  it('a record that is too large is refused before anything is sent', async () => {
    const { cluster, producer, clock } = await ready({ maxRequestSize: 1_000 })
    const messages = [{ value: 'ok' }, { value: 'x'.repeat(1_000) }]
    await expect(producer.send({ topic: 'orders', messages })).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    })
    await settle(clock)
    expect(cluster.arrivals).toEqual([])
  })

  it.each([
    [{ acks: 2 }],
    [{ acks: '1' }],
    [{ lingerMs: -1 }],
    [{ lingerMs: 1.5 }],
    [{ batchSize: 0 }],
    [{ bufferMemory: NaN }],
    [{ maxRequestSize: '1' }],
    [{ compression: 'zip' }],
    [{ partitioner: 'murmur2' }],
    [{ lingerms: 5 }],
    [{ toString: 5 }],
    [5],
  ])('the producer option %j is refused', options => {
    expect(() => setup(options as ProducerOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG' }) as Error,
    )
  })
})

function recordsOf(bytes: Buffer): string[] {
  const cursor = new RecordCursor(new Batch(bytes, 0))
  const lines: string[] = []
  const text = (part: Uint8Array | null): string =>
    part === null ? 'null' : String(Buffer.from(part))
  while (cursor.next()) {
    const headers = cursor.headers.map(({ key, value }) => `${key}=${text(value)}`).join()
    lines.push(`${cursor.timestamp} ${text(cursor.key)}=${text(cursor.value)} ${headers}`.trim())
  }
  return lines
}

/** A batch that is sent again is in the log once, and what is given up does not stop what follows. */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { Accumulator, type PendingBatch } from '../../../src/client/producer/accumulator.js'
import { BufferPool } from '../../../src/client/producer/buffer-pool.js'
import type { Producer, ProducerOptions } from '../../../src/client/producer/producer-api.js'
import { ProducerIdentity } from '../../../src/client/producer/producer-identity.js'
import { ProducerClient } from '../../../src/client/producer/producer.js'
import { SendCall } from '../../../src/client/producer/send-call.js'
import { Batch } from '../../../src/model/batch/batch.js'
import { PartlogError, type ErrorCode } from '../../../src/model/errors.js'
import { FakeCluster, type Fate } from '../fake-cluster.js'
import { intercept, world } from '../world.js'

interface Setup {
  readonly cluster: FakeCluster
  readonly clock: VirtualClock
  readonly producer: Producer
  readonly send: (value: string, partition?: number) => Promise<unknown>
}

function setup(
  options: ProducerOptions = {},
  cluster = new FakeCluster({ orders: [1, 1] }),
): Setup {
  const clock = new VirtualClock()
  const context = { channel: cluster, clock, random: seededRandom(1), onClose: () => undefined }
  const producer = new ProducerClient(context, options)
  const send: Setup['send'] = (value, partition = 0) => {
    const sent = producer.send({ topic: 'orders', messages: [{ value, partition }] })
    sent.catch(() => undefined)
    return sent
  }
  return { cluster, clock, producer, send }
}

/** As `setup`, with one record sent to each partition. */
async function ready(options: ProducerOptions = {}): Promise<Setup> {
  const house = setup(options)
  await Promise.all([house.send('first'), house.send('first', 1)])
  house.cluster.arrivals.length = 0
  return house
}

/** Every batch that has arrived, as `partition epoch:sequence values`. */
function arrivalsAt({ cluster }: Setup): string[] {
  return cluster.arrivals.flatMap(({ batches }) =>
    batches.map(({ partition, values, bytes }) => {
      const { producerEpoch, baseSequence } = new Batch(bytes, 0)
      return `${partition} ${producerEpoch}:${baseSequence} ${values.join()}`
    }),
  )
}

const codeOf = (sent: Promise<unknown>): Promise<string> =>
  sent.then(
    () => 'sent',
    (error: { code: string }) => error.code,
  )

describe('sequences', () => {
  it('sequences count the records of each partition', async () => {
    const house = await ready()
    await Promise.all([house.send('a'), house.send('b'), house.send('c', 1)])
    await house.send('d')
    expect(arrivalsAt(house)).toEqual(['0 0:1 a,b', '1 0:1 c', '0 0:3 d'])
    expect(house.cluster.idRequests).toBe(1)
  })

  it('a batch that is sent again keeps its sequence', async () => {
    const house = await ready()
    house.cluster.fates.push({ error: 'NOT_LEADER_OR_FOLLOWER' })
    const sent = [house.send('a')]
    await house.clock.advance(0)
    sent.push(house.send('b'))
    await house.clock.advance(1_000)
    await Promise.all(sent)
    expect(arrivalsAt(house)).toEqual(['0 0:1 a', '0 0:1 a', '0 0:2 b'])
  })

  it('a batch that is sent again keeps its sequence, whatever another partition got meanwhile', async () => {
    const house = await ready()
    house.cluster.fates.push({ error: 'NOT_LEADER_OR_FOLLOWER' })
    const sent = house.send('a')
    await house.clock.advance(0)
    for (const value of ['b', 'c']) await house.send(value, 1)
    await house.clock.advance(1_000)
    await sent
    expect(arrivalsAt(house)).toEqual(['0 0:1 a', '1 0:1 b', '1 0:2 c', '0 0:1 a'])
  })

  it('the halves of a batch share its sequences', async () => {
    const house = await ready()
    house.cluster.fates.push({ error: 'MESSAGE_TOO_LARGE' })
    await Promise.all(['a', 'b', 'c'].map(value => house.send(value)))
    await house.send('d')
    expect(arrivalsAt(house)).toEqual(['0 0:1 a,b,c', '0 0:1 a,b', '0 0:3 c', '0 0:4 d'])
    expect(house.cluster.valuesIn('orders')).toEqual(['first', 'a', 'b', 'c', 'd'])
  })

  it('sequences restart when topics were forgotten because there are many', async () => {
    const topics = Array.from({ length: 1_002 }, (_, n): [string, number[]] => [`t${n}`, [1]])
    const house = setup({}, new FakeCluster(Object.fromEntries(topics)))
    const sendTo = (topic: string): Promise<unknown> =>
      house.producer.send({ topic, messages: [{ value: topic }] })
    for (const [topic] of topics) await sendTo(topic)
    await sendTo('t0')
    expect(house.cluster.valuesIn('t0')).toEqual(['t0', 't0'])
  })

  it('without idempotence batches have no sequences', async () => {
    for (const options of [{ enableIdempotence: false }, { acks: 1 }, { acks: 0 }] as const) {
      const house = await ready(options)
      await house.send('a')
      expect([arrivalsAt(house), house.cluster.idRequests]).toEqual([['0 -1:-1 a'], 0])
    }
  })
})

describe('a batch of unknown outcome is sent again and written once', () => {
  it.each<[string, Fate]>([
    ['the answer was lost', { throws: 'NETWORK_EXCEPTION', isAppended: true }],
    ['the request was lost', { throws: 'NETWORK_EXCEPTION' }],
    ['the broker gave up waiting', { appendedBut: 'REQUEST_TIMED_OUT' }],
    ['replicas left', { appendedBut: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND' }],
  ])('a batch is written once although %s', async (_, fate) => {
    const house = await ready()
    house.cluster.fates.push(fate, fate)
    const sent = [house.send('a'), house.send('b')]
    await house.clock.advance(0)
    sent.push(house.send('c'))
    await house.clock.advance(2_000)
    const places = await Promise.all(sent)
    expect(places.flat()).toMatchObject([{ offset: 1 }, { offset: 2 }, { offset: 3 }])
    expect(house.cluster.valuesIn('orders')).toEqual(['first', 'a', 'b', 'c'])
    expect(house.cluster.arrivals).toHaveLength(4)
  })

  it.each<ErrorCode>(['LOG_OFFLINE', 'UNKNOWN_SERVER_ERROR'])(
    '%s is final',
    async code => {
      const house = await ready()
      house.cluster.fates.push({ appendedBut: code })
      await expect(house.send('a')).rejects.toMatchObject({ code, outcomeUnknown: true })
      expect(house.cluster.arrivals).toHaveLength(1)
    },
  )

  it('a duplicate with an unknown offset counts as written', async () => {
    const house = await ready()
    house.cluster.fates.push({ error: 'DUPLICATE_SEQUENCE_NUMBER' })
    const places = await Promise.all([house.send('a'), house.send('b')])
    expect(places.flat()).toMatchObject([{ offset: -1 }, { offset: -1 }])
  })

  it('a broker answers a duplicate with the offset of the first copy', async () => {
    const { cluster, clock } = await world()
    let losses = 2
    intercept((api, _request, next) => {
      const answer = next()
      if (api !== 'Produce' || losses-- <= 0) return answer
      return Promise.resolve(answer).then(() => {
        throw new PartlogError('NETWORK_EXCEPTION', 'the answer was lost')
      })
    })
    const producer = cluster.producer()
    const sent = producer.send({ topic: 'orders', messages: [{ value: 'a' }, { value: 'b' }] })
    await clock.advance(5_000)
    expect(losses).toBe(-1)
    expect(await sent).toMatchObject([{ offset: 0 }, { offset: 1 }])
    expect(await producer.send({ topic: 'orders', messages: [{ value: 'c' }] })).toMatchObject([
      { offset: 2 },
    ])
  })
})

describe('when a batch is given up, the next ones begin in a new epoch', () => {
  it.each<[ErrorCode]>([
    ['INVALID_TIMESTAMP'],
    ['INVALID_PRODUCER_EPOCH'],
    ['UNKNOWN_SERVER_ERROR'],
  ])('after a batch failed with %s the next ones have a new epoch', async error => {
    const house = await ready()
    house.cluster.fates.push({ error })
    const lost = house.send('a')
    expect(await codeOf(lost)).toBe(error)
    await Promise.all([house.send('b'), house.send('c', 1)])
    await Promise.all([house.send('d'), house.send('e', 1)])
    expect(arrivalsAt(house)).toEqual(['0 0:1 a', '0 1:0 b', '1 1:0 c', '0 1:1 d', '1 1:1 e'])
    expect(house.cluster.valuesIn('orders')).toEqual(['first', 'b', 'd'])
  })

  it('a batch that meets a gap in the log is sent again in the new epoch', async () => {
    const house = await ready()
    house.cluster.fates.push({ error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
    const sent = house.send('a')
    await house.clock.advance(1_000)
    await sent
    await house.send('b')
    expect(arrivalsAt(house)).toEqual(['0 0:1 a', '0 1:0 a', '0 1:1 b'])
    expect(house.cluster.valuesIn('orders')).toEqual(['first', 'a', 'b'])
  })

  it('a batch that timed out ends the epoch, written or not', async () => {
    for (const isAppended of [true, false]) {
      const house = await ready({ deliveryTimeoutMs: 1_000 })
      for (let n = 0; n < 9; n++)
        house.cluster.fates.push({ throws: 'NETWORK_EXCEPTION', isAppended })
      const lost = house.send('a')
      await house.clock.advance(1_500)
      await expect(lost).rejects.toMatchObject({ code: 'DELIVERY_TIMED_OUT', outcomeUnknown: true })
      house.cluster.fates.length = 0
      await house.send('b')
      const there = isAppended ? ['first', 'a', 'b'] : ['first', 'b']
      expect(house.cluster.valuesIn('orders')).toEqual(there)
    }
  })

  it('a batch that timed out in flight is settled by its answer, and not before', async () => {
    const house = await ready({ deliveryTimeoutMs: 1_000 })
    house.cluster.isHolding = true
    const late = house.send('a')
    await house.clock.advance(1_100)
    expect(await codeOf(late)).toBe('DELIVERY_TIMED_OUT')
    const next = house.send('b')
    await house.clock.advance(500)
    expect(arrivalsAt(house)).toEqual(['0 0:1 a'])
    house.cluster.isHolding = false
    house.cluster.release()
    await next
    expect(arrivalsAt(house)).toEqual(['0 0:1 a', '0 0:2 b'])
  })

  it('a batch that timed out in flight and failed ends the epoch', async () => {
    const house = await ready({ deliveryTimeoutMs: 1_000 })
    house.cluster.isHolding = true
    house.cluster.fates.push({ error: 'NOT_LEADER_OR_FOLLOWER' })
    const late = house.send('a')
    await house.clock.advance(1_100)
    expect(await codeOf(late)).toBe('DELIVERY_TIMED_OUT')
    house.cluster.isHolding = false
    house.cluster.release()
    await house.send('b')
    expect(arrivalsAt(house)).toEqual(['0 0:1 a', '0 1:0 b'])
  })

  it('a batch behind one that hangs was never sent, and its error says so', async () => {
    const house = await ready({ deliveryTimeoutMs: 1_000 })
    house.cluster.fates.push('lost')
    house.send('a')
    await house.clock.advance(1_100)
    const behind = house.send('b')
    await house.clock.advance(1_100)
    await expect(behind).rejects.toMatchObject({
      code: 'DELIVERY_TIMED_OUT',
      outcomeUnknown: false,
    })
  })

  it('a batch of another partition that is to be retried keeps its epoch', async () => {
    const house = await ready()
    house.cluster.fates.push({ throws: 'NETWORK_EXCEPTION', isAppended: true })
    const waiting = house.send('a')
    await house.clock.advance(0)
    house.cluster.fates.push({ error: 'INVALID_TIMESTAMP' })
    expect(await codeOf(house.send('bad', 1))).toBe('INVALID_TIMESTAMP')
    await house.clock.advance(1_000)
    await waiting
    await house.send('b')
    expect(arrivalsAt(house)).toEqual(['0 0:1 a', '1 0:1 bad', '0 0:1 a', '0 1:0 b'])
    expect(house.cluster.valuesIn('orders')).toEqual(['first', 'a', 'b'])
  })

  it('several failed batches raise the epoch once', async () => {
    const house = await ready()
    house.cluster.fates.push({ error: 'INVALID_TIMESTAMP' })
    await Promise.allSettled([house.send('a'), house.send('b', 1)])
    await house.send('c')
    expect(arrivalsAt(house).at(-1)).toBe('0 1:0 c')
  })

  it('after the last epoch the producer gets a new id', async () => {
    const house = setup()
    house.cluster.firstEpoch = 32_767
    await house.send('first')
    house.cluster.firstEpoch = 0
    house.cluster.fates.push({ error: 'INVALID_TIMESTAMP' })
    expect(await codeOf(house.send('a'))).toBe('INVALID_TIMESTAMP')
    await house.send('b')
    expect(house.cluster.idRequests).toBe(2)
    expect(arrivalsAt(house)).toEqual(['0 32767:0 first', '0 32767:1 a', '0 0:0 b'])
  })
})

describe('the producer id', () => {
  it('the producer id is requested until the batches time out', async () => {
    const house = setup({ deliveryTimeoutMs: 1_000 })
    house.cluster.idFates.push('COORDINATOR_LOAD_IN_PROGRESS', 'COORDINATOR_LOAD_IN_PROGRESS')
    const sent = [house.send('a'), house.send('b')]
    await house.clock.advance(900)
    await Promise.all(sent)
    expect(house.cluster.valuesIn('orders')).toEqual(['a', 'b'])
    const unlucky = setup({ deliveryTimeoutMs: 1_000 })
    for (let n = 0; n < 99; n++) unlucky.cluster.idFates.push('COORDINATOR_LOAD_IN_PROGRESS')
    const lost = unlucky.send('a')
    await unlucky.clock.advance(2_000)
    await expect(lost).rejects.toMatchObject({
      code: 'DELIVERY_TIMED_OUT',
      outcomeUnknown: false,
      cause: { code: 'COORDINATOR_LOAD_IN_PROGRESS' },
    })
    expect(unlucky.clock.pendingTimers).toBe(0)
  })

  it('a producer id that is never answered delays no batch beyond its timeout', async () => {
    const house = setup({ deliveryTimeoutMs: 1_000 })
    house.cluster.idFates.push('lost')
    const lost = house.send('a')
    await house.clock.advance(1_000)
    await expect(lost).rejects.toMatchObject({ code: 'DELIVERY_TIMED_OUT', outcomeUnknown: false })
  })

  it('a producer id that is refused fails the waiting sends, and the next send requests it again', async () => {
    const house = setup()
    house.cluster.idFates.push('INVALID_REQUEST')
    const lost = [house.send('a'), house.send('b', 1)]
    expect(await Promise.all(lost.map(codeOf))).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST'])
    await house.send('c')
    expect(house.cluster.valuesIn('orders')).toEqual(['c'])
  })
})

describe('options', () => {
  it('idempotence requires acks all', () => {
    for (const acks of [0, 1] as const) {
      expect(() => setup({ acks, enableIdempotence: true })).toThrow(
        expect.objectContaining({ code: 'INVALID_CONFIG' }) as Error,
      )
    }
    expect(() => setup({ acks: 'all', enableIdempotence: true })).not.toThrow()
  })
})

describe('at the end of the numbers', () => {
  it('sequence 0 follows 2³¹ − 1, within a batch, between batches and in halves', () => {
    const accumulator = new Accumulator({ batchSize: 1_000, pool: new BufferPool() })
    const [row] = accumulator.rowsOf('orders', 1)
    const identity = new ProducerIdentity({ codec: 'none' })
    identity.set(5, 0)
    const batchWith = (count: number): PendingBatch => {
      const messages = Array.from({ length: count }, () => ({ value: 'x' }))
      accumulator.append(new SendCall('orders', messages, () => undefined), [row!], 0, Infinity)
      return row!.batches.at(-1) as PendingBatch
    }
    const sequenceOf = (batch: PendingBatch): number => {
      batch.enter('closed')
      return new Batch(identity.seal(batch), 0).baseSequence
    }
    sequenceOf(batchWith(1))
    row!.nextSequence = 2 ** 31 - 2
    const over = batchWith(3)
    expect(sequenceOf(over)).toBe(2 ** 31 - 2)
    expect(row!.nextSequence).toBe(1)
    identity.takeBack(over)
    expect(row!.nextSequence).toBe(2 ** 31 - 2)
  })
})

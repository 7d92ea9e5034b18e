import { describe, expect, it } from 'vitest'
import { errorOf } from '../../../src/model/errors.js'
import {
  committedOffset,
  fetched,
  RawProducer,
  transactionWorld,
  type TransactionWorld,
} from './transaction-world.js'

const A = { topic: 'orders', partition: 0 }
const B = { topic: 'orders', partition: 1 }

/** Waits until the transaction has ended everywhere. */
async function ended(world: TransactionWorld, transactionalId = 'shop'): Promise<string> {
  for (let tries = 0; tries < 100; tries++) {
    const coordinator = await world.coordinatorOf(transactionalId)
    const request = { transactionalIds: [transactionalId] }
    const answer = await world.ask(coordinator, 'DescribeTransactions', request)
    const { transactionState } = answer.transactionStates[0]!
    if (transactionState.startsWith('Complete')) return transactionState
    await world.clock.advance(100)
  }
  throw new Error('the transaction does not end')
}

describe.each([{ brokers: 1 }, { brokers: 3 }])('transactions with %j', options => {
  const shop = async () => {
    const world = await transactionWorld(options)
    return { world, producer: await new RawProducer(world).ready() }
  }

  it('records of a committed transaction are read together, after its end', async () => {
    const { world, producer } = await shop()
    expect(await producer.write(A, 'a')).toBe('NONE')
    expect(await producer.write(B, 'b')).toBe('NONE')
    expect((await fetched(world, A)).values).toEqual([])
    expect((await fetched(world, A, 0)).values).toEqual(['a'])
    expect(await producer.end(true)).toBe('NONE')
    expect(await ended(world)).toBe('CompleteCommit')
    expect(await fetched(world, A)).toEqual({ values: ['a'], aborted: [], stable: 2 })
    expect(await fetched(world, B)).toEqual({ values: ['b'], aborted: [], stable: 2 })
  })

  it('a reader is told of the records of an aborted transaction', async () => {
    const { world, producer } = await shop()
    await producer.write(A, 'a')
    expect(await producer.end(false)).toBe('NONE')
    expect(await ended(world)).toBe('CompleteAbort')
    expect(await fetched(world, A)).toEqual({ values: ['a'], aborted: [0], stable: 2 })
  })

  it('one producer after the other: several transactions of one id', async () => {
    const { world, producer } = await shop()
    for (const value of ['a', 'b', 'c']) {
      expect(await producer.write(A, value)).toBe('NONE')
      expect(await producer.end(value !== 'b')).toBe('NONE')
      await ended(world)
    }
    expect(await fetched(world, A)).toEqual({ values: ['a', 'b', 'c'], aborted: [2], stable: 6 })
  })

  it('a new instance fences the old one and aborts what it left open', async () => {
    const { world, producer } = await shop()
    await producer.write(A, 'a')
    const next = new RawProducer(world)
    expect(await next.init()).toBe('CONCURRENT_TRANSACTIONS')
    await next.ready()
    expect(await fetched(world, A)).toMatchObject({ aborted: [0], stable: 2 })
    expect(next.producerId).toBe(producer.producerId)
    expect(await producer.end(true)).toBe('PRODUCER_FENCED')
    expect(await producer.add(B)).toBe('PRODUCER_FENCED')
    expect(await producer.produce(A, 'late')).toBe('INVALID_PRODUCER_EPOCH')
    expect(await next.write(A, 'b')).toBe('NONE')
    expect(await next.end(true)).toBe('NONE')
  })

  it('records of a partition that is not in the transaction are refused', async () => {
    const { world, producer } = await shop()
    expect(await producer.produce(A, 'a')).toBe('INVALID_TXN_STATE')
    expect(await producer.add(A)).toBe('NONE')
    expect(await producer.produce(B, 'b')).toBe('INVALID_TXN_STATE')
    expect(await producer.produce(A, 'a')).toBe('NONE')
    await producer.end(true)
    await ended(world)
    expect(await producer.produce(A, 'late')).toBe('INVALID_TXN_STATE')
    const other = new RawProducer(world, 'another')
    other.producerId = producer.producerId
    other.producerEpoch = producer.producerEpoch
    expect(await other.produce(A, 'x')).toBe('INVALID_PRODUCER_ID_MAPPING')
  })

  it('offsets count when the transaction is committed, and not before', async () => {
    const { world, producer } = await shop()
    expect(await producer.commitOffset('g', A, 5)).toBe('NONE')
    expect(await committedOffset(world, 'g', A)).toBe('UNSTABLE_OFFSET_COMMIT')
    expect(await committedOffset(world, 'g', A, false)).toBe(-1)
    await producer.end(true)
    await ended(world)
    expect(await committedOffset(world, 'g', A)).toBe(5)
    expect(await producer.commitOffset('g', A, 9)).toBe('NONE')
    expect(await committedOffset(world, 'g', A, false)).toBe(5)
    await producer.end(false)
    await ended(world)
    expect(await committedOffset(world, 'g', A)).toBe(5)
  })

  it('offsets of a group that is not in the transaction are refused', async () => {
    const { world, producer } = await shop()
    expect(await producer.commitOffsetOnly('g', A, 5)).toBe('INVALID_TXN_STATE')
    expect(await committedOffset(world, 'g', A)).toBe(-1)
  })

  it('a transaction that is open for too long is aborted, and its producer fenced', async () => {
    const { world } = await shop()
    const slow = new RawProducer(world, 'slow')
    expect(await slow.init(30_000)).toBe('NONE')
    await slow.write(A, 'a')
    await world.clock.advance(45_000)
    expect(await ended(world, 'slow')).toBe('CompleteAbort')
    expect(await fetched(world, A)).toMatchObject({ aborted: [0], stable: 2 })
    expect(await slow.produce(A, 'late')).toBe('INVALID_PRODUCER_EPOCH')
    expect(await slow.end(true)).toBe('PRODUCER_FENCED')
  })
})

describe('the end of a transaction', () => {
  it('the end of a transaction may be requested again, but not the opposite end', async () => {
    const world = await transactionWorld()
    const producer = await new RawProducer(world).ready()
    expect(await producer.end(true)).toBe('INVALID_TXN_STATE')
    await producer.write(A, 'a')
    await producer.end(true)
    await ended(world)
    expect(await producer.end(true)).toBe('NONE')
    expect(await producer.end(false)).toBe('INVALID_TXN_STATE')
  })

  it('the end of a transaction is written by the next coordinator when the first one dies', async () => {
    const world = await transactionWorld({ brokers: 3 })
    const producer = await new RawProducer(world).ready()
    await producer.write(A, 'a')
    await producer.commitOffset('g', A, 7)
    const coordinator = await world.coordinatorOf('shop')
    await world.passing(world.cluster.broker(coordinator).kill())
    await world.clock.advance(30_000)
    expect(await producer.end(true)).toBe('NONE')
    expect(await ended(world)).toBe('CompleteCommit')
    expect(await fetched(world, A)).toMatchObject({ values: ['a'], aborted: [], stable: 2 })
    expect(await committedOffset(world, 'g', A)).toBe(7)
  })

  it('the end of a transaction waits for a partition whose brokers are away', async () => {
    const world = await transactionWorld({ brokers: 3 })
    await world.passing(
      world.cluster.admin.createTopic({ topic: 'alone', assignment: [[1], [2], [3]] }),
    )
    const producer = await new RawProducer(world).ready()
    const coordinator = await world.coordinatorOf('shop')
    const away = [1, 2, 3].find(id => id !== coordinator) as number
    const place = { topic: 'alone', partition: away - 1 }
    await producer.write(place, 'a')
    const broker = world.cluster.broker(away)
    await world.passing(broker.kill())
    expect(await producer.end(true)).toBe('NONE')
    await world.clock.advance(5_000)
    expect(await producer.add(A)).toBe('CONCURRENT_TRANSACTIONS')
    await world.passing(broker.start())
    await world.collect()
    expect(await ended(world)).toBe('CompleteCommit')
    expect(await fetched(world, place)).toMatchObject({ values: ['a'], stable: 2 })
  })

  it('the end of a transaction does not wait for a topic that was deleted', async () => {
    const world = await transactionWorld()
    await world.passing(world.cluster.admin.createTopic({ topic: 'gone', partitions: 1 }))
    const producer = await new RawProducer(world).ready()
    await producer.write({ topic: 'gone', partition: 0 }, 'a')
    await producer.write(A, 'a')
    await world.passing(world.cluster.admin.deleteTopic('gone'))
    expect(await producer.end(true)).toBe('NONE')
    expect(await ended(world)).toBe('CompleteCommit')
  })
})

describe('what is refused', () => {
  it.each([
    ['no time-out', 0, 'INVALID_TRANSACTION_TIMEOUT'],
    ['a time-out above transaction.max.timeout.ms', 900_001, 'INVALID_TRANSACTION_TIMEOUT'],
  ])('a producer with %s', async (_, timeoutMs, code) => {
    const world = await transactionWorld()
    expect(await new RawProducer(world).init(timeoutMs)).toBe(code)
  })

  it('an empty transactional id', async () => {
    const world = await transactionWorld()
    const request = { transactionalId: '', transactionTimeoutMs: 1 }
    const { errorCode } = await world.ask(1, 'InitProducerId', request)
    expect(errorOf(errorCode)).toBe('INVALID_REQUEST')
  })

  it('all partitions, if one does not exist', async () => {
    const world = await transactionWorld()
    const producer = await new RawProducer(world).ready()
    expect(await producer.add(A, { topic: 'orders', partition: 9 })).toBe('OPERATION_NOT_ATTEMPTED')
    expect(await producer.add({ topic: 'none', partition: 0 })).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })

  it('an id that no producer has taken', async () => {
    const world = await transactionWorld()
    const producer = new RawProducer(world)
    expect(await producer.add(A)).toBe('INVALID_PRODUCER_ID_MAPPING')
    expect(await producer.end(true)).toBe('INVALID_PRODUCER_ID_MAPPING')
  })
})

describe('what tools see', () => {
  it('transactions by state, producer, age and name', async () => {
    const world = await transactionWorld()
    const [one, two] = [new RawProducer(world, 'one'), new RawProducer(world, 'two')]
    await one.ready()
    await two.ready()
    await two.write(A, 'a')
    await world.clock.advance(5_000)
    const list = async (filter: object) => {
      const request = { stateFilters: [], producerIdFilters: [], ...filter }
      const answer = await world.ask(1, 'ListTransactions', request)
      return answer.transactionStates.map(each => `${each.transactionalId} ${each.transactionState}`)
    }
    expect(await list({})).toEqual(['one Empty', 'two Ongoing'])
    expect(await list({ stateFilters: ['Ongoing', 'Nonsense'] })).toEqual(['two Ongoing'])
    expect(await list({ stateFilters: ['Nonsense'] })).toEqual([])
    expect(await list({ producerIdFilters: [one.producerId] })).toEqual(['one Empty'])
    expect(await list({ durationFilter: 4_000 })).toEqual(['two Ongoing'])
    expect(await list({ durationFilter: 6_000 })).toEqual([])
    expect(await list({ transactionalIdPattern: 't.*' })).toEqual(['two Ongoing'])
    const request = { stateFilters: [], producerIdFilters: [], transactionalIdPattern: '(' }
    const { errorCode } = await world.ask(1, 'ListTransactions', request)
    expect(errorOf(errorCode)).toBe('INVALID_REGULAR_EXPRESSION')
  })

  it('one transaction, and the producers of a partition', async () => {
    const world = await transactionWorld()
    const producer = await new RawProducer(world).ready()
    await producer.write(A, 'a')
    const ids = { transactionalIds: ['shop', 'none'] }
    const { transactionStates } = await world.ask(1, 'DescribeTransactions', ids)
    expect(transactionStates[0]).toMatchObject({
      errorCode: 0,
      transactionState: 'Ongoing',
      transactionTimeoutMs: 60_000,
      producerId: producer.producerId,
      topics: [{ topic: 'orders', partitions: [0] }],
    })
    expect(errorOf(transactionStates[1]!.errorCode)).toBe('TRANSACTIONAL_ID_NOT_FOUND')
    const topics = [{ name: 'orders', partitionIndexes: [0, 1, 9] }]
    const answer = await world.ask(1, 'DescribeProducers', { topics })
    const [first, second, third] = answer.topics[0]!.partitions
    expect(first!.activeProducers).toMatchObject([
      { producerId: producer.producerId, lastSequence: 0, currentTxnStartOffset: 0 },
    ])
    expect(second!.activeProducers).toEqual([])
    expect(errorOf(third!.errorCode)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })
})

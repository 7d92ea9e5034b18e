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

const SHOPS = [1, 3].flatMap(brokers => [1, 2].map(version => ({ brokers, version })))

async function openShop({ brokers = 1, version }: { brokers?: number; version: number }) {
  const world = await transactionWorld({ brokers })
  return { world, producer: await new RawProducer(world, 'shop', version).ready() }
}

describe.each(SHOPS)('transactions with %j', ({ brokers, version }) => {
  const shop = () => openShop({ brokers, version })

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
    expect(await producer.end(false)).toBe('PRODUCER_FENCED')
    expect(await producer.write(B, 'late')).toBe(
      version === 1 ? 'PRODUCER_FENCED' : 'INVALID_PRODUCER_EPOCH',
    )
    expect(await producer.produce(A, 'late')).toBe('INVALID_PRODUCER_EPOCH')
    expect(await next.write(A, 'b')).toBe('NONE')
    expect(await next.end(true)).toBe('NONE')
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

  it('a transaction that is open for too long is aborted, and its producer fenced', async () => {
    const { world } = await shop()
    const slow = new RawProducer(world, 'slow', version)
    expect(await slow.init(30_000)).toBe('NONE')
    await slow.write(A, 'a')
    await world.clock.advance(45_000)
    expect(await ended(world, 'slow')).toBe('CompleteAbort')
    expect(await fetched(world, A)).toMatchObject({ aborted: [0], stable: 2 })
    expect(await slow.produce(A, 'late')).toBe('INVALID_PRODUCER_EPOCH')
    expect(await slow.end(true)).toBe('PRODUCER_FENCED')
    expect(await slow.end(false)).toBe('PRODUCER_FENCED')
  })
})

describe('transaction.version 1', () => {
  it('records of a partition that is not in the transaction are refused', async () => {
    const { world, producer } = await openShop({ version: 1 })
    expect(await producer.produce(A, 'a')).toBe('TRANSACTION_ABORTABLE')
    expect(await producer.add(A)).toBe('NONE')
    expect(await producer.produce(B, 'b')).toBe('TRANSACTION_ABORTABLE')
    expect(await producer.produce(A, 'a')).toBe('NONE')
    await producer.end(true)
    await ended(world)
    expect(await producer.produce(A, 'late')).toBe('TRANSACTION_ABORTABLE')
    const other = new RawProducer(world, 'another')
    other.producerId = producer.producerId
    other.producerEpoch = producer.producerEpoch
    expect(await other.produce(A, 'x')).toBe('INVALID_PRODUCER_ID_MAPPING')
  })

  it('offsets of a group that is not in the transaction are refused', async () => {
    const { world, producer } = await openShop({ version: 1 })
    expect(await producer.commitOffsetOnly('g', A, 5)).toBe('TRANSACTION_ABORTABLE')
    expect(await committedOffset(world, 'g', A)).toBe(-1)
  })
})

describe('transaction.version 2', () => {
  it('each end gives the producer its next epoch', async () => {
    const { world, producer } = await openShop({ version: 2 })
    const seen: string[] = []
    for (const value of ['a', 'b', 'c']) {
      seen.push(`${value} ${producer.producerEpoch}`)
      expect(await producer.write(A, value)).toBe('NONE')
      expect(await producer.end(value !== 'b')).toBe('NONE')
    }
    expect(seen).toEqual(['a 0', 'b 1', 'c 2'])
    await ended(world)
    expect(await fetched(world, A)).toEqual({ values: ['a', 'b', 'c'], aborted: [2], stable: 6 })
  })

  it('an end may be asked for again, but not the other way', async () => {
    const { world, producer } = await openShop({ version: 2 })
    await producer.write(A, 'a')
    const [same, other] = [copyOf(producer), copyOf(producer)]
    expect(await producer.end(true)).toBe('NONE')
    await ended(world)
    expect(await same.end(true)).toBe('NONE')
    expect(same.producerEpoch).toBe(producer.producerEpoch)
    expect(await other.end(false)).toBe('INVALID_TXN_STATE')
    expect(await producer.end(true)).toBe('INVALID_TXN_STATE')
  })

  it('a transaction without partitions can be aborted, not committed', async () => {
    const { world, producer } = await openShop({ version: 2 })
    expect(await producer.end(true)).toBe('INVALID_TXN_STATE')
    expect(await producer.end(false)).toBe('NONE')
    expect(producer.producerEpoch).toBe(1)
    expect(await ended(world)).toBe('CompleteAbort')
    expect(await producer.write(A, 'a')).toBe('NONE')
  })

  it('a late record is refused: its epoch is over', async () => {
    const { world, producer } = await openShop({ version: 2 })
    await producer.write(A, 'a')
    const late = copyOf(producer)
    await producer.end(false)
    await ended(world)
    expect(await late.produce(A, 'late')).toBe('INVALID_PRODUCER_EPOCH')
    expect(await late.produce(B, 'late')).toBe('INVALID_PRODUCER_EPOCH')
    expect(await late.commitOffset('g', A, 5)).toBe('INVALID_PRODUCER_EPOCH')
  })

  it('a late marker does not end the next transaction', async () => {
    const { world, producer } = await openShop({ version: 2 })
    await producer.write(A, 'a')
    await producer.commitOffset('g', A, 5)
    await producer.end(false)
    await ended(world)
    await producer.write(A, 'b')
    await producer.commitOffset('g', A, 6)
    const { producerId, producerEpoch } = producer
    const late = { producerId, producerEpoch, coordinatorEpoch: 99, transactionVersion: 2 }
    const topics = [{ name: 'orders', partitionIndexes: [0] }]
    const ofGroups = { name: '__consumer_offsets', partitionIndexes: [0] } // there is one
    const marker = { ...late, transactionResult: false, topics: [...topics, ofGroups] }
    const { markers } = await world.ask(1, 'WriteTxnMarkers', { markers: [marker] })
    const codes = markers[0]!.topics.flatMap(({ partitions }) => partitions)
    const refused = 'INVALID_PRODUCER_EPOCH'
    expect(codes.map(({ errorCode }) => errorOf(errorCode))).toEqual([refused, refused])
    expect(await producer.end(true)).toBe('NONE')
    await ended(world)
    expect(await fetched(world, A)).toMatchObject({ values: ['a', 'b'], aborted: [0] })
    expect(await committedOffset(world, 'g', A)).toBe(6)
  })

  it('the next transaction waits for the markers of the one before', async () => {
    const { world, producer } = await openShop({ brokers: 3, version: 2 })
    const { place, broker } = await elsewhere(world)
    await producer.write(place, 'a')
    await world.passing(broker.kill())
    expect(await producer.end(true)).toBe('NONE')
    await world.clock.advance(20_000)
    expect(await producer.write(A, 'b')).toBe('CONCURRENT_TRANSACTIONS')
    expect(await producer.end(false)).toBe('CONCURRENT_TRANSACTIONS')
    await world.passing(broker.start())
    await world.collect()
    expect(await ended(world)).toBe('CompleteCommit')
    expect(await producer.write(A, 'b')).toBe('NONE')
  })

  it('a next coordinator knows what an end has decided', async () => {
    const { world, producer } = await openShop({ brokers: 3, version: 2 })
    await producer.write(A, 'a')
    const again = copyOf(producer)
    await producer.end(true)
    const coordinator = await world.coordinatorOf('shop')
    await world.passing(world.cluster.broker(coordinator).kill())
    await world.clock.advance(30_000)
    await ended(world)
    expect(await again.end(true)).toBe('NONE')
    expect(again.producerEpoch).toBe(1)
    expect(await producer.write(A, 'b')).toBe('NONE')
  })
})

/** A partition that only one broker has, which does not coordinate the transactions of "shop". */
async function elsewhere(world: TransactionWorld) {
  const topic = { topic: 'alone', assignment: [[1], [2], [3]] }
  await world.passing(world.cluster.admin.createTopic(topic))
  const coordinator = await world.coordinatorOf('shop')
  const away = [1, 2, 3].find(id => id !== coordinator) as number
  return { place: { topic: 'alone', partition: away - 1 }, broker: world.cluster.broker(away) }
}

/** The same producer, as a request that was delayed knows it. */
function copyOf(producer: RawProducer): RawProducer {
  const { world, transactionalId, clientVersion, producerId, producerEpoch } = producer
  const copy = new RawProducer(world, transactionalId, clientVersion)
  return Object.assign(copy, { producerId, producerEpoch })
}

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
    const producer = await new RawProducer(world).ready()
    const { place, broker } = await elsewhere(world)
    await producer.write(place, 'a')
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

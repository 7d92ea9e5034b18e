import { describe, expect, it } from 'vitest'
import { proxied } from '../../wire/proxy.js'
import { Cluster } from '../../../src/cluster/cluster.js'
import type { TransactionalProducer } from '../../../src/client/producer/producer-api.js'
import { connect } from '../../../src/connect.js'
import type { ConsumerRecord } from '../../../src/index.js'
import {
  committedOffset,
  transactionWorld,
  type TransactionWorld,
} from '../../broker/requests/transaction-world.js'

const A = { topic: 'orders', partition: 0 }

async function shop(options: object = { brokers: 3 }) {
  const world = await transactionWorld(options)
  const { cluster, passing } = world
  const producer = cluster.producer({ transactionalId: 'shop' })
  const send = (...values: string[]) =>
    passing(producer.send({ topic: 'orders', messages: values.map(value => ({ value })) }))
  return { world, cluster, passing, producer, send }
}

/** What a consumer reads from the beginning until it is at the end. */
async function valuesOf(
  { cluster, passing }: TransactionWorld,
  isolationLevel: 'read_committed' | 'read_uncommitted' = 'read_committed',
): Promise<string[]> {
  const consumer = cluster.consumer({
    isolationLevel,
    autoOffsetReset: 'earliest',
    valueDeserializer: 'string',
  })
  const places = [0, 1].map(partition => ({ topic: 'orders', partition }))
  await passing(consumer.assign(places))
  const values: string[] = []
  for (;;) {
    const records = await passing(consumer.poll({ timeoutMs: 1_000 }))
    if (records.length === 0) break
    values.push(...records.map(({ value }) => value ?? ''))
  }
  await passing(consumer.close())
  return values.sort()
}

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => 'none',
    (error: { code?: string }) => error.code ?? String(error),
  )

/** What producers of transaction.version 1 and 2 ask. */
const ADDING = ['AddPartitionsToTxn 3', 'AddOffsetsToTxn 4']
const FIRST = [...ADDING, 'TxnOffsetCommit 4', 'Produce 11', 'EndTxn 4']
const SECOND = ['TxnOffsetCommit 5', 'Produce 12', 'EndTxn 5']

describe('a transaction', () => {
  it('a transaction is read as a whole when it is committed, and not before', async () => {
    const { world, passing, producer, send } = await shop()
    await passing(producer.begin())
    await send('a', 'b', 'c')
    expect(await valuesOf(world)).toEqual([])
    expect(await valuesOf(world, 'read_uncommitted')).toEqual(['a', 'b', 'c'])
    await passing(producer.commit())
    await world.clock.advance(1_000)
    expect(await valuesOf(world)).toEqual(['a', 'b', 'c'])
  })

  it('a transaction is never read when it is aborted', async () => {
    const { world, passing, producer, send } = await shop()
    for (const [value, isCommit] of [['a', true], ['b', false], ['c', true]] as const) {
      await passing(producer.begin())
      await send(value, `${value}2`)
      await passing(isCommit ? producer.commit() : producer.abort())
    }
    await world.clock.advance(1_000)
    expect(await valuesOf(world)).toEqual(['a', 'a2', 'c', 'c2'])
    expect(await valuesOf(world, 'read_uncommitted')).toEqual(['a', 'a2', 'b', 'b2', 'c', 'c2'])
  })

  it('a transaction may be empty', async () => {
    const { world, passing, producer, send } = await shop()
    await passing(producer.begin())
    await passing(producer.commit())
    await passing(producer.begin())
    await passing(producer.abort())
    await passing(producer.begin())
    await send('a')
    await passing(producer.commit())
    await world.clock.advance(1_000)
    expect(await valuesOf(world)).toEqual(['a'])
  })

  it('commits sends that were not awaited', async () => {
    const { world, passing, producer } = await shop()
    await passing(producer.begin())
    const sends = ['a', 'b'].map(value => producer.send({ topic: 'orders', messages: [{ value }] }))
    await passing(producer.commit())
    expect((await Promise.all(sends)).flat()).toHaveLength(2)
    await world.clock.advance(1_000)
    expect(await valuesOf(world)).toEqual(['a', 'b'])
  })

  it('a transaction ends as its work does: committed when that resolves, aborted when it throws', async () => {
    const { world, passing, producer } = await shop()
    const write = (tx: TransactionalProducer, value: string) =>
      tx.send({ topic: 'orders', messages: [{ value }] })
    const result = await passing(
      producer.transaction(async tx => {
        await write(tx, 'a')
        return 7
      }),
    )
    expect(result).toBe(7)
    const bug = new Error('a bug of mine')
    const failed = producer.transaction(async tx => {
      await write(tx, 'b')
      throw bug
    })
    await expect(passing(failed)).rejects.toBe(bug)
    await passing(producer.transaction(tx => write(tx, 'c')))
    await world.clock.advance(1_000)
    expect(await valuesOf(world)).toEqual(['a', 'c'])
  })

  it('a transaction that is left open is aborted by close', async () => {
    const { world, passing, producer, send } = await shop()
    await passing(producer.begin())
    await send('a')
    await passing(producer.close())
    await world.clock.advance(1_000)
    expect(await valuesOf(world)).toEqual([])
    expect(await codeOf(producer.begin())).toBe('CLOSED')
  })

  it.each([
    { clientVersion: 2, features: { 'transaction.version': 2 } },
    { clientVersion: 1, features: { 'transaction.version': 1 } },
    { clientVersion: 1, features: undefined },
  ])('a transaction runs over a wire: %j', async ({ clientVersion, features }) => {
    await using cluster = await Cluster.memory()
    await cluster.admin.createTopic({ topic: 'orders', partitions: 1 })
    const proxy = await proxied(cluster, features && { features })
    const { bootstrap: bootstrapServers } = proxy
    await using remote = await connect({ bootstrapServers })
    const producer = remote.producer({ transactionalId: 'far' })
    for (const value of ['a', 'b', 'c']) {
      await producer.begin()
      await producer.send({ topic: 'orders', messages: [{ value }] })
      await producer.sendOffsets({ groupId: 'g', offsets: [{ ...A, offset: value.charCodeAt(0) }] })
      await (value === 'b' ? producer.abort() : producer.commit())
    }
    const consumer = remote.consumer({
      groupId: 'g',
      isolationLevel: 'read_committed',
      valueDeserializer: 'string',
    })
    await consumer.assign([A])
    await consumer.seek({ ...A, offset: 0 })
    const values: (string | null)[] = []
    while (values.length < 2) {
      values.push(...(await consumer.poll({ timeoutMs: 10_000 })).map(({ value }) => value))
    }
    expect(values).toEqual(['a', 'c'])
    expect(await consumer.committed([A])).toMatchObject([{ offset: 'c'.charCodeAt(0) }])
    const asked = new Set(proxy.passed.map(({ api, version }) => `${api} ${version}`))
    const [spoken, unspoken] = clientVersion === 2 ? [SECOND, FIRST] : [FIRST, SECOND]
    expect([...asked]).toEqual(expect.arrayContaining(spoken))
    expect(unspoken.filter(each => asked.has(each))).toEqual([])
    // Once more after an abort, where the end gives no epoch.
    const epochs = proxy.passed.filter(({ api }) => api === 'InitProducerId')
    expect(epochs).toHaveLength(clientVersion === 2 ? 1 : 2)
  })
})

describe('a producer that may not go on', () => {
  it('a transactional producer is fenced by a newer one, which aborts what it left open', async () => {
    const { world, cluster, passing, producer, send } = await shop()
    await passing(producer.begin())
    await send('old')
    const next = cluster.producer({ transactionalId: 'shop' })
    await passing(next.begin())
    await passing(next.send({ topic: 'orders', messages: [{ value: 'new' }] }))
    await passing(next.commit())
    expect(await codeOf(send('late'))).toMatch(/FENCED|INVALID_PRODUCER_EPOCH/)
    expect(await codeOf(passing(producer.commit()))).toMatch(/FENCED|INVALID_PRODUCER_EPOCH/)
    expect(await codeOf(passing(producer.abort()))).toMatch(/FENCED|INVALID_PRODUCER_EPOCH/)
    await world.clock.advance(1_000)
    expect(await valuesOf(world)).toEqual(['new'])
  })

  it('a transactional producer is fenced when its transaction was open for too long', async () => {
    const { world, cluster, passing } = await shop()
    const slow = cluster.producer({ transactionalId: 'slow', transactionTimeoutMs: 30_000 })
    await passing(slow.begin())
    await passing(slow.send({ topic: 'orders', messages: [{ value: 'a' }] }))
    await world.clock.advance(60_000)
    expect(await codeOf(passing(slow.commit()))).toMatch(/FENCED|INVALID_PRODUCER_EPOCH/)
    expect(await valuesOf(world)).toEqual([])
  })

  it('can abort after a send has failed, and then go on', async () => {
    const { world, cluster, passing, producer, send } = await shop()
    await passing(producer.begin())
    await send('a')
    cluster.faults.on('produce').error('INVALID_RECORD').times(1)
    expect(await codeOf(send('b'))).toBe('INVALID_RECORD')
    expect(await codeOf(send('c'))).toBe('TRANSACTION_ABORTABLE')
    expect(await codeOf(passing(producer.commit()))).toBe('TRANSACTION_ABORTABLE')
    await passing(producer.abort())
    await passing(producer.begin())
    await send('d')
    await passing(producer.commit())
    await world.clock.advance(1_000)
    expect(await valuesOf(world)).toEqual(['d'])
  })

  it('loses no commit whose answer was lost', async () => {
    const { world, cluster, passing, producer, send } = await shop()
    await passing(producer.begin())
    await send('a')
    cluster.faults.on('endTxn').dropAnswer().times(1)
    await passing(producer.commit())
    await world.clock.advance(1_000)
    expect(await valuesOf(world)).toEqual(['a'])
  })

  it('a transactional producer fails at once when it is used in the wrong order', async () => {
    const { passing, producer } = await shop()
    const message = { topic: 'orders', messages: [{ value: 'a' }] }
    expect(await codeOf(producer.send(message))).toBe('INVALID_TXN_STATE')
    expect(await codeOf(producer.commit())).toBe('INVALID_TXN_STATE')
    expect(await codeOf(producer.abort())).toBe('INVALID_TXN_STATE')
    await passing(producer.begin())
    expect(await codeOf(producer.begin())).toBe('INVALID_TXN_STATE')
    const wrong = { offsets: [{ ...A, offset: 1 }] }
    expect(await codeOf(producer.sendOffsets(wrong))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(passing(producer.commit()))).toBe('none')
  })

  it.each([{ acks: 1 as const }, { enableIdempotence: false }])('a transactional producer is not made with %j', async more => {
    const { cluster } = await shop({ brokers: 1 })
    expect(() => cluster.producer({ transactionalId: 'x', ...more })).toThrow('INVALID_CONFIG')
  })
})

describe('offsets', () => {
  it('go with the records: each input is once in the output, whatever dies', async () => {
    const { world, cluster, passing } = await shop()
    await passing(cluster.admin.createTopic({ topic: 'in', partitions: 1 }))
    const source = cluster.producer()
    const inputs = Array.from({ length: 20 }, (_, n) => ({ value: `${n}` }))
    await passing(source.send({ topic: 'in', messages: inputs }))
    /** Reads, writes and commits up to five records at a time; dies after `steps` steps. */
    const run = async (steps: number): Promise<void> => {
      const consumer = cluster.consumer({
        groupId: 'g',
        isolationLevel: 'read_committed',
        autoOffsetReset: 'earliest',
        enableAutoCommit: false,
        maxPollRecords: 5,
        valueDeserializer: 'string',
      })
      const producer = cluster.producer({ transactionalId: 'worker' })
      const isOver = (): boolean => steps-- <= 0
      await passing(producer.init())
      await passing(consumer.subscribe(['in']))
      for (;;) {
        const records: ConsumerRecord<Uint8Array, string>[] = await passing(
          consumer.poll({ timeoutMs: 5_000 }),
        )
        if (records.length === 0 || isOver()) break
        await passing(producer.begin())
        if (isOver()) break
        const messages = records.map(({ value }) => ({ value: `out ${value}` }))
        await passing(producer.send({ topic: 'orders', messages }))
        if (isOver()) break
        await passing(
          producer.sendOffsets({ groupMetadata: consumer.groupMetadata(), records }),
        )
        if (isOver()) break
        await passing(producer.commit())
        if (isOver()) break
      }
      // It dies: its transaction stays open, and its membership until the session is over.
      await passing(consumer.close())
    }
    for (const steps of [1, 2, 3, 4, 5, 8, 1_000]) await run(steps)
    await world.clock.advance(1_000)
    const outputs = inputs.map(({ value }) => `out ${value}`).sort()
    expect(await valuesOf(world)).toEqual(outputs)
    expect(await committedOffset(world, 'g', { topic: 'in', partition: 0 })).toBe(20)
  })

  it('offsets of a member that the group has left behind are refused', async () => {
    const { world, cluster, passing, producer } = await shop()
    const consumer = cluster.consumer({ groupId: 'g', enableAutoCommit: false })
    await passing(consumer.subscribe(['orders']))
    await passing(consumer.poll({ timeoutMs: 5_000 }))
    const groupMetadata = consumer.groupMetadata()
    await passing(consumer.close())
    await passing(producer.begin())
    const request = { groupMetadata, offsets: [{ ...A, offset: 1 }] }
    expect(await codeOf(passing(producer.sendOffsets(request)))).toMatch(/UNKNOWN_MEMBER|GENERATION/)
    expect(await codeOf(passing(producer.commit()))).toBe('TRANSACTION_ABORTABLE')
    await passing(producer.abort())
    expect(await committedOffset(world, 'g', A)).toBe(-1)
  })
})

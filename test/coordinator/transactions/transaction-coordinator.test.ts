/** Epochs of transactional producers, also the last ones of an id (KIP-890). */

import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import {
  transactionRecord,
  type Transaction,
} from '../../../src/coordinator/transactions/kept-transactions.js'
import {
  TransactionCoordinator,
  TRANSACTIONAL_EPOCH_MAX,
  type ProducerIdAndEpoch,
} from '../../../src/coordinator/transactions/transaction-coordinator.js'
import { isPartlogError } from '../../../src/model/errors.js'
import { ArrayJournal } from '../fold/array-journal.js'

const PLACE = { topic: 'orders', partition: 0 }
const FRESH = 900

const OPEN: Transaction = {
  transactionalId: 'shop',
  producerId: 7,
  previousProducerId: 7,
  nextProducerId: -1,
  producerEpoch: 3,
  timeoutMs: 60_000,
  state: 'Ongoing',
  partitions: [PLACE],
  startedAt: 0,
  updatedAt: 0,
  clientVersion: 2,
}

async function coordinatorOf(transaction: Partial<Transaction> = {}) {
  const clock = new VirtualClock()
  const startedAt = clock.now()
  const journal = new ArrayJournal([transactionRecord({ ...OPEN, startedAt, ...transaction })])
  const settings = { transactionMaxTimeoutMs: 900_000, transactionalIdExpirationMs: 1e9 }
  const options = { clock, settings, onPrepared: () => undefined }
  const coordinator = await TransactionCoordinator.load(journal, options)
  const codeOf = async <T>(work: Promise<T>): Promise<T | string> =>
    await work.catch((error: unknown) => {
      if (isPartlogError(error)) return error.code
      throw error
    })
  const named = (producer: ProducerIdAndEpoch) => ({ transactionalId: 'shop', ...producer })
  return {
    clock,
    journal,
    coordinator,
    state: () => coordinator.describe('shop'),
    end: (producer: ProducerIdAndEpoch, isCommit: boolean, clientVersion = 2) => {
      const how = { isCommit, clientVersion, freshProducerId: FRESH }
      return codeOf(coordinator.end({ ...named(producer), ...how }))
    },
    add: (producer: ProducerIdAndEpoch) =>
      codeOf(coordinator.addPartitions(named(producer), [PLACE], 2)),
    init: (producer: ProducerIdAndEpoch = { producerId: -1, producerEpoch: -1 }) => {
      const asked = { ...named(producer), timeoutMs: 60_000, freshProducerId: FRESH }
      return codeOf(coordinator.initProducer(asked))
    },
    complete: () => coordinator.complete(coordinator.describe('shop')),
    reloaded: () => TransactionCoordinator.load(journal, options),
  }
}

const NOW = { producerId: 7, producerEpoch: 3 }
const LAST = { producerId: 7, producerEpoch: TRANSACTIONAL_EPOCH_MAX }

describe('the end of a transaction in version 2', () => {
  it('gives the next epoch, with which its markers are written', async () => {
    const { end, state, complete } = await coordinatorOf()
    const next = { producerId: 7, producerEpoch: 4 }
    expect(await end(NOW, true)).toEqual(next)
    expect(state()).toMatchObject({ ...next, state: 'PrepareCommit', partitions: [PLACE] })
    expect(await end(NOW, true)).toBe('CONCURRENT_TRANSACTIONS')
    expect(await end(next, false)).toBe('CONCURRENT_TRANSACTIONS')
    await complete()
    expect(state()).toMatchObject({ ...next, state: 'CompleteCommit', partitions: [] })
    expect(await end(NOW, true)).toEqual(next)
    expect(await end(NOW, false)).toBe('INVALID_TXN_STATE')
    expect(await end(next, true)).toBe('INVALID_TXN_STATE')
  })

  it('gives another id after the last epoch', async () => {
    const { end, add, state, complete, reloaded } = await coordinatorOf(LAST)
    const next = { producerId: FRESH, producerEpoch: 0 }
    expect(await end(LAST, true)).toEqual(next)
    const marker = { producerId: 7, producerEpoch: TRANSACTIONAL_EPOCH_MAX + 1 }
    expect(state()).toMatchObject({ ...marker, nextProducerId: FRESH, state: 'PrepareCommit' })
    expect(await add(next)).toBe('CONCURRENT_TRANSACTIONS')
    expect(await end(next, false)).toBe('CONCURRENT_TRANSACTIONS')
    await complete()
    expect(state()).toMatchObject({ ...next, previousProducerId: 7, nextProducerId: -1 })
    expect(await end(LAST, true)).toEqual(next)
    expect(await end(LAST, false)).toBe('INVALID_TXN_STATE')
    expect((await reloaded()).describe('shop')).toEqual(state())
    expect(await add(next)).toBeUndefined()
    expect(await end(LAST, true)).toBe('INVALID_PRODUCER_ID_MAPPING')
  })

  it('of an id at rest is an abort without partitions', async () => {
    const { end, state, complete } = await coordinatorOf({ state: 'Empty', partitions: [] })
    expect(await end(NOW, true)).toBe('INVALID_TXN_STATE')
    expect(await end(NOW, false)).toEqual({ producerId: 7, producerEpoch: 4 })
    expect(state()).toMatchObject({ state: 'PrepareAbort', partitions: [] })
    await complete()
    expect(await end(NOW, false)).toEqual({ producerId: 7, producerEpoch: 4 })
    expect(await end({ producerId: 7, producerEpoch: 4 }, false)).toMatchObject({ producerEpoch: 5 })
  })
})

describe('a producer that is fenced', () => {
  it.each([3, TRANSACTIONAL_EPOCH_MAX - 1, TRANSACTIONAL_EPOCH_MAX])(
    'cannot end what a newer one has aborted, from epoch %i on',
    async producerEpoch => {
      const old = { producerId: 7, producerEpoch }
      const { init, end, add, complete, state } = await coordinatorOf(old)
      expect(await init()).toBe('CONCURRENT_TRANSACTIONS')
      expect(state().producerEpoch).toBeGreaterThan(producerEpoch)
      expect(await end(old, false)).toBe('PRODUCER_FENCED')
      await complete()
      for (const isCommit of [true, false]) expect(await end(old, isCommit)).toBe('PRODUCER_FENCED')
      const next = (await init()) as ProducerIdAndEpoch
      expect(next).toEqual(
        producerEpoch === 3
          ? { producerId: 7, producerEpoch: 6 }
          : { producerId: FRESH, producerEpoch: 0 },
      )
      const fenced = producerEpoch === 3 ? 'PRODUCER_FENCED' : 'INVALID_PRODUCER_ID_MAPPING'
      expect(await add(old)).toBe(fenced)
      expect(await end(old, false)).toBe(fenced)
      expect(await add(next)).toBeUndefined()
    },
  )

  it.each([1, 2])('cannot end what took too long, in version %i', async version => {
    const { clock, coordinator, end, complete } = await coordinatorOf({ clientVersion: version })
    await clock.advance(60_001)
    await coordinator.abortTimedOut()
    expect(await end(NOW, false, version)).toBe('PRODUCER_FENCED')
    await complete()
    expect(await end(NOW, false, version)).toBe('PRODUCER_FENCED')
  })
})

/*
 * All transactional ids of one partition of `__transaction_state`: Kafka's TransactionCoordinator.
 * The durable state is a fold over that partition's records; a change is there before it is
 * answered.
 *
 * The end of a transaction has three steps: its outcome is written here (Prepare…), end markers
 * are written to every partition it has touched, then the end of that is written here (Complete…).
 * Once the first step is committed nothing changes the outcome, whatever dies: a new coordinator
 * writes the markers that may be missing.
 */

import { assert } from '../../base/assert.js'
import type { Clock } from '../../base/clock.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import { partitionName, type TopicPartition } from '../../model/names.js'
import { PRODUCER_EPOCH_MAX } from '../../model/sequences.js'
import { NONE } from '../../model/units.js'
import type { Journal } from '../fold/journal.js'
import { StateMachine, type Decision } from '../fold/state-machine.js'
import { answered, coordinatorError } from '../fold/coordinator-errors.js'
import {
  KeptTransactions,
  transactionRecord,
  transactionTombstone,
  type Transaction,
} from './kept-transactions.js'
import {
  answerToEnd,
  isPrepared,
  TRANSACTION_STATES,
  type TransactionState,
} from './transaction-states.js'

/** The last epoch of a transactional producer: the markers of its end may have one more. */
export const TRANSACTIONAL_EPOCH_MAX = PRODUCER_EPOCH_MAX - 1
/** The server's own ends, after a time-out or for a newer producer, are as Kafka's (KIP-890). */
const SERVER_VERSION = 2
const TRANSACTIONAL_IDS_MAX = 100_000

export interface TransactionSettings {
  /** transaction.max.timeout.ms */
  readonly transactionMaxTimeoutMs: number
  /** transactional.id.expiration.ms */
  readonly transactionalIdExpirationMs: number
}

export interface TransactionCoordinatorOptions {
  readonly clock: Clock
  readonly settings: TransactionSettings
  /** Called when the outcome of a transaction is committed: its markers have to be written. */
  readonly onPrepared: () => void
}

/** A producer as it names itself. */
export interface TransactionalProducer {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
}

export interface InitRequest extends TransactionalProducer {
  readonly timeoutMs: number
  /** An id that was never used, for a producer that needs one. */
  readonly freshProducerId: number
}

export interface EndRequest extends TransactionalProducer {
  readonly isCommit: boolean
  /** transaction.version of the client: 1 or 2. */
  readonly clientVersion: number
  /** An id that was never used, for a producer that needs one. */
  readonly freshProducerId: number
}

export type ProducerIdAndEpoch = Pick<TransactionalProducer, 'producerId' | 'producerEpoch'>

export class TransactionCoordinator {
  readonly #machine: StateMachine<KeptTransactions>
  readonly #options: TransactionCoordinatorOptions
  /** What a producer named when it got its current epoch: a request whose answer was lost. */
  readonly #renewed = new Map<string, ProducerIdAndEpoch>()
  #resignedWith: PartlogError | undefined

  private constructor(
    machine: StateMachine<KeptTransactions>,
    options: TransactionCoordinatorOptions,
  ) {
    this.#machine = machine
    this.#options = options
  }

  static async load(
    journal: Journal,
    options: TransactionCoordinatorOptions,
  ): Promise<TransactionCoordinator> {
    const machine = await StateMachine.load(journal, new KeptTransactions())
    return new TransactionCoordinator(machine, options)
  }

  /** Stops coordinating: every later request fails with `error`. */
  resign(error: PartlogError): void {
    assert(this.#resignedWith === undefined, 'a coordinator resigns once')
    this.#resignedWith = error
  }

  /** Transactions whose end markers may not be written yet. */
  get prepared(): Transaction[] {
    return [...this.#machine.state.all].filter(({ state }) => isPrepared(state))
  }

  // ── producers ──────────────────────────────────────────────────────────────────────────

  /**
   * Gives the producer its id and a new epoch, which fences every older instance. An open
   * transaction is aborted first: that throws CONCURRENT_TRANSACTIONS, and the producer asks again.
   */
  async initProducer(request: InitRequest): Promise<ProducerIdAndEpoch> {
    const { transactionalId, timeoutMs } = request
    checkTransactionalId(transactionalId)
    const { transactionMaxTimeoutMs: most } = this.#options.settings
    if (!(timeoutMs > 0 && timeoutMs <= most)) {
      const sentence = `transaction time-out ${timeoutMs} ms: expected 1 to ${most}`
      throw new PartlogError('INVALID_TRANSACTION_TIMEOUT', sentence)
    }
    const aborted = await this.#run(state => this.#init(state, request))
    if (!('state' in aborted) || !isPrepared(aborted.state)) return aborted
    this.#options.onPrepared()
    throw concurrent(transactionalId, 'its open transaction is being aborted')
  }

  #init(
    state: KeptTransactions,
    request: InitRequest,
  ): Decision<ProducerIdAndEpoch | Transaction> {
    const { transactionalId, timeoutMs, freshProducerId } = request
    const known = state.find(transactionalId)
    if (known === undefined) this.#checkRoom(state)
    else if (this.#isRepeated(known, request)) return { records: [], answer: known }
    else checkContinues(known, request)
    if (known !== undefined && isPrepared(known.state)) throw concurrent(transactionalId)
    if (known?.state === 'Ongoing') return this.#ended(fenced(known), false)
    const producer =
      known === undefined
        ? { producerId: freshProducerId, producerEpoch: 0 }
        : nextEpoch(known, freshProducerId)
    if (request.producerEpoch === NONE) this.#renewed.delete(transactionalId)
    else this.#renewed.set(transactionalId, request)
    const updatedAt = this.#options.clock.now()
    const rest = { state: 'Empty', partitions: [], startedAt: NONE, updatedAt } as const
    const ids = { previousProducerId: (known ?? producer).producerId, nextProducerId: NONE }
    const clientVersion = known?.clientVersion ?? 0
    const base = { transactionalId, ...producer, ...ids, timeoutMs, clientVersion }
    const empty: Transaction = { ...base, ...rest }
    return { records: [transactionRecord(empty)], answer: producer }
  }

  /** The producer got its epoch by this very request, and asks again (KIP-360). */
  #isRepeated(known: Transaction, { producerId, producerEpoch }: InitRequest): boolean {
    const before = this.#renewed.get(known.transactionalId)
    if (before === undefined || known.state !== 'Empty' || producerEpoch === NONE) return false
    return before.producerId === producerId && before.producerEpoch === producerEpoch
  }

  #checkRoom(state: KeptTransactions): void {
    if (state.size < TRANSACTIONAL_IDS_MAX) return
    const sentence = `a coordinator keeps at most ${TRANSACTIONAL_IDS_MAX} transactional ids`
    throw new PartlogError('POLICY_VIOLATION', sentence)
  }

  // ── transactions ───────────────────────────────────────────────────────────────────────

  /**
   * Adds partitions to the transaction, which begins with the first of them. Throws
   * CONCURRENT_TRANSACTIONS while the one before it is being ended.
   */
  async addPartitions(
    producer: TransactionalProducer,
    partitions: readonly TopicPartition[],
    clientVersion: number,
  ): Promise<void> {
    await this.#run(state => {
      const known = found(state, producer)
      if (!TRANSACTION_STATES[known.state].takesPartitions) {
        throw concurrent(producer.transactionalId)
      }
      const isOpen = known.state === 'Ongoing'
      const kept = isOpen ? known.partitions : []
      const names = new Set(kept.map(partitionName))
      const added = partitions.filter(each => !names.has(partitionName(each)))
      if (added.length === 0 && isOpen) return { records: [], answer: undefined }
      const now = this.#options.clock.now()
      const startedAt = isOpen ? known.startedAt : now
      const previousProducerId = known.producerId
      const open = { ...known, previousProducerId, startedAt, updatedAt: now, clientVersion }
      const ongoing = { ...open, partitions: [...kept, ...added], state: 'Ongoing' } as const
      return { records: [transactionRecord(ongoing)], answer: undefined }
    })
  }

  /** Which of these partitions belong to the producer's open transaction. */
  async belonging(
    producer: TransactionalProducer,
    partitions: readonly TopicPartition[],
  ): Promise<readonly TopicPartition[]> {
    return await this.#run(state => {
      const known = found(state, producer)
      if (isPrepared(known.state)) throw concurrent(producer.transactionalId)
      const names = new Set(known.state === 'Ongoing' ? known.partitions.map(partitionName) : [])
      return { records: [], answer: partitions.filter(each => names.has(partitionName(each))) }
    })
  }

  /**
   * Resolves when the outcome is committed, with what the producer is from then on; the markers
   * follow.
   */
  async end(request: EndRequest): Promise<ProducerIdAndEpoch> {
    const after = await this.#run<Transaction>(state => {
      const known = endable(state, request)
      const answer = answerTo(known, request)
      if (answer === 'again') throw concurrent(request.transactionalId)
      if (answer === 'done') return { records: [], answer: known }
      if (answer === 'yes') return this.#ended(ending(known, request), request.isCommit)
      const what = `${known.state}: there is nothing to ${request.isCommit ? 'commit' : 'abort'}`
      const sentence = `${nameOfId(request.transactionalId)} is ${what}`
      throw new PartlogError('INVALID_TXN_STATE', sentence)
    })
    if (isPrepared(after.state)) this.#options.onPrepared()
    return nextProducer(after)
  }

  #ended(known: Transaction, isCommit: boolean): Decision<Transaction> {
    const { transactionalId, state: before } = known
    assert(!isPrepared(before), 'an outcome does not change', { transactionalId, before })
    const state: TransactionState = isCommit ? 'PrepareCommit' : 'PrepareAbort'
    const now = this.#options.clock.now()
    const previousProducerId = known.producerId
    // An end without partitions begins with itself.
    const isOpen = before === 'Ongoing'
    const begun = isOpen ? {} : { partitions: [], startedAt: now }
    const prepared = { ...known, ...begun, previousProducerId, state, updatedAt: now }
    return { records: [transactionRecord(prepared)], answer: prepared }
  }

  /** All end markers of a prepared transaction are written. */
  async complete({ transactionalId, producerEpoch }: Transaction): Promise<void> {
    await this.#run(state => {
      const known = state.find(transactionalId)
      const isMeant = known?.producerEpoch === producerEpoch && isPrepared(known.state)
      if (!isMeant) return { records: [], answer: undefined }
      const isCommit = known.state === 'PrepareCommit'
      const now = this.#options.clock.now()
      const ids = { previousProducerId: known.producerId, nextProducerId: NONE }
      const done = { ...known, ...nextProducer(known), ...ids, partitions: [], updatedAt: now }
      const after: TransactionState = isCommit ? 'CompleteCommit' : 'CompleteAbort'
      return { records: [transactionRecord({ ...done, state: after })], answer: undefined }
    })
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────

  /** Aborts transactions that have been open for longer than their time-out, with a new epoch. */
  async abortTimedOut(): Promise<void> {
    const now = this.#options.clock.now()
    const late = [...this.#machine.state.all].filter(
      ({ state, startedAt, timeoutMs }) => state === 'Ongoing' && startedAt + timeoutMs < now,
    )
    for (const { transactionalId, startedAt } of late) {
      const prepared = await this.#run(state => {
        const known = state.find(transactionalId)
        const isMeant = known?.state === 'Ongoing' && known.startedAt === startedAt
        if (!isMeant) return { records: [], answer: undefined }
        return this.#ended(fenced(known), false)
      })
      if (prepared !== undefined) this.#options.onPrepared()
    }
  }

  /** Forgets ids without a transaction that nothing has used for long. */
  async expireIds(): Promise<void> {
    const { clock, settings } = this.#options
    const oldest = clock.now() - settings.transactionalIdExpirationMs
    await this.#run(state => {
      const old = [...state.all].filter(
        each => each.state !== 'Ongoing' && !isPrepared(each.state) && each.updatedAt <= oldest,
      )
      const records = old.map(({ transactionalId }) => transactionTombstone(transactionalId))
      for (const { transactionalId } of old) this.#renewed.delete(transactionalId)
      return { records, answer: undefined }
    })
  }

  // ── views ──────────────────────────────────────────────────────────────────────────────

  /** Every transactional id. */
  get transactions(): readonly Transaction[] {
    this.#checkNotResigned()
    return [...this.#machine.state.all]
  }

  /** Throws TRANSACTIONAL_ID_NOT_FOUND. */
  describe(transactionalId: string): Transaction {
    this.#checkNotResigned()
    const known = this.#machine.state.find(transactionalId)
    if (known !== undefined) return known
    const sentence = `${nameOfId(transactionalId)} is not known`
    throw new PartlogError('TRANSACTIONAL_ID_NOT_FOUND', sentence)
  }

  #checkNotResigned(): void {
    if (this.#resignedWith !== undefined) throw this.#resignedWith
  }

  async #run<T>(decide: (state: KeptTransactions) => Decision<T>): Promise<T> {
    this.#checkNotResigned()
    try {
      return await answered(this.#machine.run(decide), this.#options.clock)
    } catch (error) {
      throw coordinatorError(toPartlogError(error))
    }
  }
}

export function checkTransactionalId(transactionalId: string): void {
  if (transactionalId !== '') return
  throw new PartlogError('INVALID_REQUEST', 'transactional id: expected a name, got ""')
}

const nameOfId = (transactionalId: string): string => `transactional id "${transactionalId}"`

/** The id and its producer. Throws INVALID_PRODUCER_ID_MAPPING or PRODUCER_FENCED. */
function found(state: KeptTransactions, producer: TransactionalProducer): Transaction {
  const { transactionalId, producerId } = producer
  checkTransactionalId(transactionalId)
  const known = state.find(transactionalId)
  if (known?.nextProducerId === producerId && producerId !== NONE) {
    throw concurrent(transactionalId)
  }
  if (known === undefined || known.producerId !== producerId) throw unmapped(known, producer)
  checkEpoch(known, producer)
  return known
}

function unmapped(known: Transaction | undefined, producer: TransactionalProducer): PartlogError {
  const owner = known === undefined ? 'no producer' : `producer ${known.producerId}`
  const { transactionalId, producerId } = producer
  const sentence = `${nameOfId(transactionalId)} belongs to ${owner}, not to ${producerId}`
  return new PartlogError('INVALID_PRODUCER_ID_MAPPING', sentence)
}

/** The id of a producer that ends a transaction, perhaps by a request that it repeats. */
function endable(state: KeptTransactions, request: EndRequest): Transaction {
  const known = state.find(request.transactionalId)
  if (known !== undefined && isRepeatedEnd(known, request)) return known
  return found(state, request)
}

/** The producer has its next epoch, or its next id, by this very request, and asks again. */
function isRepeatedEnd(known: Transaction, { producerId, producerEpoch }: EndRequest): boolean {
  if (known.clientVersion < 2 || known.state === 'Empty' || known.state === 'Ongoing') return false
  if (known.producerId === producerId) return known.producerEpoch === producerEpoch + 1
  const isLastEpoch = producerEpoch === TRANSACTIONAL_EPOCH_MAX && known.producerEpoch === 0
  return isLastEpoch && known.previousProducerId === producerId
}

function answerTo(known: Transaction, request: EndRequest) {
  const { isCommit, clientVersion } = request
  if (clientVersion >= 2 && !isRepeatedEnd(known, request)) {
    return answerToEnd(known.state, isCommit)
  }
  const row = TRANSACTION_STATES[known.state]
  return isCommit ? row.commit : row.abort
}

/** The transaction with the epoch of its end markers. */
function ending(known: Transaction, { clientVersion, freshProducerId }: EndRequest): Transaction {
  if (clientVersion < 2) return { ...known, clientVersion }
  const nextProducerId = known.producerEpoch >= TRANSACTIONAL_EPOCH_MAX ? freshProducerId : NONE
  return { ...known, producerEpoch: known.producerEpoch + 1, nextProducerId, clientVersion }
}

/** What the producer is after an end. */
function nextProducer({ producerId, producerEpoch, nextProducerId }: Transaction) {
  if (nextProducerId === NONE) return { producerId, producerEpoch }
  return { producerId: nextProducerId, producerEpoch: 0 }
}

function checkEpoch(known: Transaction, { producerId, producerEpoch }: ProducerIdAndEpoch): void {
  if (known.producerId === producerId && known.producerEpoch === producerEpoch) return
  const { transactionalId } = known
  throw new PartlogError(
    'PRODUCER_FENCED',
    `${nameOfId(transactionalId)} is used by producer ${known.producerId} in epoch ` +
      `${known.producerEpoch} now: producer ${producerId} in epoch ${producerEpoch} is fenced`,
  )
}

/** A producer that names its id continues: it must not have been fenced since. */
function checkContinues(known: Transaction, producer: ProducerIdAndEpoch): void {
  if (producer.producerEpoch === NONE) return
  checkEpoch(known, producer)
}

function nextEpoch(
  { producerId, producerEpoch }: Transaction,
  freshProducerId: number,
): ProducerIdAndEpoch {
  const isLast = producerEpoch >= TRANSACTIONAL_EPOCH_MAX
  if (isLast) return { producerId: freshProducerId, producerEpoch: 0 }
  return { producerId, producerEpoch: producerEpoch + 1 }
}

/**
 * The open transaction with epochs that its producer does not know, so that this one can no more
 * end it, not even by repeating a request: it would be in the epoch before. If there is no room for
 * two, the end counts as one of version 1, which compares epochs for equality.
 */
function fenced(known: Transaction): Transaction {
  const producerEpoch = Math.min(known.producerEpoch + 2, PRODUCER_EPOCH_MAX)
  const isRoomy = producerEpoch === known.producerEpoch + 2
  return { ...known, producerEpoch, clientVersion: isRoomy ? SERVER_VERSION : 1 }
}

function concurrent(
  transactionalId: string,
  why = 'its last transaction is being ended',
): PartlogError {
  const sentence = `${nameOfId(transactionalId)}: ${why}, try again`
  return new PartlogError('CONCURRENT_TRANSACTIONS', sentence)
}

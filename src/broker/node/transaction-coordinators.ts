/*
 * The transaction coordinators of one broker, one for each partition of `__transaction_state` that
 * it leads, and what they ask of other brokers: to write end markers, to verify transactions.
 */

import { sleep } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import type { Transaction } from '../../coordinator/transactions/kept-transactions.js'
import {
  TransactionCoordinator,
  type TransactionalProducer,
  type TransactionSettings,
} from '../../coordinator/transactions/transaction-coordinator.js'
import { errorOf, isPartlogError, PartlogError, type ErrorCode } from '../../model/errors.js'
import { partitionKey, TRANSACTIONS_TOPIC, type TopicPartition } from '../../model/names.js'
import type { Partition } from '../../partition/partition.js'
import type { ApiName, Request, Response } from '../../protocol/api.js'
import { Coordinators, type CoordinatorsOptions } from './coordinators.js'
import { EndMarkers } from './end-markers.js'
import { PartitionJournal } from './partition-journal.js'

export interface TransactionCoordinatorsOptions extends CoordinatorsOptions {
  readonly random: Random
  readonly logger: Logger
  readonly settings: TransactionSettings
  /** Asks a broker, this one or another. */
  readonly ask: <A extends ApiName>(
    nodeId: number,
    api: A,
    request: Request<A>,
  ) => Promise<Response<A>>
}

/** Completes the transactions of one coordinator in the background. */
class Completion {
  readonly #coordinator: TransactionCoordinator
  readonly #write: (transaction: Transaction) => Promise<void>
  readonly #onError: (error: unknown) => void
  /** Transactional ids whose markers are being written. */
  readonly #underWay = new Set<string>()

  constructor(
    coordinator: TransactionCoordinator,
    write: (transaction: Transaction) => Promise<void>,
    onError: (error: unknown) => void,
  ) {
    this.#coordinator = coordinator
    this.#write = write
    this.#onError = onError
  }

  /** Completes every prepared transaction that is not being completed already. */
  resume(): void {
    for (const transaction of this.#coordinator.prepared) {
      const { transactionalId } = transaction
      if (this.#underWay.has(transactionalId)) continue
      this.#underWay.add(transactionalId)
      this.#complete(transaction)
        .catch(this.#onError)
        .finally(() => this.#underWay.delete(transactionalId))
    }
  }

  async #complete(transaction: Transaction): Promise<void> {
    await this.#write(transaction)
    await this.#coordinator.complete(transaction)
  }
}

export class TransactionCoordinators extends Coordinators<TransactionCoordinator> {
  readonly #options: TransactionCoordinatorsOptions
  readonly #ending: AbortController
  readonly #completions: WeakMap<TransactionCoordinator, Completion>

  constructor(options: TransactionCoordinatorsOptions) {
    const ending = new AbortController()
    const completions = new WeakMap<TransactionCoordinator, Completion>()
    super(options, {
      topic: TRANSACTIONS_TOPIC,
      nameOf: id => `transactional id "${id}"`,
      load: async partition => {
        const { leaderEpoch } = partition
        const coordinator = await load(options, partition, () => {
          completions.get(coordinator)?.resume()
        })
        const completion = completionOf(options, coordinator, leaderEpoch, ending.signal)
        completions.set(coordinator, completion)
        return coordinator
      },
      onLoaded: coordinator => completions.get(coordinator)?.resume(),
    })
    this.#options = options
    this.#ending = ending
    this.#completions = completions
  }

  /** Called after a metadata change: loads and resigns coordinators. */
  follow(): void {
    this.followLeaderships()
  }

  override stop(): void {
    super.stop()
    this.#ending.abort(new PartlogError('CLOSED', `broker ${this.#options.nodeId} is closed`))
  }

  /** Aborts transactions that time out, and completes those that could not be completed yet. */
  async abortTimedOut(): Promise<void> {
    for (const coordinator of this.loaded) {
      this.#completions.get(coordinator)?.resume()
      await coordinator.abortTimedOut()
    }
  }

  /** Forgets transactional ids that nothing has used for long. */
  async expireIds(): Promise<void> {
    await Promise.all(this.loaded.map(coordinator => coordinator.expireIds()))
  }

  /**
   * Throws unless the partition belongs to the producer's open transaction (KIP-890): a late write
   * must not open a transaction that nothing will end. The codes are those that producers of every
   * age understand.
   */
  async verify(producer: TransactionalProducer, place: TopicPartition): Promise<void> {
    const code = await this.#askFor(producer, place, true)
    const name = partitionKey(place.topic, place.partition)
    if (code !== 'NONE') throw unverified(producer, code, name)
  }

  /**
   * Adds the partition to the producer's transaction, which begins if none is open (KIP-890). Waits
   * a moment while the one before it is being ended; then throws CONCURRENT_TRANSACTIONS, and the
   * producer tries again.
   */
  async add(producer: TransactionalProducer, place: TopicPartition): Promise<void> {
    const { clock } = this.#options
    const untilMs = clock.monotonicMs() + ADD_RETRY.forMs
    let code = await this.#askFor(producer, place, false)
    while (code === 'CONCURRENT_TRANSACTIONS' && clock.monotonicMs() < untilMs) {
      await sleep(clock, ADD_RETRY.pauseMs, this.#ending.signal)
      code = await this.#askFor(producer, place, false)
    }
    if (code === 'NONE') return
    const name = partitionKey(place.topic, place.partition)
    if (code !== 'CONCURRENT_TRANSACTIONS') throw unverified(producer, code, name)
    const sentence = `${name}: the last transaction of "${producer.transactionalId}" is being ended`
    throw new PartlogError(code, `${sentence}, try again`)
  }

  async #askFor(
    producer: TransactionalProducer,
    { topic, partition }: TopicPartition,
    verifyOnly: boolean,
  ): Promise<ErrorCode> {
    const topics = [{ name: topic, partitions: [partition] }]
    const request = { transactions: [{ ...producer, verifyOnly, topics }] }
    try {
      const coordinator = await this.brokerOf(producer.transactionalId)
      const answer = await this.#options.ask(coordinator, 'AddPartitionsToTxn', request)
      const [result] = answer.resultsByTransaction[0]?.topicResults ?? []
      return errorOf(result?.resultsByPartition[0]?.partitionErrorCode ?? answer.errorCode ?? -1)
    } catch (error) {
      const name = partitionKey(topic, partition)
      const sentence = `${name}: the transaction's coordinator could not be asked, try again`
      throw new PartlogError('NOT_ENOUGH_REPLICAS', sentence, { cause: error })
    }
  }
}

/** How a partition is added while the transaction before is being ended: Kafka's pauses. */
const ADD_RETRY = { pauseMs: 20, forMs: 100 } as const

function unverified(
  { transactionalId, producerId, producerEpoch }: TransactionalProducer,
  code: ErrorCode,
  place: string,
): PartlogError {
  const name = `producer ${producerId} in epoch ${producerEpoch} ("${transactionalId}")`
  if (code === 'TRANSACTION_ABORTABLE') {
    return new PartlogError(code, `${place} does not belong to an open transaction of ${name}`)
  }
  if (code === 'PRODUCER_FENCED' || code === 'INVALID_PRODUCER_EPOCH') {
    return new PartlogError('INVALID_PRODUCER_EPOCH', `${place}: ${name} is fenced`)
  }
  if (code === 'INVALID_PRODUCER_ID_MAPPING') {
    return new PartlogError(code, `${place}: "${transactionalId}" belongs to another producer`)
  }
  const sentence = `${place}: the transaction of ${name} could not be verified yet (${code})`
  return new PartlogError('NOT_ENOUGH_REPLICAS', sentence)
}

async function load(
  { clock, settings }: TransactionCoordinatorsOptions,
  partition: Partition,
  onPrepared: () => void,
): Promise<TransactionCoordinator> {
  const journal = new PartitionJournal(partition, clock)
  return await TransactionCoordinator.load(journal, { clock, settings, onPrepared })
}

function completionOf(
  { clock, random, logger, image, ask }: TransactionCoordinatorsOptions,
  coordinator: TransactionCoordinator,
  leaderEpoch: number,
  signal: AbortSignal,
): Completion {
  const markers = new EndMarkers({
    clock,
    random,
    logger,
    image,
    ask: (nodeId, request) => ask(nodeId, 'WriteTxnMarkers', request),
  })
  const write = (transaction: Transaction): Promise<void> =>
    markers.write(transaction, leaderEpoch, signal)
  return new Completion(coordinator, write, error => {
    // A coordinator that resigned leaves the rest to the next one, which loads the same records.
    if (signal.aborted || isPartlogError(error, 'NOT_COORDINATOR')) return
    logger.warn('a transaction could not be completed yet, will retry', { error })
  })
}

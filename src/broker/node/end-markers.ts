/*
 * Writes the end of a transaction into every partition that it has touched: asks each leader until
 * all have it, however long brokers are away. The outcome is in the coordinator's log by then, so
 * every repetition writes the same.
 */

import { assert } from '../../base/assert.js'
import { backoffMs } from '../../base/backoff.js'
import { sleep, type Clock } from '../../base/clock.js'
import { grouped } from '../../base/grouped.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import type { ClusterImage } from '../../coordinator/metadata/cluster-image.js'
import type { Transaction } from '../../coordinator/transactions/kept-transactions.js'
import { isPrepared } from '../../coordinator/transactions/transaction-states.js'
import { errorOf, type ErrorCode } from '../../model/errors.js'
import {
  numbersByTopic,
  partitionKey,
  partitionName,
  type TopicPartition,
} from '../../model/names.js'
import { NONE } from '../../model/units.js'
import type { Request, Response } from '../../protocol/api.js'

const BACKOFF = { retryBackoffMs: 100, retryBackoffMaxMs: 1_000 }
/** After this many rounds a warning names the partitions that are missing. */
const ROUNDS_TO_WARN = 10

/** The partition has the end of this transaction, or of a later one, or needs none. */
const SETTLED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NONE',
  'INVALID_PRODUCER_EPOCH',
  'TRANSACTION_COORDINATOR_FENCED',
])

export interface EndMarkersOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly image: () => ClusterImage
  /** Asks a broker, this one or another. */
  readonly ask: (
    nodeId: number,
    request: Request<'WriteTxnMarkers'>,
  ) => Promise<Response<'WriteTxnMarkers'>>
}

export class EndMarkers {
  readonly #options: EndMarkersOptions

  constructor(options: EndMarkersOptions) {
    this.#options = options
  }

  /** Resolves when every partition has the marker. Rejects only when `signal` aborts. */
  async write(
    transaction: Transaction,
    coordinatorEpoch: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, random, logger } = this.#options
    const { transactionalId, state } = transaction
    assert(isPrepared(state), 'the outcome is decided', { transactionalId, state })
    let missing = transaction.partitions
    for (let round = 1; ; round++) {
      signal.throwIfAborted()
      missing = await this.#round(transaction, coordinatorEpoch, missing)
      if (missing.length === 0) return
      if (round === ROUNDS_TO_WARN) {
        const names = missing.map(partitionName).join(', ')
        const what = `the end of a transaction of "${transactionalId}"`
        logger.warn(`${what} is not written to ${names} yet`)
      }
      await sleep(clock, backoffMs(BACKOFF, round, random), signal)
    }
  }

  /** Asks every leader once; resolves with the partitions that have no marker yet. */
  async #round(
    transaction: Transaction,
    coordinatorEpoch: number,
    wanted: readonly TopicPartition[],
  ): Promise<readonly TopicPartition[]> {
    const { topics } = this.#options.image()
    const partitionOf = ({ topic, partition }: TopicPartition) =>
      topics.get(topic)?.partitions[partition]
    // Partitions of deleted topics need no marker any more.
    const existing = wanted.filter(place => partitionOf(place) !== undefined)
    const byLeader = grouped(existing, place => partitionOf(place)?.leader ?? NONE)
    const rounds = [...byLeader].map(([leader, places]) =>
      leader < 0 ? places : this.#ask(leader, transaction, coordinatorEpoch, places),
    )
    return (await Promise.all(rounds)).flat()
  }

  async #ask(
    leader: number,
    { producerId, producerEpoch, state, clientVersion: transactionVersion }: Transaction,
    coordinatorEpoch: number,
    places: readonly TopicPartition[],
  ): Promise<readonly TopicPartition[]> {
    const topics = [...numbersByTopic(places)].map(([name, partitionIndexes]) => ({
      name,
      partitionIndexes,
    }))
    const transactionResult = state === 'PrepareCommit'
    const producer = { producerId, producerEpoch, coordinatorEpoch, transactionVersion }
    try {
      const request = { markers: [{ ...producer, transactionResult, topics }] }
      const { markers } = await this.#options.ask(leader, request)
      const settled = new Set(
        markers.flatMap(marker =>
          marker.topics.flatMap(({ name, partitions }) =>
            partitions
              .filter(({ errorCode }) => SETTLED.has(errorOf(errorCode)))
              .map(({ partitionIndex }) => partitionKey(name, partitionIndex)),
          ),
        ),
      )
      return places.filter(each => !settled.has(partitionName(each)))
    } catch {
      return places // the broker is away: another one may lead by the next round
    }
  }
}

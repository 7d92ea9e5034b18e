/*
 * The durable state of the transactional ids of one `__transaction_state` partition: a fold over
 * its records.
 */

import { assert } from '../../base/assert.js'
import { checkStep } from '../../base/states.js'
import { numbersByTopic, type TopicPartition } from '../../model/names.js'
import { PRODUCER_EPOCH_MAX } from '../../model/sequences.js'
import { NONE, type Timestamp } from '../../model/units.js'
import { decodeVersioned, encodeVersioned, kindOf } from '../../protocol/messages/group-records.js'
import {
  TRANSACTION_KIND,
  TRANSACTION_VALUE_VERSION,
  transactionKey,
  transactionValue,
} from '../../protocol/messages/transaction-records.js'
import type { JournalRecord } from '../fold/journal.js'
import type { Fold } from '../fold/state-machine.js'
import { stateOfId, TRANSACTION_STATES, type TransactionState } from './transaction-states.js'

/** A transactional id and its latest transaction. */
export interface Transaction {
  readonly transactionalId: string
  readonly producerId: number
  /** The id before `producerId`, which is the same but after a change of ids. */
  readonly previousProducerId: number
  /** The id of the next transaction, if this one has used the last epoch; else −1. */
  readonly nextProducerId: number
  /** −1 before the producer has its first epoch. */
  readonly producerEpoch: number
  /** transaction.timeout.ms: an open transaction is aborted after that time. */
  readonly timeoutMs: number
  readonly state: TransactionState
  /** Where the transaction has records, or has offsets to commit: there its end is written. */
  readonly partitions: readonly TopicPartition[]
  /** −1 if none has begun. */
  readonly startedAt: Timestamp
  readonly updatedAt: Timestamp
  /** transaction.version of the step: with 2, each end gives the producer its next epoch. */
  readonly clientVersion: number
}

export class KeptTransactions implements Fold {
  readonly #transactions = new Map<string, Transaction>()

  get all(): IterableIterator<Transaction> {
    return this.#transactions.values()
  }
  get size(): number {
    return this.#transactions.size
  }

  find(transactionalId: string): Transaction | undefined {
    return this.#transactions.get(transactionalId)
  }

  replay({ key, value }: JournalRecord): void {
    if (key === null || kindOf(key) !== TRANSACTION_KIND) return
    const { transactionalId } = decodeVersioned(transactionKey, key)
    const before = this.#transactions.get(transactionalId)
    const after = value === null ? undefined : decoded(transactionalId, value)
    if (after === undefined) {
      this.#transactions.delete(transactionalId)
      return
    }
    // Compaction leaves out steps; only within one producer epoch each step has its record.
    const isSame = before?.producerEpoch === after.producerEpoch && before.state !== after.state
    if (isSame) checkStep(TRANSACTION_STATES, before.state, after.state)
    this.#transactions.set(transactionalId, after)
  }
}

/** A value of a state that is not kept here (Dead) deletes the id. */
function decoded(transactionalId: string, bytes: Uint8Array): Transaction | undefined {
  const value = decodeVersioned(transactionValue, bytes)
  const state = stateOfId(value.transactionStatus)
  if (state === undefined) return undefined
  const topics = value.transactionPartitions ?? []
  return {
    transactionalId,
    producerId: value.producerId,
    previousProducerId: value.previousProducerId ?? NONE,
    nextProducerId: value.nextProducerId ?? NONE,
    producerEpoch: value.producerEpoch,
    timeoutMs: value.transactionTimeoutMs,
    state,
    partitions: topics.flatMap(({ topic, partitionIds }) =>
      partitionIds.map(partition => ({ topic, partition })),
    ),
    startedAt: value.transactionStartTimestampMs,
    updatedAt: value.transactionLastUpdateTimestampMs,
    clientVersion: value.clientTransactionVersion ?? 0,
  }
}

export function transactionRecord(transaction: Transaction): JournalRecord {
  const { transactionalId, producerId, producerEpoch, timeoutMs, state } = transaction
  const isEpoch = producerEpoch >= 0 && producerEpoch <= PRODUCER_EPOCH_MAX
  assert(isEpoch, 'an epoch of the producer', { transactionalId, producerEpoch })
  assert(state !== 'Ongoing' || transaction.startedAt >= 0, 'it has begun', { transactionalId })
  const value = {
    producerId,
    previousProducerId: transaction.previousProducerId,
    nextProducerId: transaction.nextProducerId,
    clientTransactionVersion: transaction.clientVersion,
    producerEpoch,
    transactionTimeoutMs: timeoutMs,
    transactionStatus: TRANSACTION_STATES[state].id,
    // As in Kafka: null while there is no transaction.
    transactionPartitions: state === 'Empty' ? null : byTopic(transaction.partitions),
    transactionLastUpdateTimestampMs: transaction.updatedAt,
    transactionStartTimestampMs: transaction.startedAt,
  }
  return {
    key: keyOf(transactionalId),
    value: encodeVersioned(transactionValue, value, TRANSACTION_VALUE_VERSION),
  }
}

/** Deletes a transactional id. */
export function transactionTombstone(transactionalId: string): JournalRecord {
  return { key: keyOf(transactionalId), value: null }
}

function keyOf(transactionalId: string): Buffer {
  return encodeVersioned(transactionKey, { transactionalId }, TRANSACTION_KIND)
}

function byTopic(partitions: readonly TopicPartition[]) {
  const topics = numbersByTopic(partitions)
  return [...topics].map(([topic, partitionIds]) => ({ topic, partitionIds }))
}

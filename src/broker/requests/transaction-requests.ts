/*
 * InitProducerId with a transactional id, AddPartitionsToTxn and EndTxn (v0–v5), AddOffsetsToTxn
 * (v0–v4), ListTransactions and DescribeTransactions. The broker that leads a transactional id's
 * partition of `__transaction_state` coordinates it.
 */

import {
  checkTransactionalId,
  TRANSACTIONAL_EPOCH_MAX,
} from '../../coordinator/transactions/transaction-coordinator.js'
import type { Transaction } from '../../coordinator/transactions/kept-transactions.js'
import { isStateName } from '../../coordinator/transactions/transaction-states.js'
import { errorId } from '../../model/errors.js'
import { namePattern } from '../../model/name-patterns.js'
import {
  numbersByTopic,
  OFFSETS_TOPIC,
  partitionName,
  type TopicPartition,
} from '../../model/names.js'
import { NONE } from '../../model/units.js'
import type {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../protocol/messages/producer-ids.js'
import type {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
  EndTxnRequest,
  EndTxnResponse,
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../../protocol/messages/transactions.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'

export async function initTransactionalProducer(
  broker: BrokerContext,
  request: InitProducerIdRequest & { readonly transactionalId: string },
): Promise<InitProducerIdResponse> {
  const { transactionalId, transactionTimeoutMs: timeoutMs = 0 } = request
  const { producerId = NONE, producerEpoch = NONE } = request
  try {
    checkTransactionalId(transactionalId)
    const coordinator = await broker.transactions.of(transactionalId)
    const freshProducerId = await broker.producerIds.next()
    const named = { transactionalId, producerId, producerEpoch, timeoutMs, freshProducerId }
    const given = await coordinator.initProducer(named)
    return { ...NO_ERROR, producerId: given.producerId, producerEpoch: given.producerEpoch }
  } catch (error) {
    return { ...errorFields(error), producerId: NONE, producerEpoch: NONE }
  }
}

// ── AddPartitionsToTxn ───────────────────────────────────────────────────────────────────

type Asked = AddPartitionsToTxnRequest['transactions'][number]
type TopicResults =
  AddPartitionsToTxnResponse['resultsByTransaction'][number]['topicResults']

export async function addPartitionsToTxn(
  broker: BrokerContext,
  { transactions, clientVersion = 2 }: AddPartitionsToTxnRequest,
): Promise<AddPartitionsToTxnResponse> {
  const results = transactions.map(async asked => {
    const { transactionalId, verifyOnly = false } = asked
    const topicResults = verifyOnly
      ? await verified(broker, asked)
      : await added(broker, asked, clientVersion)
    return { transactionalId, topicResults }
  })
  return { errorCode: 0, resultsByTransaction: await Promise.all(results) }
}

/** All partitions are added or none. */
async function added(
  broker: BrokerContext,
  asked: Asked,
  clientVersion: number,
): Promise<TopicResults> {
  const partitions = partitionsOf(asked)
  const unknown = partitions.filter(({ topic, partition }) => {
    return broker.controller.image.topics.get(topic)?.partitions[partition] === undefined
  })
  if (unknown.length > 0) {
    const names = new Set(unknown.map(partitionName))
    return resultsOf(asked, each =>
      names.has(partitionName(each)) ? UNKNOWN_PARTITION : NOT_ATTEMPTED,
    )
  }
  try {
    const coordinator = await broker.transactions.of(asked.transactionalId)
    await coordinator.addPartitions(asked, partitions, clientVersion)
    return resultsOf(asked, () => 0)
  } catch (error) {
    const { errorCode } = errorFields(error)
    return resultsOf(asked, () => errorCode)
  }
}

async function verified(broker: BrokerContext, asked: Asked): Promise<TopicResults> {
  try {
    const coordinator = await broker.transactions.of(asked.transactionalId)
    const belonging = await coordinator.belonging(asked, partitionsOf(asked))
    const names = new Set(belonging.map(partitionName))
    return resultsOf(asked, each => (names.has(partitionName(each)) ? 0 : NOT_IN_TRANSACTION))
  } catch (error) {
    const { errorCode } = errorFields(error)
    return resultsOf(asked, () => errorCode)
  }
}

const UNKNOWN_PARTITION = errorId('UNKNOWN_TOPIC_OR_PARTITION')
const NOT_ATTEMPTED = errorId('OPERATION_NOT_ATTEMPTED')
const NOT_IN_TRANSACTION = errorId('TRANSACTION_ABORTABLE')


function partitionsOf({ topics }: Asked): TopicPartition[] {
  return topics.flatMap(({ name: topic, partitions }) =>
    partitions.map(partition => ({ topic, partition })),
  )
}

function resultsOf({ topics }: Asked, codeOf: (place: TopicPartition) => number): TopicResults {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map(partitionIndex => ({
      partitionIndex,
      partitionErrorCode: codeOf({ topic: name, partition: partitionIndex }),
    })),
  }))
}

// ── AddOffsetsToTxn, EndTxn ──────────────────────────────────────────────────────────────

/** The offsets of a group belong to the transaction: its end is written to their partition. */
export async function addOffsetsToTxn(
  broker: BrokerContext,
  request: AddOffsetsToTxnRequest,
): Promise<AddOffsetsToTxnResponse> {
  try {
    const coordinator = await broker.transactions.of(request.transactionalId)
    const partition = await broker.groups.partitionOf(request.groupId)
    const place = { topic: OFFSETS_TOPIC, partition }
    // A client of version 2 leaves this to the group's coordinator.
    await coordinator.addPartitions(request, [place], 1)
    return NO_ERROR
  } catch (error) {
    return errorFields(error)
  }
}

export async function endTxn(
  broker: BrokerContext,
  request: EndTxnRequest,
): Promise<EndTxnResponse> {
  const { transactionalId, producerId, producerEpoch, committed: isCommit } = request
  const { clientVersion = 2 } = request
  try {
    const coordinator = await broker.transactions.of(transactionalId)
    const isLastEpoch = producerEpoch >= TRANSACTIONAL_EPOCH_MAX
    const freshProducerId = isLastEpoch ? await broker.producerIds.next() : NONE
    const producer = { transactionalId, producerId, producerEpoch }
    const next = await coordinator.end({ ...producer, isCommit, clientVersion, freshProducerId })
    return { ...NO_ERROR, ...next }
  } catch (error) {
    return errorFields(error)
  }
}

// ── tools ────────────────────────────────────────────────────────────────────────────────

export async function listTransactions(
  broker: BrokerContext,
  request: ListTransactionsRequest,
): Promise<ListTransactionsResponse> {
  const { stateFilters, producerIdFilters } = request
  const unknownStateFilters = stateFilters.filter(state => !isStateName(state))
  try {
    const coordinators = await broker.transactions.all()
    const isWanted = filterOf(request, broker.clock.now())
    const wanted = coordinators.flatMap(({ transactions }) => transactions.filter(isWanted))
    const transactionStates = wanted
      .filter(each => producerIdFilters.length === 0 || producerIdFilters.includes(each.producerId))
      .map(({ transactionalId, producerId, state: transactionState }) => {
        return { transactionalId, producerId, transactionState }
      })
    return { errorCode: 0, unknownStateFilters, transactionStates }
  } catch (error) {
    const { errorCode } = errorFields(error)
    return { errorCode, unknownStateFilters, transactionStates: [] }
  }
}

function filterOf(
  { stateFilters, durationFilter = NONE, transactionalIdPattern = null }: ListTransactionsRequest,
  now: number,
): (transaction: Transaction) => boolean {
  const text = transactionalIdPattern ?? ''
  const pattern = text === '' ? undefined : namePattern(text, 'transactional id pattern')
  return ({ transactionalId, state, startedAt }) => {
    if (stateFilters.length > 0 && !stateFilters.includes(state)) return false
    if (durationFilter >= 0 && !(startedAt >= 0 && now - startedAt > durationFilter)) return false
    return pattern === undefined || pattern.test(transactionalId)
  }
}

export async function describeTransactions(
  broker: BrokerContext,
  { transactionalIds }: DescribeTransactionsRequest,
): Promise<DescribeTransactionsResponse> {
  const states = transactionalIds.map(async transactionalId => {
    try {
      checkTransactionalId(transactionalId)
      const coordinator = await broker.transactions.of(transactionalId)
      return described(coordinator.describe(transactionalId))
    } catch (error) {
      const { errorCode } = errorFields(error)
      return { ...UNDESCRIBED, errorCode, transactionalId }
    }
  })
  return { transactionStates: await Promise.all(states) }
}

const UNDESCRIBED = {
  transactionState: '',
  transactionTimeoutMs: 0,
  transactionStartTimeMs: 0,
  producerId: 0,
  producerEpoch: 0,
  topics: [],
}

function described(transaction: Transaction) {
  const { transactionalId, state, timeoutMs, startedAt, producerId, producerEpoch } = transaction
  const topics = numbersByTopic(transaction.partitions)
  return {
    errorCode: 0,
    transactionalId,
    transactionState: state,
    transactionTimeoutMs: timeoutMs,
    transactionStartTimeMs: state === 'Empty' ? NONE : startedAt,
    producerId,
    producerEpoch,
    topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })),
  }
}

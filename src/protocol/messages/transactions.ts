/*
 * Transactions: producers add partitions and offsets to a transaction and end it, brokers write end
 * markers and ask whether a transaction is open, tools list and describe.
 */

import {
  array,
  bool,
  int16,
  int32,
  int64,
  int8,
  message,
  nullableString,
  required,
  since,
  string,
  struct,
  unsent,
  until,
  withDefault,
  type ValueOf,
} from '../schema.js'
import {
  errorCode,
  errorMessage,
  failure,
  groupId,
  partitionIndex,
  topicName,
} from './message-places.js'
import { withoutAbortable, type OlderVersions } from './older-versions.js'

/** What every request of a transactional producer begins with. */
const transaction = {
  transactionalId: string,
  producerId: int64,
  producerEpoch: int16,
}

// ── AddPartitionsToTxn ───────────────────────────────────────────────────────────────────

const ADD_RANGE = { versions: [0, 5], flexibleSince: 3 } as const

const topicsOfTransaction = array(struct({ name: topicName, partitions: array(int32) }))

/** Clients send versions 0 to 3, which are about one transaction; brokers the later ones. */
export const addPartitionsToTxnRequest = message('AddPartitionsToTxnRequest', ADD_RANGE, {
  transactions: required(
    since(
      4,
      array(
        struct({
          ...transaction,
          /** Whether to ask only if the partitions belong to the transaction. */
          verifyOnly: withDefault(bool, false),
          topics: topicsOfTransaction,
        }),
      ),
      [],
    ),
  ),
  v3AndBelowTransactionalId: until(3, string, ''),
  v3AndBelowProducerId: until(3, int64, 0),
  v3AndBelowProducerEpoch: until(3, int16, 0),
  v3AndBelowTopics: until(3, topicsOfTransaction, []),
  /** How the producers take part: brokers add for version 2, older clients for themselves. */
  clientVersion: unsent(2),
})

const topicResults = array(
  struct({
    name: topicName,
    resultsByPartition: array(struct({ partitionIndex, partitionErrorCode: errorCode })),
  }),
)

export const addPartitionsToTxnResponse = message('AddPartitionsToTxnResponse', ADD_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  errorCode: since(4, errorCode, 0),
  resultsByTransaction: required(
    since(4, array(struct({ transactionalId: string, topicResults })), []),
  ),
  resultsByTopicV3AndBelow: until(3, topicResults, []),
})

export type AddPartitionsToTxnRequest = ValueOf<typeof addPartitionsToTxnRequest>
export type AddPartitionsToTxnResponse = ValueOf<typeof addPartitionsToTxnResponse>

export const olderAddPartitionsToTxn: OlderVersions<
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse
> = [
  {
    until: 3,
    request: {
      lift: request => ({
        ...request,
        clientVersion: 1,
        transactions: [
          {
            transactionalId: request.v3AndBelowTransactionalId ?? '',
            producerId: request.v3AndBelowProducerId ?? 0,
            producerEpoch: request.v3AndBelowProducerEpoch ?? 0,
            topics: request.v3AndBelowTopics ?? [],
          },
        ],
      }),
      lower: request => {
        const [one] = request.transactions
        return {
          ...request,
          v3AndBelowTransactionalId: one?.transactionalId ?? '',
          v3AndBelowProducerId: one?.producerId ?? 0,
          v3AndBelowProducerEpoch: one?.producerEpoch ?? 0,
          v3AndBelowTopics: one?.topics ?? [],
        }
      },
    },
    response: {
      lift: ({ request, response }) => ({
        ...response,
        resultsByTransaction: [
          {
            transactionalId: request.transactions[0]?.transactionalId ?? '',
            topicResults: response.resultsByTopicV3AndBelow ?? [],
          },
        ],
      }),
      lower: ({ response }) => ({
        ...response,
        resultsByTopicV3AndBelow: response.resultsByTransaction[0]?.topicResults ?? [],
      }),
    },
  },
]

// ── AddOffsetsToTxn, EndTxn ──────────────────────────────────────────────────────────────

const SINGLE_RANGE = { versions: [0, 4], flexibleSince: 3 } as const

export const addOffsetsToTxnRequest = message('AddOffsetsToTxnRequest', SINGLE_RANGE, {
  ...transaction,
  groupId,
})

export const addOffsetsToTxnResponse = message('AddOffsetsToTxnResponse', SINGLE_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  ...failure,
})

const END_RANGE = { versions: [0, 5], flexibleSince: 3 } as const

export const endTxnRequest = message('EndTxnRequest', END_RANGE, {
  ...transaction,
  committed: bool,
  /** 2: the end gives the producer its next epoch (KIP-890). */
  clientVersion: unsent(2),
})

export const endTxnResponse = message('EndTxnResponse', END_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  ...failure,
  /** Who the producer is in its next transaction. */
  producerId: since(5, int64, -1),
  producerEpoch: since(5, int16, -1),
})

export const olderEndTxn: OlderVersions<EndTxnRequest, EndTxnResponse> = [
  { until: 4, request: { lift: request => ({ ...request, clientVersion: 1 }) } },
]

// ── TxnOffsetCommit ──────────────────────────────────────────────────────────────────────

const TXN_COMMIT_RANGE = { versions: [0, 5], flexibleSince: 3 } as const

export const txnOffsetCommitRequest = message('TxnOffsetCommitRequest', TXN_COMMIT_RANGE, {
  transactionalId: string,
  groupId,
  producerId: int64,
  producerEpoch: int16,
  generationId: since(3, int32, -1),
  memberId: since(3, string, ''),
  groupInstanceId: since(3, nullableString, null),
  topics: array(
    struct({
      name: topicName,
      partitions: array(
        struct({
          partitionIndex,
          committedOffset: int64,
          committedLeaderEpoch: since(2, int32, -1),
          committedMetadata: nullableString,
        }),
      ),
    }),
  ),
  /** The broker adds the group to the transaction (KIP-890). */
  addsToTransaction: unsent(true),
})

export const txnOffsetCommitResponse = message('TxnOffsetCommitResponse', TXN_COMMIT_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  topics: array(
    struct({
      name: topicName,
      partitions: array(struct({ partitionIndex, ...failure })),
    }),
  ),
})

export const olderTxnOffsetCommit: OlderVersions<
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse
> = [
  { until: 4, request: { lift: request => ({ ...request, addsToTransaction: false }) } },
  { until: 3, response: { lower: withoutAbortable(txnOffsetCommitResponse) } },
]

// ── WriteTxnMarkers ──────────────────────────────────────────────────────────────────────

const MARKERS_RANGE = { versions: [1, 2], flexibleSince: 1 } as const

export const writeTxnMarkersRequest = message('WriteTxnMarkersRequest', MARKERS_RANGE, {
  markers: array(
    struct({
      producerId: int64,
      producerEpoch: int16,
      /** True: the transaction is committed. */
      transactionResult: bool,
      topics: array(struct({ name: topicName, partitionIndexes: array(int32) })),
      coordinatorEpoch: int32,
      /** 2: its epoch is above that of the records (KIP-1228). */
      transactionVersion: since(2, int8, 0),
    }),
  ),
})

export const writeTxnMarkersResponse = message('WriteTxnMarkersResponse', MARKERS_RANGE, {
  markers: array(
    struct({
      producerId: int64,
      topics: array(
        struct({ name: topicName, partitions: array(struct({ partitionIndex, errorCode })) }),
      ),
    }),
  ),
})

// ── tools ────────────────────────────────────────────────────────────────────────────────

const DESCRIBE_RANGE = { versions: [0, 0], flexibleSince: 0 } as const

export const describeTransactionsRequest = message('DescribeTransactionsRequest', DESCRIBE_RANGE, {
  transactionalIds: array(string),
})

export const describeTransactionsResponse = message(
  'DescribeTransactionsResponse',
  DESCRIBE_RANGE,
  {
    throttleTimeMs: withDefault(int32, 0),
    transactionStates: array(
      struct({
        errorCode,
        transactionalId: string,
        transactionState: string,
        transactionTimeoutMs: int32,
        /** −1 if no transaction has begun. */
        transactionStartTimeMs: int64,
        producerId: int64,
        producerEpoch: int16,
        topics: array(struct({ topic: topicName, partitions: array(int32) })),
      }),
    ),
  },
)

const LIST_RANGE = { versions: [0, 2], flexibleSince: 0 } as const

export const listTransactionsRequest = message('ListTransactionsRequest', LIST_RANGE, {
  /** Empty: any. */
  stateFilters: array(string),
  producerIdFilters: array(int64),
  /** Only transactions that have run for longer, in ms. −1: all. */
  durationFilter: since(1, int64, -1),
  transactionalIdPattern: since(2, nullableString, null),
})

export const listTransactionsResponse = message('ListTransactionsResponse', LIST_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  errorCode,
  unknownStateFilters: array(string),
  transactionStates: array(
    struct({ transactionalId: string, producerId: int64, transactionState: string }),
  ),
})

export const describeProducersRequest = message('DescribeProducersRequest', DESCRIBE_RANGE, {
  topics: array(struct({ name: topicName, partitionIndexes: array(int32) })),
})

export const describeProducersResponse = message('DescribeProducersResponse', DESCRIBE_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  topics: array(
    struct({
      name: topicName,
      partitions: array(
        struct({
          partitionIndex,
          errorCode,
          errorMessage: withDefault(errorMessage, null),
          activeProducers: array(
            struct({
              producerId: int64,
              producerEpoch: int32,
              lastSequence: withDefault(int32, -1),
              lastTimestamp: withDefault(int64, -1),
              coordinatorEpoch: int32,
              currentTxnStartOffset: withDefault(int64, -1),
            }),
          ),
        }),
      ),
    }),
  ),
})

export type AddOffsetsToTxnRequest = ValueOf<typeof addOffsetsToTxnRequest>
export type AddOffsetsToTxnResponse = ValueOf<typeof addOffsetsToTxnResponse>
export type EndTxnRequest = ValueOf<typeof endTxnRequest>
export type EndTxnResponse = ValueOf<typeof endTxnResponse>
export type TxnOffsetCommitRequest = ValueOf<typeof txnOffsetCommitRequest>
export type TxnOffsetCommitResponse = ValueOf<typeof txnOffsetCommitResponse>
export type WriteTxnMarkersRequest = ValueOf<typeof writeTxnMarkersRequest>
export type WriteTxnMarkersResponse = ValueOf<typeof writeTxnMarkersResponse>
export type DescribeTransactionsRequest = ValueOf<typeof describeTransactionsRequest>
export type DescribeTransactionsResponse = ValueOf<typeof describeTransactionsResponse>
export type ListTransactionsRequest = ValueOf<typeof listTransactionsRequest>
export type ListTransactionsResponse = ValueOf<typeof listTransactionsResponse>
export type DescribeProducersRequest = ValueOf<typeof describeProducersRequest>
export type DescribeProducersResponse = ValueOf<typeof describeProducersResponse>

/*
 * The records of `__transaction_state`: the durable state of a transaction coordinator. A key is
 * int16 0 and the transactional id; a value begins with an int16, its version. A null value deletes
 * the id.
 */

import {
  array,
  int16,
  int32,
  int64,
  int8,
  message,
  nullableArray,
  string,
  struct,
  tagged,
} from '../schema.js'

export const TRANSACTION_KIND = 0

export const transactionKey = message(
  'TransactionLogKey',
  { versions: [TRANSACTION_KIND, TRANSACTION_KIND], flexibleSince: Infinity },
  { transactionalId: string },
)

/** Kafka writes version 0 until transaction.version is 1. */
export const TRANSACTION_VALUE_VERSION = 1

export const transactionValue = message(
  'TransactionLogValue',
  { versions: [0, 1], flexibleSince: 1 },
  {
    producerId: int64,
    previousProducerId: tagged(0, 1, int64, -1),
    nextProducerId: tagged(1, 1, int64, -1),
    producerEpoch: int16,
    nextProducerEpoch: tagged(3, 1, int16, -1),
    transactionTimeoutMs: int32,
    transactionStatus: int8,
    transactionPartitions: nullableArray(
      struct({ topic: string, partitionIds: array(int32) }),
    ),
    transactionLastUpdateTimestampMs: int64,
    transactionStartTimestampMs: int64,
    clientTransactionVersion: tagged(2, 1, int16, 0),
  },
)

/* Produce: appends record batches to partitions. One batch per partition and request. */

import {
  array,
  int16,
  int32,
  int64,
  message,
  nullableString,
  records,
  since,
  struct,
  tagged,
  unsent,
  type ValueOf,
} from '../schema.js'
import { nodeEndpoint } from './fetch.js'
import { errorCode, errorMessage, partitionIndex, topicKeyUntil } from './message-places.js'
import { tooOld, withoutAbortable, type OlderVersions } from './older-versions.js'

const RANGE = { versions: [3, 13], flexibleSince: 9 } as const

export const produceRequest = message('ProduceRequest', RANGE, {
  transactionalId: since(3, nullableString, null),
  /** 0: no response; 1: the leader has appended; −1: all in-sync replicas have the records. */
  acks: int16,
  timeoutMs: int32,
  topicData: array(
    struct({
      ...topicKeyUntil(12),
      partitionData: array(struct({ index: partitionIndex, records })),
    }),
  ),
  /** The request came over a wire: its batches are validated and have no broker offsets yet. */
  isForeign: unsent(false),
  /** False before version 7: the client does not support zstd (KIP-110). */
  mayBeZstd: unsent(true),
  /** The broker adds the partitions to the producer's transaction (KIP-890). */
  addsToTransaction: unsent(true),
})

const leaderIdAndEpoch = struct({ leaderId: int32, leaderEpoch: int32 })

export const produceResponse = message('ProduceResponse', RANGE, {
  responses: array(
    struct({
      ...topicKeyUntil(12),
      partitionResponses: array(
        struct({
          index: partitionIndex,
          errorCode,
          baseOffset: int64,
          /** −1 unless the topic uses LogAppendTime. */
          logAppendTimeMs: since(2, int64, -1),
          logStartOffset: since(5, int64, -1),
          recordErrors: since(
            8,
            array(
              struct({
                batchIndex: int32,
                batchIndexErrorMessage: since(8, nullableString, null),
              }),
            ),
            [],
          ),
          errorMessage: since(8, errorMessage, null),
          currentLeader: tagged(0, 10, leaderIdAndEpoch, { leaderId: -1, leaderEpoch: -1 }),
        }),
      ),
    }),
  ),
  throttleTimeMs: since(1, int32, 0),
  /** The addresses of the leaders named in the response. */
  nodeEndpoints: tagged(0, 10, array(nodeEndpoint), []),
})

export type ProduceRequest = ValueOf<typeof produceRequest>
export type ProduceResponse = ValueOf<typeof produceResponse>
export type PartitionProduceResponse =
  ProduceResponse['responses'][number]['partitionResponses'][number]

// ── older versions ───────────────────────────────────────────────────────────────────────

export const olderProduce: OlderVersions<ProduceRequest, ProduceResponse> = [
  // The producer has added the partitions to its transaction.
  {
    until: 11,
    request: {
      lift: request => ({ ...request, addsToTransaction: false }),
      lower: request => {
        const { transactionalId = null, addsToTransaction = true } = request
        if (transactionalId === null || !addsToTransaction) return request
        throw tooOld('this broker does not add partitions to transactions')
      },
    },
  },
  { until: 10, response: { lower: withoutAbortable(produceResponse) } },
  // zstd is allowed since version 7 (KIP-110).
  { until: 6, request: { lift: request => ({ ...request, mayBeZstd: false }) } },
]

/* Fetch: reads record batches from partitions, for consumers and followers. */

import { ZERO_UUID } from '../../base/uuid.js'
import {
  array,
  between,
  int16,
  int32,
  int64,
  int8,
  message,
  nullableArray,
  nullableString,
  records,
  since,
  string,
  struct,
  tagged,
  unsent,
  until,
  uuid,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { failure, nodeId, partitionIndex, topicId, topicName } from './message-places.js'
import { withoutError, type OlderVersions } from './older-versions.js'

const RANGE = { versions: [4, 18], flexibleSince: 12 } as const

/** Up to version 12, topics are named; later they have ids. Inside the process both are given. */
const topicKey = {
  topic: until(12, topicName, ''),
  topicId: since(13, topicId, ZERO_UUID),
}

/**
 * Takes what a leader has appended where the follower's log ends, and how far it is committed, or
 * the latter alone. The records are lent for the call. False if the follower has to ask instead.
 */
export type Take = (handed: {
  readonly end: number
  readonly records: Buffer
  readonly highWatermark: number
  readonly logStartOffset: number
}) => boolean

/** isolationLevel of a consumer that reads only records of committed transactions. */
export const READ_COMMITTED = 1

export const fetchRequest = message('FetchRequest', RANGE, {
  clusterId: tagged(0, 12, nullableString, null),
  /** The broker id of the follower; −1 for a consumer. */
  replicaId: until(14, int32, -1),
  replicaState: tagged(1, 15, struct({ replicaId: int32, replicaEpoch: int64 }), {
    replicaId: -1,
    replicaEpoch: -1,
  }),
  /** How long to wait for minBytes. */
  maxWaitMs: int32,
  minBytes: int32,
  /** In one process: how long to wait while there is nothing, and nothing can have changed. */
  idleWaitMs: unsent(0),
  /** In one process: rather this many bytes of a partition at once than more of them later. */
  nowBytes: unsent(0),
  maxBytes: withDefault(int32, 2 ** 31 - 1),
  /** 0: read uncommitted, 1: read committed. */
  isolationLevel: withDefault(int8, 0),
  sessionId: since(7, int32, 0),
  sessionEpoch: since(7, int32, -1),
  topics: array(
    struct({
      ...topicKey,
      partitions: array(
        struct({
          partition: partitionIndex,
          currentLeaderEpoch: since(9, int32, -1),
          fetchOffset: int64,
          lastFetchedEpoch: since(12, int32, -1),
          logStartOffset: since(5, int64, -1),
          partitionMaxBytes: int32,
          replicaDirectoryId: tagged(0, 17, uuid, ZERO_UUID),
          /** How far the follower knows the records to be committed (KIP-1166). */
          highWatermark: tagged(1, 18, int64, Number.MAX_SAFE_INTEGER),
          /** In one process: what a follower takes while its fetch is held. */
          take: unsent<Take | undefined>(undefined),
        }),
      ),
    }),
  ),
  forgottenTopicsData: since(7, array(struct({ ...topicKey, partitions: array(int32) })), []),
  rackId: since(11, string, ''),
})

export const nodeEndpoint = struct({
  nodeId,
  host: string,
  port: int32,
  rack: nullableString,
})

export const fetchResponse = message('FetchResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  /** The error of the fetch session; partitions have their own errors. */
  errorCode: since(7, int16, 0),
  sessionId: since(7, int32, 0),
  responses: array(
    struct({
      ...topicKey,
      partitions: array(
        struct({
          partitionIndex,
          ...failure,
          highWatermark: int64,
          lastStableOffset: withDefault(int64, -1),
          logStartOffset: since(5, int64, -1),
          divergingEpoch: tagged(0, 12, struct({ epoch: int32, endOffset: int64 }), {
            epoch: -1,
            endOffset: -1,
          }),
          currentLeader: tagged(1, 12, struct({ leaderId: int32, leaderEpoch: int32 }), {
            leaderId: -1,
            leaderEpoch: -1,
          }),
          snapshotId: tagged(2, 12, struct({ endOffset: int64, epoch: int32 }), {
            endOffset: -1,
            epoch: -1,
          }),
          abortedTransactions: between(
            [4, Infinity],
            nullableArray(struct({ producerId: int64, firstOffset: int64 })),
            null,
          ),
          preferredReadReplica: since(11, int32, -1),
          records,
        }),
      ),
    }),
  ),
  /** The addresses of the leaders named in the response. */
  nodeEndpoints: tagged(0, 16, array(nodeEndpoint), []),
})

export type FetchRequest = ValueOf<typeof fetchRequest>
export type FetchResponse = ValueOf<typeof fetchResponse>
export type FetchPartition = FetchRequest['topics'][number]['partitions'][number]
export type PartitionFetchResponse = FetchResponse['responses'][number]['partitions'][number]

// ── older versions ───────────────────────────────────────────────────────────────────────

export const olderFetch: OlderVersions<FetchRequest, FetchResponse> = [
  // Since version 16 the response names the current leader (KIP-951).
  { until: 15, response: { lower: ({ response }) => withoutLeaders(response) } },
  {
    until: 5,
    response: {
      lower: withoutError(fetchResponse, 'KAFKA_STORAGE_ERROR', 'NOT_LEADER_OR_FOLLOWER'),
    },
  },
]

function withoutLeaders(response: FetchResponse): FetchResponse {
  if ((response.nodeEndpoints ?? []).length === 0) return response
  const responses = response.responses.map(topic => ({
    ...topic,
    partitions: topic.partitions.map(({ currentLeader: _, ...partition }) => partition),
  }))
  return { ...response, responses }
}

/* DescribeQuorum: the leader and the voters of the metadata log (KIP-595). */

import { ZERO_UUID } from '../../base/uuid.js'
import {
  array,
  int32,
  int64,
  message,
  since,
  string,
  struct,
  uint16,
  uuid,
  type ValueOf,
} from '../schema.js'
import { errorCode, errorMessage, partitionIndex, topicName } from './message-places.js'

const RANGE = { versions: [0, 2], flexibleSince: 0 } as const

export const describeQuorumRequest = message('DescribeQuorumRequest', RANGE, {
  topics: array(struct({ topicName, partitions: array(struct({ partitionIndex })) })),
})

const replicaState = struct({
  replicaId: int32,
  replicaDirectoryId: since(2, uuid, ZERO_UUID),
  logEndOffset: int64,
  lastFetchTimestamp: since(1, int64, -1),
  lastCaughtUpTimestamp: since(1, int64, -1),
})

export const describeQuorumResponse = message('DescribeQuorumResponse', RANGE, {
  errorCode,
  errorMessage: since(2, errorMessage, null),
  topics: array(
    struct({
      topicName,
      partitions: array(
        struct({
          partitionIndex,
          errorCode,
          errorMessage: since(2, errorMessage, null),
          leaderId: int32,
          leaderEpoch: int32,
          highWatermark: int64,
          currentVoters: array(replicaState),
          observers: array(replicaState),
        }),
      ),
    }),
  ),
  nodes: since(
    2,
    array(
      struct({
        /** Of a controller, whose address is not that of a broker. */
        nodeId: int32,
        listeners: array(struct({ name: string, host: string, port: uint16 })),
      }),
    ),
    [],
  ),
})

export type DescribeQuorumRequest = ValueOf<typeof describeQuorumRequest>
export type DescribeQuorumResponse = ValueOf<typeof describeQuorumResponse>

/* ListPartitionReassignments: the partitions whose replicas are being moved (KIP-455). */

import {
  array,
  int32,
  message,
  nullableArray,
  struct,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { errorCode, errorMessage, partitionIndex, topicName } from './message-places.js'

const RANGE = { versions: [0, 0], flexibleSince: 0 } as const

export const listPartitionReassignmentsRequest = message(
  'ListPartitionReassignmentsRequest',
  RANGE,
  {
    timeoutMs: withDefault(int32, 60_000),
    /** null: all. */
    topics: withDefault(
      nullableArray(struct({ name: topicName, partitionIndexes: array(int32) })),
      null,
    ),
  },
)

export const listPartitionReassignmentsResponse = message(
  'ListPartitionReassignmentsResponse',
  RANGE,
  {
    throttleTimeMs: withDefault(int32, 0),
    errorCode,
    errorMessage,
    topics: array(
      struct({
        name: topicName,
        partitions: array(
          struct({
            partitionIndex,
            replicas: array(int32),
            addingReplicas: array(int32),
            removingReplicas: array(int32),
          }),
        ),
      }),
    ),
  },
)

export type ListPartitionReassignmentsRequest = ValueOf<typeof listPartitionReassignmentsRequest>
export type ListPartitionReassignmentsResponse = ValueOf<typeof listPartitionReassignmentsResponse>

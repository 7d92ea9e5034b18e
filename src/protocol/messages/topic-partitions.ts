/* DescribeTopicPartitions: topics and their partitions, a page at a time (KIP-966). */

import {
  array,
  bool,
  int32,
  message,
  nullableArray,
  nullableStruct,
  string,
  struct,
  uuid,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { failure, nullableTopicName, partitionIndex, topicName } from './message-places.js'
import { NOT_ASKED } from './metadata.js'

const RANGE = { versions: [0, 0], flexibleSince: 0 } as const

/** The first partition of the next page. */
const cursor = nullableStruct({ topicName: string, partitionIndex: int32 })

export const describeTopicPartitionsRequest = message('DescribeTopicPartitionsRequest', RANGE, {
  /** None: all topics. */
  topics: array(struct({ name: topicName })),
  responsePartitionLimit: withDefault(int32, 2000),
  cursor: withDefault(cursor, null),
})

export const describeTopicPartitionsResponse = message('DescribeTopicPartitionsResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  topics: array(
    struct({
      ...failure,
      name: nullableTopicName,
      topicId: uuid,
      isInternal: withDefault(bool, false),
      partitions: array(
        struct({
          ...failure,
          partitionIndex,
          leaderId: int32,
          leaderEpoch: withDefault(int32, -1),
          replicaNodes: array(int32),
          isrNodes: array(int32),
          eligibleLeaderReplicas: withDefault(nullableArray(int32), null),
          lastKnownElr: withDefault(nullableArray(int32), null),
          offlineReplicas: array(int32),
        }),
      ),
      topicAuthorizedOperations: withDefault(int32, NOT_ASKED),
    }),
  ),
  /** null: there is no further page. */
  nextCursor: withDefault(cursor, null),
})

export type DescribeTopicPartitionsRequest = ValueOf<typeof describeTopicPartitionsRequest>
export type DescribeTopicPartitionsResponse = ValueOf<typeof describeTopicPartitionsResponse>

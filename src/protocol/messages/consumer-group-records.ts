/*
 * The records of `__consumer_offsets` about groups with the consumer protocol (KIP-848): the group
 * and its epoch, each member and what it owns, the target assignment, resolved expressions. The
 * numbers of these kinds are the versions of their keys.
 */

import {
  array,
  bytes,
  eightBytes,
  int32,
  int64,
  int8,
  message,
  nullableArray,
  nullableString,
  string,
  struct,
  tagged,
  taggedNullableStruct,
  uuid,
  type Fields,
  type ValueOf,
} from '../schema.js'

/** A kind of record. */
export const CONSUMER_GROUP_KINDS = {
  group: 3,
  /** The partitions of the group's topics: Kafka 4.0 wrote it, later ones delete it. */
  partitions: 4,
  member: 5,
  targetEpoch: 6,
  target: 7,
  current: 8,
  pattern: 16,
} as const

function keyOf<F extends Fields>(kind: number, fields: F) {
  return message('ConsumerGroupKey', { versions: [kind, kind], flexibleSince: Infinity }, fields)
}

const VALUE_RANGE = { versions: [0, 0], flexibleSince: 0 } as const
/** The version of all values. */
export const CONSUMER_GROUP_VALUE_VERSION = 0

const memberName = { group: string, memberId: string }

export const groupEpochKey = keyOf(CONSUMER_GROUP_KINDS.group, { group: string })
export const groupEpochValue = message('ConsumerGroupMetadataValue', VALUE_RANGE, {
  epoch: int32,
  /** A digest of the topics that the group reads. Its zero digest is left out. */
  metadataHash: tagged(0, 0, eightBytes, '0000000000000000'),
})

export const groupPartitionsKey = keyOf(CONSUMER_GROUP_KINDS.partitions, { group: string })

export const consumerMemberKey = keyOf(CONSUMER_GROUP_KINDS.member, memberName)
export const consumerMemberValue = message('ConsumerGroupMemberMetadataValue', VALUE_RANGE, {
  instanceId: nullableString,
  rackId: nullableString,
  clientId: string,
  clientHost: string,
  subscribedTopicNames: array(string),
  subscribedTopicRegex: nullableString,
  rebalanceTimeoutMs: int32,
  serverAssignor: nullableString,
  /** What a member said that joined by the classic protocol; null for the consumer protocol. */
  classicMemberMetadata: tagged(
    0,
    0,
    taggedNullableStruct({
      sessionTimeoutMs: int32,
      supportedProtocols: array(struct({ name: string, metadata: bytes })),
    }),
    { sessionTimeoutMs: 0, supportedProtocols: [] },
  ),
})

export const targetEpochKey = keyOf(CONSUMER_GROUP_KINDS.targetEpoch, { group: string })
export const targetEpochValue = message('ConsumerGroupTargetEpochValue', VALUE_RANGE, {
  assignmentEpoch: int32,
  /** When the assignment was found (KIP-1263). */
  assignmentTimestamp: tagged(0, 0, int64, 0),
})

export const targetKey = keyOf(CONSUMER_GROUP_KINDS.target, memberName)
export const targetValue = message('ConsumerGroupTargetAssignmentMemberValue', VALUE_RANGE, {
  topicPartitions: array(struct({ topicId: uuid, partitions: array(int32) })),
})

const owned = struct({
  topicId: uuid,
  partitions: array(int32),
  /** For each partition the epoch in which the member got it (KIP-1251); null in older records. */
  assignmentEpochs: tagged(0, 0, nullableArray(int32), null),
})

export const currentKey = keyOf(CONSUMER_GROUP_KINDS.current, memberName)
export const currentValue = message('ConsumerGroupCurrentMemberAssignmentValue', VALUE_RANGE, {
  memberEpoch: int32,
  previousMemberEpoch: int32,
  state: int8,
  assignedPartitions: array(owned),
  partitionsPendingRevocation: array(owned),
})

export const patternKey = keyOf(CONSUMER_GROUP_KINDS.pattern, {
  group: string,
  regularExpression: string,
})
export const patternValue = message('ConsumerGroupRegularExpressionValue', VALUE_RANGE, {
  topics: array(string),
  /** The version of the metadata. */
  version: int64,
  timestamp: int64,
})

export type ConsumerMemberValue = ValueOf<typeof consumerMemberValue>
export type CurrentValue = ValueOf<typeof currentValue>

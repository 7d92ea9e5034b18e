/*
 * ConsumerGroupHeartbeat and ConsumerGroupDescribe: Kafka's consumer group protocol, in which the
 * coordinator assigns the partitions (KIP-848). One request joins, stays, gives back and leaves.
 */

import {
  array,
  bool,
  int32,
  int8,
  message,
  nullableArray,
  nullableString,
  nullableStruct,
  since,
  string,
  struct,
  unsent,
  uuid,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { errorCode, errorMessage, groupId } from './message-places.js'
import { NOT_ASKED } from './metadata.js'
import { tooOld, type OlderVersions } from './older-versions.js'

/** The member epoch of a member that joins. */
export const JOINING_EPOCH = 0
/** The member epoch of a member that leaves. */
export const LEAVING_EPOCH = -1
/** The member epoch of a static member that leaves and will come back. */
export const AWAY_EPOCH = -2

const RANGE = { versions: [0, 1], flexibleSince: 0 } as const

const topicPartitions = struct({ topicId: uuid, partitions: array(int32) })

/** Except for group, member and epoch, null and −1 mean: as in the heartbeat before. */
export const consumerGroupHeartbeatRequest = message('ConsumerGroupHeartbeatRequest', RANGE, {
  groupId,
  memberId: string,
  memberEpoch: int32,
  instanceId: withDefault(nullableString, null),
  rackId: withDefault(nullableString, null),
  /** How long the member may take to give back partitions. */
  rebalanceTimeoutMs: withDefault(int32, -1),
  subscribedTopicNames: withDefault(nullableArray(string), null),
  /** An empty expression ends the subscription by expression. */
  subscribedTopicRegex: since(1, nullableString, null),
  serverAssignor: withDefault(nullableString, null),
  /** The partitions that the member owns. */
  topicPartitions: withDefault(nullableArray(topicPartitions), null),
  clientId: unsent(''),
  /** Host and address of the client as Kafka writes them: `host/address`. */
  clientHost: unsent(''),
  /** False in version 0: a member that joins may leave the choice of its id to the coordinator. */
  hasOwnId: unsent(true),
  /** In one process, how long the coordinator may hold the request until it has news. */
  maxWaitMs: unsent(0),
  /** The same while nothing can disturb the two: a multiple of `maxWaitMs`. */
  idleWaitMs: unsent(0),
})

export const consumerGroupHeartbeatResponse = message('ConsumerGroupHeartbeatResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  errorCode,
  errorMessage: withDefault(errorMessage, null),
  memberId: withDefault(nullableString, null),
  memberEpoch: withDefault(int32, 0),
  heartbeatIntervalMs: withDefault(int32, 0),
  /** null: it has not changed. */
  assignment: withDefault(nullableStruct({ topicPartitions: array(topicPartitions) }), null),
})

export const consumerGroupDescribeRequest = message('ConsumerGroupDescribeRequest', RANGE, {
  groupIds: array(groupId),
  includeAuthorizedOperations: withDefault(bool, false),
})

const described = struct({
  topicPartitions: array(struct({ topicId: uuid, topicName: string, partitions: array(int32) })),
})

export const consumerGroupDescribeResponse = message('ConsumerGroupDescribeResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  groups: array(
    struct({
      errorCode,
      errorMessage: withDefault(errorMessage, null),
      groupId,
      groupState: string,
      groupEpoch: int32,
      assignmentEpoch: int32,
      assignorName: string,
      members: array(
        struct({
          memberId: string,
          instanceId: withDefault(nullableString, null),
          rackId: withDefault(nullableString, null),
          memberEpoch: int32,
          clientId: string,
          clientHost: string,
          subscribedTopicNames: array(string),
          subscribedTopicRegex: withDefault(nullableString, null),
          assignment: described,
          targetAssignment: described,
          /** 0: classic protocol, 1: consumer protocol, −1: unknown. */
          memberType: since(1, int8, -1),
        }),
      ),
      authorizedOperations: withDefault(int32, NOT_ASKED),
    }),
  ),
})

export type ConsumerGroupHeartbeatRequest = ValueOf<typeof consumerGroupHeartbeatRequest>
export type ConsumerGroupHeartbeatResponse = ValueOf<typeof consumerGroupHeartbeatResponse>
export type ConsumerGroupDescribeRequest = ValueOf<typeof consumerGroupDescribeRequest>
export type ConsumerGroupDescribeResponse = ValueOf<typeof consumerGroupDescribeResponse>

// ── older versions ───────────────────────────────────────────────────────────────────────

export const olderConsumerGroupHeartbeat: OlderVersions<
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse
> = [
  {
    until: 0,
    request: {
      lift: request => ({ ...request, hasOwnId: false }),
      lower(request) {
        if ((request.subscribedTopicRegex ?? '') === '') return request
        throw tooOld('a subscription by a regular expression of RE2')
      },
    },
  },
]

/*
 * Consumer groups: finding the coordinator, membership, committing and fetching offsets.
 */

import {
  array,
  between,
  bool,
  bytes,
  int16,
  int32,
  int64,
  int8,
  message,
  nullableArray,
  nullableSince,
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
  coordinatorKey,
  errorCode,
  errorMessage,
  failure,
  groupId,
  nodeId,
  partitionIndex,
  topicKeyUntil,
} from './message-places.js'
import { only, tooOld, type OlderVersions } from './older-versions.js'

/** The kind of key in FindCoordinator. */
export const GROUP_KEY = 0
export const TRANSACTION_KEY = 1

const FIND_RANGE = { versions: [0, 6], flexibleSince: 3 } as const

/** Up to version 3, request and response are about one key. */
export const findCoordinatorRequest = message('FindCoordinatorRequest', FIND_RANGE, {
  key: until(3, string, ''),
  keyType: since(1, int8, GROUP_KEY),
  coordinatorKeys: required(since(4, array(coordinatorKey), [])),
})

const coordinator = struct({
  key: coordinatorKey,
  nodeId,
  host: string,
  port: int32,
  errorCode,
  errorMessage: withDefault(errorMessage, null),
})

export const findCoordinatorResponse = message('FindCoordinatorResponse', FIND_RANGE, {
  throttleTimeMs: since(1, int32, 0),
  errorCode: until(3, int16, 0),
  errorMessage: between([1, 3], nullableString, null),
  nodeId: until(3, int32, -1),
  host: until(3, string, ''),
  port: until(3, int32, -1),
  coordinators: required(since(4, array(coordinator), [])),
})

// ── membership ───────────────────────────────────────────────────────────────────────────

const JOIN_RANGE = { versions: [0, 9], flexibleSince: 6 } as const

export const joinGroupRequest = message('JoinGroupRequest', JOIN_RANGE, {
  groupId,
  sessionTimeoutMs: int32,
  rebalanceTimeoutMs: since(1, int32, -1),
  /** Empty for a new member. */
  memberId: string,
  groupInstanceId: since(5, nullableString, null),
  protocolType: string,
  protocols: array(struct({ name: string, metadata: bytes })),
  reason: since(8, nullableString, null),
  /** On a wire, the request's header and its connection provide these. */
  clientId: unsent(''),
  clientHost: unsent(''),
  /** False before version 4: the client cannot join again with a given member id (KIP-394). */
  requiresMemberId: unsent(true),
})

export const joinGroupResponse = message('JoinGroupResponse', JOIN_RANGE, {
  throttleTimeMs: since(2, int32, 0),
  ...failure,
  generationId: withDefault(int32, -1),
  protocolType: since(7, nullableString, null),
  protocolName: nullableSince(7, nullableString, ''),
  leader: string,
  skipAssignment: since(9, bool, false),
  memberId: string,
  members: array(
    struct({
      memberId: string,
      groupInstanceId: since(5, nullableString, null),
      metadata: bytes,
    }),
  ),
})

const LEAVE_RANGE = { versions: [0, 5], flexibleSince: 4 } as const

const leavingMember = struct({
  memberId: string,
  groupInstanceId: withDefault(nullableString, null),
  reason: since(5, nullableString, null),
})

/** Up to version 2, one member leaves per request. */
export const leaveGroupRequest = message('LeaveGroupRequest', LEAVE_RANGE, {
  groupId,
  memberId: until(2, string, ''),
  members: required(since(3, array(leavingMember), [])),
})

const memberThatLeft = struct({
  memberId: string,
  groupInstanceId: withDefault(nullableString, null),
  errorCode,
})

export const leaveGroupResponse = message('LeaveGroupResponse', LEAVE_RANGE, {
  throttleTimeMs: since(1, int32, 0),
  ...failure,
  members: required(since(3, array(memberThatLeft), [])),
})

const SYNC_RANGE = { versions: [0, 5], flexibleSince: 4 } as const

export const syncGroupRequest = message('SyncGroupRequest', SYNC_RANGE, {
  groupId,
  generationId: int32,
  memberId: string,
  groupInstanceId: since(3, nullableString, null),
  protocolType: since(5, nullableString, null),
  protocolName: since(5, nullableString, null),
  /** The leader's assignments; empty from other members. */
  assignments: array(struct({ memberId: string, assignment: bytes })),
})

export const syncGroupResponse = message('SyncGroupResponse', SYNC_RANGE, {
  throttleTimeMs: since(1, int32, 0),
  ...failure,
  protocolType: since(5, nullableString, null),
  protocolName: since(5, nullableString, null),
  assignment: bytes,
})

const HEARTBEAT_RANGE = { versions: [0, 4], flexibleSince: 4 } as const

export const heartbeatRequest = message('HeartbeatRequest', HEARTBEAT_RANGE, {
  groupId,
  generationId: int32,
  memberId: string,
  groupInstanceId: since(3, nullableString, null),
  /** In one process, how long the coordinator may hold the request until the member must rejoin. */
  maxWaitMs: unsent(0),
  /** The same while nothing can disturb the two: a multiple of `maxWaitMs`. */
  idleWaitMs: unsent(0),
})

export const heartbeatResponse = message('HeartbeatResponse', HEARTBEAT_RANGE, {
  throttleTimeMs: since(1, int32, 0),
  ...failure,
})

// ── committed offsets ────────────────────────────────────────────────────────────────────

const COMMIT_RANGE = { versions: [2, 10], flexibleSince: 8 } as const

export const offsetCommitRequest = message('OffsetCommitRequest', COMMIT_RANGE, {
  groupId,
  /** −1 for a consumer outside any generation. */
  generationIdOrMemberEpoch: withDefault(int32, -1),
  memberId: withDefault(string, ''),
  groupInstanceId: since(7, nullableString, null),
  /** How long the commit is kept; since KIP-211 the broker decides. */
  retentionTimeMs: until(4, int64, -1),
  topics: array(
    struct({
      ...topicKeyUntil(9),
      partitions: array(
        struct({
          partitionIndex,
          /** The next offset to read. */
          committedOffset: int64,
          committedLeaderEpoch: since(6, int32, -1),
          committedMetadata: nullableString,
          /** The id of the topic that was read, from a client in this process; otherwise empty. */
          topicId: unsent(''),
        }),
      ),
    }),
  ),
})

export const offsetCommitResponse = message('OffsetCommitResponse', COMMIT_RANGE, {
  throttleTimeMs: since(3, int32, 0),
  topics: array(
    struct({
      ...topicKeyUntil(9),
      partitions: array(struct({ partitionIndex, ...failure })),
    }),
  ),
})

const FETCH_RANGE = { versions: [1, 10], flexibleSince: 6 } as const

const fetchedTopic = struct({ ...topicKeyUntil(9), partitionIndexes: array(int32) })

const askedGroup = struct({
  groupId,
  memberId: since(9, nullableString, null),
  memberEpoch: since(9, int32, -1),
  /** null asks for every partition the group has committed. */
  topics: nullableArray(fetchedTopic),
})

/** Up to version 7, request and response are about one group. */
export const offsetFetchRequest = message('OffsetFetchRequest', FETCH_RANGE, {
  groupId: until(7, string, ''),
  topics: until(7, nullableSince(2, nullableArray(fetchedTopic), []), null),
  groups: required(since(8, array(askedGroup), [])),
  requireStable: since(7, bool, false),
})

const committedTopic = struct({
  ...topicKeyUntil(9),
  partitions: array(
    struct({
      partitionIndex,
      /** −1 when nothing is committed. */
      committedOffset: int64,
      committedLeaderEpoch: since(5, int32, -1),
      metadata: nullableString,
      errorCode,
    }),
  ),
})

const answeredGroup = struct({
  groupId,
  topics: array(committedTopic),
  errorCode: withDefault(errorCode, 0),
  errorMessage: failure.errorMessage,
})

export const offsetFetchResponse = message('OffsetFetchResponse', FETCH_RANGE, {
  throttleTimeMs: since(3, int32, 0),
  topics: until(7, array(committedTopic), []),
  errorCode: between([2, 7], int16, 0),
  groups: required(since(8, array(answeredGroup), [])),
})

export type FindCoordinatorRequest = ValueOf<typeof findCoordinatorRequest>
export type FindCoordinatorResponse = ValueOf<typeof findCoordinatorResponse>
export type JoinGroupRequest = ValueOf<typeof joinGroupRequest>
export type JoinGroupResponse = ValueOf<typeof joinGroupResponse>
export type LeaveGroupRequest = ValueOf<typeof leaveGroupRequest>
export type LeaveGroupResponse = ValueOf<typeof leaveGroupResponse>
export type SyncGroupRequest = ValueOf<typeof syncGroupRequest>
export type SyncGroupResponse = ValueOf<typeof syncGroupResponse>
export type HeartbeatRequest = ValueOf<typeof heartbeatRequest>
export type HeartbeatResponse = ValueOf<typeof heartbeatResponse>
export type OffsetCommitRequest = ValueOf<typeof offsetCommitRequest>
export type OffsetCommitResponse = ValueOf<typeof offsetCommitResponse>
export type OffsetFetchRequest = ValueOf<typeof offsetFetchRequest>
export type OffsetFetchResponse = ValueOf<typeof offsetFetchResponse>

// ── older versions ───────────────────────────────────────────────────────────────────────

export const olderFindCoordinator: OlderVersions<FindCoordinatorRequest, FindCoordinatorResponse> =
  [
    {
      until: 3,
      request: {
        lift: request => ({ ...request, coordinatorKeys: [request.key ?? ''] }),
        lower: request => ({ ...request, key: only('FindCoordinator', request.coordinatorKeys) }),
      },
      response: {
        lower({ response }) {
          const [found] = response.coordinators
          const isFound = found?.errorCode === 0
          return { ...response, ...found, ...(isFound ? { errorMessage: 'NONE' } : {}) }
        },
        lift({ request, response }) {
          const { nodeId = -1, host = '', port = -1, errorCode = 0, errorMessage = null } = response
          const key = request.coordinatorKeys[0] ?? ''
          const coordinators = [{ key, nodeId, host, port, errorCode, errorMessage }]
          return { ...response, coordinators }
        },
      },
    },
  ]

export const olderJoinGroup: OlderVersions<JoinGroupRequest, JoinGroupResponse> = [
  // Clients before KIP-394 do not join again with a given member id.
  { until: 3, request: { lift: request => ({ ...request, requiresMemberId: false }) } },
]

export const olderLeaveGroup: OlderVersions<LeaveGroupRequest, LeaveGroupResponse> = [
  {
    until: 2,
    request: {
      lift: request => ({ ...request, members: [{ memberId: request.memberId ?? '' }] }),
      lower: request => ({ ...request, memberId: only('LeaveGroup', request.members).memberId }),
    },
    response: {
      lower: ({ response }) => ({
        ...response,
        errorCode: response.errorCode || (response.members[0]?.errorCode ?? 0),
      }),
      lift: ({ request, response }) => ({
        ...response,
        members: request.members.map(({ memberId }) => ({ memberId, errorCode: 0 })),
      }),
    },
  },
]

/** The first version of OffsetFetch that can ask for all committed offsets of a group. */
const ALL_OFFSETS_SINCE = 2

export const olderOffsetFetch: OlderVersions<OffsetFetchRequest, OffsetFetchResponse> = [
  {
    until: 7,
    request: {
      lift(request) {
        const { groupId = '', topics = null } = request
        return { ...request, groups: [{ groupId, topics }] }
      },
      lower(request, version) {
        const { groupId, topics } = only('OffsetFetch', request.groups)
        if (topics === null && version < ALL_OFFSETS_SINCE) {
          throw tooOld('OffsetFetch of all offsets of a group: this broker needs the partitions')
        }
        return { ...request, groupId, topics }
      },
    },
    response: {
      lower({ response }) {
        const { topics = [], errorCode = 0 } = response.groups[0] ?? {}
        return { ...response, topics, errorCode }
      },
      lift({ request, response }) {
        const { topics = [], errorCode = 0 } = response
        const groupId = request.groups[0]?.groupId ?? ''
        return { ...response, groups: [{ groupId, topics, errorCode }] }
      },
    },
  },
  {
    // Version 1 has no error per group: every partition carries it.
    until: 1,
    response: {
      lower({ request, response }) {
        const { errorCode = 0 } = response
        if (errorCode === 0) return response
        const failed = { committedOffset: -1, metadata: '', errorCode }
        const topics = (request.topics ?? []).map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, ...failed })),
        }))
        return { ...response, topics }
      },
    },
  },
]

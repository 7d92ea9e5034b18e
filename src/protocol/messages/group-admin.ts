/* ListGroups, DescribeGroups, DeleteGroups and OffsetDelete. */

import { errorId } from '../../model/errors.js'
import {
  array,
  bool,
  bytes,
  int32,
  message,
  nullableString,
  since,
  string,
  struct,
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
import { NOT_ASKED } from './metadata.js'
import { tooOld, withoutError, type OlderVersions } from './older-versions.js'

const LIST_RANGE = { versions: [0, 5], flexibleSince: 3 } as const

export const listGroupsRequest = message('ListGroupsRequest', LIST_RANGE, {
  /** The states of the groups to list; empty for all states. */
  statesFilter: since(4, array(string), []),
  typesFilter: since(5, array(string), []),
})

export const listGroupsResponse = message('ListGroupsResponse', LIST_RANGE, {
  throttleTimeMs: since(1, int32, 0),
  errorCode,
  groups: array(
    struct({
      groupId,
      protocolType: string,
      groupState: since(4, string, ''),
      groupType: since(5, string, ''),
    }),
  ),
})

const DESCRIBE_RANGE = { versions: [0, 6], flexibleSince: 5 } as const
export const describeGroupsRequest = message('DescribeGroupsRequest', DESCRIBE_RANGE, {
  groups: array(groupId),
  includeAuthorizedOperations: since(3, bool, false),
})

export const describeGroupsResponse = message('DescribeGroupsResponse', DESCRIBE_RANGE, {
  throttleTimeMs: since(1, int32, 0),
  groups: array(
    struct({
      errorCode,
      errorMessage: since(6, errorMessage, null),
      groupId,
      groupState: string,
      protocolType: string,
      /** The name of the assignor. */
      protocolData: string,
      members: array(
        struct({
          memberId: string,
          groupInstanceId: since(4, nullableString, null),
          clientId: string,
          clientHost: string,
          memberMetadata: bytes,
          memberAssignment: bytes,
        }),
      ),
      authorizedOperations: since(3, int32, NOT_ASKED),
    }),
  ),
})

const DELETE_RANGE = { versions: [0, 2], flexibleSince: 2 } as const

export const deleteGroupsRequest = message('DeleteGroupsRequest', DELETE_RANGE, {
  groupsNames: array(groupId),
})

export const deleteGroupsResponse = message('DeleteGroupsResponse', DELETE_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  results: array(struct({ groupId, ...failure })),
})

const OFFSET_DELETE_RANGE = { versions: [0, 0], flexibleSince: Infinity } as const

export const offsetDeleteRequest = message('OffsetDeleteRequest', OFFSET_DELETE_RANGE, {
  groupId,
  topics: array(struct({ name: topicName, partitions: array(struct({ partitionIndex })) })),
})

export const offsetDeleteResponse = message('OffsetDeleteResponse', OFFSET_DELETE_RANGE, {
  ...failure,
  throttleTimeMs: withDefault(int32, 0),
  topics: array(
    struct({
      name: topicName,
      partitions: array(struct({ partitionIndex, ...failure })),
    }),
  ),
})

export type ListGroupsRequest = ValueOf<typeof listGroupsRequest>
export type ListGroupsResponse = ValueOf<typeof listGroupsResponse>
export type DescribeGroupsRequest = ValueOf<typeof describeGroupsRequest>
export type DescribeGroupsResponse = ValueOf<typeof describeGroupsResponse>
export type DeleteGroupsRequest = ValueOf<typeof deleteGroupsRequest>
export type DeleteGroupsResponse = ValueOf<typeof deleteGroupsResponse>
export type OffsetDeleteRequest = ValueOf<typeof offsetDeleteRequest>
export type OffsetDeleteResponse = ValueOf<typeof offsetDeleteResponse>

// ── older versions ───────────────────────────────────────────────────────────────────────

export const olderListGroups: OlderVersions<ListGroupsRequest, ListGroupsResponse> = [
  {
    until: 3,
    request: {
      lower(request) {
        const isFiltered = (request.statesFilter ?? []).length > 0
        if (isFiltered) throw tooOld('ListGroups by state: this broker lists them all')
        return request
      },
    },
  },
]

export const olderDescribeGroups: OlderVersions<DescribeGroupsRequest, DescribeGroupsResponse> = [
  {
    // Before version 6, a group that does not exist is Dead, and that is not an error.
    until: 5,
    response: {
      lower: withoutError(describeGroupsResponse, 'GROUP_ID_NOT_FOUND', 'NONE'),
      lift({ response }) {
        const errorCode = errorId('GROUP_ID_NOT_FOUND')
        const groups = response.groups.map(group =>
          group.errorCode === 0 && group.groupState === 'Dead' ? { ...group, errorCode } : group,
        )
        return { ...response, groups }
      },
    },
  },
]

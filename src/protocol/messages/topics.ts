/* CreateTopics, CreatePartitions and DeleteTopics. */

import { ZERO_UUID } from '../../base/uuid.js'
import {
  array,
  bool,
  int16,
  int32,
  int8,
  message,
  nullableArray,
  nullableSince,
  nullableString,
  required,
  since,
  string,
  struct,
  tagged,
  until,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { errorCode, errorMessage, nullableTopicName, topicId, topicName } from './message-places.js'
import type { OlderVersions } from './older-versions.js'

const CREATE_RANGE = { versions: [2, 7], flexibleSince: 5 } as const

export const createTopicsRequest = message('CreateTopicsRequest', CREATE_RANGE, {
  topics: array(
    struct({
      name: topicName,
      /** −1: the broker's default. */
      numPartitions: int32,
      /** −1: the broker's default. */
      replicationFactor: int16,
      assignments: array(struct({ partitionIndex: int32, brokerIds: array(int32) })),
      configs: array(struct({ name: string, value: nullableString })),
    }),
  ),
  timeoutMs: withDefault(int32, 60_000),
  validateOnly: withDefault(bool, false),
})

export const createTopicsResponse = message('CreateTopicsResponse', CREATE_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  topics: array(
    struct({
      name: topicName,
      topicId: since(7, topicId, ZERO_UUID),
      errorCode,
      errorMessage: withDefault(errorMessage, null),
      topicConfigErrorCode: tagged(0, 5, int16, 0),
      numPartitions: since(5, int32, -1),
      replicationFactor: since(5, int16, -1),
      configs: since(
        5,
        nullableArray(
          struct({
            name: string,
            value: nullableString,
            readOnly: bool,
            configSource: withDefault(int8, -1),
            isSensitive: bool,
          }),
        ),
        [],
      ),
    }),
  ),
})

const DELETE_RANGE = { versions: [1, 6], flexibleSince: 4 } as const

const topicToDelete = struct({
  name: withDefault(nullableTopicName, null),
  topicId: withDefault(topicId, ZERO_UUID),
})

export const deleteTopicsRequest = message('DeleteTopicsRequest', DELETE_RANGE, {
  /** Each topic by name, or by id with a null name; up to version 5 only by name. */
  topics: required(since(6, array(topicToDelete), [])),
  topicNames: until(5, array(string), []),
  timeoutMs: int32,
})

export const deleteTopicsResponse = message('DeleteTopicsResponse', DELETE_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  responses: array(
    struct({
      name: nullableSince(6, nullableTopicName, ''),
      topicId: since(6, topicId, ZERO_UUID),
      errorCode,
      errorMessage: since(5, errorMessage, null),
    }),
  ),
})

const PARTITIONS_RANGE = { versions: [0, 3], flexibleSince: 2 } as const

export const createPartitionsRequest = message('CreatePartitionsRequest', PARTITIONS_RANGE, {
  topics: array(
    struct({
      name: topicName,
      /** The number of partitions the topic has afterwards. */
      count: int32,
      assignments: nullableArray(struct({ brokerIds: array(int32) })),
    }),
  ),
  timeoutMs: int32,
  validateOnly: bool,
})

export const createPartitionsResponse = message('CreatePartitionsResponse', PARTITIONS_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  results: array(
    struct({
      name: topicName,
      errorCode,
      errorMessage: withDefault(errorMessage, null),
    }),
  ),
})

export type CreateTopicsRequest = ValueOf<typeof createTopicsRequest>
export type CreateTopicsResponse = ValueOf<typeof createTopicsResponse>
export type DeleteTopicsRequest = ValueOf<typeof deleteTopicsRequest>
export type DeleteTopicsResponse = ValueOf<typeof deleteTopicsResponse>
export type CreatePartitionsRequest = ValueOf<typeof createPartitionsRequest>
export type CreatePartitionsResponse = ValueOf<typeof createPartitionsResponse>

// ── older versions ───────────────────────────────────────────────────────────────────────

export const olderDeleteTopics: OlderVersions<DeleteTopicsRequest, DeleteTopicsResponse> = [
  {
    until: 5,
    request: {
      lift: request => ({
        ...request,
        topics: (request.topicNames ?? []).map(name => ({ name })),
      }),
      lower: request => ({ ...request, topicNames: request.topics.map(each => each.name ?? '') }),
    },
  },
]

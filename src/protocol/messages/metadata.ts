/* Metadata: the brokers, the topics and the leaders of partitions. */

import { ZERO_UUID } from '../../base/uuid.js'
import { errorId } from '../../model/errors.js'
import {
  array,
  between,
  bool,
  int16,
  int32,
  message,
  nullableArray,
  nullableSince,
  nullableString,
  since,
  string,
  struct,
  type ValueOf,
} from '../schema.js'
import {
  errorCode,
  failure,
  nodeId,
  nullableTopicName,
  partitionIndex,
  topicId,
} from './message-places.js'
import type { OlderVersions } from './older-versions.js'

const RANGE = { versions: [0, 13], flexibleSince: 9 } as const

const askedTopic = struct({
  topicId: since(10, topicId, ZERO_UUID),
  name: nullableSince(10, nullableTopicName, ''),
})

export const metadataRequest = message('MetadataRequest', RANGE, {
  /** null asks for all topics. */
  topics: nullableSince(1, nullableArray(askedTopic), []),
  allowAutoTopicCreation: since(4, bool, true),
  includeClusterAuthorizedOperations: between([8, 10], bool, false),
  includeTopicAuthorizedOperations: since(8, bool, false),
})

/** The authorized operations when the request does not ask for them. */
export const NOT_ASKED = -(2 ** 31)

export const metadataResponse = message('MetadataResponse', RANGE, {
  throttleTimeMs: since(3, int32, 0),
  brokers: array(
    struct({ nodeId, host: string, port: int32, rack: since(1, nullableString, null) }),
  ),
  clusterId: since(2, nullableString, null),
  controllerId: since(1, int32, -1),
  topics: array(
    struct({
      ...failure,
      /** null when the request names a topic id that does not exist. */
      name: nullableSince(12, nullableTopicName, ''),
      topicId: since(10, topicId, ZERO_UUID),
      isInternal: since(1, bool, false),
      partitions: array(
        struct({
          errorCode,
          partitionIndex,
          /** −1 when the partition has no leader. */
          leaderId: int32,
          leaderEpoch: since(7, int32, -1),
          replicaNodes: array(int32),
          isrNodes: array(int32),
          offlineReplicas: since(5, array(int32), []),
        }),
      ),
      topicAuthorizedOperations: since(8, int32, NOT_ASKED),
    }),
  ),
  clusterAuthorizedOperations: between([8, 10], int32, NOT_ASKED),
  /** The error of the whole request: the client has to bootstrap again. Topics have their own. */
  errorCode: since(13, int16, 0),
})

export type MetadataRequest = ValueOf<typeof metadataRequest>
export type MetadataResponse = ValueOf<typeof metadataResponse>
export type TopicMetadata = MetadataResponse['topics'][number]
export type BrokerMetadata = MetadataResponse['brokers']

// ── older versions ───────────────────────────────────────────────────────────────────────

export const olderMetadata: OlderVersions<MetadataRequest, MetadataResponse> = [
  {
    // Versions 10 and 11 have a field for ids, but a request may only use names.
    until: 11,
    request: {
      lift: request =>
        asksById(request) ? { ...request, allowAutoTopicCreation: false } : request,
    },
    response: {
      lower({ request, response }) {
        if (!asksById(request)) return response
        const errorCode = errorId('INVALID_REQUEST')
        const topics = (request.topics ?? []).map(topic => ({
          ...topic,
          errorCode,
          partitions: [],
        }))
        return { ...response, topics }
      },
    },
  },
  {
    // Version 0 has no null: an empty list asks for all topics.
    until: 0,
    request: {
      lift: request => ({ ...request, topics: request.topics?.length ? request.topics : null }),
      lower: request => ({ ...request, topics: request.topics ?? [] }),
    },
  },
]

function asksById({ topics }: MetadataRequest): boolean {
  const isById = ({ name, topicId = ZERO_UUID }: ValueOf<typeof askedTopic>): boolean =>
    name === null || topicId !== ZERO_UUID
  return topics?.some(isById) ?? false
}

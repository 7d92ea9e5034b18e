/*
 * Offsets in a log: ListOffsets finds them, OffsetForLeaderEpoch returns the end of an epoch,
 * DeleteRecords raises the log start offset.
 */

import { errorId } from '../../model/errors.js'
import {
  array,
  int32,
  int64,
  int8,
  message,
  since,
  struct,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { failure, partitionIndex, topicName } from './message-places.js'
import { tooOld, withoutError, type OlderVersions, type Versioned } from './older-versions.js'

/** Special timestamps of ListOffsets. */
export const LATEST_TIMESTAMP = -1
export const EARLIEST_TIMESTAMP = -2
export const MAX_TIMESTAMP = -3
/** Special timestamps of tiered storage: the first local offset, the last tiered offset. */
export const EARLIEST_LOCAL_TIMESTAMP = -4
export const LATEST_TIERED_TIMESTAMP = -5
/** The first offset that is still to be copied to tiered storage (KIP-1023). */
export const EARLIEST_PENDING_TIMESTAMP = -6

const LIST_RANGE = { versions: [1, 11], flexibleSince: 6 } as const

export const listOffsetsRequest = message('ListOffsetsRequest', LIST_RANGE, {
  replicaId: withDefault(int32, -1),
  isolationLevel: since(2, int8, 0),
  topics: array(
    struct({
      name: topicName,
      partitions: array(
        struct({
          partitionIndex,
          currentLeaderEpoch: since(4, int32, -1),
          /** A timestamp, or one of the special timestamps above. */
          timestamp: int64,
        }),
      ),
    }),
  ),
  timeoutMs: since(10, int32, 0),
})

export const listOffsetsResponse = message('ListOffsetsResponse', LIST_RANGE, {
  throttleTimeMs: since(2, int32, 0),
  topics: array(
    struct({
      name: topicName,
      partitions: array(
        struct({
          partitionIndex,
          ...failure,
          timestamp: withDefault(int64, -1),
          /** −1 when no record has a timestamp that late. */
          offset: withDefault(int64, -1),
          leaderEpoch: since(4, int32, -1),
        }),
      ),
    }),
  ),
})

const EPOCH_RANGE = { versions: [2, 4], flexibleSince: 4 } as const

export const offsetForLeaderEpochRequest = message('OffsetForLeaderEpochRequest', EPOCH_RANGE, {
  /** −1 for a consumer, −2 for a debugging client. */
  replicaId: since(3, int32, -2),
  topics: array(
    struct({
      topic: topicName,
      partitions: array(
        struct({
          partition: partitionIndex,
          currentLeaderEpoch: withDefault(int32, -1),
          /** The requested epoch. */
          leaderEpoch: int32,
        }),
      ),
    }),
  ),
})

export const offsetForLeaderEpochResponse = message('OffsetForLeaderEpochResponse', EPOCH_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  topics: array(
    struct({
      topic: topicName,
      partitions: array(
        struct({
          ...failure,
          partition: partitionIndex,
          /** The largest known epoch that is not larger than the requested one. */
          leaderEpoch: withDefault(int32, -1),
          /** The end of the epoch, exclusive; −1 when unknown. */
          endOffset: withDefault(int64, -1),
        }),
      ),
    }),
  ),
})

const DELETE_RANGE = { versions: [0, 2], flexibleSince: 2 } as const

export const deleteRecordsRequest = message('DeleteRecordsRequest', DELETE_RANGE, {
  topics: array(
    struct({
      name: topicName,
      /** Offset −1 means the high watermark. */
      partitions: array(struct({ partitionIndex, offset: int64 })),
    }),
  ),
  timeoutMs: int32,
})

export const deleteRecordsResponse = message('DeleteRecordsResponse', DELETE_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  topics: array(
    struct({
      name: topicName,
      partitions: array(
        struct({
          partitionIndex,
          lowWatermark: int64,
          ...failure,
        }),
      ),
    }),
  ),
})

export type ListOffsetsRequest = ValueOf<typeof listOffsetsRequest>
export type ListOffsetsResponse = ValueOf<typeof listOffsetsResponse>
export type OffsetForLeaderEpochRequest = ValueOf<typeof offsetForLeaderEpochRequest>
export type OffsetForLeaderEpochResponse = ValueOf<typeof offsetForLeaderEpochResponse>
export type DeleteRecordsRequest = ValueOf<typeof deleteRecordsRequest>
export type DeleteRecordsResponse = ValueOf<typeof deleteRecordsResponse>

// ── older versions ───────────────────────────────────────────────────────────────────────

/** Special timestamps of later versions, with the first version that supports them. */
const LATER_TIMES = new Map([
  [MAX_TIMESTAMP, { since: 7, name: 'the newest time' }],
  [EARLIEST_LOCAL_TIMESTAMP, { since: 8, name: 'the local start' }],
  [LATEST_TIERED_TIMESTAMP, { since: 9, name: 'the tiered end' }],
  [EARLIEST_PENDING_TIMESTAMP, { since: 11, name: 'the start of what is not tiered' }],
])

function isKnown(timestamp: number, version: number): boolean {
  return version >= (LATER_TIMES.get(timestamp)?.since ?? 0)
}

export const olderListOffsets: OlderVersions<ListOffsetsRequest, ListOffsetsResponse> = [
  {
    // A broker that does not know a special timestamp takes it for a time in 1969.
    until: 10,
    request: {
      lower(request, version) {
        const times = request.topics.flatMap(({ partitions }) => partitions)
        const unknown = times.find(({ timestamp }) => !isKnown(timestamp, version))
        if (unknown === undefined) return request
        const { name, since } = LATER_TIMES.get(unknown.timestamp) ?? {}
        const sentence = `ListOffsets by ${name} needs version ${since}`
        throw tooOld(`${sentence}, this broker supports version ${version}`)
      },
    },
    response: { lower: withoutLaterTimes },
  },
  {
    until: 4,
    response: {
      lower: withoutError(listOffsetsResponse, 'OFFSET_NOT_AVAILABLE', 'LEADER_NOT_AVAILABLE'),
    },
  },
]

function withoutLaterTimes({
  request,
  response,
  version,
}: Versioned<ListOffsetsRequest, ListOffsetsResponse>): ListOffsetsResponse {
  const topics = response.topics.map((topic, at) => ({
    ...topic,
    partitions: topic.partitions.map((partition, index) => {
      const timestamp = request.topics[at]?.partitions[index]?.timestamp ?? 0
      if (isKnown(timestamp, version)) return partition
      const { partitionIndex } = partition
      return { partitionIndex, errorCode: errorId('UNSUPPORTED_VERSION') }
    }),
  }))
  return { ...response, topics }
}

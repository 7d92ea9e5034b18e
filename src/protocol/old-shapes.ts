/**
 * Messages whose older versions have another shape, one thing where newer ones have a list, or know
 * fewer errors. The nodes of this process speak the newest shape only; whoever stands at a wire
 * turns older ones into it and back. How older brokers are asked is in `asked-shapes.ts`.
 */

import { ZERO_UUID } from '../base/uuid.js'
import { errorId, type ErrorCode } from '../model/errors.js'
import type { ApiName, Request, Response } from './api.js'
import {
  EARLIEST_LOCAL_TIMESTAMP,
  LATEST_TIERED_TIMESTAMP,
  MAX_TIMESTAMP,
} from './messages/offsets.js'

interface Asked<A extends ApiName> {
  readonly request: Request<A>
  readonly version: number
}

interface Shape<A extends ApiName> {
  /** Versions up to this one are old. */
  readonly until: number
  readonly request?: (request: Request<A>) => Request<A>
  readonly response?: (response: Response<A>, asked: Asked<A>) => Response<A>
}

const SHAPES: { readonly [A in ApiName]?: readonly Shape<A>[] } = {
  // zstd came with version 7 (KIP-110).
  Produce: [{ until: 6, request: request => ({ ...request, mayBeZstd: false }) }],
  Fetch: [
    { until: 5, response: fetchWithoutStorageError },
    // Who leads instead is told from version 16 on (KIP-951).
    { until: 15, response: fetchWithoutLeaders },
  ],
  ListOffsets: [
    { until: 8, response: offsetsOfKnownTimes },
    { until: 4, response: offsetsWithoutUnavailable },
  ],
  FindCoordinator: [
    {
      until: 3,
      request: request => ({ ...request, coordinatorKeys: [request.key ?? ''] }),
      response: response => {
        const [found] = response.coordinators
        const isFound = found?.errorCode === 0
        return { ...response, ...found, ...(isFound ? { errorMessage: 'NONE' } : {}) }
      },
    },
  ],
  OffsetFetch: [
    {
      until: 7,
      request: request => {
        const { groupId = '', topics = null } = request
        return { ...request, groups: [{ groupId, topics }] }
      },
      response: response => ({ ...response, ...oneGroup(response) }),
    },
    { until: 1, response: offsetsWithErrorEach },
  ],
  LeaveGroup: [
    {
      until: 2,
      request: request => ({ ...request, members: [{ memberId: request.memberId ?? '' }] }),
      response: response => ({
        ...response,
        errorCode: response.errorCode || (response.members[0]?.errorCode ?? 0),
      }),
    },
  ],
  DeleteTopics: [
    {
      until: 5,
      request: request => ({
        ...request,
        topics: (request.topicNames ?? []).map(name => ({ name })),
      }),
    },
  ],
  Metadata: [
    {
      // Version 0 has no null: an empty list asks for all topics.
      until: 0,
      request: request => ({ ...request, topics: request.topics?.length ? request.topics : null }),
    },
    {
      // Versions 10 and 11 have room for ids, but only names may be asked for.
      until: 11,
      request: request =>
        asksById(request) ? { ...request, allowAutoTopicCreation: false } : request,
      response: metadataByNameOnly,
    },
  ],
  JoinGroup: [
    // Those before KIP-394 do not come back with the id they are given.
    { until: 3, request: request => ({ ...request, requiresMemberId: false }) },
  ],
  DescribeGroups: [
    {
      // A group that is not there is dead, and that is no error yet.
      until: 5,
      response: response => ({
        ...response,
        groups: response.groups.map(group => withoutError(group, 'GROUP_ID_NOT_FOUND', 'NONE')),
      }),
    },
  ],
}

// ── older answers ────────────────────────────────────────────────────────────────────────

/** An error that a version does not know, as the one that makes its clients do the same. */
function withoutError<T extends { readonly errorCode: number }>(
  answer: T,
  unknown: ErrorCode,
  known: ErrorCode,
): T {
  return answer.errorCode === errorId(unknown) ? { ...answer, errorCode: errorId(known) } : answer
}

function asksById({ topics }: Request<'Metadata'>): boolean {
  const isById = ({
    name,
    topicId = ZERO_UUID,
  }: {
    name: string | null
    topicId?: string
  }): boolean => name === null || topicId !== ZERO_UUID
  return topics?.some(isById) ?? false
}

function metadataByNameOnly(
  response: Response<'Metadata'>,
  { request }: Asked<'Metadata'>,
): Response<'Metadata'> {
  if (!asksById(request)) return response
  const errorCode = errorId('INVALID_REQUEST')
  const topics = (request.topics ?? []).map(topic => ({ ...topic, errorCode, partitions: [] }))
  return { ...response, topics }
}

type FetchAnswer = Response<'Fetch'>
type FetchPartition = FetchAnswer['responses'][number]['partitions'][number]

function eachFetched(
  response: FetchAnswer,
  change: (partition: FetchPartition) => FetchPartition,
): FetchAnswer {
  const responses = response.responses.map(topic => {
    return { ...topic, partitions: topic.partitions.map(change) }
  })
  return { ...response, responses }
}

function fetchWithoutStorageError(response: FetchAnswer): FetchAnswer {
  return eachFetched(response, partition =>
    withoutError(partition, 'KAFKA_STORAGE_ERROR', 'NOT_LEADER_OR_FOLLOWER'),
  )
}

function fetchWithoutLeaders(response: FetchAnswer): FetchAnswer {
  if ((response.nodeEndpoints ?? []).length === 0) return response
  return eachFetched(response, ({ currentLeader: _, ...partition }) => partition)
}

type OffsetsAnswer = Response<'ListOffsets'>
type OffsetsPartition = OffsetsAnswer['topics'][number]['partitions'][number]

function eachListed(
  response: OffsetsAnswer,
  change: (partition: OffsetsPartition, place: readonly [number, number]) => OffsetsPartition,
): OffsetsAnswer {
  const topics = response.topics.map((topic, at) => ({
    ...topic,
    partitions: topic.partitions.map((partition, index) => change(partition, [at, index])),
  }))
  return { ...response, topics }
}

function offsetsWithoutUnavailable(response: OffsetsAnswer): OffsetsAnswer {
  return eachListed(response, partition =>
    withoutError(partition, 'OFFSET_NOT_AVAILABLE', 'LEADER_NOT_AVAILABLE'),
  )
}

/** The first version that knows a special time. */
const SINCE = new Map([
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL_TIMESTAMP, 8],
  [LATEST_TIERED_TIMESTAMP, 9],
])

function offsetsOfKnownTimes(
  response: OffsetsAnswer,
  { request, version }: Asked<'ListOffsets'>,
): OffsetsAnswer {
  return eachListed(response, (partition, [at, index]) => {
    const timestamp = request.topics[at]?.partitions[index]?.timestamp ?? 0
    if (version >= (SINCE.get(timestamp) ?? 0)) return partition
    return {
      partitionIndex: partition.partitionIndex,
      errorCode: errorId('UNSUPPORTED_VERSION'),
    }
  })
}

function oneGroup({
  groups,
}: Response<'OffsetFetch'>): Pick<Response<'OffsetFetch'>, 'topics' | 'errorCode'> {
  const { topics = [], errorCode = 0 } = groups[0] ?? {}
  return { topics, errorCode }
}

/** Version 1 has no error of a group: each partition has it. */
function offsetsWithErrorEach(
  response: Response<'OffsetFetch'>,
  { request }: Asked<'OffsetFetch'>,
): Response<'OffsetFetch'> {
  const { errorCode = 0 } = response
  if (errorCode === 0) return response
  const failed = { committedOffset: -1, metadata: '', errorCode }
  const topics = (request.topics ?? []).map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, ...failed })),
  }))
  return { ...response, topics }
}

function shapesOf<A extends ApiName>(api: A, version: number): readonly Shape<A>[] {
  const shapes = (SHAPES[api] ?? []) as readonly Shape<A>[]
  return shapes.filter(({ until }) => version <= until)
}

/** A request in its newest shape. */
export function newShape<A extends ApiName>(
  api: A,
  version: number,
  given: Request<A>,
): Request<A> {
  return shapesOf(api, version).reduce(
    (request, shape) => shape.request?.(request) ?? request,
    given,
  )
}

/** The answer to it, in the shape of its version. */
export function oldShape<A extends ApiName>(
  api: A,
  version: number,
  { request, response }: { readonly request: Request<A>; readonly response: Response<A> },
): Response<A> {
  return shapesOf(api, version).reduce(
    (answer, shape) => shape.response?.(answer, { request, version }) ?? answer,
    response,
  )
}

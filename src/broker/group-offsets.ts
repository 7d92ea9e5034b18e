/** OffsetCommit and OffsetFetch (v8–v9), OffsetDelete. */

import type { OffsetToCommit } from '../coordinator/group-coordinator.js'
import type { CommittedOffset } from '../coordinator/group-journal.js'
import { PartlogError } from '../model/errors.js'
import { isInternalTopic } from '../model/names.js'
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../protocol/messages/group-admin.js'
import type {
  OffsetCommitRequest,
  OffsetCommitResponse,
  OffsetFetchRequest,
  OffsetFetchResponse,
} from '../protocol/messages/groups.js'
import type { BrokerContext } from './context.js'
import { errorFields, NO_ERROR } from './errors.js'

export async function offsetCommit(
  broker: BrokerContext,
  request: OffsetCommitRequest,
): Promise<OffsetCommitResponse> {
  const outcomes = new Map<string, unknown>()
  const offsets = request.topics.flatMap(({ name: topic, partitions }) =>
    partitions
      .filter(({ partitionIndex }) => isCommittable(broker, topic, partitionIndex, outcomes))
      .map(each => ({
        topic,
        partition: each.partitionIndex,
        offset: each.committedOffset,
        leaderEpoch: each.committedLeaderEpoch ?? -1,
        metadata: each.committedMetadata ?? '',
      })),
  )
  const error = await commitAll(broker, request, offsets)
  return {
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        const reason = outcomes.get(`${name}-${partitionIndex}`) ?? error
        const fields = reason === undefined ? NO_ERROR : errorFields(reason)
        return { partitionIndex, ...fields }
      }),
    })),
  }
}

async function commitAll(
  broker: BrokerContext,
  request: OffsetCommitRequest,
  offsets: readonly OffsetToCommit[],
): Promise<unknown> {
  const { groupId, memberId = '', groupInstanceId = null } = request
  const { generationIdOrMemberEpoch: generationId = -1 } = request
  try {
    const coordinator = await broker.groups.of(groupId)
    await coordinator.commit({ groupId, memberId, groupInstanceId, generationId, offsets })
    return undefined
  } catch (error) {
    return error
  }
}

/** Notes why not when the partition is none that a group may commit for. */
function isCommittable(
  broker: BrokerContext,
  topic: string,
  partition: number,
  outcomes: Map<string, unknown>,
): boolean {
  const exists = broker.controller.image.topics.get(topic)?.partitions[partition] !== undefined
  if (exists && !isInternalTopic(topic)) return true
  const reason = new PartlogError(
    'UNKNOWN_TOPIC_OR_PARTITION',
    `partition ${topic}-${partition} does not exist`,
  )
  outcomes.set(`${topic}-${partition}`, reason)
  return false
}

const NOT_COMMITTED = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 }

export async function offsetFetch(
  broker: BrokerContext,
  request: OffsetFetchRequest,
): Promise<OffsetFetchResponse> {
  const groups: OffsetFetchResponse['groups'][number][] = []
  for (const { groupId, topics } of request.groups) {
    try {
      const coordinator = await broker.groups.ifAny(groupId)
      const committed = (await coordinator?.committedOffsets(groupId)) ?? []
      const answer = topics === null ? allTopics(committed) : wantedTopics(committed, topics)
      groups.push({ groupId, topics: answer })
    } catch (error) {
      groups.push({ groupId, topics: [], ...errorFields(error) })
    }
  }
  return { groups }
}

type GroupTopics = OffsetFetchResponse['groups'][number]['topics']

function allTopics(committed: readonly CommittedOffset[]): GroupTopics {
  const names = [...new Set(committed.map(({ topic }) => topic))]
  return names.map(name => ({
    name,
    partitions: committed.filter(({ topic }) => topic === name).map(fieldsOf),
  }))
}

function wantedTopics(
  committed: readonly CommittedOffset[],
  topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[],
): GroupTopics {
  return topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map(partitionIndex => {
      const found = committed.find(
        ({ topic, partition }) => topic === name && partition === partitionIndex,
      )
      return found === undefined ? { partitionIndex, ...NOT_COMMITTED } : fieldsOf(found)
    }),
  }))
}

function fieldsOf({ partition, offset, leaderEpoch, metadata }: CommittedOffset) {
  return {
    partitionIndex: partition,
    committedOffset: offset,
    committedLeaderEpoch: leaderEpoch,
    metadata,
    errorCode: 0,
  }
}

/** Takes commits back, all or none. */
export async function offsetDelete(
  broker: BrokerContext,
  { groupId, topics }: OffsetDeleteRequest,
): Promise<OffsetDeleteResponse> {
  const partitions = topics.flatMap(({ name: topic, partitions: indexes }) =>
    indexes.map(({ partitionIndex: partition }) => ({ topic, partition })),
  )
  try {
    const coordinator = await broker.groups.of(groupId)
    await coordinator.deleteOffsets(groupId, partitions)
  } catch (error) {
    return { ...errorFields(error), topics: [] }
  }
  return {
    ...NO_ERROR,
    topics: topics.map(({ name, partitions: indexes }) => ({
      name,
      partitions: indexes.map(({ partitionIndex }) => ({ partitionIndex, ...NO_ERROR })),
    })),
  }
}

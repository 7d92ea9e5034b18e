/* OffsetCommit (v2–v10), OffsetFetch (v1–v10), OffsetDelete (v0). */

import { paced } from '../../base/tasks.js'
import { ZERO_UUID } from '../../base/uuid.js'
import type { CommittedOffset } from '../../coordinator/groups/group-journal.js'
import type { OffsetToCommit } from '../../coordinator/groups/offset-records.js'
import { errorId, PartlogError } from '../../model/errors.js'
import { partitionKey, type TopicPartition } from '../../model/names.js'
import { NONE } from '../../model/units.js'
import type {
  OffsetDeleteRequest,
  OffsetDeleteResponse,
} from '../../protocol/messages/group-admin.js'
import type {
  OffsetCommitRequest,
  OffsetCommitResponse,
  OffsetFetchRequest,
  OffsetFetchResponse,
} from '../../protocol/messages/groups.js'
import { errorFields, NO_ERROR, type ErrorFields } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'
import { topicNameOf, unknownTopicId, type TopicKey } from '../node/topic-keys.js'

/** Why offsets were not committed: a reason per partition, or one for all of them. */
class Refusals {
  readonly #reasons = new Map<string, unknown>()
  ofAll: unknown

  add({ topic, partition }: TopicPartition, reason: unknown): void {
    this.#reasons.set(partitionKey(topic, partition), reason)
  }

  fieldsOf(topic: string, partition: number): ErrorFields {
    const reason = this.#reasons.get(partitionKey(topic, partition)) ?? this.ofAll
    return reason === undefined ? NO_ERROR : errorFields(reason)
  }
}

export async function offsetCommit(
  broker: BrokerContext,
  request: OffsetCommitRequest,
): Promise<OffsetCommitResponse> {
  const { groupId, memberId = '', groupInstanceId = null } = request
  const { generationIdOrMemberEpoch: generationId = -1, retentionTimeMs = NONE } = request
  return await commitOffsets(broker, request.topics, async offsets => {
    const coordinator = await broker.groups.of(groupId)
    const member = { memberId, groupInstanceId, generationId }
    return await coordinator.commit({ groupId, ...member, offsets, retentionTimeMs })
  })
}

/** The topics of a request that commits offsets. */
type CommittedTopics = readonly {
  readonly name: string
  readonly topicId?: string
  readonly partitions: readonly {
    readonly partitionIndex: number
    readonly committedOffset: number
    readonly committedLeaderEpoch?: number
    readonly committedMetadata: string | null
    readonly topicId?: string
  }[]
}[]

/** Commits the offsets of partitions that exist by `commit`, which returns those it refuses. */
export async function commitOffsets(
  broker: BrokerContext,
  topics: CommittedTopics,
  commit: (offsets: OffsetToCommit[]) => Promise<ReadonlyMap<OffsetToCommit, PartlogError>>,
): Promise<OffsetCommitResponse> {
  const refusals = new Refusals()
  const found = topics.map(({ partitions, ...key }) => {
    return { key, partitions, topic: topicNameOf(broker, key) }
  })
  const offsets = found.flatMap(({ key, topic, partitions }) =>
    partitions
      .map(each => ({
        key,
        topic,
        partition: each.partitionIndex,
        offset: each.committedOffset,
        leaderEpoch: each.committedLeaderEpoch ?? -1,
        metadata: each.committedMetadata ?? '',
        topicId: each.topicId ?? '',
      }))
      .filter(each => exists(broker, each) || refuseUnknown(each, refusals, each.key)),
  )
  try {
    for (const [offset, error] of await commit(offsets)) refusals.add(offset, error)
  } catch (error) {
    refusals.ofAll = error
  }
  return {
    topics: found.map(({ key, topic, partitions }) => ({
      ...key,
      name: topic,
      partitions: partitions.map(({ partitionIndex }) => {
        const place = topic === '' ? (key.topicId ?? '') : topic
        return { partitionIndex, ...refusals.fieldsOf(place, partitionIndex) }
      }),
    })),
  }
}

/** True if the partition exists, in the same topic: a recreated topic has another id. */
function exists(
  broker: BrokerContext,
  { topic, partition, topicId = '' }: TopicPartition & { readonly topicId?: string },
): boolean {
  const found = broker.controller.image.topics.get(topic)
  if (topicId !== '' && found?.topicId !== topicId) return false
  return found?.partitions[partition] !== undefined
}

function refuseUnknown(place: TopicPartition, refusals: Refusals, { topicId = '' }: TopicKey = {}) {
  if (place.topic === '' && topicId !== '') {
    refusals.add({ ...place, topic: topicId }, unknownTopicId(topicId))
    return false
  }
  const sentence = `partition ${place.topic}-${place.partition} does not exist`
  refusals.add(place, new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', sentence))
  return false
}

const NOT_COMMITTED = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 }

export async function offsetFetch(
  broker: BrokerContext,
  request: OffsetFetchRequest,
): Promise<OffsetFetchResponse> {
  const groups: OffsetFetchResponse['groups'][number][] = []
  for await (const { groupId, topics, ...asker } of paced(request.groups, broker.clock)) {
    const { memberId = null, memberEpoch: epoch = -1 } = asker
    try {
      const coordinator = await broker.groups.ifAny(groupId)
      const committed = (await coordinator?.committedOffsets(groupId, { memberId, epoch })) ?? []
      const answer =
        topics === null ? allTopics(broker, committed) : wantedTopics(broker, committed, topics)
      const isUnstable = (place: TopicPartition): boolean =>
        request.requireStable === true && coordinator?.isPending(groupId, place) === true
      groups.push({ groupId, topics: stableOnly(answer, isUnstable) })
    } catch (error) {
      groups.push({ groupId, topics: [], ...errorFields(error) })
    }
  }
  return { groups }
}

/** An open transaction may change these: a read_committed consumer asks again. */
function stableOnly(
  topics: GroupTopics,
  isUnstable: (place: TopicPartition) => boolean,
): GroupTopics {
  return topics.map(({ partitions, ...key }) => ({
    ...key,
    partitions: partitions.map(answer => {
      const { partitionIndex } = answer
      if (!isUnstable({ topic: key.name ?? '', partition: partitionIndex })) return answer
      return { partitionIndex, ...NOT_COMMITTED, errorCode: UNSTABLE }
    }),
  }))
}

const UNSTABLE = errorId('UNSTABLE_OFFSET_COMMIT')

type GroupTopics = OffsetFetchResponse['groups'][number]['topics']

function allTopics(
  { controller }: BrokerContext,
  committed: readonly CommittedOffset[],
): GroupTopics {
  const names = [...new Set(committed.map(({ topic }) => topic))]
  return names.map(name => ({
    name,
    topicId: controller.image.topics.get(name)?.topicId ?? ZERO_UUID,
    partitions: committed.filter(({ topic }) => topic === name).map(fieldsOf),
  }))
}

interface WantedTopic extends TopicKey {
  readonly partitionIndexes: readonly number[]
}

function wantedTopics(
  broker: BrokerContext,
  committed: readonly CommittedOffset[],
  topics: readonly WantedTopic[],
): GroupTopics {
  return topics.map(({ partitionIndexes, ...key }) => {
    const name = topicNameOf(broker, key)
    const { topicId = '' } = key
    const isUnknown = name === '' && topicId !== ''
    const none = isUnknown
      ? { ...NOT_COMMITTED, ...errorFields(unknownTopicId(topicId)) }
      : NOT_COMMITTED
    return {
      ...key,
      name,
      partitions: partitionIndexes.map(partitionIndex => {
        const found = committed.find(
          ({ topic, partition }) => topic === name && partition === partitionIndex,
        )
        return found === undefined ? { partitionIndex, ...none } : fieldsOf(found)
      }),
    }
  })
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

/** Deletes committed offsets, except those of topics that the group is subscribed to. */
export async function offsetDelete(
  broker: BrokerContext,
  { groupId, topics }: OffsetDeleteRequest,
): Promise<OffsetDeleteResponse> {
  const refusals = new Refusals()
  const partitions = topics
    .flatMap(({ name: topic, partitions: indexes }) =>
      indexes.map(({ partitionIndex: partition }) => ({ topic, partition })),
    )
    .filter(each => exists(broker, each) || refuseUnknown(each, refusals))
  try {
    const coordinator = await broker.groups.of(groupId)
    for (const place of await coordinator.deleteOffsets(groupId, partitions)) {
      const sentence = `group ${groupId} is subscribed to topic ${place.topic}`
      refusals.add(place, new PartlogError('GROUP_SUBSCRIBED_TO_TOPIC', sentence))
    }
  } catch (error) {
    return { ...errorFields(error), topics: [] }
  }
  return {
    ...NO_ERROR,
    topics: topics.map(({ name, partitions: indexes }) => ({
      name,
      partitions: indexes.map(({ partitionIndex }) => {
        return { partitionIndex, ...refusals.fieldsOf(name, partitionIndex) }
      }),
    })),
  }
}

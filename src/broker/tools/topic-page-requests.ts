/* DescribeTopicPartitions (v0): topics by name, a page of partitions at a time (KIP-966). */

import { ZERO_UUID } from '../../base/uuid.js'
import type { TopicImage } from '../../coordinator/metadata/cluster-image.js'
import { PartlogError } from '../../model/errors.js'
import { checkTopicName } from '../../model/names.js'
import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../../protocol/messages/topic-partitions.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import { operationsOn } from '../node/authorized.js'
import type { BrokerContext } from '../node/context.js'
import { offlineReplicasOf } from '../node/offline-replicas.js'

/** max.request.partition.size.limit: the most partitions of a page. */
const PAGE_MAX = 2_000

type Cursor = NonNullable<DescribeTopicPartitionsRequest['cursor']>
type DescribedTopic = DescribeTopicPartitionsResponse['topics'][number]

export function describeTopicPartitions(
  broker: BrokerContext,
  request: DescribeTopicPartitionsRequest,
): DescribeTopicPartitionsResponse {
  const { topics: asked, responsePartitionLimit = PAGE_MAX } = request
  const cursor = request.cursor ?? undefined
  const isOfAll = asked.length === 0
  const names = isOfAll
    ? [...broker.controller.image.topics.keys()]
    : asked.map(({ name }) => name)
  try {
    checkCursor(cursor, isOfAll ? undefined : names)
  } catch (error) {
    return { topics: asked.map(({ name }) => failed(name, error)) }
  }
  const from = cursor?.topicName ?? ''
  const sorted = [...new Set(names)].filter(name => name >= from).sort()
  const limit = Math.max(1, Math.min(PAGE_MAX, responsePartitionLimit))
  const firstOf = (name: string): number => (name === from ? (cursor?.partitionIndex ?? 0) : 0)
  return page(broker, sorted, { limit, firstOf })
}

interface Page {
  readonly limit: number
  /** The partition with which the topic begins. */
  readonly firstOf: (name: string) => number
}

function page(
  broker: BrokerContext,
  names: readonly string[],
  { limit, firstOf }: Page,
): DescribeTopicPartitionsResponse {
  const topics: DescribedTopic[] = []
  let left = limit
  for (const name of names) {
    if (left === 0) return { topics, nextCursor: { topicName: name, partitionIndex: 0 } }
    const topic = broker.controller.image.topics.get(name)
    if (topic === undefined) {
      topics.push(missing(name))
      continue
    }
    const end = firstOf(name) + left
    const described = describe(broker, topic, [firstOf(name), end])
    topics.push(described)
    left -= described.partitions.length
    if (end < topic.partitions.length) {
      return { topics, nextCursor: { topicName: name, partitionIndex: end } }
    }
  }
  return { topics, nextCursor: null }
}

function describe(
  broker: BrokerContext,
  topic: TopicImage,
  [start, end]: readonly [number, number],
): DescribedTopic {
  return {
    ...NO_ERROR,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: topic.isInternal,
    partitions: topic.partitions.slice(start, end).map(image => ({
      errorCode: 0,
      partitionIndex: image.partition,
      leaderId: image.leader,
      leaderEpoch: image.leaderEpoch,
      replicaNodes: image.replicas,
      isrNodes: image.isr,
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
      offlineReplicas: offlineReplicasOf(broker, topic.name, image),
    })),
    topicAuthorizedOperations: operationsOn('topic', true),
  }
}

function missing(name: string): DescribedTopic {
  try {
    checkTopicName(name)
    const sentence = `topic ${name} does not exist`
    return failed(name, new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', sentence), true)
  } catch (error) {
    return failed(name, error, true)
  }
}

function failed(name: string, error: unknown, tellsOperations = false): DescribedTopic {
  const topicAuthorizedOperations = operationsOn('topic', tellsOperations)
  const nothing = { topicId: ZERO_UUID, partitions: [] }
  return { ...errorFields(error), name, ...nothing, topicAuthorizedOperations }
}

/** Throws INVALID_REQUEST. `names`: the topics that were asked for, unless all were. */
function checkCursor(cursor: Cursor | undefined, names: readonly string[] | undefined): void {
  if (cursor === undefined) return
  const { topicName, partitionIndex } = cursor
  if (names?.includes(topicName) === false) {
    const sentence = `the cursor is in topic ${topicName}, which is not asked for`
    throw new PartlogError('INVALID_REQUEST', sentence)
  }
  if (partitionIndex < 0) {
    const sentence = `the cursor is at partition ${partitionIndex}, expected at least 0`
    throw new PartlogError('INVALID_REQUEST', sentence)
  }
}

/*
 * Decisions about topics. Each reads the cluster image and either throws a PartlogError or returns
 * the records to append. Pure; the state machine appends and replays.
 */

import type { Random } from '../../base/random.js'
import { randomUuid } from '../../base/uuid.js'
import { PartlogError } from '../../model/errors.js'
import { checkTopicName, PARTITIONS_MAX, topicsCollide } from '../../model/names.js'
import {
  checkSettingName,
  checkTogether,
  parseTopicConfig,
  type TopicConfigText,
} from '../../model/topic-settings.js'
import { TOPIC_RESOURCE } from '../../protocol/messages/configs.js'
import type { MetadataRecord } from '../../protocol/messages/metadata-records.js'
import type { Decision } from '../fold/state-machine.js'
import { journalRecord, type ClusterImage, type TopicImage } from './cluster-image.js'
import { checkAssignment, placeReplicas, type PlacementBroker } from './placement.js'

/** The most topics and partitions in a cluster: clients create topics, so both are bounded. */
const TOPICS_MAX = 10_000
const PARTITIONS_TOTAL_MAX = 100_000

export interface NewTopic {
  readonly name: string
  readonly partitionCount: number
  readonly replicationFactor: number
  /** The brokers of each partition, if the caller chooses them. */
  readonly assignment?: readonly (readonly number[])[] | undefined
  readonly config: Readonly<Record<string, unknown>>
}

export interface ControllerContext {
  readonly brokerIds: readonly number[]
  readonly random: Random
}

export function createTopic(
  image: ClusterImage,
  topic: NewTopic,
  { brokerIds, random }: ControllerContext,
): Decision<{ topicId: string }> {
  const { name, partitionCount, replicationFactor } = topic
  checkTopicName(name)
  refuseExisting(image, name)
  checkPartitionCount(image, partitionCount)
  const config = parseTopicConfig(topic.config)
  checkTogether(config)
  const { assignment } = topic
  const brokers = placementBrokers(image, brokerIds)
  if (assignment !== undefined) checkAssignment(assignment, { brokers })
  const request = { brokers, partitionCount, replicationFactor, random }
  const placement = assignment ?? placeReplicas(request)
  const topicId = randomUuid(random)
  const records: MetadataRecord[] = [
    { kind: 'Topic', name, topicId },
    ...configRecords(name, config),
    ...placement.map((replicas, partition) => partitionRecord(image, topicId, partition, replicas)),
  ]
  return { records: records.map(journalRecord), answer: { topicId } }
}

export function deleteTopic(image: ClusterImage, name: string): Decision<{ topicId: string }> {
  const { topicId, isInternal } = existingTopic(image, name)
  if (isInternal) throw internalTopicError(name)
  return { records: [journalRecord({ kind: 'RemoveTopic', topicId })], answer: { topicId } }
}

function internalTopicError(name: string): PartlogError {
  return new PartlogError('INVALID_TOPIC_EXCEPTION', `topic ${name} belongs to the system`)
}

/** Adds partitions to a topic. */
export interface MorePartitions {
  readonly name: string
  /** The number of partitions the topic has afterwards. */
  readonly count: number
  /** The brokers of each new partition, if the caller chooses them. */
  readonly assignment?: readonly (readonly number[])[] | undefined
}

export function createPartitions(
  image: ClusterImage,
  more: MorePartitions,
  context: ControllerContext,
): Decision<undefined> {
  const { name, count } = more
  const topic = existingTopic(image, name)
  // A group is mapped to a partition by the number of partitions, which must not change.
  if (topic.isInternal) throw internalTopicError(name)
  const before = topic.partitions.length
  if (!Number.isInteger(count) || count <= before) {
    throw new PartlogError(
      'INVALID_PARTITIONS',
      `topic ${name} has ${before} partitions; their number can only grow, got ${count}`,
    )
  }
  checkPartitionCount(image, count - before)
  const records = placementOfMore(image, topic, more, context).map((replicas, index) =>
    partitionRecord(image, topic.topicId, before + index, replicas),
  )
  return { records: records.map(journalRecord), answer: undefined }
}

/** The replicas of new partitions: as the caller chooses, as many as partition 0 has. */
function placementOfMore(
  image: ClusterImage,
  { name, partitions }: TopicImage,
  { count, assignment }: MorePartitions,
  { brokerIds, random }: ControllerContext,
): readonly (readonly number[])[] {
  const first = partitions[0]?.replicas ?? []
  const firstPartition = partitions.length
  const partitionCount = count - firstPartition
  const brokers = placementBrokers(image, brokerIds)
  const replicationFactor = Math.max(1, first.length)
  if (assignment === undefined) {
    const start = Math.max(0, brokerIds.indexOf(first[0] ?? -1))
    const place = { brokers, firstPartition, start, random }
    return placeReplicas({ ...place, partitionCount, replicationFactor })
  }
  if (assignment.length !== partitionCount) {
    const sentence = `topic ${name} gets ${partitionCount} more partitions`
    throw new PartlogError(
      'INVALID_REPLICA_ASSIGNMENT',
      `${sentence}, but the assignment has brokers for ${assignment.length}`,
    )
  }
  checkAssignment(assignment, { brokers, firstPartition, replicationFactor })
  return assignment
}

/** Changes settings of a topic; null resets a setting to its default. */
export function alterConfig(
  image: ClusterImage,
  name: string,
  changes: Readonly<Record<string, unknown>>,
): Decision<undefined> {
  const topic = existingTopic(image, name)
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== null))
  const config = parseTopicConfig(given)
  const taken = Object.keys(changes).filter(setting => changes[setting] === null)
  for (const setting of taken) checkSettingName(setting)
  const kept = Object.entries(topic.config).filter(([setting]) => !taken.includes(setting))
  checkTogether({ ...Object.fromEntries(kept), ...config })
  const records = [
    ...configRecords(name, config),
    ...taken.map(setting => configRecord(name, setting, null)),
  ]
  return { records: records.map(journalRecord), answer: undefined }
}

/** Returns the topic. Throws UNKNOWN_TOPIC_OR_PARTITION. */
export function existingTopic(image: ClusterImage, name: string): TopicImage {
  const topic = image.topics.get(name)
  if (topic === undefined) {
    throw new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${name} does not exist`)
  }
  return topic
}

function refuseExisting(image: ClusterImage, name: string): void {
  if (image.topics.has(name)) {
    throw new PartlogError('TOPIC_ALREADY_EXISTS', `topic ${name} already exists`)
  }
  for (const other of image.topics.keys()) {
    if (topicsCollide(name, other)) {
      throw new PartlogError(
        'INVALID_TOPIC_EXCEPTION',
        `topic ${name} differs from ${other} only in '.' and '_', which Kafka's metrics confuse`,
      )
    }
  }
  if (image.topics.size >= TOPICS_MAX) {
    throw new PartlogError('POLICY_VIOLATION', `a cluster has at most ${TOPICS_MAX} topics`)
  }
}

function checkPartitionCount(image: ClusterImage, count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > PARTITIONS_MAX) {
    throw new PartlogError(
      'INVALID_PARTITIONS',
      `number of partitions: expected 1 to ${PARTITIONS_MAX}, got ${count}`,
    )
  }
  let total = count
  for (const topic of image.topics.values()) total += topic.partitions.length
  if (total > PARTITIONS_TOTAL_MAX) {
    throw new PartlogError(
      'POLICY_VIOLATION',
      `a cluster has at most ${PARTITIONS_TOTAL_MAX} partitions, this would make ${total}`,
    )
  }
}

function placementBrokers(
  image: ClusterImage,
  brokerIds: readonly number[],
): readonly PlacementBroker[] {
  return brokerIds.map(id => {
    const { rack = null, isFenced = false } = image.brokers.get(id) ?? {}
    return { id, rack, isFenced }
  })
}

/** A new partition: the replicas on live brokers are its ISR, and the first of them leads. */
function partitionRecord(
  image: ClusterImage,
  topicId: string,
  partitionId: number,
  replicas: readonly number[],
): MetadataRecord {
  const isr = replicas.filter(id => image.brokers.get(id)?.isFenced !== true)
  const leader = isr[0] ?? -1
  return {
    kind: 'Partition',
    partitionId,
    topicId,
    replicas,
    isr: isr.length === 0 ? replicas.slice(0, 1) : isr,
    leader,
    leaderEpoch: 0,
    partitionEpoch: 0,
  }
}

function configRecords(topic: string, config: TopicConfigText): MetadataRecord[] {
  return Object.entries(config).map(([name, value]) => configRecord(topic, name, value))
}

function configRecord(topic: string, name: string, value: string | null): MetadataRecord {
  return { kind: 'Config', resourceType: TOPIC_RESOURCE, resourceName: topic, name, value }
}

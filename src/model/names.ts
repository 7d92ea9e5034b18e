/* Names and numbers that users give, checked before anything is created from them. */

import { grouped } from '../base/grouped.js'
import { show } from '../base/options.js'
import { PartlogError } from './errors.js'

/** A partition of a topic, by name and number. */
export interface TopicPartition {
  readonly topic: string
  /** From 0. */
  readonly partition: number
}

/** The topic in which groups keep their committed offsets. */
export const OFFSETS_TOPIC = '__consumer_offsets'
/** The topic in which transaction coordinators keep transactional ids. */
export const TRANSACTIONS_TOPIC = '__transaction_state'
/** The topic from which brokers replay the state of the cluster. */
export const METADATA_TOPIC = '__cluster_metadata'

const INTERNAL_TOPICS: ReadonlySet<string> = new Set([
  OFFSETS_TOPIC,
  TRANSACTIONS_TOPIC,
  METADATA_TOPIC,
])

const TOPIC_NAME_MAX = 249
const TOPIC_CHARACTERS = /^[a-zA-Z0-9._-]+$/
const GROUP_ID_MAX = 1024

/** Partition numbers stay below this, so that a folder's name fits into 255 bytes. */
export const PARTITIONS_MAX = 99_999

/** Topics of the system: users may read them, but never create or write them. */
export function isInternalTopic(topic: string): boolean {
  return INTERNAL_TOPICS.has(topic)
}

/** The name checked last and found valid: most sends go to the same topic. */
let lastGood: string | undefined

/** Throws INVALID_TOPIC_EXCEPTION with the reason if Kafka does not allow the topic's name. */
export function checkTopicName(topic: unknown): asserts topic is string {
  if (topic === lastGood && topic !== undefined) return
  const reason = whyNotTopic(topic)
  if (reason !== undefined) {
    throw new PartlogError('INVALID_TOPIC_EXCEPTION', `topic ${show(topic)}: ${reason}`)
  }
  lastGood = topic as string
}

export function isTopicName(topic: string): boolean {
  return whyNotTopic(topic) === undefined
}

function whyNotTopic(topic: unknown): string | undefined {
  if (typeof topic !== 'string') return 'a topic is named by a string'
  if (topic === '') return 'the name is empty'
  if (topic === '.' || topic === '..') return 'this name means a folder'
  if (topic.length > TOPIC_NAME_MAX) {
    return `the name has ${topic.length} characters, at most ${TOPIC_NAME_MAX} are allowed`
  }
  if (!TOPIC_CHARACTERS.test(topic)) {
    return "only ASCII letters, digits, '.', '_' and '-' are allowed"
  }
  return undefined
}

/** Kafka's metrics write '.' as '_': two topics that differ only there collide. */
export function topicsCollide(a: string, b: string): boolean {
  return a !== b && a.replaceAll('.', '_') === b.replaceAll('.', '_')
}

/** Throws INVALID_PARTITIONS unless it is a whole number from 0 to {@link PARTITIONS_MAX} − 1. */
export function checkPartition(partition: unknown): asserts partition is number {
  const inRange =
    Number.isInteger(partition) &&
    (partition as number) >= 0 &&
    (partition as number) < PARTITIONS_MAX
  if (!inRange) {
    throw new PartlogError(
      'INVALID_PARTITIONS',
      `partition: expected a whole number from 0 to ${PARTITIONS_MAX - 1}, got ${show(partition)}`,
    )
  }
}

/** Throws INVALID_ARGUMENT unless it is a whole number from 0 to 2^53 − 1. */
export function checkOffset(offset: unknown, what = 'offset'): asserts offset is number {
  if (!Number.isSafeInteger(offset) || (offset as number) < 0) {
    throw new PartlogError(
      'INVALID_ARGUMENT',
      `${what}: expected a whole number from 0 to 2^53 − 1, got ${show(offset)}`,
    )
  }
}

export function checkGroupId(groupId: unknown): asserts groupId is string {
  if (typeof groupId !== 'string' || groupId === '' || groupId.length > GROUP_ID_MAX) {
    throw new PartlogError(
      'INVALID_GROUP_ID',
      `group id: expected a string of 1 to ${GROUP_ID_MAX} characters, got ${show(groupId)}`,
    )
  }
}

/** One string per partition, for maps: `orders-3`. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

/** The same of a partition that is one value. */
export function partitionName({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}

/** The numbers of partitions by topic, topics in the order in which they first occur. */
export function numbersByTopic(places: Iterable<TopicPartition>): Map<string, number[]> {
  const topics = grouped(places, ({ topic }) => topic)
  return new Map(
    [...topics].map(([topic, ofTopic]) => [topic, ofTopic.map(({ partition }) => partition)]),
  )
}

/** UTF-16 order, as Java compares strings: the same on every machine and in every locale. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** By topic, then by number. */
export function compareTopicPartitions(a: TopicPartition, b: TopicPartition): number {
  return compareText(a.topic, b.topic) || a.partition - b.partition
}

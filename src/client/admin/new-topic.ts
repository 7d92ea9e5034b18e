/* New topics and new partitions: as applications describe them, and as requests carry them. */

import { show } from '../../base/options.js'
import { PartlogError } from '../../model/errors.js'
import { checkTopicName } from '../../model/names.js'
import { settingTexts, type TopicConfigInput } from '../../model/topic-settings.js'
import type { Request } from '../../protocol/api.js'
import { checkFields, checkFlag, invalidArgument } from '../line/client-arguments.js'

/** A topic to create. */
export interface NewTopic {
  /** 1 to 249 of the characters a–z A–Z 0–9 . _ - */
  readonly topic: string
  /** Default: the cluster's `defaultPartitions`. */
  readonly partitions?: number | undefined
  /** Default: the cluster's `defaultReplicationFactor`. */
  readonly replicationFactor?: number | undefined
  /**
   * The brokers of each partition, the preferred leader first, instead of `partitions` and
   * `replicationFactor`: `[[1, 2], [2, 3]]`. Default: spread as Kafka does.
   */
  readonly assignment?: readonly (readonly number[])[] | undefined
  /** Settings under Kafka's dotted names; a setting left out has Kafka's default. */
  readonly config?: TopicConfigInput | undefined
  /** Only checks whether the topic could be created. Default false. */
  readonly validateOnly?: boolean | undefined
}

/** Partitions to add to a topic. */
export interface NewPartitions {
  readonly topic: string
  /** The new total number of partitions. */
  readonly partitions: number
  /**
   * The brokers of each new partition, the preferred leader first: `[[2, 1]]` for one more. One
   * list per new partition, each with as many brokers as partition 0. Default: spread as Kafka
   * does.
   */
  readonly assignments?: readonly (readonly number[])[] | undefined
  /** Only checks whether the partitions could be created. Default false. */
  readonly validateOnly?: boolean | undefined
}

const NEW_TOPIC_FIELDS = [
  'topic',
  'partitions',
  'replicationFactor',
  'assignment',
  'config',
  'validateOnly',
]

/** The fields of a new topic in a request. Throws when the topic is invalid. */
export function newTopicFields(topic: NewTopic): Request<'CreateTopics'>['topics'][number] {
  checkFields(topic, 'topic', NEW_TOPIC_FIELDS)
  const { topic: name, partitions, replicationFactor, assignment, config } = topic
  checkTopicName(name)
  if (partitions !== undefined) checkCount(partitions, 'partitions')
  if (replicationFactor !== undefined) checkCount(replicationFactor, 'replicationFactor')
  if (assignment !== undefined) checkAssignment(assignment, topic)
  const texts = settingTexts(config)
  return {
    name,
    numPartitions: partitions ?? -1,
    replicationFactor: replicationFactor ?? -1,
    assignments: (assignment ?? []).map((brokerIds, partitionIndex) => ({
      partitionIndex,
      brokerIds,
    })),
    configs: Object.entries(texts).map(([key, value]) => ({ name: key, value })),
  }
}

const NEW_PARTITIONS_FIELDS = ['topic', 'partitions', 'assignments', 'validateOnly']

/** The fields of new partitions in a request. Throws when they are invalid. */
export function newPartitionsFields(
  more: NewPartitions,
): Request<'CreatePartitions'>['topics'][number] {
  checkFields(more, 'createPartitions', NEW_PARTITIONS_FIELDS)
  const { topic: name, partitions: count, assignments, validateOnly } = more
  checkTopicName(name)
  checkCount(count, 'partitions')
  checkFlag(validateOnly, 'validateOnly')
  if (assignments !== undefined) checkBrokerLists(assignments, 'assignments')
  const lists = assignments?.map(brokerIds => ({ brokerIds }))
  return { name, count, assignments: lists ?? null }
}

function checkBrokerLists(given: unknown, what: string): void {
  const isList = (each: unknown): boolean =>
    Array.isArray(each) && each.length > 0 && each.every(id => Number.isSafeInteger(id))
  if (Array.isArray(given) && given.length > 0 && given.every(isList)) return
  throw invalidArgument(what, 'a list of broker ids for each partition', given)
}

function checkAssignment(given: unknown, { partitions, replicationFactor }: NewTopic): void {
  checkBrokerLists(given, 'assignment')
  if (partitions === undefined && replicationFactor === undefined) return
  const sentence =
    'assignment determines the number of partitions and replicas: ' +
    'leave out partitions and replicationFactor'
  throw new PartlogError('INVALID_ARGUMENT', sentence)
}

function checkCount(count: unknown, what: string): asserts count is number {
  if (Number.isInteger(count) && (count as number) >= 1 && (count as number) < 2 ** 31) return
  const code = what === 'partitions' ? 'INVALID_PARTITIONS' : 'INVALID_REPLICATION_FACTOR'
  throw new PartlogError(code, `${what}: expected a whole number of at least 1, got ${show(count)}`)
}

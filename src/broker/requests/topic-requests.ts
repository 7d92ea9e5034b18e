/*
 * CreateTopics (v2–v7), DeleteTopics (v6) and CreatePartitions (v0–v3). Each asks the controller
 * for a decision, and answers when it is committed and this broker has applied it.
 */

import { distinctBy, repeated } from '../../base/repeated.js'
import { paced } from '../../base/tasks.js'
import { ZERO_UUID } from '../../base/uuid.js'
import {
  createPartitions as decidePartitions,
  createTopic as decideTopic,
  deleteTopic as decideDeletion,
  type NewTopic,
} from '../../coordinator/metadata/topics.js'
import { PartlogError } from '../../model/errors.js'
import { isInternalTopic } from '../../model/names.js'
import { parseTopicConfig } from '../../model/topic-settings.js'
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
  CreateTopicsRequest,
  CreateTopicsResponse,
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../protocol/messages/topics.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'
import { topicEntries } from '../tools/topic-entries.js'

const DEFAULT = -1

type NewTopicRequest = CreateTopicsRequest['topics'][number]
type CreatedTopic = CreateTopicsResponse['topics'][number]

export async function createTopics(
  broker: BrokerContext,
  { topics: wanted, validateOnly = false }: CreateTopicsRequest,
): Promise<CreateTopicsResponse> {
  const topics: CreatedTopic[] = []
  const doubled = repeated(wanted.map(({ name }) => name))
  const excess = excessOf(wanted.map(topic => partitionsOf(broker, topic)))
  for await (const request of paced(distinctBy(wanted, ({ name }) => name), broker.clock)) {
    const { name } = request
    try {
      checkNamedOnce(name, doubled)
      if (excess !== undefined) throw excess
      const topic = newTopicOf(broker, request)
      const { topicId } = await createOne(broker, topic, validateOnly)
      topics.push({ name, topicId, ...NO_ERROR, ...shapeOf(topic) })
    } catch (error) {
      topics.push({ name, ...errorFields(error) })
    }
  }
  return { topics }
}

function newTopicOf({ settings }: BrokerContext, request: NewTopicRequest): NewTopic {
  const { name, numPartitions, replicationFactor, assignments, configs } = request
  if (isInternalTopic(name)) {
    throw new PartlogError('INVALID_TOPIC_EXCEPTION', `topic ${name} belongs to the system`)
  }
  if (assignments.length > 0 && (numPartitions !== DEFAULT || replicationFactor !== DEFAULT)) {
    const sentence =
      'a replica assignment excludes a number of partitions and a replication factor'
    throw new PartlogError('INVALID_REQUEST', sentence)
  }
  const assignment = assignmentOf(assignments)
  const wanted = numPartitions === DEFAULT ? settings.defaultPartitions : numPartitions
  return {
    name,
    partitionCount: assignment?.length ?? wanted,
    assignment,
    replicationFactor:
      replicationFactor === DEFAULT ? settings.defaultReplicationFactor : replicationFactor,
    config: Object.fromEntries(configs.map(({ name: key, value }) => [key, value])),
  }
}

/** The created topic in the answer: partitions, replication factor, settings. */
function shapeOf(topic: NewTopic): Partial<CreatedTopic> {
  return {
    numPartitions: topic.partitionCount,
    replicationFactor: topic.assignment?.[0]?.length ?? topic.replicationFactor,
    configs: topicEntries(parseTopicConfig(topic.config)),
  }
}

/** Upper limit of new partitions per request, as in Kafka's controller. */
export const NEW_PARTITIONS_MAX = 10_000

/** The error if a request would create too many partitions: then none are created. */
function excessOf(counts: readonly number[]): PartlogError | undefined {
  const count = counts.reduce((sum, each) => sum + Math.max(0, each), 0)
  if (count <= NEW_PARTITIONS_MAX) return undefined
  const sentence =
    `${count} partitions are too many for one request: at most ${NEW_PARTITIONS_MAX} can be ` +
    'created, split it into several'
  return new PartlogError('POLICY_VIOLATION', sentence)
}

function partitionsOf({ settings }: BrokerContext, topic: NewTopicRequest): number {
  const { assignments, numPartitions } = topic
  if (assignments.length > 0) return assignments.length
  return numPartitions === DEFAULT ? settings.defaultPartitions : numPartitions
}

function checkNamedOnce(name: string, doubled: ReadonlySet<string>): void {
  if (doubled.has(name)) throw namedTwice(name)
}

function namedTwice(name: string): PartlogError {
  return new PartlogError('INVALID_REQUEST', `topic ${name} is named twice`)
}

/** The brokers by partition; undefined if the controller should choose them. */
function assignmentOf(
  assignments: CreateTopicsRequest['topics'][number]['assignments'],
): (readonly number[])[] | undefined {
  if (assignments.length === 0) return undefined
  const sorted = [...assignments].sort((a, b) => a.partitionIndex - b.partitionIndex)
  const isComplete = sorted.every(({ partitionIndex }, index) => partitionIndex === index)
  if (isComplete) return sorted.map(({ brokerIds }) => brokerIds)
  const sentence = 'replica assignment: partitions must be numbered from 0 without gaps'
  throw new PartlogError('INVALID_REPLICA_ASSIGNMENT', sentence)
}

async function createOne(
  broker: BrokerContext,
  topic: NewTopic,
  validateOnly: boolean,
): Promise<{ topicId: string }> {
  const { controller, controllerContext } = broker
  if (validateOnly) return decideTopic(controller.image, topic, controllerContext).answer
  return await controller.run(image => decideTopic(image, topic, controllerContext))
}

type TopicToDelete = DeleteTopicsRequest['topics'][number]

export async function deleteTopics(
  broker: BrokerContext,
  request: DeleteTopicsRequest,
): Promise<DeleteTopicsResponse> {
  const responses: DeleteTopicsResponse['responses'][number][] = []
  for await (const wanted of paced(toDelete(broker, request), broker.clock)) {
    const { name, topicId } = wanted
    try {
      if (wanted.isRepeated) throw namedTwice(name ?? topicId)
      checkTopicToDelete(wanted)
      const topic = name ?? nameOf(broker, topicId)
      const answer = await broker.controller.run(image => decideDeletion(image, topic))
      responses.push({ name: topic, topicId: answer.topicId, ...NO_ERROR })
    } catch (error) {
      responses.push({ name, topicId, ...errorFields(error) })
    }
  }
  return { responses }
}

interface TopicDeletion {
  readonly name: string | null
  readonly topicId: string
  readonly isRepeated: boolean
}

/** Each topic once, even if the request names it by name and by id. */
function toDelete({ controller }: BrokerContext, { topics }: DeleteTopicsRequest): TopicDeletion[] {
  const found = new Map<string, TopicDeletion>()
  for (const { name = null, topicId = ZERO_UUID } of topics) {
    const key = name ?? controller.image.topicById(topicId)?.name ?? topicId
    const before = found.get(key)
    found.set(key, {
      name: before?.name ?? name,
      topicId: before === undefined || before.topicId === ZERO_UUID ? topicId : before.topicId,
      isRepeated: before !== undefined,
    })
  }
  return [...found.values()]
}

function nameOf({ controller }: BrokerContext, topicId: string): string {
  const topic = controller.image.topicById(topicId)
  if (topic !== undefined) return topic.name
  throw new PartlogError('UNKNOWN_TOPIC_ID', `no topic has the id ${topicId}`)
}

function checkTopicToDelete({ name = null, topicId = ZERO_UUID }: TopicToDelete): void {
  if ((name === null) !== (topicId === ZERO_UUID)) return
  throw new PartlogError('INVALID_REQUEST', 'a topic to delete needs a name or an id, not both')
}

export async function createPartitions(
  broker: BrokerContext,
  request: CreatePartitionsRequest,
): Promise<CreatePartitionsResponse> {
  const results: CreatePartitionsResponse['results'][number][] = []
  const { controller, controllerContext } = broker
  const doubled = repeated(request.topics.map(({ name }) => name))
  const { topics: known } = broker.controller.image
  const excess = excessOf(
    request.topics.map(({ name, count }) => count - (known.get(name)?.partitions.length ?? 0)),
  )
  const wanted = distinctBy(request.topics, topic => topic.name)
  for await (const { name, count, assignments } of paced(wanted, broker.clock)) {
    try {
      checkNamedOnce(name, doubled)
      if (excess !== undefined) throw excess
      const assignment = assignments?.map(({ brokerIds }) => brokerIds)
      const more = { name, count, assignment }
      if (request.validateOnly) decidePartitions(controller.image, more, controllerContext)
      else await controller.run(image => decidePartitions(image, more, controllerContext))
      results.push({ name, ...NO_ERROR })
    } catch (error) {
      results.push({ name, ...errorFields(error) })
    }
  }
  return { results }
}

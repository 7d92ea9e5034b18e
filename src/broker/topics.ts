/**
 * CreateTopics (v2–v7), DeleteTopics (v6), CreatePartitions (v0–v3), DescribeConfigs (v1–v4) and
 * IncrementalAlterConfigs (v0–v1). Each asks the controller for a decision, waits until it is
 * committed and until this broker has done what it says.
 */

import {
  alterConfig,
  createPartitions as decidePartitions,
  createTopic as decideTopic,
  deleteTopic as decideDeletion,
  existingTopic,
} from '../coordinator/controller.js'
import { PartlogError } from '../model/errors.js'
import { isInternalTopic } from '../model/names.js'
import { settingValue, TOPIC_SETTINGS, type TopicSetting } from '../model/topic-settings.js'
import {
  CONFIG_OPERATION,
  CONFIG_SOURCE,
  TOPIC_RESOURCE,
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
  type CreateTopicsRequest,
  type CreateTopicsResponse,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
  type DescribeConfigsRequest,
  type DescribeConfigsResponse,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
} from '../protocol/messages/topics.js'
import type { BrokerContext } from './context.js'
import { errorFields, NO_ERROR } from './errors.js'

const DEFAULT = -1

export async function createTopics(
  broker: BrokerContext,
  request: CreateTopicsRequest,
): Promise<CreateTopicsResponse> {
  const topics: CreateTopicsResponse['topics'][number][] = []
  for (const { name, numPartitions, replicationFactor, assignments, configs } of request.topics) {
    try {
      if (isInternalTopic(name)) {
        throw new PartlogError('INVALID_TOPIC_EXCEPTION', `topic ${name} belongs to the system`)
      }
      const { settings } = broker
      const assignment = assignmentOf(assignments)
      const wanted = numPartitions === DEFAULT ? settings.defaultPartitions : numPartitions
      const topic = {
        name,
        partitionCount: assignment?.length ?? wanted,
        assignment,
        replicationFactor:
          replicationFactor === DEFAULT ? settings.defaultReplicationFactor : replicationFactor,
        config: Object.fromEntries(
          configs.map(({ name: key, value }) => [key, value ?? undefined]),
        ),
      }
      const { topicId } = await createOne(broker, topic, request.validateOnly ?? false)
      topics.push({ name, topicId, ...NO_ERROR, numPartitions: topic.partitionCount })
    } catch (error) {
      topics.push({ name, ...errorFields(error) })
    }
  }
  return { topics }
}

/** The brokers by partition; undefined when they are for the controller to choose. */
function assignmentOf(
  assignments: CreateTopicsRequest['topics'][number]['assignments'],
): (readonly number[])[] | undefined {
  if (assignments.length === 0) return undefined
  const sorted = [...assignments].sort((a, b) => a.partitionIndex - b.partitionIndex)
  const isComplete = sorted.every(({ partitionIndex }, index) => partitionIndex === index)
  if (isComplete) return sorted.map(({ brokerIds }) => brokerIds)
  const sentence = 'replica assignment: partitions are numbered from 0, without a gap'
  throw new PartlogError('INVALID_REPLICA_ASSIGNMENT', sentence)
}

async function createOne(
  broker: BrokerContext,
  topic: Parameters<typeof decideTopic>[1],
  validateOnly: boolean,
): Promise<{ topicId: string }> {
  const { controller, controllerContext } = broker
  if (validateOnly) return decideTopic(controller.image, topic, controllerContext).answer
  return await controller.run(image => decideTopic(image, topic, controllerContext))
}

export async function deleteTopics(
  broker: BrokerContext,
  request: DeleteTopicsRequest,
): Promise<DeleteTopicsResponse> {
  const responses: DeleteTopicsResponse['responses'][number][] = []
  for (const { name, topicId = '' } of request.topics) {
    const wanted = name ?? broker.controller.image.topicById(topicId)?.name ?? ''
    try {
      const answer = await broker.controller.run(image => decideDeletion(image, wanted))
      responses.push({ name: wanted, topicId: answer.topicId, ...NO_ERROR })
    } catch (error) {
      responses.push({ name: wanted, ...errorFields(error) })
    }
  }
  return { responses }
}

export async function createPartitions(
  broker: BrokerContext,
  request: CreatePartitionsRequest,
): Promise<CreatePartitionsResponse> {
  const results: CreatePartitionsResponse['results'][number][] = []
  const { controller, controllerContext } = broker
  for (const { name, count, assignments } of request.topics) {
    try {
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

// ── settings ─────────────────────────────────────────────────────────────────────────────

export async function describeConfigs(
  broker: BrokerContext,
  request: DescribeConfigsRequest,
): Promise<DescribeConfigsResponse> {
  const results = request.resources.map(({ resourceType, resourceName, configurationKeys }) => {
    const resource = { resourceType, resourceName }
    try {
      checkResource(resourceType)
      const { config } = existingTopic(broker.controller.image, resourceName)
      const names = Object.keys(TOPIC_SETTINGS) as TopicSetting[]
      const wanted = names.filter(name => configurationKeys?.includes(name) ?? true)
      const configs = wanted.map(name => {
        const value = settingValue(config, name)
        return {
          name,
          value: value === undefined ? null : String(value),
          readOnly: false,
          isSensitive: false,
          configSource: name in config ? CONFIG_SOURCE.topic : CONFIG_SOURCE.default,
        }
      })
      return { ...resource, ...NO_ERROR, configs }
    } catch (error) {
      return { ...resource, ...errorFields(error), configs: [] }
    }
  })
  return { results }
}

export async function incrementalAlterConfigs(
  broker: BrokerContext,
  request: IncrementalAlterConfigsRequest,
): Promise<IncrementalAlterConfigsResponse> {
  const responses: IncrementalAlterConfigsResponse['responses'][number][] = []
  for (const { resourceType, resourceName, configs } of request.resources) {
    const resource = { resourceType, resourceName }
    try {
      checkResource(resourceType)
      const changes = Object.fromEntries(configs.map(change => [change.name, changedValue(change)]))
      const { controller } = broker
      if (request.validateOnly) alterConfig(controller.image, resourceName, changes)
      else {
        await controller.run(image => alterConfig(image, resourceName, changes))
      }
      responses.push({ ...resource, ...NO_ERROR })
    } catch (error) {
      responses.push({ ...resource, ...errorFields(error) })
    }
  }
  return { responses }
}

interface ConfigChange {
  readonly name: string
  readonly configOperation: number
  readonly value: string | null
}

/** The new text, null to take the setting back. */
function changedValue({ name, configOperation, value }: ConfigChange): string | null {
  if (configOperation === CONFIG_OPERATION.delete) return null
  if (configOperation === CONFIG_OPERATION.set) return value
  throw new PartlogError('INVALID_CONFIG', `${name}: only set and delete are possible`)
}

function checkResource(resourceType: number): void {
  if (resourceType === TOPIC_RESOURCE) return
  throw new PartlogError('INVALID_REQUEST', 'only topics have settings here')
}

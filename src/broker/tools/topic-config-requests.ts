/*
 * DescribeConfigs (v1–v4), AlterConfigs (v0–v2, which replaces all settings of a topic) and
 * IncrementalAlterConfigs (v0–v1), for topics.
 */

import { repeated } from '../../base/repeated.js'
import { paced } from '../../base/tasks.js'
import type { Decision } from '../../coordinator/fold/state-machine.js'
import type { ClusterImage } from '../../coordinator/metadata/cluster-image.js'
import { alterConfig, existingTopic } from '../../coordinator/metadata/topics.js'
import { PartlogError } from '../../model/errors.js'
import { checkTopicName } from '../../model/names.js'
import { listed } from '../../model/topic-settings.js'
import {
  CONFIG_OPERATION,
  TOPIC_RESOURCE,
  type AlterConfigsRequest,
  type AlterConfigsResponse,
  type DescribeConfigsRequest,
  type DescribeConfigsResponse,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
} from '../../protocol/messages/configs.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'
import { isList, partsOf, synonymsOf, topicEntries, typeOf } from './topic-entries.js'

export async function describeConfigs(
  broker: BrokerContext,
  request: DescribeConfigsRequest,
): Promise<DescribeConfigsResponse> {
  const { includeSynonyms = false } = request
  const results = request.resources.map(({ resourceType, resourceName, configurationKeys }) => {
    const resource = { resourceType, resourceName }
    try {
      checkResource(resourceType)
      checkTopicName(resourceName)
      const { config } = existingTopic(broker.controller.image, resourceName)
      // An empty list of names asks for all settings, like null.
      const isWanted = (name: string): boolean =>
        (configurationKeys ?? []).length === 0 || configurationKeys?.includes(name) === true
      const entries = topicEntries(config).filter(({ name }) => isWanted(name))
      const configs = entries.map(entry => ({
        ...entry,
        synonyms: includeSynonyms ? synonymsOf(entry) : [],
        configType: typeOf(entry.name),
      }))
      return { ...resource, ...NO_ERROR, configs }
    } catch (error) {
      return { ...resource, ...errorFields(error), configs: [] }
    }
  })
  return { results }
}

interface Resource {
  readonly resourceType: number
  readonly resourceName: string
  readonly configs: readonly { readonly name: string }[]
}

/** New settings of a topic by name; null removes one, so that the default applies. */
type Changes = Readonly<Record<string, string | null>>

export async function alterConfigs(
  broker: BrokerContext,
  request: AlterConfigsRequest,
): Promise<AlterConfigsResponse> {
  const replaced = (image: ClusterImage, resource: (typeof request.resources)[number]): Changes => {
    for (const { name, value } of resource.configs) checkNotNull(name, value)
    const { config } = existingTopic(image, resource.resourceName)
    const removed = Object.keys(config).map(name => [name, null] as const)
    const given = resource.configs.map(({ name, value }) => [name, value] as const)
    return Object.fromEntries([...removed, ...given])
  }
  return { responses: await changeAll(broker, request, replaced) }
}

export async function incrementalAlterConfigs(
  broker: BrokerContext,
  request: IncrementalAlterConfigsRequest,
): Promise<IncrementalAlterConfigsResponse> {
  const changed = (image: ClusterImage, resource: (typeof request.resources)[number]): Changes => {
    const { config } = existingTopic(image, resource.resourceName)
    return Object.fromEntries(
      resource.configs.map(change => [change.name, changedValue(config, change)]),
    )
  }
  return { responses: await changeAll(broker, request, changed) }
}

type Answer = AlterConfigsResponse['responses'][number]

async function changeAll<R extends Resource>(
  broker: BrokerContext,
  request: { readonly resources: readonly R[]; readonly validateOnly: boolean },
  changesOf: (image: ClusterImage, resource: R) => Changes,
): Promise<Answer[]> {
  const { controller } = broker
  const answers: Answer[] = []
  const doubled = repeated(request.resources.map(keyOf))
  for await (const resource of paced(request.resources, broker.clock)) {
    const { resourceType, resourceName } = resource
    const decide = (image: ClusterImage): Decision<undefined> =>
      alterConfig(image, resourceName, changesOf(image, resource))
    try {
      if (doubled.has(keyOf(resource))) throw namedTwice(resourceName)
      checkNames(resource.configs)
      checkResource(resourceType)
      checkTopic(resourceName)
      if (request.validateOnly) decide(controller.image)
      else await controller.run(decide)
      answers.push({ resourceType, resourceName, ...NO_ERROR })
    } catch (error) {
      answers.push({ resourceType, resourceName, ...errorFields(error) })
    }
  }
  return answers
}

interface ConfigChange {
  readonly name: string
  readonly configOperation: number
  readonly value: string | null
}

/** The new text; null removes the setting. */
function changedValue(
  config: Readonly<Record<string, string>>,
  { name, configOperation, value }: ConfigChange,
): string | null {
  if (configOperation === CONFIG_OPERATION.delete) return null
  checkNotNull(name, value)
  if (configOperation === CONFIG_OPERATION.set) return value
  if (!isList(name)) {
    throw new PartlogError('INVALID_CONFIG', `${name} is not a list: it can be set or deleted`)
  }
  const before = partsOf(config, name)
  const given = listed(value)
  if (configOperation === CONFIG_OPERATION.subtract) {
    return before.filter(part => !given.includes(part)).join()
  }
  return [...new Set([...before, ...given])].join()
}

// ── checks ───────────────────────────────────────────────────────────────────────────────

function checkResource(resourceType: number): void {
  if (resourceType === TOPIC_RESOURCE) return
  const sentence = `resource type ${resourceType} is not supported: only topics (2) have settings`
  throw new PartlogError('INVALID_REQUEST', sentence)
}

function checkTopic(name: string): void {
  if (name === '') throw new PartlogError('INVALID_REQUEST', 'default settings of topics are fixed')
  checkTopicName(name)
}

function keyOf({ resourceType, resourceName }: Resource): string {
  return `${resourceType} ${resourceName}`
}

function checkNames(configs: readonly { readonly name: string }[]): void {
  const [doubled] = repeated(configs.map(({ name }) => name))
  if (doubled !== undefined) throw namedTwice(doubled)
}

function namedTwice(name: string): PartlogError {
  return new PartlogError('INVALID_REQUEST', `${name} is named twice`)
}

function checkNotNull(name: string, value: string | null): asserts value is string {
  if (value === null) throw new PartlogError('INVALID_REQUEST', `${name}: a value must not be null`)
}

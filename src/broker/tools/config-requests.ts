/*
 * DescribeConfigs (v1–v4), AlterConfigs (v0–v2, which replaces all settings of a resource),
 * IncrementalAlterConfigs (v0–v1) and ListConfigResources (v0–v1).
 *
 *   topics                    read and changed
 *   groups, client metrics    read and changed, without effect: model/resource-settings.ts
 *   brokers                   read only: what the program gave, and what is fixed here
 *   loggers of brokers        none: the cluster's logger is the program's
 */

import { repeated } from '../../base/repeated.js'
import { paced } from '../../base/tasks.js'
import { NOTHING, type Decision } from '../../coordinator/fold/state-machine.js'
import type { ClusterImage } from '../../coordinator/metadata/cluster-image.js'
import { alterResource, type Resource } from '../../coordinator/metadata/resource-configs.js'
import { alterConfig, existingTopic } from '../../coordinator/metadata/topics.js'
import { errorId, PartlogError } from '../../model/errors.js'
import { checkTopicName } from '../../model/names.js'
import { listed } from '../../model/topic-settings.js'
import {
  CONFIG_OPERATION,
  RESOURCE_TYPE,
  type AlterConfigsRequest,
  type AlterConfigsResponse,
  type DescribeConfigsRequest,
  type DescribeConfigsResponse,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
  type ListConfigResourcesRequest,
  type ListConfigResourcesResponse,
} from '../../protocol/messages/configs.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'
import { brokerEntries } from './broker-entries.js'
import { KINDS, resourceEntries } from './resource-entries.js'
import { isList, partsOf, topicEntries, type SettingEntry } from './topic-entries.js'

export async function describeConfigs(
  broker: BrokerContext,
  request: DescribeConfigsRequest,
): Promise<DescribeConfigsResponse> {
  const { includeSynonyms = false, includeDocumentation = false } = request
  const results = request.resources.map(({ resourceType, resourceName, configurationKeys }) => {
    const resource = { resourceType, resourceName }
    try {
      // An empty list of names asks for all settings, like null.
      const isWanted = ({ name }: SettingEntry): boolean =>
        (configurationKeys ?? []).length === 0 || configurationKeys?.includes(name) === true
      const configs = entriesOf(broker, resource)
        .filter(isWanted)
        .map(({ synonyms, documentation, ...entry }) => ({
          ...entry,
          synonyms: includeSynonyms ? synonyms : [],
          documentation: includeDocumentation ? documentation : null,
        }))
      return { ...resource, ...NO_ERROR, configs }
    } catch (error) {
      return { ...resource, ...errorFields(error), configs: [] }
    }
  })
  return { results }
}

/** Throws INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION. */
function entriesOf(broker: BrokerContext, resource: Resource): SettingEntry[] {
  const { resourceType, resourceName } = resource
  const { image } = broker.controller
  checkName(broker, resource)
  switch (resourceType) {
    case RESOURCE_TYPE.topic:
      return topicEntries(existingTopic(image, resourceName).config)
    case RESOURCE_TYPE.broker:
      return resourceName === '' ? [] : brokerEntries(broker)
    case RESOURCE_TYPE.brokerLogger:
      return []
    default:
      return resourceEntries(resourceType, image.configOf(resourceType, resourceName))
  }
}

interface ChangedResource extends Resource {
  readonly configs: readonly { readonly name: string }[]
}

/** New settings of a resource by name; null removes one, so that the default applies. */
type Changes = Readonly<Record<string, string | null>>

export async function alterConfigs(
  broker: BrokerContext,
  request: AlterConfigsRequest,
): Promise<AlterConfigsResponse> {
  const replaced = (image: ClusterImage, resource: (typeof request.resources)[number]): Changes => {
    for (const { name, value } of resource.configs) checkNotNull(name, value)
    const config = configOf(image, resource)
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
    const config = configOf(image, resource)
    const isTopic = resource.resourceType === RESOURCE_TYPE.topic
    return Object.fromEntries(
      resource.configs.map(change => [
        change.name,
        changedValue(config, change, isTopic && isList(change.name)),
      ]),
    )
  }
  return { responses: await changeAll(broker, request, changed) }
}

type Answer = AlterConfigsResponse['responses'][number]

async function changeAll<R extends ChangedResource>(
  broker: BrokerContext,
  request: { readonly resources: readonly R[]; readonly validateOnly: boolean },
  changesOf: (image: ClusterImage, resource: R) => Changes,
): Promise<Answer[]> {
  const { controller } = broker
  const answers: Answer[] = []
  const doubled = repeated(request.resources.map(keyOf))
  for await (const resource of paced(request.resources, broker.clock)) {
    const { resourceType, resourceName } = resource
    const decide = (image: ClusterImage): Decision<void> =>
      decisionOf(image, resource, changesOf(image, resource))
    try {
      if (doubled.has(keyOf(resource))) throw namedTwice(resourceName)
      checkNames(resource.configs)
      if (resourceName === '') checkDefaults(resourceType)
      checkName(broker, resource)
      if (request.validateOnly) decide(controller.image)
      else await controller.run(decide)
      answers.push({ resourceType, resourceName, ...NO_ERROR })
    } catch (error) {
      answers.push({ resourceType, resourceName, ...errorFields(error) })
    }
  }
  return answers
}

function configOf(image: ClusterImage, { resourceType, resourceName }: Resource) {
  const isTopic = resourceType === RESOURCE_TYPE.topic
  return isTopic
    ? existingTopic(image, resourceName).config
    : image.configOf(resourceType, resourceName)
}

function decisionOf(image: ClusterImage, resource: Resource, changes: Changes): Decision<void> {
  const { resourceType, resourceName } = resource
  if (resourceType === RESOURCE_TYPE.topic) return alterConfig(image, resourceName, changes)
  const kind = KINDS.get(resourceType)
  if (kind !== undefined) return alterResource(image, resource, { kind, changes })
  const names = Object.keys(changes).filter(name => changes[name] !== null)
  if (names.length === 0) return NOTHING
  if (resourceType === RESOURCE_TYPE.brokerLogger) {
    throw new PartlogError('INVALID_CONFIG', `logger ${names.join(', ')} does not exist`)
  }
  const sentence = `settings of brokers can only be read: ${names.join(', ')}`
  throw new PartlogError('INVALID_REQUEST', sentence)
}

export function listConfigResources(
  broker: BrokerContext,
  { resourceTypes = [] }: ListConfigResourcesRequest,
): ListConfigResourcesResponse {
  const { image } = broker.controller
  const alive = broker.brokers.filter(({ nodeId }) => image.isAlive(nodeId))
  const brokers = alive.map(({ nodeId }) => String(nodeId))
  const names: Readonly<Record<number, readonly string[]>> = {
    [RESOURCE_TYPE.topic]: [...image.topics.keys()],
    [RESOURCE_TYPE.broker]: brokers,
    [RESOURCE_TYPE.brokerLogger]: brokers,
    [RESOURCE_TYPE.clientMetrics]: withSettings(image, RESOURCE_TYPE.clientMetrics),
    [RESOURCE_TYPE.group]: withSettings(image, RESOURCE_TYPE.group),
  }
  const wanted = resourceTypes.length === 0 ? Object.keys(names).map(Number) : resourceTypes
  if (wanted.some(type => !Object.hasOwn(names, type))) {
    return { errorCode: errorId('UNSUPPORTED_VERSION'), configResources: [] }
  }
  const configResources = [...new Set(wanted)].flatMap(resourceType =>
    (names[resourceType] ?? []).map(resourceName => ({ resourceName, resourceType })),
  )
  return { errorCode: 0, configResources }
}

function withSettings({ resources }: ClusterImage, type: number): string[] {
  return [...resources.values()]
    .filter(({ resourceType }) => resourceType === type)
    .map(({ resourceName }) => resourceName)
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
  isOfList: boolean,
): string | null {
  if (configOperation === CONFIG_OPERATION.delete) return null
  checkNotNull(name, value)
  if (configOperation === CONFIG_OPERATION.set) return value
  if (!isOfList) {
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

const RESOURCE_TYPES: ReadonlySet<number> = new Set(Object.values(RESOURCE_TYPE))
const BROKER_TYPES: ReadonlySet<number> = new Set([
  ...[RESOURCE_TYPE.broker, RESOURCE_TYPE.brokerLogger],
])

/** Throws INVALID_REQUEST, INVALID_TOPIC_EXCEPTION. */
function checkName(broker: BrokerContext, { resourceType, resourceName }: Resource): void {
  if (!RESOURCE_TYPES.has(resourceType)) {
    const known = [...RESOURCE_TYPES].join(', ')
    throw invalidRequest(`resource type ${resourceType} has no settings: only ${known} have`)
  }
  if (BROKER_TYPES.has(resourceType)) checkBroker(broker.nodeId, { resourceType, resourceName })
  else if (resourceType === RESOURCE_TYPE.topic) checkTopicName(resourceName)
  else if (resourceName === '') throw invalidRequest('a resource without a name has no settings')
}

/** Of a resource without a name. Throws INVALID_REQUEST. */
function checkDefaults(resourceType: number): void {
  if (resourceType !== RESOURCE_TYPE.topic) return
  throw invalidRequest('default settings of topics are fixed')
}

/** Each broker answers for itself; settings for all brokers have an empty name. */
function checkBroker(nodeId: number, { resourceType, resourceName }: Resource): void {
  if (resourceName === '' && resourceType === RESOURCE_TYPE.broker) return
  if (!/^-?\d+$/.test(resourceName)) {
    throw invalidRequest(`broker ids are whole numbers, got "${resourceName}"`)
  }
  if (Number(resourceName) === nodeId) return
  throw invalidRequest(`broker ${nodeId} was asked for the settings of broker ${resourceName}`)
}

function invalidRequest(sentence: string): PartlogError {
  return new PartlogError('INVALID_REQUEST', sentence)
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

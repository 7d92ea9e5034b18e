/*
 * DescribeConfigs, AlterConfigs (replaces all settings), IncrementalAlterConfigs, and
 * ListConfigResources.
 */

import {
  array,
  bool,
  int32,
  int8,
  message,
  nullableArray,
  nullableString,
  since,
  string,
  struct,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { errorCode, errorMessage, resourceType, topicName } from './message-places.js'
import type { OlderVersions } from './older-versions.js'

/** ConfigResource.Type.TOPIC */
export const TOPIC_RESOURCE = 2
/** ConfigResource.Type: what else has settings. */
export const RESOURCE_TYPE = {
  topic: TOPIC_RESOURCE,
  broker: 4,
  brokerLogger: 8,
  clientMetrics: 16,
  group: 32,
} as const
/** ConfigEntry.ConfigSource */
export const CONFIG_SOURCE = {
  topic: 1,
  staticBroker: 4,
  default: 5,
  clientMetrics: 7,
  group: 8,
} as const
/** ConfigDef.Type, as DescribeConfigs numbers it */
export const CONFIG_TYPE = { boolean: 1, string: 2, int: 3, long: 5, double: 6, list: 7 } as const
/** AlterConfigOp.OpType */
export const CONFIG_OPERATION = { set: 0, delete: 1, append: 2, subtract: 3 } as const

/** A fault rule for a topic meets resources of its name. */
const resourceName = topicName

const DESCRIBE_RANGE = { versions: [1, 4], flexibleSince: 4 } as const

export const describeConfigsRequest = message('DescribeConfigsRequest', DESCRIBE_RANGE, {
  resources: array(
    struct({
      resourceType,
      resourceName,
      /** null asks for all. */
      configurationKeys: nullableArray(string),
    }),
  ),
  includeSynonyms: withDefault(bool, false),
  includeDocumentation: since(3, bool, false),
})

export const describeConfigsResponse = message('DescribeConfigsResponse', DESCRIBE_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  results: array(
    struct({
      errorCode,
      errorMessage,
      resourceType,
      resourceName,
      configs: array(
        struct({
          name: string,
          value: nullableString,
          readOnly: bool,
          configSource: withDefault(int8, -1),
          isSensitive: bool,
          synonyms: withDefault(
            array(struct({ name: string, value: nullableString, source: int8 })),
            [],
          ),
          configType: since(3, int8, 0),
          documentation: since(3, nullableString, null),
        }),
      ),
    }),
  ),
})

const REPLACE_RANGE = { versions: [0, 2], flexibleSince: 2 } as const

const answerPerResource = array(
  struct({
    errorCode,
    errorMessage,
    resourceType,
    resourceName,
  }),
)

/** Replaces all settings of a resource by the given ones. */
export const alterConfigsRequest = message('AlterConfigsRequest', REPLACE_RANGE, {
  resources: array(
    struct({
      resourceType,
      resourceName,
      configs: array(struct({ name: string, value: nullableString })),
    }),
  ),
  validateOnly: bool,
})

export const alterConfigsResponse = message('AlterConfigsResponse', REPLACE_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  responses: answerPerResource,
})

const ALTER_RANGE = { versions: [0, 1], flexibleSince: 1 } as const

export const incrementalAlterConfigsRequest = message(
  'IncrementalAlterConfigsRequest',
  ALTER_RANGE,
  {
    resources: array(
      struct({
        resourceType,
        resourceName,
        configs: array(struct({ name: string, configOperation: int8, value: nullableString })),
      }),
    ),
    validateOnly: bool,
  },
)

export const incrementalAlterConfigsResponse = message(
  'IncrementalAlterConfigsResponse',
  ALTER_RANGE,
  {
    throttleTimeMs: withDefault(int32, 0),
    responses: answerPerResource,
  },
)

const LIST_RANGE = { versions: [0, 1], flexibleSince: 0 } as const

export const listConfigResourcesRequest = message('ListConfigResourcesRequest', LIST_RANGE, {
  /** None: all kinds. Version 0 asks for client metrics. */
  resourceTypes: since(1, array(int8), []),
})

export const listConfigResourcesResponse = message('ListConfigResourcesResponse', LIST_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  errorCode,
  configResources: array(
    struct({
      resourceName: string,
      resourceType: since(1, int8, RESOURCE_TYPE.clientMetrics),
    }),
  ),
})

export type ListConfigResourcesRequest = ValueOf<typeof listConfigResourcesRequest>
export type ListConfigResourcesResponse = ValueOf<typeof listConfigResourcesResponse>
export type DescribeConfigsRequest = ValueOf<typeof describeConfigsRequest>
export type DescribeConfigsResponse = ValueOf<typeof describeConfigsResponse>
export type AlterConfigsRequest = ValueOf<typeof alterConfigsRequest>
export type AlterConfigsResponse = ValueOf<typeof alterConfigsResponse>
export type IncrementalAlterConfigsRequest = ValueOf<typeof incrementalAlterConfigsRequest>
export type IncrementalAlterConfigsResponse = ValueOf<typeof incrementalAlterConfigsResponse>

// ── older versions ───────────────────────────────────────────────────────────────────────

export const olderListConfigResources: OlderVersions<
  ListConfigResourcesRequest,
  ListConfigResourcesResponse
> = [
  // Version 0 was called ListClientMetricsResources.
  {
    until: 0,
    request: { lift: request => ({ ...request, resourceTypes: [RESOURCE_TYPE.clientMetrics] }) },
  },
]

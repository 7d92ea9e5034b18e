/*
 * Options of consumers: Kafka's names in camelCase and Kafka's defaults (4.3), except for
 * maxPartitionFetchBytes, for which the README gives its reason.
 */

import {
  flag,
  instance,
  INT_MAX,
  integer,
  oneOf,
  option,
  type OptionTable,
  type OptionValues,
} from '../../base/options.js'
import { READ_COMMITTED } from '../../protocol/messages/fetch.js'
import { MEMBER_OPTIONS } from '../group/member-config.js'
import type { DeserializerName, DeserializerOption } from '../line/serdes.js'
import { isResetPolicy, RESET_POLICIES, type AutoOffsetReset } from './reset-policy.js'

const isFunction = (value: unknown): boolean => typeof value === 'function'

const SERDE_NAMES: readonly DeserializerName[] = ['bytes', 'string', 'json']

const deserializer = instance<DeserializerOption>(
  `${SERDE_NAMES.map(name => `'${name}'`).join(', ')} or a function`,
  value => isFunction(value) || SERDE_NAMES.some(name => name === value),
)

export const CONSUMER_OPTIONS = {
  ...MEMBER_OPTIONS,
  autoOffsetReset: option(instance<AutoOffsetReset>(RESET_POLICIES, isResetPolicy), 'latest'),
  enableAutoCommit: option(flag, true),
  autoCommitIntervalMs: option(integer(1), 5_000),
  isolationLevel: option(oneOf('read_uncommitted', 'read_committed'), 'read_uncommitted'),
  fetchMinBytes: option(integer(0, INT_MAX), 1),
  fetchMaxWaitMs: option(integer(0, INT_MAX), 500),
  fetchMaxBytes: option(integer(0, INT_MAX), 52_428_800),
  maxPartitionFetchBytes: option(integer(0, INT_MAX), 786_432),
  maxPollRecords: option(integer(1), 500),
  checkCrcs: option(flag, true),
  allowAutoCreateTopics: option(flag, true),
  metadataMaxAgeMs: option(integer(1), 300_000),
  keyDeserializer: option(deserializer, 'bytes'),
  valueDeserializer: option(deserializer, 'bytes'),
} satisfies OptionTable

export type ConsumerSettings = OptionValues<typeof CONSUMER_OPTIONS>

/** The isolation level as requests name it. */
export function isolationOf({ isolationLevel }: Pick<ConsumerSettings, 'isolationLevel'>): number {
  return isolationLevel === 'read_committed' ? READ_COMMITTED : 0
}

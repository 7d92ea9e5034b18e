/**
 * Options of the clients: Kafka's names in camelCase and Kafka's defaults (4.3), except for the few
 * that the README lists with their reasons (here: lingerMs, batchSize and
 * maxPartitionFetchBytes).
 */

import {
  flag,
  instance,
  integer,
  oneOf,
  option,
  optional,
  readOptions,
  show,
  text,
  type OptionTable,
  type OptionValues,
} from '../base/config.js'
import { SUPPORTED_CODECS } from '../model/compression.js'
import { checkedConfig, PartlogError } from '../model/errors.js'
import type { Assignor } from '../protocol/assignor.js'
import { ASSIGNORS } from '../protocol/assignors.js'
import { isListOfAssignors, type AssignorName } from './assignors.js'
import type { PartitionerFunction } from './partitioner.js'
import { isResetPolicy, RESET_POLICIES, type AutoOffsetReset } from './reset-policy.js'
import type { DeserializerName, DeserializerOption } from './serdes.js'

const INT_MAX = 2 ** 31 - 1
const isFunction = (value: unknown): boolean => typeof value === 'function'

/** How long clients wait for an answer, by default. */
export const REQUEST_TIMEOUT_MS = 30_000

/** Who must have a record before a send resolves: all in-sync replicas, the leader, nobody. */
export type Acks = 'all' | 1 | 0

export const PRODUCER_OPTIONS = {
  clientId: option(text, 'partlog'),
  acks: option(oneOf<Acks>('all', 1, 0), 'all'),
  enableIdempotence: optional(flag),
  lingerMs: option(integer(0, INT_MAX), 0),
  batchSize: option(integer(1, INT_MAX), 262_144),
  bufferMemory: option(integer(1), 33_554_432),
  maxBlockMs: option(integer(0), 60_000),
  maxRequestSize: option(integer(1, INT_MAX), 1_048_576),
  requestTimeoutMs: option(integer(1, INT_MAX), REQUEST_TIMEOUT_MS),
  deliveryTimeoutMs: option(integer(1, INT_MAX), 120_000),
  retryBackoffMs: option(integer(0), 100),
  retryBackoffMaxMs: option(integer(0), 1_000),
  metadataMaxAgeMs: option(integer(0), 300_000),
  compression: option(oneOf(...SUPPORTED_CODECS), 'none'),
  partitioner: optional(instance<PartitionerFunction>('a function', isFunction)),
} satisfies OptionTable

export type ProducerSettings = OptionValues<typeof PRODUCER_OPTIONS>

/** On unless something else is said. Throws INVALID_CONFIG when `acks` are too few for it. */
export function isIdempotent({ acks, enableIdempotence }: ProducerSettings): boolean {
  if (enableIdempotence === true && acks !== 'all') {
    const sentence = `enableIdempotence: needs acks 'all', got acks ${show(acks)}`
    throw new PartlogError('INVALID_CONFIG', sentence)
  }
  return enableIdempotence ?? acks === 'all'
}

const SERDE_NAMES: readonly DeserializerName[] = ['bytes', 'string', 'json']

const deserializer = instance<DeserializerOption>(
  `${SERDE_NAMES.map(name => `'${name}'`).join(', ')} or a function`,
  value => isFunction(value) || SERDE_NAMES.some(name => name === value),
)

const assignorList = instance<readonly (AssignorName | Assignor)[]>(
  `a list of ${Object.keys(ASSIGNORS).join(', ')} or assignors`,
  isListOfAssignors,
)

export const CONSUMER_OPTIONS = {
  groupId: optional(text),
  clientId: option(text, 'partlog'),
  groupInstanceId: optional(text),
  sessionTimeoutMs: option(integer(1, INT_MAX), 45_000),
  heartbeatIntervalMs: optional(integer(1, INT_MAX)),
  maxPollIntervalMs: option(integer(1, INT_MAX), 300_000),
  partitionAssignmentStrategy: option(assignorList, ['range', 'cooperative-sticky']),
  clientRack: optional(text),
  autoOffsetReset: option(instance<AutoOffsetReset>(RESET_POLICIES, isResetPolicy), 'latest'),
  enableAutoCommit: option(flag, true),
  autoCommitIntervalMs: option(integer(1), 5_000),
  fetchMinBytes: option(integer(0, INT_MAX), 1),
  fetchMaxWaitMs: option(integer(0, INT_MAX), 500),
  fetchMaxBytes: option(integer(0, INT_MAX), 52_428_800),
  maxPartitionFetchBytes: option(integer(0, INT_MAX), 786_432),
  maxPollRecords: option(integer(1), 500),
  checkCrcs: option(flag, true),
  allowAutoCreateTopics: option(flag, true),
  requestTimeoutMs: option(integer(1, INT_MAX), REQUEST_TIMEOUT_MS),
  defaultApiTimeoutMs: option(integer(1, INT_MAX), 60_000),
  retryBackoffMs: option(integer(0), 100),
  retryBackoffMaxMs: option(integer(0), 1_000),
  metadataMaxAgeMs: option(integer(1), 300_000),
  keyDeserializer: option(deserializer, 'bytes'),
  valueDeserializer: option(deserializer, 'bytes'),
} satisfies OptionTable

export type ConsumerSettings = OptionValues<typeof CONSUMER_OPTIONS>

/** Kafka's heartbeat.interval.ms. */
const HEARTBEAT_INTERVAL_MS = 3_000

/** Three heartbeats fit into a session. Throws INVALID_CONFIG. */
export function heartbeatIntervalOf(settings: ConsumerSettings): number {
  const { sessionTimeoutMs, heartbeatIntervalMs } = settings
  const longestMs = Math.max(Math.floor(sessionTimeoutMs / 3), 1)
  const intervalMs = heartbeatIntervalMs ?? Math.min(HEARTBEAT_INTERVAL_MS, longestMs)
  if (intervalMs <= longestMs) return intervalMs
  throw new PartlogError(
    'INVALID_CONFIG',
    `heartbeatIntervalMs: ${intervalMs} is more than a third of sessionTimeoutMs ` +
      `(${sessionTimeoutMs}): one lost heartbeat would look like a dead member`,
  )
}

export const ADMIN_OPTIONS = {
  requestTimeoutMs: option(integer(1, INT_MAX), REQUEST_TIMEOUT_MS),
  defaultApiTimeoutMs: option(integer(1, INT_MAX), 60_000),
  retryBackoffMs: option(integer(0), 100),
  retryBackoffMaxMs: option(integer(0), 1_000),
} satisfies OptionTable

export type AdminSettings = OptionValues<typeof ADMIN_OPTIONS>

/** The user's options checked, defaults filled in. Throws INVALID_CONFIG with a sentence. */
export function clientSettings<T extends OptionTable>(
  table: T,
  input: unknown,
  what: string,
): OptionValues<T> {
  return checkedConfig(() => readOptions(table, input, what))
}

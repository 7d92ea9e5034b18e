/*
 * The settings of a broker in answers, under Kafka's names: those that the program gave, those that
 * are fixed here, and the defaults of topics. All are read-only.
 */

import { CONFIG_SOURCE, CONFIG_TYPE } from '../../protocol/messages/configs.js'
import {
  FETCH_MAX_BYTES,
  COMPACTION_INTERVAL_MS,
  HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS,
  OFFSETS_RETENTION_CHECK_INTERVAL_MS,
  OFFSETS_TOPIC_SEGMENT_BYTES,
  PRODUCER_ID_EXPIRATION_MS,
  RECOVERY_CHECKPOINT_INTERVAL_MS,
  REPLICA_FETCH_BACKOFF_MS,
  REPLICA_FETCH_MAX_BYTES,
  REPLICA_FETCH_RESPONSE_MAX_BYTES,
  REPLICA_FETCH_WAIT_MAX_MS,
  RETENTION_CHECK_INTERVAL_MS,
} from '../broker-config.js'
import type { BrokerContext } from '../node/context.js'
import { topicDefaults, type SettingEntry } from './topic-entries.js'

const { boolean, string, int, long, list } = CONFIG_TYPE

type Value = string | number | boolean | null

interface Row {
  readonly type: number
  readonly of: (broker: BrokerContext) => Value
  /** Kafka's default; left out: the setting has none. */
  readonly fallback?: Value
}

/** A setting that is the same in every broker. */
const fixed = (type: number, value: Value): Row => ({ type, of: () => value, fallback: value })

const BROKER_SETTINGS: Readonly<Record<string, Row>> = {
  'node.id': { type: int, of: ({ nodeId }) => nodeId },
  'broker.id': { type: int, of: ({ nodeId }) => nodeId, fallback: -1 },
  'broker.rack': {
    type: string,
    of: ({ controller, nodeId }) => controller.image.brokers.get(nodeId)?.rack ?? null,
    fallback: null,
  },
  'process.roles': { type: list, of: () => 'broker' },
  'log.dirs': { type: list, of: ({ logs }) => logs.location, fallback: null },
  'auto.create.topics.enable': {
    type: boolean,
    of: ({ settings }) => settings.autoCreateTopics,
    fallback: true,
  },
  'num.partitions': { type: int, of: ({ settings }) => settings.defaultPartitions, fallback: 1 },
  'default.replication.factor': {
    type: int,
    of: ({ settings }) => settings.defaultReplicationFactor,
    fallback: 1,
  },
  'replica.lag.time.max.ms': {
    type: long,
    of: ({ settings }) => settings.replicaLagTimeMaxMs,
    fallback: 30_000,
  },
  'broker.session.timeout.ms': {
    type: int,
    of: ({ settings }) => settings.brokerSessionTimeoutMs,
    fallback: 9_000,
  },
  'auto.leader.rebalance.enable': {
    type: boolean,
    of: ({ settings }) => settings.autoLeaderRebalanceEnable,
    fallback: true,
  },
  'leader.imbalance.check.interval.seconds': {
    type: long,
    of: ({ settings }) => settings.leaderImbalanceCheckIntervalSeconds,
    fallback: 300,
  },
  'group.initial.rebalance.delay.ms': {
    type: int,
    of: ({ settings }) => settings.groupInitialRebalanceDelayMs,
    fallback: 3_000,
  },
  'group.min.session.timeout.ms': {
    type: int,
    of: ({ settings }) => settings.groupMinSessionTimeoutMs,
    fallback: 6_000,
  },
  'group.max.session.timeout.ms': {
    type: int,
    of: ({ settings }) => settings.groupMaxSessionTimeoutMs,
    fallback: 1_800_000,
  },
  'group.max.size': {
    type: int,
    of: ({ settings }) => settings.groupMaxSize,
    fallback: 2 ** 31 - 1,
  },
  'offsets.retention.minutes': {
    type: int,
    of: ({ settings }) => settings.offsetsRetentionMinutes,
    fallback: 10_080,
  },
  'offsets.topic.num.partitions': { type: int, of: ({ brokers }) => brokers.length, fallback: 50 },
  'offsets.topic.segment.bytes': fixed(int, OFFSETS_TOPIC_SEGMENT_BYTES),
  'offsets.retention.check.interval.ms': fixed(long, OFFSETS_RETENTION_CHECK_INTERVAL_MS),
  'offset.metadata.max.bytes': fixed(int, 4_096),
  'log.retention.check.interval.ms': fixed(long, RETENTION_CHECK_INTERVAL_MS),
  'log.cleaner.backoff.ms': fixed(long, COMPACTION_INTERVAL_MS),
  'log.flush.offset.checkpoint.interval.ms': fixed(int, RECOVERY_CHECKPOINT_INTERVAL_MS),
  'replica.high.watermark.checkpoint.interval.ms': fixed(
    long,
    HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS,
  ),
  'log.retention.hours': fixed(int, 168),
  'log.retention.minutes': fixed(int, null),
  'log.retention.ms': fixed(long, null),
  'log.roll.hours': fixed(int, 168),
  'log.roll.ms': fixed(long, null),
  'log.roll.jitter.hours': fixed(int, 0),
  'log.roll.jitter.ms': fixed(long, null),
  'log.flush.interval.ms': fixed(long, null),
  'producer.id.expiration.ms': fixed(int, PRODUCER_ID_EXPIRATION_MS),
  'fetch.max.bytes': fixed(int, FETCH_MAX_BYTES),
  'replica.fetch.wait.max.ms': fixed(int, REPLICA_FETCH_WAIT_MAX_MS),
  'replica.fetch.max.bytes': fixed(int, REPLICA_FETCH_MAX_BYTES),
  'replica.fetch.response.max.bytes': fixed(int, REPLICA_FETCH_RESPONSE_MAX_BYTES),
  'replica.fetch.backoff.ms': fixed(int, REPLICA_FETCH_BACKOFF_MS),
  'replica.fetch.min.bytes': fixed(int, 1),
  'max.request.partition.size.limit': fixed(int, 2_000),
  'delete.topic.enable': fixed(boolean, true),
  'controlled.shutdown.enable': fixed(boolean, true),
  'authorizer.class.name': fixed(string, ''),
}

/** The names of all settings of a broker. */
export const BROKER_SETTING_NAMES: readonly string[] = [
  ...Object.keys(BROKER_SETTINGS),
  ...topicDefaults().map(({ name }) => name),
]

/** All settings of a broker, sorted by name. */
export function brokerEntries(broker: BrokerContext): SettingEntry[] {
  const defaults = topicDefaults().map(
    ({ name, type, value }) => [name, fixed(type, value)] as const,
  )
  return [...Object.entries(BROKER_SETTINGS), ...defaults]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, row]) => entryOf(name, row, broker))
}

function entryOf(name: string, { type, of, fallback }: Row, broker: BrokerContext): SettingEntry {
  const value = textOf(of(broker))
  const standard = fallback === undefined ? undefined : textOf(fallback)
  const isSet = value !== standard
  const source = isSet ? CONFIG_SOURCE.staticBroker : CONFIG_SOURCE.default
  const own = { name, value, source }
  const inherited =
    standard === undefined || standard === null
      ? []
      : [{ name, value: standard, source: CONFIG_SOURCE.default }]
  return {
    name,
    value,
    readOnly: true,
    isSensitive: false,
    configSource: source,
    configType: type,
    synonyms: isSet ? [own, ...inherited] : inherited,
    documentation: `Read-only here: ${isSet ? 'as the program gave it.' : "Kafka's default."}`,
  }
}

const textOf = (value: Value): string | null => (value === null ? null : String(value))

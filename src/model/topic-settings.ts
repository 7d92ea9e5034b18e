/*
 * Settings of a topic, with Kafka's names and defaults (4.4,
 * org.apache.kafka.common.config.TopicConfig). Where Kafka allows it, `-1` and the largest integer
 * mean "unlimited".
 */

import {
  ConfigError,
  flag,
  INT_MAX,
  integer,
  oneOf,
  option,
  optional,
  type OptionType,
  ownEntries,
  ratio,
  show,
  unknownKey,
} from '../base/options.js'
import { gzipLevel, LEVELS } from './codecs/levels.js'
import { checkedConfig, PartlogError } from './errors.js'

const FOREVER = Number.MAX_SAFE_INTEGER
export const DAY_MS = 86_400_000

const policies = oneOf('delete', 'compact', 'compact,delete', 'delete,compact', '')
/** A list: blanks and repetitions do not matter. An empty list keeps everything (KIP-1161). */
const cleanupPolicy: typeof policies = {
  ...policies,
  parseText: text => policies.parseText([...new Set(listed(text))].join()),
}

/** The items of a list given as text. */
export function listed(text: string): string[] {
  return text.trim().split(/\s*,\s*/)
}

const REPLICA = /^\d+:\d+$/
const areReplicas = (value: string): boolean => {
  const given = listed(value).filter(item => item !== '')
  return value.trim() === '*' || given.every(item => REPLICA.test(item))
}
const parseReplicas = (value: unknown): string | undefined =>
  typeof value === 'string' && areReplicas(value) ? value : undefined
const throttledReplicas: OptionType<string> = {
  expected: '"*" or replicas as "partition:broker,partition:broker"',
  parse: parseReplicas,
  parseText: parseReplicas,
}

const tieredStorage: OptionType<boolean> = {
  expected: 'false, as there is no tiered storage',
  parse: value => (value === false ? value : undefined),
  parseText: value => (flag.parseText(value) === false ? false : undefined),
}

/** The largest array of Java, less what its header may take. */
const JAVA_ARRAY_MAX = INT_MAX - 8

const SETTINGS_IN_USE = {
  /** A segment is closed before it grows beyond this. Bytes; Kafka's minimum is 1 MiB. */
  'segment.bytes': option(integer(1024 * 1024, INT_MAX), 1024 ** 3),
  /** Like segment.bytes, without the minimum, for tests; overrides it when set. */
  'internal.segment.bytes': optional(integer(14, INT_MAX)),
  /** A segment is closed when its records span this much time. Milliseconds of record time. */
  'segment.ms': option(integer(1), 7 * DAY_MS),
  /** The most that is randomly subtracted from segment.ms for each segment. Milliseconds. */
  'segment.jitter.ms': option(integer(0), 0),
  /** Size an index may reach before its segment is closed. Bytes. */
  'segment.index.bytes': option(integer(12, INT_MAX), 10 * 1024 * 1024),
  /** Bytes of records between two index entries. */
  'index.interval.bytes': option(integer(0, INT_MAX), 4096),
  /**
   * How old records are removed: `delete` by age and size, `compact` all but the newest of a key,
   * both (`compact,delete`), or not at all ('').
   */
  'cleanup.policy': option(cleanupPolicy, 'delete'),
  /** Compaction begins when more than this ratio of the closed segments is not yet compacted. */
  'min.cleanable.dirty.ratio': option(ratio(0, 1), 0.5),
  /** Records younger than this are not compacted. Milliseconds. */
  'min.compaction.lag.ms': option(integer(0), 0),
  /** Records older than this are compacted, whatever the ratio. Milliseconds. */
  'max.compaction.lag.ms': option(integer(1), FOREVER),
  /** How long a tombstone stays after the first compaction that reads it. Milliseconds. */
  'delete.retention.ms': option(integer(0), DAY_MS),
  /** Closed segments whose newest record is older are deleted. Milliseconds; −1 keeps all. */
  'retention.ms': option(integer(-1), 7 * DAY_MS),
  /** The oldest closed segments are deleted while the rest is larger. Bytes; −1 keeps all. */
  'retention.bytes': option(integer(-1), -1),
  /** How long a deleted file stays for consumers that are reading it. Milliseconds. */
  'file.delete.delay.ms': option(integer(0), 60_000),
  /** The largest batch accepted, compressed. Bytes. */
  'max.message.bytes': option(integer(0, INT_MAX), 1024 * 1024 + 12),
  /**
   * The largest record of a compressed batch, after decompression. Bytes. Batches of clients are
   * unpacked up to what this many records may have, and never beyond 64 MiB.
   */
  'max.decompressed.message.bytes': option(integer(1, JAVA_ARRAY_MAX), JAVA_ARRAY_MAX),
  /**
   * The codec of batches in the log: `producer` keeps the producer's. A batch in another codec is
   * compressed anew, which costs time: it is part of the append and blocks the event loop, and so
   * does decompressing up to 256 KiB of records a request. `zstd` needs Node 22.15 or later: an
   * older one refuses batches that are not in zstd already (UNSUPPORTED_COMPRESSION_TYPE).
   */
  'compression.type': option(
    oneOf('producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'),
    'producer',
  ),
  /** 1 (fast) to 9 (small), or −1: zlib's default. Where compression.type is gzip. */
  'compression.gzip.level': option(gzipLevel, LEVELS.gzip.fallback),
  /** 9 is the fast way; all others from 1 to 17 are thorough. Where compression.type is lz4. */
  'compression.lz4.level': option(integer(LEVELS.lz4.min, LEVELS.lz4.max), LEVELS.lz4.fallback),
  /** −131,072 (fast) to 22 (small). Where compression.type is zstd. */
  'compression.zstd.level': option(integer(LEVELS.zstd.min, LEVELS.zstd.max), LEVELS.zstd.fallback),
  /** The time of a record: its producer's or that of the append. */
  'message.timestamp.type': option(oneOf('CreateTime', 'LogAppendTime'), 'CreateTime'),
  /** How far a record's time may be before the broker's. Milliseconds. */
  'message.timestamp.before.max.ms': option(integer(0), FOREVER),
  /** How far a record's time may be after the broker's. Milliseconds. */
  'message.timestamp.after.max.ms': option(integer(0), 3_600_000),
  /** In-sync replicas that `acks: 'all'` needs. */
  'min.insync.replicas': option(integer(1, INT_MAX), 1),
  /** Whether a replica that lacks records may become leader when no other is left. */
  'unclean.leader.election.enable': option(flag, false),
} as const

/**
 * The settings that change nothing here: they are checked as Kafka checks them, kept and shown, so
 * that the settings of a topic on a Kafka broker can be copied.
 */
export const SETTINGS_WITHOUT_EFFECT = {
  /** A sync after this many records, or this much time: `durability` decides that here. */
  'flush.messages': option(integer(1), FOREVER),
  'flush.ms': option(integer(0), FOREVER),
  /** Files of segments are made in their full size. */
  preallocate: option(flag, false),
  /** Replicas whose replication is slowed down: `partition:broker,…`, `*` or none. */
  'leader.replication.throttled.replicas': option(throttledReplicas, ''),
  'follower.replication.throttled.replicas': option(throttledReplicas, ''),
  /** Tiered storage: there is none here. As in Kafka without it, a topic cannot be given it. */
  'remote.storage.enable': option(tieredStorage, false),
  'remote.log.copy.disable': option(flag, false),
  'remote.log.delete.on.disable': option(flag, false),
  'remote.copy.lag.ms': option(integer(-1), 0),
  'remote.copy.lag.bytes': option(integer(-1), -1),
  'local.retention.ms': option(integer(-2), -2),
  'local.retention.bytes': option(integer(-2), -2),
  /** Whether share groups may use the topic for their dead letters. */
  'errors.deadletterqueue.group.enable': option(flag, false),
} as const

/** All settings of a topic. */
export const TOPIC_SETTINGS = { ...SETTINGS_IN_USE, ...SETTINGS_WITHOUT_EFFECT } as const

/** The name of a topic's setting, the same as Kafka's. */
export type TopicSetting = keyof typeof TOPIC_SETTINGS

/** Settings of topics that only Kafka brokers before 4.0 have: partlog's own refuse them. */
export type KafkaTopicSetting =
  | 'message.downconversion.enable'
  | 'message.format.version'
  | 'message.timestamp.difference.max.ms'

/** Settings as a user gives them; values may be numbers, booleans or Kafka's text. */
export type TopicConfigInput = {
  readonly [K in TopicSetting]?: (typeof TOPIC_SETTINGS)[K] extends { fallback: infer V }
    ? V | string | undefined
    : never
} & { readonly [K in KafkaTopicSetting]?: string | number | boolean | undefined }

/** Settings as they are stored: text, only for settings that were set. */
export type TopicConfigText = Readonly<Record<string, string>>

/**
 * A user's settings as requests carry them: the brokers check their names and values. Throws
 * INVALID_CONFIG for a value that cannot be a setting on any broker.
 */
export function settingTexts(input: unknown): TopicConfigText {
  return checkedConfig(() => {
    const given = ownEntries(input ?? {}, 'topic setting').filter(
      ([, value]) => value !== undefined,
    )
    return Object.fromEntries(given.map(([name, value]) => [name, plainText(name, value)]))
  })
}

function plainText(name: string, value: unknown): string {
  const isPlain = typeof value === 'string' || typeof value === 'boolean'
  // Beyond the safe integers a number may differ from the literal in the source.
  const isNumber = typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER
  if (isPlain || isNumber) return String(value)
  throw new ConfigError(
    `topic setting ${name}: expected text, a number or true or false, got ${show(value)}`,
  )
}

/** Checks a user's settings and returns their text. Throws INVALID_CONFIG. */
export function parseTopicConfig(input: unknown): TopicConfigText {
  return checkedConfig(() => {
    const texts: Record<string, string> = Object.create(null) as Record<string, string>
    for (const [name, value] of ownEntries(input ?? {}, 'topic setting')) {
      if (value === undefined) continue
      texts[name] = settingText(name, value)
    }
    return texts
  })
}

/** Throws INVALID_CONFIG when valid settings contradict each other. */
export function checkTogether(texts: TopicConfigText): void {
  checkedConfig(() => {
    const least = settingValue(texts, 'min.compaction.lag.ms')
    const most = settingValue(texts, 'max.compaction.lag.ms')
    if (least <= most) return
    throw new ConfigError(
      `topic setting min.compaction.lag.ms: expected at most max.compaction.lag.ms (${most}), ` +
        `got ${least}`,
    )
  })
}

/** Throws INVALID_CONFIG if no such setting exists. */
export function checkSettingName(name: string): asserts name is TopicSetting {
  checkedConfig(() => settingType(name))
}

function settingText(name: string, value: unknown): string {
  const type = settingType(name)
  const parsed = typeof value === 'string' ? type.parseText(value) : type.parse(value)
  if (parsed === undefined) {
    throw new ConfigError(`topic setting ${name}: expected ${type.expected}, got ${show(value)}`)
  }
  return String(value)
}

function settingType(name: string): OptionType<unknown> {
  if (!Object.hasOwn(TOPIC_SETTINGS, name)) {
    throw new ConfigError(unknownKey('topic setting', name, Object.keys(TOPIC_SETTINGS)))
  }
  return TOPIC_SETTINGS[name as TopicSetting].type
}

/**
 * The value of one setting: the one that was set, or the default. Throws INVALID_CONFIG if the text
 * is not valid: settings are checked before they are stored, so the text is from elsewhere, and the
 * default in its place could delete records.
 */
export function settingValue<K extends TopicSetting>(
  texts: TopicConfigText,
  name: K,
): (typeof TOPIC_SETTINGS)[K]['fallback'] {
  const { type, fallback } = TOPIC_SETTINGS[name]
  const text = texts[name]
  if (text === undefined) return fallback
  const value = type.parseText(text)
  if (value !== undefined) return value as typeof fallback
  throw new PartlogError(
    'INVALID_CONFIG',
    `topic setting ${name}: the stored text ${show(text)} is not ${type.expected}`,
  )
}

/**
 * Settings of a topic, under Kafka's names and with Kafka's defaults (4.3,
 * org.apache.kafka.common.config.TopicConfig). `-1` and the largest integer say "unlimited" where
 * Kafka lets them.
 */

import {
  ConfigError,
  flag,
  integer,
  oneOf,
  option,
  optional,
  ownEntries,
  ratio,
  show,
  unknownKey,
  type OptionType,
} from '../base/options.js'
import { checkedConfig } from './errors.js'

const FOR_EVER = Number.MAX_SAFE_INTEGER
const INT_MAX = 2 ** 31 - 1
const DAY_MS = 86_400_000

const policies = oneOf('delete', 'compact', 'compact,delete', 'delete,compact', '')
/** A list: blanks and repetitions do not matter. With nothing in it nothing goes (KIP-1161). */
const cleanupPolicy: typeof policies = {
  ...policies,
  parseText: text => policies.parseText([...new Set(listed(text))].join()),
}

/** What stands in the text of a list. */
export function listed(text: string): string[] {
  return text.trim().split(/\s*,\s*/)
}

export const TOPIC_SETTINGS = {
  /** A segment is closed before it grows beyond this. Bytes; Kafka allows no less than 1 MiB. */
  'segment.bytes': option(integer(1024 * 1024, INT_MAX), 1024 ** 3),
  /** As segment.bytes without the lower bound, for tests; wins when set. */
  'internal.segment.bytes': optional(integer(14, INT_MAX)),
  /** A segment is closed when its records span this much time. Milliseconds of record time. */
  'segment.ms': option(integer(1), 7 * DAY_MS),
  /** Up to so many milliseconds are taken off segment.ms, by chance, for each segment. */
  'segment.jitter.ms': option(integer(0), 0),
  /** Size an index may reach before its segment is closed. Bytes. */
  'segment.index.bytes': option(integer(12, INT_MAX), 10 * 1024 * 1024),
  /** An index entry is written after so many bytes of records. */
  'index.interval.bytes': option(integer(0, INT_MAX), 4096),
  /**
   * What becomes of old records: `delete` by age and size, `compact` all but a key's newest, both
   * (`compact,delete`), or nothing ('').
   */
  'cleanup.policy': option(cleanupPolicy, 'delete'),
  /** Compaction begins when more than this part of the closed segments is new since the last. */
  'min.cleanable.dirty.ratio': option(ratio(0, 1), 0.5),
  /** Records younger than this are not compacted. Milliseconds. */
  'min.compaction.lag.ms': option(integer(0), 0),
  /** Records older than this are compacted, whatever the ratio says. Milliseconds. */
  'max.compaction.lag.ms': option(integer(1), FOR_EVER),
  /** How long a tombstone stays after the first compaction that meets it. Milliseconds. */
  'delete.retention.ms': option(integer(0), DAY_MS),
  /** Closed segments whose newest record is older are deleted. Milliseconds; −1 keeps all. */
  'retention.ms': option(integer(-1), 7 * DAY_MS),
  /** The oldest closed segments are deleted while what is left is larger. Bytes; −1 keeps all. */
  'retention.bytes': option(integer(-1), -1),
  /** How long a deleted file stays for those who are reading it. Milliseconds. */
  'file.delete.delay.ms': option(integer(0), 60_000),
  /** The largest batch accepted, compressed. Bytes. */
  'max.message.bytes': option(integer(0, INT_MAX), 1024 * 1024 + 12),
  /**
   * What batches are compressed with in the log: `producer` leaves them as they come. The others
   * cost what they save: packing is done within the append, which everybody waits for, and so is
   * unpacking up to 256 KiB of records a request. Kafka's snappy, lz4 and zstd are refused: partlog
   * does not write them.
   */
  'compression.type': option(oneOf('producer', 'uncompressed', 'gzip'), 'producer'),
  /** Whose time a record carries: its producer's or that of the append. */
  'message.timestamp.type': option(oneOf('CreateTime', 'LogAppendTime'), 'CreateTime'),
  /** How far a record's time may lie before the broker's. Milliseconds. */
  'message.timestamp.before.max.ms': option(integer(0), FOR_EVER),
  /** How far a record's time may lie after the broker's. Milliseconds. */
  'message.timestamp.after.max.ms': option(integer(0), 3_600_000),
  /** In-sync replicas that `acks: 'all'` needs. */
  'min.insync.replicas': option(integer(1, INT_MAX), 1),
  /** May a replica that lacks records become leader when no other is left? */
  'unclean.leader.election.enable': option(flag, false),
} as const

/** The name of a topic's setting, as Kafka has it. */
export type TopicSetting = keyof typeof TOPIC_SETTINGS

/** Settings that only topics of real Kafka brokers have: partlog's own refuse them. */
export type KafkaTopicSetting =
  | `compression.${'gzip' | 'lz4' | 'zstd'}.level`
  | `${'leader' | 'follower'}.replication.throttled.replicas`
  | `local.retention.${'bytes' | 'ms'}`
  | `remote.${'storage.enable' | 'log.copy.disable' | 'log.delete.on.disable'}`
  | 'flush.messages'
  | 'flush.ms'
  | 'message.downconversion.enable'
  | 'message.format.version'
  | 'message.timestamp.difference.max.ms'
  | 'preallocate'

/** Settings as a user gives them; values may be numbers, booleans or Kafka's text. */
export type TopicConfigInput = {
  readonly [K in TopicSetting]?: (typeof TOPIC_SETTINGS)[K] extends { fallback: infer V }
    ? V | string | undefined
    : never
} & { readonly [K in KafkaTopicSetting]?: string | number | boolean | undefined }

/** Settings as text, only those that differ from the default: how they are stored. */
export type TopicConfigText = Readonly<Record<string, string>>

/**
 * A user's settings as requests carry them: which there are and what they may be is for the brokers
 * to say. Throws INVALID_CONFIG for what cannot be a setting anywhere.
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
  // Beyond the safe integers a number in code is not the one that was written there.
  const isNumber = typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER
  if (isPlain || isNumber) return String(value)
  throw new ConfigError(
    `topic setting ${name}: expected text, a number or true or false, got ${show(value)}`,
  )
}

/** Checks a user's settings and gives their text. Throws INVALID_CONFIG with a sentence. */
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

/** Throws INVALID_CONFIG when settings, each of which is fine, contradict each other. */
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

/** Throws INVALID_CONFIG when there is no such setting. */
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

/** The value of one setting: what was set, or the default. */
export function settingValue<K extends TopicSetting>(
  texts: TopicConfigText,
  name: K,
): (typeof TOPIC_SETTINGS)[K]['fallback'] {
  const { type, fallback } = TOPIC_SETTINGS[name]
  const text = texts[name]
  return (text === undefined ? fallback : type.parseText(text)) as typeof fallback
}

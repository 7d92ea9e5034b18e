/*
 * Settings of a topic in answers: Kafka's text, the source of the value, and the name of the Kafka
 * broker setting that is its default.
 */

import {
  settingValue,
  TOPIC_SETTINGS,
  type TopicConfigText,
  type TopicSetting,
} from '../../model/topic-settings.js'
import { CONFIG_SOURCE, CONFIG_TYPE } from '../../protocol/messages/configs.js'
import { TOPIC_TEXTS } from './setting-texts.js'

/** A setting of any resource. */
export interface SettingEntry {
  readonly name: string
  readonly value: string | null
  readonly readOnly: boolean
  readonly isSensitive: false
  readonly configSource: number
  /** Kafka's ConfigDef.Type. */
  readonly configType: number
  /** The sources of the value; the first one applies. */
  readonly synonyms: readonly Synonym[]
  readonly documentation: string
}

export interface Synonym {
  readonly name: string
  readonly value: string | null
  readonly source: number
}

interface Kind {
  readonly type: number
  /** The Kafka broker setting that is the topic's default, if that has a default itself. */
  readonly broker?: string
}

const { boolean, string, int, long, double, list } = CONFIG_TYPE

const KINDS: Readonly<Record<TopicSetting, Kind | undefined>> = {
  'segment.bytes': { type: int, broker: 'log.segment.bytes' },
  'internal.segment.bytes': undefined,
  'segment.ms': { type: long },
  'segment.jitter.ms': { type: long },
  'segment.index.bytes': { type: int, broker: 'log.index.size.max.bytes' },
  'index.interval.bytes': { type: int, broker: 'log.index.interval.bytes' },
  'cleanup.policy': { type: list, broker: 'log.cleanup.policy' },
  'min.cleanable.dirty.ratio': { type: double, broker: 'log.cleaner.min.cleanable.ratio' },
  'min.compaction.lag.ms': { type: long, broker: 'log.cleaner.min.compaction.lag.ms' },
  'max.compaction.lag.ms': { type: long, broker: 'log.cleaner.max.compaction.lag.ms' },
  'delete.retention.ms': { type: long, broker: 'log.cleaner.delete.retention.ms' },
  'retention.ms': { type: long },
  'retention.bytes': { type: long, broker: 'log.retention.bytes' },
  'file.delete.delay.ms': { type: long, broker: 'log.segment.delete.delay.ms' },
  'max.message.bytes': { type: int, broker: 'message.max.bytes' },
  'compression.type': { type: string, broker: 'compression.type' },
  'compression.gzip.level': { type: int, broker: 'compression.gzip.level' },
  'compression.lz4.level': { type: int, broker: 'compression.lz4.level' },
  'compression.zstd.level': { type: int, broker: 'compression.zstd.level' },
  'message.timestamp.type': { type: string, broker: 'log.message.timestamp.type' },
  'message.timestamp.before.max.ms': {
    type: long,
    broker: 'log.message.timestamp.before.max.ms',
  },
  'message.timestamp.after.max.ms': { type: long, broker: 'log.message.timestamp.after.max.ms' },
  'min.insync.replicas': { type: int, broker: 'min.insync.replicas' },
  'unclean.leader.election.enable': { type: boolean, broker: 'unclean.leader.election.enable' },
  'max.decompressed.message.bytes': { type: int, broker: 'max.decompressed.message.bytes' },
  'flush.messages': { type: long, broker: 'log.flush.interval.messages' },
  'flush.ms': { type: long },
  preallocate: { type: boolean, broker: 'log.preallocate' },
  'leader.replication.throttled.replicas': { type: list },
  'follower.replication.throttled.replicas': { type: list },
  'remote.storage.enable': { type: boolean },
  'remote.log.copy.disable': { type: boolean },
  'remote.log.delete.on.disable': { type: boolean },
  'remote.copy.lag.ms': { type: long, broker: 'log.remote.copy.lag.ms' },
  'remote.copy.lag.bytes': { type: long, broker: 'log.remote.copy.lag.bytes' },
  'local.retention.ms': { type: long, broker: 'log.local.retention.ms' },
  'local.retention.bytes': { type: long, broker: 'log.local.retention.bytes' },
  'errors.deadletterqueue.group.enable': { type: boolean },
}

/** Kafka's text for "unlimited". */
const LONG_MAX = '9223372036854775807'

/** All settings of a topic, sorted by name; internal ones only if they are set. */
export function topicEntries(config: TopicConfigText): SettingEntry[] {
  const names = Object.keys(TOPIC_SETTINGS) as TopicSetting[]
  return names
    .filter(name => KINDS[name] !== undefined || Object.hasOwn(config, name))
    .sort()
    .map(name => {
      const isSet = Object.hasOwn(config, name)
      const value = textOf(config, name)
      return {
        name,
        value,
        readOnly: false,
        isSensitive: false,
        configSource: isSet ? CONFIG_SOURCE.topic : CONFIG_SOURCE.default,
        configType: KINDS[name]?.type ?? int,
        synonyms: synonymsOf(name, value, isSet),
        documentation: TOPIC_TEXTS[name],
      }
    })
}

function synonymsOf(name: TopicSetting, value: string | null, isSet: boolean): Synonym[] {
  const own = { name, value, source: isSet ? CONFIG_SOURCE.topic : CONFIG_SOURCE.default }
  const kind = KINDS[name]
  if (kind?.broker === undefined) return isSet || kind === undefined ? [own] : []
  const inherited = { name: kind.broker, value: textOf({}, name), source: CONFIG_SOURCE.default }
  return isSet ? [own, inherited] : [inherited]
}

/** The Kafka broker settings that are defaults of topics, each with its type and value. */
export function topicDefaults(): { name: string; type: number; value: string | null }[] {
  return (Object.keys(TOPIC_SETTINGS) as TopicSetting[]).flatMap(name => {
    const kind = KINDS[name]
    if (kind?.broker === undefined) return []
    return [{ name: kind.broker, type: kind.type, value: textOf({}, name) }]
  })
}

/** True if values can be appended to the setting and subtracted from it. */
export function isList(name: string): boolean {
  return Object.hasOwn(KINDS, name) && KINDS[name as TopicSetting]?.type === list
}

/** The values of a list setting. */
export function partsOf(config: TopicConfigText, name: string): string[] {
  const text = String(settingValue(config, name as TopicSetting) ?? '')
  return text.split(',').filter(part => part !== '')
}

function textOf(config: TopicConfigText, name: TopicSetting): string | null {
  const value = settingValue(config, name)
  if (value === undefined) return null
  if (value === Number.MAX_SAFE_INTEGER) return LONG_MAX
  return config[name] ?? String(value)
}

/* Creates a topic as a copy of another: with as many partitions, and some of its settings. */

import type { Admin, TopicSettingValue } from '../../client/admin/admin-api.js'
import { isPartlogError } from '../../model/errors.js'
import type { TopicConfigInput, TopicSetting } from '../../model/topic-settings.js'

/** Accepts record times in the future, too: an event may be planned. */
export const OF_ANY_TIME = { 'message.timestamp.after.max.ms': Number.MAX_SAFE_INTEGER } as const

/** Keeps all records: retention goes by record times, so it would delete old events at once. */
export const IMPORTED = { 'retention.ms': -1, ...OF_ANY_TIME } as const

/** Of a topic that keeps how far something has come, one record for each thing. */
export const PLACES_SETTINGS = {
  'cleanup.policy': 'compact',
  'segment.bytes': 1024 * 1024, // small, because the last segment is not compacted
} as const

/**
 * Settings that the copy takes over: what records mean and how long they stay. Left out are how a
 * cluster stores records (segments, syncs, copies), LogAppendTime, which would replace their times,
 * and the greatest age of a record when it is written: the records are older now than they were.
 */
const CARRIED: readonly string[] = [
  'cleanup.policy',
  'retention.ms',
  'retention.bytes',
  'delete.retention.ms',
  'min.cleanable.dirty.ratio',
  'min.compaction.lag.ms',
  'max.compaction.lag.ms',
  'max.message.bytes',
] satisfies TopicSetting[]

/** Kafka before 3.6 does not know this setting and accepts records of any time. */
const TIME_BOUND: TopicSetting = 'message.timestamp.after.max.ms'

/** The settings of a topic that were set and that a copy takes over. */
export function carriedSettings(settings: readonly TopicSettingValue[]): TopicConfigInput {
  const carried = settings.filter(
    ({ name, value, isDefault }) => !isDefault && value !== null && CARRIED.includes(name),
  )
  return Object.fromEntries(carried.map(({ name, value }) => [name, value]))
}

/** How many partitions a topic has; undefined if it does not exist. */
async function partitionsOf(admin: Admin, topic: string): Promise<number | undefined> {
  try {
    return (await admin.describeTopic(topic)).partitions.length
  } catch (error) {
    if (isPartlogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return undefined
    throw error
  }
}

export interface CarriedTopic {
  readonly topic: string
  readonly partitions: number
  readonly config: TopicConfigInput
}

/** Creates the topic if it does not exist; resolves with its number of partitions. */
export async function ensureCarried(admin: Admin, wanted: CarriedTopic): Promise<number> {
  const existing = await partitionsOf(admin, wanted.topic)
  if (existing !== undefined) return existing
  try {
    await admin.createTopic(wanted)
  } catch (error) {
    if (!isPartlogError(error, 'INVALID_CONFIG')) throw error
    await admin.createTopic({ ...wanted, config: withoutTimeBound(wanted.config) })
  }
  return wanted.partitions
}

function withoutTimeBound(config: TopicConfigInput): TopicConfigInput {
  const entries = Object.entries(config)
  return Object.fromEntries(entries.filter(([name]) => name !== TIME_BOUND))
}

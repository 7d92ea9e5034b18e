/** A topic that is made as a copy of another: as many partitions, and settings that go along. */

import type { Admin, TopicSettingValue } from '../../client/admin/admin-api.js'
import { isPartlogError } from '../../model/errors.js'
import type { TopicConfigInput, TopicSetting } from '../../model/topic-settings.js'

/** What is planned for the future is an event, too. */
export const OF_ANY_TIME = { 'message.timestamp.after.max.ms': Number.MAX_SAFE_INTEGER } as const

/** Retention goes by the time of the records, and those of old events would be the first to go. */
export const IMPORTED = { 'retention.ms': -1, ...OF_ANY_TIME } as const

/**
 * What records mean and how long they stay goes along. How a cluster keeps them (segments, syncs,
 * copies) is its own affair, and with LogAppendTime they would lose their times. How old a record
 * may be when it is written goes least of all: it was younger then.
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

/** Not known to Kafka before 3.6, which takes records of any time. */
const TIME_BOUND: TopicSetting = 'message.timestamp.after.max.ms'

/** Of a topic's settings those that were set, and that go along. */
export function carriedSettings(settings: readonly TopicSettingValue[]): TopicConfigInput {
  const carried = settings.filter(
    ({ name, value, isDefault }) => !isDefault && value !== null && CARRIED.includes(name),
  )
  return Object.fromEntries(carried.map(({ name, value }) => [name, value]))
}

/** How many partitions a topic has, undefined when there is none of this name. */
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

/** Makes the topic if there is none; gives how many partitions it has. */
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

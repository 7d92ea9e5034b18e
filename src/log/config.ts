/** The settings of one log: a topic's settings as the values the log works with. */

import { settingValue, type TopicConfigText, type TopicSetting } from '../model/topic-settings.js'

/** Names say the units; meanings and defaults stand at TOPIC_SETTINGS. */
export interface LogConfig {
  readonly segmentBytes: number
  readonly segmentMs: number
  readonly segmentJitterMs: number
  readonly segmentIndexBytes: number
  readonly indexIntervalBytes: number
  readonly cleanupPolicy: 'delete' | 'compact'
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly fileDeleteDelayMs: number
  readonly maxMessageBytes: number
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
  readonly minInsyncReplicas: number
}

/** The settings as they are now: `current` is replaced as a whole when they change. */
export interface LogSettings {
  readonly current: LogConfig
}

export function logConfig(texts: TopicConfigText): LogConfig {
  const of = <K extends TopicSetting>(name: K) => settingValue(texts, name)
  return {
    segmentBytes: of('internal.segment.bytes') ?? of('segment.bytes'),
    segmentMs: of('segment.ms'),
    segmentJitterMs: of('segment.jitter.ms'),
    segmentIndexBytes: of('segment.index.bytes'),
    indexIntervalBytes: of('index.interval.bytes'),
    cleanupPolicy: of('cleanup.policy'),
    retentionMs: of('retention.ms'),
    retentionBytes: of('retention.bytes'),
    fileDeleteDelayMs: of('file.delete.delay.ms'),
    maxMessageBytes: of('max.message.bytes'),
    timestampType: of('message.timestamp.type'),
    timestampBeforeMaxMs: of('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: of('message.timestamp.after.max.ms'),
    minInsyncReplicas: of('min.insync.replicas'),
  }
}

/* The settings of one log: a topic's settings as the log uses them. */

import type { Codec, Compression } from '../../model/batch/compression.js'
import {
  settingValue,
  type TopicConfigText,
  type TopicSetting,
} from '../../model/topic-settings.js'

/** The codec for each compression.type. */
const CODECS = {
  producer: undefined,
  uncompressed: 'none',
  gzip: 'gzip',
  snappy: 'snappy',
  lz4: 'lz4',
  zstd: 'zstd',
} as const

/** Names give the units; TOPIC_SETTINGS documents meanings and defaults. */
export interface LogConfig {
  readonly segmentBytes: number
  readonly segmentMs: number
  readonly segmentJitterMs: number
  readonly segmentIndexBytes: number
  readonly indexIntervalBytes: number
  /** Only the newest record of each key is kept. */
  readonly isCompacted: boolean
  /** Old segments are deleted by age and size. */
  readonly isDeleted: boolean
  /** The log is or was compacted: offsets may be missing. */
  readonly mayHaveGaps: boolean
  readonly minCleanableDirtyRatio: number
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  readonly deleteRetentionMs: number
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly fileDeleteDelayMs: number
  readonly maxMessageBytes: number
  /** The largest record in a compressed batch. */
  readonly recordBytesMax: number
  /** How batches of another codec are recompressed; undefined keeps the producer's. */
  readonly compression: Compression | undefined
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
  readonly minInsyncReplicas: number
}

/** The current settings: `current` is replaced as a whole when they change. */
export interface LogSettings {
  readonly current: LogConfig
}

/** `wasCompacted`: the topic was compacted under an earlier policy. */
export function logConfig(texts: TopicConfigText, wasCompacted = false): LogConfig {
  const of = <K extends TopicSetting>(name: K) => settingValue(texts, name)
  const isCompacted = of('cleanup.policy').includes('compact')
  const maxCompactionLagMs = of('max.compaction.lag.ms')
  const segmentMs = of('segment.ms')
  return {
    segmentBytes: of('internal.segment.bytes') ?? of('segment.bytes'),
    // The active segment is never compacted, so it must be closed in time.
    segmentMs: isCompacted ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs,
    segmentJitterMs: of('segment.jitter.ms'),
    segmentIndexBytes: of('segment.index.bytes'),
    indexIntervalBytes: of('index.interval.bytes'),
    isCompacted,
    isDeleted: of('cleanup.policy').includes('delete'),
    mayHaveGaps: isCompacted || wasCompacted,
    minCleanableDirtyRatio: of('min.cleanable.dirty.ratio'),
    minCompactionLagMs: of('min.compaction.lag.ms'),
    maxCompactionLagMs,
    deleteRetentionMs: of('delete.retention.ms'),
    retentionMs: of('retention.ms'),
    retentionBytes: of('retention.bytes'),
    fileDeleteDelayMs: of('file.delete.delay.ms'),
    maxMessageBytes: of('max.message.bytes'),
    recordBytesMax: of('max.decompressed.message.bytes'),
    compression: compressionOf(CODECS[of('compression.type')], texts),
    timestampType: of('message.timestamp.type'),
    timestampBeforeMaxMs: of('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: of('message.timestamp.after.max.ms'),
    minInsyncReplicas: of('min.insync.replicas'),
  }
}

function compressionOf(codec: Codec | undefined, texts: TopicConfigText): Compression | undefined {
  if (codec === undefined) return undefined
  if (codec === 'none' || codec === 'snappy') return { codec }
  return { codec, level: settingValue(texts, `compression.${codec}.level`) }
}

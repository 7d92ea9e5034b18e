/** Settings of a broker: Kafka's names and defaults (4.3), except where the README says why not. */

/**
 * How often retention looks for segments to delete, and how long it waits before the first time.
 */
export const RETENTION_CHECK_INTERVAL_MS = 300_000
export const RETENTION_INITIAL_DELAY_MS = 30_000
/** How often recovery points are written (log.flush.offset.checkpoint.interval.ms). */
export const RECOVERY_CHECKPOINT_INTERVAL_MS = 60_000
/** How often high watermarks are written. */
export const HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS = 5_000

/** The most one fetch answers with, whatever the consumer allows (fetch.max.bytes). */
export const FETCH_MAX_BYTES = 57_671_680
/** The longest a fetch is held, whatever the consumer asks. */
export const FETCH_MAX_WAIT_MS = 300_000

/** Partitions of `__consumer_offsets`: one per broker (Kafka: 50, spread over many brokers). */
export const OFFSETS_TOPIC_PARTITIONS = 1
/** offsets.topic.segment.bytes */
export const OFFSETS_TOPIC_SEGMENT_BYTES = 104_857_600

/** Settings of the metadata log: its batches hold all records of one decision. */
export const METADATA_LOG_CONFIG = {
  'max.message.bytes': '67108864',
  'retention.ms': '-1',
} as const

export interface BrokerSettings {
  /** Make a topic when somebody asks for one that does not exist (auto.create.topics.enable). */
  readonly autoCreateTopics: boolean
  /** Partitions of a topic made without a number (num.partitions). */
  readonly defaultPartitions: number
  /** Copies of a topic made without a number (default.replication.factor). */
  readonly defaultReplicationFactor: number
}

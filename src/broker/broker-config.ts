/* Settings of a broker: Kafka's names and defaults (4.3), with the exceptions in the README. */

import type { GroupCoordinatorSettings } from '../coordinator/groups/group-coordinator.js'

/**
 * How often retention looks for segments to delete, and the delay before the first time.
 */
export const RETENTION_CHECK_INTERVAL_MS = 300_000
export const RETENTION_INITIAL_DELAY_MS = 30_000
/** How often brokers look for logs to compact (log.cleaner.backoff.ms). */
export const COMPACTION_INTERVAL_MS = 15_000
/** How often recovery points are written (log.flush.offset.checkpoint.interval.ms). */
export const RECOVERY_CHECKPOINT_INTERVAL_MS = 60_000
/** How often high watermarks are written. */
export const HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS = 5_000

/** A producer's state is forgotten after this time without a batch (producer.id.expiration.ms). */
export const PRODUCER_ID_EXPIRATION_MS = 86_400_000
/** How often producer state is expired (producer.id.expiration.check.interval.ms). */
export const PRODUCER_ID_CHECK_INTERVAL_MS = 600_000

/** Upper limit of a fetch response, whatever the consumer allows (fetch.max.bytes). */
export const FETCH_MAX_BYTES = 57_671_680
/** Upper limit of a fetch's wait, whatever the consumer asks for. */
export const FETCH_MAX_WAIT_MS = 300_000

/** replica.fetch.wait.max.ms: how long a leader may hold a follower's fetch. */
export const REPLICA_FETCH_WAIT_MAX_MS = 500
/** replica.fetch.max.bytes (one partition) and replica.fetch.response.max.bytes (all of them). */
export const REPLICA_FETCH_MAX_BYTES = 1_048_576
export const REPLICA_FETCH_RESPONSE_MAX_BYTES = 10_485_760
/** replica.fetch.backoff.ms: how long a follower waits after an error before it fetches again. */
export const REPLICA_FETCH_BACKOFF_MS = 1_000

/** How often committed offsets are expired (offsets.retention.check.interval.ms). */
export const OFFSETS_RETENTION_CHECK_INTERVAL_MS = 600_000
/** offsets.topic.segment.bytes */
export const OFFSETS_TOPIC_SEGMENT_BYTES = 104_857_600

/** transaction.state.log.segment.bytes */
export const TRANSACTIONS_TOPIC_SEGMENT_BYTES = 104_857_600
/** How often open transactions are checked (transaction.abort.timed.out.transaction.cleanup…). */
export const TRANSACTION_CHECK_INTERVAL_MS = 10_000
/** transaction.remove.expired.transaction.cleanup.interval.ms */
export const TRANSACTIONAL_ID_CHECK_INTERVAL_MS = 3_600_000
/** transaction.max.timeout.ms and transactional.id.expiration.ms */
export const TRANSACTION_SETTINGS = {
  transactionMaxTimeoutMs: 900_000,
  transactionalIdExpirationMs: 604_800_000,
} as const
/** How long a broker waits for another one's answer about a transaction. */
export const TRANSACTION_REQUEST_TIMEOUT_MS = 30_000

/** Settings of the metadata log; one of its batches holds all records of one decision. */
export const METADATA_LOG_CONFIG = {
  'max.message.bytes': '67108864',
  'retention.ms': '-1',
} as const

export interface BrokerSettings extends GroupCoordinatorSettings {
  /** Create a topic that a client asks for and that does not exist (auto.create.topics.enable). */
  readonly autoCreateTopics: boolean
  /** Partitions of a topic created without a number (num.partitions). */
  readonly defaultPartitions: number
  /** Replicas of a topic created without a number (default.replication.factor). */
  readonly defaultReplicationFactor: number
  /** A member of the ISR that lags for longer is removed from it (replica.lag.time.max.ms). */
  readonly replicaLagTimeMaxMs: number
  /** The controller fences a broker that is silent for longer (broker.session.timeout.ms). */
  readonly brokerSessionTimeoutMs: number
  /** Leaderships return to preferred leaders automatically (auto.leader.rebalance.enable). */
  readonly autoLeaderRebalanceEnable: boolean
  /** How often that is checked (leader.imbalance.check.interval.seconds). */
  readonly leaderImbalanceCheckIntervalSeconds: number
}

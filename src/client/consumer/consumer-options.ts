/* Options, arguments and results of a consumer. */

import type { TopicPartition } from '../../model/names.js'
import type { Assignor } from '../../protocol/assignors/assignor.js'
import type { AssignorName } from '../group/assignor-option.js'
import type { OffsetToCommit } from '../line/offset-commit.js'
import type { DeserializerOption } from '../line/serdes.js'
import type { ConsumerRecord } from './consumer-record.js'
import type { AutoOffsetReset } from './reset-policy.js'

/** Options of a consumer. Kafka's names in camelCase and Kafka's defaults. */
export interface ConsumerOptions<
  K extends DeserializerOption = 'bytes',
  V extends DeserializerOption = 'bytes',
> {
  /** The group that offsets are committed for. Needed to `subscribe` and to commit. */
  readonly groupId?: string | undefined
  /** Names the client in errors, in logs and in its group. Default 'partlog'. */
  readonly clientId?: string | undefined
  /**
   * Makes it a static member of its group (Kafka's group.instance.id, KIP-345): when it is closed
   * and started again within `sessionTimeoutMs`, it gets its partitions back without a rebalance.
   * Each member needs its own. Default: none.
   */
  readonly groupInstanceId?: string | undefined
  /**
   * How the members of its group share partitions (Kafka's group.protocol). 'classic' (default): a
   * member assigns by `partitionAssignmentStrategy`. 'consumer' (KIP-848): the coordinator assigns,
   * and each partition moves as soon as its owner has given it back; `sessionTimeoutMs`,
   * `heartbeatIntervalMs` and `partitionAssignmentStrategy` are refused then, because the group's
   * settings say the first two. All members of a group need the same.
   */
  readonly groupProtocol?: 'classic' | 'consumer' | undefined
  /**
   * The assignor of the coordinator that this member asks for (Kafka's group.remote.assignor), with
   * `groupProtocol: 'consumer'`: 'uniform' or 'range'. Default: the coordinator's, 'uniform'.
   */
  readonly groupRemoteAssignor?: string | undefined
  /**
   * When the coordinator has not heard from a member for this long, it removes the member from the
   * group and the others get its partitions. Must lie between the cluster's
   * groupMinSessionTimeoutMs and groupMaxSessionTimeoutMs. Milliseconds. Default 45,000.
   */
  readonly sessionTimeoutMs?: number | undefined
  /**
   * How often the member sends a heartbeat. At most a third of `sessionTimeoutMs`. Milliseconds.
   * Default 3,000, or that third if it is less.
   */
  readonly heartbeatIntervalMs?: number | undefined
  /**
   * When the application has not asked for its next record or batch for this long, the member
   * leaves the group; it joins again when the application asks. A rebalance waits at most this long
   * for the records that members have in hand. Milliseconds. Default 300,000.
   */
  readonly maxPollIntervalMs?: number | undefined
  /**
   * How the group assigns partitions, in order of preference: 'range', 'roundrobin', 'sticky',
   * 'cooperative-sticky', 'RoundRobinAssigner' (the one of kafkajs), or an {@link Assignor} of your
   * own. All members need one in common. If all are cooperative, members continue to read the
   * partitions they keep during a rebalance. Default ['range', 'cooperative-sticky'].
   */
  readonly partitionAssignmentStrategy?: readonly (AssignorName | Assignor)[] | undefined
  /** Where the consumer runs (Kafka's client.rack); assignors may prefer replicas in its rack. */
  readonly clientRack?: string | undefined
  /**
   * Where to begin when the group has committed nothing, or the log no longer has the committed
   * offset: 'latest' (default), 'earliest', with the records of the last hour ('by_duration:PT1H',
   * KIP-1106; at the end if there are none), or 'none': then reading fails with
   * NO_OFFSET_FOR_PARTITION or OFFSET_OUT_OF_RANGE. It also applies to new partitions of a topic:
   * with 'latest' their first records may be missed.
   *
   * When an unclean election has truncated a log below the position, the consumer logs a warning
   * and continues at the first offset that is known to differ; with 'none' reading fails with
   * LOG_TRUNCATION (KIP-320).
   */
  readonly autoOffsetReset?: AutoOffsetReset | undefined
  /**
   * Commits processed records automatically, every `autoCommitIntervalMs` and at close. Default
   * true. A record is never committed before it is processed; {@link Consumer} defines processed.
   */
  readonly enableAutoCommit?: boolean | undefined
  /** Milliseconds between automatic commits. Default 5,000. */
  readonly autoCommitIntervalMs?: number | undefined
  /** A fetch waits until this many bytes are available. Default 1; 0 means 1. */
  readonly fetchMinBytes?: number | undefined
  /**
   * How long a fetch waits for `fetchMinBytes`. Milliseconds. Default 500; 0 means 1. A broker in
   * this process may hold it for longer while nothing can have changed.
   */
  readonly fetchMaxWaitMs?: number | undefined
  /** Most bytes of one fetch, and about the most that is prefetched. Default 52,428,800. */
  readonly fetchMaxBytes?: number | undefined
  /**
   * Most bytes that a fetch returns of one partition; a larger first batch is still returned. Two
   * such chunks are in memory: the current one and the next. A broker in this process returns
   * 262,144 bytes at once rather than more later. Default 786,432 (Kafka: 1,048,576).
   */
  readonly maxPartitionFetchBytes?: number | undefined
  /**
   * Which records of transactions are read (Kafka's isolation.level). 'read_committed': only those
   * of committed transactions, so nothing behind the first record of an open one; offsets that an
   * open transaction commits are waited for. 'read_uncommitted' (default): all.
   */
  readonly isolationLevel?: 'read_uncommitted' | 'read_committed' | undefined
  /** Most records that a poll or a batch handler gets. Default 500. */
  readonly maxPollRecords?: number | undefined
  /**
   * Verifies the checksum of every batch, unless the log in this process has just done it, as it
   * does when it reads bytes for the first time. Default true.
   */
  readonly checkCrcs?: boolean | undefined
  /**
   * Creates a missing topic when it is subscribed to by name or one of its partitions is assigned.
   * A later metadata refresh never creates one (Kafka's consumer does). Default true; the cluster
   * must allow it, too.
   */
  readonly allowAutoCreateTopics?: boolean | undefined
  /**
   * How long a broker may take to answer, in addition to the time it was asked to wait.
   * Milliseconds. Default 30,000. Within one process only injected faults and delays hold up an
   * answer.
   */
  readonly requestTimeoutMs?: number | undefined
  /** How long a call may take, including all its retries. Milliseconds. Default 60,000. */
  readonly defaultApiTimeoutMs?: number | undefined
  /** Pause before the first retry; it doubles each time. Milliseconds. Default 100. */
  readonly retryBackoffMs?: number | undefined
  /** Longest pause before a retry. Milliseconds. Default 1,000. */
  readonly retryBackoffMaxMs?: number | undefined
  /**
   * How often the metadata of subscribed topics is refreshed, to find new partitions and topics
   * that were deleted or recreated. Milliseconds. Default 300,000.
   */
  readonly metadataMaxAgeMs?: number | undefined
  /** 'bytes' (default), 'string', 'json' or a function. null keys stay null. */
  readonly keyDeserializer?: K | undefined
  /** 'bytes' (default), 'string', 'json' or a function. Tombstones stay null. */
  readonly valueDeserializer?: V | undefined
}

/**
 * Called when the group moves partitions. The consumer awaits it, and it may commit. If it throws,
 * the next read rejects with CALLBACK_FAILED, with the error as its cause.
 */
export type PartitionsListener = (partitions: TopicPartition[]) => Promise<void> | void

/** How to subscribe. */
export interface SubscribeOptions {
  /**
   * Partitions were assigned and their positions are known; `seek` here to begin elsewhere. Called
   * with an empty list when a rebalance assigned nothing new.
   */
  readonly onPartitionsAssigned?: PartitionsListener | undefined
  /**
   * Partitions are being revoked: the last moment to commit for them. With `enableAutoCommit` the
   * processed records have been committed already.
   */
  readonly onPartitionsRevoked?: PartitionsListener | undefined
  /**
   * Partitions are lost, because the coordinator did not hear from this member in time: other
   * members may read them already, and nothing can be committed for them. Default:
   * `onPartitionsRevoked`.
   */
  readonly onPartitionsLost?: PartitionsListener | undefined
  /** Stops waiting: subscribe rejects with the signal's reason; the member continues to join. */
  readonly signal?: AbortSignal | undefined
}

/** The identity of a consumer in its group. */
export interface GroupMetadata {
  readonly groupId: string
  readonly groupInstanceId: string | null
  /** Empty while it is not a member. */
  readonly memberId: string
  /** −1 while it is not a member. */
  readonly generationId: number
}

/** The fields of a processed record that its commit needs. */
export type DoneRecord = TopicPartition & {
  readonly offset: number
  readonly leaderEpoch?: number | undefined
}

/** What to commit. Without `records` and `offsets`: everything delivered so far. */
export interface CommitRequest {
  /** These records are processed: commits the offset + 1 of the last one of each partition. */
  readonly records?: Iterable<DoneRecord> | undefined
  /** Exactly these offsets. */
  readonly offsets?: Iterable<OffsetToCommit> | undefined
  /** Stored with the offsets of `records`, or of everything delivered. */
  readonly metadata?: string | undefined
}

/** An offset a group has committed. */
export interface CommittedPosition extends TopicPartition {
  /** The next offset to read; null when nothing is committed. */
  readonly offset: number | null
  readonly metadata: string
  /** Leader epoch of the record before it, for `seek`; −1 when none was committed. */
  readonly leaderEpoch: number
}

/** Records of one partition, in order. */
export interface RecordBatch<K, V> extends TopicPartition {
  readonly records: readonly ConsumerRecord<K, V>[]
  /** The offset after the last committed record of the partition, as of the last fetch. */
  readonly highWatermark: number
}

/** How long a poll waits. */
export interface PollOptions {
  /** How long to wait for the first record. Milliseconds. Default 1,000. */
  readonly timeoutMs?: number | undefined
  /** Stops waiting: poll rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Handlers of `run`: one for records, or one for batches. */
export interface RunOptions<K, V> {
  /** Called with each record in order; the next record waits until it resolves. */
  readonly eachRecord?: ((record: ConsumerRecord<K, V>) => Promise<void> | void) | undefined
  /** Called with up to maxPollRecords records of one partition. */
  readonly eachBatch?: ((batch: RecordBatch<K, V>) => Promise<void> | void) | undefined
  /**
   * How often a handler that throws is called again with the same record or batch, after a pause
   * of `retryBackoffMs` that doubles up to `retryBackoffMaxMs`. The member stays in its group
   * meanwhile, for at most `maxPollIntervalMs`. A rebalance ends the pause, and the records are
   * delivered again after it. Default 0.
   */
  readonly retries?: number | undefined
  /**
   * The topic for records that `eachRecord` still fails on after all retries, and for records that
   * cannot be deserialized. They then count as processed, and the run continues. A record keeps its
   * bytes, headers and timestamp, and gets headers that describe the failure: `errors.topic`,
   * `errors.partition`, `errors.offset`, `errors.group.id`, `errors.client.id`, `errors.attempts`,
   * `errors.exception.class.name`, `errors.exception.message`. The topic is created like any other.
   * When it cannot be written, `run` rejects and the record is delivered again. Default: none. Not
   * available with `eachBatch`, because it is unknown which record of the batch failed.
   */
  readonly deadLetterTopic?: string | undefined
  /** Ends the run after the handler under way; `run` resolves. */
  readonly signal?: AbortSignal | undefined
}

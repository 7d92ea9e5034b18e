/** What applications say to a consumer, and what they hear. */

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
  /** Names the client in errors and logs, and to its group. Default 'partlog'. */
  readonly clientId?: string | undefined
  /**
   * Makes it a static member of its group (Kafka's group.instance.id, KIP-345): when it is closed
   * and started again within `sessionTimeoutMs` it gets its partitions back, and the others do not
   * notice. Each member needs its own. Default: none.
   */
  readonly groupInstanceId?: string | undefined
  /**
   * A member that the coordinator does not hear of for so long is out of the group: others get its
   * partitions. Within the cluster's groupMinSessionTimeoutMs and groupMaxSessionTimeoutMs.
   * Milliseconds. Default 45,000.
   */
  readonly sessionTimeoutMs?: number | undefined
  /**
   * How often the member says that it is alive, by itself. At most a third of `sessionTimeoutMs`.
   * Milliseconds. Default 3,000, or that third if it is less.
   */
  readonly heartbeatIntervalMs?: number | undefined
  /**
   * A member that has not asked for its next record or batch for so long leaves the group; it joins
   * again when it does. Also how long a rebalance waits for the records members have in hand.
   * Milliseconds. Default 300,000.
   */
  readonly maxPollIntervalMs?: number | undefined
  /**
   * How the group shares out partitions, the best first: 'range', 'roundrobin', 'sticky',
   * 'cooperative-sticky', 'RoundRobinAssigner' (what kafkajs uses), or an {@link Assignor} of your
   * own. All members need one in common. With cooperative ones only, members keep reading during a
   * rebalance what they keep. Default ['range', 'cooperative-sticky'].
   */
  readonly partitionAssignmentStrategy?: readonly (AssignorName | Assignor)[] | undefined
  /** Where the consumer runs (Kafka's client.rack); assignors may prefer near copies. */
  readonly clientRack?: string | undefined
  /**
   * Where to begin when the group has committed nothing, or the committed offset is gone: at the
   * 'latest' records (default), the 'earliest', those of the last hour ('by_duration:PT1H',
   * KIP-1106; at the end when there are none), or 'none': then reading fails with
   * NO_OFFSET_FOR_PARTITION or OFFSET_OUT_OF_RANGE. A new partition of a topic begins so, too: with
   * 'latest' its first records may be missed.
   *
   * After an unclean election has cut a log below what was read, reading goes on at the first
   * offset that is known to differ, and a warning says so; with 'none' it fails with LOG_TRUNCATION
   * (KIP-320).
   */
  readonly autoOffsetReset?: AutoOffsetReset | undefined
  /**
   * Commit by itself what was processed, every `autoCommitIntervalMs` and at close. Default true.
   * A record is never committed before it was processed; see {@link Consumer} for what that means.
   */
  readonly enableAutoCommit?: boolean | undefined
  /** Milliseconds between automatic commits. Default 5,000. */
  readonly autoCommitIntervalMs?: number | undefined
  /** A fetch waits until so many bytes are there. Default 1; 0 means 1. */
  readonly fetchMinBytes?: number | undefined
  /** … but no longer than this. Milliseconds. Default 500; 0 means 1. */
  readonly fetchMaxWaitMs?: number | undefined
  /** Bytes a fetch brings at most, and about what is kept ready. Default 52,428,800. */
  readonly fetchMaxBytes?: number | undefined
  /**
   * Bytes a fetch brings of one partition at most; a larger first batch still comes. Two of them
   * are in memory: the one being read and the next. Default 786,432 (Kafka: 1,048,576).
   */
  readonly maxPartitionFetchBytes?: number | undefined
  /** Records a poll or a batch handler gets at most. Default 500. */
  readonly maxPollRecords?: number | undefined
  /** Compare the checksum of every batch. Default true. */
  readonly checkCrcs?: boolean | undefined
  /**
   * May subscribing to a topic by its name, or assigning a partition of it, make it if it does not
   * exist? Looking at it later never does (Kafka's consumer makes it then, too). Default true; the
   * cluster has a say, too.
   */
  readonly allowAutoCreateTopics?: boolean | undefined
  /**
   * How long a broker may take to answer, besides the time it was asked to wait. Milliseconds.
   * Default 30,000. In one process only faults and delays keep an answer away.
   */
  readonly requestTimeoutMs?: number | undefined
  /** How long a call may take with all its repetitions. Milliseconds. Default 60,000. */
  readonly defaultApiTimeoutMs?: number | undefined
  /** Wait before the first repetition; doubles each time. Milliseconds. Default 100. */
  readonly retryBackoffMs?: number | undefined
  /** Longest wait before a repetition. Milliseconds. Default 1,000. */
  readonly retryBackoffMaxMs?: number | undefined
  /**
   * How often subscribed topics are looked at: for new partitions, for those that are gone or made
   * anew. Milliseconds. Default 300,000.
   */
  readonly metadataMaxAgeMs?: number | undefined
  /** 'bytes' (default), 'string', 'json' or a function. null keys stay null. */
  readonly keyDeserializer?: K | undefined
  /** 'bytes' (default), 'string', 'json' or a function. Tombstones stay null. */
  readonly valueDeserializer?: V | undefined
}

/**
 * Told when the group moves partitions. It is waited for, and may commit. What it throws reaches
 * whoever reads next as CALLBACK_FAILED, with the error as its cause.
 */
export type PartitionsListener = (partitions: TopicPartition[]) => Promise<void> | void

/** How to subscribe. */
export interface SubscribeOptions {
  /**
   * Partitions have come, their positions are known; `seek` here to begin elsewhere. Also called
   * with none when the group has rebalanced and nothing new has come.
   */
  readonly onPartitionsAssigned?: PartitionsListener | undefined
  /**
   * Partitions go to other members: the last moment to commit for them. What was processed has
   * been committed already, with `enableAutoCommit`.
   */
  readonly onPartitionsRevoked?: PartitionsListener | undefined
  /**
   * Partitions are gone, because the group has not heard of this member in time: others may read
   * them already, and nothing can be committed any more. Default: `onPartitionsRevoked`.
   */
  readonly onPartitionsLost?: PartitionsListener | undefined
  /** Gives up waiting: subscribe rejects with the signal's reason; the member goes on joining. */
  readonly signal?: AbortSignal | undefined
}

/** Who a consumer is in its group. */
export interface GroupMetadata {
  readonly groupId: string
  readonly groupInstanceId: string | null
  /** Empty while it is no member. */
  readonly memberId: string
  /** −1 while it is no member. */
  readonly generationId: number
}

/** A record that is done, as far as its commit needs it. */
export type DoneRecord = TopicPartition & {
  readonly offset: number
  readonly leaderEpoch?: number | undefined
}

/** What to commit. Without either: everything handed out so far. */
export interface CommitRequest {
  /** These records are done: commits the offset + 1 of the last one of each partition. */
  readonly records?: Iterable<DoneRecord> | undefined
  /** Exactly these offsets. */
  readonly offsets?: Iterable<OffsetToCommit> | undefined
  /** Kept with the offsets of `records`, or of everything handed out. */
  readonly metadata?: string | undefined
}

/** An offset a group has committed. */
export interface CommittedPosition extends TopicPartition {
  /** The next offset to read; null when nothing is committed. */
  readonly offset: number | null
  readonly metadata: string
  /** Of the record before it, for `seek`; −1 when it was not committed. */
  readonly leaderEpoch: number
}

/** Records of one partition, in order. */
export interface RecordBatch<K, V> extends TopicPartition {
  readonly records: readonly ConsumerRecord<K, V>[]
  /** The first offset that is not committed by the brokers yet, as the last fetch told. */
  readonly highWatermark: number
}

/** How long a poll waits. */
export interface PollOptions {
  /** How long to wait for the first record. Milliseconds. Default 1,000. */
  readonly timeoutMs?: number | undefined
  /** Gives up waiting: poll rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Handlers of `run`: one for records, or one for batches. */
export interface RunOptions<K, V> {
  /** Called with each record, one after the other; the next one waits until it resolves. */
  readonly eachRecord?: ((record: ConsumerRecord<K, V>) => Promise<void> | void) | undefined
  /** Called with up to maxPollRecords records of one partition. */
  readonly eachBatch?: ((batch: RecordBatch<K, V>) => Promise<void> | void) | undefined
  /**
   * How often a handler that throws is called again with the same record or batch, after a pause
   * of `retryBackoffMs` that doubles up to `retryBackoffMaxMs`. The member stays in its group
   * meanwhile, for `maxPollIntervalMs`; a rebalance ends the pause, and the records come again
   * after it. Default 0.
   */
  readonly retries?: number | undefined
  /**
   * Where a record goes that `eachRecord` was not done with after all retries, or that could not
   * be deserialized: then it counts as processed, and the run goes on. It keeps its bytes, headers
   * and time, and gets headers that say what was wrong: `errors.topic`, `errors.partition`,
   * `errors.offset`, `errors.group.id`, `errors.client.id`, `errors.attempts`,
   * `errors.exception.class.name`, `errors.exception.message`. The topic is made like any other.
   * When it cannot be written, `run` rejects and the record comes again. Default: none. Not for
   * `eachBatch`, where nobody knows which record was at fault.
   */
  readonly deadLetterTopic?: string | undefined
  /** Ends the run after the handler under way; `run` resolves. */
  readonly signal?: AbortSignal | undefined
}

/* The public interface of a consumer, at four levels: `for await`, `run`, `poll`, `assign`. */

import type { TopicPartition } from '../../model/names.js'
import type {
  CommitRequest,
  CommittedPosition,
  GroupMetadata,
  PollOptions,
  RunOptions,
  SubscribeOptions,
} from './consumer-options.js'
import type { ConsumerRecord } from './consumer-record.js'

/**
 * Reads records from topics. Made by `cluster.consumer()`.
 *
 * When a record counts as processed, and so may be committed automatically, depends on how it is
 * read: with `for await` when the next record is asked for; with `run` when the handler of the
 * record or batch has resolved; with `poll` at the next poll. `commit()` commits everything
 * delivered: by calling it the application declares these records processed.
 */
export interface Consumer<K = Uint8Array, V = Uint8Array> extends AsyncIterable<
  ConsumerRecord<K, V>
> {
  /**
   * Joins the group and reads the partitions of these topics, or of every topic whose name matches,
   * that the group assigns to this member. It replaces the previous subscription. Resolves when the
   * partitions are assigned and their positions are known: every record written from then on is
   * read. So it waits for the other members to finish the records they have in hand, at most for
   * their `maxPollIntervalMs`. The records of the last poll count as processed. Needs `groupId`.
   *
   * Rejects with UNKNOWN_TOPIC_OR_PARTITION when a topic does not exist and may not be created,
   * INCONSISTENT_GROUP_PROTOCOL when the members have no assignor in common,
   * GROUP_MAX_SIZE_REACHED, INVALID_SESSION_TIMEOUT, FENCED_INSTANCE_ID when another consumer has
   * joined with the same `groupInstanceId`.
   */
  subscribe(topics: readonly string[] | RegExp, options?: SubscribeOptions): Promise<void>
  /**
   * Reads exactly these partitions, without joining a group: positions come from what `groupId` has
   * committed, if there is one, else from `autoOffsetReset`, or from `seek`.
   */
  assign(partitions: readonly TopicPartition[]): Promise<void>
  /** Stops reading and leaves the group. Processed records are committed first. */
  unsubscribe(): Promise<void>
  /**
   * Resolves when this member of the group has its partitions and knows of no rebalance under way;
   * at once for partitions assigned with `assign`. Rejects with the error that keeps the member out
   * of the group, or with the signal's reason.
   */
  ready(options?: { readonly signal?: AbortSignal }): Promise<void>
  /**
   * Asks the group for a rebalance and does not wait for it (Kafka's enforceRebalance, KIP-568).
   * `reason` is sent to the coordinator.
   */
  enforceRebalance(reason?: string): void
  /** The identity of this consumer in its group at present. Needs `groupId`. */
  groupMetadata(): GroupMetadata
  /** The topics subscribed to; with a pattern those that match it now. */
  subscription(): string[]
  /** The partitions that are read. */
  assignment(): TopicPartition[]
  /**
   * Returns up to `maxPollRecords` records; none when none arrive within `timeoutMs`, or when the
   * consumer is closed meanwhile. The records of the previous poll count as processed.
   *
   * Rejects with the reason why a partition cannot be read (CORRUPT_LOG, OFFSET_OUT_OF_RANGE,
   * LOG_TRUNCATION, …), with CALLBACK_FAILED when a rebalance listener threw, and with
   * SERIALIZATION_FAILED. The position stays; `seek` skips a record that cannot be read.
   */
  poll(options?: PollOptions): Promise<ConsumerRecord<K, V>[]>
  /**
   * `for await (const record of consumer)`: ends when the consumer is closed. When the loop is left
   * by `break` or a throw, the record in hand is delivered again at the next read, unless it was
   * committed: `await consumer.commit()` before or after `break` marks it as processed.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord<K, V>>
  /**
   * Calls a handler with each record or batch, in order, until the consumer is closed or the signal
   * aborts; then it resolves. A handler that throws is called again up to `retries` times (default
   * 0). After that the record goes to the `deadLetterTopic`, if one is set; otherwise `run` rejects
   * with the error that the handler threw, the position returns to the failed record or batch, and
   * nothing of it is committed.
   */
  run(options: RunOptions<K, V>): Promise<void>
  /**
   * Continues reading at this offset. Everything before it counts as processed. With `leaderEpoch`
   * (the epoch of the record before it, as `committed` returns it) the consumer detects that the
   * log was truncated since (KIP-320).
   */
  seek(to: TopicPartition & { readonly offset: number; readonly leaderEpoch?: number }): void
  /** Continues at the first record of these partitions (default: all assigned partitions). */
  seekToBeginning(partitions?: readonly TopicPartition[]): Promise<void>
  /** Continues after the last record of these partitions (default: all assigned partitions). */
  seekToEnd(partitions?: readonly TopicPartition[]): Promise<void>
  /** The offset of the next record to deliver. */
  position(partition: TopicPartition): Promise<number>
  /** Delivers no records of these partitions until they are resumed. */
  pause(partitions: readonly TopicPartition[]): void
  /** Delivers records of these partitions again. */
  resume(partitions: readonly TopicPartition[]): void
  /** The partitions that are paused. */
  paused(): TopicPartition[]
  /**
   * Finds in each partition the first record that is not older than `timestamp` (milliseconds since
   * 1970, or a Date): its offset and timestamp, or null when there is none.
   */
  offsetsForTimes(
    queries: readonly (TopicPartition & { readonly timestamp: number | Date })[],
  ): Promise<(TopicPartition & { offset: number | null; timestamp: number | null })[]>
  /** The first offset in the log of each partition. */
  beginningOffsets(
    partitions: readonly TopicPartition[],
  ): Promise<(TopicPartition & { offset: number })[]>
  /** The offset after the last committed record of each partition: the high watermark. */
  endOffsets(
    partitions: readonly TopicPartition[],
  ): Promise<(TopicPartition & { offset: number })[]>
  /**
   * Commits for the group: everything delivered, certain records (each as its offset + 1), or
   * certain offsets. Resolves when the coordinator has stored them, as durably as it promises. If
   * the commit covers all records of the last poll, a rebalance does not wait for the next poll.
   * Needs `groupId`.
   *
   * Rejects with ILLEGAL_GENERATION or UNKNOWN_MEMBER_ID when the group has continued without this
   * member; with UNKNOWN_TOPIC_OR_PARTITION for named records or offsets of a deleted topic, after
   * the others were committed (a commit of everything delivered skips deleted topics).
   */
  commit(request?: CommitRequest): Promise<void>
  /** The group's committed offsets for these partitions (default: all assigned partitions). */
  committed(partitions?: readonly TopicPartition[]): Promise<CommittedPosition[]>
  /**
   * Stops reading, commits the processed records (with enableAutoCommit) and leaves the group.
   * Loops end; a poll under way resolves with no records. It does not wait for a handler that is
   * still running: the record of that handler is not committed.
   */
  close(): Promise<void>
  /** Closes it: `await using consumer = cluster.consumer()`. */
  [Symbol.asyncDispose](): Promise<void>
}

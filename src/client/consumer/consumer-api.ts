/** A consumer as applications see it, at four levels: `for await`, `run`, `poll`, `assign`. */

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
 * What counts as processed, and so may be committed by itself, depends on how records are read:
 * with `for await` a record when the next one is asked for; with `run` a record or batch when its
 * handler has resolved; with `poll` the records of a poll at the next poll. `commit()` commits
 * everything handed out: with it the application says that it is done.
 */
export interface Consumer<K = Uint8Array, V = Uint8Array> extends AsyncIterable<
  ConsumerRecord<K, V>
> {
  /**
   * Joins the group and reads these topics, or every topic whose name matches, instead of what was
   * read before: those of their partitions that the group gives to this member. Resolves when it
   * has given them and the positions are known: what is written to them from then on is seen. So it
   * waits for the other members, who finish the records they have in hand first; at most for their
   * `maxPollIntervalMs`. The records of the last poll count as processed. Needs `groupId`.
   *
   * Rejects with UNKNOWN_TOPIC_OR_PARTITION when a topic does not exist and may not be made,
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
  /** Reads nothing any more and leaves the group. What was processed is committed first. */
  unsubscribe(): Promise<void>
  /**
   * Resolves when this member of the group has its partitions and no rebalance is under way, as far
   * as it knows; at once for partitions assigned by hand. Rejects with what keeps it out of the
   * group, or with the signal's reason.
   */
  ready(options?: { readonly signal?: AbortSignal }): Promise<void>
  /**
   * Has the group share out its partitions anew, soon: it does not wait for that (Kafka's
   * enforceRebalance, KIP-568). `reason` is told to the coordinator.
   */
  enforceRebalance(reason?: string): void
  /** Who this consumer is in its group at present. Needs `groupId`. */
  groupMetadata(): GroupMetadata
  /** The topics subscribed to; with a pattern those that match it now. */
  subscription(): string[]
  /** The partitions that are read. */
  assignment(): TopicPartition[]
  /**
   * Up to `maxPollRecords` records; none when there are none within `timeoutMs`, or when the
   * consumer is closed meanwhile. The records of the poll before count as processed.
   *
   * Rejects with what a partition cannot be read for (CORRUPT_LOG, OFFSET_OUT_OF_RANGE,
   * LOG_TRUNCATION, …), with CALLBACK_FAILED when a rebalance listener threw, and with
   * SERIALIZATION_FAILED; the position stays, `seek` leads past a record that cannot be read.
   */
  poll(options?: PollOptions): Promise<ConsumerRecord<K, V>[]>
  /**
   * `for await (const record of consumer)`: ends when the consumer is closed. Whoever leaves the
   * loop, by `break` or by a throw, gets the record in hand again with the next read, unless it was
   * committed: `await consumer.commit()` before or after `break` says that it is done.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord<K, V>>
  /**
   * Calls a handler with each record or batch, in order, until the consumer is closed or the signal
   * aborts; then it resolves. A handler that throws is called again as often as `retries` allows.
   * Then, and so at once by default, the record goes to the `deadLetterTopic`, if there is one, or
   * `run` rejects with what the handler threw: the position goes back to the failed record or
   * batch, and nothing of it is committed.
   */
  run(options: RunOptions<K, V>): Promise<void>
  /**
   * Reads on from this offset. What lies before it counts as processed. `leaderEpoch` (of the
   * record before, as `committed` tells it): reading notices when the log was cut since (KIP-320).
   */
  seek(to: TopicPartition & { readonly offset: number; readonly leaderEpoch?: number }): void
  /** Reads on from the first records of these partitions, of all without an argument. */
  seekToBeginning(partitions?: readonly TopicPartition[]): Promise<void>
  /** Reads on behind the last records of these partitions, of all without an argument. */
  seekToEnd(partitions?: readonly TopicPartition[]): Promise<void>
  /** The offset of the next record to be handed out. */
  position(partition: TopicPartition): Promise<number>
  /** Hands out nothing of these partitions until they are resumed. */
  pause(partitions: readonly TopicPartition[]): void
  /** Hands out records of these partitions again. */
  resume(partitions: readonly TopicPartition[]): void
  /** The partitions that are paused. */
  paused(): TopicPartition[]
  /**
   * For each partition the first record that is not older than `timestamp` (milliseconds since
   * 1970, or a Date): its offset and time, null when there is none.
   */
  offsetsForTimes(
    queries: readonly (TopicPartition & { readonly timestamp: number | Date })[],
  ): Promise<(TopicPartition & { offset: number | null; timestamp: number | null })[]>
  /** The first offset there is in each partition. */
  beginningOffsets(
    partitions: readonly TopicPartition[],
  ): Promise<(TopicPartition & { offset: number })[]>
  /** The offset behind the last committed record of each partition: the high watermark. */
  endOffsets(
    partitions: readonly TopicPartition[],
  ): Promise<(TopicPartition & { offset: number })[]>
  /**
   * Commits for the group: everything handed out, certain records (each as its offset + 1), or
   * certain offsets. Resolves when the coordinator has them, as durably as it promises. With it
   * the records of the last poll are done, if none of them is left out: a rebalance does not wait
   * for the next poll. Needs `groupId`.
   *
   * Rejects with ILLEGAL_GENERATION or UNKNOWN_MEMBER_ID when the group has gone on without this
   * member; with UNKNOWN_TOPIC_OR_PARTITION for records or offsets of a topic that was deleted,
   * after the others were committed (what was handed out of it is left out).
   */
  commit(request?: CommitRequest): Promise<void>
  /** What the group has committed for these partitions, for all assigned without an argument. */
  committed(partitions?: readonly TopicPartition[]): Promise<CommittedPosition[]>
  /**
   * Stops reading, commits what was processed (with enableAutoCommit), leaves the group. Loops end,
   * a poll under way resolves with nothing. Does not wait for a handler that is still running: its
   * record is not committed.
   */
  close(): Promise<void>
  /** Closes it: `await using consumer = cluster.consumer()`. */
  [Symbol.asyncDispose](): Promise<void>
}

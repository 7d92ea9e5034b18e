/* The public interface of a producer, and its options. */

import type { TopicPartition } from '../../model/names.js'
import type { OffsetToCommit } from '../line/offset-commit.js'
import type { Message, RecordMetadata } from './messages.js'
import type { PartitionerFunction } from './partitioner.js'
import type { Acks } from './producer-config.js'

/** Options of a producer. Kafka's names in camelCase, Kafka's defaults unless said otherwise. */
export interface ProducerOptions {
  /** Names the client in errors and logs. Default 'partlog'. */
  readonly clientId?: string | undefined
  /**
   * Which replicas must have the records before a send resolves: 'all' in-sync replicas (default),
   * the leader (1), or none (0; offsets stay unknown). How durable the records are then depends on
   * the cluster's `durability`.
   */
  readonly acks?: Acks | undefined
  /**
   * Numbers the batches, so that a batch sent again is written once. Default true when `acks` is
   * 'all'. With fewer acks the default is false, and true is refused.
   */
  readonly enableIdempotence?: boolean | undefined
  /**
   * Makes the producer transactional: its records and offsets count together or not at all, see
   * {@link TransactionalProducer}. A producer with the same id fences this one, and aborts what it
   * has left open: use one id for each place in your system that writes. Kafka's transactional.id.
   */
  readonly transactionalId?: string | undefined
  /**
   * The coordinator aborts a transaction that is open for longer, and fences its producer.
   * Milliseconds. Default 60,000; brokers allow 900,000. Kafka's transaction.timeout.ms.
   */
  readonly transactionTimeoutMs?: number | undefined
  /**
   * How long a batch waits for more records. Milliseconds. Default 0 (Kafka: 5): everything sent in
   * one turn of the event loop shares a batch anyway.
   */
  readonly lingerMs?: number | undefined
  /**
   * A batch is closed when it would grow beyond this. Bytes. Default 262,144 (Kafka: 16,384): there
   * is no network here that small batches keep busy.
   */
  readonly batchSize?: number | undefined
  /**
   * Bytes of records that may wait for their acknowledgement. When they are used up, sends wait for
   * at most `maxBlockMs`. The waiting sends may hold eight times as many bytes; a send beyond that
   * rejects at once with BUFFER_EXHAUSTED, because its caller does not await its sends.
   * Default 33,554,432.
   */
  readonly bufferMemory?: number | undefined
  /** How long `send` waits for memory or for the topic's metadata. Milliseconds. Default 60,000. */
  readonly maxBlockMs?: number | undefined
  /** The largest record, and the most one request carries. Bytes. Default 1,048,576. */
  readonly maxRequestSize?: number | undefined
  /**
   * How long a broker may take to answer before the batch is sent again. Milliseconds. Default
   * 30,000. Within one process only injected faults and delays hold up an answer.
   */
  readonly requestTimeoutMs?: number | undefined
  /** How long a send may take, including all its retries. Milliseconds. Default 120,000. */
  readonly deliveryTimeoutMs?: number | undefined
  /** Pause before the first retry; it doubles each time. Milliseconds. Default 100. */
  readonly retryBackoffMs?: number | undefined
  /** Longest pause before a retry. Milliseconds. Default 1,000. */
  readonly retryBackoffMaxMs?: number | undefined
  /** How long a topic's metadata is used before it is refreshed. Milliseconds. Default 300,000. */
  readonly metadataMaxAgeMs?: number | undefined
  /**
   * Codec of the batches: 'none' (default), 'gzip', 'snappy', 'lz4' or 'zstd'. zstd needs Node
   * 22.15 or later; on an older one it is UNSUPPORTED_COMPRESSION_TYPE. Kafka's compression.type.
   */
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' | undefined
  /** 1 (fast) to 9 (small), or −1: zlib's default (default). Kafka's compression.gzip.level. */
  readonly compressionGzipLevel?: number | undefined
  /**
   * 9 (default) is the fast way, every other level from 1 to 17 the thorough one, which takes ten
   * times as long: higher ones look at more places. Kafka's compression.lz4.level.
   */
  readonly compressionLz4Level?: number | undefined
  /** −131,072 (fast) to 22 (small). Default 3. Kafka's compression.zstd.level. */
  readonly compressionZstdLevel?: number | undefined
  /** Chooses the partition of messages that name none. Default: by key, else round-robin. */
  readonly partitioner?: PartitionerFunction | undefined
}

/** Messages for one topic. */
export interface SendRequest {
  readonly topic: string
  readonly messages: readonly Message[]
}

/**
 * Writes records to topics. Made by `cluster.producer()`.
 *
 * Every promise settles: with the records' offsets, or with a PartlogError. After an error with
 * `retriable` the send was retried until `deliveryTimeoutMs`; after one with `outcomeUnknown` the
 * records may be in the log nevertheless.
 */
export interface Producer {
  /**
   * Writes messages to a topic; resolves when they are acknowledged as `acks` requires, with the
   * partition and offset of each in the order given. The caller may reuse its byte arrays as soon
   * as `send` has returned.
   *
   * Rejects with INVALID_ARGUMENT, INVALID_TOPIC_EXCEPTION, INVALID_TIMESTAMP or MESSAGE_TOO_LARGE
   * before anything is written; with BUFFER_EXHAUSTED, DELIVERY_TIMED_OUT, REQUEST_TIMED_OUT,
   * LOG_OFFLINE, CORRUPT_LOG or another error of the broker; with CLOSED after close. If the
   * messages go to several partitions, the call may fail in only one of them: then the error's
   * `outcomeUnknown` is true.
   */
  send(request: SendRequest): Promise<RecordMetadata[]>
  /**
   * As `send`, for several topics at once. Resolves with the partitions and offsets of all messages
   * in the order given; rejects with the first error after all messages have settled.
   */
  sendBatch(request: {
    readonly topicMessages: readonly SendRequest[]
  }): Promise<RecordMetadata[]>
  /**
   * Sends everything now, without waiting for lingerMs; resolves when all earlier sends have
   * settled, successfully or not. Rejects only with the reason of `signal`, or CLOSED.
   */
  flush(options?: { readonly signal?: AbortSignal }): Promise<void>
  /** Sends the remaining records, waits until they have settled, and releases all resources. */
  close(): Promise<void>
  /** Closes it: `await using producer = cluster.producer()`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Options of a transactional producer. */
export type TransactionalProducerOptions = ProducerOptions & { readonly transactionalId: string }

/** A consumer's membership, as `consumer.groupMetadata` names it. */
export interface ConsumerGroupMetadata {
  readonly groupId: string
  /** −1 (default): the consumer is in no generation. */
  readonly generationId?: number | undefined
  /** Default '': not a member. */
  readonly memberId?: string | undefined
  /** Default null: not a static member. */
  readonly groupInstanceId?: string | null | undefined
}

/** Offsets that count when the transaction is committed. */
export interface SendOffsetsRequest {
  /** The group; for offsets of a consumer that has joined it, give `groupMetadata` instead. */
  readonly groupId?: string | undefined
  /**
   * The membership of the consumer that has read the records: if the group has continued without
   * it, its offsets are refused (KIP-447).
   */
  readonly groupMetadata?: ConsumerGroupMetadata | undefined
  /** The next offset to read of each partition. Default: what `records` says. */
  readonly offsets?: Iterable<OffsetToCommit> | undefined
  /** Records that were read: of each partition the last one counts, as its offset + 1. */
  readonly records?: Iterable<ReadPlace> | undefined
}

/** The fields of a record that its commit needs. */
export interface ReadPlace extends TopicPartition {
  readonly offset: number
  readonly leaderEpoch?: number | undefined
}

/**
 * A producer whose records and offsets count together or not at all (exactly once). Made by
 * `cluster.producer({ transactionalId })`. Consumers with `isolationLevel: 'read_committed'` read
 * only records of committed transactions.
 *
 * `send`, `sendBatch` and `sendOffsets` need an open transaction. When one of them fails, the
 * transaction can only be aborted: everything else rejects with TRANSACTION_ABORTABLE. When another
 * producer has taken the id, or the transaction was open for too long, everything rejects with
 * PRODUCER_FENCED or INVALID_PRODUCER_EPOCH: close the producer and make a new one.
 */
export interface TransactionalProducer extends Producer {
  /**
   * Takes the transactional id: fences older producers that have it, and waits until what they
   * left open is aborted, at most `maxBlockMs`. `begin` does it if it has not been done; call it
   * before a consumer reads offsets that an older producer may have left open.
   */
  init(): Promise<void>
  /** Opens a transaction. Rejects with INVALID_TXN_STATE if one is open already. */
  begin(): Promise<void>
  /** Adds offsets of a group to the transaction. Rejects with ILLEGAL_GENERATION and the like. */
  sendOffsets(request: SendOffsetsRequest): Promise<void>
  /**
   * Sends what is left and commits. Resolves when the outcome is decided for ever; its records can
   * be read a moment later. Rejects with TRANSACTION_ABORTABLE if a send has failed. After an error
   * with `retriable` or `outcomeUnknown`, call it again.
   */
  commit(): Promise<void>
  /** Aborts the transaction: sends that have not been made fail with TRANSACTION_ABORTED. */
  abort(): Promise<void>
  /**
   * Runs `work` in a transaction: commits when it has resolved, aborts and rejects with its error
   * when it has thrown.
   */
  transaction<T>(work: (producer: TransactionalProducer) => T | Promise<T>): Promise<T>
}

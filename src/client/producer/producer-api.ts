/** What applications say to a producer, and what it answers. */

import type { Message, RecordMetadata } from './messages.js'
import type { PartitionerFunction } from './partitioner.js'
import type { Acks } from './producer-config.js'

/** Options of a producer. Kafka's names in camelCase, Kafka's defaults unless said otherwise. */
export interface ProducerOptions {
  /** Names the client in errors and logs. Default 'partlog'. */
  readonly clientId?: string | undefined
  /**
   * Who must have the records before a send resolves: 'all' in-sync replicas (default), the leader
   * (1), or nobody (0, where offsets stay unknown). How durable "have" is depends on the cluster's
   * `durability`.
   */
  readonly acks?: Acks | undefined
  /**
   * Are batches numbered, so that one that has to be sent again is written once? Default true, as
   * long as `acks` is 'all': with fewer acks it is false, and true is refused.
   */
  readonly enableIdempotence?: boolean | undefined
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
   * Bytes of records that may wait to be acknowledged; then sends wait, for `maxBlockMs` at most.
   * What the waiting ones hold is bounded as well, by eight times as much: a send beyond it rejects
   * at once with BUFFER_EXHAUSTED, for it comes from a caller that awaits nothing.
   * Default 33,554,432.
   */
  readonly bufferMemory?: number | undefined
  /** How long `send` waits for memory or for the topic's metadata. Milliseconds. Default 60,000. */
  readonly maxBlockMs?: number | undefined
  /** The largest record, and the most one request carries. Bytes. Default 1,048,576. */
  readonly maxRequestSize?: number | undefined
  /**
   * How long a broker may take to answer; then the batch is sent again. Milliseconds. Default
   * 30,000. In one process only faults and delays keep an answer away.
   */
  readonly requestTimeoutMs?: number | undefined
  /** How long a send may take with all its repetitions. Milliseconds. Default 120,000. */
  readonly deliveryTimeoutMs?: number | undefined
  /** Wait before the first repetition; doubles each time. Milliseconds. Default 100. */
  readonly retryBackoffMs?: number | undefined
  /** Longest wait before a repetition. Milliseconds. Default 1,000. */
  readonly retryBackoffMaxMs?: number | undefined
  /** How long a topic's partitions are taken for granted. Milliseconds. Default 300,000. */
  readonly metadataMaxAgeMs?: number | undefined
  /** Codec of the batches: 'none' (default) or 'gzip'. Kafka's compression.type. */
  readonly compression?: 'none' | 'gzip' | undefined
  /** Chooses the partition of messages that name none. Default: by key, else in turns. */
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
 * Every promise settles: with the records' places, or with a PartlogError. One with `retriable` was
 * tried again until `deliveryTimeoutMs`; one with `outcomeUnknown` may be in the log nevertheless.
 */
export interface Producer {
  /**
   * Writes messages to a topic; resolves when they are acknowledged as `acks` says, with the place
   * of each in the order given. Bytes may be changed again as soon as `send` has returned.
   *
   * Rejects with INVALID_ARGUMENT, INVALID_TOPIC_EXCEPTION, INVALID_TIMESTAMP or MESSAGE_TOO_LARGE
   * before anything is written; with BUFFER_EXHAUSTED, DELIVERY_TIMED_OUT, REQUEST_TIMED_OUT,
   * LOG_OFFLINE, CORRUPT_LOG or what else the broker answers; with CLOSED after close. A call whose
   * messages go to several partitions may fail in one of them only: then the error's
   * `outcomeUnknown` is true.
   */
  send(request: SendRequest): Promise<RecordMetadata[]>
  /**
   * As `send` for several topics at once. Resolves with the places of all messages in the order
   * given; rejects with the first error, when all of it has settled.
   */
  sendBatch(request: {
    readonly topicMessages: readonly SendRequest[]
  }): Promise<RecordMetadata[]>
  /**
   * Sends everything now, without waiting for lingerMs; resolves when all sends made before it have
   * settled, whichever way. Rejects only with the reason of `signal`, or CLOSED.
   */
  flush(options?: { readonly signal?: AbortSignal }): Promise<void>
  /** Sends what is left, waits until it has settled, and gives everything back. */
  close(): Promise<void>
  /** Closes it: `await using producer = cluster.producer()`. */
  [Symbol.asyncDispose](): Promise<void>
}

/*
 * Writes records that the application could not process to a dead letter topic: with their original
 * bytes, and with headers that name their origin and the error (Kafka Connect's names without its
 * prefix).
 */

import type { Clock } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import { batchesOf } from '../../model/batch/batch.js'
import { RecordCursor } from '../../model/batch/record-cursor.js'
import type { HeaderIn, StoredRecord } from '../../model/batch/record.js'
import { PartlogError, type RecordPlace } from '../../model/errors.js'
import type { Channel } from '../../protocol/channel.js'
import { errorFrom } from '../line/client-errors.js'
import type { MetadataCache } from '../line/metadata-cache.js'
import { answerOfLeader, leaderOf } from '../line/requests.js'
import { withRetries, type RetryOptions } from '../line/retry.js'
import { ProducerClient } from '../producer/producer.js'

/** A record is fetched with its whole batch. */
const FETCH_BYTES = 1_048_576
const MESSAGE_MAX = 1_000

export interface DeadLettersOptions {
  readonly channel: Channel
  readonly clock: Clock
  readonly random: Random
  readonly metadata: MetadataCache
  readonly retry: RetryOptions
  readonly clientId: string
  readonly groupId: string | undefined
}

export interface Cause {
  readonly error: unknown
  /** How often the handler was called; 0 when the record could not be deserialized. */
  readonly attempts: number
}

export class DeadLetters {
  readonly #options: DeadLettersOptions
  #producer: ProducerClient | undefined

  constructor(options: DeadLettersOptions) {
    this.#options = options
  }

  /** Resolves when all in-sync replicas of `topic` have the record. */
  async write(topic: string, place: RecordPlace, cause: Cause): Promise<void> {
    const { channel, clock, random, clientId } = this.#options
    const { key, value, headers, timestamp } = await this.#recordAt(place)
    const pairs = headers.map(header => [header.key, header.value] as const)
    const message = { key, value, headers: [...pairs, ...this.#about(place, cause)] }
    const time = timestamp < 0 ? {} : { timestamp }
    const context = { channel, clock, random, onClose: () => undefined }
    this.#producer ??= new ProducerClient(context, { clientId })
    await this.#producer.send({ topic, messages: [{ ...message, ...time }] })
  }

  async close(): Promise<void> {
    await this.#producer?.close()
  }

  /** The record with the bytes of the log: the application got deserialized values. */
  async #recordAt(place: RecordPlace): Promise<StoredRecord> {
    const records = await withRetries(() => this.#fetch(place), this.#options.retry)
    for (const batch of batchesOf(records)) {
      for (const cursor = new RecordCursor(batch); cursor.next();) {
        if (cursor.offset !== place.offset) continue
        const { offset, key, value, headers, timestamp, timestampType } = cursor
        return { offset, key, value, headers, timestamp, timestampType }
      }
    }
    const { topic, partition, offset } = place
    const sentence = `the record at ${topic}-${partition} offset ${offset} does not exist any more`
    throw new PartlogError('OFFSET_OUT_OF_RANGE', sentence)
  }

  async #fetch(place: RecordPlace): Promise<Buffer> {
    const { topic, partition, offset } = place
    const { channel, metadata } = this.#options
    const { leaderId, leaderEpoch } = await leaderOf(metadata, { topic, partition })
    const wanted = {
      partition,
      fetchOffset: offset,
      partitionMaxBytes: FETCH_BYTES,
      currentLeaderEpoch: leaderEpoch,
    }
    const request = {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: FETCH_BYTES,
      topics: [{ topic, partitions: [wanted] }],
    }
    const { responses } = await answerOfLeader(metadata, [place], () =>
      channel.send(leaderId, 'Fetch', request),
    )
    const answer = responses[0]?.partitions[0]
    if (answer === undefined) {
      const sentence = `the leader's answer does not cover ${topic}-${partition}`
      throw new PartlogError('UNKNOWN_SERVER_ERROR', sentence)
    }
    const error = errorFrom(answer, `${topic}-${partition} cannot be read`)
    if (error === undefined) return Buffer.from(answer.records ?? [])
    metadata.invalidate(topic)
    throw error
  }

  #about({ topic, partition, offset }: RecordPlace, { error, attempts }: Cause): HeaderIn[] {
    const { clientId, groupId } = this.#options
    const { name, message } = error instanceof Error ? error : { name: 'Error', message: error }
    return [
      ['errors.topic', topic],
      ['errors.partition', String(partition)],
      ['errors.offset', String(offset)],
      ['errors.group.id', groupId ?? null],
      ['errors.client.id', clientId],
      ['errors.attempts', String(attempts)],
      ['errors.exception.class.name', name],
      ['errors.exception.message', String(message).slice(0, MESSAGE_MAX)],
    ]
  }
}

/* An admin's requests to any broker, to a given one, or to leaders, with retries. */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import type { PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { ApiName, Request, Response } from '../../protocol/api.js'
import { ANY_NODE, type Channel } from '../../protocol/channel.js'
import { closedError } from '../line/client-errors.js'
import { knownTopic, MetadataCache, type KnownTopic } from '../line/metadata-cache.js'
import {
  answerOfLeader,
  leaderOf,
  listOffsets,
  retryWhileExists,
  type ListedOffset,
  type TimestampQuery,
} from '../line/requests.js'
import { withRetries, type RetryOptions } from '../line/retry.js'
import type { AdminSettings } from './admin-config.js'

export interface AdminContext {
  readonly channel: Channel
  readonly clock: Clock
  readonly random: Random
  /** Gets a warning when a call is retried for long. Default: none. */
  readonly logger?: Logger
  /** Throws when the cluster is closed. */
  readonly checkOpen: () => void
  readonly onClose: () => void
}

export class AdminRequests {
  readonly #context: AdminContext
  readonly #settings: AdminSettings
  readonly #metadata: MetadataCache
  readonly #givingUp = new AbortController()

  constructor(context: AdminContext, settings: AdminSettings) {
    const { channel, clock } = context
    this.#context = context
    this.#settings = settings
    this.#metadata = new MetadataCache({ channel, clock, maxAgeMs: 0, mayCreate: false })
  }

  /** Calls under way and later ones reject with CLOSED. */
  close(): void {
    if (this.#givingUp.signal.aborted) return
    this.#givingUp.abort()
    this.#context.onClose()
  }

  #checkOpen(): void {
    this.#context.checkOpen()
    if (this.#givingUp.signal.aborted) throw closedError('admin')
  }

  get channel(): Channel {
    return this.#context.channel
  }

  async ask<A extends ApiName>(api: A, request: Request<A>): Promise<Response<A>> {
    return await this.askNode(ANY_NODE, api, request)
  }

  async askNode<A extends ApiName>(
    nodeId: number,
    api: A,
    request: Request<A>,
  ): Promise<Response<A>> {
    return await this.retrying(() => this.channel.send(nodeId, api, request))
  }

  /** Asks the leader of the partition, until `read` accepts an answer. */
  async askLeader<A extends ApiName, T>(
    partition: TopicPartition,
    api: A,
    request: Request<A>,
    read: (response: Response<A>) => T,
  ): Promise<T> {
    return await this.#retryWhileExists([partition], async () => {
      const { leaderId } = await leaderOf(this.#metadata, partition)
      return await answerOfLeader(this.#metadata, [partition], async () =>
        read(await this.channel.send(leaderId, api, request)),
      )
    })
  }

  async listOffsets(queries: readonly TimestampQuery[]): Promise<ListedOffset[]> {
    const attempt = (): Promise<ListedOffset[]> =>
      listOffsets(this.channel, this.#metadata, queries)
    return await this.#retryWhileExists(queries, attempt)
  }

  /** Retries errors that may pass; fails at once when a partition does not exist. */
  async #retryWhileExists<T>(
    places: readonly TopicPartition[],
    attempt: () => Promise<T>,
  ): Promise<T> {
    this.#checkOpen()
    return await retryWhileExists(this.#metadata, places, attempt, this.#retry)
  }

  /** Those of the named topics that exist. */
  async topics(names: Iterable<string>): Promise<Map<string, KnownTopic>> {
    const topics = [...new Set(names)].map(name => ({ name }))
    const request = { topics, allowAutoTopicCreation: false }
    const { topics: found, brokers } = await this.ask('Metadata', request)
    const known = found.filter(({ errorCode }) => errorCode === 0)
    return new Map(known.map(topic => [topic.name ?? '', knownTopic(topic, brokers)]))
  }

  /** Retries retriable errors, or those that `isRetriable` accepts. */
  async retrying<T>(
    attempt: () => Promise<T> | T,
    isRetriable?: (error: PartlogError) => boolean,
  ): Promise<T> {
    this.#checkOpen()
    const rule = isRetriable === undefined ? {} : { isRetriable }
    return await withRetries(attempt, { ...this.#retry, ...rule })
  }

  get #retry(): RetryOptions {
    const { clock, random, logger } = this.#context
    const closing = this.#givingUp.signal
    const { retryBackoffMs, retryBackoffMaxMs, defaultApiTimeoutMs: timeoutMs } = this.#settings
    const rules = { retryBackoffMs, retryBackoffMaxMs, timeoutMs, closing }
    return { clock, random, ...rules, logger, what: 'a call of the admin fails' }
  }
}

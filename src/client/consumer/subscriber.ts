/*
 * A consumer's subscription: joins the group, adds and drops partitions as the group assigns them,
 * calls the application's listeners, and checks periodically for new topics and partitions.
 */

import { type Clock, sleep } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import { abortable } from '../../base/tasks.js'
import type { PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { Channel } from '../../protocol/channel.js'
import type { GroupClient } from '../group/group-client.js'
import { whatHasChanged } from '../group/group-leader.js'
import { GroupMember, type GroupMemberOptions } from '../group/group-member.js'
import type { GroupMembership, MemberHost } from '../group/group-membership.js'
import { ReconcilingMember } from '../group/reconciling-member.js'
import { callbackError } from '../line/client-errors.js'
import type { MetadataCache } from '../line/metadata-cache.js'
import { mayPassIfExists, withRetries, type RetryOptions } from '../line/retry.js'
import type { AssignedPartitions } from './assigned-partitions.js'
import type { Committer } from './committer.js'
import type { ConsumerSettings } from './consumer-config.js'
import type { SubscribeOptions } from './consumer-options.js'
import type { Fetcher } from './fetcher.js'
import type { Positions } from './positions.js'
import { topicsSubscribed, topicsToSubscribe, type TopicsWanted } from './subscription.js'
import { TopicWatch } from './topic-watch.js'

export interface SubscriberOptions extends Omit<GroupMemberOptions, 'host'> {
  readonly channel: Channel
  readonly client: GroupClient
  readonly clock: Clock
  readonly logger: Logger
  readonly metadata: MetadataCache
  readonly settings: ConsumerSettings
  readonly committer: Committer
  readonly assigned: AssignedPartitions
  readonly positions: Positions
  readonly fetcher: Fetcher
  readonly retry: RetryOptions
  /** Receives errors for the next read to throw. */
  readonly onFailure: (error: PartlogError) => void
}

type ListenerName = Exclude<keyof SubscribeOptions, 'signal'>

export class Subscriber implements MemberHost {
  readonly #options: SubscriberOptions
  readonly #member: GroupMembership
  readonly #watch: TopicWatch
  #wanted: TopicsWanted | undefined
  #topics: readonly string[] = []
  #listeners: SubscribeOptions = {}

  constructor(options: SubscriberOptions) {
    this.#options = options
    const { clock, logger, settings } = options
    const assigns = settings.groupProtocol === 'classic' ? GroupMember : ReconcilingMember
    this.#member = new assigns({ ...options, host: this })
    const refresh = (): Promise<void> => this.#refresh()
    const { metadataMaxAgeMs: intervalMs, retryBackoffMaxMs: pauseMs } = settings
    this.#watch = new TopicWatch({ clock, logger, intervalMs, pauseMs, refresh })
  }

  get isSubscribed(): boolean {
    return this.#wanted !== undefined
  }

  // ── calls of the consumer ──────────────────────────────────────────────────────────────

  /** Resolves when the group has assigned partitions to this consumer. */
  async subscribe(wanted: TopicsWanted, listeners: SubscribeOptions): Promise<void> {
    const { allowAutoCreateTopics: mayCreate } = this.#options.settings
    const retry = { ...this.#options.retry, isRetriable: mayPassIfExists }
    const found = withRetries(() => topicsToSubscribe(wanted, mayCreate, this.#options), retry)
    const topics = await abortable(found, listeners.signal)
    this.#options.client.isMemberOnly = true
    this.#wanted = wanted
    this.#topics = topics
    this.#listeners = listeners
    this.#watch.start()
    this.#member.rejoin('the subscription is new', { isHurried: true })
    await this.#member.ready(listeners.signal)
  }

  async ready(signal?: AbortSignal): Promise<void> {
    await this.#member.ready(signal)
  }

  rebalance(reason: string): void {
    this.#member.rejoin(reason)
  }

  /** Revokes all partitions and leaves the group. */
  async leave(reason: string): Promise<void> {
    const { clock, settings, client } = this.#options
    if (!this.isSubscribed) return
    this.#watch.stop()
    const patience = new AbortController()
    const done = new AbortController()
    sleep(clock, settings.defaultApiTimeoutMs, done.signal).then(
      () => patience.abort(),
      () => undefined,
    )
    await this.#member.leave(reason, patience.signal)
    done.abort()
    this.#wanted = undefined
    this.#topics = []
    client.isMemberOnly = false
  }

  /** A topic that is read was deleted: checks the topics now, not at the next interval. */
  topicGone(): void {
    if (this.isSubscribed) this.#watch.lookNow()
  }

  /** Kafka's rejoinNeededOrPending: the leader compares the topics with those it has assigned. */
  async #refresh(): Promise<void> {
    const { metadata, channel } = this.#options
    const wanted = this.#wanted
    if (wanted === undefined) return
    const topics = await topicsSubscribed(wanted, channel)
    if (wanted !== this.#wanted) return // the subscription was replaced meanwhile
    const isSame = topics.join() === this.#topics.join()
    this.#topics = topics
    if (!isSame) return this.#member.rejoin('there are other topics')
    const counts = this.#member.countsAsLeader
    if (counts === undefined) {
      const own = new Set(this.owned().map(({ topic }) => topic))
      await Promise.allSettled([...own].map(topic => metadata.refresh(topic)))
      return
    }
    const change = await whatHasChanged(counts, metadata)
    const isCurrent = counts === this.#member.countsAsLeader
    if (isCurrent && change !== undefined) this.#member.rejoin(change)
  }

  // ── calls of the group member ──────────────────────────────────────────────────────────

  topics(): readonly string[] {
    return this.#topics
  }

  owned(): TopicPartition[] {
    return this.#options.assigned.list()
  }

  async revoke(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const { committer, settings, assigned, fetcher } = this.#options
    if (settings.enableAutoCommit) await abortable(committer.tryCommitProcessed(), signal)
    await this.#tell('onPartitionsRevoked', partitions, signal)
    assigned.drop(partitions, fetcher)
  }

  async lose(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const { assigned, fetcher } = this.#options
    const { onPartitionsLost } = this.#listeners
    assigned.drop(partitions, fetcher)
    if (partitions.length === 0) return
    const told = onPartitionsLost === undefined ? 'onPartitionsRevoked' : 'onPartitionsLost'
    await this.#tell(told, partitions, signal)
  }

  async take(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const { assigned, positions, fetcher } = this.#options
    await assigned.add(partitions, positions, fetcher)
    if (signal.aborted) return
    await this.#tell('onPartitionsAssigned', partitions, signal)
  }

  failed(error: PartlogError): void {
    this.#options.onFailure(error)
  }

  /** Calls a listener. If it throws, the next read rejects; the partitions change nevertheless. */
  async #tell(
    name: ListenerName,
    partitions: readonly TopicPartition[],
    signal: AbortSignal,
  ): Promise<void> {
    const listener = this.#listeners[name]
    if (listener === undefined) return
    try {
      await abortable(Promise.resolve(listener([...partitions])), signal)
    } catch (error) {
      if (!signal.aborted) this.#options.onFailure(callbackError(`the listener ${name}`, error))
    }
  }
}

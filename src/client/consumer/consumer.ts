/*
 * The consumer, at four levels over one fetcher: `for await`, `run`, `poll` with `commit`, and
 * `assign` with `seek`.
 *
 * There is one reader at a time: while a loop, a run or a poll is under way, another one is
 * refused. Seeking, pausing and committing are possible at any time.
 */

import { SerialQueue } from '../../base/tasks.js'
import { PartlogError } from '../../model/errors.js'
import { checkOffset, partitionName, type TopicPartition } from '../../model/names.js'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../../protocol/messages/offsets.js'
import {
  checkedTime,
  checkFields,
  checkPartitions,
  checkSignal,
  checkText,
  checkTopicPartition,
} from '../line/client-arguments.js'
import { clientSettings } from '../line/client-config.js'
import { closedError, noPartition } from '../line/client-errors.js'
import type { KnownTopic } from '../line/metadata-cache.js'
import { checkEpoch, groupOffset, type GroupOffset } from '../line/offset-commit.js'
import { mayPassIfExists, withRetries } from '../line/retry.js'
import type { DeserializerOption } from '../line/serdes.js'
import type { Consumer } from './consumer-api.js'
import {
  checkCommit,
  checkGroupProtocol,
  checkPoll,
  checkRun,
  checkSubscribe,
  needsGroup,
  offsetsAfter,
} from './consumer-checks.js'
import { CONSUMER_OPTIONS, type ConsumerSettings } from './consumer-config.js'
import type {
  CommitRequest,
  CommittedPosition,
  ConsumerOptions,
  GroupMetadata,
  PollOptions,
  RunOptions,
  SubscribeOptions,
} from './consumer-options.js'
import { consumerParts, type ConsumerContext, type ConsumerParts } from './consumer-parts.js'
import type { ConsumerRecord } from './consumer-record.js'
import type { PartitionState } from './partition-state.js'
import type { Subscriber } from './subscriber.js'
import { checkedTopics, type TopicsWanted } from './subscription.js'

/** The {@link Consumer} of `cluster.consumer()`. */
export class ConsumerClient<K = Uint8Array, V = Uint8Array> implements Consumer<K, V> {
  readonly #settings: ConsumerSettings
  readonly #parts: ConsumerParts
  readonly #onClosed: () => void
  readonly #changes = new SerialQueue()
  #closing: Promise<void> | undefined
  readonly #givingUp = new AbortController()

  constructor(
    context: ConsumerContext,
    options: ConsumerOptions<DeserializerOption, DeserializerOption> = {},
  ) {
    this.#settings = clientSettings(CONSUMER_OPTIONS, options, 'consumer option')
    checkGroupProtocol(options as ConsumerOptions<never, never>)
    this.#parts = consumerParts(context, this.#settings, this.#givingUp.signal)
    this.#onClosed = context.onClose
  }

  // ── subscription ───────────────────────────────────────────────────────────────────────

  async subscribe(
    topics: readonly string[] | RegExp,
    options: SubscribeOptions = {},
  ): Promise<void> {
    this.#checkOpen()
    const wanted = checkedTopics(topics)
    checkSubscribe(options)
    const subscriber = this.#needSubscriber('subscribe')
    await this.#change(() => this.#subscribe(subscriber, wanted, options))
  }

  async #subscribe(
    subscriber: Subscriber,
    wanted: TopicsWanted,
    options: SubscribeOptions,
  ): Promise<void> {
    this.#parts.reader.markPolledProcessed()
    if (!subscriber.isSubscribed) await this.#replaceAssignment([])
    await subscriber.subscribe(wanted, options)
  }

  async assign(partitions: readonly TopicPartition[]): Promise<void> {
    this.#checkOpen()
    checkPartitions(partitions)
    await this.#change(() => this.#assign([...partitions]))
  }

  async #assign(partitions: readonly TopicPartition[]): Promise<void> {
    const { allowAutoCreateTopics: mayCreate } = this.#settings
    const retry = { ...this.#parts.retry, isRetriable: mayPassIfExists }
    for (const topic of new Set(partitions.map(each => each.topic))) {
      const refreshed = (): Promise<KnownTopic> =>
        this.#parts.metadata.refresh(topic, { mayCreate })
      const { partitions: existing } = await withRetries(refreshed, retry)
      for (const each of partitions) {
        if (each.topic === topic && each.partition >= existing.length) throw noPartition(each)
      }
    }
    this.#checkOpen()
    await this.#parts.group?.subscriber.leave('partitions are assigned by hand')
    await this.#replaceAssignment(partitions)
  }

  async unsubscribe(): Promise<void> {
    this.#checkOpen()
    await this.#change(async () => {
      await this.#parts.group?.subscriber.leave('unsubscribed')
      await this.#replaceAssignment([])
    })
  }

  async ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#checkOpen()
    checkFields(options, 'ready', ['signal'])
    checkSignal(options.signal)
    await this.#parts.group?.subscriber.ready(options.signal)
  }

  enforceRebalance(reason = 'the application wants it'): void {
    this.#checkOpen()
    checkText(reason, 'reason')
    const subscriber = this.#needSubscriber('enforceRebalance')
    if (subscriber.isSubscribed) return subscriber.rebalance(reason)
    throw new PartlogError('INVALID_REQUEST', 'enforceRebalance needs a subscription')
  }

  groupMetadata(): GroupMetadata {
    const { group } = this.#parts
    if (group === undefined) throw needsGroup('groupMetadata')
    const { groupId, groupInstanceId, identity } = group.client
    return { groupId, groupInstanceId, ...identity }
  }

  subscription(): string[] {
    return [...(this.#parts.group?.subscriber.topics() ?? [])]
  }

  assignment(): TopicPartition[] {
    return this.#parts.assigned.list()
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────

  async poll(options: PollOptions = {}): Promise<ConsumerRecord<K, V>[]> {
    this.#checkReadable()
    checkPoll(options)
    return (await this.#parts.reader.poll(options)) as ConsumerRecord<K, V>[]
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord<K, V>> {
    this.#checkReadable()
    return this.#parts.reader.iterate() as AsyncIterableIterator<unknown> as AsyncIterableIterator<
      ConsumerRecord<K, V>
    >
  }

  async run(options: RunOptions<K, V>): Promise<void> {
    this.#checkReadable()
    checkRun(options)
    await this.#parts.reader.run(options as RunOptions<unknown, unknown>)
  }

  // ── positions ──────────────────────────────────────────────────────────────────────────

  seek(to: TopicPartition & { readonly offset: number; readonly leaderEpoch?: number }): void {
    this.#checkOpen()
    const state = this.#state(to)
    const { offset, leaderEpoch = -1 } = to
    checkOffset(offset)
    checkEpoch(leaderEpoch)
    state.moveTo(offset, leaderEpoch)
    this.#parts.reader.forgetPending()
    this.#parts.fetcher.moved()
  }

  async seekToBeginning(partitions?: readonly TopicPartition[]): Promise<void> {
    await this.#seekTo(partitions, EARLIEST_TIMESTAMP)
  }

  async seekToEnd(partitions?: readonly TopicPartition[]): Promise<void> {
    await this.#seekTo(partitions, LATEST_TIMESTAMP)
  }

  async #seekTo(
    partitions: readonly TopicPartition[] | undefined,
    timestamp: number,
  ): Promise<void> {
    this.#checkOpen()
    await this.#parts.positions.moveTo(this.#statesOf(partitions), timestamp)
    this.#parts.reader.forgetPending()
    this.#parts.fetcher.moved()
  }

  async position(partition: TopicPartition): Promise<number> {
    this.#checkOpen()
    const state = this.#state(partition)
    if (state.position === undefined) await this.#parts.positions.locate([state])
    if (state.error !== undefined) throw state.error
    return (state.leftAt ?? state.delivered ?? state.position) as number
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#checkOpen()
    checkPartitions(partitions)
    for (const state of this.#statesOf(partitions)) state.isPaused = true
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#checkOpen()
    checkPartitions(partitions)
    for (const state of this.#statesOf(partitions)) state.isPaused = false
    this.#parts.fetcher.moved()
  }

  paused(): TopicPartition[] {
    return [...this.#parts.assigned.states]
      .filter(state => state.isPaused)
      .map(({ topic, partition }) => ({ topic, partition }))
  }

  async offsetsForTimes(
    queries: readonly (TopicPartition & { readonly timestamp: number | Date })[],
  ): Promise<(TopicPartition & { offset: number | null; timestamp: number | null })[]> {
    this.#checkOpen()
    checkPartitions(queries)
    const checked = queries.map(query => ({ ...query, timestamp: checkedTime(query.timestamp) }))
    const found = await this.#parts.positions.listTimes(checked)
    return found.map(({ topic, partition, offset, timestamp }) => ({
      topic,
      partition,
      offset: offset < 0 ? null : offset,
      timestamp: offset < 0 ? null : timestamp,
    }))
  }

  async beginningOffsets(
    partitions: readonly TopicPartition[],
  ): Promise<(TopicPartition & { offset: number })[]> {
    return await this.#offsets(partitions, EARLIEST_TIMESTAMP)
  }

  async endOffsets(
    partitions: readonly TopicPartition[],
  ): Promise<(TopicPartition & { offset: number })[]> {
    return await this.#offsets(partitions, LATEST_TIMESTAMP)
  }

  async #offsets(
    partitions: readonly TopicPartition[],
    timestamp: number,
  ): Promise<(TopicPartition & { offset: number })[]> {
    this.#checkOpen()
    checkPartitions(partitions)
    const found = await this.#parts.positions.list(partitions, timestamp)
    return found.map(({ topic, partition, offset }) => ({ topic, partition, offset }))
  }

  // ── committing ─────────────────────────────────────────────────────────────────────────

  async commit(request: CommitRequest = {}): Promise<void> {
    this.#checkOpen()
    checkCommit(request)
    const { group, reader } = this.#parts
    if (group === undefined) throw needsGroup('commit')
    const offsets = this.#offsetsToCommit(request)
    const namesNone = request.records === undefined && request.offsets === undefined
    if (namesNone) await group.committer.commitRead(offsets)
    else await group.committer.commit(offsets)
    reader.committed()
  }

  async committed(partitions?: readonly TopicPartition[]): Promise<CommittedPosition[]> {
    this.#checkOpen()
    const { group } = this.#parts
    if (group === undefined) throw needsGroup('committed')
    const wanted = partitions ?? this.assignment()
    checkPartitions(wanted)
    const found = await group.client.committed(wanted)
    return wanted.map(({ topic, partition }) => {
      const each = found.find(
        candidate => candidate.topic === topic && candidate.partition === partition,
      )
      const { offset = null, metadata = '', leaderEpoch = -1 } = each ?? {}
      return { topic, partition, offset, metadata, leaderEpoch }
    })
  }

  #offsetsToCommit({ records, offsets, metadata = '' }: CommitRequest): GroupOffset[] {
    if (offsets !== undefined) return [...offsets].map(given => this.#withEpoch(groupOffset(given)))
    if (records !== undefined) {
      return offsetsAfter(records, metadata).map(each => this.#withEpoch(each))
    }
    checkText(metadata, 'metadata')
    return [...this.#parts.assigned.states].flatMap(state =>
      state.delivered === undefined ? [] : state.offsetToCommit(state.delivered, metadata),
    )
  }

  /** Adds the leader epoch if this consumer has read the record before the offset. */
  #withEpoch(given: GroupOffset): GroupOffset {
    const state = this.#parts.assigned.find(given)
    if (state === undefined || given.leaderEpoch >= 0) return given
    if (given.offset > (state.delivered ?? -1)) return given
    return { ...given, leaderEpoch: state.epochs.before(given.offset) }
  }

  /** Commits the processed records, if commits are automatic. */
  async commitProcessed(groupId: string): Promise<void> {
    const { enableAutoCommit, groupId: own } = this.#settings
    if (!enableAutoCommit || own !== groupId) return
    await this.#parts.group?.committer.tryCommitProcessed()
  }

  // ── closing ────────────────────────────────────────────────────────────────────────────

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { fetcher, group } = this.#parts
    fetcher.stop()
    this.#givingUp.abort()
    await group?.subscriber.leave('closed') // so that no change waits for the group
    await this.#changes.idle()
    await group?.subscriber.leave('closed')
    await group?.committer.close()
    await this.#parts.deadLetters.close()
    this.#onClosed()
  }

  // ── helpers ────────────────────────────────────────────────────────────────────────────

  /** Runs changes of the assignment sequentially, and none once closing has begun. */
  async #change(change: () => Promise<void>): Promise<void> {
    await this.#changes.run(async () => {
      this.#checkOpen()
      await change()
    })
  }

  async #replaceAssignment(partitions: readonly TopicPartition[]): Promise<void> {
    if (this.#settings.enableAutoCommit) await this.#parts.group?.committer.tryCommitProcessed()
    await this.#parts.assigned.replace(partitions, this.#parts.positions, this.#parts.fetcher)
  }

  #needSubscriber(what: string): Subscriber {
    if (this.#parts.group === undefined) throw needsGroup(what)
    return this.#parts.group.subscriber
  }

  #checkReadable(): void {
    this.#checkOpen()
    if (this.#parts.assigned.size > 0 || this.#parts.group?.subscriber.isSubscribed === true) return
    throw new PartlogError('INVALID_REQUEST', 'there is nothing to read: subscribe or assign first')
  }

  #state(given: TopicPartition): PartitionState {
    checkTopicPartition(given)
    const state = this.#parts.assigned.find(given)
    if (state !== undefined) return state
    const name = partitionName(given)
    const sentence = `${name} is not assigned to this consumer: see assignment()`
    throw new PartlogError('INVALID_REQUEST', sentence)
  }

  #statesOf(partitions: readonly TopicPartition[] | undefined): PartitionState[] {
    if (partitions === undefined) return [...this.#parts.assigned.states]
    checkPartitions(partitions)
    return partitions.map(partition => this.#state(partition))
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closedError('consumer')
  }
}

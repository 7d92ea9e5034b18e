/**
 * The consumer, at four levels over one fetcher: `for await`, `run`, `poll` with `commit`, and
 * `assign` with `seek`.
 *
 * Reading happens in one place at a time: while a loop, a run or a poll is under way, another one
 * is refused. Seeking, pausing and committing are possible at any time.
 */

import { SerialQueue } from '../../base/tasks.js'
import { PartlogError } from '../../model/errors.js'
import { checkOffset, partitionKey, type TopicPartition } from '../../model/names.js'
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
import { mayPassIfThere, withRetries } from '../line/retry.js'
import type { DeserializerOption } from '../line/serdes.js'
import {
  checkCommit,
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

/**
 * Reads records from topics. Made by `cluster.consumer()`.
 *
 * What counts as processed, and so may be committed by itself, depends on how records are read:
 * with `for await` a record when the next one is asked for; with `run` a record or batch when its
 * handler has resolved; with `poll` the records of a poll at the next poll. `commit()` commits
 * everything handed out: with it the application says that it is done.
 */
export class Consumer<K = Uint8Array, V = Uint8Array> implements AsyncIterable<
  ConsumerRecord<K, V>
> {
  readonly #settings: ConsumerSettings
  readonly #parts: ConsumerParts
  readonly #onClosed: () => void
  readonly #changes = new SerialQueue()
  #closing: Promise<void> | undefined
  readonly #givingUp = new AbortController()

  /** @internal use `cluster.consumer()`. */
  constructor(
    context: ConsumerContext,
    options: ConsumerOptions<DeserializerOption, DeserializerOption> = {},
  ) {
    this.#settings = clientSettings(CONSUMER_OPTIONS, options, 'consumer option')
    this.#parts = consumerParts(context, this.#settings, this.#givingUp.signal)
    this.#onClosed = context.onClose
  }

  // ── what to read ───────────────────────────────────────────────────────────────────────

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

  /**
   * Reads exactly these partitions, without joining a group: positions come from what `groupId` has
   * committed, if there is one, else from `autoOffsetReset`, or from `seek`.
   */
  async assign(partitions: readonly TopicPartition[]): Promise<void> {
    this.#checkOpen()
    checkPartitions(partitions)
    await this.#change(() => this.#assign([...partitions]))
  }

  async #assign(partitions: readonly TopicPartition[]): Promise<void> {
    const { allowAutoCreateTopics: mayCreate } = this.#settings
    const retry = { ...this.#parts.retry, isRetriable: mayPassIfThere }
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

  /** Reads nothing any more and leaves the group. What was processed is committed first. */
  async unsubscribe(): Promise<void> {
    this.#checkOpen()
    await this.#change(async () => {
      await this.#parts.group?.subscriber.leave('unsubscribed')
      await this.#replaceAssignment([])
    })
  }

  /**
   * Resolves when this member of the group has its partitions and no rebalance is under way, as far
   * as it knows; at once for partitions assigned by hand. Rejects with what keeps it out of the
   * group, or with the signal's reason.
   */
  async ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#checkOpen()
    checkFields(options, 'ready', ['signal'])
    checkSignal(options.signal)
    await this.#parts.group?.subscriber.ready(options.signal)
  }

  /**
   * Has the group share out its partitions anew, soon: it does not wait for that (Kafka's
   * enforceRebalance, KIP-568). `reason` is told to the coordinator.
   */
  enforceRebalance(reason = 'the application wants it'): void {
    this.#checkOpen()
    checkText(reason, 'reason')
    const subscriber = this.#needSubscriber('enforceRebalance')
    if (subscriber.isSubscribed) return subscriber.rebalance(reason)
    throw new PartlogError('INVALID_REQUEST', 'enforceRebalance needs a subscription')
  }

  /** Who this consumer is in its group at present. Needs `groupId`. */
  groupMetadata(): GroupMetadata {
    const { group } = this.#parts
    if (group === undefined) throw needsGroup('groupMetadata')
    const { groupId, groupInstanceId, identity } = group.client
    return { groupId, groupInstanceId, ...identity }
  }

  /** The topics subscribed to; with a pattern those that match it now. */
  subscription(): string[] {
    return [...(this.#parts.group?.subscriber.topics() ?? [])]
  }

  /** The partitions that are read. */
  assignment(): TopicPartition[] {
    return this.#parts.assigned.list()
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────

  /**
   * Up to `maxPollRecords` records; none when there are none within `timeoutMs`, or when the
   * consumer is closed meanwhile. The records of the poll before count as processed.
   *
   * Rejects with what a partition cannot be read for (CORRUPT_LOG, OFFSET_OUT_OF_RANGE,
   * LOG_TRUNCATION, …), with CALLBACK_FAILED when a rebalance listener threw, and with
   * SERIALIZATION_FAILED; the position stays, `seek` leads past a record that cannot be read.
   */
  async poll(options: PollOptions = {}): Promise<ConsumerRecord<K, V>[]> {
    this.#checkReadable()
    checkPoll(options)
    return (await this.#parts.reader.poll(options)) as ConsumerRecord<K, V>[]
  }

  /**
   * `for await (const record of consumer)`: ends when the consumer is closed. Whoever leaves the
   * loop, by `break` or by a throw, gets the record in hand again with the next read, unless it was
   * committed: `await consumer.commit()` before or after `break` says that it is done.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord<K, V>> {
    this.#checkReadable()
    return this.#parts.reader.iterate() as AsyncIterableIterator<unknown> as AsyncIterableIterator<
      ConsumerRecord<K, V>
    >
  }

  /**
   * Calls a handler with each record or batch, in order, until the consumer is closed or the signal
   * aborts; then it resolves. A handler that throws is called again as often as `retries` allows.
   * Then, and so at once by default, the record goes to the `deadLetterTopic`, if there is one, or
   * `run` rejects with what the handler threw: the position goes back to the failed record or
   * batch, and nothing of it is committed.
   */
  async run(options: RunOptions<K, V>): Promise<void> {
    this.#checkReadable()
    checkRun(options)
    await this.#parts.reader.run(options as RunOptions<unknown, unknown>)
  }

  // ── positions ──────────────────────────────────────────────────────────────────────────

  /**
   * Reads on from this offset. What lies before it counts as processed. `leaderEpoch` (of the
   * record before, as `committed` tells it): reading notices when the log was cut since (KIP-320).
   */
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

  /** Reads on from the first records of these partitions, of all without an argument. */
  async seekToBeginning(partitions?: readonly TopicPartition[]): Promise<void> {
    await this.#seekTo(partitions, EARLIEST_TIMESTAMP)
  }

  /** Reads on behind the last records of these partitions, of all without an argument. */
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

  /** The offset of the next record to be handed out. */
  async position(partition: TopicPartition): Promise<number> {
    this.#checkOpen()
    const state = this.#state(partition)
    if (state.position === undefined) await this.#parts.positions.locate([state])
    if (state.error !== undefined) throw state.error
    return (state.leftAt ?? state.delivered ?? state.position) as number
  }

  /** Hands out nothing of these partitions until they are resumed. */
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

  /** The partitions that are paused. */
  paused(): TopicPartition[] {
    return [...this.#parts.assigned.states]
      .filter(state => state.isPaused)
      .map(({ topic, partition }) => ({ topic, partition }))
  }

  /**
   * For each partition the first record that is not older than `timestamp` (milliseconds since
   * 1970, or a Date): its offset and time, null when there is none.
   */
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

  /** The first offset there is in each partition. */
  async beginningOffsets(
    partitions: readonly TopicPartition[],
  ): Promise<(TopicPartition & { offset: number })[]> {
    return await this.#offsets(partitions, EARLIEST_TIMESTAMP)
  }

  /** The offset behind the last committed record of each partition: the high watermark. */
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

  /** What the group has committed for these partitions, for all assigned without an argument. */
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

  /** What this consumer has read is known better than by the offset alone. */
  #withEpoch(given: GroupOffset): GroupOffset {
    const state = this.#parts.assigned.find(given)
    if (state === undefined || given.leaderEpoch >= 0) return given
    if (given.offset > (state.delivered ?? -1)) return given
    return { ...given, leaderEpoch: state.epochs.before(given.offset) }
  }

  /** @internal commits what the application is done with, if commits are automatic. */
  async commitProcessed(groupId: string): Promise<void> {
    const { enableAutoCommit, groupId: own } = this.#settings
    if (!enableAutoCommit || own !== groupId) return
    await this.#parts.group?.committer.tryCommitProcessed()
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  /**
   * Stops reading, commits what was processed (with enableAutoCommit), leaves the group. Loops end,
   * a poll under way resolves with nothing. Does not wait for a handler that is still running: its
   * record is not committed.
   */
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

  // ── inside ─────────────────────────────────────────────────────────────────────────────

  /** One change of what is read after the other, none when closing has begun. */
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
    const name = partitionKey(given.topic, given.partition)
    const sentence = `${name} is not assigned to this consumer`
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

/**
 * The consumer, at four levels over one fetcher: `for await`, `run`, `poll` with `commit`, and
 * `assign` with `seek`.
 *
 * Reading happens in one place at a time: while a loop, a run or a poll is under way, another one
 * is refused. Seeking, pausing and committing are possible at any time.
 */

import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Random } from '../base/random.js'
import { SerialQueue } from '../base/tasks.js'
import { PartlogError } from '../model/errors.js'
import {
  checkGroupId,
  checkOffset,
  checkTopicName,
  partitionKey,
  type TopicPartition,
} from '../model/names.js'
import type { Channel } from '../protocol/channel.js'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../protocol/messages/offsets.js'
import { checkPartitions, checkTopicPartition, invalidArgument } from './arguments.js'
import { Committer } from './committer.js'
import { clientSettings, CONSUMER_OPTIONS, type ConsumerSettings } from './config.js'
import type {
  CommitRequest,
  CommittedPosition,
  ConsumerOptions,
  PollOptions,
  RunOptions,
} from './consumer-options.js'
import {
  checkCommit,
  checkedTime,
  checkPoll,
  checkRun,
  groupOffset,
  needsGroup,
  noPartition,
  offsetsAfter,
  partitionsOf,
} from './consumer-checks.js'
import type { ConsumerRecord } from './consumer-record.js'
import { closedError } from './errors.js'
import { Fetcher } from './fetcher.js'
import { GroupClient, type GroupOffset } from './group-client.js'
import { MetadataCache } from './metadata-cache.js'
import { PartitionState } from './partition-state.js'
import { Positions } from './positions.js'
import { RecordReader } from './record-reader.js'
import type { RetryOptions } from './retry.js'
import { deserializerOf, type DeserializerOption } from './serdes.js'
import { TopicWatch } from './topic-watch.js'

export interface ConsumerContext {
  readonly channel: Channel
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly onClose: () => void
}

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
  readonly #context: ConsumerContext
  readonly #settings: ConsumerSettings
  readonly #metadata: MetadataCache
  readonly #group: GroupClient | undefined
  readonly #committer: Committer | undefined
  readonly #positions: Positions
  readonly #fetcher: Fetcher
  readonly #reader: RecordReader
  readonly #topicWatch: TopicWatch
  readonly #states = new Map<string, PartitionState>()
  readonly #changes = new SerialQueue()
  #subscription: readonly string[] = []
  #closing: Promise<void> | undefined
  readonly #givingUp = new AbortController()

  /** @internal use `cluster.consumer()`. */
  constructor(
    context: ConsumerContext,
    options: ConsumerOptions<DeserializerOption, DeserializerOption> = {},
  ) {
    const { channel, clock, random, logger } = context
    this.#context = context
    this.#settings = clientSettings(CONSUMER_OPTIONS, options, 'consumer option')
    const { groupId, clientId, metadataMaxAgeMs: maxAgeMs } = this.#settings
    if (groupId !== undefined) checkGroupId(groupId)
    const retry = this.#retry()
    const states = (): Iterable<PartitionState> => this.#states.values()
    const mayCreate = this.#settings.allowAutoCreateTopics
    this.#metadata = new MetadataCache({ channel, clock, maxAgeMs, mayCreate })
    if (groupId !== undefined) {
      const group = new GroupClient({ channel, groupId, clientId, retry })
      this.#group = group
      this.#committer = new Committer({ group, clock, logger, settings: this.#settings, states })
    }
    const metadata = this.#metadata
    this.#positions = new Positions({
      channel,
      metadata,
      settings: this.#settings,
      group: this.#group,
      retry,
    })
    this.#fetcher = new Fetcher({
      channel,
      clock,
      random,
      metadata,
      settings: this.#settings,
      deserializers: {
        key: deserializerOf(this.#settings.keyDeserializer),
        value: deserializerOf(this.#settings.valueDeserializer),
      },
      onOutOfRange: (state, error) => {
        void this.#positions.recover(state, error).finally(() => this.#onMoved())
      },
      onLost: state => void this.#positions.find(state).finally(() => this.#onMoved()),
    })
    const { maxPollRecords, metadataMaxAgeMs: intervalMs } = this.#settings
    const refresh = (): Promise<void> => this.#change(() => this.#refreshSubscription())
    this.#topicWatch = new TopicWatch({ clock, logger, intervalMs, refresh })
    this.#reader = new RecordReader({ fetcher: this.#fetcher, clock, maxPollRecords, states })
  }

  // ── what to read ───────────────────────────────────────────────────────────────────────

  /**
   * Joins the group and reads these topics, instead of what was read before. Resolves when the
   * positions are known: what is written from then on is seen. Needs `groupId`.
   *
   * Rejects with GROUP_MAX_SIZE_REACHED when the group has a member already (groups of several are
   * not built yet), UNKNOWN_TOPIC_OR_PARTITION when a topic does not exist and may not be made.
   */
  async subscribe(topics: readonly string[]): Promise<void> {
    this.#checkOpen()
    if (!Array.isArray(topics)) throw invalidArgument('topics', 'an array', topics)
    for (const topic of topics) checkTopicName(topic)
    if (this.#group === undefined) throw needsGroup('subscribe')
    await this.#change(() => this.#subscribe([...new Set(topics as readonly string[])]))
  }

  async #subscribe(topics: readonly string[]): Promise<void> {
    const known = []
    for (const topic of topics) known.push(await this.#metadata.refresh(topic))
    await this.#group?.join()
    this.#checkOpen() // close leaves the group when this has ended
    this.#subscription = known.map(topic => topic.name)
    await this.#replaceAssignment(known.flatMap(partitionsOf))
    this.#topicWatch.start()
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
    for (const topic of new Set(partitions.map(each => each.topic))) {
      const { partitions: existing } = await this.#metadata.refresh(topic)
      for (const each of partitions) {
        if (each.topic === topic && each.partition >= existing.length) throw noPartition(each)
      }
    }
    this.#checkOpen()
    this.#topicWatch.stop()
    this.#subscription = []
    await this.#replaceAssignment(partitions)
    await this.#group?.leave()
  }

  /** Reads nothing any more and leaves the group. What was processed is committed first. */
  async unsubscribe(): Promise<void> {
    this.#checkOpen()
    await this.#change(async () => {
      this.#topicWatch.stop()
      if (this.#settings.enableAutoCommit) await this.#committer?.commitProcessed()
      await this.#group?.leave()
      this.#subscription = []
      await this.#replaceAssignment([])
    })
  }

  /** The topics subscribed to. */
  subscription(): string[] {
    return [...this.#subscription]
  }

  /** The partitions that are read. */
  assignment(): TopicPartition[] {
    return [...this.#states.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────

  /**
   * Up to `maxPollRecords` records; none when there are none within `timeoutMs`, or when the
   * consumer is closed meanwhile. The records of the poll before count as processed.
   *
   * Rejects with what a partition cannot be read for (CORRUPT_LOG, OFFSET_OUT_OF_RANGE, …) and with
   * SERIALIZATION_FAILED; the position stays, `seek` leads past a record that cannot be read.
   */
  async poll(options: PollOptions = {}): Promise<ConsumerRecord<K, V>[]> {
    this.#checkReadable()
    checkPoll(options)
    return (await this.#reader.poll(options)) as ConsumerRecord<K, V>[]
  }

  /**
   * `for await (const record of consumer)`: ends when the consumer is closed. Whoever leaves the
   * loop, by `break` or by a throw, gets the record in hand again with the next read, unless it was
   * committed: `await consumer.commit()` before or after `break` says that it is done.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord<K, V>> {
    this.#checkReadable()
    return this.#reader.iterate() as AsyncIterableIterator<unknown> as AsyncIterableIterator<
      ConsumerRecord<K, V>
    >
  }

  /**
   * Calls a handler with each record or batch, in order, until the consumer is closed or the signal
   * aborts; then it resolves. When a handler throws, `run` rejects with what it threw; the position
   * goes back to the failed record or batch, and nothing of it is committed.
   */
  async run(options: RunOptions<K, V>): Promise<void> {
    this.#checkReadable()
    checkRun(options)
    await this.#reader.run(options as RunOptions<unknown, unknown>)
  }

  // ── positions ──────────────────────────────────────────────────────────────────────────

  /** Reads on from this offset. What lies before it counts as processed. */
  seek(to: TopicPartition & { readonly offset: number }): void {
    this.#checkOpen()
    const state = this.#state(to)
    checkOffset(to.offset)
    state.moveTo(to.offset)
    this.#reader.forgetPending()
    this.#onMoved()
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
    await this.#positions.moveTo(this.#statesOf(partitions), timestamp)
    this.#reader.forgetPending()
    this.#onMoved()
  }

  /** The offset of the next record to be handed out. */
  async position(partition: TopicPartition): Promise<number> {
    this.#checkOpen()
    const state = this.#state(partition)
    if (state.position === undefined) await this.#positions.locate([state])
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
    this.#onMoved()
  }

  /** The partitions that are paused. */
  paused(): TopicPartition[] {
    return [...this.#states.values()]
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
    const found = await this.#positions.listTimes(checked)
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
    const found = await this.#positions.list(partitions, timestamp)
    return found.map(({ topic, partition, offset }) => ({ topic, partition, offset }))
  }

  // ── committing ─────────────────────────────────────────────────────────────────────────

  /**
   * Commits for the group: everything handed out, certain records (each as its offset + 1), or
   * certain offsets. Resolves when the coordinator has them, as durably as it promises. Needs
   * `groupId`.
   */
  async commit(request: CommitRequest = {}): Promise<void> {
    this.#checkOpen()
    checkCommit(request)
    if (this.#committer === undefined) throw needsGroup('commit')
    await this.#committer.commit(this.#offsetsToCommit(request))
  }

  /** What the group has committed for these partitions, for all assigned without an argument. */
  async committed(partitions?: readonly TopicPartition[]): Promise<CommittedPosition[]> {
    this.#checkOpen()
    if (this.#group === undefined) throw needsGroup('committed')
    const wanted = partitions ?? this.assignment()
    checkPartitions(wanted)
    const found = await this.#group.committed(wanted)
    return wanted.map(({ topic, partition }) => {
      const each = found.find(
        candidate => candidate.topic === topic && candidate.partition === partition,
      )
      return { topic, partition, offset: each?.offset ?? null, metadata: each?.metadata ?? '' }
    })
  }

  #offsetsToCommit({ records, offsets, metadata = '' }: CommitRequest): GroupOffset[] {
    if (offsets !== undefined) return [...offsets].map(groupOffset)
    if (records !== undefined) return offsetsAfter(records, metadata)
    return [...this.#states.values()]
      .filter(state => state.delivered !== undefined)
      .map(({ topic, partition, delivered }) =>
        groupOffset({ topic, partition, offset: delivered as number, metadata }),
      )
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
    this.#topicWatch.stop()
    this.#fetcher.stop()
    this.#givingUp.abort()
    await this.#changes.idle()
    this.#topicWatch.stop()
    await this.#committer?.close()
    await this.#group?.leave().catch(() => undefined) // the coordinator may be gone already
    this.#context.onClose()
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
    if (this.#settings.enableAutoCommit) await this.#committer?.tryCommitProcessed()
    const kept = new Map<string, PartitionState>()
    for (const { topic, partition } of partitions) {
      const key = partitionKey(topic, partition)
      kept.set(key, this.#states.get(key) ?? new PartitionState(topic, partition))
    }
    for (const [key, state] of this.#states) {
      if (!kept.has(key)) state.forgetPosition() // whoever holds records of it must let go
    }
    this.#states.clear()
    for (const [key, state] of kept) this.#states.set(key, state)
    await this.#positions.locate([...kept.values()])
    this.#fetcher.assign([...kept.values()])
  }

  async #refreshSubscription(): Promise<void> {
    const known = []
    for (const topic of this.#subscription) known.push(await this.#metadata.refresh(topic))
    const partitions = known.flatMap(partitionsOf)
    if (this.#closing !== undefined || partitions.length === this.#states.size) return
    await this.#replaceAssignment(partitions)
  }

  #onMoved(): void {
    this.#fetcher.wake()
    this.#fetcher.arrivals.notify()
  }

  #checkReadable(): void {
    this.#checkOpen()
    if (this.#states.size > 0 || this.#subscription.length > 0) return
    throw new PartlogError('INVALID_REQUEST', 'there is nothing to read: subscribe or assign first')
  }

  #state(given: TopicPartition): PartitionState {
    checkTopicPartition(given)
    const { topic, partition } = given
    const state = this.#states.get(partitionKey(topic, partition))
    if (state !== undefined) return state
    const sentence = `${partitionKey(topic, partition)} is not assigned to this consumer`
    throw new PartlogError('INVALID_REQUEST', sentence)
  }

  #statesOf(partitions: readonly TopicPartition[] | undefined): PartitionState[] {
    if (partitions === undefined) return [...this.#states.values()]
    checkPartitions(partitions)
    return partitions.map(partition => this.#state(partition))
  }

  #retry(): RetryOptions {
    const { clock, random } = this.#context
    const { retryBackoffMs, retryBackoffMaxMs, defaultApiTimeoutMs: timeoutMs } = this.#settings
    const { signal: closing } = this.#givingUp
    return { clock, random, timeoutMs, retryBackoffMs, retryBackoffMaxMs, closing }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closedError('consumer')
  }
}

/*
 * One broker: the logs placed on it, its coordinators of groups and of transactions, and a handler
 * for each request.
 *
 * Opening: removes left-overs of deleted topics, opens the log of every partition that the metadata
 * places here from its recovery point, then answers. Closing: refuses new requests, ends chores,
 * writes high watermarks, closes logs.
 */

import { within } from '../base/alarm.js'
import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Random } from '../base/random.js'
import { NOTHING } from '../coordinator/fold/state-machine.js'
import type { GroupListener } from '../coordinator/groups/rebalance-reporter.js'
import { alterIsr, replicaFailed, replicaReturned } from '../coordinator/metadata/brokers.js'
import type { ClusterImage, TopicImage } from '../coordinator/metadata/cluster-image.js'
import { createTopic, type ControllerContext } from '../coordinator/metadata/topics.js'
import type { PartitionOffset } from '../log/format/checkpoints.js'
import type { LogManager } from '../log/log-manager.js'
import { isPartlogError, PartlogError } from '../model/errors.js'
import {
  checkTopicName,
  isInternalTopic,
  OFFSETS_TOPIC,
  TRANSACTIONS_TOPIC,
} from '../model/names.js'
import { NONE, type Offset } from '../model/units.js'
import type { Partition } from '../partition/partition.js'
import type { Durability } from '../partition/roles.js'
import type { ApiName, Request, Response } from '../protocol/api.js'
import type { Channel, OneBatch } from '../protocol/channel.js'
import {
  COMPACTION_INTERVAL_MS,
  HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS,
  OFFSETS_RETENTION_CHECK_INTERVAL_MS,
  OFFSETS_TOPIC_SEGMENT_BYTES,
  PRODUCER_ID_CHECK_INTERVAL_MS,
  PRODUCER_ID_EXPIRATION_MS,
  RECOVERY_CHECKPOINT_INTERVAL_MS,
  RETENTION_CHECK_INTERVAL_MS,
  RETENTION_INITIAL_DELAY_MS,
  TRANSACTION_CHECK_INTERVAL_MS,
  TRANSACTION_REQUEST_TIMEOUT_MS,
  TRANSACTION_SETTINGS,
  TRANSACTIONAL_ID_CHECK_INTERVAL_MS,
  TRANSACTIONS_TOPIC_SEGMENT_BYTES,
  type BrokerSettings,
} from './broker-config.js'
import { HANDLERS } from './handlers.js'
import { compactLogs } from './node/cleaner-chore.js'
import type { BrokerContext, BrokerEndpoint, ControllerDoor, LongHolds } from './node/context.js'
import { GroupCoordinators, type LoadedPartitions } from './node/group-coordinators.js'
import { Housekeeping, type Chore } from './node/housekeeping.js'
import { TransactionCoordinators } from './node/transaction-coordinators.js'
import type { Truncation } from './replication/replica-fetcher.js'
import { ReplicaManager, type ReplicaListener } from './replication/replica-manager.js'
import { produceNow } from './requests/produce-requests.js'
import { ProducerIds } from './requests/producer-id-requests.js'

export interface BrokerOptions {
  readonly nodeId: number
  readonly clusterId: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings: BrokerSettings
  readonly durability: Durability
  readonly logs: LogManager
  readonly controller: ControllerDoor
  readonly brokers: readonly BrokerEndpoint[]
  /** Connects to the other brokers. */
  readonly channel: Channel
  readonly longHolds: LongHolds
  readonly onTruncated: (truncation: Truncation) => void
  readonly onRepairing: (partition: Partition, folder: string) => void
  /** Called when this broker has applied the metadata. */
  readonly onApplied: () => void
  readonly groupListener: GroupListener
  readonly loadedGroups: LoadedPartitions
}

export class Broker implements BrokerContext {
  readonly nodeId: number
  readonly clusterId: string
  readonly clock: Clock
  readonly random: Random
  readonly settings: BrokerSettings
  readonly brokers: readonly BrokerEndpoint[]
  readonly longHolds: LongHolds
  readonly controller: ControllerDoor
  readonly controllerContext: ControllerContext
  readonly logs: LogManager
  readonly replicas: ReplicaManager
  readonly producerIds: ProducerIds
  readonly groups: GroupCoordinators
  readonly transactions: TransactionCoordinators
  readonly #logger: Logger
  #housekeeping: Housekeeping | undefined
  #isClosed = false
  /** Of a broker that has retired and whose logs are still to be closed. */
  #lastWatermarks: readonly PartitionOffset[] | undefined

  private constructor(options: BrokerOptions) {
    const { nodeId, clock, logger, logs, durability, brokers, random } = options
    this.nodeId = nodeId
    this.clusterId = options.clusterId
    this.clock = clock
    this.random = random
    this.settings = options.settings
    this.brokers = brokers
    this.longHolds = options.longHolds
    this.controller = options.controller
    this.controllerContext = { brokerIds: brokers.map(broker => broker.nodeId), random }
    this.logs = logs
    this.#logger = logger
    this.producerIds = new ProducerIds(nodeId, options.controller)
    const { replicaLagTimeMaxMs: lagMaxMs } = options.settings
    const { channel, onTruncated, onRepairing, onApplied } = options
    const listener: ReplicaListener = {
      changeIsr: partition => this.#changeIsr(partition),
      replicaFailed: (partition, error) => this.#replicaFailed(partition, error),
      replicaReturned: partition => this.#replicaReturned(partition),
      repairing: onRepairing,
      truncated: onTruncated,
      applied: onApplied,
    }
    const image = (): ClusterImage => this.controller.image
    const common = { nodeId, logs, durability, clock, logger, image }
    this.replicas = new ReplicaManager({ ...common, lagMaxMs, channel, listener })
    const { replicas } = this
    const applyMetadata = (): Promise<void> => this.applyMetadata()
    const coordinating = { nodeId, clock, random, logger, image, replicas, applyMetadata }
    this.groups = new GroupCoordinators({
      ...coordinating,
      settings: options.settings,
      listener: options.groupListener,
      makeTopic: () => this.#makeInternalTopic(OFFSETS_TOPIC, OFFSETS_TOPIC_SEGMENT_BYTES),
      loadedBefore: options.loadedGroups,
    })
    this.transactions = new TransactionCoordinators({
      ...coordinating,
      settings: TRANSACTION_SETTINGS,
      makeTopic: () =>
        this.#makeInternalTopic(TRANSACTIONS_TOPIC, TRANSACTIONS_TOPIC_SEGMENT_BYTES),
      ask: (broker, api, request) => this.#ask(channel, broker, api, request),
    })
  }

  static async open(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options)
    try {
      // One snapshot for both: a topic that is recreated meanwhile is applied later, as a whole.
      const image = broker.controller.image.snapshot()
      await broker.#finishDeletions(image)
      await broker.replicas.open(image)
    } catch (error) {
      await broker.kill() // releases what was opened
      throw error
    }
    if (!broker.logs.isNew) await broker.#noteOpening()
    broker.#housekeeping = new Housekeeping(broker.clock, options.logger, broker.#chores())
    return broker
  }

  /** If the broker crashes soon, the next recovery need not read the same bytes again. */
  async #noteOpening(): Promise<void> {
    try {
      await this.logs.writeCheckpoints()
      await this.logs.writeHighWatermarks(this.#highWatermarks())
    } catch (error) {
      this.#logger.warn('checkpoints could not be written, will retry', { error })
    }
  }

  /** Folders of partitions that the metadata does not know: reported, never changed. */
  get unknownFolders(): string[] {
    return this.logs.unknownFolders([...this.replicas.partitions()].map(p => p.topicPartition))
  }

  /** Answers a request, synchronously if it need not wait. Throws CLOSED. */
  handle<A extends ApiName>(
    api: A,
    request: Request<A>,
    signal?: AbortSignal,
  ): Response<A> | Promise<Response<A>> {
    if (this.#isClosed) throw new PartlogError('CLOSED', `broker ${this.nodeId} is closed`)
    return HANDLERS[api](this, request, signal)
  }

  /** The short way of a Produce request, see {@link Channel.appendNow}. */
  appendNow(batch: OneBatch): Offset {
    return this.#isClosed ? NONE : produceNow(this, batch)
  }

  /** Ends like a process that dies: writes and sends nothing more. */
  async kill(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const gone = new PartlogError('NETWORK_EXCEPTION', `broker ${this.nodeId} is gone`, {
      outcomeUnknown: true,
    })
    this.groups.stop()
    this.transactions.stop()
    const retire = (): void => {
      for (const partition of this.replicas.partitions()) partition.retire(gone)
    }
    retire()
    await this.replicas.stopReplication()
    await this.#housekeeping?.stop()
    await this.replicas.idle()
    retire() // again: partitions that were being opened
    await this.logs.abandon()
  }

  async close(): Promise<void> {
    await this.retire()
    const watermarks = this.#lastWatermarks
    this.#lastWatermarks = undefined
    if (watermarks !== undefined) await this.logs.close(watermarks)
  }

  /** The first part of `close`: from now on the broker answers nothing and decides nothing. */
  async retire(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.groups.stop()
    this.transactions.stop()
    await this.#housekeeping?.stop()
    await this.replicas.stopReplication()
    await this.replicas.idle() // folders may be being created or removed
    const closed = new PartlogError('CLOSED', `broker ${this.nodeId} is closed`, {
      outcomeUnknown: true,
    })
    this.#lastWatermarks = this.#highWatermarks()
    for (const partition of this.replicas.partitions()) partition.retire(closed)
  }

  // ── for request handlers ─────────────────────────────────────────────────────────────────

  /** Throws CLOSED once the broker closes: the next opening applies the metadata then. */
  async applyMetadata(): Promise<void> {
    if (this.#isClosed) {
      const sentence = `broker ${this.nodeId} is closed`
      throw new PartlogError('CLOSED', sentence, { outcomeUnknown: true })
    }
    await this.replicas.apply()
    this.groups.follow()
    this.transactions.follow()
  }

  retryReplication(): void {
    this.replicas.retryNow()
  }

  async topic(name: string, mayCreate: boolean): Promise<TopicImage> {
    checkTopicName(name)
    const find = (): TopicImage | undefined => this.controller.image.topics.get(name)
    const found = find()
    if (found !== undefined) return found
    const unknown = `topic ${name} does not exist`
    if (!mayCreate || !this.settings.autoCreateTopics || isInternalTopic(name)) {
      throw new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', unknown)
    }
    await this.#createTopic(name, this.settings.defaultPartitions, {})
    const made = find()
    if (made !== undefined) return made
    throw new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', `${unknown}: it was deleted meanwhile`)
  }

  /** A topic of coordinators; one partition for each broker. */
  async #makeInternalTopic(topic: string, segmentBytes: number): Promise<void> {
    if (this.controller.image.topics.has(topic)) return
    await this.#createTopic(topic, this.brokers.length, {
      'cleanup.policy': 'compact',
      'segment.bytes': segmentBytes,
    })
  }

  /** Asks a broker about a transaction: this one, or another. */
  async #ask<A extends ApiName>(
    channel: Channel,
    nodeId: number,
    api: A,
    request: Request<A>,
  ): Promise<Response<A>> {
    if (nodeId === this.nodeId) return await this.handle(api, request)
    const late = (): PartlogError => {
      const sentence = `broker ${nodeId} has not answered ${api} in time`
      return new PartlogError('NETWORK_EXCEPTION', sentence, { outcomeUnknown: true })
    }
    const sent = Promise.resolve(channel.send(nodeId, api, request))
    return await within(this.clock, TRANSACTION_REQUEST_TIMEOUT_MS, sent, late)
  }

  /** Two requests that create the same topic at once both succeed. */
  async #createTopic(
    name: string,
    partitionCount: number,
    config: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const { defaultReplicationFactor: replicationFactor } = this.settings
    const topic = { name, partitionCount, replicationFactor, config }
    try {
      await this.controller.run(image => createTopic(image, topic, this.controllerContext))
    } catch (error) {
      if (!isPartlogError(error, 'TOPIC_ALREADY_EXISTS')) throw error
      await this.applyMetadata() // the other request may still be applying it
    }
  }

  // ── replicas ───────────────────────────────────────────────────────────────────────────

  async #changeIsr(partition: Partition): Promise<void> {
    const { isr, leaderEpoch, topicPartition } = partition
    if (isr?.pending === undefined) return
    const { partitionEpoch } = isr.committed
    const change = { leaderEpoch, partitionEpoch, isr: isr.pending, brokerId: this.nodeId }
    await this.controller.run(image => alterIsr(image, { ...topicPartition, ...change }))
  }

  /** Lets other replicas take over from one that failed; a single replica answers its reason. */
  #replicaFailed(replica: Partition, error: PartlogError): void {
    const { topicPartition } = replica
    const { topic, partition } = topicPartition
    const replicas = this.controller.image.topics.get(topic)?.partitions[partition]?.replicas ?? []
    if (replicas.length < 2 || this.#isClosed) return
    const failed = (image: ClusterImage) => replicaFailed(image, this.nodeId, topicPartition)
    // The replica may have been opened again before the controller decides: look it up then.
    const now = (): Partition => this.replicas.find(topic, partition) ?? replica
    const isOffline = (): boolean => !this.#isClosed && now().offlineReason !== undefined
    const reported = isOffline()
      ? this.controller.insist(image => (isOffline() ? failed(image) : NOTHING))
      : this.controller.run(failed) // the next append that fails reports it again
    reported.catch((cause: unknown) => {
      const place = `${topic}-${partition}`
      this.#logger.warn(`${place} has failed, the controller does not know yet`, { error, cause })
    })
  }

  /** A replica that could not be opened is open now. */
  #replicaReturned({ topicPartition }: Partition): void {
    const { topic, partition } = topicPartition
    const reported = this.controller.insist(image => replicaReturned(image, topicPartition))
    reported.catch((error: unknown) => {
      const place = `${topic}-${partition}`
      this.#logger.warn(`${place} is open again, the controller does not know yet`, { error })
    })
  }

  // ── housekeeping ───────────────────────────────────────────────────────────────────────

  #chores(): Chore[] {
    const shrinkIntervalMs = Math.ceil(this.settings.replicaLagTimeMaxMs / 2)
    return [
      {
        name: 'in-sync replicas',
        initialDelayMs: shrinkIntervalMs,
        intervalMs: shrinkIntervalMs,
        run: () => Promise.resolve(this.replicas.shrinkIsrs()),
      },
      {
        name: 'retention',
        initialDelayMs: RETENTION_INITIAL_DELAY_MS,
        intervalMs: RETENTION_CHECK_INTERVAL_MS,
        run: () => this.#deleteOldSegments(),
      },
      {
        name: 'compaction',
        initialDelayMs: COMPACTION_INTERVAL_MS,
        intervalMs: COMPACTION_INTERVAL_MS,
        run: signal => this.#compact(signal),
      },
      {
        name: 'recovery point checkpoint',
        initialDelayMs: RECOVERY_CHECKPOINT_INTERVAL_MS,
        intervalMs: RECOVERY_CHECKPOINT_INTERVAL_MS,
        run: () => this.logs.checkpointAll(),
      },
      {
        name: 'high watermark checkpoint',
        initialDelayMs: HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS,
        intervalMs: HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS,
        run: () => this.#checkpointHighWatermarks(),
      },
      {
        name: 'producer id expiration',
        initialDelayMs: PRODUCER_ID_CHECK_INTERVAL_MS,
        intervalMs: PRODUCER_ID_CHECK_INTERVAL_MS,
        run: () => this.#expireProducers(),
      },
      {
        name: 'offset expiration',
        initialDelayMs: OFFSETS_RETENTION_CHECK_INTERVAL_MS,
        intervalMs: OFFSETS_RETENTION_CHECK_INTERVAL_MS,
        run: () => this.#expireOffsets(),
      },
      {
        name: 'transaction time-outs',
        initialDelayMs: TRANSACTION_CHECK_INTERVAL_MS,
        intervalMs: TRANSACTION_CHECK_INTERVAL_MS,
        run: () => this.transactions.abortTimedOut(),
      },
      {
        name: 'transactional id expiration',
        initialDelayMs: TRANSACTIONAL_ID_CHECK_INTERVAL_MS,
        intervalMs: TRANSACTIONAL_ID_CHECK_INTERVAL_MS,
        run: () => this.transactions.expireIds(),
      },
    ]
  }

  async #deleteOldSegments(): Promise<void> {
    for (const partition of this.replicas.partitions()) {
      if (partition.offlineReason !== undefined) continue
      const { replicaLog: log, highWatermark } = partition
      const deleted = await log?.deleteOldSegments(highWatermark).catch((error: unknown) => {
        // Continue: deleting segments of the next log may free the space this one needs.
        this.#logger.warn(`${log.name}: old segments could not be deleted, will retry`, { error })
      })
      if (deleted !== 0) partition.changes.notify() // followers learn the new log start
    }
  }

  async #compact(signal: AbortSignal): Promise<void> {
    const partitions = (): Iterable<Partition> => this.replicas.partitions()
    await compactLogs({ partitions, logger: this.#logger, signal })
  }

  async #expireProducers(): Promise<void> {
    for (const log of this.logs.logs) log.producers.expire(PRODUCER_ID_EXPIRATION_MS)
  }

  async #expireOffsets(): Promise<void> {
    await Promise.all(this.groups.loaded.map(coordinator => coordinator.expireOffsets()))
  }

  #writtenWatermarks: readonly PartitionOffset[] = []

  async #checkpointHighWatermarks(): Promise<void> {
    if (!this.#haveWatermarksMoved()) return
    const watermarks = this.#highWatermarks()
    await this.logs.writeHighWatermarks(watermarks)
    this.#writtenWatermarks = watermarks
  }

  /** Every five seconds: it makes no objects, because mostly nothing has moved. */
  #haveWatermarksMoved(): boolean {
    let count = 0
    for (const partition of this.replicas.partitions()) {
      if (partition.offlineReason !== undefined) continue
      if (this.#writtenWatermarks[count++]?.offset !== this.#certainEnd(partition)) return true
    }
    return count !== this.#writtenWatermarks.length
  }

  #highWatermarks() {
    const online = (partition: Partition): boolean => partition.offlineReason === undefined
    return [...this.replicas.partitions()]
      .filter(online)
      .map(partition => ({ ...partition.topicPartition, offset: this.#certainEnd(partition) }))
  }

  /** For a single replica, only what is durable: the next opening checks its log against this. */
  #certainEnd({ topicPartition, highWatermark, replicaLog }: Partition): number {
    const { topic, partition } = topicPartition
    const { replicas } = this.controller.image.topics.get(topic)?.partitions[partition] ?? {}
    if (replicas?.length !== 1 || replicaLog === undefined) return highWatermark
    return Math.min(highWatermark, replicaLog.durableEndOffset)
  }

  /** A crash may have happened between the deletion of a topic and that of its folders. */
  async #finishDeletions(image: ClusterImage): Promise<void> {
    await this.logs.removeDeletedFolders()
    for (const folder of this.logs.unknownFolders([])) {
      const topicId = await this.logs.topicIdOf(folder)
      if (topicId === undefined || !image.wasRemoved(topicId)) continue
      this.#logger.info(`${folder} is removed: its topic was deleted`)
      await this.logs.deleteFolder(folder)
    }
  }
}

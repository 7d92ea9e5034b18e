/*
 * The replicas on this broker. Brings them in line with the metadata: opens or creates what is
 * placed here, removes what was deleted, takes up leaderships, follows other leaders. Applying the
 * metadata is idempotent, so one method serves opening after a crash and every later change.
 */

import { Alarm } from '../../base/alarm.js'
import type { Clock } from '../../base/clock.js'
import { grouped } from '../../base/grouped.js'
import type { Logger } from '../../base/logger.js'
import { paced, SerialQueue } from '../../base/tasks.js'
import type { ClusterImage, TopicImage } from '../../coordinator/metadata/cluster-image.js'
import { isDiskError } from '../../disk/disk.js'
import { logConfig, type LogConfig, type LogSettings } from '../../log/format/log-config.js'
import type { LogManager } from '../../log/log-manager.js'
import { DISK_RETRY_MS } from '../../log/store/log-health.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import { partitionKey } from '../../model/names.js'
import type { TopicConfigText } from '../../model/topic-settings.js'
import { Partition } from '../../partition/partition.js'
import type { Durability, PartitionListener } from '../../partition/roles.js'
import type { Channel } from '../../protocol/channel.js'
import { ReplicaFetcher, type Truncation } from './replica-fetcher.js'
import { noReplica, type Replicas } from './replicas.js'

export interface ReplicaManagerOptions {
  readonly nodeId: number
  readonly logs: LogManager
  readonly durability: Durability
  readonly clock: Clock
  readonly logger: Logger
  readonly lagMaxMs: number
  /** The metadata as this broker knows it. */
  readonly image: () => ClusterImage
  /** Connects to the other brokers. */
  readonly channel: Channel
  /** Hears what happens to replicas. */
  readonly listener: ReplicaListener
}

export interface ReplicaListener {
  /** A leader proposes another ISR; resolves when the controller has accepted it. */
  changeIsr(partition: Partition): Promise<void>
  /** The log of a replica has gone offline. */
  replicaFailed(partition: Partition, error: PartlogError): void
  /** A replica that could not be opened is open now. */
  replicaReturned(partition: Partition): void
  /** A damaged replica is copied again from its leader; its old files are kept in `folder`. */
  repairing(partition: Partition, folder: string): void
  /** A follower has truncated records that its leader does not have. */
  truncated(truncation: Truncation): void
  /** The metadata was applied: replicas may have been opened or removed. */
  applied(): void
}

/**
 * How many logs are opened at a time: one can wait for the disk while the other checks bytes.
 */
export const OPEN_AT_ONCE = 2

export class ReplicaManager implements Replicas {
  readonly #options: ReplicaManagerOptions
  /** By topic, then by partition number, so that a lookup allocates no string. */
  readonly #partitions = new Map<string, Map<number, Partition>>()
  /** By topic id; shared by all logs of a topic. */
  readonly #settings = new Map<string, TopicLogSettings>()
  readonly #changes = new SerialQueue()
  /** By leader. */
  readonly #fetchers = new Map<number, ReplicaFetcher>()
  /** Replicas that could not be opened because the disk was full; they are retried. */
  readonly #waiting = new Map<Partition, Waiting>()
  /** Opens the waiting replicas. */
  readonly #retry: Alarm
  #isReplicationPaused = false
  #isStopped = false

  constructor(options: ReplicaManagerOptions) {
    this.#options = options
    const { clock, logger } = options
    const openWaiting = (): void => {
      this.apply().catch((error: unknown) => {
        logger.warn('replicas could not be opened, will retry', { error })
      })
    }
    this.#retry = new Alarm(clock, openWaiting, 'background')
  }

  *partitions(): Generator<Partition> {
    for (const ofTopic of this.#partitions.values()) yield* ofTopic.values()
  }

  partition(topic: string, partition: number): Partition {
    const { nodeId, image } = this.#options
    return this.find(topic, partition) ?? noReplica(nodeId, image(), { topic, partition })
  }

  find(topic: string, partition: number): Partition | undefined {
    return this.#partitions.get(topic)?.get(partition)
  }

  /** Opens all replicas when the broker starts; their folders may exist already. */
  async open(image: ClusterImage): Promise<void> {
    await this.#changes.run(async () => {
      this.#updateSettings(image)
      await this.#openMissing(image, false)
    })
  }

  /**
   * Applies the metadata, after earlier calls. It works on a snapshot: later changes are applied
   * by the next call, as a whole. A replica that is not open yet is new.
   */
  async apply(): Promise<void> {
    await this.#changes.run(async () => {
      const image = this.#options.image().snapshot()
      this.#updateSettings(image)
      await this.#retireDeleted(image)
      await this.#openMissing(image, true)
      await this.#openWaiting(image)
      await this.#replaceDamaged(image)
      await this.#takeUpRoles(image)
      this.#assignFetchers()
      for (const topicId of this.#settings.keys()) {
        if (image.topicById(topicId) === undefined) this.#settings.delete(topicId)
      }
      this.#options.listener.applied()
    })
  }

  /** Resolves when no replica is being opened or removed. */
  async idle(): Promise<void> {
    await this.#changes.idle()
  }

  /** The end of a replica's log; undefined if it is offline. */
  endOf(topic: string, partition: number): { epoch: number; offset: number } | undefined {
    const log = this.find(topic, partition)?.replicaLog
    if (log === undefined || log.offlineReason !== undefined) return undefined
    return { epoch: log.epochs.epochAt(log.logEndOffset - 1) ?? -1, offset: log.logEndOffset }
  }

  /** Proposes to remove members that lag from the ISRs. */
  shrinkIsrs(): void {
    for (const partition of this.partitions()) partition.shrinkIsr()
  }

  // ── replication ────────────────────────────────────────────────────────────────────────

  set isReplicationPaused(isPaused: boolean) {
    this.#isReplicationPaused = isPaused
    for (const fetcher of this.#fetchers.values()) fetcher.isPaused = isPaused
  }

  /** The network has changed: leaders that could not be reached may be reachable now. */
  retryNow(): void {
    for (const fetcher of this.#fetchers.values()) fetcher.retryNow()
  }

  async stopReplication(): Promise<void> {
    this.#retry.cancel()
    this.#isStopped = true
    const fetchers = [...this.#fetchers.values()]
    this.#fetchers.clear()
    await Promise.all(fetchers.map(fetcher => fetcher.stop()))
  }

  async #takeUpRoles(image: ClusterImage): Promise<void> {
    const taken: Promise<void>[] = []
    for (const partition of this.partitions()) {
      const { topic, partition: number } = partition.topicPartition
      const leadership = image.topics.get(topic)?.partitions[number]
      if (leadership !== undefined) taken.push(partition.become(leadership))
    }
    await Promise.all(taken)
  }

  #assignFetchers(): void {
    const led = [...this.partitions()].filter(
      ({ leaderId }) => leaderId >= 0 && leaderId !== this.#options.nodeId,
    )
    const byLeader = grouped(led, ({ leaderId }) => leaderId)
    for (const [leaderId, fetcher] of this.#fetchers) {
      if (byLeader.has(leaderId)) continue
      this.#fetchers.delete(leaderId)
      void fetcher.stop()
    }
    for (const [leaderId, partitions] of byLeader) this.#fetcherOf(leaderId).assign(partitions)
  }

  #fetcherOf(leaderId: number): ReplicaFetcher {
    const known = this.#fetchers.get(leaderId)
    if (known !== undefined) return known
    const { nodeId: brokerId, channel, clock, logger, listener } = this.#options
    const onTruncated = (truncation: Truncation): void => listener.truncated(truncation)
    const fetcher = new ReplicaFetcher({ brokerId, leaderId, channel, clock, logger, onTruncated })
    fetcher.isPaused = this.#isReplicationPaused
    this.#fetchers.set(leaderId, fetcher)
    return fetcher
  }

  async #changeIsr(partition: Partition): Promise<void> {
    const { isr } = partition
    try {
      await this.#options.listener.changeIsr(partition)
    } catch (error) {
      const { topic, partition: number } = partition.topicPartition
      const name = partitionKey(topic, number)
      this.#options.logger.debug(`the ISR of ${name} was not changed`, { error })
      isr?.giveUpProposal()
    }
  }

  /**
   * A damaged log is copied again from the leader, if that is another broker; the damaged files are
   * set aside.
   */
  async #replaceDamaged(image: ClusterImage): Promise<void> {
    for (const damaged of [...this.partitions()]) {
      const { topic: name, partition } = damaged.topicPartition
      const topic = image.topics.get(name)
      const leader = topic?.partitions[partition]?.leader ?? -1
      const reason = damaged.offlineReason
      if (reason?.code !== 'CORRUPT_LOG' || topic === undefined) continue
      if (leader < 0 || leader === this.#options.nodeId) continue
      const folder = await this.#options.logs.setAside(damaged.topicPartition, reason.message)
      const copy = await this.#open(topic, partition, { isNew: true, isOnly: false })
      await this.#take([copy], true)
      this.#options.listener.repairing(copy, folder)
    }
  }

  // ── opening and retiring ───────────────────────────────────────────────────────────────

  async #openMissing(image: ClusterImage, isNew: boolean): Promise<void> {
    const missing = [...image.topics.values()].flatMap(topic =>
      topic.partitions
        .filter(({ replicas }) => replicas.includes(this.#options.nodeId))
        .filter(({ partition }) => this.find(topic.name, partition) === undefined)
        .map(({ partition, replicas }) => ({ topic, partition, isOnly: replicas.length === 1 })),
    )
    if (missing.length === 0) return
    const queue = missing.values()
    const opened: Partition[] = []
    const { clock } = this.#options
    const work = async (): Promise<void> => {
      for await (const { topic, partition, isOnly } of paced(queue, clock)) {
        opened.push(await this.#open(topic, partition, { isNew, isOnly }))
      }
    }
    await Promise.all(Array.from({ length: OPEN_AT_ONCE }, work))
    await this.#take(opened, isNew)
  }

  /**
   * Adds opened replicas once their folder names are durable: no append may be acknowledged in a
   * folder that a power cut could remove. If that fails, the logs are closed, and opened later.
   */
  async #take(opened: readonly Partition[], isNew: boolean): Promise<void> {
    const { logs, logger } = this.#options
    try {
      await logs.syncNames()
    } catch (error) {
      logger.warn('the names of new logs are not durable', { error })
      const reason = toPartlogError(error)
      for (const each of opened.filter(({ offlineReason }) => offlineReason === undefined)) {
        each.retire(reason)
        await logs.unload(each.topicPartition)
        // A failed sync is not repeated; the folder is opened again only after a transient error.
        if (isDiskError(error) && error.isTransient) this.#openLater(each, isNew)
        this.#options.listener.replicaFailed(each, reason)
      }
    }
    for (const each of opened) {
      const { topic, partition } = each.topicPartition
      this.#ofTopic(topic).set(partition, each)
    }
  }

  /** Opens the replicas that waited for space on the disk. */
  async #openWaiting(image: ClusterImage): Promise<void> {
    const now = this.#options.clock.monotonicMs()
    for (const [waiting, { isNew, notBeforeMs }] of [...this.#waiting]) {
      if (notBeforeMs > now) {
        this.#retryLater() // other changes apply the metadata too
        continue
      }
      this.#waiting.delete(waiting)
      const { topic: name, partition } = waiting.topicPartition
      const topic = image.topics.get(name)
      if (topic === undefined || this.find(name, partition) !== waiting) continue
      const isOnly = topic.partitions[partition]?.replicas.length === 1
      const again = await this.#open(topic, partition, { isNew, isOnly, isAgain: true })
      await this.#take([again], isNew)
      if (again.offlineReason === undefined) this.#options.listener.replicaReturned(again)
    }
  }

  #openLater(partition: Partition, isNew: boolean): void {
    const notBeforeMs = this.#options.clock.monotonicMs() + DISK_RETRY_MS
    this.#waiting.set(partition, { isNew, notBeforeMs })
    this.#retryLater()
  }

  #retryLater(): void {
    if (!this.#isStopped) this.#retry.setEarlier(DISK_RETRY_MS)
  }

  async #open(
    topic: TopicImage,
    partition: number,
    { isNew, isOnly, isAgain = false }: Opening,
  ): Promise<Partition> {
    const { nodeId: brokerId, logs, durability, clock, logger, lagMaxMs } = this.#options
    const topicPartition = { topic: topic.name, partition }
    const { topicId } = topic
    const isAlive = (id: number): boolean => this.#options.image().isAlive(id)
    const rules = { lagMaxMs, isAlive }
    const options = { brokerId, topicPartition, topicId, durability, clock, ...rules }
    const settings = this.#settings.get(topicId) as TopicLogSettings
    const { leaderEpoch = Infinity } = topic.partitions[partition] ?? {}
    const place = { ...topicPartition, topicId, settings }
    const known = { ...place, leaderEpoch, isReplicated: !isOnly }
    try {
      const log = isNew ? await logs.create(known) : await logs.load(known)
      // What recovery found is durable; for a single replica, all of it is committed.
      const highWatermark = isOnly ? log.logEndOffset : logs.highWatermarkOf(topicPartition)
      const opened = Partition.open(options, log, highWatermark)
      opened.listen(this.#listenerOf(opened))
      return opened
    } catch (error) {
      const reason = toPartlogError(error)
      logger.error(`${partitionKey(topic.name, partition)} cannot be opened`, { error: reason })
      const broken = Partition.offline(options, reason)
      if (reason.code === 'KAFKA_STORAGE_ERROR') this.#openLater(broken, isNew)
      if (!isAgain) this.#options.listener.replicaFailed(broken, reason)
      return broken
    }
  }

  #listenerOf(partition: Partition): PartitionListener {
    return {
      onCheckpointable: () => this.#options.logs.requestCheckpoint(),
      onIsrWanted: () => void this.#changeIsr(partition),
      onOffline: error => this.#options.listener.replicaFailed(partition, error),
    }
  }

  /** All are retired before the first folder goes: if that fails, no other one serves on. */
  async #retireDeleted(image: ClusterImage): Promise<void> {
    const { logs, clock } = this.#options
    const exists = ({ topicId, topicPartition }: Partition): boolean =>
      image.topicById(topicId)?.name === topicPartition.topic
    const deleted = [...this.partitions()].filter(partition => !exists(partition))
    for (const partition of deleted) {
      const { topic, partition: number } = partition.topicPartition
      this.#forget(topic, number)
      const sentence = `topic ${topic} was deleted`
      partition.retire(new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', sentence))
    }
    let failure: unknown
    for await (const { topicPartition, topicId } of paced(deleted, clock)) {
      const { fileDeleteDelayMs } = this.#settings.get(topicId)?.current ?? logConfig({})
      const deletion = logs.delete(topicPartition, fileDeleteDelayMs)
      await deletion.catch((error: unknown) => (failure ??= error))
    }
    if (failure !== undefined) throw toPartlogError(failure)
    if (deleted.length > 0) await logs.writeCheckpoints()
  }

  #ofTopic(topic: string): Map<number, Partition> {
    let partitions = this.#partitions.get(topic)
    if (partitions === undefined) this.#partitions.set(topic, (partitions = new Map()))
    return partitions
  }

  #forget(topic: string, partition: number): void {
    const partitions = this.#ofTopic(topic)
    partitions.delete(partition)
    if (partitions.size === 0) this.#partitions.delete(topic)
  }

  #updateSettings(image: ClusterImage): void {
    for (const topic of image.topics.values()) {
      const settings = this.#settings.get(topic.topicId)
      const { config } = topic
      if (settings?.config === config) continue
      const changed = { config, current: logConfig(config, topic.wasCompacted) }
      if (settings === undefined) this.#settings.set(topic.topicId, changed)
      else Object.assign(settings, changed)
    }
  }
}

interface Opening {
  readonly isNew: boolean
  /** No other broker has a replica. */
  readonly isOnly: boolean
  /** It is a retry: the controller knows already that the replica could not be opened. */
  readonly isAgain?: boolean
}

/** A replica that could not be opened because the disk was full. */
interface Waiting {
  readonly isNew: boolean
  readonly notBeforeMs: number
}

interface TopicLogSettings extends LogSettings {
  /** The text that `current` was parsed from. */
  config: TopicConfigText
  current: LogConfig
}

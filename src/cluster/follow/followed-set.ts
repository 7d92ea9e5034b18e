/*
 * The brokers of a cluster that another process owns, for readers in this one.
 *
 * The owner says in `.progress` how far each of its logs is committed. What it says is looked at in
 * this order: the metadata log first, which gives topics, leaders and epochs; then the log of each
 * leader, on its broker, up to its high watermark; then the groups in those logs.
 *
 * A log is followed for one leadership, in which the owner only appends to it, deletes its oldest
 * segments or compacts it. With another leader or epoch it is opened anew: only then may it have
 * been cut.
 */

import { eachOf, SerialQueue } from '../../base/tasks.js'
import { METADATA_TOPIC_ID } from '../../base/uuid.js'
import { METADATA_LOG_CONFIG, type BrokerSettings } from '../../broker/broker-config.js'
import { FollowedBroker } from '../../broker/followed-broker.js'
import { OPEN_AT_ONCE } from '../../broker/replication/replica-manager.js'
import type { Quorum } from '../../broker/node/context.js'
import { PartitionJournal } from '../../broker/node/partition-journal.js'
import { StateMachine } from '../../coordinator/fold/state-machine.js'
import type { GroupListener } from '../../coordinator/groups/rebalance-reporter.js'
import { ClusterImage } from '../../coordinator/metadata/cluster-image.js'
import { join } from '../../disk/disk.js'
import { brokerFolder } from '../../log/format/files.js'
import { IndexCache } from '../../log/format/index-file.js'
import { logConfig } from '../../log/format/log-config.js'
import { INDEX_CACHE_BYTES } from '../../log/log-manager.js'
import type { ReplicaProgress } from '../../log/following/progress-slots.js'
import type { RecoveryFinding } from '../../log/recovery/recovery.js'
import { PartlogError } from '../../model/errors.js'
import { METADATA_TOPIC, OFFSETS_TOPIC, partitionName } from '../../model/names.js'
import type { Offset } from '../../model/units.js'
import { CONTROLLER, CONTROLLER_EPOCH, CONTROLLER_ON_DISK } from '../network/network-rules.js'
import type { Network } from '../network/network.js'
import {
  endOf,
  isSameLeadership,
  Opening,
  saidOf,
  shownKey,
  type FollowedLeadership,
  type FollowedPartition,
  type OpeningOptions,
} from './followed-partition.js'
import { progressKey, type Progress } from './progress-reader.js'

/** Openings in a row that did not help: more of them only with pauses. */
const OPENINGS_MAX = 8

export interface FollowedSetOptions extends OpeningOptions {
  readonly clusterId: string
  readonly settings: BrokerSettings
  readonly network: Network
  readonly groupListener: GroupListener
  /** Something was taken in that `until` may wait for. */
  readonly onNews: () => void
  readonly shown: Map<string, Offset>
}

export class FollowedSet {
  readonly #options: FollowedSetOptions
  readonly #cache = new IndexCache(INDEX_CACHE_BYTES)
  readonly #queue = new SerialQueue()
  readonly #brokers = new Map<number, FollowedBroker>()
  /** By topic id and partition. */
  readonly #followed = new Map<string, FollowedPartition>()
  readonly #attached = new Set<number>()
  readonly #metadata: FollowedPartition
  readonly #machine: StateMachine<ClusterImage>
  readonly findings: RecoveryFinding[] = []
  #progress: Progress
  #isAttached = false
  #isClosed = false

  private constructor(
    options: FollowedSetOptions,
    progress: Progress,
    metadata: FollowedPartition,
    machine: StateMachine<ClusterImage>,
  ) {
    this.#options = options
    this.#progress = progress
    this.#metadata = metadata
    this.#machine = machine
  }

  /** Opens what the owner has, as far as it says. Rejects with CORRUPT_LOG, or a DiskError. */
  static async open(options: FollowedSetOptions, progress: Progress): Promise<FollowedSet> {
    const opening = new Opening(options, new IndexCache(INDEX_CACHE_BYTES))
    const metadata = await opening.open(
      {
        topicId: METADATA_TOPIC_ID,
        place: { topic: METADATA_TOPIC, partition: 0 },
        broker: CONTROLLER,
        leaderEpoch: CONTROLLER_EPOCH,
        settings: { current: logConfig(METADATA_LOG_CONFIG) },
      },
      progress,
    )
    const { offlineReason } = metadata.partition
    if (offlineReason !== undefined) throw offlineReason
    try {
      const journal = new PartitionJournal(metadata.partition, options.clock)
      const machine = await StateMachine.load(journal, new ClusterImage())
      const set = new FollowedSet(options, progress, metadata, machine)
      await set.#queue.run(() => set.#apply())
      return set
    } catch (error) {
      await metadata.log?.close()
      throw error
    }
  }

  get image(): ClusterImage {
    return this.#machine.state
  }

  get brokerIds(): readonly number[] {
    return [...this.#brokers.keys()].sort((a, b) => a - b)
  }

  broker(nodeId: number): FollowedBroker | undefined {
    return this.image.isAlive(nodeId) ? this.#brokers.get(nodeId) : undefined
  }

  get running(): FollowedBroker[] {
    return this.brokerIds.flatMap(id => this.broker(id) ?? [])
  }

  /** The brokers answer from now on. */
  attach(): void {
    this.#isAttached = true
    this.#attachBrokers()
  }

  /** Partitions wait until the owner says more, or their files can be read. */
  get isIncomplete(): boolean {
    return [...this.#followed.values()].some(isWaiting)
  }

  /** What the owner says of a replica. */
  copyOf(topicId: string, partition: number, broker: number): ReplicaProgress | undefined {
    return this.#progress.replicas.get(progressKey(topicId, partition, broker))
  }

  /** Tries again to open what could not be opened; called with pauses. */
  async retry(): Promise<void> {
    await this.#queue.run(async () => {
      if (this.#isClosed) return
      for (const each of this.#followed.values()) if (isWaiting(each)) await this.#openAgain(each)
    })
  }

  /** Takes in what the owner has said since. */
  async follow(progress: Progress): Promise<void> {
    await this.#queue.run(async () => {
      if (this.#isClosed) return
      this.#progress = progress
      const metadata = progress.changed.find(each => each.topicId === METADATA_TOPIC_ID)
      if (metadata !== undefined) await this.#followMetadata(metadata)
      await this.#followAll(progress.changed)
      this.#options.onNews()
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#queue.idle()
    const closed = new PartlogError('NETWORK_EXCEPTION', 'the owner of the folder has changed')
    for (const [id, broker] of this.#brokers) {
      broker.stop()
      if (this.#attached.has(id)) this.#options.network.detach(id)
    }
    for (const each of this.#followed.values()) await this.#release(each, closed)
    await this.#metadata.log?.close()
  }

  // ── metadata ───────────────────────────────────────────────────────────────────────────

  async #followMetadata(progress: ReplicaProgress): Promise<void> {
    await this.#metadata.log?.follow(endOf(progress))
    if (await this.#machine.catchUp()) await this.#apply()
  }

  /** Opens and releases partitions until they are those of the image. */
  async #apply(): Promise<void> {
    this.#attachBrokers()
    const wanted = this.#leaderships()
    for (const [key, followed] of this.#followed) {
      const leadership = wanted.get(key)
      if (leadership !== undefined && isSameLeadership(followed, leadership)) {
        followed.settings.current = leadership.settings.current
        continue
      }
      this.#followed.delete(key)
      await this.#release(followed, this.#endOf(followed))
    }
    const missing = [...wanted].filter(([key]) => !this.#followed.has(key))
    const opening = new Opening(this.#options, this.#cache)
    await eachOf(missing, OPEN_AT_ONCE, async ([, leadership]) => {
      this.#show(await opening.open(leadership, this.#progress))
    })
    await this.#showGroups()
  }

  #leaderships(): Map<string, FollowedLeadership> {
    const found = new Map<string, FollowedLeadership>()
    for (const { name: topic, topicId, partitions, config, wasCompacted } of this.#topics) {
      const settings = { current: logConfig(config, wasCompacted) }
      for (const { partition, leader: broker, leaderEpoch } of partitions) {
        if (broker < 0) continue
        const leadership = { topicId, place: { topic, partition }, broker, leaderEpoch, settings }
        found.set(shownKey(topicId, partition), leadership)
      }
    }
    return found
  }

  get #topics() {
    return this.image.topics.values()
  }

  #attachBrokers(): void {
    const { network, ...common } = this.#options
    const ids = [...this.image.brokers.keys()].sort((a, b) => a - b)
    const endpoints = ids.map(nodeId => ({ nodeId, host: brokerFolder(nodeId), port: 9092 }))
    for (const nodeId of ids) {
      const broker = this.#brokers.get(nodeId) ?? new FollowedBroker({
        ...common,
        nodeId,
        brokers: endpoints,
        longHolds: network.longHolds,
        location: join(common.disk.location, brokerFolder(nodeId)),
        image: () => this.image,
        quorum: () => this.#quorum,
      })
      this.#brokers.set(nodeId, broker)
      const isAlive = this.image.isAlive(nodeId)
      if (!this.#isAttached || isAlive === this.#attached.has(nodeId)) continue
      if (isAlive) {
        this.#attached.add(nodeId)
        network.attach(nodeId, (api, request, signal) => broker.handle(api, request, signal))
      } else {
        this.#attached.delete(nodeId)
        network.detach(nodeId)
      }
    }
  }

  get #quorum(): Quorum {
    const { partition } = this.#metadata
    const { highWatermark } = partition
    const end = { highWatermark, logEndOffset: highWatermark }
    return { nodeId: CONTROLLER_ON_DISK, leaderEpoch: partition.leaderEpoch, ...end }
  }

  // ── partitions ─────────────────────────────────────────────────────────────────────────

  /** From now on readers find the partition, or why it cannot be read. */
  #show(followed: FollowedPartition): void {
    const { topicId, place, broker, partition, log } = followed
    this.findings.push(...(log?.findings ?? []))
    this.#followed.set(shownKey(topicId, place.partition), followed)
    this.#brokers.get(broker)?.replicas.set(partition)
    this.#noteShown(followed)
  }

  #noteShown({ topicId, place, partition }: FollowedPartition): void {
    const key = shownKey(topicId, place.partition)
    const { shown } = this.#options
    shown.set(key, Math.max(shown.get(key) ?? 0, partition.highWatermark))
  }

  async #release(followed: FollowedPartition, error: PartlogError): Promise<void> {
    const { broker, partition, log } = followed
    this.#brokers.get(broker)?.replicas.delete(partition)
    partition.retire(error)
    await log?.close()
  }

  async #followAll(changed: readonly ReplicaProgress[]): Promise<void> {
    let haveGroupsChanged = false
    for (const { topicId, partition } of changed) {
      const followed = this.#followed.get(shownKey(topicId, partition))
      const said = followed && saidOf(followed, this.#progress)
      if (followed === undefined || said === undefined) continue
      await this.#followOne(followed, said)
      haveGroupsChanged ||= followed.place.topic === OFFSETS_TOPIC
    }
    if (haveGroupsChanged) await this.#showGroups()
  }

  async #followOne(followed: FollowedPartition, said: ReplicaProgress): Promise<void> {
    const { log: source, partition } = followed
    if (followed.openings > OPENINGS_MAX) return // `retry` opens it again
    if (source === undefined) return await this.#openAgain(followed)
    const { log } = source
    const { logStartOffset } = log
    try {
      await log.state.reading(() => source.follow(endOf(said)))
    } catch (error) {
      const name = partitionName(followed.place)
      if (partition.offlineReason !== undefined) return // its bytes are not what was written
      this.#options.logger.debug(`${name} is opened again`, { error })
      return await this.#openAgain(followed)
    }
    if (followed.openings > 0) {
      const key = shownKey(followed.topicId, followed.place.partition)
      this.#followed.set(key, { ...followed, openings: 0 })
    }
    this.#noteShown(followed)
    if (log.logStartOffset !== logStartOffset) partition.changes.notify()
  }

  /** Its files do not fit what was read of them, or it could not be opened yet. */
  async #openAgain(followed: FollowedPartition): Promise<void> {
    const openings = followed.openings + 1
    const opening = new Opening(this.#options, this.#cache)
    const again = await opening.open(followed, this.#progress, openings)
    await this.#release(followed, this.#endOf(followed))
    this.#show(again)
  }

  /** Why a partition is not shown any more: its topic was deleted, or its log is another now. */
  #endOf({ topicId, place }: FollowedPartition): PartlogError {
    if (this.image.topicById(topicId) !== undefined) {
      const sentence = `${partitionName(place)} is opened anew`
      return new PartlogError('NOT_LEADER_OR_FOLLOWER', sentence)
    }
    const sentence = `topic ${place.topic} was deleted`
    return new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', sentence)
  }

  async #showGroups(): Promise<void> {
    for (const broker of this.running) {
      try {
        await broker.groups.catchUp()
      } catch (error) {
        this.#options.logger.warn('groups cannot be shown', { error })
      }
    }
  }
}

function isWaiting({ log, openings }: FollowedPartition): boolean {
  return log === undefined || openings > OPENINGS_MAX
}

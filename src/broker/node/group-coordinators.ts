/*
 * The group coordinators of one broker: one for each partition of `__consumer_offsets` that it
 * leads. A new leadership loads its coordinator at once, so that the session time-outs of members
 * that died with the previous leader start; when the leadership ends, the coordinator resigns.
 */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { coordinatorError, loaded } from '../../coordinator/groups/coordinator-errors.js'
import {
  GroupCoordinator,
  type GroupCoordinatorSettings,
} from '../../coordinator/groups/group-coordinator.js'
import type { GroupListener } from '../../coordinator/groups/rebalance-reporter.js'
import type { ClusterImage } from '../../coordinator/metadata/cluster-image.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import { partitionOfGroup } from '../../model/hashes.js'
import { OFFSETS_TOPIC } from '../../model/names.js'
import type { Partition } from '../../partition/partition.js'
import type { ReplicaManager } from '../replication/replica-manager.js'
import { PartitionJournal } from './partition-journal.js'

export interface GroupCoordinatorsOptions {
  readonly nodeId: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings: GroupCoordinatorSettings
  readonly listener: GroupListener
  readonly replicas: ReplicaManager
  readonly image: () => ClusterImage
  /** Applies the metadata, if that is not done yet. */
  readonly applyMetadata: () => Promise<void>
  /** Creates `__consumer_offsets` if it does not exist. */
  readonly makeTopic: () => Promise<void>
  readonly loadedBefore: LoadedPartitions
}

/** Partitions of `__consumer_offsets` that this process has loaded before, on any broker. */
export interface LoadedPartitions {
  has(partition: number): boolean
  add(partition: number): void
}

/** The coordinator of one partition, for one leadership. */
interface Leadership {
  readonly leaderEpoch: number
  readonly loading: Promise<GroupCoordinator>
  /** Set once it is loaded. */
  coordinator?: GroupCoordinator
  /** The image's count of removed topics when their offsets were last forgotten. */
  forgotten?: number
}

export class GroupCoordinators {
  readonly #options: GroupCoordinatorsOptions
  readonly #leaderships = new Map<number, Leadership>()
  #isStopped = false

  constructor(options: GroupCoordinatorsOptions) {
    this.#options = options
  }

  /** All coordinators; resolves when they are loaded. */
  async all(): Promise<GroupCoordinator[]> {
    const leaderships = [...this.#leaderships.values()]
    return await Promise.all(leaderships.map(leadership => this.#loaded(leadership)))
  }

  /** The coordinators that are loaded already. */
  get loaded(): GroupCoordinator[] {
    return [...this.#leaderships.values()].flatMap(({ coordinator }) => coordinator ?? [])
  }

  /** The broker that coordinates a group. Throws COORDINATOR_NOT_AVAILABLE if there is none. */
  async brokerOf(groupId: string): Promise<number> {
    const number = await this.#partitionOf(groupId)
    const { topics } = this.#options.image()
    const leader = topics.get(OFFSETS_TOPIC)?.partitions[number]?.leader ?? -1
    if (leader >= 0) return leader
    const { offlineReason: cause } = this.#options.replicas.find(OFFSETS_TOPIC, number) ?? {}
    const because = cause === undefined ? '' : `: ${cause.sentence}`
    throw new PartlogError(
      'COORDINATOR_NOT_AVAILABLE',
      `no broker leads ${OFFSETS_TOPIC}-${number}, which keeps group ${groupId}${because}`,
      { cause },
    )
  }

  /** The coordinator of a group. Throws NOT_COORDINATOR if another broker coordinates it. */
  async of(groupId: string): Promise<GroupCoordinator> {
    const number = await this.#partitionOf(groupId)
    const partition = await this.#partition(number)
    if (partition?.isLeader !== true) throw this.#refusal(groupId, partition?.offlineReason)
    return await this.#loaded(this.#leadershipOf(partition))
  }

  /** Throws COORDINATOR_LOAD_IN_PROGRESS if loading takes too long. */
  async #loaded({ coordinator, loading }: Leadership): Promise<GroupCoordinator> {
    if (coordinator !== undefined) return coordinator
    try {
      return await loaded(loading, this.#options.clock)
    } catch (error) {
      throw coordinatorError(toPartlogError(error))
    }
  }

  /** The partition; applies the metadata first if it already names this broker as the leader. */
  async #partition(number: number): Promise<Partition | undefined> {
    const { replicas, image, nodeId, applyMetadata } = this.#options
    const partition = replicas.find(OFFSETS_TOPIC, number)
    if (partition?.isLeader === true) return partition
    const leader = image().topics.get(OFFSETS_TOPIC)?.partitions[number]?.leader
    if (leader === nodeId) await applyMetadata()
    return replicas.find(OFFSETS_TOPIC, number)
  }

  /** As `of`, but does not create `__consumer_offsets`; undefined if it does not exist. */
  async ifAny(groupId: string): Promise<GroupCoordinator | undefined> {
    return this.#options.image().topics.has(OFFSETS_TOPIC) ? await this.of(groupId) : undefined
  }

  /** Called after a metadata change: loads and resigns coordinators, forgets removed topics. */
  follow(): void {
    for (const [number, leadership] of this.#leaderships) {
      const partition = this.#options.replicas.find(OFFSETS_TOPIC, number)
      const isCurrent =
        partition?.isLeader === true && partition.leaderEpoch === leadership.leaderEpoch
      if (!isCurrent) this.#retire(number, leadership)
    }
    for (const partition of this.#options.replicas.partitions()) {
      if (partition.topicPartition.topic !== OFFSETS_TOPIC || !partition.isLeader) continue
      this.#forgetRemoved(this.#leadershipOf(partition))
    }
  }

  /** Forgets offsets of removed topics; does nothing if no topic was removed since. */
  #forgetRemoved(leadership: Leadership): void {
    const { logger, image } = this.#options
    const { forgotten } = leadership
    const { removedTopics } = image()
    if (forgotten === removedTopics) return
    leadership.forgotten = removedTopics
    // Read now: by the time the coordinator is loaded, a topic of that name may exist again.
    const removed = forgotten === undefined ? undefined : image().removedSince(forgotten)
    const isGone = (topic: string): boolean =>
      removed?.has(topic) === true || !image().topics.has(topic)
    leadership.loading
      .then(coordinator => coordinator.forgetTopics(isGone))
      .catch((error: unknown) => {
        if (forgotten === undefined) delete leadership.forgotten
        else leadership.forgotten = Math.min(leadership.forgotten ?? forgotten, forgotten)
        logger.warn('offsets of removed topics could not be forgotten, will retry', { error })
      })
  }

  /** The broker stops: all coordinators resign, their waiting requests fail. */
  stop(): void {
    this.#isStopped = true
    for (const [number, leadership] of this.#leaderships) this.#retire(number, leadership)
  }

  async #partitionOf(groupId: string): Promise<number> {
    await this.#options.makeTopic()
    const topic = this.#options.image().topics.get(OFFSETS_TOPIC)
    return partitionOfGroup(groupId, topic?.partitions.length ?? 1)
  }

  #leadershipOf(partition: Partition): Leadership {
    const { partition: number } = partition.topicPartition
    const { leaderEpoch } = partition
    const known = this.#leaderships.get(number)
    if (known?.leaderEpoch === leaderEpoch) return known
    if (known !== undefined) this.#retire(number, known)
    const leadership: Leadership = { leaderEpoch, loading: this.#load(partition) }
    this.#leaderships.set(number, leadership)
    leadership.loading.then(
      coordinator => {
        const isCurrent = this.#leaderships.get(number) === leadership && !this.#isStopped
        if (!isCurrent) return coordinator.resign(this.#retired(number))
        leadership.coordinator = coordinator
        this.#options.listener.changed() // its groups are visible now
      },
      () => {
        // The next request loads it again.
        if (this.#leaderships.get(number) === leadership) this.#leaderships.delete(number)
      },
    )
    return leadership
  }

  async #load(partition: Partition): Promise<GroupCoordinator> {
    const { clock, random, settings, listener, loadedBefore } = this.#options
    const journal = new PartitionJournal(partition, clock)
    const { partition: number } = partition.topicPartition
    const isFirstLoad = !loadedBefore.has(number)
    const common = { clock, random, settings, listener }
    const coordinator = await GroupCoordinator.load(journal, { ...common, isFirstLoad })
    loadedBefore.add(number)
    return coordinator
  }

  #retire(number: number, leadership: Leadership): void {
    this.#leaderships.delete(number)
    leadership.coordinator?.resign(this.#retired(number))
  }

  #retired(number: number): PartlogError {
    const { nodeId } = this.#options
    const sentence = `broker ${nodeId} does not lead ${OFFSETS_TOPIC}-${number} any more`
    return new PartlogError('NOT_COORDINATOR', sentence)
  }

  /** Why this broker does not coordinate the group; the reason if its log is offline. */
  #refusal(groupId: string, reason: PartlogError | undefined): PartlogError {
    if (reason !== undefined) return coordinatorError(reason)
    const sentence = `broker ${this.#options.nodeId} does not coordinate group ${groupId}`
    return new PartlogError('NOT_COORDINATOR', sentence)
  }
}

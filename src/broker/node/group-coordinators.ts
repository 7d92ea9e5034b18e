/**
 * The coordinators of one broker: one for each partition of `__consumer_offsets` that it leads. A
 * leadership loads its coordinator at once, so that members that died with the one before are
 * missed; when it ends, the coordinator resigns.
 */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { coordinatorError, loaded } from '../../coordinator/groups/coordinator-errors.js'
import {
  GroupCoordinator,
  type GroupCoordinatorSettings,
} from '../../coordinator/groups/group-coordinator.js'
import type { GroupListener } from '../../coordinator/groups/rebalance-news.js'
import type { ClusterImage } from '../../coordinator/metadata/cluster-image.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import { partitionOfGroup } from '../../model/hashes.js'
import { OFFSETS_TOPIC } from '../../model/names.js'
import type { Partition } from '../../partition/partition.js'
import { PartitionJournal } from './partition-journal.js'
import type { ReplicaManager } from './replica-manager.js'

export interface GroupCoordinatorsOptions {
  readonly nodeId: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings: GroupCoordinatorSettings
  readonly listener: GroupListener
  readonly replicas: ReplicaManager
  readonly image: () => ClusterImage
  /** Does what the metadata says, if that is not done yet. */
  readonly applyMetadata: () => Promise<void>
  /** Makes `__consumer_offsets` if it is not there. */
  readonly makeTopic: () => Promise<void>
  readonly met: MetGroups
}

/** Partitions of `__consumer_offsets` whose groups this process has met, on whatever broker. */
export interface MetGroups {
  has(partition: number): boolean
  add(partition: number): void
}

/** A coordinator in office, for one leadership of its partition. */
interface Office {
  readonly leaderEpoch: number
  readonly loading: Promise<GroupCoordinator>
  /** Once it is loaded. */
  coordinator?: GroupCoordinator
  /** How many topics had been removed when it last forgot their offsets. */
  forgotten?: number
}

export class GroupCoordinators {
  readonly #options: GroupCoordinatorsOptions
  readonly #offices = new Map<number, Office>()
  #isStopped = false

  constructor(options: GroupCoordinatorsOptions) {
    this.#options = options
  }

  /** Those in office, once they are loaded. */
  async all(): Promise<GroupCoordinator[]> {
    return await Promise.all([...this.#offices.values()].map(office => this.#loaded(office)))
  }

  /** Those that are loaded already. */
  get loaded(): GroupCoordinator[] {
    return [...this.#offices.values()].flatMap(({ coordinator }) => coordinator ?? [])
  }

  /** The broker that coordinates a group. Throws COORDINATOR_NOT_AVAILABLE: nobody does now. */
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

  /** The coordinator of a group. Throws NOT_COORDINATOR: another broker's. */
  async of(groupId: string): Promise<GroupCoordinator> {
    const number = await this.#partitionOf(groupId)
    const partition = await this.#partition(number)
    if (partition?.isLeader !== true) throw this.#refusal(groupId, partition?.offlineReason)
    return await this.#loaded(this.#officeOf(partition))
  }

  /** Throws COORDINATOR_LOAD_IN_PROGRESS when it takes too long. */
  async #loaded({ coordinator, loading }: Office): Promise<GroupCoordinator> {
    if (coordinator !== undefined) return coordinator
    try {
      return await loaded(loading, this.#options.clock)
    } catch (error) {
      throw coordinatorError(toPartlogError(error))
    }
  }

  /** The metadata may say so already, while the partition is still being opened. */
  async #partition(number: number): Promise<Partition | undefined> {
    const { replicas, image, nodeId, applyMetadata } = this.#options
    const partition = replicas.find(OFFSETS_TOPIC, number)
    if (partition?.isLeader === true) return partition
    const leader = image().topics.get(OFFSETS_TOPIC)?.partitions[number]?.leader
    if (leader === nodeId) await applyMetadata()
    return replicas.find(OFFSETS_TOPIC, number)
  }

  /** The same, where nothing is to be made for one who only asks. */
  async ifAny(groupId: string): Promise<GroupCoordinator | undefined> {
    return this.#options.image().topics.has(OFFSETS_TOPIC) ? await this.of(groupId) : undefined
  }

  /** The metadata has changed: coordinators come and go with leaderships, and with topics. */
  follow(): void {
    for (const [number, office] of this.#offices) {
      const partition = this.#options.replicas.find(OFFSETS_TOPIC, number)
      const isInOffice =
        partition?.isLeader === true && partition.leaderEpoch === office.leaderEpoch
      if (!isInOffice) this.#retire(number, office)
    }
    for (const partition of this.#options.replicas.partitions()) {
      if (partition.topicPartition.topic !== OFFSETS_TOPIC || !partition.isLeader) continue
      this.#forgetRemoved(this.#officeOf(partition))
    }
  }

  /** Most news of the metadata is not of topics that are gone: then nobody looks through groups. */
  #forgetRemoved(office: Office): void {
    const { logger, image } = this.#options
    const { forgotten } = office
    const { removedTopics } = image()
    if (forgotten === removedTopics) return
    office.forgotten = removedTopics
    // Noted now: by the time the coordinator is loaded there may be another topic of that name.
    const removed = forgotten === undefined ? undefined : image().removedSince(forgotten)
    const isGone = (topic: string): boolean =>
      removed?.has(topic) === true || !image().topics.has(topic)
    office.loading
      .then(coordinator => coordinator.forgetTopics(isGone))
      .catch((error: unknown) => {
        if (forgotten === undefined) delete office.forgotten
        else office.forgotten = Math.min(office.forgotten ?? forgotten, forgotten)
        logger.warn('offsets of topics that are gone stay for now', { error })
      })
  }

  /** The broker stops: whoever waits here is told. */
  stop(): void {
    this.#isStopped = true
    for (const [number, office] of this.#offices) this.#retire(number, office)
  }

  async #partitionOf(groupId: string): Promise<number> {
    await this.#options.makeTopic()
    const topic = this.#options.image().topics.get(OFFSETS_TOPIC)
    return partitionOfGroup(groupId, topic?.partitions.length ?? 1)
  }

  #officeOf(partition: Partition): Office {
    const { partition: number } = partition.topicPartition
    const { leaderEpoch } = partition
    const known = this.#offices.get(number)
    if (known?.leaderEpoch === leaderEpoch) return known
    if (known !== undefined) this.#retire(number, known)
    const office: Office = { leaderEpoch, loading: this.#load(partition) }
    this.#offices.set(number, office)
    office.loading.then(
      coordinator => {
        const isInOffice = this.#offices.get(number) === office && !this.#isStopped
        if (!isInOffice) return coordinator.resign(this.#retired(number))
        office.coordinator = coordinator
        this.#options.listener.changed() // its groups can be seen
      },
      () => {
        if (this.#offices.get(number) === office) this.#offices.delete(number) // tried again
      },
    )
    return office
  }

  async #load(partition: Partition): Promise<GroupCoordinator> {
    const { clock, random, settings, listener, met } = this.#options
    const journal = new PartitionJournal(partition, clock)
    const { partition: number } = partition.topicPartition
    const isOfFormerProcess = !met.has(number)
    const common = { clock, random, settings, listener }
    const coordinator = await GroupCoordinator.load(journal, { ...common, isOfFormerProcess })
    met.add(number)
    return coordinator
  }

  #retire(number: number, office: Office): void {
    this.#offices.delete(number)
    office.coordinator?.resign(this.#retired(number))
  }

  #retired(number: number): PartlogError {
    const sentence = `broker ${this.#options.nodeId} does not lead ${OFFSETS_TOPIC}-${number} now`
    return new PartlogError('NOT_COORDINATOR', sentence)
  }

  /** Where the log of its offsets is offline, that is the reason. */
  #refusal(groupId: string, reason: PartlogError | undefined): PartlogError {
    if (reason !== undefined) return coordinatorError(reason)
    const sentence = `broker ${this.#options.nodeId} does not coordinate group ${groupId}`
    return new PartlogError('NOT_COORDINATOR', sentence)
  }
}

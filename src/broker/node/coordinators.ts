/*
 * The coordinators of one kind on one broker: one for each partition of their internal topic that
 * the broker leads. A new leadership loads its coordinator at once; when the leadership ends, the
 * coordinator resigns.
 */

import type { Clock } from '../../base/clock.js'
import { coordinatorError, loaded } from '../../coordinator/fold/coordinator-errors.js'
import type { ClusterImage } from '../../coordinator/metadata/cluster-image.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import { partitionOfGroup } from '../../model/hashes.js'
import type { Partition } from '../../partition/partition.js'
import type { Replicas } from '../replication/replicas.js'

/** What all coordinators of a broker are made of. */
export interface CoordinatorsOptions {
  readonly nodeId: number
  readonly clock: Clock
  readonly replicas: Replicas
  readonly image: () => ClusterImage
  /** Applies the metadata, if that is not done yet. */
  readonly applyMetadata: () => Promise<void>
  /** Creates the internal topic if it does not exist. */
  readonly makeTopic: () => Promise<void>
}

/** One kind of coordinator. */
export interface CoordinatorKind<C> {
  /** The internal topic. */
  readonly topic: string
  /** What is coordinated, for sentences: `group a`. */
  readonly nameOf: (key: string) => string
  readonly load: (partition: Partition) => Promise<C>
  /** It is loaded and answers from now on. */
  readonly onLoaded: (coordinator: C) => void
}

/** The coordinator of one partition, for one leadership. */
export interface Leadership<C> {
  readonly leaderEpoch: number
  readonly loading: Promise<C>
  /** Set once it is loaded. */
  coordinator?: C
}

export class Coordinators<C extends { resign(error: PartlogError): void }> {
  readonly #options: CoordinatorsOptions
  readonly #kind: CoordinatorKind<C>
  readonly #leaderships = new Map<number, Leadership<C>>()
  #isStopped = false

  constructor(options: CoordinatorsOptions, kind: CoordinatorKind<C>) {
    this.#options = options
    this.#kind = kind
  }

  /** All coordinators; resolves when they are loaded. */
  async all(): Promise<C[]> {
    const leaderships = [...this.#leaderships.values()]
    return await Promise.all(leaderships.map(leadership => this.#loaded(leadership)))
  }

  /** The coordinators that are loaded already. */
  get loaded(): C[] {
    return [...this.#leaderships.values()].flatMap(({ coordinator }) => coordinator ?? [])
  }

  /** The number of the partition that keeps `key`. */
  async partitionOf(key: string): Promise<number> {
    await this.#options.makeTopic()
    const topic = this.#options.image().topics.get(this.#kind.topic)
    return partitionOfGroup(key, topic?.partitions.length ?? 1)
  }

  /** The broker that coordinates `key`. Throws COORDINATOR_NOT_AVAILABLE if there is none. */
  async brokerOf(key: string): Promise<number> {
    const { topic, nameOf } = this.#kind
    const number = await this.partitionOf(key)
    const leader = this.#options.image().topics.get(topic)?.partitions[number]?.leader ?? -1
    if (leader >= 0) return leader
    const { offlineReason: cause } = this.#options.replicas.find(topic, number) ?? {}
    const because = cause === undefined ? '' : `: ${cause.sentence}`
    throw new PartlogError(
      'COORDINATOR_NOT_AVAILABLE',
      `no broker leads ${topic}-${number}, which keeps ${nameOf(key)}${because}`,
      { cause },
    )
  }

  /** The coordinator of `key`. Throws NOT_COORDINATOR if another broker coordinates it. */
  async of(key: string): Promise<C> {
    return await this.at(await this.partitionOf(key), this.#kind.nameOf(key))
  }

  /** The coordinator of a partition; `what` is coordinated. Throws NOT_COORDINATOR. */
  async at(number: number, what: string): Promise<C> {
    const partition = await this.#partition(number)
    if (partition?.isLeader !== true) throw this.#refusal(what, partition?.offlineReason)
    return await this.#loaded(this.#leadershipOf(partition))
  }

  /** As `of`, but does not create the topic; undefined if it does not exist. */
  async ifAny(key: string): Promise<C | undefined> {
    return this.#options.image().topics.has(this.#kind.topic) ? await this.of(key) : undefined
  }

  /** Called after a metadata change: loads and resigns coordinators. Returns the current ones. */
  followLeaderships(): Leadership<C>[] {
    const { topic } = this.#kind
    for (const [number, leadership] of this.#leaderships) {
      const partition = this.#options.replicas.find(topic, number)
      const isCurrent =
        partition?.isLeader === true && partition.leaderEpoch === leadership.leaderEpoch
      if (!isCurrent) this.#retire(number, leadership)
    }
    return [...this.#options.replicas.partitions()]
      .filter(({ topicPartition, isLeader }) => topicPartition.topic === topic && isLeader)
      .map(partition => this.#leadershipOf(partition))
  }

  /** The broker stops: all coordinators resign, their waiting requests fail. */
  stop(): void {
    this.#isStopped = true
    for (const [number, leadership] of this.#leaderships) this.#retire(number, leadership)
  }

  /** Throws COORDINATOR_LOAD_IN_PROGRESS if loading takes too long. */
  async #loaded({ coordinator, loading }: Leadership<C>): Promise<C> {
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
    const { topic } = this.#kind
    const partition = replicas.find(topic, number)
    if (partition?.isLeader === true) return partition
    const leader = image().topics.get(topic)?.partitions[number]?.leader
    if (leader === nodeId) await applyMetadata()
    return replicas.find(topic, number)
  }

  #leadershipOf(partition: Partition): Leadership<C> {
    const { partition: number } = partition.topicPartition
    const { leaderEpoch } = partition
    const known = this.#leaderships.get(number)
    if (known?.leaderEpoch === leaderEpoch) return known
    if (known !== undefined) this.#retire(number, known)
    const leadership: Leadership<C> = { leaderEpoch, loading: this.#kind.load(partition) }
    this.#leaderships.set(number, leadership)
    leadership.loading.then(
      coordinator => {
        const isCurrent = this.#leaderships.get(number) === leadership && !this.#isStopped
        if (!isCurrent) return coordinator.resign(this.#retired(number))
        leadership.coordinator = coordinator
        this.#kind.onLoaded(coordinator)
      },
      () => {
        // The next request loads it again.
        if (this.#leaderships.get(number) === leadership) this.#leaderships.delete(number)
      },
    )
    return leadership
  }

  #retire(number: number, leadership: Leadership<C>): void {
    this.#leaderships.delete(number)
    leadership.coordinator?.resign(this.#retired(number))
  }

  #retired(number: number): PartlogError {
    const { nodeId } = this.#options
    const sentence = `broker ${nodeId} does not lead ${this.#kind.topic}-${number} any more`
    return new PartlogError('NOT_COORDINATOR', sentence)
  }

  /** Why this broker is not the coordinator; the reason if its log is offline. */
  #refusal(what: string, reason: PartlogError | undefined): PartlogError {
    if (reason !== undefined) return coordinatorError(reason)
    const sentence = `broker ${this.#options.nodeId} does not coordinate ${what}`
    return new PartlogError('NOT_COORDINATOR', sentence)
  }
}

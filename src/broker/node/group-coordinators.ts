/*
 * The group coordinators of one broker, one for each partition of `__consumer_offsets` that it
 * leads. A new leadership loads its coordinator at once, so that the session time-outs of members
 * that died with the previous leader start.
 */

import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import {
  GroupCoordinator,
  type GroupCoordinatorSettings,
} from '../../coordinator/groups/group-coordinator.js'
import type { GroupListener } from '../../coordinator/groups/rebalance-reporter.js'
import type {
  ConsumerGroupSettings,
} from '../../coordinator/consumer-groups/consumer-coordinator.js'
import type { KnownTopic, TopicsView } from '../../coordinator/consumer-groups/topics-view.js'
import type { ClusterImage, TopicImage } from '../../coordinator/metadata/cluster-image.js'
import { OFFSETS_TOPIC } from '../../model/names.js'
import { GROUP_SETTINGS } from '../../model/resource-settings.js'
import { RESOURCE_TYPE } from '../../protocol/messages/configs.js'
import type { Partition } from '../../partition/partition.js'
import { Coordinators, type CoordinatorsOptions, type Leadership } from './coordinators.js'
import { PartitionJournal } from './partition-journal.js'

export interface GroupCoordinatorsOptions extends CoordinatorsOptions {
  readonly random: Random
  readonly logger: Logger
  readonly settings: GroupCoordinatorSettings
  readonly listener: GroupListener
  readonly loadedBefore: LoadedPartitions
  /** Another process coordinates the groups: no session ends. Default false. */
  readonly isShown?: boolean
}

/** Partitions of `__consumer_offsets` that this process has loaded before, on any broker. */
export interface LoadedPartitions {
  has(partition: number): boolean
  add(partition: number): void
}

export class GroupCoordinators extends Coordinators<GroupCoordinator> {
  readonly #options: GroupCoordinatorsOptions
  /** The image's count of removed topics when a leadership last forgot their offsets. */
  readonly #forgotten = new WeakMap<Leadership<GroupCoordinator>, number>()
  #topicsVersion = -1

  constructor(options: GroupCoordinatorsOptions) {
    super(options, {
      topic: OFFSETS_TOPIC,
      nameOf: groupId => `group ${groupId}`,
      load: partition => load(options, partition),
      onLoaded: () => options.listener.changed(), // its groups are visible now
    })
    this.#options = options
  }

  /**
   * Called after a metadata change: loads and resigns coordinators, forgets removed topics, and
   * tells groups that the coordinator assigns partitions to.
   */
  follow(): void {
    const leaderships = this.followLeaderships()
    for (const leadership of leaderships) this.#forgetRemoved(leadership)
    const { topicsVersion } = this.#options.image()
    if (topicsVersion === this.#topicsVersion) return
    this.#topicsVersion = topicsVersion
    for (const { coordinator } of leaderships) coordinator?.consumers.topicsChanged()
  }

  /** Forgets offsets of removed topics; does nothing if no topic was removed since. */
  #forgetRemoved(leadership: Leadership<GroupCoordinator>): void {
    const { logger, image } = this.#options
    const forgotten = this.#forgotten.get(leadership)
    const { removedTopics } = image()
    if (forgotten === removedTopics) return
    this.#forgotten.set(leadership, removedTopics)
    // Read now: by the time the coordinator is loaded, a topic of that name may exist again.
    const removed = forgotten === undefined ? undefined : image().removedSince(forgotten)
    const isGone = (topic: string): boolean =>
      removed?.has(topic) === true || !image().topics.has(topic)
    leadership.loading
      .then(coordinator => coordinator.forgetTopics(isGone))
      .catch((error: unknown) => {
        if (forgotten === undefined) this.#forgotten.delete(leadership)
        else {
          const least = Math.min(this.#forgotten.get(leadership) ?? forgotten, forgotten)
          this.#forgotten.set(leadership, least)
        }
        logger.warn('offsets of removed topics could not be forgotten, will retry', { error })
      })
  }
}

async function load(
  options: GroupCoordinatorsOptions,
  partition: Partition,
): Promise<GroupCoordinator> {
  const { clock, random, settings, listener, loadedBefore, image, isShown = false } = options
  const journal = new PartitionJournal(partition, clock)
  const { partition: number } = partition.topicPartition
  const isFirstLoad = !loadedBefore.has(number)
  const coordinator = await GroupCoordinator.load(journal, {
    clock,
    random,
    settings,
    listener,
    isFirstLoad,
    isShown,
    topics: () => topicsOf(image()),
    consumerSettingsOf: groupId => consumerSettings(image(), groupId),
  })
  loadedBefore.add(number)
  return coordinator
}

/** What a coordinator sees of the topics. */
export function topicsOf(image: ClusterImage): TopicsView {
  return {
    version: image.topicsVersion,
    find: name => known(image.topics.get(name)),
    findById: topicId => known(image.topicById(topicId)),
    names: namesIn(image),
  }
}

function known(topic: TopicImage | undefined): KnownTopic | undefined {
  if (topic === undefined || topic.partitions.length === 0) return undefined
  const { name, topicId, partitions } = topic
  return { name, topicId, partitionCount: partitions.length }
}

function* namesIn({ topics }: ClusterImage): Generator<string> {
  for (const { name, isInternal } of topics.values()) if (!isInternal) yield name
}

/** The settings of a group with the consumer protocol: its own, or the defaults. */
function consumerSettings(image: ClusterImage, groupId: string): ConsumerGroupSettings {
  const config = image.configOf(RESOURCE_TYPE.group, groupId)
  const valueOf = (name: string): number =>
    Number(config[name] ?? GROUP_SETTINGS.settings[name]?.fallback)
  return {
    sessionTimeoutMs: valueOf('consumer.session.timeout.ms'),
    heartbeatIntervalMs: valueOf('consumer.heartbeat.interval.ms'),
  }
}

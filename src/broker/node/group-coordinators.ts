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
import { OFFSETS_TOPIC } from '../../model/names.js'
import type { Partition } from '../../partition/partition.js'
import { Coordinators, type CoordinatorsOptions, type Leadership } from './coordinators.js'
import { PartitionJournal } from './partition-journal.js'

export interface GroupCoordinatorsOptions extends CoordinatorsOptions {
  readonly random: Random
  readonly logger: Logger
  readonly settings: GroupCoordinatorSettings
  readonly listener: GroupListener
  readonly loadedBefore: LoadedPartitions
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

  constructor(options: GroupCoordinatorsOptions) {
    super(options, {
      topic: OFFSETS_TOPIC,
      nameOf: groupId => `group ${groupId}`,
      load: partition => load(options, partition),
      onLoaded: () => options.listener.changed(), // its groups are visible now
    })
    this.#options = options
  }

  /** Called after a metadata change: loads and resigns coordinators, forgets removed topics. */
  follow(): void {
    for (const leadership of this.followLeaderships()) this.#forgetRemoved(leadership)
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
  { clock, random, settings, listener, loadedBefore }: GroupCoordinatorsOptions,
  partition: Partition,
): Promise<GroupCoordinator> {
  const journal = new PartitionJournal(partition, clock)
  const { partition: number } = partition.topicPartition
  const isFirstLoad = !loadedBefore.has(number)
  const common = { clock, random, settings, listener }
  const coordinator = await GroupCoordinator.load(journal, { ...common, isFirstLoad })
  loadedBefore.add(number)
  return coordinator
}

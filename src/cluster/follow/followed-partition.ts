/*
 * One partition that is followed, in one leadership, and how its log is opened.
 *
 * It is shown when its owner calls as much committed as was shown of it before, as far as the
 * leader has it: a new leader learns only gradually what its predecessor had committed.
 */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { METADATA_TOPIC_ID } from '../../base/uuid.js'
import { isDiskError, join, type Disk } from '../../disk/disk.js'
import { OverlayDisk } from '../../disk/overlay-disk.js'
import { CheckpointFiles, type StoredCheckpoints } from '../../log/checkpoint-files.js'
import { FollowedLog, OutdatedError, type FollowedEnd } from '../../log/following/followed-log.js'
import { brokerFolder, CONTROLLER_FOLDER, partitionFolder } from '../../log/format/files.js'
import { IndexCache } from '../../log/format/index-file.js'
import type { LogConfig } from '../../log/format/log-config.js'
import type { ReplicaProgress } from '../../log/following/progress-slots.js'
import type { OpenLogOptions } from '../../log/recovery/open-log.js'
import { isPartlogError, PartlogError, toPartlogError } from '../../model/errors.js'
import { partitionName, type TopicPartition } from '../../model/names.js'
import type { LeaderEpoch, Offset } from '../../model/units.js'
import { Partition } from '../../partition/partition.js'
import type { PartitionOptions } from '../../partition/roles.js'
import { progressKey, type Progress } from './progress-reader.js'

/** A folder that changes while it is opened is opened again so often, with pauses. */
const TRIES = 8
const PAUSE_MS = 5

/** Who leads a partition, and where its log therefore is. */
export interface FollowedLeadership {
  readonly topicId: string
  readonly place: TopicPartition
  readonly broker: number
  readonly leaderEpoch: LeaderEpoch
  /** `current` is replaced when the topic's settings change. */
  readonly settings: { current: LogConfig }
}

export interface FollowedPartition extends FollowedLeadership {
  readonly partition: Partition
  /** Undefined if it could not be opened: then the partition is offline. */
  readonly log: FollowedLog | undefined
  /** Openings one after another that have not helped. */
  readonly openings: number
}

export interface OpeningOptions {
  /** The folder of the cluster, opened for reading. */
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** How far partitions were shown before, by `shownKey`. */
  readonly shown: ReadonlyMap<string, Offset>
}

export function shownKey(topicId: string, partition: number): string {
  return `${topicId}/${partition}`
}

export function isSameLeadership(one: FollowedLeadership, other: FollowedLeadership): boolean {
  return one.broker === other.broker && one.leaderEpoch === other.leaderEpoch
}

/** What the owner says of a leadership; undefined if it says nothing of it yet. */
export function saidOf(
  { topicId, place, broker, leaderEpoch }: FollowedLeadership,
  { replicas }: Progress,
): ReplicaProgress | undefined {
  const said = replicas.get(progressKey(topicId, place.partition, broker))
  return said?.role === 'leader' && said.leaderEpoch === leaderEpoch ? said : undefined
}

export function endOf({ highWatermark, logStartOffset, layout }: ReplicaProgress): FollowedEnd {
  return { bound: highWatermark, logStartOffset, layout }
}

/** Opens logs that belong together: their checkpoints are read once. */
export class Opening {
  readonly #options: OpeningOptions
  readonly #cache: IndexCache
  readonly #checkpoints = new Map<string, Promise<StoredCheckpoints>>()

  constructor(options: OpeningOptions, cache: IndexCache) {
    this.#options = options
    this.#cache = cache
  }

  /** Never fails: what cannot be opened is offline, with the reason. */
  async open(
    leadership: FollowedLeadership,
    progress: Progress,
    openings = 0,
  ): Promise<FollowedPartition> {
    const { topicId, place, broker, leaderEpoch } = leadership
    const { clock } = this.#options
    const rules = { lagMaxMs: Infinity, isAlive: () => true, durability: 'process' as const }
    const options = { brokerId: broker, topicPartition: place, topicId, clock, ...rules }
    try {
      const log = await this.#openLog(leadership, progress)
      const partition = Partition.shown(options, log.log, leaderEpoch)
      return { ...leadership, partition, log, openings }
    } catch (error) {
      const isEarly = isPartlogError(error, 'NOT_LEADER_OR_FOLLOWER')
      return { ...leadership, ...broken(options, error), openings: isEarly ? 0 : openings }
    }
  }

  async #openLog(leadership: FollowedLeadership, progress: Progress): Promise<FollowedLog> {
    const said = saidOf(leadership, progress)
    const { topicId, place, settings } = leadership
    const before = this.#options.shown.get(shownKey(topicId, place.partition)) ?? 0
    if (said === undefined || said.highWatermark < Math.min(before, said.logEndOffset)) {
      const sentence = `its owner does not say yet how far ${partitionName(place)} is committed`
      throw new PartlogError('NOT_LEADER_OR_FOLLOWER', sentence)
    }
    const root = rootOf(leadership)
    const folder = join(root, partitionFolder(place))
    const where = { ...this.#options, cache: this.#cache, folder, topicPartition: place }
    for (let tries = 1; ; tries++) {
      try {
        const options = await this.#optionsOf(leadership, root)
        return await FollowedLog.open({ ...where, topicId, settings }, options, endOf(said))
      } catch (error) {
        const mayPass = error instanceof OutdatedError || isDiskError(error)
        if (!mayPass || tries === TRIES) throw error
        this.#checkpoints.delete(root)
        await this.#pause()
      }
    }
  }

  async #optionsOf({ place, leaderEpoch }: FollowedLeadership, root: string) {
    const stored = await this.#stored(root)
    const key = partitionName(place)
    const { isSealed: recoveryPoints } = stored.recoveryPoints
    const options: OpenLogOptions = {
      recoveryPoint: stored.recoveryPoints.offsets.get(key) ?? 0,
      logStartOffset: stored.logStarts.offsets.get(key),
      firstDirtyOffset: stored.firstDirty.offsets.get(key) ?? 0,
      isSealed: { recoveryPoints, logStarts: stored.logStarts.isSealed },
      wasClosedCleanly: false,
      isReplicated: true, // compaction may have gone beyond the recovery point of the file
      leaderEpochMax: leaderEpoch,
      onCorruption: 'offline',
    }
    return options
  }

  #stored(root: string): Promise<StoredCheckpoints> {
    const known = this.#checkpoints.get(root)
    if (known !== undefined) return known
    const reading = new CheckpointFiles(new OverlayDisk(this.#options.disk), root).read([])
    this.#checkpoints.set(root, reading)
    return reading
  }

  #pause(): Promise<void> {
    return new Promise(resolve => void this.#options.clock.after(PAUSE_MS, resolve))
  }
}

function rootOf({ topicId, broker }: FollowedLeadership): string {
  return topicId === METADATA_TOPIC_ID ? CONTROLLER_FOLDER : brokerFolder(broker)
}

function broken(options: PartitionOptions, error: unknown) {
  const isLate = error instanceof OutdatedError
  const sentence = `${partitionName(options.topicPartition)} changes while it is opened`
  const reason = isLate ? new PartlogError('KAFKA_STORAGE_ERROR', sentence) : toPartlogError(error)
  return { partition: Partition.offline(options, reason), log: undefined }
}

/**
 * The partitions this broker keeps. Brings them in line with the metadata: opens or makes what is
 * placed here, retires what was deleted. Doing it again changes nothing, so the same call serves
 * opening after a crash and every change while running.
 */

import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import { SerialQueue } from '../base/tasks.js'
import type { ClusterImage, TopicImage } from '../coordinator/metadata.js'
import { logConfig, type LogConfig, type LogSettings } from '../log/config.js'
import type { LogManager } from '../log/log-manager.js'
import { PartlogError, toPartlogError } from '../model/errors.js'
import { partitionKey } from '../model/names.js'
import type { TopicConfigText } from '../model/topic-settings.js'
import { Partition, type Durability } from '../partition/partition.js'

export interface ReplicaManagerOptions {
  readonly nodeId: number
  readonly logs: LogManager
  readonly durability: Durability
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * How many logs are opened at a time: recovery reads, and there are two cores to check what it
 * read.
 */
const OPEN_AT_ONCE = 2

export class ReplicaManager {
  readonly #options: ReplicaManagerOptions
  /** By topic, then by number: this way finding one costs no new string. */
  readonly #partitions = new Map<string, Map<number, Partition>>()
  /** By topic id; shared by all logs of a topic. */
  readonly #settings = new Map<string, TopicLogSettings>()
  readonly #changes = new SerialQueue()

  constructor(options: ReplicaManagerOptions) {
    this.#options = options
  }

  *partitions(): Generator<Partition> {
    for (const ofTopic of this.#partitions.values()) yield* ofTopic.values()
  }

  /** The partition, or UNKNOWN_TOPIC_OR_PARTITION. */
  partition(topic: string, partition: number): Partition {
    const found = this.find(topic, partition)
    if (found !== undefined) return found
    throw new PartlogError(
      'UNKNOWN_TOPIC_OR_PARTITION',
      `partition ${partitionKey(topic, partition)} does not exist`,
    )
  }

  find(topic: string, partition: number): Partition | undefined {
    return this.#partitions.get(topic)?.get(partition)
  }

  /** Opens everything the metadata places here. `isNew`: these topics were just made. */
  async apply(image: ClusterImage, isNew: boolean): Promise<void> {
    await this.#changes.run(async () => {
      this.#updateSettings(image)
      await this.#retireDeleted(image)
      await this.#openMissing(image, isNew)
      for (const topicId of this.#settings.keys()) {
        if (image.topicById(topicId) === undefined) this.#settings.delete(topicId)
      }
    })
  }

  /** Resolves when nothing is being opened or taken away any more. */
  async idle(): Promise<void> {
    await this.#changes.idle()
  }

  async #openMissing(image: ClusterImage, isNew: boolean): Promise<void> {
    const missing = [...image.topics.values()].flatMap(topic =>
      topic.partitions
        .filter(({ replicas }) => replicas.includes(this.#options.nodeId))
        .filter(({ partition }) => this.find(topic.name, partition) === undefined)
        .map(({ partition, leaderEpoch }) => ({ topic, partition, leaderEpoch })),
    )
    if (missing.length === 0) return
    const queue = missing.values()
    const opened: Partition[] = []
    const work = async (): Promise<void> => {
      for (const { topic, partition, leaderEpoch } of queue) {
        opened.push(await this.#open(topic, partition, leaderEpoch, isNew))
      }
    }
    await Promise.all(Array.from({ length: OPEN_AT_ONCE }, work))
    await this.#options.logs.syncNames()
    // Only now: nothing may be acknowledged in a folder whose name a power cut could take.
    for (const each of opened) {
      const { topic, partition } = each.topicPartition
      this.#ofTopic(topic).set(partition, each)
    }
  }

  async #open(
    topic: TopicImage,
    partition: number,
    leaderEpoch: number,
    isNew: boolean,
  ): Promise<Partition> {
    const { logs, durability, clock, logger } = this.#options
    const topicPartition = { topic: topic.name, partition }
    const options = { topicPartition, topicId: topic.topicId, durability, clock }
    const known = {
      ...topicPartition,
      topicId: topic.topicId,
      settings: this.#settings.get(topic.topicId) as TopicLogSettings,
    }
    try {
      const log = isNew ? await logs.create(known) : await logs.load(known)
      const opened = await Partition.leading(options, log, leaderEpoch)
      opened.onCheckpointable = () => logs.requestCheckpoint()
      return opened
    } catch (error) {
      const reason = toPartlogError(error)
      logger.error(`${partitionKey(topic.name, partition)} cannot be opened`, { error: reason })
      return Partition.offline(options, reason)
    }
  }

  async #retireDeleted(image: ClusterImage): Promise<void> {
    for (const partition of this.partitions()) {
      const { topic, partition: number } = partition.topicPartition
      if (image.topicById(partition.topicId)?.name === topic) continue
      const gone = new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${topic} was deleted`)
      const settings = this.#settings.get(partition.topicId)
      const { fileDeleteDelayMs } = settings?.current ?? logConfig({})
      this.#forget(topic, number)
      partition.retire(gone)
      await this.#options.logs.delete({ topic, partition: number }, fileDeleteDelayMs)
    }
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
      if (settings?.config === topic.config) continue
      const changed = { config: topic.config, current: logConfig(topic.config) }
      if (settings === undefined) this.#settings.set(topic.topicId, changed)
      else Object.assign(settings, changed)
    }
  }
}

interface TopicLogSettings extends LogSettings {
  /** What `current` was derived from. */
  config: TopicConfigText
  current: LogConfig
}

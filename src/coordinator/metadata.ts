/**
 * The cluster as its metadata log tells it: topics, their partitions and settings. A fold: the only
 * way to change it is to replay a record of `__cluster_metadata`.
 */

import { isInternalTopic } from '../model/names.js'
import type { TopicConfigText } from '../model/topic-settings.js'
import type { LeaderEpoch } from '../model/units.js'
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord,
} from '../protocol/messages/metadata-records.js'
import { TOPIC_RESOURCE } from '../protocol/messages/topics.js'
import type { JournalRecord } from './journal.js'
import type { Fold } from './state-machine.js'

export interface PartitionImage {
  readonly partition: number
  /** Broker ids; the first is the preferred leader. */
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** −1 when there is none. */
  readonly leader: number
  readonly leaderEpoch: LeaderEpoch
}

export interface TopicImage {
  readonly name: string
  readonly topicId: string
  readonly isInternal: boolean
  /** By partition number. */
  readonly partitions: readonly PartitionImage[]
  /** What differs from the defaults. */
  readonly config: TopicConfigText
}

export class ClusterImage implements Fold {
  readonly #topics = new Map<string, TopicImage>()
  readonly #namesById = new Map<string, string>()
  readonly #removedIds = new Set<string>()

  /** All topics, in the order of their creation. */
  get topics(): ReadonlyMap<string, TopicImage> {
    return this.#topics
  }

  topicById(topicId: string): TopicImage | undefined {
    const name = this.#namesById.get(topicId)
    return name === undefined ? undefined : this.#topics.get(name)
  }

  /** Was a topic of this id deleted on purpose? What is left of it may go. */
  wasRemoved(topicId: string): boolean {
    return this.#removedIds.has(topicId)
  }

  replay({ value }: JournalRecord): void {
    const record = value === null ? undefined : decodeMetadataRecord(value)
    if (record !== undefined) this.#apply(record)
  }

  #apply(record: MetadataRecord): void {
    switch (record.kind) {
      case 'Topic':
        return this.#addTopic(record.name, record.topicId)
      case 'Partition': {
        const { partitionId: partition, replicas, isr, leader, leaderEpoch } = record
        const image = { partition, replicas, isr, leader, leaderEpoch }
        return this.#change(record.topicId, topic => {
          const partitions = [...topic.partitions]
          partitions[partition] = image
          return { ...topic, partitions }
        })
      }
      case 'Config':
        if (record.resourceType === TOPIC_RESOURCE) this.#setConfig(record)
        return
      case 'RemoveTopic':
        return this.#removeTopic(record.topicId ?? '')
    }
  }

  #addTopic(name: string, topicId: string): void {
    const isInternal = isInternalTopic(name)
    this.#topics.set(name, { name, topicId, isInternal, partitions: [], config: {} })
    this.#namesById.set(topicId, name)
  }

  #setConfig(record: Extract<MetadataRecord, { kind: 'Config' }>): void {
    const topic = this.#topics.get(record.resourceName)
    if (topic === undefined) return
    const config = Object.fromEntries(
      Object.entries(topic.config).filter(([name]) => name !== record.name),
    )
    if (record.value !== null) config[record.name] = record.value
    this.#topics.set(topic.name, { ...topic, config })
  }

  #removeTopic(topicId: string): void {
    const topic = this.topicById(topicId)
    if (topic !== undefined) this.#topics.delete(topic.name)
    this.#namesById.delete(topicId)
    this.#removedIds.add(topicId)
  }

  #change(topicId: string, change: (topic: TopicImage) => TopicImage): void {
    const topic = this.topicById(topicId)
    if (topic !== undefined) this.#topics.set(topic.name, change(topic))
  }
}

/** A metadata record as it goes into the journal: Kafka's have no key. */
export function journalRecord(record: MetadataRecord): JournalRecord {
  return { key: null, value: encodeMetadataRecord(record) }
}

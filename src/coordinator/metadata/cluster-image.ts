/*
 * The state of the cluster: brokers, topics, their partitions and settings. A fold over the records
 * of `__cluster_metadata`: only replaying a record changes it.
 */

import { isInternalTopic } from '../../model/names.js'
import { settingValue, type TopicConfigText } from '../../model/topic-settings.js'
import type { LeaderEpoch } from '../../model/units.js'
import { TOPIC_RESOURCE } from '../../protocol/messages/configs.js'
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  NO_LEADER_CHANGE,
  type MetadataRecord,
} from '../../protocol/messages/metadata-records.js'
import type { JournalRecord } from '../fold/journal.js'
import type { Fold } from '../fold/state-machine.js'
import { RemovedTopics } from './removed-topics.js'

export interface PartitionImage {
  readonly partition: number
  /** Broker ids; the first is the preferred leader. */
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** −1 when there is none. */
  readonly leader: number
  readonly leaderEpoch: LeaderEpoch
  /** Raised by every change. A request to change the partition names the epoch it has seen. */
  readonly partitionEpoch: number
}

export interface BrokerImage {
  readonly id: number
  readonly rack: string | null
  /** The epoch of its latest registration. */
  readonly brokerEpoch: number
  /** The broker is not alive: it leads nothing and is in no ISR that has other members. */
  readonly isFenced: boolean
}

export interface TopicImage {
  readonly name: string
  readonly topicId: string
  readonly isInternal: boolean
  /** By partition number. */
  readonly partitions: readonly PartitionImage[]
  /** The settings that differ from the defaults. */
  readonly config: TopicConfigText
  /** The topic is or was compacted: its logs may have gaps between offsets. */
  readonly wasCompacted: boolean
}

/** What is no topic and has settings: a group, a subscription to metrics of clients. */
export interface ResourceImage {
  readonly resourceType: number
  readonly resourceName: string
  readonly config: Readonly<Record<string, string>>
}

/** The quotas of one user, client or address. */
export interface QuotaImage {
  readonly entity: readonly { readonly entityType: string; readonly entityName: string | null }[]
  /** By the name of the quota. */
  readonly values: ReadonlyMap<string, number>
}

export function quotaKeyOf(entity: QuotaImage['entity']): string {
  return JSON.stringify(entity.map(({ entityType, entityName }) => [entityType, entityName]))
}

const NO_CONFIG: Readonly<Record<string, string>> = {}

export type PartitionListener = (
  topic: TopicImage,
  before: PartitionImage | undefined,
  after: PartitionImage,
) => void

/**
 * Returns whether a running broker can use its replica. The brokers report it; it is not in the
 * log, because a broken disk may work again when the broker restarts.
 */
export type ReplicaHealth = (brokerId: number, topic: string, partition: number) => boolean

export class ClusterImage implements Fold {
  readonly #topics = new Map<string, TopicImage>()
  readonly #namesById = new Map<string, string>()
  #removed = new RemovedTopics()
  #topicsVersion = 0
  #nextProducerId = 0
  readonly #brokers = new Map<number, BrokerImage>()
  readonly #resources = new Map<string, ResourceImage>()
  readonly #quotas = new Map<string, QuotaImage>()
  #onChange: PartitionListener = () => undefined
  #isUsable: ReplicaHealth = () => true

  /** Calls `onChange` for each partition change that is replayed from now on. */
  listen(onChange: PartitionListener): void {
    this.#onChange = onChange
  }

  /** Sets the function by which decisions find out which replicas can be used. */
  setReplicaHealth(isUsable: ReplicaHealth): void {
    this.#isUsable = isUsable
  }

  isUsable(brokerId: number, topic: string, partition: number): boolean {
    return this.#isUsable(brokerId, topic, partition)
  }

  /** A copy of the current state, which later records do not change. */
  snapshot(): ClusterImage {
    const copy = new ClusterImage()
    for (const [name, topic] of this.#topics) copy.#topics.set(name, topic)
    for (const [id, name] of this.#namesById) copy.#namesById.set(id, name)
    copy.#removed = this.#removed.copy()
    copy.#topicsVersion = this.#topicsVersion
    for (const [id, broker] of this.#brokers) copy.#brokers.set(id, broker)
    for (const [key, resource] of this.#resources) copy.#resources.set(key, resource)
    for (const [key, quota] of this.#quotas) copy.#quotas.set(key, quota)
    copy.#nextProducerId = this.#nextProducerId
    return copy
  }

  /** By id. */
  get brokers(): ReadonlyMap<number, BrokerImage> {
    return this.#brokers
  }

  isAlive(brokerId: number): boolean {
    return this.#brokers.get(brokerId)?.isFenced === false
  }

  /** All topics, in the order of their creation. */
  get topics(): ReadonlyMap<string, TopicImage> {
    return this.#topics
  }

  /** Rises when a topic or a partition comes or goes. */
  get topicsVersion(): number {
    return this.#topicsVersion
  }

  /** All that have settings and are no topics. */
  get resources(): ReadonlyMap<string, ResourceImage> {
    return this.#resources
  }

  /** All quotas of clients. */
  get quotas(): ReadonlyMap<string, QuotaImage> {
    return this.#quotas
  }

  /** The settings of a resource that is no topic, without those that have their defaults. */
  configOf(resourceType: number, resourceName: string): Readonly<Record<string, string>> {
    return this.#resources.get(`${resourceType} ${resourceName}`)?.config ?? NO_CONFIG
  }

  /** The first producer id that is not allocated to a broker. */
  get nextProducerId(): number {
    return this.#nextProducerId
  }

  topicById(topicId: string): TopicImage | undefined {
    const name = this.#namesById.get(topicId)
    return name === undefined ? undefined : this.#topics.get(name)
  }

  /** The number of topics removed so far. */
  get removedTopics(): number {
    return this.#removed.count
  }

  /** The names of topics removed since `removedTopics` was `count`. */
  removedSince(count: number): ReadonlySet<string> {
    return this.#removed.since(count)
  }

  /** True if the topic of this id was deleted on purpose: its leftover files may be deleted. */
  wasRemoved(topicId: string): boolean {
    return this.#removed.has(topicId)
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
        const { partitionEpoch } = record
        const image = { partition, replicas, isr, leader, leaderEpoch, partitionEpoch }
        return this.#setPartition(record.topicId, partition, () => image)
      }
      case 'PartitionChange':
        return this.#setPartition(record.topicId, record.partitionId, partition =>
          partition === undefined ? undefined : changed(partition, record),
        )
      case 'Config':
        if (record.resourceType === TOPIC_RESOURCE) this.#setConfig(record)
        else this.#setResource(record)
        return
      case 'ClientQuota':
        return this.#setQuota(record)
      case 'RemoveTopic':
        return this.#removeTopic(record.topicId ?? '')
      case 'ProducerIds':
        this.#nextProducerId = record.nextProducerId
        return
      case 'RegisterBroker': {
        const { brokerId: id, rack, brokerEpoch, fenced = true } = record
        this.#brokers.set(id, { id, rack, brokerEpoch, isFenced: fenced })
        return
      }
      case 'BrokerRegistrationChange': {
        const broker = this.#brokers.get(record.brokerId)
        const { fenced = 0 } = record
        if (broker === undefined || fenced === 0) return
        this.#brokers.set(broker.id, { ...broker, isFenced: fenced > 0 })
      }
    }
  }

  #addTopic(name: string, topicId: string): void {
    const isInternal = isInternalTopic(name)
    const topic = { name, topicId, isInternal, partitions: [], config: {}, wasCompacted: false }
    this.#topics.set(name, topic)
    this.#namesById.set(topicId, name)
    this.#topicsVersion++
  }

  #setConfig(record: Extract<MetadataRecord, { kind: 'Config' }>): void {
    const topic = this.#topics.get(record.resourceName)
    if (topic === undefined) return
    const config = withSetting(topic.config, record)
    const wasCompacted = topic.wasCompacted || isCompacted(config)
    this.#topics.set(topic.name, { ...topic, config, wasCompacted })
  }

  #setResource(record: Extract<MetadataRecord, { kind: 'Config' }>): void {
    const { resourceType, resourceName } = record
    const key = `${resourceType} ${resourceName}`
    const config = withSetting(this.configOf(resourceType, resourceName), record)
    if (Object.keys(config).length === 0) this.#resources.delete(key)
    else this.#resources.set(key, { resourceType, resourceName, config })
  }

  #setQuota(record: Extract<MetadataRecord, { kind: 'ClientQuota' }>): void {
    const { entity, key: name, value, remove } = record
    const key = quotaKeyOf(entity)
    const values = new Map(this.#quotas.get(key)?.values)
    if (remove) values.delete(name)
    else values.set(name, value)
    if (values.size === 0) this.#quotas.delete(key)
    else this.#quotas.set(key, { entity, values })
  }

  #removeTopic(topicId: string): void {
    const topic = this.topicById(topicId)
    if (topic !== undefined) this.#topics.delete(topic.name)
    this.#namesById.delete(topicId)
    this.#topicsVersion++
    this.#removed.add(topicId, topic?.name ?? '')
  }

  #setPartition(
    topicId: string,
    partition: number,
    change: (before: PartitionImage | undefined) => PartitionImage | undefined,
  ): void {
    const topic = this.topicById(topicId)
    const before = topic?.partitions[partition]
    const after = change(before)
    if (topic === undefined || after === undefined) return
    const partitions = [...topic.partitions]
    partitions[partition] = after
    if (before === undefined) this.#topicsVersion++
    this.#topics.set(topic.name, { ...topic, partitions })
    this.#onChange(topic, before, after)
  }
}

function withSetting(
  config: Readonly<Record<string, string>>,
  { name, value }: { readonly name: string; readonly value: string | null },
): Record<string, string> {
  const others = Object.entries(config).filter(([other]) => other !== name)
  return Object.fromEntries(value === null ? others : [...others, [name, value]])
}

type PartitionChange = Extract<MetadataRecord, { kind: 'PartitionChange' }>

function changed(before: PartitionImage, change: PartitionChange): PartitionImage {
  const { isr, replicas, leader = NO_LEADER_CHANGE } = change
  const hasNewLeader = leader !== NO_LEADER_CHANGE
  return {
    ...before,
    replicas: replicas ?? before.replicas,
    isr: isr ?? before.isr,
    leader: hasNewLeader ? leader : before.leader,
    leaderEpoch: before.leaderEpoch + (hasNewLeader ? 1 : 0),
    partitionEpoch: before.partitionEpoch + 1,
  }
}

function isCompacted(config: TopicConfigText): boolean {
  return settingValue(config, 'cleanup.policy').includes('compact')
}

/** A metadata record as a journal record: as in Kafka, it has no key. */
export function journalRecord(record: MetadataRecord): JournalRecord {
  return { key: null, value: encodeMetadataRecord(record) }
}

/**
 * What a client knows of the cluster: which partitions a topic has and who leads them. Asked for
 * when it is needed, kept until it is too old or a broker says that it is wrong.
 */

import type { Clock } from '../base/clock.js'
import { PartlogError } from '../model/errors.js'
import { ANY_NODE, type Channel } from '../protocol/channel.js'
import type { BrokerMetadata, TopicMetadata } from '../protocol/messages/metadata.js'
import { throwIfError } from './errors.js'

export interface PartitionLeader {
  readonly partition: number
  /** −1 when nobody leads it now. */
  readonly leaderId: number
  readonly leaderEpoch: number
  /** Of the brokers that have a copy. */
  readonly racks: readonly string[]
}

export interface KnownTopic {
  readonly name: string
  readonly topicId: string
  readonly isInternal: boolean
  readonly partitions: readonly PartitionLeader[]
}

interface Entry {
  readonly topic: KnownTopic
  readonly fetchedAtMs: number
}

/** Topics are remembered up to so many: names come from users. */
const TOPICS_MAX = 10_000

export interface MetadataCacheOptions {
  readonly channel: Channel
  readonly clock: Clock
  readonly maxAgeMs: number
  /** May asking for a topic make it? */
  readonly mayCreate: boolean
}

export class MetadataCache {
  readonly #options: MetadataCacheOptions
  readonly #entries = new Map<string, Entry>()
  readonly #pending = new Map<string, Promise<KnownTopic>>()

  constructor(options: MetadataCacheOptions) {
    this.#options = options
  }

  /** The topic, if it is known. */
  known(topic: string): KnownTopic | undefined {
    return this.#entries.get(topic)?.topic
  }

  /** What is known is used while it is asked for again in the background, should it be old. */
  refreshIfOld(topic: string, nowMs: number): void {
    const entry = this.#entries.get(topic)
    if (entry === undefined || nowMs - entry.fetchedAtMs <= this.#options.maxAgeMs) return
    this.refresh(topic).catch(() => undefined) // what is known may still do
  }

  /** Asks for the topic now. Those who ask at the same time share one request. */
  refresh(topic: string): Promise<KnownTopic> {
    let pending = this.#pending.get(topic)
    if (pending === undefined) {
      pending = this.#fetch(topic).finally(() => this.#pending.delete(topic))
      this.#pending.set(topic, pending)
    }
    return pending
  }

  /** What is known of the topic may be wrong: ask again before it is used. */
  invalidate(topic: string): void {
    this.#entries.delete(topic)
  }

  async #fetch(name: string): Promise<KnownTopic> {
    const { channel, clock, mayCreate } = this.#options
    const response = await channel.send(ANY_NODE, 'Metadata', {
      topics: [{ name }],
      allowAutoTopicCreation: mayCreate,
    })
    const metadata = response.topics.find(topic => topic.name === name)
    if (metadata === undefined) throw unknownTopic(name)
    throwIfError(metadata, `metadata of topic ${name}`)
    const topic = knownTopic(metadata, response.brokers)
    if (this.#entries.size >= TOPICS_MAX) this.#entries.clear()
    this.#entries.set(name, { topic, fetchedAtMs: clock.monotonicMs() })
    return topic
  }
}

export function knownTopic(metadata: TopicMetadata, brokers: BrokerMetadata): KnownTopic {
  const rackOf = new Map(brokers.map(({ nodeId, rack }) => [nodeId, rack]))
  return {
    name: metadata.name ?? '',
    topicId: metadata.topicId ?? '',
    isInternal: metadata.isInternal ?? false,
    partitions: metadata.partitions
      .map(({ partitionIndex, leaderId, leaderEpoch = -1, replicaNodes }) => ({
        partition: partitionIndex,
        leaderId,
        leaderEpoch,
        racks: replicaNodes.flatMap(nodeId => rackOf.get(nodeId) ?? []),
      }))
      .sort((a, b) => a.partition - b.partition),
  }
}

function unknownTopic(name: string): PartlogError {
  return new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${name} does not exist`)
}

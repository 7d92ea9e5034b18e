/**
 * What a client knows of the cluster: which partitions a topic has and who leads them. Asked for
 * when it is needed, kept until it is too old or a broker says that it is wrong.
 *
 * Leaderships only get newer: a broker that is cut off from the controller goes on telling what it
 * knew, and what it says of an older leader epoch is not believed (KIP-320).
 */

import type { Clock } from '../../base/clock.js'
import { errorId, isPartlogError, PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import { ANY_NODE, type Channel } from '../../protocol/channel.js'
import type { BrokerMetadata, TopicMetadata } from '../../protocol/messages/metadata.js'
import { throwIfError } from './client-errors.js'

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
  /** It has to be asked for again before it is used. */
  isStale: boolean
}

/** Topics are remembered up to so many: names come from users. */
const KNOWN_TOPICS_MAX = 10_000

export interface MetadataCacheOptions {
  readonly channel: Channel
  readonly clock: Clock
  readonly maxAgeMs: number
  /** May looking again make a topic that is gone? One who looks for another reason never does. */
  readonly mayCreate: boolean
}

export interface RefreshOptions {
  /** May this one time of asking make the topic? Default: as the cache was told. */
  readonly mayCreate?: boolean
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
    const entry = this.#entries.get(topic)
    return entry?.isStale === false ? entry.topic : undefined
  }

  /** What is known is used while it is asked for again in the background, should it be old. */
  refreshIfOld(topic: string, nowMs: number): void {
    const entry = this.#entries.get(topic)
    if (entry === undefined || nowMs - entry.fetchedAtMs <= this.#options.maxAgeMs) return
    this.refresh(topic).catch(() => undefined) // what is known may still do
  }

  /** Asks for the topic now. Those who ask at the same time share one request. */
  refresh(topic: string, options: RefreshOptions = {}): Promise<KnownTopic> {
    const { mayCreate = this.#options.mayCreate } = options
    const key = mayCreate ? `${topic} or a new one` : topic
    let pending = this.#pending.get(key)
    if (pending === undefined) {
      pending = this.#fetch(topic, mayCreate).finally(() => this.#pending.delete(key))
      this.#pending.set(key, pending)
    }
    return pending
  }

  /** What is known of the topic may be wrong: ask again before it is used. */
  invalidate(topic: string): void {
    const entry = this.#entries.get(topic)
    if (entry !== undefined) entry.isStale = true
  }

  async #fetch(name: string, mayCreate: boolean): Promise<KnownTopic> {
    const { channel, clock } = this.#options
    const response = await channel.send(ANY_NODE, 'Metadata', {
      topics: [{ name }],
      allowAutoTopicCreation: mayCreate,
    })
    const metadata = response.topics.find(topic => topic.name === name)
    if (metadata === undefined) throw unknownTopic(name)
    if (metadata.errorCode === UNKNOWN_TOPIC) this.#entries.delete(name)
    throwIfError(metadata, `metadata of topic ${name}`)
    const told = knownTopic(metadata, response.brokers)
    const topic = newest(this.#entries.get(name)?.topic, told)
    if (this.#entries.size >= KNOWN_TOPICS_MAX) this.#entries.clear()
    this.#entries.set(name, { topic, fetchedAtMs: clock.monotonicMs(), isStale: false })
    return topic
  }
}

const UNKNOWN_TOPIC = errorId('UNKNOWN_TOPIC_OR_PARTITION')

/** Of a topic that was made anew under its name nothing that was known holds. */
function newest(known: KnownTopic | undefined, told: KnownTopic): KnownTopic {
  if (known === undefined || known.topicId !== told.topicId) return told
  const partitions = told.partitions.map(each => {
    const before = known.partitions[each.partition]
    return before !== undefined && isOlder(each, before) ? before : each
  })
  // A topic never loses partitions: a broker that knows fewer has not heard of the others.
  return { ...told, partitions: [...partitions, ...known.partitions.slice(partitions.length)] }
}

/** Brokers without epochs are believed. */
function isOlder(told: PartitionLeader, known: PartitionLeader): boolean {
  return told.leaderEpoch >= 0 && told.leaderEpoch < known.leaderEpoch
}

/** Does a partition exist, of the topic of that id if one is given? In doubt it does. */
export async function isThere(
  metadata: MetadataCache,
  place: TopicPartition & { readonly topicId?: string },
): Promise<boolean> {
  const { topic, partition, topicId = '' } = place
  try {
    const { topicId: found, partitions } = await metadata.refresh(topic)
    return partitions[partition] !== undefined && (topicId === '' || topicId === found)
  } catch (error) {
    return !isPartlogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')
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

/*
 * A client's metadata of the cluster: the partitions of each topic and their leaders. It is fetched
 * when needed, and kept until it is too old or a broker's answer shows that it is wrong.
 *
 * Leader epochs only grow: a broker that is cut off from the controller still returns outdated
 * metadata, so a leader of an older epoch is ignored (KIP-320).
 */

import type { Clock } from '../../base/clock.js'
import { errorId, isPartlogError, PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import { ANY_NODE, type Channel } from '../../protocol/channel.js'
import type { BrokerMetadata, TopicMetadata } from '../../protocol/messages/metadata.js'
import { throwIfError } from './client-errors.js'

export interface PartitionLeader {
  readonly partition: number
  /** −1 while the partition has no leader. */
  readonly leaderId: number
  readonly leaderEpoch: number
  /** The racks of the brokers that have a replica. */
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
  /** It must be refreshed before it is used. */
  isStale: boolean
}

/** Most topics in the cache: their names come from users. */
const KNOWN_TOPICS_MAX = 10_000
/** As Kafka's metadata.max.idle.ms. A topic in use is refreshed once it is `maxAgeMs` old. */
const IDLE_MAX_MS = 300_000

export interface MetadataCacheOptions {
  readonly channel: Channel
  readonly clock: Clock
  readonly maxAgeMs: number
  /** Whether a refresh may create the topic (auto.create.topics.enable). */
  readonly mayCreate: boolean
}

export interface RefreshOptions {
  /** Whether this refresh may create the topic. Default: `mayCreate` of the cache. */
  readonly mayCreate?: boolean
}

export class MetadataCache {
  /** Called when a leader or the id of a topic is another one than before. */
  onChanged: (() => void) | undefined
  /** Called when a topic is forgotten that was not used for a while (metadata.max.idle.ms). */
  onForgotten: ((topic: string) => void) | undefined
  readonly #options: MetadataCacheOptions
  /** The one fetched longest ago comes first. */
  readonly #entries = new Map<string, Entry>()
  readonly #pending = new Map<string, Promise<KnownTopic>>()

  constructor(options: MetadataCacheOptions) {
    this.#options = options
  }

  /**
   * The topic, if it is known. If its metadata is old at `nowMs`, it is refreshed in the background
   * and used meanwhile.
   */
  known(topic: string, nowMs = -Infinity): KnownTopic | undefined {
    const entry = this.#entries.get(topic)
    if (entry === undefined || entry.isStale) return undefined
    if (nowMs - entry.fetchedAtMs > this.#options.maxAgeMs) {
      this.refresh(topic).catch(() => undefined) // the old metadata may still be right
    }
    return entry.topic
  }

  /** Refreshes the topic now. Concurrent calls share one request. */
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

  /** The metadata of the topic may be wrong: it is refreshed before it is used again. */
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
    const before = this.#entries.get(name)?.topic
    const topic = newest(before, told)
    const nowMs = clock.monotonicMs()
    this.#entries.delete(name) // it goes to the end
    this.#entries.set(name, { topic, fetchedAtMs: nowMs, isStale: false })
    this.#forgetIdle(nowMs)
    if (before !== undefined && !isLedAlike(before, topic)) this.onChanged?.()
    return topic
  }

  #forgetIdle(nowMs: number): void {
    const oldMs = this.#options.maxAgeMs + IDLE_MAX_MS
    for (const [name, { fetchedAtMs }] of this.#entries) {
      const isIdle = nowMs - fetchedAtMs > oldMs || this.#entries.size > KNOWN_TOPICS_MAX
      if (!isIdle) return
      this.#entries.delete(name)
      this.onForgotten?.(name)
    }
  }
}

const UNKNOWN_TOPIC = errorId('UNKNOWN_TOPIC_OR_PARTITION')

/** Merges new metadata into the known; nothing known holds for a topic that was recreated. */
function newest(known: KnownTopic | undefined, told: KnownTopic): KnownTopic {
  if (known === undefined || known.topicId !== told.topicId) return told
  const partitions = told.partitions.map(each => {
    const before = known.partitions[each.partition]
    return before !== undefined && isOlder(each, before) ? before : each
  })
  // A topic never loses partitions: a broker that knows fewer has outdated metadata.
  return { ...told, partitions: [...partitions, ...known.partitions.slice(partitions.length)] }
}

function isLedAlike(one: KnownTopic, other: KnownTopic): boolean {
  if (one.topicId !== other.topicId) return false
  return other.partitions.every(
    ({ partition, leaderId }) => one.partitions[partition]?.leaderId === leaderId,
  )
}

/** Metadata of brokers without leader epochs always counts as newer. */
function isOlder(told: PartitionLeader, known: PartitionLeader): boolean {
  return told.leaderEpoch >= 0 && told.leaderEpoch < known.leaderEpoch
}

/** Whether a partition exists, in the topic with this id if one is given. True if unknown. */
export async function partitionExists(
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

/* Requests to the leaders of several partitions, and the merging of their answers. */

import { grouped } from '../../base/grouped.js'
import { isPartlogError, PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { Channel } from '../../protocol/channel.js'
import { LATEST_TIMESTAMP } from '../../protocol/messages/offsets.js'
import { errorFrom } from './client-errors.js'
import type { EpochEnd } from './epoch-trail.js'
import { partitionExists, type MetadataCache } from './metadata-cache.js'
import { withRetries, type RetryOptions } from './retry.js'

/** A place found by ListOffsets. */
export interface ListedOffset extends TopicPartition {
  /** −1 when every record is older. */
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

export interface TimestampQuery extends TopicPartition {
  /** Milliseconds since 1970, or one of the special timestamps. */
  readonly timestamp: number
}

/** The leader of a partition and its epoch: a broker that knows another epoch refuses. */
export interface KnownLeader {
  readonly leaderId: number
  /** −1 when the brokers have no leader epochs. */
  readonly leaderEpoch: number
}

/** The leader of a partition, fetched if it is unknown. Throws when there is none. */
export async function leaderOf(
  metadata: MetadataCache,
  { topic, partition }: TopicPartition,
): Promise<KnownLeader> {
  const known = metadata.known(topic) ?? (await metadata.refresh(topic))
  const found = known.partitions[partition]
  if (found === undefined) {
    metadata.invalidate(topic) // the partition may have been added since
    throw new PartlogError(
      'UNKNOWN_TOPIC_OR_PARTITION',
      `partition ${topic}-${partition} does not exist: the topic has ` +
        `${known.partitions.length} partitions`,
    )
  }
  if (found.leaderId >= 0) return found
  metadata.invalidate(topic)
  throw new PartlogError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader`)
}

/** Groups things by the leader of their partition, and adds the leader's epoch to each. */
export async function byLeader<T extends TopicPartition>(
  metadata: MetadataCache,
  things: readonly T[],
): Promise<Map<number, (T & KnownLeader)[]>> {
  const led: (T & KnownLeader)[] = []
  for (const thing of things) {
    const { leaderId, leaderEpoch } = await leaderOf(metadata, thing)
    led.push({ ...thing, leaderId, leaderEpoch })
  }
  return grouped(led, ({ leaderId }) => leaderId)
}

/** Groups things by their topic, in the shape requests have. */
export function byTopic<T extends TopicPartition, P>(
  things: readonly T[],
  shape: (thing: T) => P,
): { readonly name: string; readonly partitions: P[] }[] {
  const topics = grouped(things, ({ topic }) => topic)
  return [...topics].map(([name, ofTopic]) => ({ name, partitions: ofTopic.map(shape) }))
}

/** Asks the leader of partitions; when it does not answer, its topics' metadata is refreshed. */
export async function answerOfLeader<T>(
  metadata: MetadataCache,
  partitions: readonly TopicPartition[],
  ask: () => Promise<T> | T,
): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    for (const { topic } of partitions) metadata.invalidate(topic)
    throw error
  }
}

/**
 * Retries errors that may pass. It does not wait for a partition that does not exist according to
 * the brokers: waiting does not create it.
 */
export async function retryWhileExists<T>(
  metadata: MetadataCache,
  places: readonly TopicPartition[],
  attempt: () => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  let isGone = false
  const isRetriable = ({ retriable }: PartlogError): boolean => retriable && !isGone
  const whileThere = async (): Promise<T> => {
    try {
      return await attempt()
    } catch (error) {
      if (isPartlogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) {
        const there = await Promise.all(places.map(place => partitionExists(metadata, place)))
        isGone = there.includes(false)
      }
      throw error
    }
  }
  return await withRetries(whileThere, { ...options, isRetriable })
}

/**
 * Offsets by time, in the order of the queries; with isolation level 1 logs end at their last
 * stable offset. Throws the first error of any partition.
 */
export async function listOffsets(
  channel: Channel,
  metadata: MetadataCache,
  queries: readonly TimestampQuery[],
  isolationLevel = 0,
): Promise<ListedOffset[]> {
  const found = new Map<string, ListedOffset>()
  for (const [leader, group] of await byLeader(metadata, queries)) {
    const topics = byTopic(group, ({ partition, timestamp, leaderEpoch: currentLeaderEpoch }) => ({
      partitionIndex: partition,
      currentLeaderEpoch,
      timestamp,
    }))
    const response = await answerOfLeader(metadata, group, () =>
      channel.send(leader, 'ListOffsets', { topics, isolationLevel }),
    )
    for (const { name: topic, partitions } of response.topics) {
      for (const answer of partitions) {
        const partition = answer.partitionIndex
        const error = errorFrom(answer, `offsets of ${topic}-${partition}`)
        if (error !== undefined) {
          metadata.invalidate(topic)
          throw error
        }
        const { offset = -1, timestamp = LATEST_TIMESTAMP, leaderEpoch = -1 } = answer
        found.set(`${topic}-${partition}`, { topic, partition, offset, timestamp, leaderEpoch })
      }
    }
  }
  return queries.map(({ topic, partition }) => {
    const answer = found.get(`${topic}-${partition}`)
    if (answer !== undefined) return answer
    const sentence = `the leader's answer has no offset for ${topic}-${partition}`
    throw new PartlogError('UNKNOWN_SERVER_ERROR', sentence)
  })
}

/**
 * The end of the leader's newest epoch that is not newer than `epoch`; undefined when it has none
 * (KIP-320).
 */
export async function endOfEpoch(
  channel: Channel,
  metadata: MetadataCache,
  { topic, partition, epoch }: TopicPartition & { readonly epoch: number },
): Promise<EpochEnd | undefined> {
  const place = { topic, partition }
  const { leaderId, leaderEpoch: currentLeaderEpoch } = await leaderOf(metadata, place)
  const wanted = { partition, currentLeaderEpoch, leaderEpoch: epoch }
  const request = { replicaId: CONSUMER_ID, topics: [{ topic, partitions: [wanted] }] }
  const { topics } = await answerOfLeader(metadata, [place], () =>
    channel.send(leaderId, 'OffsetForLeaderEpoch', request),
  )
  const answer = topics[0]?.partitions[0]
  if (answer === undefined) {
    const sentence = `the leader's answer has no epoch for ${topic}-${partition}`
    throw new PartlogError('UNKNOWN_SERVER_ERROR', sentence)
  }
  const error = errorFrom(answer, `epochs of ${topic}-${partition}`)
  if (error !== undefined) {
    metadata.invalidate(topic)
    throw error
  }
  const { leaderEpoch: found = -1, endOffset = -1 } = answer
  return found < 0 || endOffset < 0 ? undefined : { epoch: found, endOffset }
}

/** The replica id that a consumer sends. */
const CONSUMER_ID = -1

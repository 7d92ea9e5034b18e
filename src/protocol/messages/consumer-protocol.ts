/*
 * The messages between the consumers of a group, which the coordinator passes on:
 *
 *   subscription   int16 version │ topics │ user data │ 1+: owned │ 2+: generation │ 3+: rack
 *   assignment     int16 version │ partitions │ user data
 *
 * New versions only add fields at the end. So an unknown version is read as the highest known one,
 * and the bytes after it are ignored. Version 3 is written, as in Kafka.
 */

import { ByteReader, BytesError } from '../../base/bytes.js'
import { PartlogError } from '../../model/errors.js'
import {
  compareTopicPartitions,
  numbersByTopic,
  type TopicPartition,
} from '../../model/names.js'
import {
  array,
  int32,
  message,
  nullableBytes,
  nullableString,
  read,
  since,
  string,
  struct,
  type Message,
  type ValueOf,
} from '../schema.js'
import { encodeVersioned } from './group-records.js'

/** The protocol type of every group of consumers. */
export const CONSUMER_PROTOCOL = 'consumer'

/** The highest known version of both messages, which is also the written one. */
const CONSUMER_PROTOCOL_VERSION = 3

const RANGE = { versions: [0, CONSUMER_PROTOCOL_VERSION], flexibleSince: Infinity } as const

/** The partitions of one topic. */
export const topicPartitions = struct({ topic: string, partitions: array(int32) })

export const consumerProtocolSubscription = message('ConsumerProtocolSubscription', RANGE, {
  topics: array(string),
  userData: nullableBytes,
  ownedPartitions: since(1, array(topicPartitions), []),
  generationId: since(2, int32, -1),
  rackId: since(3, nullableString, null),
})

export const consumerProtocolAssignment = message('ConsumerProtocolAssignment', RANGE, {
  assignedPartitions: array(topicPartitions),
  userData: nullableBytes,
})

type TopicPartitions = ValueOf<typeof topicPartitions>

/** The subscription a member sends when it joins a group. */
export interface MemberSubscription {
  /** The id the coordinator gave the member. */
  readonly memberId: string
  /** `group.instance.id` of a static member: it stays the same when the member restarts. */
  readonly groupInstanceId?: string
  /** The topics the member wants to read. */
  readonly topics: readonly string[]
  /** The partitions the member owns when it joins; empty if the subscription does not list them. */
  readonly ownedPartitions: readonly TopicPartition[]
  /** The generation in which it owned them; −1 when unknown. */
  readonly generationId: number
  /** `client.rack`: where the member runs. */
  readonly rackId?: string
  /** The assignor's own bytes, from `Assignor.userData`. */
  readonly userData?: Uint8Array
}

/** A subscription without the member's names, which the coordinator adds. */
export type SubscriptionFields = Omit<MemberSubscription, 'memberId' | 'groupInstanceId'>

/** The leader's assignment for one member. */
export interface MemberAssignment {
  readonly partitions: TopicPartition[]
  readonly userData?: Uint8Array
}

/** Sorts topics and partitions, so that equal subscriptions are equal bytes. */
export function encodeSubscription(subscription: SubscriptionFields): Buffer {
  const { topics, userData = null, ownedPartitions, generationId, rackId = null } = subscription
  const value = {
    topics: [...topics].sort(),
    userData,
    ownedPartitions: byTopic([...ownedPartitions].sort(compareTopicPartitions)),
    generationId,
    rackId,
  }
  return encodeVersioned(consumerProtocolSubscription, value, CONSUMER_PROTOCOL_VERSION)
}

/** Bytes that end where version 0 does are read as version 0. User data is a view of `bytes`. */
export function decodeSubscription(
  bytes: Uint8Array,
  memberId: string,
  groupInstanceId?: string,
): MemberSubscription {
  const highest = endsEarly(bytes) ? 0 : CONSUMER_PROTOCOL_VERSION
  const value = readVersion(consumerProtocolSubscription, bytes, highest)
  const { topics, userData, ownedPartitions = [], generationId = -1, rackId } = value
  return {
    memberId,
    ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
    topics,
    ownedPartitions: flat(ownedPartitions),
    generationId,
    // An empty name means no rack.
    ...(rackId ? { rackId } : {}),
    ...(userData === null ? {} : { userData }),
  }
}

/**
 * The topics of a subscription; the fields of later versions are not read. Used by the coordinator,
 * as in Kafka (ClassicGroup.computeSubscribedTopics): some clients write version 1 and end where
 * version 0 does.
 */
export function decodeSubscribedTopics(bytes: Uint8Array): readonly string[] {
  return readVersion(consumerProtocolSubscription, bytes, 0).topics
}

/** Keeps the order of topics and partitions in which the assignor listed them. */
export function encodeAssignment(
  partitions: readonly TopicPartition[],
  userData: Uint8Array | null = null,
): Buffer {
  const value = { assignedPartitions: byTopic(partitions), userData }
  return encodeVersioned(consumerProtocolAssignment, value, CONSUMER_PROTOCOL_VERSION)
}

/** No bytes are an assignment without partitions. User data is a view of `bytes`. */
export function decodeAssignment(bytes: Uint8Array): MemberAssignment {
  if (bytes.byteLength === 0) return { partitions: [] }
  const { assignedPartitions, userData } = readVersion(
    consumerProtocolAssignment,
    bytes,
    CONSUMER_PROTOCOL_VERSION,
  )
  const partitions = flat(assignedPartitions)
  return userData === null ? { partitions } : { partitions, userData }
}

/** Groups partitions by topic, in the order in which topics first occur. */
export function byTopic(partitions: readonly TopicPartition[]): TopicPartitions[] {
  const topics = numbersByTopic(partitions)
  return [...topics].map(([topic, ofTopic]) => ({ topic, partitions: ofTopic }))
}

export function flat(topics: readonly TopicPartitions[]): TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) =>
    partitions.map(partition => ({ topic, partition })),
  )
}

function endsEarly(bytes: Uint8Array): boolean {
  const reader = new ByteReader(bytes)
  try {
    reader.int16()
    read(consumerProtocolSubscription, reader, 0)
    return reader.remaining === 0
  } catch (error) {
    if (error instanceof BytesError) return false
    throw error
  }
}

/** Reads the version before the message, and the message in it, at most in version `highest`. */
function readVersion<T>(layout: Message<T>, bytes: Uint8Array, highest: number): T {
  try {
    const reader = new ByteReader(bytes)
    return read(layout, reader, Math.min(reader.int16(), highest))
  } catch (error) {
    if (!(error instanceof BytesError)) throw error
    throw new PartlogError('CORRUPT_MESSAGE', `${layout.name}: ${error.message}`, { cause: error })
  }
}

/**
 * What the sticky assignors send along with a subscription. An eager member has given everything
 * back by the time it joins, so `sticky` has to say itself what the member had:
 *
 *   sticky               array of { topic, int32 partitions } │ since 1: int32 generation
 *   cooperative-sticky   int32 generation
 *
 * No version stands in these bytes: the longer one is tried first. Bytes that are none of them are
 * a member without a past, not an error: other clients may send what they like.
 */

import { ByteReader, BytesError } from '../../base/bytes.js'
import { compareTopicPartitions, type TopicPartition } from '../../model/names.js'
import { byTopic, flat, topicPartitions } from '../messages/consumer-protocol.js'
import { array, encode, int32, message, read, since, type Message } from '../schema.js'

/** The generation of one who does not know it. */
export const UNKNOWN_GENERATION = -1

/** What a member held, and when. */
export interface Memory {
  readonly partitions: readonly TopicPartition[]
  readonly generationId: number
}

export const stickyUserData = message(
  'StickyUserData',
  { versions: [0, 1], flexibleSince: Infinity },
  {
    previousAssignment: array(topicPartitions),
    generation: since(1, int32, UNKNOWN_GENERATION),
  },
)

export const cooperativeStickyUserData = message(
  'CooperativeStickyUserData',
  { versions: [0, 0], flexibleSince: Infinity },
  { generation: int32 },
)

export function encodeStickyUserData({ partitions, generationId }: Memory): Buffer {
  const previousAssignment = byTopic([...partitions].sort(compareTopicPartitions))
  return encode(stickyUserData, { previousAssignment, generation: generationId }, 1)
}

export function decodeStickyUserData(bytes: Uint8Array | undefined): Memory {
  const value = tryRead(stickyUserData, bytes, 1) ?? tryRead(stickyUserData, bytes, 0)
  const { previousAssignment = [], generation = UNKNOWN_GENERATION } = value ?? {}
  return { partitions: flat(previousAssignment), generationId: generation }
}

export function encodeCooperativeUserData(generationId: number): Buffer {
  return encode(cooperativeStickyUserData, { generation: generationId }, 0)
}

export function decodeCooperativeUserData(bytes: Uint8Array | undefined): number {
  return tryRead(cooperativeStickyUserData, bytes, 0)?.generation ?? UNKNOWN_GENERATION
}

function tryRead<T>(layout: Message<T>, bytes: Uint8Array | undefined, version: number) {
  if (bytes === undefined) return undefined
  try {
    return read(layout, new ByteReader(bytes), version)
  } catch (error) {
    if (error instanceof BytesError) return undefined
    throw error
  }
}

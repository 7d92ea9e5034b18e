/*
 * The user data of the sticky assignors in a subscription. An eager member has revoked all
 * partitions when it joins, so `sticky` itself sends the partitions the member owned:
 *
 *   sticky               array of { topic, int32 partitions } │ since 1: int32 generation
 *   cooperative-sticky   int32 generation
 *
 * These bytes have no version: the longer layout is tried first. Bytes in neither layout are not an
 * error but a member without previous partitions, because other clients may send anything.
 */

import { ByteReader, BytesError } from '../../base/bytes.js'
import { compareTopicPartitions, type TopicPartition } from '../../model/names.js'
import { byTopic, flat, topicPartitions } from '../messages/consumer-protocol.js'
import { array, encode, int32, message, read, since, type Message } from '../schema.js'

/** The generation of a member that does not know it. */
export const UNKNOWN_GENERATION = -1

/** The partitions that a member owned, and in which generation. */
export interface OwnedBefore {
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

const cooperativeStickyUserData = message(
  'CooperativeStickyUserData',
  { versions: [0, 0], flexibleSince: Infinity },
  { generation: int32 },
)

export function encodeStickyUserData({ partitions, generationId }: OwnedBefore): Buffer {
  const previousAssignment = byTopic([...partitions].sort(compareTopicPartitions))
  return encode(stickyUserData, { previousAssignment, generation: generationId }, 1)
}

export function decodeStickyUserData(bytes: Uint8Array | undefined): OwnedBefore {
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

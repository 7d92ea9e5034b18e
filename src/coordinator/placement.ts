/**
 * Which brokers keep which partition. Pure.
 *
 * One broker keeps everything; spreading replicas over several is the same question with more
 * answers, and belongs here.
 */

import { PartlogError } from '../model/errors.js'

export interface PlacementRequest {
  readonly brokerIds: readonly number[]
  readonly partitionCount: number
  readonly replicationFactor: number
}

/** For each partition the brokers that keep it, the preferred leader first. */
export function placeReplicas(request: PlacementRequest): readonly (readonly number[])[] {
  const { brokerIds, partitionCount, replicationFactor } = request
  if (replicationFactor < 1 || replicationFactor > brokerIds.length) {
    throw new PartlogError(
      'INVALID_REPLICATION_FACTOR',
      `replication factor ${replicationFactor}: expected 1 to ${brokerIds.length}, ` +
        'the number of brokers',
    )
  }
  return Array.from({ length: partitionCount }, (_, partition) =>
    Array.from(
      { length: replicationFactor },
      (_unused, replica) => brokerIds[(partition + replica) % brokerIds.length] as number,
    ),
  )
}

/* The replicas on one broker as request handlers and coordinators see them. */

import type { ClusterImage } from '../../coordinator/metadata/cluster-image.js'
import { PartlogError } from '../../model/errors.js'
import { partitionName, type TopicPartition } from '../../model/names.js'
import type { Partition } from '../../partition/partition.js'

export interface Replicas {
  partitions(): Iterable<Partition>
  /** The partition. Throws if this broker has no replica of it, or if it does not exist. */
  partition(topic: string, partition: number): Partition
  find(topic: string, partition: number): Partition | undefined
}

/** Throws why a broker has no replica of a partition: it is elsewhere, or does not exist. */
export function noReplica(nodeId: number, image: ClusterImage, place: TopicPartition): never {
  const name = partitionName(place)
  if (image.topics.get(place.topic)?.partitions[place.partition] !== undefined) {
    const sentence = `broker ${nodeId} has no replica of ${name}`
    throw new PartlogError('NOT_LEADER_OR_FOLLOWER', sentence)
  }
  throw new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', `partition ${name} does not exist`)
}

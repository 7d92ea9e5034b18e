/* The state of a cluster, for people who watch replication. */

import type { PartitionImage } from '../coordinator/metadata/cluster-image.js'
import type { Nodes } from './nodes.js'

/** A broker of the cluster. */
export interface BrokerView {
  readonly id: number
  readonly rack: string | null
  readonly isRunning: boolean
  /** False if the controller has fenced it. */
  readonly isAlive: boolean
}

/** The replica of a partition on one broker. */
export interface ReplicaView {
  readonly broker: number
  /** 'down' if the broker does not run, 'offline' if its log cannot be used. */
  readonly state: 'leader' | 'follower' | 'idle' | 'offline' | 'down'
  readonly isInSync: boolean
  /** These three are −1 if the broker does not run or its log could not be opened. */
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly logEndOffset: number
}

/** A partition with all its replicas. */
export interface PartitionView {
  readonly partition: number
  /** Broker id; −1 if the partition has no leader. */
  readonly leader: number
  readonly leaderEpoch: number
  /** The preferred leader first. */
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly copies: readonly ReplicaView[]
}

/** A topic with its partitions. */
export interface TopicView {
  readonly topic: string
  readonly isInternal: boolean
  readonly partitions: readonly PartitionView[]
}

/** The result of `cluster.describe()`. */
export interface ClusterView {
  readonly brokers: readonly BrokerView[]
  readonly topics: readonly TopicView[]
}

export function describeCluster(set: Nodes): ClusterView {
  const { image } = set.controller
  return {
    brokers: set.brokerIds.map(id => ({
      id,
      rack: image.brokers.get(id)?.rack ?? null,
      isRunning: set.broker(id) !== undefined,
      isAlive: image.isAlive(id),
    })),
    topics: [...image.topics.values()].map(({ name: topic, isInternal, partitions }) => ({
      topic,
      isInternal,
      partitions: partitions.map(partition => describePartition(set, topic, partition)),
    })),
  }
}

function describePartition(
  set: Nodes,
  topic: string,
  { partition, leader, leaderEpoch, replicas, isr }: PartitionImage,
): PartitionView {
  const copies = replicas.map(broker => {
    const isInSync = isr.includes(broker)
    return { broker, isInSync, ...set.copyOf(broker, { topic, partition }) }
  })
  return { partition, leader, leaderEpoch, replicas, isr, copies }
}

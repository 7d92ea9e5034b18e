/* The state of a cluster, for people who watch replication. */

import type { PartitionImage } from '../coordinator/metadata/cluster-image.js'
import type { BrokerSet } from './broker-set.js'

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

export function describeCluster(set: BrokerSet): ClusterView {
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
  set: BrokerSet,
  topic: string,
  { partition, leader, leaderEpoch, replicas, isr }: PartitionImage,
): PartitionView {
  const copies = replicas.map(broker => {
    const isInSync = isr.includes(broker)
    return { broker, isInSync, ...describeCopy(set, broker, { topic, partition }) }
  })
  return { partition, leader, leaderEpoch, replicas, isr, copies }
}

const NO_LOG = { logStartOffset: -1, highWatermark: -1, logEndOffset: -1 }

function describeCopy(
  set: BrokerSet,
  broker: number,
  { topic, partition: number }: { readonly topic: string; readonly partition: number },
): Omit<ReplicaView, 'broker' | 'isInSync'> {
  const partition = set.broker(broker)?.replicas.find(topic, number)
  const log = partition?.replicaLog
  if (partition === undefined) return { state: 'down', ...NO_LOG }
  if (log === undefined) return { state: 'offline', ...NO_LOG }
  const { logStartOffset, logEndOffset } = log
  return {
    state: partition.state,
    logStartOffset,
    highWatermark: partition.highWatermark,
    logEndOffset,
  }
}

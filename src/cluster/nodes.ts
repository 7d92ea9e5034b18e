/*
 * The brokers of a cluster, for those who look at them: those of this process (broker-set.ts), or
 * those of a folder that is read (reading-set.ts).
 */

import type { GroupCoordinator } from '../coordinator/groups/group-coordinator.js'
import type { ClusterImage } from '../coordinator/metadata/cluster-image.js'
import type { RecoveryFinding } from '../log/recovery/recovery.js'
import type { TopicPartition } from '../model/names.js'
import type { Partition } from '../partition/partition.js'
import type { Brokers } from './faults/broker-handle.js'

export interface BrokerNode {
  readonly replicas: {
    isReplicationPaused: boolean
    partitions(): Iterable<Partition>
    find(topic: string, partition: number): Partition | undefined
  }
  readonly groups: { readonly loaded: readonly GroupCoordinator[] }
  /** Folders of partitions that the metadata does not know. */
  readonly unknownFolders: readonly string[]
}

/** How far the log of a replica goes. */
export interface CopyState {
  readonly state: 'leader' | 'follower' | 'idle' | 'offline' | 'down'
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly logEndOffset: number
}

/** What opening the logs has found. */
export interface Opened {
  readonly wasClosedCleanly: boolean
  readonly findings: readonly RecoveryFinding[]
}

/** Hears which brokers run. */
export interface BrokerListener {
  /** The broker was stopped or killed. */
  gone(nodeId: number): void
  /** The broker runs again; `start` waits until this resolves. */
  started(nodeId: number): Promise<void>
}

export interface Nodes extends Brokers {
  readonly controller: { readonly image: ClusterImage }
  readonly running: Iterable<BrokerNode>
  readonly opened: Opened
  broker(nodeId: number): BrokerNode | undefined
  copyOf(nodeId: number, place: TopicPartition): CopyState
  listen(listener: BrokerListener): void
  onNetworkChanged(): Promise<void>
  close(): Promise<void>
}

const NO_LOG = { logStartOffset: -1, highWatermark: -1, logEndOffset: -1 }

/** The replica of a broker; undefined if the broker does not run, or has none. */
export function copyStateOf(partition: Partition | undefined): CopyState {
  if (partition === undefined) return { state: 'down', ...NO_LOG }
  const { replicaLog: log, state, highWatermark } = partition
  if (log === undefined) return { state: 'offline', ...NO_LOG }
  const { logStartOffset, logEndOffset } = log
  return { state, logStartOffset, highWatermark, logEndOffset }
}

/** The words between a partition and those around it: roles, leaderships, what is read. */

import type { Clock } from '../base/clock.js'
import type { ReadBounds } from '../log/log/log-reader.js'
import type { PartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import type { LeaderEpoch, Offset } from '../model/units.js'
import type { InSyncReplicas, IsrRules, IsrView } from './isr.js'

/** What an acknowledged record survives: the death of the process, or a power cut as well. */
export type Durability = 'power' | 'process'

export interface LeaderRole {
  readonly kind: 'leader'
  readonly epoch: LeaderEpoch
  /** The log's end when the leadership began. */
  readonly epochStart: Offset
  readonly isr: InSyncReplicas
}

export type Role =
  | LeaderRole
  | { readonly kind: 'follower'; readonly epoch: LeaderEpoch; readonly leaderId: number }
  | { readonly kind: 'idle' }
  | { readonly kind: 'offline'; readonly error: PartlogError }

export interface PartitionOptions extends IsrRules {
  readonly brokerId: number
  readonly topicPartition: TopicPartition
  readonly topicId: string
  readonly durability: Durability
  readonly clock: Clock
}

/** How much a reader wants; how far it may read is for the leader to say. */
export type ReaderBounds = Omit<ReadBounds, 'upTo'>

/** What may be read of a partition, as a reader is told. */
export interface PartitionRead {
  readonly records: Buffer
  readonly highWatermark: Offset
  readonly logStartOffset: Offset
  /** The follower's log has parted from the leader's: where the epoch it named ends here. */
  readonly diverging?: { readonly epoch: LeaderEpoch; readonly endOffset: Offset } | undefined
}

/** A leadership as the controller announces it. */
export interface Leadership extends IsrView {
  readonly leader: number
  readonly leaderEpoch: LeaderEpoch
}

/** What a follower says when it fetches. */
export interface FollowerFetch {
  readonly replicaId: number
  readonly fetchOffset: Offset
  /** Of its last record; −1 when it has none. */
  readonly lastEpoch: LeaderEpoch
  /** Where its log begins; −1 when it does not say. */
  readonly logStartOffset?: Offset
}

/** What a partition tells the broker it stands on. */
export interface PartitionListener {
  /** Something about the log is worth writing into a checkpoint. */
  onCheckpointable(): void
  /** The leader wants another ISR: `partition.isrProposal`. */
  onIsrWanted(): void
  /** The log has gone offline, or its disk has no room: others should go on without it. */
  onOffline(error: PartlogError): void
}

/** Nobody is told. */
export const DEAF: PartitionListener = {
  onCheckpointable: () => undefined,
  onIsrWanted: () => undefined,
  onOffline: () => undefined,
}

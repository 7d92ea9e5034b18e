/* Types of a partition's interface: roles, leaderships, reads. */

import type { Clock } from '../base/clock.js'
import type { StateTable } from '../base/states.js'
import type { ReadBounds } from '../log/store/read-parts.js'
import type { PartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import type { LeaderEpoch, Offset } from '../model/units.js'
import type { InSyncReplicas, IsrRules, IsrView } from './isr.js'

/** What an acknowledged record survives: the death of the process, or also a power cut. */
export type Durability = 'power' | 'process'

export interface LeaderRole {
  readonly kind: 'leader'
  readonly epoch: LeaderEpoch
  /** The log end offset when the leadership began. */
  readonly epochStart: Offset
  readonly isr: InSyncReplicas
}

export type Role =
  | LeaderRole
  | { readonly kind: 'follower'; readonly epoch: LeaderEpoch; readonly leaderId: number }
  | { readonly kind: 'idle' }
  | { readonly kind: 'offline'; readonly error: PartlogError }

/** A replica that is offline stays so: the partition is opened again as another object. */
export const ROLES: StateTable<Role['kind']> = {
  idle: { follows: ['idle', 'leader', 'follower'] },
  leader: { follows: ['idle', 'follower'] },
  follower: { follows: ['idle', 'follower'] },
  offline: { follows: ['idle', 'leader', 'follower'] },
}

export interface PartitionOptions extends IsrRules {
  readonly brokerId: number
  readonly topicPartition: TopicPartition
  readonly topicId: string
  readonly durability: Durability
  readonly clock: Clock
}

/** How much a reader wants; the leader adds how far it may read. */
export interface ReaderBounds extends Omit<ReadBounds, 'upTo'> {
  /** Whether to read only records of decided transactions (read_committed). Default false. */
  readonly isStable?: boolean
}

/** What a read of a partition returns. */
export interface PartitionRead {
  readonly records: Buffer
  readonly highWatermark: Offset
  readonly logStartOffset: Offset
  /** If the reader's log has diverged: where the epoch it named ends in the leader's log. */
  readonly diverging?: { readonly epoch: LeaderEpoch; readonly endOffset: Offset } | undefined
}

/** A leadership, as the controller has decided it. */
export interface Leadership extends IsrView {
  readonly leader: number
  readonly leaderEpoch: LeaderEpoch
}

/** What a follower reports when it fetches. */
export interface FollowerFetch {
  readonly replicaId: number
  readonly fetchOffset: Offset
  /** Leader epoch of its last record; −1 if it has none. */
  readonly lastEpoch: LeaderEpoch
  /** Its log start offset; −1 if it does not report it. */
  readonly logStartOffset?: Offset
}

/** What a partition tells its broker. */
export interface PartitionListener {
  /** The log has moved so far that a checkpoint is worthwhile. */
  onCheckpointable(): void
  /** The leader proposes another ISR: `partition.isr.pending`. */
  onIsrWanted(): void
  /** The log has gone offline, or its disk is full: other replicas should take over. */
  onOffline(error: PartlogError): void
}

/** Until the broker listens. */
export const NO_LISTENER: PartitionListener = {
  onCheckpointable: () => undefined,
  onIsrWanted: () => undefined,
  onOffline: () => undefined,
}

/* What a consumer asks of its membership in a group, whichever protocol that speaks. */

import type { TopicPartition } from '../../model/names.js'
import type { PartlogError } from '../../model/errors.js'
import type { PartitionCounts } from './group-leader.js'

/** What a group member asks its consumer to do with partitions. */
export interface MemberHost {
  /** The topics subscribed to, as they are now. */
  topics(): readonly string[]
  owned(): TopicPartition[]
  /** Partitions are revoked: processed records are committed, the listener is called. */
  revoke(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void>
  /** Partitions are lost: other members may read them already, nothing can be committed. */
  lose(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void>
  /** Partitions are assigned: their positions are found, the listener is called. */
  take(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void>
  /** The member is out of the group and does not rejoin automatically. */
  failed(error: PartlogError): void
}

export interface GroupMembership {
  /** Asks for a rebalance. `isHurried`: without waiting for the record in hand. */
  rejoin(reason: string, options?: { readonly isHurried?: boolean }): void
  /** Resolves when the member has its partitions; rejects with the error that keeps it out. */
  ready(signal?: AbortSignal): Promise<void>
  /** Leaves the group. Its partitions are revoked first; listeners have until the signal aborts. */
  leave(reason: string, signal: AbortSignal): Promise<void>
  /** The partition counts of the last assignment if this member assigns for the group. */
  readonly countsAsLeader: PartitionCounts | undefined
}

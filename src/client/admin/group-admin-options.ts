/** What an admin is asked about groups, and what it answers. */

import type { TopicPartition } from '../../model/names.js'
import type { OffsetToCommit } from '../line/offset-commit.js'

/**
 * The state of a group, as Kafka names it: 'Empty' without members, 'Stable' when all have their
 * partitions, the others while they are shared out. 'Assigning' and 'Reconciling' are of groups
 * with the newer protocol (KIP-848), on brokers elsewhere; 'Unknown' is all that brokers before
 * Kafka 2.6 say in a list.
 */
export type GroupState =
  | 'Empty'
  | 'PreparingRebalance'
  | 'CompletingRebalance'
  | 'Stable'
  | 'Dead'
  | 'Assigning'
  | 'Reconciling'
  | 'Unknown'

/** Which groups to list. */
export interface ListGroupsOptions {
  /** Only groups in one of these states. Default: all. */
  readonly states?: readonly GroupState[] | undefined
}

/** A group as `listGroups` gives it. */
export interface GroupListing {
  readonly groupId: string
  readonly state: GroupState
  /** 'consumer'; '' for a group that nobody has ever joined, it only keeps offsets. */
  readonly protocolType: string
}

/** A member of a group. */
export interface GroupMemberDescription {
  readonly memberId: string
  /** null: no static member. */
  readonly groupInstanceId: string | null
  readonly clientId: string
  /** '' for a client in the cluster's own process. */
  readonly clientHost: string
  /** The topics it subscribes to; none while the group has no assignor yet. */
  readonly topics: readonly string[]
  /** The partitions it was given; none while they are shared out. */
  readonly partitions: readonly TopicPartition[]
}

/** A group and who is in it. */
export interface GroupDescription extends GroupListing {
  /** How partitions are shared out; null unless the group is 'Stable'. */
  readonly assignor: string | null
  /** The id of the broker that coordinates the group. */
  readonly coordinator: number
  readonly members: readonly GroupMemberDescription[]
}

/** Who is to be taken out of a group. */
export interface RemoveGroupMembersRequest {
  readonly groupId: string
  /** Each by its member id, or a static one by its instance id. Default: all. */
  readonly members?:
    | readonly ({ readonly memberId: string } | { readonly groupInstanceId: string })[]
    | undefined
}

/** What a group has committed for a partition, and how far behind it is. */
export interface GroupOffsetListing extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number
  readonly metadata: string
  /** The offset behind the last committed record of the partition. */
  readonly endOffset: number
  /** Records the group has not read yet. */
  readonly lag: number
}

/** How far behind a group is in one partition. */
export interface PartitionLag extends TopicPartition {
  /** The next offset to read, as committed; null when nothing is. */
  readonly offset: number | null
  readonly metadata: string
  /** The offset behind the last committed record; null while nobody leads the partition. */
  readonly endOffset: number | null
  /** Records the group has not read yet; null when one of the two is not known. */
  readonly lag: number | null
  /** Who reads the partition; null when nobody does. */
  readonly member: Omit<GroupMemberDescription, 'topics' | 'partitions'> | null
}

/** How far behind a group is. */
export interface GroupLag {
  readonly groupId: string
  readonly state: GroupState
  /** Every partition it has committed or reads, sorted. */
  readonly partitions: readonly PartitionLag[]
  /** The sum of what is known. */
  readonly totalLag: number
}

/** What may be done to a group that has members. */
export interface ActiveGroupOptions {
  /**
   * Also while consumers are in the group: all are taken out, the offsets are changed, and they
   * join again by themselves and read from there. What they have processed and not committed is
   * forgotten, in all their partitions: those records come again. Default false: then a group with
   * members is refused with NON_EMPTY_GROUP.
   */
  readonly evenIfActive?: boolean | undefined
}

/** Offsets a group shall have. */
export interface AlterGroupOffsetsRequest extends ActiveGroupOptions {
  readonly groupId: string
  readonly offsets: readonly OffsetToCommit[]
}

/**
 * Where a group is moved to. `timestamp`: the first record that is not older, the end when there is
 * none. `shiftBy`: so many records forward, or back when negative. `offsets`: one for each
 * partition. What lies outside of a log becomes its first offset or its end.
 */
export type ResetTarget =
  | 'earliest'
  | 'latest'
  | { readonly timestamp: number | Date }
  | { readonly offset: number }
  | { readonly shiftBy: number }
  | { readonly offsets: readonly (TopicPartition & { readonly offset: number })[] }

/** What shall be moved, and where to. */
export interface ResetGroupOffsetsRequest extends ActiveGroupOptions {
  readonly groupId: string
  readonly to: ResetTarget
  /**
   * All partitions of these topics. Without topics and partitions: what the group has committed.
   */
  readonly topics?: readonly string[] | undefined
  /** These partitions. */
  readonly partitions?: readonly TopicPartition[] | undefined
  /** Only tell what would be done. Default false. */
  readonly dryRun?: boolean | undefined
}

/** Where a group has been moved to. */
export interface ResetOffset extends TopicPartition {
  /** What was committed before; null when nothing was. */
  readonly before: number | null
  /** The next offset to read from now on. */
  readonly offset: number
}

/** Commits to be taken back. */
export interface DeleteGroupOffsetsRequest {
  readonly groupId: string
  readonly partitions: readonly TopicPartition[]
}

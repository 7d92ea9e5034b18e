/* Arguments and results of an admin's calls about groups. */

import type { TopicPartition } from '../../model/names.js'
import type { OffsetToCommit } from '../line/offset-commit.js'

/**
 * The state of a group, as Kafka names it: 'Empty' without members, 'Stable' when every member has
 * its partitions, 'PreparingRebalance' and 'CompletingRebalance' during a rebalance. 'Assigning'
 * and 'Reconciling' are states of groups whose coordinator assigns (KIP-848). Brokers before
 * Kafka 2.6 list every group as 'Unknown'.
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

/**
 * How the members of a group share partitions: 'classic', or 'consumer' (KIP-848). Kafka's brokers
 * have 'share' and 'streams' groups, too.
 */
export type GroupType = 'classic' | 'consumer' | 'share' | 'streams'

/** A group as `listGroups` returns it. */
export interface GroupListing {
  readonly groupId: string
  /** 'classic' for groups of brokers before Kafka 3.8, which do not say. */
  readonly type: GroupType
  readonly state: GroupState
  /** 'consumer'; '' for a group that never had members and only keeps offsets. */
  readonly protocolType: string
}

/** A member of a group. */
export interface GroupMemberDescription {
  readonly memberId: string
  /** null when the member is not static. */
  readonly groupInstanceId: string | null
  readonly clientId: string
  /** '' for a client in the cluster's own process. */
  readonly clientHost: string
  /** The topics it subscribes to; none while the group has no assignor yet. */
  readonly topics: readonly string[]
  /** The partitions assigned to it; none during a rebalance. */
  readonly partitions: readonly TopicPartition[]
}

/** A group and its members. */
export interface GroupDescription extends GroupListing {
  /** The assignor of the group; null unless the group is 'Stable' or of type 'consumer'. */
  readonly assignor: string | null
  /** The id of the broker that coordinates the group. */
  readonly coordinator: number
  readonly members: readonly GroupMemberDescription[]
}

/** Which members to remove from a group. */
export interface RemoveGroupMembersRequest {
  readonly groupId: string
  /** Each by its member id, or a static member by its instance id. Default: all. */
  readonly members?:
    | readonly ({ readonly memberId: string } | { readonly groupInstanceId: string })[]
    | undefined
}

/** The committed offset of a group for a partition, and its lag. */
export interface GroupOffsetListing extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number
  readonly metadata: string
  /** The offset after the last committed record of the partition. */
  readonly endOffset: number
  /** Records the group has not read yet. */
  readonly lag: number
}

/** The lag of a group in one partition. */
export interface PartitionLag extends TopicPartition {
  /** The next offset to read, as committed; null when nothing is. */
  readonly offset: number | null
  readonly metadata: string
  /** The offset after the last committed record; null while the partition has no leader. */
  readonly endOffset: number | null
  /** Records the group has not read yet; null when `offset` or `endOffset` is. */
  readonly lag: number | null
  /** The member that reads the partition; null when none does. */
  readonly member: Omit<GroupMemberDescription, 'topics' | 'partitions'> | null
}

/** The lag of a group. */
export interface GroupLag {
  readonly groupId: string
  readonly state: GroupState
  /** Every partition that has a committed offset or is assigned to a member, sorted. */
  readonly partitions: readonly PartitionLag[]
  /** The sum of the lags that are known. */
  readonly totalLag: number
}

/** Whether offsets may be changed while the group has members. */
export interface ActiveGroupOptions {
  /**
   * Changes the offsets even while the group has members: all members are removed, the offsets are
   * changed, and the members join again automatically and read from there. Records they have
   * processed and not committed are delivered again, in all their partitions. Default false: then
   * a group with members is refused with NON_EMPTY_GROUP.
   */
  readonly evenIfActive?: boolean | undefined
}

/** New committed offsets of a group. */
export interface AlterGroupOffsetsRequest extends ActiveGroupOptions {
  readonly groupId: string
  readonly offsets: readonly OffsetToCommit[]
}

/**
 * Where to move a group. `timestamp`: the first record that is not older, or the end when there is
 * none. `shiftBy`: this many offsets forward, or back when negative. `offsets`: one for each
 * partition. An offset outside of a log becomes the log's first offset or its end.
 */
export type ResetTarget =
  | 'earliest'
  | 'latest'
  | { readonly timestamp: number | Date }
  | { readonly offset: number }
  | { readonly shiftBy: number }
  | { readonly offsets: readonly (TopicPartition & { readonly offset: number })[] }

/** Which committed offsets to move, and where. */
export interface ResetGroupOffsetsRequest extends ActiveGroupOptions {
  readonly groupId: string
  readonly to: ResetTarget
  /**
   * All partitions of these topics. Without topics and partitions: those with a committed offset.
   */
  readonly topics?: readonly string[] | undefined
  /** These partitions. */
  readonly partitions?: readonly TopicPartition[] | undefined
  /** Only returns what would change. Default false. */
  readonly dryRun?: boolean | undefined
}

/** The committed offset of a partition before and after a reset. */
export interface ResetOffset extends TopicPartition {
  /** What was committed before; null when nothing was. */
  readonly before: number | null
  /** The next offset to read from now on. */
  readonly offset: number
}

/** Which committed offsets to delete. */
export interface DeleteGroupOffsetsRequest {
  readonly groupId: string
  readonly partitions: readonly TopicPartition[]
}

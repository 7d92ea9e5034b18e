/** What applications ask of an admin, and what it answers. */

import type { TopicPartition } from '../../model/names.js'
import type {
  KafkaTopicSetting,
  TopicConfigInput,
  TopicSetting,
} from '../../model/topic-settings.js'
import type {
  DeleteGroupOffsetsRequest,
  GroupDescription,
  GroupLag,
  GroupListing,
  GroupOffsetListing,
  ListGroupsOptions,
  RemoveGroupMembersRequest,
  ResetOffset,
  ResetGroupOffsetsRequest,
  AlterGroupOffsetsRequest,
} from './group-admin-options.js'
import type { NewPartitions, NewTopic } from './new-topic.js'

/** Options of an admin. Kafka's names in camelCase and Kafka's defaults. */
export interface AdminOptions {
  /** Names the client in errors and logs of brokers. Default 'admin'. */
  readonly clientId?: string | undefined
  /** How long a broker may take to answer. Milliseconds. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined
  /** How long a call may take with all its repetitions. Milliseconds. Default 60,000. */
  readonly defaultApiTimeoutMs?: number | undefined
  /** Wait before the first repetition; doubles each time. Milliseconds. Default 100. */
  readonly retryBackoffMs?: number | undefined
  /** Longest wait before a repetition. Milliseconds. Default 1,000. */
  readonly retryBackoffMaxMs?: number | undefined
}

/** A partition and who keeps it. */
export interface PartitionDescription {
  readonly partition: number
  /** Broker id, −1 when nobody leads it now. */
  readonly leader: number
  readonly leaderEpoch: number
  /** Broker ids, the preferred leader first. */
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

/** A topic and its partitions. */
export interface TopicDescription {
  readonly topic: string
  readonly topicId: string
  /** Belongs to the system: readable, never written by applications. */
  readonly isInternal: boolean
  readonly partitions: readonly PartitionDescription[]
}

/** An election that is asked for. */
export interface ElectLeadersRequest {
  readonly type: 'preferred' | 'unclean'
  /** Default: all partitions of all topics. */
  readonly partitions?: readonly TopicPartition[] | undefined
}

/** A setting of a topic. */
export interface TopicSettingValue {
  /** A real broker has others besides those of TopicSetting. */
  readonly name: TopicSetting | KafkaTopicSetting | (string & {})
  /** null when it is not set and has no default. */
  readonly value: string | null
  readonly isDefault: boolean
}

/** A place in a log: an offset, or an offset found by time. */
export type OffsetSpec = 'earliest' | 'latest' | 'max-timestamp' | number | Date

/** Which offsets are asked for. */
export interface ListOffsetsRequest {
  readonly topic: string
  /** Default 'latest'. */
  readonly at?: OffsetSpec | undefined
}

/** The offset that was asked for in each partition of a topic, with its time; null for none. */
export type ListedOffsets = (TopicPartition & {
  offset: number | null
  timestamp: number | null
})[]

/** Settings of a topic as they are to be; null takes one back to its default. */
export type TopicConfigChanges = {
  readonly [K in keyof TopicConfigInput]?: TopicConfigInput[K] | null
}

/** Which settings of a topic are to change. */
export interface AlterConfigRequest {
  readonly topic: string
  readonly config: TopicConfigChanges
}

/**
 * Manages a cluster: `cluster.admin`, or one with options of its own, `cluster.adminClient()`.
 * Every rejection is a PartlogError.
 */
export interface Admin {
  /**
   * Makes a topic; resolves when it is durable and its partitions can be written.
   * Rejects with TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS,
   * INVALID_REPLICATION_FACTOR or INVALID_CONFIG; then nothing was made.
   */
  createTopic(topic: NewTopic): Promise<void>
  /** Deletes a topic with all its records. Rejects with UNKNOWN_TOPIC_OR_PARTITION. */
  deleteTopic(topic: string): Promise<void>
  /** The names of all topics, sorted; those of the system only when asked for. */
  listTopics(options?: { readonly includeInternal?: boolean }): Promise<string[]>
  /** A topic and its partitions. Rejects with UNKNOWN_TOPIC_OR_PARTITION. */
  describeTopic(topic: string): Promise<TopicDescription>
  /**
   * Gives a topic more partitions: `partitions` is their number afterwards. Records stay where they
   * are, but keys may go to other partitions from then on. Rejects with INVALID_PARTITIONS when the
   * number does not grow, with INVALID_REPLICA_ASSIGNMENT when `assignments` do not fit; then
   * nothing has changed.
   */
  createPartitions(request: NewPartitions): Promise<void>
  /**
   * Has the leaders of partitions elected: 'preferred' gives the leadership back to the first of
   * the replicas, 'unclean' to any that is alive where nobody leads, which may lose records.
   * Partitions that need no election are left as they are. Rejects with
   * PREFERRED_LEADER_NOT_AVAILABLE or ELIGIBLE_LEADERS_NOT_AVAILABLE when one could not be had,
   * after all were tried; with UNKNOWN_TOPIC_OR_PARTITION.
   */
  electLeaders(request: ElectLeadersRequest): Promise<void>
  /** All settings of a topic, under Kafka's names. */
  describeConfig(topic: string): Promise<TopicSettingValue[]>
  /**
   * Changes settings of a topic, at once and durably; null takes one back to its default. Rejects
   * with INVALID_CONFIG; then none of them has changed.
   */
  alterConfig(request: AlterConfigRequest): Promise<void>
  /**
   * As `alterConfig({ topic, config })`.
   * @deprecated Say it with an object.
   */
  alterConfig(topic: string, changes: TopicConfigChanges): Promise<void>
  /**
   * Deletes the records of a partition below `offset`; 'latest' means all that are committed.
   * Resolves with the low watermark when the new first offset is durable on every replica whose
   * broker is alive, so that nothing below comes back. Rejects with OFFSET_OUT_OF_RANGE above the
   * high watermark, with POLICY_VIOLATION for a compacted topic, and with REQUEST_TIMED_OUT when a
   * live replica does not follow: readers do not see the records any more, and the replica deletes
   * them when it follows again.
   */
  deleteRecords(request: TopicPartition & { readonly offset: number | 'latest' }): Promise<number>
  /**
   * Offsets of a topic's partitions: the first ('earliest'), the one behind the last committed
   * ('latest', default), that of the newest time ('max-timestamp'), or the first record that is not
   * older than a time. null when there is none.
   */
  listOffsets(request: ListOffsetsRequest): Promise<ListedOffsets>
  /**
   * As `listOffsets({ topic, at })`.
   * @deprecated Say it with an object.
   */
  listOffsets(topic: string, at?: OffsetSpec): Promise<ListedOffsets>
  /** All groups that have a member or have committed something, sorted by id. */
  listGroups(options?: ListGroupsOptions): Promise<GroupListing[]>
  /** Groups and their members, in the order of the ids. Rejects with GROUP_ID_NOT_FOUND. */
  describeGroups(groupIds: readonly string[]): Promise<GroupDescription[]>
  /**
   * Forgets groups and all they have committed. Rejects with NON_EMPTY_GROUP for one that has
   * members and with GROUP_ID_NOT_FOUND, after all were tried; the sentence names who failed.
   */
  deleteGroups(groupIds: readonly string[]): Promise<void>
  /**
   * Takes members out of a group, all or certain ones (KIP-571). A consumer that lives joins again
   * by itself; what it has not committed it reads again. Rejects with UNKNOWN_MEMBER_ID when one
   * that was named is not in the group, after the others were taken out; with GROUP_ID_NOT_FOUND.
   */
  removeGroupMembers(request: RemoveGroupMembersRequest): Promise<void>
  /** What a group has committed, with its lag; sorted by topic and partition. */
  listGroupOffsets(groupId: string): Promise<GroupOffsetListing[]>
  /**
   * How far behind a group is, in every partition that it has committed or that a member reads.
   * Rejects with GROUP_ID_NOT_FOUND.
   */
  groupLag(groupId: string): Promise<GroupLag>
  /**
   * Commits offsets for a group, all or none; makes the group if there is none. Rejects with
   * NON_EMPTY_GROUP while the group has members, unless `evenIfActive` is said; with
   * UNKNOWN_TOPIC_OR_PARTITION.
   */
  alterGroupOffsets(request: AlterGroupOffsetsRequest): Promise<void>
  /**
   * As `alterGroupOffsets`.
   * @deprecated That is its name now.
   */
  setOffsets(request: AlterGroupOffsetsRequest): Promise<void>
  /**
   * Moves a group to another place in its partitions, and tells where it was and where it is now.
   * With `dryRun` it only tells. Rejects as `alterGroupOffsets` does, also with `dryRun`; with
   * GROUP_ID_NOT_FOUND when neither topics nor partitions are given and there is no such group;
   * with NO_OFFSET_FOR_PARTITION when there is nothing `shiftBy` could count from.
   */
  resetGroupOffsets(request: ResetGroupOffsetsRequest): Promise<ResetOffset[]>
  /**
   * Takes back what a group has committed for these partitions, all or none. Rejects with
   * GROUP_SUBSCRIBED_TO_TOPIC while a member reads the topic, with GROUP_ID_NOT_FOUND.
   */
  deleteGroupOffsets(request: DeleteGroupOffsetsRequest): Promise<void>
}

/** An admin with options of its own, made by `cluster.adminClient()`. Closed with the cluster. */
export interface AdminClient extends Admin {
  /** Gives its connections back. Calls under way and later ones reject with CLOSED. */
  close(): Promise<void>
  /** Closes it: `await using admin = cluster.adminClient({ … })`. */
  [Symbol.asyncDispose](): Promise<void>
}

/* The public interface of an admin, and its options. */

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
  /** How long a call may take, including all its retries. Milliseconds. Default 60,000. */
  readonly defaultApiTimeoutMs?: number | undefined
  /** Pause before the first retry; it doubles each time. Milliseconds. Default 100. */
  readonly retryBackoffMs?: number | undefined
  /** Longest pause before a retry. Milliseconds. Default 1,000. */
  readonly retryBackoffMaxMs?: number | undefined
}

/** A partition and its replicas. */
export interface PartitionDescription {
  readonly partition: number
  /** Broker id; −1 while the partition has no leader. */
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
  /** An internal topic: applications may read it, but not write to it. */
  readonly isInternal: boolean
  readonly partitions: readonly PartitionDescription[]
}

/** Which leaders to elect. */
export interface ElectLeadersRequest {
  readonly type: 'preferred' | 'unclean'
  /** Default: all partitions of all topics. */
  readonly partitions?: readonly TopicPartition[] | undefined
}

/** A setting of a topic. */
export interface TopicSettingValue {
  /** A Kafka broker has more settings than those of TopicSetting. */
  readonly name: TopicSetting | KafkaTopicSetting | (string & {})
  /** null when it is not set and has no default. */
  readonly value: string | null
  readonly isDefault: boolean
}

/** The log of a partition on one broker. */
export interface LogDescription extends TopicPartition {
  /** Bytes of its segments. */
  readonly sizeBytes: number
}

/** The folder in which a broker keeps its logs. */
export interface LogDirDescription {
  readonly broker: number
  /** An absolute path on the broker's machine; in memory a word for it. */
  readonly logDir: string
  readonly logs: readonly LogDescription[]
}

/** A place in a log: an offset, or an offset found by time. */
export type OffsetSpec = 'earliest' | 'latest' | 'max-timestamp' | number | Date

/** Which offsets to list. */
export interface ListOffsetsRequest {
  readonly topic: string
  /** Default 'latest'. */
  readonly at?: OffsetSpec | undefined
}

/** The offset found in each partition of a topic, with its timestamp; null when there is none. */
export type ListedOffsets = (TopicPartition & {
  offset: number | null
  timestamp: number | null
})[]

/** New values of a topic's settings; null resets a setting to its default. */
export type TopicConfigChanges = {
  readonly [K in keyof TopicConfigInput]?: TopicConfigInput[K] | null
}

/** Which settings of a topic to change. */
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
   * Creates a topic; resolves when it is durable and its partitions can be written.
   * Rejects with TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS,
   * INVALID_REPLICATION_FACTOR or INVALID_CONFIG; then nothing was created.
   */
  createTopic(topic: NewTopic): Promise<void>
  /** Deletes a topic with all its records. Rejects with UNKNOWN_TOPIC_OR_PARTITION. */
  deleteTopic(topic: string): Promise<void>
  /** The names of all topics, sorted; internal topics only with `includeInternal`. */
  listTopics(options?: { readonly includeInternal?: boolean }): Promise<string[]>
  /** A topic and its partitions. Rejects with UNKNOWN_TOPIC_OR_PARTITION. */
  describeTopic(topic: string): Promise<TopicDescription>
  /**
   * Adds partitions to a topic: `partitions` is the new total. Existing records stay where they
   * are, but keys may map to other partitions from then on. Rejects with INVALID_PARTITIONS when
   * the total does not grow, with INVALID_REPLICA_ASSIGNMENT when `assignments` do not fit; then
   * nothing has changed.
   */
  createPartitions(request: NewPartitions): Promise<void>
  /**
   * Elects leaders of partitions: 'preferred' elects the first replica of each, 'unclean' elects
   * any live replica of a partition that has no leader, which may lose records. Partitions that
   * need no election do not change. Rejects with PREFERRED_LEADER_NOT_AVAILABLE or
   * ELIGIBLE_LEADERS_NOT_AVAILABLE when an election failed, after all were tried; with
   * UNKNOWN_TOPIC_OR_PARTITION.
   */
  electLeaders(request: ElectLeadersRequest): Promise<void>
  /**
   * The logs of every broker that is alive, with their bytes; sorted by broker, folder, topic and
   * partition. Rejects with KAFKA_STORAGE_ERROR when a folder is offline (Kafka's
   * `describeLogDirs`).
   */
  describeLogDirs(): Promise<LogDirDescription[]>
  /** All settings of a topic, under Kafka's names. */
  describeConfig(topic: string): Promise<TopicSettingValue[]>
  /**
   * Changes settings of a topic, at once and durably; null resets a setting to its default. Rejects
   * with INVALID_CONFIG; then no setting has changed.
   */
  alterConfig(request: AlterConfigRequest): Promise<void>
  /**
   * As `alterConfig({ topic, config })`.
   * @deprecated Pass one object.
   */
  alterConfig(topic: string, changes: TopicConfigChanges): Promise<void>
  /**
   * Deletes the records of a partition below `offset`; 'latest' means all records below the high
   * watermark. Resolves with the low watermark when the new log start offset is durable on every
   * replica whose broker is alive, so that no deleted record reappears. Rejects with
   * OFFSET_OUT_OF_RANGE above the high watermark, with POLICY_VIOLATION for a compacted topic, and
   * with REQUEST_TIMED_OUT when a live replica does not follow: consumers no longer see the
   * records, and the replica deletes them when it follows again.
   */
  deleteRecords(request: TopicPartition & { readonly offset: number | 'latest' }): Promise<number>
  /**
   * Offsets of a topic's partitions: the first ('earliest'), the high watermark ('latest',
   * default), the record with the newest timestamp ('max-timestamp'), or the first record that is
   * not older than a time. null when there is none.
   */
  listOffsets(request: ListOffsetsRequest): Promise<ListedOffsets>
  /**
   * As `listOffsets({ topic, at })`.
   * @deprecated Pass one object.
   */
  listOffsets(topic: string, at?: OffsetSpec): Promise<ListedOffsets>
  /** All groups that have a member or a committed offset, sorted by id. */
  listGroups(options?: ListGroupsOptions): Promise<GroupListing[]>
  /** Groups and their members, in the order of the ids. Rejects with GROUP_ID_NOT_FOUND. */
  describeGroups(groupIds: readonly string[]): Promise<GroupDescription[]>
  /**
   * Deletes groups and all their committed offsets. Rejects with NON_EMPTY_GROUP for a group that
   * has members and with GROUP_ID_NOT_FOUND, after all were tried; the message names the groups
   * that failed.
   */
  deleteGroups(groupIds: readonly string[]): Promise<void>
  /**
   * Removes members from a group, all or certain ones (KIP-571). A running consumer joins again
   * automatically and reads its uncommitted records again. Rejects with UNKNOWN_MEMBER_ID when a
   * named member is not in the group, after the others were removed; with GROUP_ID_NOT_FOUND.
   */
  removeGroupMembers(request: RemoveGroupMembersRequest): Promise<void>
  /** The committed offsets of a group, with their lag; sorted by topic and partition. */
  listGroupOffsets(groupId: string): Promise<GroupOffsetListing[]>
  /**
   * The lag of a group in every partition that has a committed offset or is assigned to a member.
   * Rejects with GROUP_ID_NOT_FOUND.
   */
  groupLag(groupId: string): Promise<GroupLag>
  /**
   * Commits offsets for a group, all or none; creates the group if it does not exist. Rejects with
   * NON_EMPTY_GROUP while the group has members, unless `evenIfActive` is set; with
   * UNKNOWN_TOPIC_OR_PARTITION.
   */
  alterGroupOffsets(request: AlterGroupOffsetsRequest): Promise<void>
  /**
   * As `alterGroupOffsets`.
   * @deprecated Use `alterGroupOffsets`.
   */
  setOffsets(request: AlterGroupOffsetsRequest): Promise<void>
  /**
   * Moves the committed offsets of a group; resolves with the offsets before and after. With
   * `dryRun` nothing changes. Rejects as `alterGroupOffsets` does, also with `dryRun`; with
   * GROUP_ID_NOT_FOUND when neither topics nor partitions are given and the group does not exist;
   * with NO_OFFSET_FOR_PARTITION when there is no committed offset for `shiftBy` to start from.
   */
  resetGroupOffsets(request: ResetGroupOffsetsRequest): Promise<ResetOffset[]>
  /**
   * Deletes the committed offsets of a group for these partitions, all or none. Rejects with
   * GROUP_SUBSCRIBED_TO_TOPIC while a member reads the topic, with GROUP_ID_NOT_FOUND.
   */
  deleteGroupOffsets(request: DeleteGroupOffsetsRequest): Promise<void>
}

/** An admin with options of its own, made by `cluster.adminClient()`. Closed with the cluster. */
export interface AdminClient extends Admin {
  /** Closes its connections. Calls under way and later ones reject with CLOSED. */
  close(): Promise<void>
  /** Closes it: `await using admin = cluster.adminClient({ … })`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Administration: topics, their settings and records, groups and their offsets. */

import { show } from '../../base/options.js'
import { errorId, PartlogError } from '../../model/errors.js'
import { checkOffset, checkTopicName, type TopicPartition } from '../../model/names.js'
import {
  settingTexts,
  type KafkaTopicSetting,
  type TopicConfigInput,
  type TopicSetting,
} from '../../model/topic-settings.js'
import { CONFIG_OPERATION, CONFIG_SOURCE, TOPIC_RESOURCE } from '../../protocol/messages/configs.js'
import { ELECTION_TYPE } from '../../protocol/messages/elections.js'
import {
  EARLIEST_TIMESTAMP,
  LATEST_TIMESTAMP,
  MAX_TIMESTAMP,
} from '../../protocol/messages/offsets.js'
import {
  checkFields,
  checkFlag,
  checkPartitions,
  checkTopicPartition,
  invalidArgument,
} from '../line/client-arguments.js'
import { clientSettings } from '../line/client-config.js'
import { throwIfError } from '../line/client-errors.js'
import { knownTopic, type KnownTopic } from '../line/metadata-cache.js'
import { byTopic } from '../line/requests.js'
import { ADMIN_OPTIONS, type AdminSettings } from './admin-config.js'
import { AdminRequests, type AdminContext } from './admin-requests.js'
import type {
  DeleteGroupOffsetsRequest,
  GroupDescription,
  GroupLag,
  GroupListing,
  GroupOffsetListing,
  ListGroupsOptions,
  RemoveMembersRequest,
  ResetOffset,
  ResetOffsetsRequest,
  SetOffsetsRequest,
} from './group-admin-options.js'
import { GroupAdmin } from './group-admin.js'
import { GroupOffsets } from './group-offsets.js'
import {
  newPartitionsFields,
  newTopicFields,
  type NewPartitions,
  type NewTopic,
} from './new-topic.js'

/** Options of an admin client. */
export interface AdminOptions {
  /** How long a broker may take to answer. Milliseconds. Default 30,000. */
  readonly requestTimeoutMs?: number
  /** How long a call may take with all its repetitions. Milliseconds. Default 60,000. */
  readonly defaultApiTimeoutMs?: number
  /** Wait before the first repetition; doubles each time. Milliseconds. Default 100. */
  readonly retryBackoffMs?: number
  /** Longest wait before a repetition. Milliseconds. Default 1,000. */
  readonly retryBackoffMaxMs?: number
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
  readonly partitions?: readonly TopicPartition[]
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

const SPECIAL_TIMESTAMPS: Readonly<Record<string, number>> = {
  earliest: EARLIEST_TIMESTAMP,
  latest: LATEST_TIMESTAMP,
  'max-timestamp': MAX_TIMESTAMP,
}

/** Manages a cluster. Reached as `cluster.admin`. Every rejection is a PartlogError. */
export class Admin {
  readonly #settings: AdminSettings
  readonly #requests: AdminRequests
  readonly #groups: GroupAdmin
  readonly #groupOffsets: GroupOffsets

  /** @internal use `cluster.admin`. */
  constructor(context: AdminContext, options: AdminOptions = {}) {
    this.#settings = clientSettings(ADMIN_OPTIONS, options, 'admin option')
    this.#requests = new AdminRequests(context, this.#settings)
    this.#groups = new GroupAdmin(this.#requests)
    this.#groupOffsets = new GroupOffsets(this.#requests)
  }

  // ── topics ─────────────────────────────────────────────────────────────────────────────

  /**
   * Makes a topic; resolves when it is durable and its partitions can be written.
   * Rejects with TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS,
   * INVALID_REPLICATION_FACTOR or INVALID_CONFIG; then nothing was made.
   */
  async createTopic(topic: NewTopic): Promise<void> {
    const fields = newTopicFields(topic)
    const { validateOnly = false } = topic
    checkFlag(validateOnly, 'validateOnly')
    const request = { topics: [fields], validateOnly }
    const { topics } = await this.#requests.ask('CreateTopics', request)
    for (const answer of topics) throwIfError(answer, `topic ${answer.name}`)
  }

  /** Deletes a topic with all its records. Rejects with UNKNOWN_TOPIC_OR_PARTITION. */
  async deleteTopic(topic: string): Promise<void> {
    checkTopicName(topic)
    const request = { topics: [{ name: topic }], timeoutMs: this.#settings.requestTimeoutMs }
    const { responses } = await this.#requests.ask('DeleteTopics', request)
    for (const answer of responses) throwIfError(answer, `topic ${topic}`)
  }

  /** The names of all topics, sorted; those of the system only when asked for. */
  async listTopics(options: { readonly includeInternal?: boolean } = {}): Promise<string[]> {
    checkFields(options, 'listTopics', ['includeInternal'])
    checkFlag(options.includeInternal, 'includeInternal')
    const topics = await this.#allTopics()
    return topics
      .filter(topic => options.includeInternal === true || !topic.isInternal)
      .map(topic => topic.name)
      .sort()
  }

  /** A topic and its partitions. Rejects with UNKNOWN_TOPIC_OR_PARTITION. */
  async describeTopic(topic: string): Promise<TopicDescription> {
    checkTopicName(topic)
    const request = { topics: [{ name: topic }], allowAutoTopicCreation: false }
    const { topics } = await this.#requests.ask('Metadata', request)
    const found = topics[0]
    if (found === undefined) throw new PartlogError('UNKNOWN_SERVER_ERROR', 'no answer')
    throwIfError(found, `topic ${topic}`)
    return {
      topic,
      topicId: found.topicId ?? '',
      isInternal: found.isInternal ?? false,
      partitions: found.partitions
        .map(each => ({
          partition: each.partitionIndex,
          leader: each.leaderId,
          leaderEpoch: each.leaderEpoch ?? -1,
          replicas: each.replicaNodes,
          isr: each.isrNodes,
        }))
        .sort((a, b) => a.partition - b.partition), // brokers name them in any order
    }
  }

  /**
   * Gives a topic more partitions: `partitions` is their number afterwards. Records stay where they
   * are, but keys may go to other partitions from then on. Rejects with INVALID_PARTITIONS when the
   * number does not grow, with INVALID_REPLICA_ASSIGNMENT when `assignments` do not fit; then
   * nothing has changed.
   */
  async createPartitions(request: NewPartitions): Promise<void> {
    const { results } = await this.#requests.ask('CreatePartitions', {
      topics: [newPartitionsFields(request)],
      timeoutMs: this.#settings.requestTimeoutMs,
      validateOnly: request.validateOnly ?? false,
    })
    for (const answer of results) throwIfError(answer, `topic ${request.topic}`)
  }

  /**
   * Has the leaders of partitions elected: 'preferred' gives the leadership back to the first of
   * the replicas, 'unclean' to any that is alive where nobody leads, which may lose records.
   * Partitions that need no election are left as they are. Rejects with
   * PREFERRED_LEADER_NOT_AVAILABLE or ELIGIBLE_LEADERS_NOT_AVAILABLE when one could not be had,
   * after all were tried; with UNKNOWN_TOPIC_OR_PARTITION.
   */
  async electLeaders(request: ElectLeadersRequest): Promise<void> {
    checkFields(request, 'electLeaders', ['type', 'partitions'])
    const { type, partitions } = request
    if (type !== 'preferred' && type !== 'unclean') {
      throw invalidArgument('type', "'preferred' or 'unclean'", type)
    }
    if (partitions !== undefined) checkPartitions(partitions)
    const topics = partitions && byTopic(partitions, ({ partition }) => partition)
    const answer = await this.#requests.ask('ElectLeaders', {
      electionType: ELECTION_TYPE[type],
      topicPartitions:
        topics?.map(({ name: topic, partitions: of }) => ({ topic, partitions: of })) ?? null,
      timeoutMs: this.#settings.requestTimeoutMs,
    })
    const notNeeded = errorId('ELECTION_NOT_NEEDED')
    for (const { topic, partitionResult } of answer.replicaElectionResults) {
      for (const result of partitionResult) {
        if (result.errorCode === notNeeded) continue
        throwIfError(result, `electing the leader of ${topic}-${result.partitionId}`)
      }
    }
  }

  // ── settings ───────────────────────────────────────────────────────────────────────────

  /** All settings of a topic, under Kafka's names. */
  async describeConfig(topic: string): Promise<TopicSettingValue[]> {
    checkTopicName(topic)
    const resource = { resourceType: TOPIC_RESOURCE, resourceName: topic, configurationKeys: null }
    const { results } = await this.#requests.ask('DescribeConfigs', { resources: [resource] })
    return results.flatMap(answer => {
      throwIfError(answer, `settings of topic ${topic}`)
      return answer.configs.map(({ name, value, configSource }) => ({
        name,
        value,
        isDefault: configSource === CONFIG_SOURCE.default,
      }))
    })
  }

  /**
   * Changes settings of a topic, at once and durably; null takes one back to its default. Rejects
   * with INVALID_CONFIG; then none of them has changed.
   */
  async alterConfig(
    topic: string,
    changes: { readonly [K in keyof TopicConfigInput]?: TopicConfigInput[K] | null },
  ): Promise<void> {
    checkTopicName(topic)
    if (typeof changes !== 'object' || changes === null) {
      throw invalidArgument('settings', 'an object', changes)
    }
    const entries = Object.entries(changes)
    const given = Object.fromEntries(entries.filter(([, value]) => value !== null))
    const set = Object.entries(settingTexts(given)).map(([name, value]) => ({
      name,
      value,
      configOperation: CONFIG_OPERATION.set,
    }))
    const taken = entries
      .filter(([, value]) => value === null)
      .map(([name]) => ({ name, value: null, configOperation: CONFIG_OPERATION.delete }))
    const resource = {
      resourceType: TOPIC_RESOURCE,
      resourceName: topic,
      configs: [...set, ...taken],
    }
    const request = { resources: [resource], validateOnly: false }
    const { responses } = await this.#requests.ask('IncrementalAlterConfigs', request)
    for (const answer of responses) throwIfError(answer, `settings of topic ${topic}`)
  }

  // ── records ────────────────────────────────────────────────────────────────────────────

  /**
   * Deletes the records of a partition below `offset`; 'latest' means all that are committed.
   * Resolves with the low watermark when nothing below comes back: the new first offset is durable
   * on every replica whose broker lives. Rejects with OFFSET_OUT_OF_RANGE above the high watermark,
   * with POLICY_VIOLATION for a compacted topic, and with REQUEST_TIMED_OUT when a replica that
   * lives does not follow: the records are gone for readers, and will be there when it follows.
   */
  async deleteRecords(
    request: TopicPartition & { readonly offset: number | 'latest' },
  ): Promise<number> {
    checkTopicPartition(request)
    const { topic, partition, offset } = request
    if (offset !== 'latest') checkOffset(offset)
    const wanted = { partitionIndex: partition, offset: offset === 'latest' ? -1 : offset }
    const deletion = {
      topics: [{ name: topic, partitions: [wanted] }],
      timeoutMs: this.#settings.requestTimeoutMs,
    }
    return await this.#requests.askLeader(request, 'DeleteRecords', deletion, ({ topics }) => {
      const answer = topics[0]?.partitions[0]
      if (answer === undefined) throw new PartlogError('UNKNOWN_SERVER_ERROR', 'no answer')
      throwIfError(answer, `records of ${topic}-${partition}`)
      return answer.lowWatermark
    })
  }

  /**
   * Offsets of a topic's partitions: the first ('earliest'), the one behind the last committed
   * ('latest', default), that of the newest time ('max-timestamp'), or the first record that is not
   * older than a time. null when there is none.
   */
  async listOffsets(
    topic: string,
    at: OffsetSpec = 'latest',
  ): Promise<(TopicPartition & { offset: number | null; timestamp: number | null })[]> {
    const timestamp = checkedSpec(at)
    const { partitions } = await this.describeTopic(topic)
    const queries = partitions.map(({ partition }) => ({ topic, partition, timestamp }))
    const found = await this.#requests.listOffsets(queries)
    return found.map(({ partition, offset, timestamp: time }) => ({
      topic,
      partition,
      offset: offset < 0 ? null : offset,
      timestamp: time < 0 ? null : time,
    }))
  }

  // ── groups ─────────────────────────────────────────────────────────────────────────────

  /** All groups that have a member or have committed something, sorted by id. */
  async listGroups(options: ListGroupsOptions = {}): Promise<GroupListing[]> {
    return await this.#groups.list(options)
  }

  /** A group and its members. Rejects with GROUP_ID_NOT_FOUND. */
  async describeGroup(groupId: string): Promise<GroupDescription> {
    return await this.#groups.describe(groupId)
  }

  /** Groups and their members, in the order of the ids. Rejects with GROUP_ID_NOT_FOUND. */
  async describeGroups(groupIds: readonly string[]): Promise<GroupDescription[]> {
    return await this.#groups.describeAll(groupIds)
  }

  /**
   * Forgets groups and all they have committed. Rejects with NON_EMPTY_GROUP for one that has
   * members and with GROUP_ID_NOT_FOUND, after all were tried; the sentence names who failed.
   */
  async deleteGroups(groupIds: readonly string[]): Promise<void> {
    await this.#groups.delete(groupIds)
  }

  /**
   * Takes members out of a group, all or certain ones (KIP-571). A consumer that lives joins again
   * by itself; what it has not committed it reads again. Rejects with UNKNOWN_MEMBER_ID when one
   * that was named is not in the group, after the others were taken out; with GROUP_ID_NOT_FOUND.
   */
  async removeMembers(request: RemoveMembersRequest): Promise<void> {
    await this.#groups.removeMembers(request)
  }

  /** What a group has committed, with its lag; sorted by topic and partition. */
  async listGroupOffsets(groupId: string): Promise<GroupOffsetListing[]> {
    return await this.#groupOffsets.list(groupId)
  }

  /**
   * How far behind a group is, in every partition that it has committed or that a member reads.
   * Rejects with GROUP_ID_NOT_FOUND.
   */
  async groupLag(groupId: string): Promise<GroupLag> {
    return await this.#groupOffsets.lag(groupId)
  }

  /**
   * Commits offsets for a group, all or none; makes the group if there is none. Rejects with
   * NON_EMPTY_GROUP while the group has members, unless `evenIfActive` is said; with
   * UNKNOWN_TOPIC_OR_PARTITION.
   */
  async setOffsets(request: SetOffsetsRequest): Promise<void> {
    await this.#groupOffsets.set(request)
  }

  /**
   * Moves a group to another place in its partitions, and tells where it was and where it is now.
   * With `dryRun` it only tells. Rejects as `setOffsets` does, also with `dryRun`; with
   * GROUP_ID_NOT_FOUND when neither topics nor partitions are given and there is no such group;
   * with NO_OFFSET_FOR_PARTITION when there is nothing `shiftBy` could count from.
   */
  async resetOffsets(request: ResetOffsetsRequest): Promise<ResetOffset[]> {
    return await this.#groupOffsets.reset(request)
  }

  /**
   * Takes back what a group has committed for these partitions, all or none. Rejects with
   * GROUP_SUBSCRIBED_TO_TOPIC while a member reads the topic, with GROUP_ID_NOT_FOUND.
   */
  async deleteGroupOffsets(request: DeleteGroupOffsetsRequest): Promise<void> {
    await this.#groupOffsets.delete(request)
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────

  async #allTopics(): Promise<KnownTopic[]> {
    const { topics, brokers } = await this.#requests.ask('Metadata', { topics: null })
    return topics.map(topic => knownTopic(topic, brokers))
  }
}

function checkedSpec(at: OffsetSpec): number {
  const ms = at instanceof Date ? at.getTime() : at
  if (typeof ms === 'string' && Object.hasOwn(SPECIAL_TIMESTAMPS, ms)) {
    return SPECIAL_TIMESTAMPS[ms] as number
  }
  if (Number.isSafeInteger(ms) && (ms as number) >= 0) return ms as number
  throw new PartlogError(
    'INVALID_ARGUMENT',
    `expected 'earliest', 'latest', 'max-timestamp', a Date or milliseconds, got ${show(at)}`,
  )
}

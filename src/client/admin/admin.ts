/* Administration: topics, their settings and records, groups and their offsets. */

import { show } from '../../base/options.js'
import { errorId, PartlogError } from '../../model/errors.js'
import { checkOffset, checkTopicName, type TopicPartition } from '../../model/names.js'
import { settingTexts } from '../../model/topic-settings.js'
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
import { throwIfError } from '../line/client-errors.js'
import { knownTopic, type KnownTopic } from '../line/metadata-cache.js'
import { byTopic } from '../line/requests.js'
import type {
  AdminClient,
  AdminOptions,
  AlterConfigRequest,
  ElectLeadersRequest,
  ListedOffsets,
  LogDirDescription,
  ListOffsetsRequest,
  OffsetSpec,
  TopicConfigChanges,
  TopicDescription,
  TopicSettingValue,
} from './admin-api.js'
import { adminSettings, type AdminSettings } from './admin-config.js'
import { AdminRequests, type AdminContext } from './admin-requests.js'
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
import { GroupAdmin } from './group-admin.js'
import { GroupOffsets } from './group-offsets.js'
import {
  newPartitionsFields,
  newTopicFields,
  type NewPartitions,
  type NewTopic,
} from './new-topic.js'

const SPECIAL_TIMESTAMPS: Readonly<Record<string, number>> = {
  earliest: EARLIEST_TIMESTAMP,
  latest: LATEST_TIMESTAMP,
  'max-timestamp': MAX_TIMESTAMP,
}

/** The {@link Admin} of a cluster, or one with options of its own. */
export class ClosableAdmin implements AdminClient {
  readonly #settings: AdminSettings
  readonly #requests: AdminRequests
  readonly #groups: GroupAdmin
  readonly #groupOffsets: GroupOffsets

  constructor(context: AdminContext, options: AdminOptions = {}) {
    this.#settings = adminSettings(options)
    this.#requests = new AdminRequests(context, this.#settings)
    this.#groups = new GroupAdmin(this.#requests)
    this.#groupOffsets = new GroupOffsets(this.#requests)
  }

  // ── topics ─────────────────────────────────────────────────────────────────────────────

  async createTopic(topic: NewTopic): Promise<void> {
    const fields = newTopicFields(topic)
    const { validateOnly = false } = topic
    checkFlag(validateOnly, 'validateOnly')
    const request = { topics: [fields], validateOnly }
    const { topics } = await this.#requests.ask('CreateTopics', request)
    for (const answer of topics) throwIfError(answer, `topic ${answer.name}`)
  }

  async deleteTopic(topic: string): Promise<void> {
    checkTopicName(topic)
    const request = { topics: [{ name: topic }], timeoutMs: this.#settings.requestTimeoutMs }
    const { responses } = await this.#requests.ask('DeleteTopics', request)
    for (const answer of responses) throwIfError(answer, `topic ${topic}`)
  }

  async listTopics(options: { readonly includeInternal?: boolean } = {}): Promise<string[]> {
    checkFields(options, 'listTopics', ['includeInternal'])
    checkFlag(options.includeInternal, 'includeInternal')
    const topics = await this.#allTopics()
    return topics
      .filter(topic => options.includeInternal === true || !topic.isInternal)
      .map(topic => topic.name)
      .sort()
  }

  async describeTopic(topic: string): Promise<TopicDescription> {
    checkTopicName(topic)
    const request = { topics: [{ name: topic }], allowAutoTopicCreation: false }
    const { topics } = await this.#requests.ask('Metadata', request)
    const found = topics[0]
    if (found === undefined) {
      const sentence = `the broker's answer does not describe topic ${topic}`
      throw new PartlogError('UNKNOWN_SERVER_ERROR', sentence)
    }
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
        .sort((a, b) => a.partition - b.partition), // brokers list them in any order
    }
  }

  async createPartitions(request: NewPartitions): Promise<void> {
    const { results } = await this.#requests.ask('CreatePartitions', {
      topics: [newPartitionsFields(request)],
      timeoutMs: this.#settings.requestTimeoutMs,
      validateOnly: request.validateOnly ?? false,
    })
    for (const answer of results) throwIfError(answer, `topic ${request.topic}`)
  }

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

  async describeLogDirs(): Promise<LogDirDescription[]> {
    const { brokers } = await this.#requests.ask('Metadata', { topics: [] })
    const answers = brokers.map(async ({ nodeId: broker }) => {
      const request = { topics: null }
      const answer = await this.#requests.askNode(broker, 'DescribeLogDirs', request)
      throwIfError({ errorCode: answer.errorCode ?? 0 }, `the logs of broker ${broker}`)
      return answer.results.map(({ errorCode, logDir, topics }) => {
        throwIfError({ errorCode }, `folder ${logDir} of broker ${broker}`)
        const logs = topics.flatMap(({ name: topic, partitions }) =>
          partitions.map(({ partitionIndex: partition, partitionSize: sizeBytes }) => {
            return { topic, partition, sizeBytes }
          }),
        )
        return { broker, logDir, logs: logs.sort(byPlace) }
      })
    })
    const found = (await Promise.all(answers)).flat()
    return found.sort((a, b) => a.broker - b.broker || compared(a.logDir, b.logDir))
  }

  // ── settings ───────────────────────────────────────────────────────────────────────────

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

  async alterConfig(
    request: AlterConfigRequest | string,
    changes: TopicConfigChanges = {},
  ): Promise<void> {
    const isOld = typeof request === 'string'
    if (!isOld) checkFields(request, 'alterConfig', ['topic', 'config'])
    const { topic, config } = isOld ? { topic: request, config: changes } : request
    checkTopicName(topic)
    if (typeof config !== 'object' || config === null) {
      throw invalidArgument('config', 'an object', config)
    }
    const entries = Object.entries(config)
    const given = Object.fromEntries(entries.filter(([, value]) => value !== null))
    const set = Object.entries(settingTexts(given)).map(([name, value]) => ({
      name,
      value,
      configOperation: CONFIG_OPERATION.set,
    }))
    const unset = entries
      .filter(([, value]) => value === null)
      .map(([name]) => ({ name, value: null, configOperation: CONFIG_OPERATION.delete }))
    const resource = {
      resourceType: TOPIC_RESOURCE,
      resourceName: topic,
      configs: [...set, ...unset],
    }
    const asked = { resources: [resource], validateOnly: false }
    const { responses } = await this.#requests.ask('IncrementalAlterConfigs', asked)
    for (const answer of responses) throwIfError(answer, `settings of topic ${topic}`)
  }

  // ── records ────────────────────────────────────────────────────────────────────────────

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
      if (answer === undefined) {
        const sentence = `the leader's answer does not cover ${topic}-${partition}`
        throw new PartlogError('UNKNOWN_SERVER_ERROR', sentence)
      }
      throwIfError(answer, `records of ${topic}-${partition}`)
      return answer.lowWatermark
    })
  }

  async listOffsets(
    request: ListOffsetsRequest | string,
    when: OffsetSpec = 'latest',
  ): Promise<ListedOffsets> {
    const isOld = typeof request === 'string'
    if (!isOld) checkFields(request, 'listOffsets', ['topic', 'at'])
    const { topic, at = 'latest' } = isOld ? { topic: request, at: when } : request
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

  async listGroups(options: ListGroupsOptions = {}): Promise<GroupListing[]> {
    return await this.#groups.list(options)
  }

  async describeGroups(groupIds: readonly string[]): Promise<GroupDescription[]> {
    return await this.#groups.describeAll(groupIds)
  }

  async deleteGroups(groupIds: readonly string[]): Promise<void> {
    await this.#groups.delete(groupIds)
  }

  async removeGroupMembers(request: RemoveGroupMembersRequest): Promise<void> {
    await this.#groups.removeMembers(request)
  }

  async listGroupOffsets(groupId: string): Promise<GroupOffsetListing[]> {
    return await this.#groupOffsets.list(groupId)
  }

  async groupLag(groupId: string): Promise<GroupLag> {
    return await this.#groupOffsets.lag(groupId)
  }

  async alterGroupOffsets(request: AlterGroupOffsetsRequest): Promise<void> {
    await this.#groupOffsets.set(request)
  }

  async resetGroupOffsets(request: ResetGroupOffsetsRequest): Promise<ResetOffset[]> {
    return await this.#groupOffsets.reset(request)
  }

  async deleteGroupOffsets(request: DeleteGroupOffsetsRequest): Promise<void> {
    await this.#groupOffsets.delete(request)
  }

  close(): Promise<void> {
    this.#requests.close()
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async setOffsets(request: AlterGroupOffsetsRequest): Promise<void> {
    await this.alterGroupOffsets(request)
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────

  async #allTopics(): Promise<KnownTopic[]> {
    const { topics, brokers } = await this.#requests.ask('Metadata', { topics: null })
    return topics.map(topic => knownTopic(topic, brokers))
  }
}

function compared(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

function byPlace(a: TopicPartition, b: TopicPartition): number {
  return compared(a.topic, b.topic) || a.partition - b.partition
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

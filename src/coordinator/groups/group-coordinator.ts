/*
 * All groups of one partition of `__consumer_offsets`. Their durable state is a fold over that
 * partition's records: a change is appended there before it is answered. Sessions and waiting
 * requests exist only in this process.
 */

import type { Clock } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import type { Watchers } from '../../base/watchers.js'
import type { EndMarker } from '../../model/batch/control.js'
import { isPartlogError, PartlogError, toPartlogError } from '../../model/errors.js'
import { checkGroupId, type TopicPartition } from '../../model/names.js'
import { NONE } from '../../model/units.js'
import { checkConsumerCommit, checkConsumerFetch } from '../consumer-groups/commit-check.js'
import {
  CONSUMER_SETTINGS,
  ConsumerCoordinator,
  type ConsumerGroupSettings,
} from '../consumer-groups/consumer-coordinator.js'
import type { ConsumerGroup } from '../consumer-groups/consumer-group.js'
import { deletionOf } from '../consumer-groups/heartbeat-decision.js'
import { NO_TOPICS, type TopicsView } from '../consumer-groups/topics-view.js'
import { answered, coordinatorError } from '../fold/coordinator-errors.js'
import type { Journal, JournalRecord } from '../fold/journal.js'
import { NOTHING, StateMachine, type Decision } from '../fold/state-machine.js'
import { ClassicGroup } from './classic-group.js'
import {
  generationRecord,
  groupTombstone,
  offsetRecord,
  offsetTombstone,
  restoredMembership,
  type CommittedOffset,
  type MemberAssignmentBytes,
} from './group-journal.js'
import { viewOf, viewOfConsumers, type GroupView } from './group-view.js'
import { KeptGroups, type KeptGroup } from './kept-groups.js'
import {
  livesInProcess,
  type JoinAnswer,
  type JoinRequest,
  type LeavingMember,
  type MemberInGeneration,
  type MemberName,
  type SyncAnswer,
  type SyncRequest,
} from './member.js'
import { Membership } from './membership.js'
import { expirationOf, expirationOfTopics, expiryOf } from './offset-expiration.js'
import {
  checkOffsetsAreOfConsumers,
  chunksOf,
  ending,
  tombstones,
  tooLong,
  unknownMember,
  type OffsetToCommit,
} from './offset-records.js'
import type { GroupListener } from './rebalance-reporter.js'
import type { GroupSettings } from './rebalance.js'
import { mayRead } from './subscriptions.js'

const GROUPS_MAX = 100_000

export interface GroupCoordinatorSettings extends GroupSettings {
  /** offsets.retention.minutes */
  readonly offsetsRetentionMinutes: number
}

export interface GroupCoordinatorOptions {
  readonly clock: Clock
  readonly random: Random
  readonly settings: GroupCoordinatorSettings
  readonly listener: GroupListener
  /**
   * The partition is loaded for the first time in this process: members in the log joined before
   * the process started. Default false.
   */
  readonly isFirstLoad?: boolean
  /** Another process coordinates the groups: here no session ends. Default false. */
  readonly isShown?: boolean
  /** The topics, for groups with the consumer protocol. Default: none. */
  readonly topics?: () => TopicsView
  /** The settings of such a group. Default: Kafka's. */
  readonly consumerSettingsOf?: (groupId: string) => ConsumerGroupSettings
}

export interface CommitRequest extends MemberInGeneration {
  readonly groupId: string
  readonly offsets: readonly OffsetToCommit[]
  /**
   * How long the offsets are kept, from a client before KIP-211. −1 or undefined: as
   * `offsets.retention.minutes` says.
   */
  readonly retentionTimeMs?: number
  /** The transaction with whose end the offsets count. */
  readonly transaction?: JournalRecord['transaction']
}

export class GroupCoordinator {
  readonly #machine: StateMachine<KeptGroups>
  readonly #options: GroupCoordinatorOptions
  readonly #living = new Map<string, ClassicGroup>()
  readonly #topics: () => TopicsView
  /** The groups with the consumer protocol. */
  readonly consumers: ConsumerCoordinator
  #resignedWith: PartlogError | undefined

  private constructor(machine: StateMachine<KeptGroups>, options: GroupCoordinatorOptions) {
    this.#machine = machine
    this.#options = options
    const now = options.clock.now()
    for (const { groupId, generation } of options.isShown === true ? [] : machine.state.groups) {
      if (generation === undefined) continue
      const group = this.#addGroup(restoredMembership(groupId, generation, now))
      if (options.isFirstLoad === true) group.handleProcessRestart()
    }
    this.#topics = options.topics ?? (() => NO_TOPICS)
    this.consumers = this.#makeConsumers(machine.state)
    if (options.isFirstLoad === true) this.consumers.removeDead(livesInProcess)
  }

  #makeConsumers(state: KeptGroups): ConsumerCoordinator {
    const { clock, settings, listener, consumerSettingsOf, isShown = false } = this.#options
    return new ConsumerCoordinator({
      clock,
      maxSize: settings.groupMaxSize,
      topics: this.#topics,
      settingsOf: consumerSettingsOf ?? (() => CONSUMER_SETTINGS),
      find: groupId => state.find(groupId)?.consumer,
      all: () => (isShown ? [] : [...state.groups].flatMap(({ consumer }) => consumer ?? [])),
      begin: groupId => this.#makeWay(groupId),
      run: decide => this.#run(decide),
      onChange: () => listener.changed(),
      onFailure: (sentence, error) => listener.failed(sentence, error),
    })
  }

  static async load(journal: Journal, options: GroupCoordinatorOptions): Promise<GroupCoordinator> {
    const machine = await StateMachine.load(journal, new KeptGroups())
    return new GroupCoordinator(machine, options)
  }

  /** Takes in what the process that coordinates the groups has added to the log. */
  async catchUp(): Promise<void> {
    if (await this.#machine.catchUp()) this.#options.listener.changed()
  }

  /** Stops coordinating these groups: fails every waiting request with `error`. */
  resign(error: PartlogError): void {
    this.#resignedWith = error
    for (const group of this.#living.values()) group.resign(error)
    this.#living.clear()
    this.consumers.resign(error)
  }

  // ── membership ─────────────────────────────────────────────────────────────────────────

  /** Resolves when all members have joined. Throws {@link MemberIdRequired} for a new member. */
  async join(groupId: string, request: JoinRequest): Promise<JoinAnswer> {
    checkGroupId(groupId)
    this.#checkNotResigned()
    const { settings } = this.#options
    const { groupMinSessionTimeoutMs: min, groupMaxSessionTimeoutMs: max } = settings
    const { sessionTimeoutMs, memberId } = request
    if (!(sessionTimeoutMs >= min && sessionTimeoutMs <= max)) {
      const sentence = `sessionTimeoutMs ${sessionTimeoutMs} is not within ${min} to ${max}`
      throw new PartlogError('INVALID_SESSION_TIMEOUT', sentence)
    }
    if (this.#consumersOf(groupId) !== undefined) await this.#makeWayForClassic(groupId)
    if (memberId !== '' && !this.#living.has(groupId)) throw unknownMember(groupId, memberId)
    return await this.#ensureLiveGroup(groupId).join(request)
  }

  /** Resolves when the assignment by the group's leader is in the log. */
  async sync(groupId: string, request: SyncRequest): Promise<SyncAnswer> {
    return await this.#liveGroup(groupId, request).sync(request)
  }

  /** `agoMs`: how long ago it was sent. */
  heartbeat(groupId: string, request: MemberInGeneration, agoMs = 0): void {
    this.#liveGroup(groupId, request).heartbeat(request, agoMs)
  }

  /** Notified when the members of a group have to rejoin; undefined if there is no such group. */
  news(groupId: string): Watchers | undefined {
    return this.#living.get(groupId)?.news
  }

  /** Returns for each member the error, or undefined if it was removed. */
  leave(groupId: string, members: readonly LeavingMember[]): (PartlogError | undefined)[] {
    checkGroupId(groupId)
    this.#checkNotResigned()
    const group = this.#living.get(groupId)
    return group?.leave(members) ?? members.map(each => unknownMember(groupId, each.memberId))
  }

  #liveGroup(groupId: string, { memberId }: MemberName): ClassicGroup {
    checkGroupId(groupId)
    this.#checkNotResigned()
    const group = this.#living.get(groupId)
    if (group === undefined) throw unknownMember(groupId, memberId)
    return group
  }

  #ensureLiveGroup(groupId: string): ClassicGroup {
    this.#checkRoomFor(groupId)
    return (
      this.#living.get(groupId) ??
      this.#addGroup(new Membership(groupId, this.#options.clock.now()))
    )
  }

  /** Deletes an empty group with the consumer protocol. Throws INCONSISTENT_GROUP_PROTOCOL. */
  async #makeWayForClassic(groupId: string): Promise<void> {
    await this.#run(() => {
      const group = this.#consumersOf(groupId)
      if (group === undefined) return NOTHING
      if (group.state === 'Empty') return { records: deletionOf(group), answer: undefined }
      const sentence = `group ${groupId} has members with the consumer protocol`
      throw new PartlogError('INCONSISTENT_GROUP_PROTOCOL', sentence)
    })
    this.consumers.forget(groupId)
  }

  /**
   * Before a group with the consumer protocol begins: deletes an empty classic one of the same id.
   * Throws GROUP_ID_NOT_FOUND if a classic one has members.
   */
  #makeWay(groupId: string): readonly JournalRecord[] {
    this.#checkRoomFor(groupId)
    const living = this.#living.get(groupId)
    if (living !== undefined) {
      if (living.membership.state !== 'Empty' || living.hasPendingMembers) {
        const sentence = `group ${groupId} is not a consumer group: its members are classic ones`
        throw new PartlogError('GROUP_ID_NOT_FOUND', sentence)
      }
      living.resign(new PartlogError('GROUP_ID_NOT_FOUND', `group ${groupId} has another protocol`))
      this.#living.delete(groupId)
    }
    const { generation } = this.#machine.state.find(groupId) ?? {}
    return generation === undefined ? [] : [groupTombstone(groupId)]
  }

  #consumersOf(groupId: string): ConsumerGroup | undefined {
    return this.#machine.state.find(groupId)?.consumer
  }

  #addGroup(membership: Membership): ClassicGroup {
    const { clock, random, settings, listener } = this.#options
    const keep = (of: Membership, assignments?: MemberAssignmentBytes): Promise<void> =>
      this.#run(() => ({ records: [generationRecord(of, assignments)], answer: undefined }))
    const group = new ClassicGroup(membership, { clock, random, settings, listener, keep })
    this.#living.set(membership.groupId, group)
    return group
  }

  // ── committed offsets ──────────────────────────────────────────────────────────────────

  /** Resolves when the offsets are in the log. Returns the refused ones with their errors. */
  async commit(request: CommitRequest): Promise<ReadonlyMap<OffsetToCommit, PartlogError>> {
    const { groupId, offsets, retentionTimeMs = NONE, transaction } = request
    checkGroupId(groupId)
    const refused = await this.#run(() => {
      this.#checkRoomFor(groupId)
      this.#checkCommit(request)
      const answer = tooLong(offsets)
      const committedAt = this.#options.clock.now()
      const expiresAt = expiryOf(committedAt, retentionTimeMs)
      const records = offsets
        .filter(each => !answer.has(each))
        .map(each => offsetRecord(groupId, { ...each, committedAt, expiresAt }))
        .map(record => ({ ...record, transaction }))
      return { records, answer }
    })
    this.#options.listener.changed()
    return refused
  }

  #checkCommit(request: CommitRequest): void {
    const consumers = this.#consumersOf(request.groupId)
    if (consumers !== undefined) return this.#checkConsumerCommit(consumers, request)
    const group = this.#living.get(request.groupId)
    const isInTransaction = request.transaction !== undefined
    if (group !== undefined) return group.checkCommit(request, isInTransaction)
    if (request.generationId < 0) return // a group without members only keeps offsets
    if (this.#machine.state.find(request.groupId) !== undefined) {
      throw unknownMember(request.groupId, request.memberId)
    }
    const sentence = `group ${request.groupId} has no generation ${request.generationId}`
    throw new PartlogError('ILLEGAL_GENERATION', sentence)
  }

  /** A stale commit in a transaction gets the error that producers know. */
  #checkConsumerCommit(group: ConsumerGroup, request: CommitRequest): void {
    const { memberId, generationId: epoch, offsets, transaction } = request
    try {
      checkConsumerCommit(group, { memberId, epoch, offsets }, this.#topics())
    } catch (error) {
      const isStale = isPartlogError(error, 'STALE_MEMBER_EPOCH')
      if (!isStale || transaction === undefined) throw error
      throw new PartlogError('ILLEGAL_GENERATION', error.message)
    }
  }

  /** Ends a transaction: its offsets count, or are forgotten. */
  async endTransaction(end: EndMarker): Promise<void> {
    await this.#run(() => ({ records: [{ key: null, value: null, end }], answer: undefined }))
    this.#options.listener.changed()
  }

  /**
   * The committed offsets of a group, once all of them are committed in the log. A member with the
   * consumer protocol names itself: throws UNKNOWN_MEMBER_ID or STALE_MEMBER_EPOCH.
   */
  async committedOffsets(
    groupId: string,
    asker = { memberId: null as string | null, epoch: -1 },
  ): Promise<readonly CommittedOffset[]> {
    return await this.#run(state => {
      const group = state.find(groupId)
      if (group?.consumer !== undefined) checkConsumerFetch(group.consumer, asker)
      return { records: [], answer: group?.offsets ?? [] }
    })
  }

  /** True if an open transaction commits an offset of the group for the partition. */
  isPending(groupId: string, { topic, partition }: TopicPartition): boolean {
    return this.#machine.state.isPending(groupId, topic, partition)
  }

  /** Deletes the committed offsets of deleted topics. */
  async forgetTopics(isGone: (topic: string) => boolean): Promise<void> {
    await this.#clean(group => tombstones(group, ({ topic }) => isGone(topic)))
  }

  /**
   * Deletes the committed offsets of a group for these partitions, except those of topics that it
   * reads, which it returns.
   */
  async deleteOffsets<P extends TopicPartition>(
    groupId: string,
    partitions: readonly P[],
  ): Promise<readonly P[]> {
    checkGroupId(groupId)
    const kept = await this.#run(state => {
      this.#checkExists(groupId)
      const membership = this.#living.get(groupId)?.membership
      checkOffsetsAreOfConsumers(membership)
      const group = state.find(groupId)
      const read = group?.consumer?.topics
      const answer = partitions.filter(({ topic }) =>
        read === undefined ? mayRead(membership, topic) : read.has(topic),
      )
      const records = partitions
        .filter(each => !answer.includes(each))
        .filter(({ topic, partition }) => group?.offsetOf(topic, partition) !== undefined)
        .map(({ topic, partition }) => offsetTombstone(groupId, topic, partition))
      return { records, answer }
    })
    this.#options.listener.changed()
    return kept
  }

  /** Deletes expired offsets, and empty groups without any offset. */
  async expireOffsets(): Promise<void> {
    const { clock, settings } = this.#options
    const rules = { now: clock.now(), retentionMs: settings.offsetsRetentionMinutes * 60_000 }
    await this.#clean(group => {
      const membership = this.#living.get(group.groupId)?.membership
      const { consumer } = group
      const isOld =
        consumer === undefined
          ? expirationOf(membership, rules)
          : expirationOfTopics(consumer.topics, rules)
      const old = tombstones(group, isOld)
      const isIdle = (consumer?.state ?? membership?.state ?? 'Empty') === 'Empty'
      const isOver = isIdle && old.length === group.offsetCount
      return isOver ? [...old, ...ending(group)] : old
    })
    for (const [groupId, { hasPendingMembers }] of this.#living) {
      if (!hasPendingMembers) this.#forgetIfEmpty(groupId)
    }
  }

  /** Appends many small batches: all records together could exceed the size of one append. */
  async #clean(recordsOf: (group: KeptGroup) => readonly JournalRecord[]): Promise<void> {
    const groups = [...this.#machine.state.groups]
    const runs = groups.flatMap(group =>
      chunksOf(recordsOf(group)).map(records => this.#run(() => ({ records, answer: undefined }))),
    )
    const results = await Promise.allSettled(runs)
    for (const result of results) if (result.status === 'rejected') throw result.reason
    if (runs.length > 0) this.#options.listener.changed()
  }

  /** Leaves a group alone that a member has joined since: its next generation goes to the log. */
  #forgetIfEmpty(groupId: string): void {
    const group = this.#living.get(groupId)
    if (group?.membership.state !== 'Empty') return
    if (this.#machine.state.find(groupId)?.generation !== undefined) return
    group.resign(new PartlogError('GROUP_ID_NOT_FOUND', `group ${groupId} was deleted`))
    this.#living.delete(groupId)
  }

  // ── views ──────────────────────────────────────────────────────────────────────────────

  get groups(): GroupView[] {
    const ids = new Set([...this.#machine.state.groups].map(({ groupId }) => groupId))
    for (const groupId of this.#living.keys()) ids.add(groupId)
    return [...ids].map(groupId => this.#viewOf(groupId))
  }

  /** Returns undefined when the group does not exist. */
  view(groupId: string): GroupView | undefined {
    return this.#exists(groupId) ? this.#viewOf(groupId) : undefined
  }

  /** Describes a classic group. Throws GROUP_ID_NOT_FOUND. */
  describe(groupId: string): GroupView {
    this.#checkNotResigned()
    this.#checkExists(groupId)
    if (this.#consumersOf(groupId) !== undefined) {
      throw new PartlogError('GROUP_ID_NOT_FOUND', `Group ${groupId} is not a classic group.`)
    }
    return this.#viewOf(groupId)
  }

  /** Describes a group with the consumer protocol. Throws GROUP_ID_NOT_FOUND. */
  describeConsumers(groupId: string): ConsumerGroup {
    this.#checkNotResigned()
    this.#checkExists(groupId)
    const group = this.#consumersOf(groupId)
    if (group !== undefined) return group
    throw new PartlogError('GROUP_ID_NOT_FOUND', `Group ${groupId} is not a consumer group.`)
  }

  #viewOf(groupId: string): GroupView {
    const consumers = this.#consumersOf(groupId)
    if (consumers !== undefined) return viewOfConsumers(consumers, this.#topics())
    return viewOf(groupId, this.#living.get(groupId)?.membership ?? this.#shown(groupId))
  }

  /** The members of a group that another process coordinates. */
  #shown(groupId: string): Membership | undefined {
    const { generation } = this.#machine.state.find(groupId) ?? {}
    if (this.#options.isShown !== true || generation === undefined) return undefined
    return restoredMembership(groupId, generation, this.#options.clock.now())
  }

  /** Deletes a group and its offsets. Throws GROUP_ID_NOT_FOUND or NON_EMPTY_GROUP. */
  async deleteGroup(groupId: string): Promise<void> {
    await this.#run(state => {
      this.#checkExists(groupId)
      const { state: now, members } = this.#viewOf(groupId)
      if (now !== 'Empty') {
        const sentence = `group ${groupId} is ${now}, with ${members.length} members`
        throw new PartlogError('NON_EMPTY_GROUP', sentence)
      }
      const group = state.find(groupId)
      if (group === undefined) return NOTHING
      const records = [...tombstones(group, () => true), ...ending(group)]
      return { records, answer: undefined }
    })
    this.#forgetIfEmpty(groupId)
    this.consumers.forget(groupId)
    this.#options.listener.changed()
  }

  // ── checks ─────────────────────────────────────────────────────────────────────────────

  #checkNotResigned(): void {
    if (this.#resignedWith !== undefined) throw this.#resignedWith
  }

  #exists(groupId: string): boolean {
    return this.#living.has(groupId) || this.#machine.state.find(groupId) !== undefined
  }

  #checkExists(groupId: string): void {
    if (this.#exists(groupId)) return
    throw new PartlogError('GROUP_ID_NOT_FOUND', `group ${groupId} does not exist`)
  }

  /** Throws POLICY_VIOLATION when a new group would exceed the maximum. */
  #checkRoomFor(groupId: string): void {
    if (this.#exists(groupId)) return
    if (Math.max(this.#living.size, this.#machine.state.size) < GROUPS_MAX) return
    throw new PartlogError('POLICY_VIOLATION', `a coordinator keeps at most ${GROUPS_MAX} groups`)
  }

  async #run<T>(decide: (state: KeptGroups) => Decision<T>): Promise<T> {
    this.#checkNotResigned()
    try {
      return await answered(this.#machine.run(decide), this.#options.clock)
    } catch (error) {
      throw coordinatorError(toPartlogError(error))
    }
  }
}

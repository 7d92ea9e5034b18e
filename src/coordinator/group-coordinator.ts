/**
 * All groups of one partition of `__consumer_offsets`. What they remember is a fold over that
 * partition's records, and is appended there before it is answered; who is being heard of, and who
 * waits for whom, is known to this process only.
 */

import type { Clock } from '../base/clock.js'
import type { Random } from '../base/random.js'
import { PartlogError, toPartlogError } from '../model/errors.js'
import { checkGroupId, type TopicPartition } from '../model/names.js'
import type { LeaderEpoch, Offset } from '../model/units.js'
import { CONSUMER_PROTOCOL, decodeSubscription } from '../protocol/messages/consumer-protocol.js'
import {
  ClassicGroup,
  type GroupSettings,
  type MemberInGeneration,
  type MemberName,
  type SyncRequest,
} from './classic-group.js'
import { answered, coordinatorError } from './coordinator-errors.js'
import type { Group } from './group.js'
import {
  generationRecord,
  groupTombstone,
  offsetRecord,
  offsetTombstone,
  restoreGeneration,
  type CommittedOffset,
  type MemberAssignmentBytes,
} from './group-journal.js'
import type { GroupState } from './group-states.js'
import { GroupsState } from './groups-state.js'
import type { Journal, JournalRecord } from './journal.js'
import type { JoinAnswer, JoinRequest, SyncAnswer } from './member.js'
import { Membership } from './membership.js'
import { hasExpired } from './offset-expiration.js'
import type { GroupListener } from './rebalance-news.js'
import { StateMachine, type Decision } from './state-machine.js'

/** Kafka's offset.metadata.max.bytes. */
const METADATA_MAX_BYTES = 4096
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
}

export interface OffsetToCommit extends TopicPartition {
  readonly offset: Offset
  readonly leaderEpoch: LeaderEpoch
  readonly metadata: string
}

export interface CommitRequest extends MemberInGeneration {
  readonly groupId: string
  readonly offsets: readonly OffsetToCommit[]
}

/** A group, seen from outside. */
export interface GroupView {
  readonly groupId: string
  readonly state: GroupState
  readonly protocolType: string
  /** The assignor. */
  readonly protocolName: string
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientId: string
    readonly clientHost: string
    readonly metadata: Uint8Array
    readonly assignment: Uint8Array
  }[]
}

export class GroupCoordinator {
  readonly #machine: StateMachine<GroupsState>
  readonly #options: GroupCoordinatorOptions
  readonly #living = new Map<string, ClassicGroup>()
  #resignedWith: PartlogError | undefined

  private constructor(machine: StateMachine<GroupsState>, options: GroupCoordinatorOptions) {
    this.#machine = machine
    this.#options = options
    const now = options.clock.now()
    for (const { groupId, generation } of machine.state.groups) {
      if (generation === undefined) continue
      const membership = new Membership(groupId, now)
      restoreGeneration(membership, generation, now)
      this.#bringToLife(membership)
    }
  }

  static async load(journal: Journal, options: GroupCoordinatorOptions): Promise<GroupCoordinator> {
    const machine = await StateMachine.load(journal, new GroupsState())
    return new GroupCoordinator(machine, options)
  }

  /** Another broker coordinates these groups now, or none: whoever waits here is told. */
  resign(error: PartlogError): void {
    this.#resignedWith = error
    for (const group of this.#living.values()) group.resign(error)
    this.#living.clear()
  }

  // ── being a member ─────────────────────────────────────────────────────────────────────

  /** Resolves when all members are known. Throws {@link MemberIdRequired} for one who is new. */
  async join(groupId: string, request: JoinRequest): Promise<JoinAnswer> {
    checkGroupId(groupId)
    this.#checkInOffice()
    const { settings } = this.#options
    const { groupMinSessionTimeoutMs: min, groupMaxSessionTimeoutMs: max } = settings
    const { sessionTimeoutMs, memberId } = request
    if (!(sessionTimeoutMs >= min && sessionTimeoutMs <= max)) {
      const sentence = `sessionTimeoutMs ${sessionTimeoutMs} is not within ${min} to ${max}`
      throw new PartlogError('INVALID_SESSION_TIMEOUT', sentence)
    }
    if (memberId !== '' && !this.#living.has(groupId)) throw unknownMember(groupId, memberId)
    return await this.#ensureAlive(groupId).join(request)
  }

  /** Resolves when the leader of the group has assigned, and that is in the log. */
  async sync(groupId: string, request: SyncRequest): Promise<SyncAnswer> {
    return await this.#alive(groupId, request).sync(request)
  }

  heartbeat(groupId: string, request: MemberInGeneration): void {
    this.#alive(groupId, request).heartbeat(request)
  }

  /** Resolves when the members of a group have to do something. */
  async news(groupId: string): Promise<void> {
    await this.#living.get(groupId)?.news()
  }

  leave(groupId: string, member: MemberName, reason: string): void {
    this.#alive(groupId, member).leave(member, reason)
  }

  #alive(groupId: string, { memberId }: MemberName): ClassicGroup {
    checkGroupId(groupId)
    this.#checkInOffice()
    const group = this.#living.get(groupId)
    if (group === undefined) throw unknownMember(groupId, memberId)
    return group
  }

  #ensureAlive(groupId: string): ClassicGroup {
    this.#checkRoomFor(groupId)
    return (
      this.#living.get(groupId) ??
      this.#bringToLife(new Membership(groupId, this.#options.clock.now()))
    )
  }

  #bringToLife(membership: Membership): ClassicGroup {
    const { clock, random, settings, listener } = this.#options
    const keep = (of: Membership, assignments?: MemberAssignmentBytes): Promise<void> =>
      this.#run(() => ({ records: [generationRecord(of, assignments)], answer: undefined }))
    const group = new ClassicGroup(membership, { clock, random, settings, listener, keep })
    this.#living.set(membership.groupId, group)
    return group
  }

  // ── committed offsets ──────────────────────────────────────────────────────────────────

  /** Commits offsets, all or none; resolves when they are committed in the log. */
  async commit(request: CommitRequest): Promise<void> {
    const { groupId, offsets } = request
    checkGroupId(groupId)
    await this.#run(() => {
      this.#checkRoomFor(groupId)
      for (const { metadata } of offsets) checkMetadata(metadata)
      this.#checkCommit(request)
      const committedAt = this.#options.clock.now()
      const records = offsets.map(each =>
        offsetRecord(groupId, { ...each, committedAt, expiresAt: -1 }),
      )
      return { records, answer: undefined }
    })
    this.#options.listener.changed()
  }

  #checkCommit(request: CommitRequest): void {
    const group = this.#living.get(request.groupId)
    if (group !== undefined) return group.checkCommit(request)
    if (request.generationId < 0) return // nobody is in the group: offsets can be kept for it
    const sentence = `group ${request.groupId} has no generation ${request.generationId}`
    throw new PartlogError('ILLEGAL_GENERATION', sentence)
  }

  /** What a group has committed, once all of it is committed in the log. */
  async committedOffsets(groupId: string): Promise<readonly CommittedOffset[]> {
    return await this.#run(state => ({
      records: [],
      answer: [...(state.find(groupId)?.offsets ?? [])],
    }))
  }

  /** Takes back every commit for topics that are no more. */
  async forgetTopics(isGone: (topic: string) => boolean): Promise<void> {
    await this.#run(state => {
      const records = [...state.groups].flatMap(group =>
        tombstones(group, ({ topic }) => isGone(topic)),
      )
      return { records, answer: undefined }
    })
  }

  /** Takes back what a group has committed for these partitions; it must not read them. */
  async deleteOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void> {
    await this.#run(state => {
      this.#checkExists(groupId)
      const read = this.#topicsReadBy(groupId)
      for (const { topic } of partitions) {
        if (read?.has(topic) !== true) continue
        const sentence = `group ${groupId} reads topic ${topic}`
        throw new PartlogError('GROUP_SUBSCRIBED_TO_TOPIC', sentence)
      }
      const group = state.find(groupId)
      const records = partitions
        .filter(({ topic, partition }) => group?.offsetOf(topic, partition) !== undefined)
        .map(({ topic, partition }) => offsetTombstone(groupId, topic, partition))
      return { records, answer: undefined }
    })
    this.#options.listener.changed()
  }

  /** Forgets what has not been of use for long, and groups of which nothing is left. */
  async expireOffsets(): Promise<void> {
    const { clock, settings } = this.#options
    const rules = { now: clock.now(), retentionMs: settings.offsetsRetentionMinutes * 60_000 }
    await this.#run(state => {
      const records: JournalRecord[] = []
      for (const group of state.groups) {
        const membership = this.#living.get(group.groupId)?.membership
        const life = { membership, topics: this.#topicsReadBy(group.groupId) }
        const old = tombstones(group, offset => hasExpired(offset, life, rules))
        records.push(...old)
        const isIdle = (membership?.state ?? 'Empty') === 'Empty'
        if (!isIdle || old.length < group.offsetCount) continue
        records.push(groupTombstone(group.groupId))
      }
      return { records, answer: undefined }
    })
    this.#forgetDeserted()
  }

  /** Groups without members, offsets or anything in the log: nobody could ask for them. */
  #forgetDeserted(): void {
    for (const [groupId, group] of this.#living) {
      if (group.membership.state !== 'Empty' || group.isExpected) continue
      if (this.#machine.state.find(groupId) === undefined) this.#bury(groupId)
    }
  }

  #bury(groupId: string): void {
    const gone = new PartlogError('GROUP_ID_NOT_FOUND', `group ${groupId} was deleted`)
    this.#living.get(groupId)?.resign(gone)
    this.#living.delete(groupId)
  }

  // ── from outside ───────────────────────────────────────────────────────────────────────

  get groups(): GroupView[] {
    const ids = new Set([...this.#machine.state.groups].map(({ groupId }) => groupId))
    for (const groupId of this.#living.keys()) ids.add(groupId)
    return [...ids].map(groupId => this.#viewOf(groupId))
  }

  /** undefined: there is no such group. */
  view(groupId: string): GroupView | undefined {
    return this.#exists(groupId) ? this.#viewOf(groupId) : undefined
  }

  /** Throws GROUP_ID_NOT_FOUND. */
  describe(groupId: string): GroupView {
    checkGroupId(groupId)
    this.#checkInOffice()
    this.#checkExists(groupId)
    return this.#viewOf(groupId)
  }

  #viewOf(groupId: string): GroupView {
    const membership = this.#living.get(groupId)?.membership
    if (membership === undefined) {
      return { groupId, state: 'Empty', protocolType: '', protocolName: '', members: [] }
    }
    const { state, protocolType, protocolName, members } = membership
    return {
      groupId,
      state,
      protocolType: protocolType ?? '',
      protocolName: state === 'Stable' ? (protocolName ?? '') : '',
      members: [...members].map(member => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        metadata: member.metadataFor(protocolName),
        assignment: member.assignment,
      })),
    }
  }

  /** Forgets a group and its offsets. Throws GROUP_ID_NOT_FOUND, or NON_EMPTY_GROUP. */
  async deleteGroup(groupId: string): Promise<void> {
    checkGroupId(groupId)
    await this.#run(state => {
      this.#checkExists(groupId)
      const membership = this.#living.get(groupId)?.membership
      if (membership !== undefined && membership.state !== 'Empty') {
        const sentence = `group ${groupId} is ${membership.state}, with ${membership.size} members`
        throw new PartlogError('NON_EMPTY_GROUP', sentence)
      }
      const group = state.find(groupId)
      const records = group === undefined ? [] : tombstones(group, () => true)
      if (group?.generation !== undefined) records.push(groupTombstone(groupId))
      this.#bury(groupId)
      return { records, answer: undefined }
    })
    this.#options.listener.changed()
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────

  /** What the members of a group read, if they say so in words that are known here. */
  #topicsReadBy(groupId: string): Set<string> | undefined {
    const membership = this.#living.get(groupId)?.membership
    if (membership === undefined || membership.protocolType !== CONSUMER_PROTOCOL) return undefined
    const topics = new Set<string>()
    try {
      for (const member of membership.members) {
        const metadata = member.metadataFor(membership.protocolName)
        if (metadata.byteLength === 0) return undefined
        for (const topic of decodeSubscription(metadata, member.memberId).topics) topics.add(topic)
      }
    } catch {
      return undefined
    }
    return topics
  }

  #checkInOffice(): void {
    if (this.#resignedWith !== undefined) throw this.#resignedWith
  }

  #exists(groupId: string): boolean {
    return this.#living.has(groupId) || this.#machine.state.find(groupId) !== undefined
  }

  #checkExists(groupId: string): void {
    if (this.#exists(groupId)) return
    throw new PartlogError('GROUP_ID_NOT_FOUND', `there is no group ${groupId}`)
  }

  /** Throws when this would be one group too many. */
  #checkRoomFor(groupId: string): void {
    if (this.#exists(groupId)) return
    if (Math.max(this.#living.size, this.#machine.state.size) < GROUPS_MAX) return
    throw new PartlogError('POLICY_VIOLATION', `a coordinator keeps at most ${GROUPS_MAX} groups`)
  }

  async #run<T>(decide: (state: GroupsState) => Decision<T>): Promise<T> {
    this.#checkInOffice()
    try {
      return await answered(this.#machine.run(decide), this.#options.clock)
    } catch (error) {
      throw coordinatorError(toPartlogError(error))
    }
  }
}

function tombstones(group: Group, isOver: (offset: CommittedOffset) => boolean): JournalRecord[] {
  return [...group.offsets]
    .filter(isOver)
    .map(({ topic, partition }) => offsetTombstone(group.groupId, topic, partition))
}

function unknownMember(groupId: string, memberId: string): PartlogError {
  return new PartlogError('UNKNOWN_MEMBER_ID', `group ${groupId} has no member "${memberId}"`)
}

function checkMetadata(metadata: string): void {
  const size = Buffer.byteLength(metadata)
  if (size <= METADATA_MAX_BYTES) return
  throw new PartlogError(
    'OFFSET_METADATA_TOO_LARGE',
    `metadata of a commit: ${size} bytes, at most ${METADATA_MAX_BYTES} are kept`,
  )
}

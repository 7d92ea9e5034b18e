/*
 * The members of a group, their generation and the group's state. Pure.
 *
 * The first member to join leads; when it leaves, another member leads. The protocol of a
 * generation is an assignor that all its members support.
 */

import { assert } from '../../base/assert.js'
import { checkStep } from '../../base/states.js'
import { PartlogError, type ErrorCode } from '../../model/errors.js'
import type { Timestamp } from '../../model/units.js'
import { GROUP_STATES, type GroupState, type GroupStateRow } from './group-states.js'
import type { JoinAnswer, Member, MemberClaims, MemberProtocol, SyncAnswer } from './member.js'

export class Membership {
  readonly #members = new Map<string, Member>()
  /** Member ids of static members, by their instance ids. */
  readonly #statics = new Map<string, string>()
  /** How many members support an assignor, by its name. */
  readonly #supportedBy = new Map<string, number>()
  #state: GroupState = 'Empty'
  #previousState: GroupState = 'Empty'
  #stateSince: Timestamp
  #generation = 0
  #protocolType: string | null = null
  #protocolName: string | null = null
  #leaderId: string | null = null

  constructor(
    readonly groupId: string,
    now: Timestamp,
  ) {
    this.#stateSince = now
  }

  get state(): GroupState {
    return this.#state
  }
  get previousState(): GroupState {
    return this.#previousState
  }
  /** −1: unknown, because an old version of Kafka wrote the log. */
  get stateSince(): Timestamp {
    return this.#stateSince
  }
  get row(): GroupStateRow {
    return GROUP_STATES[this.#state]
  }
  get generation(): number {
    return this.#generation
  }
  /** null: no member has ever joined, the group only keeps offsets. */
  get protocolType(): string | null {
    return this.#protocolType
  }
  /** The assignor of this generation. */
  get protocolName(): string | null {
    return this.#protocolName
  }
  get leaderId(): string | null {
    return this.#leaderId
  }
  get members(): IterableIterator<Member> {
    return this.#members.values()
  }
  get size(): number {
    return this.#members.size
  }
  /** How long members may take to rejoin: the longest rebalance timeout of any member. */
  get rebalanceTimeoutMs(): number {
    return Math.max(0, ...[...this.members].map(member => member.rebalanceTimeoutMs))
  }
  get haveAllJoined(): boolean {
    for (const { joining } of this.members) if (joining === undefined) return false
    return true
  }
  get joinedCount(): number {
    return [...this.members].filter(({ joining }) => joining !== undefined).length
  }

  enter(state: GroupState, now: Timestamp): void {
    checkStep(GROUP_STATES, this.#state, state)
    this.#previousState = this.#state
    this.#state = state
    this.#stateSince = now
  }

  /** Restores the state from the log: an assigned generation, or one without members. */
  restore(kept: {
    readonly generation: number
    readonly protocolType: string
    readonly protocolName: string | null
    readonly leaderId: string | null
    readonly since: Timestamp
    readonly members: readonly Member[]
  }): void {
    this.#generation = kept.generation
    for (const member of kept.members) this.add(member, kept.protocolType)
    this.#protocolType = kept.protocolType === '' ? null : kept.protocolType
    this.#protocolName = kept.protocolName
    this.#leaderId = kept.leaderId
    this.#state = kept.members.length === 0 ? 'Empty' : 'Stable'
    this.#previousState = this.#state
    this.#stateSince = kept.since
  }

  // ── members ────────────────────────────────────────────────────────────────────────────

  find(memberId: string): Member | undefined {
    return this.#members.get(memberId)
  }

  staticMember(groupInstanceId: string): Member | undefined {
    return this.#members.get(this.#statics.get(groupInstanceId) ?? '')
  }

  /**
   * The member with this id. Throws UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID when another client
   * has replaced the static member.
   */
  member(memberId: string, groupInstanceId: string | null): Member {
    if (groupInstanceId !== null) {
      const current = this.#statics.get(groupInstanceId)
      if (current !== undefined && current !== memberId) {
        const sentence = `another client joined as instance "${groupInstanceId}"`
        throw this.#error('FENCED_INSTANCE_ID', sentence)
      }
    }
    const member = this.#members.get(memberId)
    if (member !== undefined && (groupInstanceId === null || this.#statics.has(groupInstanceId))) {
      return member
    }
    throw this.#error('UNKNOWN_MEMBER_ID', `it has no member "${memberId}"`)
  }

  checkGeneration(generationId: number): void {
    if (generationId === this.#generation) return
    const sentence = `it is in generation ${this.#generation}, not ${generationId}`
    throw this.#error('ILLEGAL_GENERATION', sentence)
  }

  /** Throws if the current state answers this request with an error. */
  checkAllowed(what: 'sync' | 'heartbeat' | 'commit' | 'join'): void {
    const answer = this.row[what]
    if (!isErrorCode(answer)) return
    throw this.#error(answer, `it is ${this.#state} in generation ${this.#generation}`)
  }

  add(member: Member, protocolType: string): void {
    if (this.#members.size === 0) {
      this.#protocolType = protocolType
      this.#leaderId = null
    }
    this.#members.set(member.memberId, member)
    this.#count(member, 1)
    if (member.groupInstanceId !== null) {
      this.#statics.set(member.groupInstanceId, member.memberId)
    }
    this.#leaderId ??= member.memberId
  }

  remove(member: Member): void {
    const { memberId, groupInstanceId } = member
    if (!this.#members.delete(memberId)) return
    this.#count(member, -1)
    if (groupInstanceId !== null && this.#statics.get(groupInstanceId) === memberId) {
      this.#statics.delete(groupInstanceId)
    }
    if (this.#leaderId === memberId) this.#leaderId = [...this.#members.keys()][0] ?? null
  }

  /** Updates a member with the claims of its new JoinGroup. */
  update(member: Member, claims: MemberClaims): void {
    this.#count(member, -1)
    member.update(claims)
    this.#count(member, 1)
  }

  #count({ protocols }: Member, change: 1 | -1): void {
    for (const name of new Set(protocols.map(each => each.name))) {
      const count = (this.#supportedBy.get(name) ?? 0) + change
      assert(count >= 0 && count <= this.size, 'members that support it', { name, count })
      if (count > 0) this.#supportedBy.set(name, count)
      else this.#supportedBy.delete(name)
    }
  }

  /** Gives a returning static member its new member id. */
  rename(member: Member, memberId: string): void {
    const { memberId: oldId, groupInstanceId } = member
    assert(groupInstanceId !== null, 'only a static member is renamed', { oldId })
    this.#members.delete(oldId)
    member.memberId = memberId
    this.#members.set(memberId, member)
    this.#statics.set(groupInstanceId, memberId)
    if (this.#leaderId === oldId) this.#leaderId = memberId
  }

  /** Makes a member that has joined the leader. Returns false when no member has joined. */
  electJoinedLeader(): boolean {
    if (this.find(this.#leaderId ?? '')?.joining !== undefined) return true
    const joined = [...this.members].find(({ joining }) => joining !== undefined)
    if (joined === undefined) return false
    this.#leaderId = joined.memberId
    return true
  }

  // ── protocols ──────────────────────────────────────────────────────────────────────────

  /** True if a member with these assignors has one in common with all current members. */
  isCompatible(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (protocolType === '' || protocols.length === 0) return false
    if (this.#members.size === 0) return true
    if (protocolType !== this.#protocolType) return false
    return protocols.some(this.#isCommon)
  }

  readonly #isCommon = ({ name }: MemberProtocol): boolean =>
    this.#supportedBy.get(name) === this.#members.size

  /** The assignor that most members prefer, among those that all of them support. */
  selectProtocol(): string {
    const votes = new Map<string, number>()
    for (const { protocols } of this.members) {
      const preferred = protocols.find(this.#isCommon)
      assert(preferred !== undefined, 'members without a common protocol')
      votes.set(preferred.name, (votes.get(preferred.name) ?? 0) + 1)
    }
    return [...votes].reduce((best, each) => (each[1] > best[1] ? each : best))[0]
  }

  /** Begins a generation with the current members. */
  beginGeneration(now: Timestamp): void {
    this.#generation++
    if (this.#members.size > 0) {
      const { leaderId } = this
      assert(this.#members.has(leaderId ?? ''), 'the leader is a member', { leaderId })
      this.#protocolName = this.selectProtocol()
      return this.enter('CompletingRebalance', now)
    }
    this.#protocolName = null
    this.#leaderId = null
    this.enter('Empty', now)
  }

  // ── answers ────────────────────────────────────────────────────────────────────────────

  joinAnswer(member: Member, skipAssignment = false): JoinAnswer {
    const leads = member.memberId === this.#leaderId
    return {
      generationId: this.#generation,
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      leader: this.#leaderId ?? '',
      memberId: member.memberId,
      skipAssignment: leads && skipAssignment,
      members: leads ? this.#memberMetadata() : [],
    }
  }

  syncAnswer({ assignment }: Member): SyncAnswer {
    return { protocolType: this.#protocolType, protocolName: this.#protocolName, assignment }
  }

  #memberMetadata(): JoinAnswer['members'] {
    return [...this.members].map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: member.metadataFor(this.#protocolName),
    }))
  }

  #error(code: ErrorCode, sentence: string): PartlogError {
    return new PartlogError(code, `group ${this.groupId}: ${sentence}`)
  }
}

const ANSWERS = new Set(['yes', 'wait', 'answer', 'answerSame', 'answerSameFollower'])

function isErrorCode(answer: string): answer is ErrorCode {
  return !ANSWERS.has(answer)
}

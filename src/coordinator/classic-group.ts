/**
 * One group while it lives: members join, wait for each other, get their partitions, are heard of
 * and go (Kafka's classic protocol, GroupMetadataManager).
 *
 *   a member joins or goes ──▶ PreparingRebalance ──▶ everybody has joined, or the time is over:
 *   a new generation ──▶ CompletingRebalance ──▶ the leader has assigned, and that is in the log
 *   ──▶ Stable
 *
 * Nothing is decided across an `await` but one thing: what the leader assigned counts only if the
 * generation it was for still stands when it is in the log.
 */

import type { Clock, Timer } from '../base/clock.js'
import type { Random } from '../base/random.js'
import { Signal } from '../base/tasks.js'
import { uuidHex, randomUuid } from '../base/uuid.js'
import { PartlogError, toPartlogError } from '../model/errors.js'
import type { MemberAssignmentBytes } from './group-journal.js'
import {
  Member,
  MemberIdRequired,
  type JoinAnswer,
  type JoinRequest,
  type Parked,
  type SyncAnswer,
} from './member.js'
import { MemberSessions } from './member-sessions.js'
import type { Membership } from './membership.js'
import { RebalanceNews, type GroupListener } from './rebalance-news.js'

/** A new member that does not stay until the others have joined is forgotten after this. */
const NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000

export interface GroupSettings {
  /** group.min.session.timeout.ms and group.max.session.timeout.ms */
  readonly groupMinSessionTimeoutMs: number
  readonly groupMaxSessionTimeoutMs: number
  /** group.initial.rebalance.delay.ms */
  readonly groupInitialRebalanceDelayMs: number
  /** group.max.size */
  readonly groupMaxSize: number
}

export interface ClassicGroupOptions {
  readonly clock: Clock
  readonly random: Random
  readonly settings: GroupSettings
  readonly listener: GroupListener
  /** Has the generation kept in the log, with these assignments or with those there are. */
  readonly keep: (membership: Membership, assignments?: MemberAssignmentBytes) => Promise<void>
}

export interface SyncRequest {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
}

export type MemberName = Pick<SyncRequest, 'memberId' | 'groupInstanceId'>
export type MemberInGeneration = MemberName & Pick<SyncRequest, 'generationId'>

export class ClassicGroup {
  readonly #options: ClassicGroupOptions
  readonly #news: RebalanceNews
  readonly #sessions: MemberSessions
  /** Notified when members have to do something. */
  readonly #restless = new Signal()
  /** Sent away with an id, and not back yet. */
  readonly #pending = new Map<string, Timer>()
  #joinTimer: Timer | undefined
  #syncTimer: Timer | undefined
  /** Somebody has come while the first members are waited for. */
  #hasNewcomer = false
  /** The generation whose assignment is on its way to the log. */
  #keepingGeneration = -1

  constructor(
    readonly membership: Membership,
    options: ClassicGroupOptions,
  ) {
    this.#options = options
    this.#news = new RebalanceNews(membership, options.listener, options.clock)
    this.#sessions = new MemberSessions(options.clock, member => this.#expire(member))
    for (const member of membership.members) {
      member.isNew = false
      this.#sessions.prolong(member)
    }
  }

  /** Somebody was sent away with an id, and may be back any moment. */
  get isExpected(): boolean {
    return this.#pending.size > 0
  }

  // ── joining ────────────────────────────────────────────────────────────────────────────

  /** Throws what the state or the member's claims forbid; resolves when the members are known. */
  join(request: JoinRequest): Promise<JoinAnswer> {
    const { membership } = this
    const { memberId, groupInstanceId } = request
    this.#checkAlive()
    this.#checkRoom(request)
    if (!membership.isCompatible(request.protocolType, request.protocols)) {
      throw this.#inconsistent('no assignor is known to all its members and this one')
    }
    if (memberId === '') {
      return groupInstanceId === null ? this.#joinAsNew(request) : this.#joinAsStatic(request)
    }
    if (this.#pending.has(memberId)) return this.#admit(request, memberId)
    return this.#joinAgain(membership.member(memberId, groupInstanceId), request)
  }

  #joinAsNew(request: JoinRequest): Promise<JoinAnswer> {
    const memberId = this.#newId(request.clientId)
    if (!request.requiresMemberId) return this.#admit(request, memberId)
    const forget = (): void => {
      this.#pending.delete(memberId)
      this.#completeIfAllJoined()
    }
    const { clock } = this.#options
    this.#pending.set(memberId, clock.after(request.sessionTimeoutMs, forget, 'background'))
    throw new MemberIdRequired(memberId)
  }

  #admit(request: JoinRequest, memberId: string): Promise<JoinAnswer> {
    const { membership } = this
    this.#forgetPending(memberId)
    const member = new Member({ ...request, memberId })
    membership.add(member, request.protocolType)
    this.#hasNewcomer = true
    this.#sessions.prolong(member, NEW_MEMBER_JOIN_TIMEOUT_MS)
    const answer = this.#park(member)
    this.#news.joined(member)
    this.#rebalance(`client ${member.clientId} joins`)
    return answer
  }

  /** A static member: a new one, or one that comes back and takes the place it had. */
  #joinAsStatic(request: JoinRequest): Promise<JoinAnswer> {
    const { membership } = this
    const groupInstanceId = request.groupInstanceId as string
    const memberId = this.#newId(groupInstanceId)
    const member = membership.staticMember(groupInstanceId)
    if (member === undefined) return this.#admit(request, memberId)
    const sentence = `group ${membership.groupId}: another client joined as "${groupInstanceId}"`
    member.fail(new PartlogError('FENCED_INSTANCE_ID', sentence))
    this.#restless.notify()
    const { memberId: oldId, protocols: oldProtocols } = member
    membership.rename(member, memberId)
    member.update(request)
    this.#sessions.prolong(member)
    if (membership.state !== 'Stable' || !this.#staysAsItIs()) {
      const answer = this.#park(member)
      this.#rebalance(`static member "${groupInstanceId}" is back with other assignors`)
      return answer
    }
    return this.#takePlace(member, () => {
      membership.rename(member, oldId)
      member.protocols = oldProtocols
    })
  }

  #staysAsItIs(): boolean {
    return this.membership.selectProtocol() === this.membership.protocolName
  }

  /** Nobody else notices: the generation stays, its new member id is kept. */
  async #takePlace(member: Member, undo: () => void): Promise<JoinAnswer> {
    const { membership } = this
    const { generation } = membership
    try {
      await this.#options.keep(membership)
    } catch (error) {
      undo()
      throw error
    }
    if (membership.generation !== generation) {
      const sentence = `group ${membership.groupId} has begun to rebalance`
      throw new PartlogError('UNKNOWN_MEMBER_ID', sentence)
    }
    return membership.joinAnswer(member, true)
  }

  #joinAgain(member: Member, request: JoinRequest): Promise<JoinAnswer> {
    const { membership } = this
    membership.checkAllowed('join')
    const { join } = membership.row
    const leads = member.memberId === membership.leaderId
    const isSame = member.says(request.protocols)
    if (join !== 'wait' && isSame && !(join === 'answerSameFollower' && leads)) {
      this.#sessions.prolong(member)
      return Promise.resolve(membership.joinAnswer(member))
    }
    member.update(request)
    const answer = this.#park(member)
    const what = isSame ? 'asks for a rebalance' : 'says something new'
    this.#rebalance(`client ${member.clientId} ${what}`)
    return answer
  }

  #park(member: Member): Promise<JoinAnswer> {
    const again = 'the member has asked again'
    member.joining?.reject(new PartlogError('REBALANCE_IN_PROGRESS', again))
    return new Promise((resolve, reject) => (member.joining = { resolve, reject }))
  }

  // ── rebalancing ────────────────────────────────────────────────────────────────────────

  #rebalance(reason: string): void {
    if (this.membership.state === 'PreparingRebalance') this.#completeIfAllJoined()
    else this.#prepare(reason)
  }

  #prepare(reason: string): void {
    const { membership } = this
    const { clock, settings } = this.#options
    const isFirst = membership.state === 'Empty'
    if (membership.state === 'CompletingRebalance') {
      this.#failSyncs(new PartlogError('REBALANCE_IN_PROGRESS', `group rebalances: ${reason}`))
    }
    this.#syncTimer?.cancel()
    this.#news.begins(reason)
    this.#restless.notify()
    membership.enter('PreparingRebalance', clock.now())
    const { groupInitialRebalanceDelayMs: delayMs } = settings
    if (!isFirst) return this.#completeIfAllJoinedOrWait()
    this.#waitForFirst(delayMs, Math.max(membership.rebalanceTimeoutMs - delayMs, 0))
  }

  /** Others may be about to join a new group: every one that does prolongs the wait. */
  #waitForFirst(delayMs: number, leftMs: number): void {
    this.#hasNewcomer = false
    if (delayMs <= 0) return this.#complete()
    const { clock, settings } = this.#options
    this.#joinTimer = clock.after(delayMs, () => {
      if (!this.#hasNewcomer || leftMs <= 0) return this.#complete()
      const nextMs = Math.min(settings.groupInitialRebalanceDelayMs, leftMs)
      this.#waitForFirst(nextMs, Math.max(leftMs - nextMs, 0))
    })
  }

  #completeIfAllJoined(): void {
    const { state, previousState } = this.membership
    if (state !== 'PreparingRebalance' || previousState === 'Empty') return
    if (this.#haveAllJoined) this.#complete()
  }

  #completeIfAllJoinedOrWait(): void {
    if (this.#haveAllJoined) return this.#complete()
    this.#joinTimer?.cancel()
    const { rebalanceTimeoutMs } = this.membership
    this.#joinTimer = this.#options.clock.after(rebalanceTimeoutMs, () => this.#complete())
  }

  get #haveAllJoined(): boolean {
    return this.#pending.size === 0 && this.membership.haveAllJoined
  }

  /** Whoever has not joined by now is out; static members have until their session ends. */
  #complete(): void {
    const { membership } = this
    this.#joinTimer?.cancel()
    for (const member of [...membership.members]) {
      if (member.joining !== undefined || member.groupInstanceId !== null) continue
      this.#remove(member, 'did not join in time')
      this.#news.timedOut(member)
    }
    if (membership.size > 0 && !membership.electJoinedLeader()) {
      return this.#completeIfAllJoinedOrWait()
    }
    membership.beginGeneration(this.#options.clock.now())
    if (membership.state === 'Empty') this.#keepEmpty()
    else this.#answerJoins()
  }

  #keepEmpty(): void {
    this.#news.ends()
    this.#options.keep(this.membership).catch((error: unknown) => {
      const { groupId } = this.membership
      this.#options.listener.failed(`group ${groupId}: its end is not in the log`, error)
    })
  }

  #answerJoins(): void {
    const { membership } = this
    const { generation, rebalanceTimeoutMs } = membership
    const onTime = (): void => this.#expelUnsynced(generation)
    this.#syncTimer = this.#options.clock.after(rebalanceTimeoutMs, onTime)
    for (const member of membership.members) {
      member.owesSync = true
      member.forget()
      member.isNew = false
      if (member.joining === undefined) continue // static, and away: its session still runs
      this.#sessions.prolong(member)
      member.answerJoin(membership.joinAnswer(member))
    }
  }

  // ── what everybody gets ────────────────────────────────────────────────────────────────

  sync(request: SyncRequest): Promise<SyncAnswer> {
    const { membership } = this
    const member = this.#memberInGeneration(request)
    const { protocolType, protocolName } = request
    const isSame = (given: string | null, own: string | null): boolean =>
      given === null || given === own
    if (!isSame(protocolType, membership.protocolType)) {
      throw this.#inconsistent(`its protocol type is ${membership.protocolType}`)
    }
    if (!isSame(protocolName, membership.protocolName)) {
      throw this.#inconsistent(`its assignor is ${membership.protocolName}`)
    }
    membership.checkAllowed('sync')
    member.owesSync = false
    this.#sessions.prolong(member)
    if (membership.row.sync === 'answer') return Promise.resolve(membership.syncAnswer(member))
    const again = new PartlogError('REBALANCE_IN_PROGRESS', 'the member has asked again')
    member.syncing?.reject(again)
    const answer = new Promise<SyncAnswer>((resolve, reject) => {
      member.syncing = { resolve, reject } satisfies Parked<SyncAnswer>
    })
    if (member.memberId === membership.leaderId) void this.#assign(request.assignments)
    return answer
  }

  async #assign(given: SyncRequest['assignments']): Promise<void> {
    const { membership } = this
    const { generation } = membership
    if (this.#keepingGeneration === generation) return // the leader has asked again
    this.#keepingGeneration = generation
    const assignments = new Map(given.map(each => [each.memberId, each.assignment]))
    const isOver = (): boolean =>
      membership.state !== 'CompletingRebalance' || membership.generation !== generation
    try {
      await this.#options.keep(membership, assignments)
    } catch (error) {
      this.#keepingGeneration = -1
      if (isOver()) return
      this.#failSyncs(toPartlogError(error))
      return this.#prepare('the assignment could not be kept')
    }
    if (!isOver()) this.#stabilize(assignments)
  }

  #stabilize(assignments: MemberAssignmentBytes): void {
    const { membership } = this
    for (const member of membership.members) {
      member.assignment = assignments.get(member.memberId) ?? new Uint8Array(0)
    }
    membership.enter('Stable', this.#options.clock.now())
    for (const member of membership.members) {
      if (member.syncing === undefined) continue
      this.#sessions.prolong(member)
      member.answerSync(membership.syncAnswer(member))
    }
    this.#news.ends()
  }

  #failSyncs(error: PartlogError): void {
    for (const member of this.membership.members) {
      member.forget()
      member.fail(error)
    }
  }

  /** Whoever has joined and never asked for its partitions is gone. */
  #expelUnsynced(generation: number): void {
    const { membership } = this
    if (membership.generation !== generation) return
    if (membership.state !== 'CompletingRebalance' && membership.state !== 'Stable') return
    const silent = [...membership.members].filter(({ owesSync }) => owesSync)
    if (silent.length === 0) return
    for (const member of silent) this.#remove(member, 'never asked for its partitions')
    for (const member of silent) this.#news.timedOut(member)
    this.#prepare(`${silent.length} members never asked for their partitions`)
  }

  // ── staying and going ──────────────────────────────────────────────────────────────────

  /** Resolves when a rebalance begins, or the group is gone: members want to know. */
  news(): Promise<void> {
    return this.#restless.wait()
  }

  heartbeat(request: MemberInGeneration): void {
    const member = this.#memberInGeneration(request)
    this.#sessions.prolong(member)
    this.membership.checkAllowed('heartbeat')
  }

  /** Throws why these may not commit; who may is heard of by it. */
  checkCommit(request: MemberInGeneration): void {
    const { membership } = this
    const { memberId, groupInstanceId, generationId } = request
    this.#checkAlive()
    if (generationId < 0 && membership.state === 'Empty') return
    const member = membership.member(memberId, groupInstanceId)
    membership.checkGeneration(generationId)
    membership.checkAllowed('commit')
    this.#sessions.prolong(member)
  }

  /** Takes a member out; the others share its partitions. A static one may go by its instance. */
  leave({ memberId, groupInstanceId }: MemberName, reason: string): void {
    const { membership } = this
    this.#checkAlive()
    if (this.#pending.has(memberId)) {
      this.#forgetPending(memberId)
      return this.#completeIfAllJoined()
    }
    const byInstance =
      memberId === '' && groupInstanceId !== null ? membership.staticMember(groupInstanceId) : null
    const member = byInstance ?? membership.member(memberId, groupInstanceId)
    this.#remove(member, 'has left')
    this.#news.left(member)
    this.#afterRemoval(`client ${member.clientId} leaves${reason === '' ? '' : `: ${reason}`}`)
  }

  #afterRemoval(reason: string): void {
    const { state } = this.membership
    if (state === 'Stable' || state === 'CompletingRebalance') this.#prepare(reason)
    else this.#completeIfAllJoined()
  }

  #remove(member: Member, what: string): void {
    const { membership } = this
    this.#sessions.end(member)
    membership.remove(member)
    this.#restless.notify()
    const sentence = `group ${membership.groupId}: member "${member.memberId}" ${what}`
    member.fail(new PartlogError('UNKNOWN_MEMBER_ID', sentence))
  }

  /** One that waits for others is alive: it is waited with. */
  #expire(member: Member): void {
    const isWaiting = member.joining !== undefined || member.syncing !== undefined
    if (isWaiting && !member.isNew) return
    this.#remove(member, 'was not heard of in time')
    this.#news.timedOut(member)
    this.#afterRemoval(`session of client ${member.clientId} has ended`)
  }

  /** The group is deleted, or another broker coordinates it now. */
  resign(error: PartlogError): void {
    const { membership } = this
    this.#joinTimer?.cancel()
    this.#syncTimer?.cancel()
    for (const timer of this.#pending.values()) timer.cancel()
    this.#pending.clear()
    for (const member of membership.members) {
      this.#sessions.end(member)
      member.fail(error)
    }
    this.#restless.notify()
    if (membership.state !== 'Dead') membership.enter('Dead', this.#options.clock.now())
  }

  // ── checks ─────────────────────────────────────────────────────────────────────────────

  #memberInGeneration({ memberId, groupInstanceId, generationId }: MemberInGeneration): Member {
    this.#checkAlive()
    const member = this.membership.member(memberId, groupInstanceId)
    this.membership.checkGeneration(generationId)
    return member
  }

  #checkAlive(): void {
    if (this.membership.state !== 'Dead') return
    const sentence = `group ${this.membership.groupId} is gone`
    throw new PartlogError('COORDINATOR_NOT_AVAILABLE', sentence)
  }

  /** Members there are may always join again. */
  #checkRoom({ memberId, groupInstanceId }: MemberName): void {
    const { membership } = this
    const { groupMaxSize: maxSize } = this.#options.settings
    if (membership.find(memberId) !== undefined || this.#pending.has(memberId)) return
    if (groupInstanceId !== null && membership.staticMember(groupInstanceId) !== undefined) return
    if (membership.size + this.#pending.size < maxSize) return
    const sentence = `group ${membership.groupId} has ${maxSize} members already`
    throw new PartlogError('GROUP_MAX_SIZE_REACHED', sentence)
  }

  #forgetPending(memberId: string): void {
    this.#pending.get(memberId)?.cancel()
    this.#pending.delete(memberId)
  }

  #newId(name: string): string {
    return `${name}-${uuidHex(randomUuid(this.#options.random))}`
  }

  #inconsistent(sentence: string): PartlogError {
    const { groupId } = this.membership
    return new PartlogError('INCONSISTENT_GROUP_PROTOCOL', `group ${groupId}: ${sentence}`)
  }
}

/*
 * One live group: members join, wait for each other, get their partitions, send heartbeats and
 * leave (Kafka's classic protocol, GroupMetadataManager).
 *
 *   a member joins or leaves ──▶ PreparingRebalance ──▶ all members have joined, or the rebalance
 *   timeout is over: a new generation ──▶ CompletingRebalance ──▶ the leader's assignment is in the
 *   log ──▶ Stable
 *
 * Only two decisions span an `await`. An assignment counts only if its generation is still current
 * when the assignment is in the log. A returning static member gets its place when its new member
 * id is in the log, unless another client has taken the place meanwhile.
 */

import { uuidHex, randomUuid } from '../../base/uuid.js'
import type { Watchers } from '../../base/watchers.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import {
  livesInProcess,
  Member,
  MemberIdRequired,
  type JoinAnswer,
  type JoinRequest,
  type LeavingMember,
  type MemberClaims,
  type MemberInGeneration,
  type MemberName,
  type SyncAnswer,
  type SyncRequest,
} from './member.js'
import type { Membership } from './membership.js'
import { Rebalance, type ClassicGroupOptions } from './rebalance.js'

/** A new member that waits this long for the others to join, without joining again, is removed. */
const NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000

/** The most clients named in a rebalance reason. */
const NAMED_MAX = 5

/** The most characters kept of a reason given by a member: it comes from outside. */
const REASON_MAX = 255

export class ClassicGroup {
  readonly #options: ClassicGroupOptions
  readonly #rebalance: Rebalance
  /** The generation whose assignment is being written to the log. */
  #keepingGeneration = -1

  constructor(
    readonly membership: Membership,
    options: ClassicGroupOptions,
  ) {
    this.#options = options
    this.#rebalance = new Rebalance(membership, options)
    for (const member of membership.members) {
      member.isNew = false
      this.#rebalance.deadlines.prolong(member)
    }
    const { groupMaxSize } = options.settings
    if (membership.size <= groupMaxSize) return
    const sizes = `${membership.size} members, but group.max.size is ${groupMaxSize}`
    this.#rebalance.begin(`it has ${sizes}`)
  }

  /** A new member got a member id and has not joined with it yet. */
  get hasPendingMembers(): boolean {
    return this.#rebalance.deadlines.pendingCount > 0
  }

  // ── joining ────────────────────────────────────────────────────────────────────────────

  /** Resolves when all members have joined. Throws when the state or the request forbids it. */
  join(request: JoinRequest): Promise<JoinAnswer> {
    const { membership } = this
    const { memberId, groupInstanceId } = request
    this.#checkAlive()
    this.#checkRoom(request)
    if (!membership.isCompatible(request.protocolType, request.protocols)) {
      throw this.#inconsistent('its members and this one have no assignor in common')
    }
    if (memberId === '') {
      return groupInstanceId === null ? this.#joinAsNew(request) : this.#joinAsStatic(request)
    }
    if (this.#rebalance.deadlines.isPending(memberId)) return this.#joinAsPending(request)
    return this.#joinAgain(membership.member(memberId, groupInstanceId), request)
  }

  #joinAsNew(request: JoinRequest): Promise<JoinAnswer> {
    const memberId = this.#newId(request.clientId)
    if (!request.requiresMemberId) return this.#admit(request, memberId)
    this.#rebalance.deadlines.addPending(memberId, request.sessionTimeoutMs)
    throw new MemberIdRequired(memberId)
  }

  #joinAsPending(request: JoinRequest): Promise<JoinAnswer> {
    const { memberId, groupInstanceId } = request
    if (groupInstanceId !== null) {
      const sentence = `"${memberId}" was given to a dynamic member, not to "${groupInstanceId}"`
      throw new PartlogError('INVALID_REQUEST', sentence)
    }
    this.#rebalance.deadlines.removePending(memberId)
    return this.#admit(request, memberId)
  }

  #admit(request: JoinRequest, memberId: string): Promise<JoinAnswer> {
    const member = new Member({ ...request, memberId })
    this.membership.add(member, request.protocolType)
    this.#rebalance.deadlines.prolong(member, NEW_MEMBER_JOIN_TIMEOUT_MS)
    const answer = this.#park(member)
    this.#rebalance.admitted(member)
    return answer
  }

  /** A static member joins: it is new, or it returns and takes the place it had. */
  #joinAsStatic(request: JoinRequest): Promise<JoinAnswer> {
    const { membership } = this
    const groupInstanceId = request.groupInstanceId as string
    const memberId = this.#newId(groupInstanceId)
    const member = membership.staticMember(groupInstanceId)
    if (member === undefined) return this.#admit(request, memberId)
    const sentence = `group ${membership.groupId}: another client joined as "${groupInstanceId}"`
    member.fail(new PartlogError('FENCED_INSTANCE_ID', sentence))
    this.#rebalance.membersHaveToAct.notify()
    const before = { ...member }
    membership.rename(member, memberId)
    membership.update(member, request)
    member.isNew = false
    this.#rebalance.deadlines.prolong(member)
    const answer = this.#park(member)
    const isStable = membership.state === 'Stable'
    if (isStable && this.#keepsProtocol()) void this.#keepReplacement(member, before)
    else this.#rebalance.joined(`static member "${groupInstanceId}" is back`)
    return answer
  }

  #keepsProtocol(): boolean {
    return this.membership.selectProtocol() === this.membership.protocolName
  }

  /** Keeps the new member id in the log. The generation stays, so no other member rebalances. */
  async #keepReplacement(
    member: Member,
    before: MemberClaims & { readonly memberId: string },
  ): Promise<void> {
    const { membership } = this
    const { memberId } = member
    const failure = await this.#options.keep(membership).then(() => undefined, toPartlogError)
    // Another client may have the place by now. If the group rebalances, this member joins it.
    if (membership.find(memberId) !== member || membership.state !== 'Stable') return
    if (failure === undefined) return this.#answerAtOnce(member)
    membership.rename(member, before.memberId)
    membership.update(member, before)
    this.#rebalance.deadlines.prolong(member)
    member.fail(failure)
  }

  #answerAtOnce(member: Member): void {
    this.#rebalance.deadlines.prolong(member)
    member.answerJoin(this.membership.joinAnswer(member, true))
  }

  #joinAgain(member: Member, request: JoinRequest): Promise<JoinAnswer> {
    const { membership } = this
    membership.checkAllowed('join')
    const { join } = membership.row
    const leads = member.memberId === membership.leaderId
    const isSame = member.hasProtocols(request.protocols)
    if (join !== 'wait' && isSame && !(join === 'answerSameFollower' && leads)) {
      this.#rebalance.deadlines.prolong(member)
      return Promise.resolve(membership.joinAnswer(member))
    }
    membership.update(member, request)
    const answer = this.#park(member)
    const what = isSame ? 'asks for a rebalance' : 'updates its metadata'
    const why = request.reason ? `: ${request.reason.slice(0, REASON_MAX)}` : ''
    this.#rebalance.joined(`client ${member.clientId} ${what}${why}`)
    return answer
  }

  #park(member: Member): Promise<JoinAnswer> {
    const again = 'the member sent another JoinGroup'
    member.joining?.reject(new PartlogError('REBALANCE_IN_PROGRESS', again))
    return new Promise((resolve, reject) => (member.joining = { resolve, reject }))
  }

  // ── assignments ────────────────────────────────────────────────────────────────────────

  sync(request: SyncRequest): Promise<SyncAnswer> {
    const { membership } = this
    const member = this.#memberInGeneration(request)
    const { protocolType, protocolName } = request
    const isSame = (given: string | null, own: string | null): boolean =>
      given === null || own === null || given === own
    if (!isSame(protocolType, membership.protocolType)) {
      throw this.#inconsistent(`its protocol type is ${membership.protocolType}`)
    }
    if (!isSame(protocolName, membership.protocolName)) {
      throw this.#inconsistent(`its assignor is ${membership.protocolName}`)
    }
    membership.checkAllowed('sync')
    this.#rebalance.synced(member)
    if (membership.row.sync === 'answer') return Promise.resolve(membership.syncAnswer(member))
    const again = new PartlogError('REBALANCE_IN_PROGRESS', 'the member sent another SyncGroup')
    member.syncing?.reject(again)
    const answer = new Promise<SyncAnswer>((resolve, reject) => {
      member.syncing = { resolve, reject }
    })
    if (member.memberId === membership.leaderId) void this.#assign(request.assignments)
    return answer
  }

  async #assign(given: SyncRequest['assignments']): Promise<void> {
    const { membership } = this
    const { generation } = membership
    if (this.#keepingGeneration === generation) return // the leader sent another SyncGroup
    this.#keepingGeneration = generation
    const assignments = new Map(given.map(each => [each.memberId, each.assignment]))
    const kept = this.#options.keep(membership, assignments)
    const failure = await kept.then(() => undefined, toPartlogError)
    if (membership.state !== 'CompletingRebalance' || membership.generation !== generation) return
    if (failure === undefined) return this.#rebalance.end(assignments)
    this.#rebalance.failSyncs(failure)
    this.#rebalance.begin('the assignment could not be written to the log')
  }

  // ── heartbeats and leaving ─────────────────────────────────────────────────────────────

  /** Notified when a rebalance begins or the group is deleted: members have to react. */
  get news(): Watchers {
    return this.#rebalance.membersHaveToAct
  }

  /** `agoMs`: how long ago it was sent. */
  heartbeat(request: MemberInGeneration, agoMs = 0): void {
    const member = this.#memberInGeneration(request)
    const { deadlines } = this.#rebalance
    if (agoMs === 0) deadlines.prolong(member)
    else deadlines.prolongLate(member, agoMs)
    this.membership.checkAllowed('heartbeat')
  }

  /**
   * Throws if the member may not commit. A commit counts as a heartbeat. In a transaction,
   * producers before KIP-447 name no member, and a commit does not wait for a rebalance.
   */
  checkCommit(request: MemberInGeneration, isInTransaction = false): void {
    const { membership } = this
    const { memberId, groupInstanceId, generationId } = request
    this.#checkAlive()
    if (generationId < 0 && membership.state === 'Empty') return
    const isNamed = generationId >= 0 || memberId !== '' || groupInstanceId !== null
    if (isInTransaction && !isNamed) return
    const member = membership.member(memberId, groupInstanceId)
    membership.checkGeneration(generationId)
    if (!isInTransaction) membership.checkAllowed('commit')
    this.#rebalance.deadlines.prolong(member)
  }

  /**
   * Removes members; the others share their partitions. A static member may be named by its
   * instance id. Returns for each member the error, or undefined if it was removed.
   */
  leave(leaving: readonly LeavingMember[]): (PartlogError | undefined)[] {
    this.#checkAlive()
    const reasons: string[] = []
    const outcomes = leaving.map(each => {
      if (this.#rebalance.deadlines.removePending(each.memberId)) return undefined
      try {
        reasons.push(this.#removeLeaving(each))
        return undefined
      } catch (error) {
        if (error instanceof PartlogError) return error
        throw error
      }
    })
    if (reasons.length > 0) this.#rebalance.gone(reasons.join(', '))
    else this.#rebalance.completeIfAllJoined()
    return outcomes
  }

  #removeLeaving({ memberId, groupInstanceId, reason }: LeavingMember): string {
    const { membership } = this
    const byInstance =
      memberId === '' && groupInstanceId !== null ? membership.staticMember(groupInstanceId) : null
    const member = byInstance ?? membership.member(memberId, groupInstanceId)
    this.#rebalance.remove(member, 'has left')
    this.#rebalance.reporter.left(member)
    return `client ${member.clientId} leaves${reason === '' ? '' : `: ${reason}`}`
  }

  /**
   * The process that coordinated the group has died and restarted. Members that ran in it are
   * removed. Members elsewhere lost their connections: they reconnect within seconds or not at all,
   * so their sessions are shortened. Static members keep their session timeout.
   */
  handleProcessRestart(): void {
    const { settings } = this.#options
    const gone = [...this.membership.members].filter(
      member => member.groupInstanceId === null && livesInProcess(member),
    )
    for (const member of gone) {
      this.#rebalance.remove(member, 'ended with its process')
      this.#rebalance.reporter.left(member)
    }
    for (const member of this.membership.members) {
      if (member.groupInstanceId !== null) continue
      const { sessionTimeoutMs } = member
      const graceMs = Math.min(sessionTimeoutMs, settings.groupMinSessionTimeoutMs)
      this.#rebalance.deadlines.shorten(member, graceMs)
    }
    if (gone.length === 0) return
    const names = [...new Set(gone.map(({ clientId }) => clientId))].slice(0, NAMED_MAX)
    this.#rebalance.gone(`the process of clients ${names.join(', ')} has ended`)
  }

  /** Ends the group here: it is deleted, or another broker coordinates it now. */
  resign(error: PartlogError): void {
    this.#rebalance.stop(error)
    if (this.membership.state === 'Dead') return
    this.membership.enter('Dead', this.#options.clock.now())
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
    const sentence = `group ${this.membership.groupId} was deleted or has another coordinator`
    throw new PartlogError('COORDINATOR_NOT_AVAILABLE', sentence)
  }

  /** Throws GROUP_MAX_SIZE_REACHED and removes the member if the group is full. */
  #checkRoom(request: MemberName): void {
    if (this.#hasRoomFor(request)) return
    const { membership } = this
    const { groupMaxSize: maxSize } = this.#options.settings
    this.#rebalance.deadlines.removePending(request.memberId)
    const member = membership.find(request.memberId)
    if (member !== undefined) this.#rebalance.remove(member, 'is above group.max.size')
    this.#rebalance.completeIfAllJoined()
    const sentence = `group ${membership.groupId} already has ${maxSize} members (group.max.size)`
    throw new PartlogError('GROUP_MAX_SIZE_REACHED', sentence)
  }

  /**
   * While the group rebalances, only members that have joined count: if it has too many members,
   * the last to rejoin are removed. A returning static member takes its own place.
   */
  #hasRoomFor({ memberId, groupInstanceId }: MemberName): boolean {
    const { membership } = this
    const { groupMaxSize: maxSize } = this.#options.settings
    const member = membership.find(memberId) ?? membership.staticMember(groupInstanceId ?? '')
    if (membership.size < maxSize) return true
    if (membership.state !== 'PreparingRebalance') return member !== undefined
    return member?.joining !== undefined || membership.joinedCount < maxSize
  }

  #newId(name: string): string {
    return `${name}-${uuidHex(randomUuid(this.#options.random))}`
  }

  #inconsistent(sentence: string): PartlogError {
    const { groupId } = this.membership
    return new PartlogError('INCONSISTENT_GROUP_PROTOCOL', `group ${groupId}: ${sentence}`)
  }
}

/**
 * One group while it lives: members join, wait for each other, get their partitions, are heard of
 * and go (Kafka's classic protocol, GroupMetadataManager).
 *
 *   a member joins or goes ──▶ PreparingRebalance ──▶ everybody has joined, or the time is over:
 *   a new generation ──▶ CompletingRebalance ──▶ the leader has assigned, and that is in the log
 *   ──▶ Stable
 *
 * Nothing is decided across an `await` but two things: what the leader assigned counts only if the
 * generation it was for still stands when it is in the log; a static member that is back has its
 * place when that is in the log, if it was not taken from it meanwhile.
 */

import { uuidHex, randomUuid } from '../../base/uuid.js'
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

/** A new member that does not stay until the others have joined is forgotten after this. */
const NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000

/** So many clients are named in a reason. */
const NAMED_MAX = 5

/** Of what a member gives as its reason, so much is kept: it comes from outside. */
const REASON_MAX = 255

export class ClassicGroup {
  readonly #options: ClassicGroupOptions
  readonly #rebalance: Rebalance
  /** The generation whose assignment is on its way to the log. */
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
    this.#rebalance.begin(`it has ${membership.size} members, at most ${groupMaxSize} may be in it`)
  }

  /** Somebody was sent away with an id, and may be back any moment. */
  get isExpected(): boolean {
    return this.#rebalance.deadlines.expectedCount > 0
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
    if (this.#rebalance.deadlines.isExpected(memberId)) return this.#joinAsPending(request)
    return this.#joinAgain(membership.member(memberId, groupInstanceId), request)
  }

  #joinAsNew(request: JoinRequest): Promise<JoinAnswer> {
    const memberId = this.#newId(request.clientId)
    if (!request.requiresMemberId) return this.#admit(request, memberId)
    this.#rebalance.deadlines.expect(memberId, request.sessionTimeoutMs)
    throw new MemberIdRequired(memberId)
  }

  #joinAsPending(request: JoinRequest): Promise<JoinAnswer> {
    const { memberId, groupInstanceId } = request
    if (groupInstanceId !== null) {
      const sentence = `"${memberId}" was given to a dynamic member, not to "${groupInstanceId}"`
      throw new PartlogError('INVALID_REQUEST', sentence)
    }
    this.#rebalance.deadlines.expectNoMore(memberId)
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

  /** A static member: a new one, or one that comes back and takes the place it had. */
  #joinAsStatic(request: JoinRequest): Promise<JoinAnswer> {
    const { membership } = this
    const groupInstanceId = request.groupInstanceId as string
    const memberId = this.#newId(groupInstanceId)
    const member = membership.staticMember(groupInstanceId)
    if (member === undefined) return this.#admit(request, memberId)
    const sentence = `group ${membership.groupId}: another client joined as "${groupInstanceId}"`
    member.fail(new PartlogError('FENCED_INSTANCE_ID', sentence))
    this.#rebalance.membersWanted.notify()
    const before = { ...member }
    membership.rename(member, memberId)
    membership.update(member, request)
    member.isNew = false
    this.#rebalance.deadlines.prolong(member)
    const answer = this.#park(member)
    if (membership.state === 'Stable' && this.#staysAsItIs()) void this.#takePlace(member, before)
    else this.#rebalance.joined(`static member "${groupInstanceId}" is back`)
    return answer
  }

  #staysAsItIs(): boolean {
    return this.membership.selectProtocol() === this.membership.protocolName
  }

  /** Nobody else notices: the generation stays, its new member id is kept. */
  async #takePlace(
    member: Member,
    before: MemberClaims & { readonly memberId: string },
  ): Promise<void> {
    const { membership } = this
    const { memberId } = member
    const failure = await this.#options.keep(membership).then(() => undefined, toPartlogError)
    // Another client may have its place by now; if the group rebalances, this one joins with it.
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
    const isSame = member.says(request.protocols)
    if (join !== 'wait' && isSame && !(join === 'answerSameFollower' && leads)) {
      this.#rebalance.deadlines.prolong(member)
      return Promise.resolve(membership.joinAnswer(member))
    }
    membership.update(member, request)
    const answer = this.#park(member)
    const what = isSame ? 'asks for a rebalance' : 'says something new'
    const why = request.reason ? `: ${request.reason.slice(0, REASON_MAX)}` : ''
    this.#rebalance.joined(`client ${member.clientId} ${what}${why}`)
    return answer
  }

  #park(member: Member): Promise<JoinAnswer> {
    const again = 'the member has asked again'
    member.joining?.reject(new PartlogError('REBALANCE_IN_PROGRESS', again))
    return new Promise((resolve, reject) => (member.joining = { resolve, reject }))
  }

  // ── what everybody gets ────────────────────────────────────────────────────────────────

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
    const again = new PartlogError('REBALANCE_IN_PROGRESS', 'the member has asked again')
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
    if (this.#keepingGeneration === generation) return // the leader has asked again
    this.#keepingGeneration = generation
    const assignments = new Map(given.map(each => [each.memberId, each.assignment]))
    const kept = this.#options.keep(membership, assignments)
    const failure = await kept.then(() => undefined, toPartlogError)
    if (membership.state !== 'CompletingRebalance' || membership.generation !== generation) return
    if (failure === undefined) return this.#rebalance.end(assignments)
    this.#rebalance.failSyncs(failure)
    this.#rebalance.begin('the assignment could not be kept')
  }

  // ── staying and going ──────────────────────────────────────────────────────────────────

  /** Resolves when a rebalance begins, or the group is gone: members want to know. */
  news(): Promise<void> {
    return this.#rebalance.membersWanted.wait()
  }

  heartbeat(request: MemberInGeneration): void {
    const member = this.#memberInGeneration(request)
    this.#rebalance.deadlines.prolong(member)
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
    this.#rebalance.deadlines.prolong(member)
  }

  /**
   * Takes members out; the others share their partitions. A static one may go by its instance. The
   * answer says of each why it could not.
   */
  leave(leaving: readonly LeavingMember[]): (PartlogError | undefined)[] {
    this.#checkAlive()
    const reasons: string[] = []
    const outcomes = leaving.map(each => {
      if (this.#rebalance.deadlines.expectNoMore(each.memberId)) return undefined
      try {
        reasons.push(this.#takeOut(each))
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

  #takeOut({ memberId, groupInstanceId, reason }: LeavingMember): string {
    const { membership } = this
    const byInstance =
      memberId === '' && groupInstanceId !== null ? membership.staticMember(groupInstanceId) : null
    const member = byInstance ?? membership.member(memberId, groupInstanceId)
    this.#rebalance.remove(member, 'has left')
    this.#rebalance.news.left(member)
    return `client ${member.clientId} leaves${reason === '' ? '' : `: ${reason}`}`
  }

  /**
   * The process that coordinated the group has died, and is back. Members that lived in it are gone
   * with it; those elsewhere have lost their connections and are back in seconds, if at all. Static
   * ones, here and there, are expected for as long as ever.
   */
  outliveProcess(): void {
    const { settings } = this.#options
    const gone = [...this.membership.members].filter(
      member => member.groupInstanceId === null && livesInProcess(member),
    )
    for (const member of gone) {
      this.#rebalance.remove(member, 'went with its process')
      this.#rebalance.news.left(member)
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

  /** The group is deleted, or another broker coordinates it now. */
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
    const sentence = `group ${this.membership.groupId} is gone`
    throw new PartlogError('COORDINATOR_NOT_AVAILABLE', sentence)
  }

  /** Who is one too many does not stay: its id is forgotten. */
  #checkRoom(request: MemberName): void {
    if (this.#hasRoomFor(request)) return
    const { membership } = this
    const { groupMaxSize: maxSize } = this.#options.settings
    this.#rebalance.deadlines.expectNoMore(request.memberId)
    const member = membership.find(request.memberId)
    if (member !== undefined) this.#rebalance.remove(member, 'is one too many')
    this.#rebalance.completeIfAllJoined()
    const sentence = `group ${membership.groupId} has ${maxSize} members already`
    throw new PartlogError('GROUP_MAX_SIZE_REACHED', sentence)
  }

  /**
   * While the group rebalances those count who have joined: if it has too many members, the last
   * to join again are out. A static member that is back takes its own place.
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

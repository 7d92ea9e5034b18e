/**
 * How a group gets from one generation to the next, and how long it waits on the way: for the first
 * members, for those who have to join again, for those who have to ask for their partitions, and
 * for a word from each of them.
 */

import { assert } from '../../base/assert.js'
import type { Clock, Timer } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import { Signal } from '../../base/tasks.js'
import { PartlogError } from '../../model/errors.js'
import type { MemberAssignmentBytes } from './group-journal.js'
import { MemberDeadlines } from './member-deadlines.js'
import type { Member } from './member.js'
import type { Membership } from './membership.js'
import { RebalanceNews, type GroupListener } from './rebalance-news.js'

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

export class Rebalance {
  readonly #membership: Membership
  readonly #options: ClassicGroupOptions
  readonly news: RebalanceNews
  readonly deadlines: MemberDeadlines
  /** Notified when members have to do something. */
  readonly membersWanted = new Signal()
  #joinTimer: Timer | undefined
  #syncTimer: Timer | undefined
  /** Somebody has come while the first members are waited for. */
  #hasNewcomer = false

  constructor(membership: Membership, options: ClassicGroupOptions) {
    this.#membership = membership
    this.#options = options
    this.news = new RebalanceNews(membership, options.listener, options.clock)
    this.deadlines = new MemberDeadlines({
      clock: options.clock,
      onSilent: member => this.#expire(member),
      onAbsent: () => this.completeIfAllJoined(),
    })
  }

  // ── beginning ──────────────────────────────────────────────────────────────────────────

  /** Somebody is new. */
  admitted(member: Member): void {
    this.#hasNewcomer = true
    this.news.joined(member)
    this.joined(`client ${member.clientId} joins`)
  }

  /** Somebody has joined: the group rebalances now, or has waited for this one. */
  joined(reason: string): void {
    if (this.#membership.state === 'PreparingRebalance') this.completeIfAllJoined()
    else this.begin(reason)
  }

  /** Somebody has gone: its partitions go to others, or it is not waited for any more. */
  gone(reason: string): void {
    const { state } = this.#membership
    if (state === 'Stable' || state === 'CompletingRebalance') this.begin(reason)
    else this.completeIfAllJoined()
  }

  begin(reason: string): void {
    const membership = this.#membership
    const isFirst = membership.state === 'Empty'
    if (membership.state === 'CompletingRebalance') {
      this.failSyncs(new PartlogError('REBALANCE_IN_PROGRESS', `group rebalances: ${reason}`))
    }
    this.#syncTimer?.cancel()
    this.news.begins(reason)
    this.membersWanted.notify()
    membership.enter('PreparingRebalance', this.#options.clock.now())
    if (!isFirst) return this.#completeIfAllJoinedOrWait()
    const { groupInitialRebalanceDelayMs: delayMs } = this.#options.settings
    this.#waitForFirst(delayMs, Math.max(membership.rebalanceTimeoutMs - delayMs, 0))
  }

  /** Others may be about to join a new group: every one that does prolongs the wait. */
  #waitForFirst(delayMs: number, leftMs: number): void {
    this.#hasNewcomer = false
    if (delayMs <= 0) return this.#complete()
    const { clock, settings } = this.#options
    this.#joinTimer = clock.after(delayMs, () => {
      if (!this.#hasNewcomer) return this.#complete()
      const nextMs = Math.min(settings.groupInitialRebalanceDelayMs, leftMs)
      this.#waitForFirst(nextMs, Math.max(leftMs - nextMs, 0))
    })
  }

  // ── everybody is here ──────────────────────────────────────────────────────────────────

  completeIfAllJoined(): void {
    const { state, previousState } = this.#membership
    if (state !== 'PreparingRebalance' || previousState === 'Empty') return
    if (this.#haveAllJoined) this.#complete()
  }

  #completeIfAllJoinedOrWait(): void {
    if (this.#haveAllJoined) return this.#complete()
    this.#joinTimer?.cancel()
    const { rebalanceTimeoutMs } = this.#membership
    this.#joinTimer = this.#options.clock.after(rebalanceTimeoutMs, () => this.#complete())
  }

  get #haveAllJoined(): boolean {
    return this.deadlines.expectedCount === 0 && this.#membership.haveAllJoined
  }

  /** Whoever has not joined by now is out; static members have until their session ends. */
  #complete(): void {
    const membership = this.#membership
    this.#joinTimer?.cancel()
    for (const member of [...membership.members]) {
      if (member.joining !== undefined || member.groupInstanceId !== null) continue
      this.remove(member, 'did not join in time')
      this.news.timedOut(member)
    }
    if (membership.size > 0 && !membership.electJoinedLeader()) {
      return this.#completeIfAllJoinedOrWait()
    }
    membership.beginGeneration(this.#options.clock.now())
    if (membership.state === 'Empty') this.#keepEmpty()
    else this.#answerJoins()
  }

  #keepEmpty(): void {
    this.news.ends()
    this.#options.keep(this.#membership).catch((error: unknown) => {
      const { groupId } = this.#membership
      this.#options.listener.failed(`group ${groupId}: its end is not in the log`, error)
    })
  }

  /** Static members who are away get the new generation's time as well. */
  #answerJoins(): void {
    const membership = this.#membership
    const { rebalanceTimeoutMs } = membership
    this.#syncTimer = this.#options.clock.after(rebalanceTimeoutMs, () => this.#expelUnsynced())
    for (const member of membership.members) {
      const { joining, groupInstanceId, memberId } = member
      assert(joining !== undefined || groupInstanceId !== null, 'joined or static', { memberId })
      member.owesSync = true
      member.isNew = false
      this.deadlines.prolong(member)
      member.answerJoin(membership.joinAnswer(member))
    }
  }

  // ── everybody has its partitions ───────────────────────────────────────────────────────

  /** The member has asked for its partitions. */
  synced(member: Member): void {
    member.owesSync = false
    this.deadlines.prolong(member)
    for (const { owesSync } of this.#membership.members) if (owesSync) return
    this.#syncTimer?.cancel()
  }

  /** The leader has assigned, and that is in the log. */
  end(assignments: MemberAssignmentBytes): void {
    const membership = this.#membership
    for (const member of membership.members) {
      member.assignment = assignments.get(member.memberId) ?? new Uint8Array(0)
    }
    membership.enter('Stable', this.#options.clock.now())
    for (const member of membership.members) {
      if (member.syncing === undefined) continue
      this.deadlines.prolong(member)
      member.answerSync(membership.syncAnswer(member))
    }
    this.news.ends()
  }

  /** Nobody gets anything. Sessions of those who waited stood still, they begin again. */
  failSyncs(error: PartlogError): void {
    for (const member of this.#membership.members) {
      member.forget()
      if (member.syncing !== undefined) this.deadlines.prolong(member)
      member.failSync(error)
    }
  }

  /** Whoever has joined and never asked for its partitions is gone. */
  #expelUnsynced(): void {
    const membership = this.#membership
    const silent = [...membership.members].filter(({ owesSync }) => owesSync)
    if (silent.length === 0) return
    for (const member of silent) this.remove(member, 'never asked for its partitions')
    for (const member of silent) this.news.timedOut(member)
    this.begin(`${silent.length} members never asked for their partitions`)
  }

  // ── going ──────────────────────────────────────────────────────────────────────────────

  remove(member: Member, what: string): void {
    const membership = this.#membership
    this.deadlines.end(member)
    membership.remove(member)
    const sentence = `group ${membership.groupId}: member "${member.memberId}" ${what}`
    member.fail(new PartlogError('UNKNOWN_MEMBER_ID', sentence))
  }

  /** One that waits for others is alive: it is waited with. */
  #expire(member: Member): void {
    const isWaiting = member.joining !== undefined || member.syncing !== undefined
    if (isWaiting && !member.isNew) return
    this.remove(member, 'was not heard of in time')
    this.news.timedOut(member)
    this.gone(`session of client ${member.clientId} has ended`)
  }

  /** Whoever waits is told, and nothing is waited for any more. */
  stop(error: PartlogError): void {
    this.#joinTimer?.cancel()
    this.#syncTimer?.cancel()
    this.deadlines.expectNone()
    for (const member of this.#membership.members) {
      this.deadlines.end(member)
      member.fail(error)
    }
    this.membersWanted.notify()
  }
}

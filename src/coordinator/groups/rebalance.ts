/*
 * Moves a group from one generation to the next, and bounds each wait on the way: for the first
 * members, for members that have to rejoin, for members that have to send a SyncGroup, and for
 * heartbeats.
 */

import { assert } from '../../base/assert.js'
import type { Clock, Timer } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import { Watchers } from '../../base/watchers.js'
import { PartlogError } from '../../model/errors.js'
import type { MemberAssignmentBytes } from './group-journal.js'
import { MemberDeadlines } from './member-deadlines.js'
import type { Member } from './member.js'
import type { Membership } from './membership.js'
import { RebalanceReporter, type GroupListener } from './rebalance-reporter.js'

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
  /** Writes the generation to the log, with these assignments or the current ones. */
  readonly keep: (membership: Membership, assignments?: MemberAssignmentBytes) => Promise<void>
}

export class Rebalance {
  readonly #membership: Membership
  readonly #options: ClassicGroupOptions
  readonly reporter: RebalanceReporter
  readonly deadlines: MemberDeadlines
  /** Notified when members have to do something. */
  readonly membersHaveToAct = new Watchers()
  #joinTimer: Timer | undefined
  #syncTimer: Timer | undefined
  /** A member has joined during the initial rebalance delay. */
  #hasNewcomer = false

  constructor(membership: Membership, options: ClassicGroupOptions) {
    this.#membership = membership
    this.#options = options
    this.reporter = new RebalanceReporter(membership, options.listener, options.clock)
    this.deadlines = new MemberDeadlines({
      clock: options.clock,
      onSessionTimeout: member => this.#expire(member),
      onPendingTimeout: () => this.completeIfAllJoined(),
    })
  }

  // ── beginning ──────────────────────────────────────────────────────────────────────────

  /** A new member was added. */
  admitted(member: Member): void {
    this.#hasNewcomer = true
    this.reporter.joined(member)
    this.joined(`client ${member.clientId} joins`)
  }

  /** A member has joined: begins a rebalance, or completes the one that waited for it. */
  joined(reason: string): void {
    if (this.#membership.state === 'PreparingRebalance') this.completeIfAllJoined()
    else this.begin(reason)
  }

  /** A member was removed: begins a rebalance, or completes the one that waited for it. */
  gone(reason: string): void {
    const { state } = this.#membership
    if (state === 'Stable' || state === 'CompletingRebalance') this.begin(reason)
    else this.completeIfAllJoined()
  }

  begin(reason: string): void {
    const membership = this.#membership
    const isFirst = membership.state === 'Empty'
    if (membership.state === 'CompletingRebalance') {
      const sentence = `group ${membership.groupId} rebalances: ${reason}`
      this.failSyncs(new PartlogError('REBALANCE_IN_PROGRESS', sentence))
    }
    this.#syncTimer?.cancel()
    this.reporter.begins(reason)
    this.membersHaveToAct.notify()
    membership.enter('PreparingRebalance', this.#options.clock.now())
    if (!isFirst) return this.#completeIfAllJoinedOrWait()
    const { groupInitialRebalanceDelayMs: delayMs } = this.#options.settings
    this.#waitForFirst(delayMs, Math.max(membership.rebalanceTimeoutMs - delayMs, 0))
  }

  /** Waits for more members to join a new group: each one that joins extends the wait. */
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

  // ── all members have joined ────────────────────────────────────────────────────────────

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
    return this.deadlines.pendingCount === 0 && this.#membership.haveAllJoined
  }

  /** Removes members that have not joined; static members have until their session ends. */
  #complete(): void {
    const membership = this.#membership
    this.#joinTimer?.cancel()
    for (const member of [...membership.members]) {
      if (member.joining !== undefined || member.groupInstanceId !== null) continue
      this.remove(member, 'did not join in time')
      this.reporter.timedOut(member)
    }
    if (membership.size > 0 && !membership.electJoinedLeader()) {
      return this.#completeIfAllJoinedOrWait()
    }
    membership.beginGeneration(this.#options.clock.now())
    if (membership.state === 'Empty') this.#keepEmpty()
    else this.#answerJoins()
  }

  #keepEmpty(): void {
    this.reporter.ends()
    this.#options.keep(this.#membership).catch((error: unknown) => {
      const { groupId } = this.#membership
      const sentence = `group ${groupId}: could not write its last generation to the log`
      this.#options.listener.failed(sentence, error)
    })
  }

  /** Also extends the sessions of static members that are away. */
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

  // ── all members have their partitions ──────────────────────────────────────────────────

  /** The member has sent a SyncGroup. */
  synced(member: Member): void {
    member.owesSync = false
    this.deadlines.prolong(member)
    for (const { owesSync } of this.#membership.members) if (owesSync) return
    this.#syncTimer?.cancel()
  }

  /** Ends the rebalance: the leader's assignment is in the log. */
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
    this.reporter.ends()
  }

  /** Fails all waiting SyncGroups. The sessions of these members stood still and start again. */
  failSyncs(error: PartlogError): void {
    for (const member of this.#membership.members) {
      member.clearAssignment()
      if (member.syncing !== undefined) this.deadlines.prolong(member)
      member.failSync(error)
    }
  }

  /** Removes members that joined and never sent a SyncGroup. */
  #expelUnsynced(): void {
    const membership = this.#membership
    const silent = [...membership.members].filter(({ owesSync }) => owesSync)
    if (silent.length === 0) return
    for (const member of silent) this.remove(member, 'sent no SyncGroup in time')
    for (const member of silent) this.reporter.timedOut(member)
    this.begin(`${silent.length} members sent no SyncGroup in time`)
  }

  // ── removing members ───────────────────────────────────────────────────────────────────

  remove(member: Member, what: string): void {
    const membership = this.#membership
    this.deadlines.end(member)
    membership.remove(member)
    const sentence = `group ${membership.groupId}: member "${member.memberId}" ${what}`
    member.fail(new PartlogError('UNKNOWN_MEMBER_ID', sentence))
    this.membersHaveToAct.notify() // its heartbeat may be held
  }

  /** Removes a member whose session has ended, unless it waits for a JoinGroup or SyncGroup. */
  #expire(member: Member): void {
    const isWaiting = member.joining !== undefined || member.syncing !== undefined
    if (isWaiting && !member.isNew) return
    this.remove(member, 'sent no heartbeat in time')
    this.reporter.timedOut(member)
    this.gone(`session of client ${member.clientId} has ended`)
  }

  /** Fails all waiting requests and cancels all timers. */
  stop(error: PartlogError): void {
    this.#joinTimer?.cancel()
    this.#syncTimer?.cancel()
    this.deadlines.removeAllPending()
    for (const member of this.#membership.members) {
      this.deadlines.end(member)
      member.fail(error)
    }
    this.membersHaveToAct.notify()
  }
}

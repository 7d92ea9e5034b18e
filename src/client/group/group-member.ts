/*
 * A consumer's membership in its group (Kafka's classic protocol, ConsumerCoordinator): the work of
 * each of the states that are drawn in member-states.ts.
 *
 * An eager member revokes all its partitions before it joins. A cooperative one continues to read,
 * revokes only the partitions it lost, and joins once more so that others get those.
 *
 * One loop at a time takes the steps from `preparing` on, and none once its `life` has aborted: the
 * code that aborts a life sets the next state itself.
 */

import { assert } from '../../base/assert.js'
import { backoffMs } from '../../base/backoff.js'
import { sleep, type Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { checkStep } from '../../base/states.js'
import { abortable, SerialQueue, Signal } from '../../base/tasks.js'
import { errorId, PartlogError, toPartlogError, type ErrorCode } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { ApiName, Request, Response } from '../../protocol/api.js'
import type { Assignor } from '../../protocol/assignors/assignor.js'
import {
  CONSUMER_PROTOCOL,
  decodeAssignment,
  encodeSubscription,
} from '../../protocol/messages/consumer-protocol.js'
import type { JoinGroupResponse } from '../../protocol/messages/groups.js'
import type { MetadataCache } from '../line/metadata-cache.js'
import { userDataOf } from './assignor-option.js'
import { BetweenRecords } from './between-records.js'
import { NO_MEMBER, type GroupClient } from './group-client.js'
import { assignPartitions, countsInGroup, type PartitionCounts } from './group-leader.js'
import type { GroupMembership, MemberHost } from './group-membership.js'
import { Heartbeat } from './heartbeat.js'
import { heartbeatIntervalOf, heartbeatWaits, type MemberSettings } from './member-config.js'
import { MEMBER_STATES, type MemberState } from './member-states.js'
import { PollDeadline } from './poll-deadline.js'
import type { ReadingGate } from './reading-gate.js'
import { RebalanceStreak } from './rebalance-streak.js'
import { without } from './told-partitions.js'

export interface GroupMemberOptions {
  readonly client: GroupClient
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings: MemberSettings
  readonly assignors: readonly Assignor[]
  readonly metadata: MetadataCache
  readonly gate: ReadingGate
  readonly host: MemberHost
}

const MEMBER_ID_REQUIRED = errorId('MEMBER_ID_REQUIRED')
/** The coordinator does not know this member any more: others may have its partitions. */
const NOT_IN_GROUP: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
])

/** The error that keeps a member out of its group. */
interface Obstacle {
  readonly error: PartlogError
  readonly sinceMs: number
}

export class GroupMember implements GroupMembership {
  readonly #options: GroupMemberOptions
  readonly #between: BetweenRecords
  readonly #deadline: PollDeadline
  readonly #heartbeat: Heartbeat
  readonly #streak: RebalanceStreak
  readonly #loops = new SerialQueue()
  readonly #changed = new Signal()
  #state: MemberState = 'unjoined'
  /** Aborts what is under way when the state is changed from outside the loop. */
  #life = new AbortController()
  /** The reason for the rebalance that is due. */
  #due: string | undefined
  #obstacle: Obstacle | undefined
  /** While it is leaving: resolves when it has left. */
  #leaving: Promise<void> | undefined
  /** Its last assignment; an assignor's userData may need it. */
  #assigned: readonly TopicPartition[] = []
  #counts: PartitionCounts = new Map()
  #isLeader = false

  constructor(options: GroupMemberOptions) {
    this.#options = options
    const { clock, settings, gate } = options
    this.#between = new BetweenRecords(options)
    this.#deadline = new PollDeadline(clock, gate, settings.maxPollIntervalMs)
    this.#streak = new RebalanceStreak(settings.retryBackoffMaxMs)
    this.#heartbeat = new Heartbeat(clock, heartbeatIntervalOf(settings), signal =>
      this.#beat(signal),
    )
    gate.onAsked = () => {
      if (this.#state === 'tooSlow') this.rejoin('the application reads again')
    }
  }

  /** The partition counts of the last assignment if this member leads the group. */
  get countsAsLeader(): PartitionCounts | undefined {
    return this.#isLeader ? this.#counts : undefined
  }

  get #isEager(): boolean {
    return this.#options.assignors.some(({ protocol }) => protocol === 'eager')
  }

  // ── public calls ───────────────────────────────────────────────────────────────────────

  /** Asks for a rebalance. `isHurried`: without waiting for the record in hand. */
  rejoin(reason: string, options: { readonly isHurried?: boolean } = {}): void {
    const { isHurried = false } = options
    const { rejoin } = MEMBER_STATES[this.#state]
    if (rejoin === 'isVoid') return
    this.#due ??= reason
    if (rejoin === 'isNoted') {
      if (isHurried) this.#between.isHurried = true
      return
    }
    this.#between.isHurried = isHurried
    this.#obstacle = undefined
    this.#enter('preparing')
    const { signal } = this.#life
    void this.#loops.run(() => this.#run(signal))
  }

  /**
   * Resolves when no rebalance is due. Rejects with the error that keeps the member out of the
   * group, also with one that may pass once it has lasted for `defaultApiTimeoutMs`.
   */
  async ready(signal?: AbortSignal): Promise<void> {
    const { clock, settings } = this.#options
    while (this.#readiness === 'waits') {
      const { error, sinceMs } = this.#obstacle ?? { error: undefined, sinceMs: Infinity }
      if (clock.monotonicMs() - sinceMs >= settings.defaultApiTimeoutMs) throw error
      await abortable(this.#changed.wait(), signal)
    }
    if (this.#readiness === 'rejects') throw this.#obstacle?.error
  }

  get #readiness(): 'waits' | 'resolves' | 'rejects' {
    return MEMBER_STATES[this.#state].ready
  }

  /**
   * Leaves the group. Its partitions are revoked first, without waiting for records in hand; the
   * listeners are awaited until the signal aborts.
   */
  async leave(reason: string, signal: AbortSignal): Promise<void> {
    if (this.#state === 'unjoined') return
    this.#leaving ??= this.#leave(reason, signal)
    await this.#leaving
  }

  async #leave(reason: string, signal: AbortSignal): Promise<void> {
    const { client, host, logger } = this.#options
    this.#end('leaving')
    await this.#loops.idle()
    const owned = host.owned()
    // A listener that takes too long does not keep the member in the group.
    if (owned.length > 0) await host.revoke(owned, signal).catch(() => undefined)
    const { memberId } = client.identity
    client.identity = NO_MEMBER
    this.#isLeader = false
    this.#assigned = []
    await this.#leaveGroup(memberId, reason).catch((error: unknown) => {
      logger.info(
        `cannot leave group ${client.groupId}: the coordinator removes this member ` +
          'after sessionTimeoutMs',
        { error },
      )
    })
    this.#obstacle = undefined
    this.#leaving = undefined
    this.#enter('unjoined')
  }

  /** Sends LeaveGroup; a static member stays in the group because it may come back. */
  async #leaveGroup(memberId: string, reason: string): Promise<void> {
    const { client } = this.#options
    if (memberId === '' || client.groupInstanceId !== null) return
    const response = await client.ask('LeaveGroup', {
      groupId: client.groupId,
      members: [{ memberId, reason }],
    })
    client.check(response, `leaving group ${client.groupId}`)
  }

  // ── states ─────────────────────────────────────────────────────────────────────────────

  #enter(state: MemberState): void {
    const { client, logger } = this.#options
    checkStep(MEMBER_STATES, this.#state, state)
    logger.debug(`group ${client.groupId}: this member was ${this.#state}, is ${state}`)
    this.#state = state
    if (!MEMBER_STATES[state].hasHeartbeats) this.#heartbeat.stop()
    this.#changed.notify()
  }

  /** A step of the loop; throws when its life is over. */
  #step(state: MemberState, life: AbortSignal): void {
    life.throwIfAborted()
    this.#enter(state)
  }

  /** Aborts what is under way and begins another life. */
  #end(state: 'leaving' | 'tooSlow' | 'givingUp'): AbortSignal {
    this.#life.abort()
    this.#life = new AbortController()
    this.#due = undefined
    this.#enter(state)
    return this.#life.signal
  }

  // ── the loop ───────────────────────────────────────────────────────────────────────────

  /** Attempts, until the member is stable or gives up. */
  async #run(life: AbortSignal): Promise<void> {
    for (let failures = 0; !life.aborted && this.#state === 'preparing';) {
      try {
        await this.#rebalance(life)
        this.#step(this.#due === undefined ? 'stable' : 'preparing', life)
        this.#obstacle = undefined
        failures = 0
      } catch (thrown) {
        if (life.aborted) return
        const error = toPartlogError(thrown)
        if (!this.#canGoOn(error)) {
          this.#due = undefined
          this.#enter('givingUp')
          return await this.#giveUp(error, life)
        }
        this.#due ??= error.message
        const pause = error.retriable ? ++failures : this.#countRebalance(error)
        if (pause > 0) await this.#pause(error, pause, life)
        if (!life.aborted) this.#enter('preparing')
      }
    }
  }

  /** Notes what an error means for the next attempt. False: there is no next attempt. */
  #canGoOn({ code, retriable }: PartlogError): boolean {
    if (NOT_IN_GROUP.has(code)) this.#forgetMembership(code)
    return NOT_IN_GROUP.has(code) || code === 'REBALANCE_IN_PROGRESS' || retriable
  }

  /** Without a generation its partitions are lost: others may have them. */
  #forgetMembership(code: ErrorCode): void {
    const { client } = this.#options
    const { memberId } = client.identity
    client.identity = code === 'UNKNOWN_MEMBER_ID' ? NO_MEMBER : { memberId, generationId: -1 }
  }

  /** In the state `givingUp`: all its partitions are lost. */
  async #giveUp(error: PartlogError, life: AbortSignal): Promise<void> {
    const { client, host, clock } = this.#options
    const obstacle: Obstacle = { error, sinceMs: clock.monotonicMs() }
    this.#obstacle = obstacle
    const { memberId } = client.identity
    client.identity = NO_MEMBER
    await host.lose(host.owned(), life)
    host.failed(error)
    await this.#leaveGroup(memberId, error.message).catch(() => undefined)
    // Meanwhile a call may have asked for another attempt.
    const isOver = this.#state === 'givingUp' && this.#obstacle === obstacle
    if (isOver) this.#enter('failed')
  }

  async #pause(error: PartlogError, failures: number, life: AbortSignal): Promise<void> {
    const { clock } = this.#options
    this.#obstacle = { error, sinceMs: this.#obstacle?.sinceMs ?? clock.monotonicMs() }
    this.#enter('pausing')
    await this.#backOff(failures, life)
  }

  /** Counts a rebalance; returns the number of the pause it needs, and warns of the first one. */
  #countRebalance(error: PartlogError): number {
    const { clock, logger, client } = this.#options
    const pause = this.#streak.add(clock.monotonicMs())
    if (pause === 1) {
      logger.warn(
        `group ${client.groupId} rebalances again and again: the consumer now pauses before ` +
          `each attempt; the last reason: ${error.message}`,
        { error },
      )
    }
    return pause
  }

  async #backOff(failures: number, signal: AbortSignal): Promise<void> {
    const { clock, random, settings } = this.#options
    await sleep(clock, backoffMs(settings, failures, random), signal).catch(() => undefined)
    this.#streak.continue(clock.monotonicMs())
  }

  async #rebalance(life: AbortSignal): Promise<void> {
    await this.#prepare(life)
    this.#step('joining', life)
    const reason = this.#due ?? ''
    this.#due = undefined
    const joined = await this.#join(reason, life)
    this.#step('syncing', life)
    const assigned = await this.#sync(joined, life)
    this.#step('changingOver', life)
    this.#deadline.restart()
    this.#heartbeat.start()
    await this.#changeOver(assigned, life)
  }

  /** Revokes or loses partitions that others may get, before the group joins. */
  async #prepare(life: AbortSignal): Promise<void> {
    const { host, client } = this.#options
    const owned = host.owned()
    if (owned.length === 0) return
    const isLost = client.identity.generationId < 0
    if (isLost) await this.#between.run(life, () => host.lose(owned, life))
    else if (this.#isEager) await this.#between.run(life, () => host.revoke(owned, life))
  }

  async #join(reason: string, life: AbortSignal): Promise<JoinGroupResponse> {
    const { client, settings } = this.#options
    const { groupId, groupInstanceId, identity } = client
    const answer = await this.#ask(life, 'JoinGroup', {
      groupId,
      groupInstanceId,
      memberId: identity.memberId,
      clientId: settings.clientId,
      sessionTimeoutMs: settings.sessionTimeoutMs,
      rebalanceTimeoutMs: settings.maxPollIntervalMs,
      protocolType: CONSUMER_PROTOCOL,
      protocols: this.#protocols(),
      reason,
    })
    if (isMemberIdRequired(answer) && answer.memberId !== identity.memberId) {
      client.identity = { memberId: answer.memberId, generationId: -1 }
      return await this.#join(reason, life)
    }
    client.check(answer, `joining group ${groupId}`)
    client.identity = { memberId: answer.memberId, generationId: answer.generationId ?? -1 }
    return answer
  }

  #protocols() {
    const { assignors, settings, host, client } = this.#options
    const { generationId } = client.identity
    const ownedPartitions = host.owned() // none for an eager member, which revokes all first
    return assignors.map(assignor => {
      const userData = userDataOf(assignor, this.#assigned, generationId)
      const metadata = encodeSubscription({
        topics: host.topics(),
        ownedPartitions,
        generationId,
        ...(settings.clientRack === undefined ? {} : { rackId: settings.clientRack }),
        ...(userData === undefined ? {} : { userData }),
      })
      return { name: assignor.name, metadata }
    })
  }

  async #sync(joined: JoinGroupResponse, life: AbortSignal): Promise<TopicPartition[]> {
    const { client } = this.#options
    const { groupId, groupInstanceId } = client
    this.#isLeader = joined.leader === joined.memberId
    const answer = await this.#ask(life, 'SyncGroup', {
      groupId,
      groupInstanceId,
      memberId: joined.memberId,
      generationId: joined.generationId ?? -1,
      protocolType: joined.protocolType ?? null,
      protocolName: joined.protocolName,
      assignments: await this.#assignAsLeader(joined, life),
    })
    client.check(answer, `partitions of group ${groupId}`)
    return decodeAssignment(answer.assignment).partitions
  }

  async #assignAsLeader(joined: JoinGroupResponse, life: AbortSignal) {
    if (!this.#isLeader) return []
    const { assignors, metadata, client } = this.#options
    if (joined.skipAssignment === true) {
      const describing = this.#ask(life, 'DescribeGroups', { groups: [client.groupId] })
      this.#counts = await countsInGroup(describing, joined.members, metadata)
      return []
    }
    const assignor = assignors.find(({ name }) => name === joined.protocolName)
    if (assignor === undefined) {
      const sentence =
        `the group chose assignor "${joined.protocolName}", which is not in this consumer's ` +
        'partitionAssignmentStrategy'
      throw new PartlogError('INCONSISTENT_GROUP_PROTOCOL', sentence)
    }
    const { assignments, counts } = await assignPartitions(assignor, joined.members, metadata)
    this.#counts = counts
    return assignments
  }

  async #changeOver(assigned: readonly TopicPartition[], life: AbortSignal): Promise<void> {
    const { host } = this.#options
    this.#assigned = assigned
    const owned = host.owned()
    const revoked = without(owned, assigned)
    if (revoked.length > 0) {
      await this.#between.run(life, () => host.revoke(revoked, life))
      this.#due ??= 'what was given back can be shared out'
    }
    if (life.aborted) return
    await host.take(without(assigned, owned), life)
  }

  // ── staying ────────────────────────────────────────────────────────────────────────────

  async #beat(signal: AbortSignal): Promise<void> {
    const { client, settings, logger } = this.#options
    const { groupId, groupInstanceId, identity } = client
    assert(MEMBER_STATES[this.#state].hasHeartbeats, 'heartbeat', { state: this.#state })
    if (identity.memberId === '') return
    if (this.#deadline.isOver) return this.#leaveAsTooSlow()
    try {
      const waits = heartbeatWaits(settings, this.#deadline.leftMs)
      const request = { groupId, groupInstanceId, ...identity, ...waits }
      client.check(await client.ask('Heartbeat', request, signal), `heartbeat in group ${groupId}`)
      this.#streak.end()
    } catch (thrown) {
      const isOver = (): boolean => client.identity !== identity || signal.aborted
      if (isOver()) return // the beat belongs to an old generation
      const error = toPartlogError(thrown)
      logger.debug('heartbeat', { error })
      if (error.retriable) return
      const pause = this.#countRebalance(error)
      if (pause > 0) await this.#backOff(pause, signal)
      if (!isOver()) this.#onBadBeat(error)
    }
  }

  #onBadBeat(error: PartlogError): void {
    if (error.code === 'REBALANCE_IN_PROGRESS') return this.rejoin('the group rebalances')
    if (NOT_IN_GROUP.has(error.code)) {
      this.#forgetMembership(error.code)
      return this.rejoin(error.message)
    }
    void this.#giveUp(error, this.#end('givingUp'))
  }

  /** The application has not asked for more within maxPollIntervalMs: others get its partitions. */
  #leaveAsTooSlow(): void {
    const { client, host, logger, settings } = this.#options
    const { memberId } = client.identity
    logger.warn(
      `a consumer of group ${client.groupId} has not asked for records for more than ` +
        `maxPollIntervalMs (${settings.maxPollIntervalMs} ms): it leaves the group until it does`,
    )
    client.identity = NO_MEMBER
    this.#isLeader = false
    const life = this.#end('tooSlow') // a rebalance may be waiting for the application
    void host.lose(host.owned(), life)
    void this.#leaveGroup(memberId, 'maxPollIntervalMs is over').catch(() => undefined)
  }

  async #ask<A extends ApiName>(
    life: AbortSignal,
    api: A,
    request: Request<A>,
  ): Promise<Response<A>> {
    return await abortable(this.#options.client.ask(api, request), life)
  }
}

/** The first join of a new member is refused once, with the id to join with (KIP-394). */
function isMemberIdRequired({ errorCode, memberId }: JoinGroupResponse): boolean {
  return errorCode === MEMBER_ID_REQUIRED && memberId !== ''
}

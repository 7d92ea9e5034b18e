/**
 * A consumer's life in its group (Kafka's classic protocol, ConsumerCoordinator):
 *
 *   give back what must be given back → JoinGroup → the leader shares out → SyncGroup
 *   → give back what others got → take what is new → heartbeats, until something changes
 *
 * An eager member gives everything back before it joins; a cooperative one goes on reading, gives
 * back only what it lost, and joins once more so that others get that. All of it happens in one
 * place, one step after the other; `rejoin` and `leave` may be called at any time.
 */

import { backoffMs } from '../../base/backoff.js'
import { sleep, type Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import { show } from '../../base/options.js'
import type { Random } from '../../base/random.js'
import { abortable, Signal } from '../../base/tasks.js'
import { errorId, PartlogError, toPartlogError, type ErrorCode } from '../../model/errors.js'
import { partitionKey, type TopicPartition } from '../../model/names.js'
import type { ApiName, Request, Response } from '../../protocol/api.js'
import type { Assignor } from '../../protocol/assignors/assignor.js'
import {
  CONSUMER_PROTOCOL,
  decodeAssignment,
  encodeSubscription,
} from '../../protocol/messages/consumer-protocol.js'
import type { JoinGroupResponse } from '../../protocol/messages/groups.js'
import { callbackError } from '../line/client-errors.js'
import type { MetadataCache } from '../line/metadata-cache.js'
import { NO_MEMBER, type GroupClient } from './group-client.js'
import { shareOut, type Assignments, type PartitionCounts } from './group-leader.js'
import { Heartbeat } from './heartbeat.js'
import { heartbeatIntervalOf, type MemberSettings } from './member-config.js'
import type { ReadingGate } from './reading-gate.js'

/** What a member has done for it: the consumer's side of partitions that come and go. */
export interface MemberHost {
  /** The topics subscribed to, as they are now. */
  topics(): readonly string[]
  owned(): TopicPartition[]
  /** Partitions go to others: what was processed is committed, the application is told. */
  revoke(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void>
  /** Partitions are gone: others may read them already, nothing can be committed. */
  lose(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void>
  /** Partitions come: they are found and the application is told. */
  take(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void>
  /** The member is in no group any more, and will not be by itself. */
  failed(error: PartlogError): void
}

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

/** A rebalance that waits for records in hand for longer is worth a warning. */
const HOLD_UP_MS = 3_000
const MEMBER_ID_REQUIRED = errorId('MEMBER_ID_REQUIRED')
/** The group knows this member no more. */
const LOST: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'])

/** As many rebalances in a row may come without a pause: members of a large group come at once. */
const REBALANCES_AT_ONCE = 50

export class GroupMember {
  readonly #options: GroupMemberOptions
  /** Attempts and bad heartbeats that followed each other, and when the last one was. */
  #inVain = 0
  #inVainAtMs = -Infinity
  readonly #heartbeat: Heartbeat
  readonly #settled = new Signal()
  /** Aborts what is under way when the member leaves. */
  #life = new AbortController()
  /** Aborts the wait for the record in hand. */
  #hurry = new AbortController()
  /** The application itself has asked for a change: records in hand are not waited for. */
  #isHurried = false
  /** Why a rebalance is due. */
  #wanted: string | undefined
  #isRunning = false
  #isLost = false
  #failure: PartlogError | undefined
  /** What has kept it from joining since when. */
  #trouble: { readonly error: PartlogError; readonly sinceMs: number } | undefined
  /** What the group gave it last; assignors may want to know. */
  #given: readonly TopicPartition[] = []
  #counts: PartitionCounts = new Map()
  #isLeader = false
  /** It was too slow, and joins again when the application reads. */
  #isIdle = false
  #asksSeen = 0
  #askedAtMs = 0

  constructor(options: GroupMemberOptions) {
    this.#options = options
    const { clock, settings, gate } = options
    this.#heartbeat = new Heartbeat(clock, heartbeatIntervalOf(settings), signal =>
      this.#beat(signal),
    )
    gate.onAsked = () => {
      if (this.#isIdle) this.rejoin('the application reads again')
    }
  }

  /** Leads the group, and so knows how many partitions were shared out. */
  get countsAsLeader(): PartitionCounts | undefined {
    return this.#isLeader ? this.#counts : undefined
  }

  get #isEager(): boolean {
    return this.#options.assignors.some(({ protocol }) => protocol === 'eager')
  }

  // ── from outside ───────────────────────────────────────────────────────────────────────

  /** Has the group rebalance; does not wait for the record in hand if the application asks. */
  rejoin(reason: string, options: { readonly isHurried?: boolean } = {}): void {
    this.#wanted ??= reason
    this.#isIdle = false
    this.#failure = undefined
    if (options.isHurried === true) {
      this.#isHurried = true
      this.#hurry.abort()
    }
    if (this.#isRunning) return
    this.#isRunning = true
    void this.#run(this.#life.signal)
  }

  /**
   * Resolves when no rebalance is due. Rejects with what keeps the member out of the group, also
   * when that may pass but has lasted for `defaultApiTimeoutMs`.
   */
  async ready(signal?: AbortSignal): Promise<void> {
    const { clock, settings } = this.#options
    while (this.#isRunning) {
      const { error, sinceMs } = this.#trouble ?? { error: undefined, sinceMs: Infinity }
      if (clock.monotonicMs() - sinceMs >= settings.defaultApiTimeoutMs) throw error
      await abortable(this.#settled.wait(), signal)
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /**
   * Stops being a member. What it owns is given back first, without waiting for records in hand;
   * what the application does about it is waited for until the signal aborts.
   */
  async leave(reason: string, signal: AbortSignal): Promise<void> {
    const { client, host, logger } = this.#options
    this.#life.abort()
    this.#hurry.abort()
    while (this.#isRunning) await this.#settled.wait()
    this.#heartbeat.stop()
    this.#isIdle = false
    this.#wanted = undefined
    this.#life = new AbortController()
    const owned = host.owned()
    // One that takes too long does not keep it in the group.
    if (owned.length > 0) await host.revoke(owned, signal).catch(() => undefined)
    const { memberId } = client.identity
    client.identity = NO_MEMBER
    this.#isLeader = false
    this.#given = []
    if (memberId === '' || client.groupInstanceId !== null) return // a static one is expected back
    await this.#sayGoodbye(memberId, reason).catch((error: unknown) => {
      logger.info(`group ${client.groupId} will miss this member later`, { error })
    })
  }

  async #sayGoodbye(memberId: string, reason: string): Promise<void> {
    const { client } = this.#options
    const response = await client.ask('LeaveGroup', {
      groupId: client.groupId,
      members: [{ memberId, reason }],
    })
    client.check(response, `leaving group ${client.groupId}`)
  }

  // ── the loop ───────────────────────────────────────────────────────────────────────────

  async #run(life: AbortSignal): Promise<void> {
    for (let failures = 0; this.#wanted !== undefined && !life.aborted;) {
      try {
        await this.#rebalance(life)
        failures = 0
        this.#trouble = undefined
      } catch (thrown) {
        if (life.aborted) break
        const error = toPartlogError(thrown)
        if (!this.#canGoOn(error)) {
          await this.#giveUp(error, life)
          break
        }
        if (error.retriable) await this.#pause(error, ++failures, life)
        else await this.#pauseIfInVain(error, life)
      }
    }
    this.#isRunning = false
    this.#isHurried = false
    this.#settled.notify()
    // It was told to leave and to join again while it was still at it.
    if (this.#wanted !== undefined && !this.#life.signal.aborted) this.rejoin(this.#wanted)
  }

  /** Notes what an error means for the next attempt. False: there is none. */
  #canGoOn(error: PartlogError): boolean {
    const { code, message } = error
    this.#wanted ??= message
    if (LOST.has(code)) this.#forgetMembership(code)
    return LOST.has(code) || code === 'REBALANCE_IN_PROGRESS' || error.retriable
  }

  #forgetMembership(code: ErrorCode): void {
    const { client } = this.#options
    const { memberId } = client.identity
    client.identity = code === 'UNKNOWN_MEMBER_ID' ? NO_MEMBER : { memberId, generationId: -1 }
    this.#isLost = true
  }

  async #giveUp(error: PartlogError, life: AbortSignal): Promise<void> {
    const { client, host } = this.#options
    this.#wanted = undefined
    this.#heartbeat.stop()
    const { memberId } = client.identity
    client.identity = NO_MEMBER
    this.#failure = error
    await host.lose(host.owned(), life)
    host.failed(error)
    if (memberId === '' || client.groupInstanceId !== null) return
    await this.#sayGoodbye(memberId, error.message).catch(() => undefined)
  }

  /** Rebalances may follow each other at once, as members come; not for ever. */
  async #pauseIfInVain(error: PartlogError, life: AbortSignal): Promise<void> {
    const { clock, settings } = this.#options
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#inVainAtMs > settings.retryBackoffMaxMs) this.#inVain = 0
    this.#inVainAtMs = nowMs
    const excess = ++this.#inVain - REBALANCES_AT_ONCE
    if (excess > 0) await this.#pause(error, excess, life)
  }

  async #pause(error: PartlogError, failures: number, life: AbortSignal): Promise<void> {
    const { clock, random, settings } = this.#options
    this.#trouble = { error, sinceMs: this.#trouble?.sinceMs ?? clock.monotonicMs() }
    this.#settled.notify()
    await sleep(clock, backoffMs(settings, failures, random), life).catch(() => undefined)
  }

  async #rebalance(life: AbortSignal): Promise<void> {
    await this.#prepare(life)
    const reason = this.#wanted ?? ''
    this.#wanted = undefined
    const joined = await this.#join(reason, life)
    const assigned = await this.#sync(joined, life)
    this.#askedAtMs = this.#options.clock.monotonicMs()
    this.#heartbeat.start()
    await this.#changeOver(assigned, life)
  }

  /** What others might get is given back before they are asked to join, too. */
  async #prepare(life: AbortSignal): Promise<void> {
    const { host } = this.#options
    const owned = host.owned()
    if (this.#isLost) {
      await this.#holding(life, () => host.lose(owned, life))
      this.#isLost = false
    } else if (this.#isEager && owned.length > 0) {
      await this.#holding(life, () => host.revoke(owned, life))
    }
    life.throwIfAborted()
  }

  /** Partitions change while nothing of them is in hand. */
  async #holding(life: AbortSignal, change: () => Promise<void>): Promise<void> {
    this.#hurry = new AbortController()
    if (life.aborted || this.#isHurried) this.#hurry.abort()
    const release = await this.#hold(this.#hurry.signal)
    try {
      if (!life.aborted) await change()
    } finally {
      release()
    }
  }

  /** Whoever holds up a whole group is named, soon. */
  async #hold(hurry: AbortSignal): Promise<() => void> {
    const { clock, logger, gate, client, settings } = this.#options
    const warn = (): void => {
      const who = `client ${settings.clientId}, member "${client.identity.memberId}"`
      logger.warn(
        `group ${client.groupId} rebalances, and all of it waits for this consumer (${who}): it ` +
          'has records in hand. It goes on when they are done: when the handler resolves, at the ' +
          'next poll, with commit() or close(); if not, without this consumer, after ' +
          `maxPollIntervalMs (${settings.maxPollIntervalMs} ms)`,
      )
    }
    const timer = clock.after(HOLD_UP_MS, warn, 'background')
    try {
      return await gate.hold(hurry)
    } finally {
      timer.cancel()
    }
  }

  async #join(reason: string, life: AbortSignal): Promise<JoinGroupResponse> {
    const { client, settings } = this.#options
    const { groupId, groupInstanceId, identity } = client
    this.#heartbeat.stop()
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
    const ownedPartitions = host.owned() // none where everything is given back first
    return assignors.map(assignor => {
      const userData = userDataOf(assignor, this.#given, generationId)
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
      assignments: await this.#shareOutAsLeader(joined),
    })
    client.check(answer, `partitions of group ${groupId}`)
    return decodeAssignment(answer.assignment).partitions
  }

  async #shareOutAsLeader(joined: JoinGroupResponse): Promise<Assignments> {
    if (!this.#isLeader || joined.skipAssignment === true) return []
    const { assignors, metadata } = this.#options
    const assignor = assignors.find(({ name }) => name === joined.protocolName)
    if (assignor === undefined) {
      const sentence = `assignor "${joined.protocolName}" is not known here`
      throw new PartlogError('INCONSISTENT_GROUP_PROTOCOL', sentence)
    }
    const { assignments, counts } = await shareOut(assignor, joined.members, metadata)
    this.#counts = counts
    return assignments
  }

  async #changeOver(assigned: readonly TopicPartition[], life: AbortSignal): Promise<void> {
    const { host } = this.#options
    this.#given = assigned
    const owned = host.owned()
    const revoked = without(owned, assigned)
    if (revoked.length > 0) {
      await this.#holding(life, () => host.revoke(revoked, life))
      this.#wanted ??= 'what was given back can be shared out'
    }
    if (life.aborted) return
    await host.take(without(assigned, owned), life)
  }

  // ── staying ────────────────────────────────────────────────────────────────────────────

  async #beat(signal: AbortSignal): Promise<void> {
    const { client, settings, clock, logger } = this.#options
    const { groupId, groupInstanceId, identity } = client
    if (identity.memberId === '') return
    this.#noteProgress()
    if (clock.monotonicMs() - this.#askedAtMs > settings.maxPollIntervalMs) {
      return this.#leaveAsTooSlow()
    }
    const { signal: life } = this.#life
    try {
      const maxWaitMs = heartbeatIntervalOf(settings)
      const request = { groupId, groupInstanceId, ...identity, maxWaitMs }
      client.check(await client.ask('Heartbeat', request, signal), `heartbeat in group ${groupId}`)
      this.#inVain = 0
    } catch (thrown) {
      if (client.identity !== identity || signal.aborted) return // of a generation that is over
      const error = toPartlogError(thrown)
      logger.debug('heartbeat', { error })
      if (error.retriable) return
      await this.#pauseIfInVain(error, life)
      if (client.identity === identity && !signal.aborted) this.#onBadBeat(error)
    }
  }

  #onBadBeat(error: PartlogError): void {
    if (error.code === 'REBALANCE_IN_PROGRESS') return this.rejoin('the group rebalances')
    if (LOST.has(error.code)) {
      this.#forgetMembership(error.code)
      return this.rejoin(error.message)
    }
    void this.#giveUp(error, this.#startOver())
  }

  /** Ends what is under way; what comes next is another life. */
  #startOver(): AbortSignal {
    this.#life.abort()
    this.#hurry.abort()
    this.#life = new AbortController()
    return this.#life.signal
  }

  #noteProgress(): void {
    const { gate } = this.#options
    if (!gate.isWaiting && gate.asks === this.#asksSeen) return
    this.#askedAtMs = gate.askedAtMs
    this.#asksSeen = gate.asks
  }

  /** The application has not asked for more for so long: others can have its partitions. */
  #leaveAsTooSlow(): void {
    const { client, host, logger, settings } = this.#options
    const { memberId } = client.identity
    logger.warn(
      `a consumer of group ${client.groupId} has not asked for records for more than ` +
        `maxPollIntervalMs (${settings.maxPollIntervalMs} ms): it leaves the group until it does`,
    )
    this.#heartbeat.stop()
    client.identity = NO_MEMBER
    this.#isLeader = false
    this.#wanted = undefined
    this.#isIdle = true
    const life = this.#startOver() // a rebalance may be waiting for the application
    void host.lose(host.owned(), life)
    if (client.groupInstanceId !== null) return
    void this.#sayGoodbye(memberId, 'maxPollIntervalMs is over').catch(() => undefined)
  }

  async #ask<A extends ApiName>(
    life: AbortSignal,
    api: A,
    request: Request<A>,
  ): Promise<Response<A>> {
    return await abortable(this.#options.client.ask(api, request), life)
  }
}

/** An assignor may be the application's. */
function userDataOf(
  assignor: Assignor,
  given: readonly TopicPartition[],
  generationId: number,
): Uint8Array | undefined {
  const what = `userData of assignor "${assignor.name}"`
  let bytes: unknown
  try {
    bytes = assignor.userData?.(given, generationId)
  } catch (error) {
    throw callbackError(what, error)
  }
  if (bytes === undefined || bytes instanceof Uint8Array) return bytes
  throw new PartlogError('CALLBACK_FAILED', `${what} gave ${show(bytes)}, expected bytes`)
}

/** Sent back once, to come with the id it was given (KIP-394). */
function isMemberIdRequired({ errorCode, memberId }: JoinGroupResponse): boolean {
  return errorCode === MEMBER_ID_REQUIRED && memberId !== ''
}

function without(
  all: readonly TopicPartition[],
  taken: readonly TopicPartition[],
): TopicPartition[] {
  const keys = new Set(taken.map(({ topic, partition }) => partitionKey(topic, partition)))
  return all.filter(({ topic, partition }) => !keys.has(partitionKey(topic, partition)))
}

/*
 * A consumer's membership in a group whose coordinator assigns partitions (Kafka's consumer
 * protocol, KIP-848): the work of each of the states that are drawn in reconciling-states.ts.
 *
 * Heartbeats go on all the time: each says what the member owns, an answer says what it shall own.
 * Beside them one loop at a time gives back and takes partitions, between records. Partitions it
 * was told to read count as owned from then on: it may begin to read them without another word.
 *
 * An answer that was lost may have told of partitions: the next heartbeat then says everything, and
 * is told everything.
 */

import { backoffMs } from '../../base/backoff.js'
import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { checkStep } from '../../base/states.js'
import { abortable, SerialQueue, Signal } from '../../base/tasks.js'
import { randomUuid } from '../../base/uuid.js'
import { nextChange, Watchers } from '../../base/watchers.js'
import { PartlogError, toPartlogError, type ErrorCode } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import {
  AWAY_EPOCH,
  JOINING_EPOCH,
  LEAVING_EPOCH,
  type ConsumerGroupHeartbeatRequest,
  type ConsumerGroupHeartbeatResponse,
} from '../../protocol/messages/consumer-groups.js'
import type { MetadataCache } from '../line/metadata-cache.js'
import { BetweenRecords } from './between-records.js'
import { NO_MEMBER, type GroupClient } from './group-client.js'
import type { GroupMembership, MemberHost } from './group-membership.js'
import type { MemberSettings } from './member-config.js'
import { PollDeadline } from './poll-deadline.js'
import type { ReadingGate } from './reading-gate.js'
import { RECONCILING_STATES, type ReconcilingState } from './reconciling-states.js'
import { ToldPartitions } from './told-partitions.js'

export interface ReconcilingMemberOptions {
  readonly client: GroupClient
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings: MemberSettings
  readonly metadata: MetadataCache
  readonly gate: ReadingGate
  readonly host: MemberHost
}

/** The coordinator does not know this member any more: others may have its partitions. */
const FENCING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNKNOWN_MEMBER_ID',
  'FENCED_MEMBER_EPOCH',
])

/** Until the coordinator has said how often it wants heartbeats. */
const FIRST_INTERVAL_MS = 5_000
const NEVER = new Watchers()
/** In peace a heartbeat is held for so many intervals: a third of a session by default. */
const IDLE_INTERVALS = 3

export class ReconcilingMember implements GroupMembership {
  readonly countsAsLeader = undefined
  readonly #options: ReconcilingMemberOptions
  readonly #between: BetweenRecords
  readonly #deadline: PollDeadline
  readonly #told: ToldPartitions
  readonly #changes = new SerialQueue()
  readonly #beats = new SerialQueue()
  readonly #changed = new Signal()
  /** The same for the whole life of the consumer (KIP-1082). */
  readonly #memberId: string
  #state: ReconcilingState = 'unjoined'
  #epoch = JOINING_EPOCH
  /** Aborts everything under way when the member is out of its group. */
  #life = new AbortController()
  /** Aborts a heartbeat that is held, or the pause before one. */
  #urge = new AbortController()
  /** The next heartbeat says everything. */
  #saysAll = true
  #intervalMs = FIRST_INTERVAL_MS
  /** What it begins to read: it counts as owned, whatever the member is told meanwhile. */
  #taking: readonly TopicPartition[] = []
  #failures = 0
  #error: PartlogError | undefined
  #errorSinceMs = 0
  #leaving: Promise<void> | undefined

  constructor(options: ReconcilingMemberOptions) {
    this.#options = options
    const { clock, random, settings, gate, metadata } = options
    this.#memberId = randomUuid(random)
    this.#between = new BetweenRecords(options)
    this.#deadline = new PollDeadline(clock, gate, settings.maxPollIntervalMs)
    this.#told = new ToldPartitions(metadata)
    gate.onAsked = () => {
      if (this.#state === 'tooSlow') this.rejoin('the application reads again')
    }
  }

  // ── public calls ───────────────────────────────────────────────────────────────────────

  rejoin(_reason: string, { isHurried = false }: { readonly isHurried?: boolean } = {}): void {
    const { rejoin } = RECONCILING_STATES[this.#state]
    if (rejoin === 'isVoid' || rejoin === 'isNoted') return
    this.#between.isHurried = isHurried
    if (rejoin === 'begins') return this.#begin()
    this.#saysAll = true
    this.#hurry()
  }

  async ready(signal?: AbortSignal): Promise<void> {
    const { clock, settings } = this.#options
    while (this.#readiness === 'waits') {
      const lastsMs = clock.monotonicMs() - this.#errorSinceMs
      if (this.#error !== undefined && lastsMs >= settings.defaultApiTimeoutMs) throw this.#error
      await abortable(this.#changed.wait(), signal)
    }
    if (this.#readiness === 'rejects') throw this.#error
  }

  get #readiness(): 'waits' | 'resolves' | 'rejects' {
    return RECONCILING_STATES[this.#state].ready
  }

  async leave(reason: string, signal: AbortSignal): Promise<void> {
    if (this.#state === 'unjoined') return
    this.#leaving ??= this.#leave(reason, signal)
    await this.#leaving
  }

  async #leave(reason: string, signal: AbortSignal): Promise<void> {
    const { client, host, logger } = this.#options
    const isMember = this.#epoch > 0
    this.#end('leaving')
    await this.#changes.idle()
    await this.#beats.idle()
    const owned = host.owned()
    // A listener that takes too long does not keep the member in the group.
    if (owned.length > 0) await host.revoke(owned, signal).catch(() => undefined)
    client.identity = NO_MEMBER
    const said = isMember ? this.#sayGoodbye() : Promise.resolve()
    await said.catch((error: unknown) => {
      logger.info(
        `cannot leave group ${client.groupId} (${reason}): the coordinator removes this member ` +
          'when its session is over',
        { error },
      )
    })
    this.#error = undefined
    this.#leaving = undefined
    this.#enter('unjoined')
  }

  /** A static member stays in the group because it may come back. */
  async #sayGoodbye(): Promise<void> {
    const { client } = this.#options
    const { groupId, groupInstanceId: instanceId } = client
    const memberEpoch = instanceId === null ? LEAVING_EPOCH : AWAY_EPOCH
    const request = { groupId, memberId: this.#memberId, memberEpoch, instanceId }
    const answer = await client.ask('ConsumerGroupHeartbeat', request)
    checked(client, answer, `leaving group ${groupId}`)
  }

  // ── states ─────────────────────────────────────────────────────────────────────────────

  #enter(state: ReconcilingState): void {
    const { client, logger } = this.#options
    checkStep(RECONCILING_STATES, this.#state, state)
    logger.debug(`group ${client.groupId}: this member was ${this.#state}, is ${state}`)
    this.#state = state
    this.#changed.notify()
  }

  /** Begins a life in the group. */
  #begin(): void {
    this.#error = undefined
    this.#failures = 0
    this.#epoch = JOINING_EPOCH
    this.#saysAll = true
    this.#told.clear()
    this.#deadline.restart()
    this.#enter('joining')
    const { signal } = this.#life
    void this.#beats.run(() => this.#beatOn(signal))
  }

  /** Aborts what is under way; another life may begin. */
  #end(state: 'leaving' | 'tooSlow' | 'failed' | 'fenced'): AbortSignal {
    this.#life.abort()
    this.#urge.abort()
    this.#life = new AbortController()
    this.#epoch = JOINING_EPOCH
    this.#enter(state)
    return this.#life.signal
  }

  /** Sends the next heartbeat now. */
  #hurry(): void {
    this.#urge.abort()
  }

  // ── heartbeats ─────────────────────────────────────────────────────────────────────────

  async #beatOn(life: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!life.aborted) {
      const urge = new AbortController()
      this.#urge = urge
      if (this.#deadline.isOver) return this.#leaveAsTooSlow()
      const sentAtMs = clock.monotonicMs()
      const pauseMs = await this.#beat(life, urge.signal)
      if (life.aborted) return
      const restMs = pauseMs ?? sentAtMs + this.#intervalMs - clock.monotonicMs()
      // What hurries a heartbeat hurries no attempt after an error.
      const hurry = pauseMs === undefined ? urge.signal : life
      if (restMs > 0) await this.#pause(restMs, hurry)
    }
  }

  /** A pause that keeps no process alive. */
  async #pause(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    await nextChange(NEVER, { clock, timeoutMs, signal, kind: 'background' })
  }

  /**
   * One heartbeat; returns the pause that an error asks for, none after news: the next heartbeat
   * waits for the next news.
   */
  async #beat(life: AbortSignal, urge: AbortSignal): Promise<number | undefined> {
    const { client } = this.#options
    const request = this.#request()
    this.#saysAll = true // unless an answer comes
    try {
      const answer = await client.ask('ConsumerGroupHeartbeat', request, urge)
      checked(client, answer, `heartbeat in group ${client.groupId}`)
      const { assignment = null, memberEpoch } = answer
      if (life.aborted) return undefined
      this.#saysAll = urge.aborted // what hurries the next one may be something to say
      this.#hear(answer, life)
      return assignment !== null || memberEpoch !== request.memberEpoch ? 0 : undefined
    } catch (thrown) {
      if (life.aborted || urge.aborted) return undefined
      return this.#onError(toPartlogError(thrown))
    }
  }

  #request(): ConsumerGroupHeartbeatRequest {
    const { client, host, settings } = this.#options
    const { groupId, groupInstanceId: instanceId } = client
    const isJoining = this.#epoch === JOINING_EPOCH
    const all = {
      rackId: settings.clientRack ?? null,
      rebalanceTimeoutMs: settings.maxPollIntervalMs,
      subscribedTopicNames: [...host.topics()],
      serverAssignor: settings.groupRemoteAssignor ?? null,
    }
    return {
      groupId,
      memberId: this.#memberId,
      memberEpoch: this.#epoch,
      instanceId,
      clientId: settings.clientId,
      topicPartitions: isJoining ? [] : this.#told.owned([...host.owned(), ...this.#taking]),
      ...(this.#saysAll ? all : {}),
      ...(isJoining ? {} : this.#waits),
    }
  }

  /** A heartbeat may be held, but not beyond the first at which the application may be too slow. */
  get #waits() {
    const maxWaitMs = this.#intervalMs
    const untilTooSlow = Math.floor(this.#deadline.leftMs / maxWaitMs) + 1
    return { maxWaitMs, idleWaitMs: maxWaitMs * Math.min(IDLE_INTERVALS, untilTooSlow) }
  }

  /** Notes what the coordinator says, and begins to change partitions if they are others. */
  #hear(answer: ConsumerGroupHeartbeatResponse, life: AbortSignal): void {
    const { client } = this.#options
    const { memberEpoch = 0, heartbeatIntervalMs = 0, assignment = null } = answer
    this.#failures = 0
    this.#error = undefined
    if (heartbeatIntervalMs > 0) this.#intervalMs = heartbeatIntervalMs
    this.#epoch = memberEpoch
    if (client.identity.generationId !== memberEpoch) {
      client.identity = { memberId: this.#memberId, generationId: memberEpoch }
    }
    const isFirst = this.#state === 'joining'
    if (assignment !== null) this.#told.hear(assignment.topicPartitions)
    else if (!isFirst) return
    if (this.#state !== 'changing') this.#enter('changing')
    void this.#changes.run(() => this.#change(life))
  }

  /** Notes an error; returns the pause before the next attempt. */
  #onError(error: PartlogError): number | undefined {
    const { clock, random, settings, logger } = this.#options
    logger.debug('heartbeat', { error })
    const isForgotten = error.code === 'GROUP_ID_NOT_FOUND' && this.#epoch > 0
    if (FENCING.has(error.code) || isForgotten) void this.#beFenced(error)
    else if (error.retriable) {
      if (this.#error === undefined) this.#errorSinceMs = clock.monotonicMs()
      this.#error = error
      this.#changed.notify()
      return backoffMs(settings, ++this.#failures, random)
    } else void this.#giveUp(error)
    return undefined
  }

  // ── partitions ─────────────────────────────────────────────────────────────────────────

  /** Gives back and takes partitions until it has what it was told. */
  async #change(life: AbortSignal): Promise<void> {
    const { host, random, settings } = this.#options
    let hasGiven = false
    for (let failures = 0; !life.aborted; ) {
      const wanted = await this.#told.named(host.topics()).catch(() => undefined)
      if (life.aborted) return
      if (wanted === undefined) {
        const pauseMs = backoffMs(settings, ++failures, random)
        await this.#pause(pauseMs, life)
        continue
      }
      const { added, gone } = this.#told.difference(host.owned(), wanted)
      if (gone.length > 0) {
        await this.#between.run(life, () => host.revoke(gone, life))
        if (life.aborted) return
        hasGiven = true
        this.#hurry() // others wait for them
        continue // it may have been told otherwise meanwhile
      }
      if (added.length > 0 || (!hasGiven && this.#state === 'changing')) {
        this.#taking = added
        await host.take(added, life).finally(() => (this.#taking = []))
      }
      if (life.aborted) return
      if (!this.#told.isSettled(host.owned())) continue
      this.#between.isHurried = false
      if (this.#state === 'changing') this.#enter('stable')
      return
    }
  }

  /** Others may have its partitions: it loses them, and joins anew. */
  async #beFenced(error: PartlogError): Promise<void> {
    const { client, host, logger } = this.#options
    logger.info(`group ${client.groupId}: this member joins anew: ${error.message}`)
    client.identity = NO_MEMBER
    const life = this.#end('fenced')
    await this.#changes.run(async () => {
      const owned = host.owned()
      if (owned.length > 0) await this.#between.run(life, () => host.lose(owned, life))
    })
    if (this.#state === 'fenced') this.#begin()
  }

  async #giveUp(error: PartlogError): Promise<void> {
    const { client, host } = this.#options
    client.identity = NO_MEMBER
    this.#error = error
    const life = this.#end('failed')
    await host.lose(host.owned(), life)
    host.failed(error)
  }

  /** The application has not asked for more within maxPollIntervalMs: others get its partitions. */
  #leaveAsTooSlow(): void {
    const { client, host, logger, settings } = this.#options
    logger.warn(
      `a consumer of group ${client.groupId} has not asked for records for more than ` +
        `maxPollIntervalMs (${settings.maxPollIntervalMs} ms): it leaves the group until it does`,
    )
    const isMember = this.#epoch > 0
    client.identity = NO_MEMBER
    const life = this.#end('tooSlow')
    void host.lose(host.owned(), life)
    if (isMember) void this.#sayGoodbye().catch(() => undefined)
  }
}

function checked(
  client: GroupClient,
  { errorCode, errorMessage = null }: ConsumerGroupHeartbeatResponse,
  what: string,
): void {
  client.check({ errorCode, errorMessage }, what)
}

/*
 * The groups with the consumer protocol of one coordinator (KIP-848): answers heartbeats, and
 * removes members that are silent or do not give back partitions. What is durable is a fold over
 * the log; sessions and held heartbeats exist only in this process.
 */

import type { Clock } from '../../base/clock.js'
import { Watchers } from '../../base/watchers.js'
import { PartlogError } from '../../model/errors.js'
import { AWAY_EPOCH, JOINING_EPOCH } from '../../protocol/messages/consumer-groups.js'
import type { JournalRecord } from '../fold/journal.js'
import type { Decision } from '../fold/state-machine.js'
import { currentRecord } from './consumer-group-journal.js'
import { ConsumerGroup } from './consumer-group.js'
import { NOTHING_YET, type ConsumerMember } from './consumer-member.js'
import { checkHeartbeat, leaverOf, type ConsumerHeartbeat } from './heartbeat-check.js'
import {
  asksForAssignment,
  decideHeartbeat,
  decideRemoval,
  type DecisionContext,
} from './heartbeat-decision.js'
import { MemberTimers } from './member-timers.js'
import { listed, type TopicPartitions } from './partition-sets.js'
import { digestOf, topicsNamed, type TopicsView } from './topics-view.js'

/** The settings of one group. */
export interface ConsumerGroupSettings {
  /** consumer.session.timeout.ms */
  readonly sessionTimeoutMs: number
  /** consumer.heartbeat.interval.ms */
  readonly heartbeatIntervalMs: number
}

export interface HeartbeatAnswer {
  readonly memberId: string
  readonly epoch: number
  readonly heartbeatIntervalMs: number
  /** What the member may read; null: as before. */
  readonly assignment: readonly TopicPartitions[] | null
}

export interface ConsumerCoordinatorOptions {
  readonly clock: Clock
  /** group.consumer.max.size */
  readonly maxSize: number
  readonly topics: () => TopicsView
  readonly settingsOf: (groupId: string) => ConsumerGroupSettings
  readonly find: (groupId: string) => ConsumerGroup | undefined
  readonly all: () => readonly ConsumerGroup[]
  /** Makes way for a new group; throws if another one has its id. */
  readonly begin: (groupId: string) => readonly JournalRecord[]
  readonly run: <T>(decide: () => Decision<T>) => Promise<T>
  readonly onChange: () => void
  readonly onFailure: (sentence: string, error: unknown) => void
}

/** What a group has only in this process. */
interface Living {
  readonly news: Watchers
  readonly timers: MemberTimers
  /** How many heartbeats have come. */
  beats: number
  /** The number of each member's last heartbeat. */
  readonly lastBeats: Map<string, number>
  /** The version of the topics with which expressions were matched. */
  matched: number
}

/** Kafka's defaults. */
export const CONSUMER_SETTINGS: ConsumerGroupSettings = {
  sessionTimeoutMs: 45_000,
  heartbeatIntervalMs: 5_000,
}

export class ConsumerCoordinator {
  readonly #options: ConsumerCoordinatorOptions
  readonly #living = new Map<string, Living>()
  #resignedWith: PartlogError | undefined

  constructor(options: ConsumerCoordinatorOptions) {
    this.#options = options
    for (const group of options.all()) {
      for (const member of group.members.values()) this.#expect(group.groupId, member)
    }
  }

  /**
   * The process that coordinated the groups has died: dynamic members that lived in it are removed.
   * Members elsewhere have their sessions to find this one.
   */
  removeDead(livesInProcess: (member: ConsumerMember) => boolean): void {
    for (const { groupId, members } of this.#options.all()) {
      const dead = [...members.values()]
        .filter(member => member.instanceId === null && livesInProcess(member))
        .map(({ memberId }) => memberId)
      if (dead.length > 0) this.#removeLater(groupId, dead, 'members of the process before')
    }
  }

  /** Ends all sessions, and begins none any more; held heartbeats are answered with the error. */
  resign(error: PartlogError): void {
    this.#resignedWith = error
    for (const { timers, news } of this.#living.values()) {
      timers.endAll()
      news.notify()
    }
    this.#living.clear()
  }

  // ── heartbeats ─────────────────────────────────────────────────────────────────────────

  /** Resolves when what it changes is in the log. */
  async heartbeat(groupId: string, beat: ConsumerHeartbeat): Promise<HeartbeatAnswer> {
    checkHeartbeat(groupId, beat)
    if (this.#resignedWith !== undefined) throw this.#resignedWith
    if (beat.epoch < 0) return await this.#leave(groupId, beat)
    const { find, begin, run, settingsOf, onChange } = this.#options
    const decided = await run(() => {
      const known = find(groupId)
      if (known === undefined && beat.epoch !== 0) throw notFound(groupId)
      const first = known === undefined ? begin(groupId) : []
      const group = known ?? new ConsumerGroup(groupId)
      this.#checkRoom(group, beat)
      const decision = this.#decided(groupId, context => decideHeartbeat(group, beat, context))
      this.#expect(groupId, decision.member)
      // The member has missed an answer, and with it perhaps an assignment.
      const isBehind = beat.epoch < (group.members.get(beat.memberId)?.epoch ?? JOINING_EPOCH)
      const records = [...first, ...decision.records]
      return { records, answer: { ...decision, isBehind } }
    })
    if (decided.isNews) this.news(groupId).notify()
    if (decided.records.length > 0) onChange()
    const { member, hasNewAssignment, isBehind } = decided
    const isTold = hasNewAssignment || isBehind || asksForAssignment(beat)
    return {
      memberId: member.memberId,
      epoch: member.epoch,
      heartbeatIntervalMs: settingsOf(groupId).heartbeatIntervalMs,
      assignment: isTold ? listed(member.assigned) : null,
    }
  }

  async #leave(groupId: string, beat: ConsumerHeartbeat): Promise<HeartbeatAnswer> {
    const { find, run, onChange } = this.#options
    await run(() => {
      const group = find(groupId)
      if (group === undefined) throw notFound(groupId)
      const member = leaverOf(group, beat)
      if (beat.epoch !== AWAY_EPOCH) {
        this.#ended(groupId, [member.memberId])
        return { records: this.#removal(group, [member.memberId]), answer: undefined }
      }
      const away = { ...member, epoch: AWAY_EPOCH, revoking: NOTHING_YET.revoking }
      this.#livingOf(groupId).timers.endRevocation(member.memberId)
      return { records: [currentRecord(groupId, away)], answer: undefined }
    }).catch((error: unknown) => this.#expectAgain(groupId, [beat.memberId], error))
    this.news(groupId).notify()
    onChange()
    const { memberId, epoch } = beat
    return { memberId, epoch, heartbeatIntervalMs: 0, assignment: null }
  }

  /**
   * A member's heartbeat has come and may be held; the function returned is true once the member
   * has sent another. Then the held one says what is not true any more, and nothing hears its
   * answer: it must not change the member.
   */
  arrived(groupId: string, memberId: string): () => boolean {
    if (this.#options.find(groupId)?.members.has(memberId) !== true) return () => false
    const living = this.#livingOf(groupId)
    const number = ++living.beats
    living.lastBeats.set(memberId, number)
    return () => (living.lastBeats.get(memberId) ?? number) !== number
  }

  /** Extends the member's session as a heartbeat of so long ago does. */
  prolong(groupId: string, memberId: string, agoMs: number): void {
    const member = this.#options.find(groupId)?.members.get(memberId)
    if (member !== undefined) this.#expect(groupId, member, agoMs)
  }

  /** Notified when members of the group may have something to do. */
  news(groupId: string): Watchers {
    return this.#livingOf(groupId).news
  }

  /** The topics have changed: the members of groups that read them hear of it. */
  topicsChanged(): void {
    const topics = this.#options.topics()
    for (const group of this.#options.all()) {
      if (group.members.size === 0) continue
      const { matched, news } = this.#livingOf(group.groupId)
      const mayMatch = group.patterns.size > 0 && matched !== topics.version
      const digest = digestOf(topicsNamed(topics, group.topics))
      if (mayMatch || digest !== group.digest) news.notify()
    }
  }

  /** The group was deleted. */
  forget(groupId: string): void {
    this.#living.get(groupId)?.timers.endAll()
    this.#living.delete(groupId)
  }

  // ── members that are late ──────────────────────────────────────────────────────────────

  /** Waits for the member's next heartbeat, and for what it has to give back. */
  #expect(groupId: string, member: ConsumerMember, agoMs = 0): void {
    if (this.#resignedWith !== undefined) return
    const { memberId, progress, epoch, rebalanceTimeoutMs } = member
    const { timers } = this.#livingOf(groupId)
    timers.prolong(memberId, this.#options.settingsOf(groupId).sessionTimeoutMs, agoMs)
    if (progress === 'unrevoked') timers.waitForRevocation(memberId, epoch, rebalanceTimeoutMs)
    else timers.endRevocation(memberId)
  }

  #ended(groupId: string, memberIds: readonly string[]): void {
    const { timers, lastBeats } = this.#livingOf(groupId)
    for (const memberId of memberIds) {
      timers.end(memberId)
      lastBeats.delete(memberId)
    }
  }

  /** What should have ended these members is not in the log: their sessions begin anew. */
  #expectAgain(groupId: string, memberIds: readonly string[], error: unknown): never {
    const members = this.#options.find(groupId)?.members
    for (const memberId of memberIds) {
      const member = members?.get(memberId)
      if (member !== undefined) this.#expect(groupId, member)
    }
    throw error
  }

  #removeLater(groupId: string, memberIds: readonly string[], what: string): void {
    this.#remove(groupId, memberIds).catch((error: unknown) => {
      this.#options.onFailure(`group ${groupId}: could not remove ${what}`, error)
    })
  }

  async #remove(groupId: string, memberIds: readonly string[]): Promise<void> {
    const { find, run, onChange } = this.#options
    this.#ended(groupId, memberIds)
    await run(() => {
      const group = find(groupId)
      const there = memberIds.filter(memberId => group?.members.has(memberId) === true)
      if (group === undefined || there.length === 0) return { records: [], answer: undefined }
      return { records: this.#removal(group, there), answer: undefined }
    }).catch((error: unknown) => this.#expectAgain(groupId, memberIds, error))
    this.news(groupId).notify()
    onChange()
  }

  // ── helpers ────────────────────────────────────────────────────────────────────────────

  #livingOf(groupId: string): Living {
    const known = this.#living.get(groupId)
    if (known !== undefined) return known
    const removeAs = (what: string) => (memberId: string) =>
      this.#removeLater(groupId, [memberId], `member "${memberId}", which ${what}`)
    const timers = new MemberTimers({
      clock: this.#options.clock,
      onSilent: removeAs('sent no heartbeat in time'),
      onSlow: removeAs('did not give back its partitions in time'),
    })
    const living: Living = {
      news: new Watchers(),
      timers,
      beats: 0,
      lastBeats: new Map(),
      matched: -1,
    }
    this.#living.set(groupId, living)
    return living
  }

  #removal(group: ConsumerGroup, memberIds: readonly string[]): JournalRecord[] {
    return this.#decided(group.groupId, context => decideRemoval(group, memberIds, context))
  }

  /** Expressions are matched anew with the first decision after a change of topics. */
  #decided<T>(groupId: string, decide: (context: DecisionContext) => T): T {
    const topics = this.#options.topics()
    const living = this.#livingOf(groupId)
    const mustMatch = living.matched !== topics.version
    const decision = decide({ topics, now: this.#options.clock.now(), mustMatch })
    living.matched = topics.version
    return decision
  }

  #checkRoom({ groupId, members }: ConsumerGroup, { memberId }: ConsumerHeartbeat): void {
    const { maxSize } = this.#options
    if (members.size < maxSize || members.has(memberId)) return
    const sentence = `group ${groupId} already has ${maxSize} members (group.consumer.max.size)`
    throw new PartlogError('GROUP_MAX_SIZE_REACHED', sentence)
  }
}

function notFound(groupId: string): PartlogError {
  return new PartlogError('GROUP_ID_NOT_FOUND', `group ${groupId} does not exist`)
}

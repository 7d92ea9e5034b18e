/*
 * What a heartbeat changes, as records (Kafka's GroupMetadataManager, KIP-848). Pure.
 *
 *   the member's claims ──▶ topics that expressions match ──▶ if members or topics have changed:
 *   the group's next epoch ──▶ a new target assignment ──▶ one step of the member towards it
 */

import { PartlogError } from '../../model/errors.js'
import type { Timestamp } from '../../model/units.js'
import { JOINING_EPOCH } from '../../protocol/messages/consumer-groups.js'
import type { JournalRecord } from '../fold/journal.js'
import { topicsReadBy, type ConsumerGroup } from './consumer-group.js'
import {
  consumerGroupTombstones,
  currentRecord,
  groupEpochRecord,
  memberRecord,
  memberTombstones,
  patternRecord,
  patternTombstone,
  targetEpochRecord,
  targetRecord,
  type ResolvedPattern,
} from './consumer-group-journal.js'
import {
  hasSameAssignment,
  hasSameClaims,
  hasSameTopics,
  type ConsumerMember,
} from './consumer-member.js'
import { senderOf, type ConsumerHeartbeat } from './heartbeat-check.js'
import { isSame, type PartitionSets } from './partition-sets.js'
import { reconciled } from './reconcile.js'
import { preferredAssignor } from './server-assignors.js'
import {
  digestOf,
  namesMatching,
  NO_DIGEST,
  topicsNamed,
  type TopicsView,
} from './topics-view.js'

export interface DecisionContext {
  readonly topics: TopicsView
  readonly now: Timestamp
  /** The topics have changed since expressions were last matched with their names. */
  readonly mustMatch: boolean
}

export interface HeartbeatDecision {
  readonly records: readonly JournalRecord[]
  /** The member after it. */
  readonly member: ConsumerMember
  /** Its assignment is new to it. */
  readonly hasNewAssignment: boolean
  /** Other members may have something to do. */
  readonly isNews: boolean
}

export function decideHeartbeat(
  group: ConsumerGroup,
  beat: ConsumerHeartbeat,
  context: DecisionContext,
): HeartbeatDecision {
  const { groupId } = group
  const { member: before, replaces } = senderOf(group, beat)
  const claimed = withClaims(before, beat)
  const plan = new Plan(group, context)
  if (replaces !== undefined) plan.replace(replaces, before)
  if (!hasSameClaims(before, claimed)) plan.records.push(memberRecord(groupId, claimed))
  plan.set(claimed)
  plan.matchPatterns(before.pattern !== claimed.pattern)
  const isNewSubscription = !hasSameTopics(before, claimed) || before.pattern !== claimed.pattern
  plan.raiseEpoch(isNewSubscription)
  plan.findTargets()
  const member = plan.reconcile(claimed, beat)
  const isGivenBack = before.revoking.size > 0 && member.progress !== 'unrevoked'
  return {
    records: plan.records,
    member,
    hasNewAssignment: !isSame(keysOf(before), keysOf(member)),
    isNews: plan.epoch !== group.epoch || replaces !== undefined || isGivenBack,
  }
}

/** The names and numbers of what a member may read now. */
function keysOf({ assigned }: ConsumerMember): PartitionSets {
  const entries = [...assigned].map(([topicId, owned]) => [topicId, new Set(owned.keys())] as const)
  return new Map(entries)
}

function withClaims(before: ConsumerMember, beat: ConsumerHeartbeat): ConsumerMember {
  const { clientId, clientHost, rebalanceTimeoutMs, topics } = beat
  return {
    ...before,
    clientId,
    clientHost,
    instanceId: beat.instanceId ?? before.instanceId,
    rackId: beat.rackId ?? before.rackId,
    rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? before.rebalanceTimeoutMs : rebalanceTimeoutMs,
    topics: topics === null ? before.topics : [...new Set(topics)].sort(),
    pattern: beat.pattern ?? before.pattern,
    assignor: beat.assignor ?? before.assignor,
  }
}

/** Removes members; the next heartbeat shares out what they had. */
export function decideRemoval(
  group: ConsumerGroup,
  memberIds: readonly string[],
  context: DecisionContext,
): JournalRecord[] {
  const plan = new Plan(group, context)
  for (const memberId of memberIds) plan.remove(memberId)
  plan.matchPatterns(false)
  plan.raiseEpoch(true)
  if (plan.members.size === 0) plan.records.push(targetEpochRecord(group.groupId, plan.epoch, 0))
  return plan.records
}

/** Deletes a group without members. */
export function deletionOf({ groupId, patterns, members }: ConsumerGroup): JournalRecord[] {
  return [
    ...[...members.keys()].flatMap(memberId => memberTombstones(groupId, memberId)),
    ...consumerGroupTombstones(groupId, patterns.keys()),
  ]
}

/** A group while a decision is made: what it will be when the records are replayed. */
class Plan {
  readonly records: JournalRecord[] = []
  readonly members: Map<string, ConsumerMember>
  readonly #targets: Map<string, PartitionSets>
  readonly #patterns: Map<string, ResolvedPattern>
  readonly #group: ConsumerGroup
  readonly #context: DecisionContext
  epoch: number
  #targetEpoch: number

  constructor(group: ConsumerGroup, context: DecisionContext) {
    this.#group = group
    this.#context = context
    this.members = new Map(group.members)
    this.#targets = new Map(group.targets)
    this.#patterns = new Map(group.patterns)
    this.epoch = group.epoch
    this.#targetEpoch = group.assignmentEpoch
  }

  set(member: ConsumerMember): void {
    this.members.set(member.memberId, member)
  }

  remove(memberId: string): void {
    this.members.delete(memberId)
    this.#targets.delete(memberId)
    this.records.push(...memberTombstones(this.#group.groupId, memberId))
  }

  /** A static member is back under a new id: it takes what the old one had. */
  replace(old: ConsumerMember, member: ConsumerMember): void {
    const { groupId } = this.#group
    const target = this.#group.targetOf(old.memberId)
    this.remove(old.memberId)
    this.#targets.set(member.memberId, target)
    this.records.push(
      memberRecord(groupId, member),
      targetRecord(groupId, member.memberId, target),
      currentRecord(groupId, member),
    )
  }

  /** Matches expressions that are new, and all of them when the topics have changed. */
  matchPatterns(isNew: boolean): void {
    const { groupId } = this.#group
    const { topics, now, mustMatch } = this.#context
    const used = new Set([...this.members.values()].map(({ pattern }) => pattern))
    used.delete('')
    for (const pattern of this.#patterns.keys()) {
      if (used.has(pattern)) continue
      this.#patterns.delete(pattern)
      this.records.push(patternTombstone(groupId, pattern))
    }
    for (const pattern of used) {
      const known = this.#patterns.get(pattern)
      if (known !== undefined && !mustMatch && !isNew) continue
      const names =
        known === undefined ? namesMatching(pattern, topics.names) : this.#again(pattern)
      if (known !== undefined && JSON.stringify(known.topics) === JSON.stringify(names)) continue
      const resolved = { topics: names, resolvedAt: now }
      this.#patterns.set(pattern, resolved)
      this.records.push(patternRecord(groupId, pattern, resolved))
    }
  }

  /** A newer Kafka may have kept an expression that is refused here: its topics stay. */
  #again(pattern: string): readonly string[] {
    try {
      return namesMatching(pattern, this.#context.topics.names)
    } catch {
      return this.#patterns.get(pattern)?.topics ?? []
    }
  }

  /** Raises the group's epoch if its members' subscriptions or their topics have changed. */
  raiseEpoch(isNewSubscription: boolean): void {
    const names = topicsReadBy(this.members.values(), this.#patterns)
    const hasMembers = this.members.size > 0
    const digest = hasMembers ? digestOf(topicsNamed(this.#context.topics, names)) : NO_DIGEST
    const isOther = isNewSubscription || digest !== this.#group.digest
    if (!isOther && this.#group.hasBegun) return
    this.epoch++
    this.records.push(groupEpochRecord(this.#group.groupId, this.epoch, digest))
  }

  /** Finds a target assignment if there is none for the group's epoch. */
  findTargets(): void {
    if (this.epoch <= this.#targetEpoch) return
    const { groupId } = this.#group
    const { topics, now } = this.#context
    const members = [...this.members.values()].map(member => ({
      ...member,
      topicIds: this.#topicIdsOf(member),
      target: this.#targets.get(member.memberId) ?? new Map(),
    }))
    const topicIds = new Set(members.flatMap(member => [...member.topicIds]))
    const partitionCounts = new Map(
      [...topicIds].map(id => [id, topics.findById(id)?.partitionCount ?? 0]),
    )
    const found = preferredAssignor(members).assign({ members, partitionCounts })
    for (const [memberId, target] of found) {
      const old = this.#targets.get(memberId)
      if (old !== undefined && isSame(old, target)) continue
      this.#targets.set(memberId, target)
      this.records.push(targetRecord(groupId, memberId, target))
    }
    this.#targetEpoch = this.epoch
    this.records.push(targetEpochRecord(groupId, this.epoch, now))
  }

  reconcile(claimed: ConsumerMember, { owned }: ConsumerHeartbeat): ConsumerMember {
    const { memberId } = claimed
    if (claimed.progress === 'unknown' && (owned === null || owned.length > 0)) {
      const sentence = 'the member is in an unknown state: it must give up all and rejoin'
      throw new PartlogError('FENCED_MEMBER_EPOCH', sentence)
    }
    const member = reconciled(claimed, {
      targetEpoch: this.#targetEpoch,
      target: this.#targets.get(memberId) ?? new Map(),
      topicIds: this.#topicIdsOf(claimed),
      owned,
      isTaken: (topicId, partition) => {
        const owner = this.#group.ownerOf(topicId, partition)
        return owner !== undefined && owner !== memberId && this.members.has(owner)
      },
    })
    if (!hasSameAssignment(claimed, member)) {
      this.records.push(currentRecord(this.#group.groupId, member))
    }
    return member
  }

  #topicIdsOf({ topics, pattern }: ConsumerMember): ReadonlySet<string> {
    const names = new Set([...topics, ...(this.#patterns.get(pattern)?.topics ?? [])])
    return new Set(topicsNamed(this.#context.topics, names).map(({ topicId }) => topicId))
  }
}

/** Whether an answer names the assignment although it has not changed: the member asks for it. */
export function asksForAssignment(beat: ConsumerHeartbeat): boolean {
  const isWhole =
    beat.rebalanceTimeoutMs !== -1 &&
    (beat.topics !== null || beat.pattern !== null) &&
    beat.owned !== null
  return beat.epoch === JOINING_EPOCH || isWhole
}

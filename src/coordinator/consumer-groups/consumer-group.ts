/*
 * One group with the consumer protocol: a fold over its records (Kafka's ConsumerGroup, KIP-848).
 *
 * The group's epoch rises with every change of members, subscriptions and their topics. The target
 * assignment has the epoch for which it was found, a member the epoch of the assignment it has:
 *
 *   state        group epoch   assignment epoch   members
 *   Empty                                         none
 *   Assigning    newer         older              the next heartbeat finds a target
 *   Reconciling  same          same               some are on their way to their targets
 *   Stable       same          same               each has its target
 */

import type { ConsumerGroupRecord, ResolvedPattern } from './consumer-group-journal.js'
import { newMember, NOTHING_YET, type ConsumerMember } from './consumer-member.js'
import { NO_SETS, type OwnedPartitions, type PartitionSets } from './partition-sets.js'
import { NO_DIGEST } from './topics-view.js'

export type ConsumerGroupState = 'Empty' | 'Assigning' | 'Reconciling' | 'Stable'

/** The epoch of a group before its first record; Kafka 4.4 writes 2 first. */
const EPOCH_BEFORE = 1

export class ConsumerGroup {
  readonly #members = new Map<string, ConsumerMember>()
  readonly #targets = new Map<string, PartitionSets>()
  readonly #patterns = new Map<string, ResolvedPattern>()
  /** Member ids of static members, by their instance ids. */
  readonly #statics = new Map<string, string>()
  /** By topic id and partition, the member that has it or has not given it back. */
  readonly #owners = new Map<string, Map<number, string>>()
  #epoch = EPOCH_BEFORE
  #digest = NO_DIGEST
  #assignmentEpoch = 0

  constructor(readonly groupId: string) {}

  get epoch(): number {
    return this.#epoch
  }
  /** True once it has an epoch in the log. */
  get hasBegun(): boolean {
    return this.#epoch !== EPOCH_BEFORE
  }
  /** The digest of the topics that the group reads. */
  get digest(): string {
    return this.#digest
  }
  get assignmentEpoch(): number {
    return this.#assignmentEpoch
  }
  get members(): ReadonlyMap<string, ConsumerMember> {
    return this.#members
  }
  get targets(): ReadonlyMap<string, PartitionSets> {
    return this.#targets
  }
  /** The topics that expressions matched, by expression. */
  get patterns(): ReadonlyMap<string, ResolvedPattern> {
    return this.#patterns
  }

  get state(): ConsumerGroupState {
    if (this.#members.size === 0) return 'Empty'
    if (this.#epoch > this.#assignmentEpoch) return 'Assigning'
    const isThere = ({ progress, epoch }: ConsumerMember): boolean =>
      progress === 'stable' && epoch === this.#assignmentEpoch
    return [...this.#members.values()].every(isThere) ? 'Stable' : 'Reconciling'
  }

  staticMember(instanceId: string): ConsumerMember | undefined {
    return this.#members.get(this.#statics.get(instanceId) ?? '')
  }

  targetOf(memberId: string): PartitionSets {
    return this.#targets.get(memberId) ?? NO_SETS
  }

  /** The member that has the partition, or has not given it back. */
  ownerOf(topicId: string, partition: number): string | undefined {
    return this.#owners.get(topicId)?.get(partition)
  }

  /** The topics that members subscribe to, by name and by expression. */
  get topics(): ReadonlySet<string> {
    return topicsReadBy(this.#members.values(), this.#patterns)
  }

  // ── records ────────────────────────────────────────────────────────────────────────────

  apply(record: ConsumerGroupRecord): void {
    switch (record.kind) {
      case 'group':
        this.#epoch = record.value?.epoch ?? EPOCH_BEFORE
        this.#digest = record.value?.digest ?? NO_DIGEST
        return
      case 'targetEpoch':
        this.#assignmentEpoch = record.epoch ?? 0
        return
      case 'member':
        if (record.value === undefined) this.#remove(record.memberId)
        else this.#set({ ...this.#memberOr(record.memberId), ...record.value })
        return
      case 'current': {
        const { memberId, value } = record
        const isUnknown = value === undefined && !this.#members.has(memberId)
        if (!isUnknown) this.#set({ ...this.#memberOr(memberId), ...(value ?? NOTHING_YET) })
        return
      }
      case 'target':
        if (record.value === undefined) this.#targets.delete(record.memberId)
        else this.#targets.set(record.memberId, record.value)
        return
      case 'pattern':
        if (record.value === undefined) this.#patterns.delete(record.pattern)
        else this.#patterns.set(record.pattern, record.value)
    }
  }

  #memberOr(memberId: string): ConsumerMember {
    return this.#members.get(memberId) ?? newMember(memberId)
  }

  #set(member: ConsumerMember): void {
    this.#remove(member.memberId)
    this.#members.set(member.memberId, member)
    if (member.instanceId !== null) this.#statics.set(member.instanceId, member.memberId)
    for (const owned of [member.assigned, member.revoking]) this.#own(owned, member.memberId)
  }

  #remove(memberId: string): void {
    const member = this.#members.get(memberId)
    if (member === undefined) return
    this.#members.delete(memberId)
    const { instanceId } = member
    if (instanceId !== null && this.#statics.get(instanceId) === memberId) {
      this.#statics.delete(instanceId)
    }
    for (const owned of [member.assigned, member.revoking]) this.#disown(owned, memberId)
  }

  #own(owned: OwnedPartitions, memberId: string): void {
    for (const [topicId, partitions] of owned) {
      const owners = this.#owners.get(topicId) ?? new Map<number, string>()
      for (const partition of partitions.keys()) owners.set(partition, memberId)
      this.#owners.set(topicId, owners)
    }
  }

  #disown(owned: OwnedPartitions, memberId: string): void {
    for (const [topicId, partitions] of owned) {
      const owners = this.#owners.get(topicId)
      for (const partition of partitions.keys()) {
        if (owners?.get(partition) === memberId) owners.delete(partition)
      }
    }
  }
}

/** The topics that members subscribe to, by name and by expression. */
export function topicsReadBy(
  members: Iterable<ConsumerMember>,
  patterns: ReadonlyMap<string, ResolvedPattern>,
): ReadonlySet<string> {
  const topics = new Set<string>()
  for (const member of members) {
    for (const topic of member.topics) topics.add(topic)
    for (const topic of patterns.get(member.pattern)?.topics ?? []) topics.add(topic)
  }
  return topics
}

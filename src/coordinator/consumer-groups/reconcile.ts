/*
 * One step of a member towards its target (Kafka's CurrentAssignmentBuilder, KIP-848). Pure.
 *
 *   what it has and shall not have ──▶ it gives back first: `unrevoked`, in its old epoch, until a
 *   heartbeat no longer names these partitions ──▶ it is in the epoch of the target and gets what
 *   is free: `stable`, or `unreleased` while other members still have the rest
 *
 * A partition is free when no member has it and none has to give it back: so no two members ever
 * have it, without any moment in which all of them stop.
 */

import type { ConsumerMember } from './consumer-member.js'
import {
  isAnyOwned,
  type OwnedPartitions,
  type PartitionSets,
  type TopicPartitions,
} from './partition-sets.js'

export interface ReconcileOptions {
  readonly targetEpoch: number
  readonly target: PartitionSets
  /** Whether another member has the partition, or has not given it back. */
  readonly isTaken: (topicId: string, partition: number) => boolean
  /** What the member says that it owns; null: it does not say. */
  readonly owned: readonly TopicPartitions[] | null
  /** The ids of the topics that it subscribes to. */
  readonly topicIds: ReadonlySet<string>
}

/** The member after the step; the same object if there is none to take. */
export function reconciled(member: ConsumerMember, options: ReconcileOptions): ConsumerMember {
  const { targetEpoch, owned } = options
  switch (member.progress) {
    case 'stable':
      if (member.epoch !== targetEpoch) return nextStep(member, options)
      return hasOtherTopics(member, options) ? withoutOtherTopics(member, options) : member
    case 'unrevoked':
      if (!owns(owned, member.revoking)) return nextStep(member, options)
      return hasOtherTopics(member, options) ? withoutOtherTopics(member, options) : member
    case 'unreleased':
      return nextStep(member, options)
    case 'unknown':
      return nextStep({ ...member, epoch: targetEpoch }, options)
  }
}

/** True if the member has one of them, also when it does not say what it has. */
function owns(owned: ReconcileOptions['owned'], partitions: OwnedPartitions): boolean {
  return owned === null || isAnyOwned(owned, partitions)
}

function hasOtherTopics({ assigned }: ConsumerMember, { topicIds }: ReconcileOptions): boolean {
  return [...assigned.keys()].some(topicId => !topicIds.has(topicId))
}

/** The member gives back topics that it no longer subscribes to, before it gets a new target. */
function withoutOtherTopics(member: ConsumerMember, options: ReconcileOptions): ConsumerMember {
  const { topicIds, owned } = options
  const assigned = new Map(member.assigned)
  const revoking = new Map(member.revoking)
  for (const [topicId, partitions] of member.assigned) {
    if (topicIds.has(topicId)) continue
    assigned.delete(topicId)
    revoking.set(topicId, new Map([...(revoking.get(topicId) ?? []), ...partitions]))
  }
  const previousEpoch = member.epoch
  if (!owns(owned, revoking)) return { ...member, previousEpoch, assigned }
  return { ...member, previousEpoch, progress: 'unrevoked', assigned, revoking }
}

function nextStep(member: ConsumerMember, options: ReconcileOptions): ConsumerMember {
  const { kept, surplus, missing, isWaiting } = compared(member, options)
  if (surplus.size > 0 && owns(options.owned, surplus)) {
    const previousEpoch = member.epoch
    return { ...member, previousEpoch, progress: 'unrevoked', assigned: kept, revoking: surplus }
  }
  const { targetEpoch } = options
  const assigned = new Map(kept)
  for (const [topicId, partitions] of missing) {
    const got = new Map(assigned.get(topicId) ?? [])
    for (const partition of partitions) got.set(partition, targetEpoch)
    assigned.set(topicId, got)
  }
  return {
    ...member,
    epoch: targetEpoch,
    previousEpoch: member.epoch,
    progress: isWaiting ? 'unreleased' : 'stable',
    assigned,
    revoking: new Map(),
  }
}

interface Comparison {
  /** What it has and shall have. */
  readonly kept: OwnedPartitions
  /** What it has and shall not have. */
  readonly surplus: OwnedPartitions
  /** What it shall have and can get. */
  readonly missing: ReadonlyMap<string, readonly number[]>
  /** It shall have more, which others still have. */
  readonly isWaiting: boolean
}

function compared(member: ConsumerMember, options: ReconcileOptions): Comparison {
  const { target, topicIds, isTaken } = options
  const kept = new Map<string, ReadonlyMap<number, number>>()
  const surplus = new Map<string, ReadonlyMap<number, number>>()
  const missing = new Map<string, readonly number[]>()
  let isWaiting = false
  for (const topicId of new Set([...target.keys(), ...member.assigned.keys()])) {
    const wanted = topicIds.has(topicId) ? (target.get(topicId) ?? NONE_WANTED) : NONE_WANTED
    const had = [...(member.assigned.get(topicId) ?? [])]
    const stays = had.filter(([partition]) => wanted.has(partition))
    const goes = had.filter(([partition]) => !wanted.has(partition))
    const has = new Map(stays)
    const lacking = [...wanted].filter(partition => !has.has(partition))
    const free = lacking.filter(partition => !isTaken(topicId, partition))
    if (stays.length > 0) kept.set(topicId, has)
    if (goes.length > 0) surplus.set(topicId, new Map(goes))
    if (free.length > 0) missing.set(topicId, free.sort((a, b) => a - b))
    if (free.length < lacking.length) isWaiting = true
  }
  return { kept, surplus, missing, isWaiting }
}

const NONE_WANTED: ReadonlySet<number> = new Set()

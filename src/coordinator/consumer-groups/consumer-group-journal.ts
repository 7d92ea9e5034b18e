/* The state of groups with the consumer protocol as records of `__consumer_offsets` (KIP-848). */

import type { Timestamp } from '../../model/units.js'
import {
  CONSUMER_GROUP_KINDS,
  CONSUMER_GROUP_VALUE_VERSION,
  consumerMemberKey,
  consumerMemberValue,
  currentKey,
  currentValue,
  groupEpochKey,
  groupEpochValue,
  groupPartitionsKey,
  patternKey,
  patternValue,
  targetEpochKey,
  targetEpochValue,
  targetKey,
  targetValue,
  type ConsumerMemberValue,
  type CurrentValue,
} from '../../protocol/messages/consumer-group-records.js'
import { decodeVersioned, encodeVersioned } from '../../protocol/messages/group-records.js'
import type { Message } from '../../protocol/schema.js'
import type { JournalRecord } from '../fold/journal.js'
import type { ConsumerMember, MemberClaims, MemberProgress } from './consumer-member.js'
import { listed, setsOf, type OwnedPartitions, type PartitionSets } from './partition-sets.js'
import { NO_DIGEST } from './topics-view.js'

/** The topics that an expression matched. */
export interface ResolvedPattern {
  readonly topics: readonly string[]
  readonly resolvedAt: Timestamp
}

/** The part of a member's state that a record of kind `current` holds. */
export type CurrentAssignment = Pick<
  ConsumerMember,
  'epoch' | 'previousEpoch' | 'progress' | 'assigned' | 'revoking'
>

/** A decoded record; undefined in place of a value: the record deletes it. */
export type ConsumerGroupRecord = { readonly groupId: string } & (
  | {
      readonly kind: 'group'
      readonly value: { readonly epoch: number; readonly digest: string } | undefined
    }
  | { readonly kind: 'partitions' }
  | {
      readonly kind: 'member'
      readonly memberId: string
      readonly value: MemberClaims | undefined
    }
  | { readonly kind: 'targetEpoch'; readonly epoch: number | undefined }
  | {
      readonly kind: 'target'
      readonly memberId: string
      readonly value: PartitionSets | undefined
    }
  | {
      readonly kind: 'current'
      readonly memberId: string
      readonly value: CurrentAssignment | undefined
    }
  | {
      readonly kind: 'pattern'
      readonly pattern: string
      readonly value: ResolvedPattern | undefined
    }
)

// ── reading ──────────────────────────────────────────────────────────────────────────────

const PROGRESS: readonly MemberProgress[] = ['stable', 'unrevoked', 'unreleased']

/** Returns undefined for kinds of records that are not about such groups. */
export function readConsumerGroupRecord(
  kind: number,
  { key, value }: { readonly key: Uint8Array; readonly value: Uint8Array | null },
): ConsumerGroupRecord | undefined {
  const valueIn = <T>(layout: Message<T>): T | undefined =>
    value === null ? undefined : decodeVersioned(layout, value)
  switch (kind) {
    case CONSUMER_GROUP_KINDS.group: {
      const { group: groupId } = decodeVersioned(groupEpochKey, key)
      const kept = valueIn(groupEpochValue)
      const digest = kept?.metadataHash ?? NO_DIGEST
      return { kind: 'group', groupId, value: kept && { epoch: kept.epoch, digest } }
    }
    case CONSUMER_GROUP_KINDS.partitions:
      return { kind: 'partitions', groupId: decodeVersioned(groupPartitionsKey, key).group }
    case CONSUMER_GROUP_KINDS.member: {
      const { group: groupId, memberId } = decodeVersioned(consumerMemberKey, key)
      const kept = valueIn(consumerMemberValue)
      return { kind: 'member', groupId, memberId, value: kept && claimsIn(kept) }
    }
    case CONSUMER_GROUP_KINDS.targetEpoch: {
      const { group: groupId } = decodeVersioned(targetEpochKey, key)
      return { kind: 'targetEpoch', groupId, epoch: valueIn(targetEpochValue)?.assignmentEpoch }
    }
    case CONSUMER_GROUP_KINDS.target: {
      const { group: groupId, memberId } = decodeVersioned(targetKey, key)
      const kept = valueIn(targetValue)
      return { kind: 'target', groupId, memberId, value: kept && setsOf(kept.topicPartitions) }
    }
    case CONSUMER_GROUP_KINDS.current: {
      const { group: groupId, memberId } = decodeVersioned(currentKey, key)
      const kept = valueIn(currentValue)
      return { kind: 'current', groupId, memberId, value: kept && currentIn(kept) }
    }
    case CONSUMER_GROUP_KINDS.pattern: {
      const { group: groupId, regularExpression: pattern } = decodeVersioned(patternKey, key)
      const kept = valueIn(patternValue)
      const resolved = kept && { topics: kept.topics, resolvedAt: kept.timestamp }
      return { kind: 'pattern', groupId, pattern, value: resolved }
    }
    default:
      return undefined
  }
}

function claimsIn(value: ConsumerMemberValue): MemberClaims {
  const { instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs } = value
  return {
    instanceId,
    rackId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    topics: value.subscribedTopicNames,
    pattern: value.subscribedTopicRegex ?? '',
    assignor: value.serverAssignor,
  }
}

function currentIn(value: CurrentValue): CurrentAssignment {
  const { memberEpoch: epoch } = value
  return {
    epoch,
    previousEpoch: value.previousMemberEpoch,
    progress: PROGRESS[value.state] ?? 'unknown',
    assigned: ownedIn(value.assignedPartitions, epoch),
    revoking: ownedIn(value.partitionsPendingRevocation, epoch),
  }
}

/** Records before KIP-1251 have no epochs of partitions: it is the member's then. */
function ownedIn(lists: CurrentValue['assignedPartitions'], epoch: number): OwnedPartitions {
  return new Map(
    lists.map(({ topicId, partitions, assignmentEpochs }) => [
      topicId,
      new Map(partitions.map((each, at) => [each, assignmentEpochs?.[at] ?? epoch])),
    ]),
  )
}

// ── writing ──────────────────────────────────────────────────────────────────────────────

const encoded = <T>(layout: Message<T>, value: T): Buffer =>
  encodeVersioned(layout, value, CONSUMER_GROUP_VALUE_VERSION)

export function groupEpochRecord(group: string, epoch: number, digest: string): JournalRecord {
  return {
    key: encodeVersioned(groupEpochKey, { group }, CONSUMER_GROUP_KINDS.group),
    value: encoded(groupEpochValue, { epoch, metadataHash: digest }),
  }
}

export function memberRecord(group: string, member: ConsumerMember): JournalRecord {
  const { memberId, topics, pattern, assignor, instanceId, rackId } = member
  const { clientId, clientHost, rebalanceTimeoutMs } = member
  return {
    key: memberKey(group, memberId),
    value: encoded(consumerMemberValue, {
      instanceId,
      rackId,
      clientId,
      clientHost,
      rebalanceTimeoutMs,
      subscribedTopicNames: topics,
      subscribedTopicRegex: pattern,
      serverAssignor: assignor,
      classicMemberMetadata: null,
    }),
  }
}

export function targetEpochRecord(group: string, epoch: number, at: Timestamp): JournalRecord {
  const value = { assignmentEpoch: epoch, assignmentTimestamp: at }
  return { key: targetEpochKeyOf(group), value: encoded(targetEpochValue, value) }
}

export function targetRecord(
  group: string,
  memberId: string,
  target: PartitionSets,
): JournalRecord {
  const value = encoded(targetValue, { topicPartitions: listed(target) })
  return { key: targetKeyOf(group, memberId), value }
}

export function currentRecord(group: string, member: ConsumerMember): JournalRecord {
  const lists = (owned: OwnedPartitions): CurrentValue['assignedPartitions'] =>
    listed(owned).map(({ topicId, partitions }) => ({
      topicId,
      partitions,
      assignmentEpochs: partitions.map(each => owned.get(topicId)?.get(each) ?? member.epoch),
    }))
  return {
    key: currentKeyOf(group, member.memberId),
    value: encoded(currentValue, {
      memberEpoch: member.epoch,
      previousMemberEpoch: member.previousEpoch,
      state: PROGRESS.indexOf(member.progress),
      assignedPartitions: lists(member.assigned),
      partitionsPendingRevocation: lists(member.revoking),
    }),
  }
}

export function patternRecord(
  group: string,
  pattern: string,
  { topics, resolvedAt: timestamp }: ResolvedPattern,
): JournalRecord {
  // Kafka compares the version with that of its own metadata, and finds the topics anew.
  const value = encoded(patternValue, { topics, version: 0, timestamp })
  return { key: patternKeyOf(group, pattern), value }
}

export function patternTombstone(group: string, pattern: string): JournalRecord {
  return { key: patternKeyOf(group, pattern), value: null }
}

/** Deletes a member. */
export function memberTombstones(group: string, memberId: string): JournalRecord[] {
  const keys = [
    currentKeyOf(group, memberId),
    targetKeyOf(group, memberId),
    memberKey(group, memberId),
  ]
  return keys.map(key => ({ key, value: null }))
}

/** Deletes a group whose members are deleted. */
export function consumerGroupTombstones(
  group: string,
  patterns: Iterable<string>,
): JournalRecord[] {
  const keys = [
    targetEpochKeyOf(group),
    ...[...patterns].map(pattern => patternKeyOf(group, pattern)),
    encodeVersioned(groupPartitionsKey, { group }, CONSUMER_GROUP_KINDS.partitions),
    encodeVersioned(groupEpochKey, { group }, CONSUMER_GROUP_KINDS.group),
  ]
  return keys.map(key => ({ key, value: null }))
}

function memberKey(group: string, memberId: string): Buffer {
  return encodeVersioned(consumerMemberKey, { group, memberId }, CONSUMER_GROUP_KINDS.member)
}

function targetEpochKeyOf(group: string): Buffer {
  return encodeVersioned(targetEpochKey, { group }, CONSUMER_GROUP_KINDS.targetEpoch)
}

function targetKeyOf(group: string, memberId: string): Buffer {
  return encodeVersioned(targetKey, { group, memberId }, CONSUMER_GROUP_KINDS.target)
}

function currentKeyOf(group: string, memberId: string): Buffer {
  return encodeVersioned(currentKey, { group, memberId }, CONSUMER_GROUP_KINDS.current)
}

function patternKeyOf(group: string, regularExpression: string): Buffer {
  return encodeVersioned(patternKey, { group, regularExpression }, CONSUMER_GROUP_KINDS.pattern)
}

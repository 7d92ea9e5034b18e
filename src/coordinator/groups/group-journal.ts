/* The durable state of groups as records of `__consumer_offsets`. */

import { NONE, type LeaderEpoch, type Offset, type Timestamp } from '../../model/units.js'
import {
  decodeVersioned,
  encodeVersioned,
  GROUP_METADATA_KIND,
  GROUP_METADATA_VALUE_VERSION,
  groupMetadataKey,
  groupMetadataValue,
  kindOf,
  OFFSET_COMMIT_KIND,
  EXPIRING_OFFSET_COMMIT_VALUE_VERSION,
  OFFSET_COMMIT_VALUE_VERSION,
  offsetCommitKey,
  offsetCommitValue,
  type GroupMetadataValue,
} from '../../protocol/messages/group-records.js'
import {
  readConsumerGroupRecord,
  type ConsumerGroupRecord,
} from '../consumer-groups/consumer-group-journal.js'
import type { JournalRecord } from '../fold/journal.js'
import { Member } from './member.js'
import { Membership } from './membership.js'

export interface CommittedOffset {
  readonly topic: string
  readonly partition: number
  /** The next offset to read. */
  readonly offset: Offset
  readonly leaderEpoch: LeaderEpoch
  readonly metadata: string
  readonly committedAt: Timestamp
  /** When the commit expires, if its client set a retention time; −1: by the broker's retention. */
  readonly expiresAt: Timestamp
}

/** The encoded assignments, by member id. */
export type MemberAssignmentBytes = ReadonlyMap<string, Uint8Array>

/** A decoded record. */
export type GroupRecord =
  | { readonly kind: 'offset'; readonly groupId: string; readonly offset: CommittedOffset }
  | {
      readonly kind: 'noOffset'
      readonly groupId: string
      readonly topic: string
      readonly partition: number
    }
  | { readonly kind: 'generation'; readonly groupId: string; readonly value: GroupMetadataValue }
  | { readonly kind: 'noGeneration'; readonly groupId: string }
  | {
      readonly kind: 'consumer'
      readonly groupId: string
      readonly record: ConsumerGroupRecord
      readonly isTombstone: boolean
    }

/** Returns undefined for unknown kinds of records: other versions of Kafka have more. */
export function readGroupRecord({ key, value }: JournalRecord): GroupRecord | undefined {
  const kind = kindOf(key)
  if (key === null || kind === undefined) return undefined
  if (kind <= OFFSET_COMMIT_KIND) return readOffset(key, value)
  if (kind !== GROUP_METADATA_KIND) {
    const record = readConsumerGroupRecord(kind, { key, value })
    if (record === undefined) return undefined
    return { kind: 'consumer', groupId: record.groupId, record, isTombstone: value === null }
  }
  const { group: groupId } = decodeVersioned(groupMetadataKey, key)
  if (value === null) return { kind: 'noGeneration', groupId }
  return { kind: 'generation', groupId, value: decodeVersioned(groupMetadataValue, value) }
}

function readOffset(key: Uint8Array, value: Uint8Array | null): GroupRecord {
  const { group: groupId, topic, partition } = decodeVersioned(offsetCommitKey, key)
  if (value === null) return { kind: 'noOffset', groupId, topic, partition }
  const {
    offset,
    leaderEpoch = -1,
    metadata,
    commitTimestamp: committedAt,
    expireTimestamp: expiresAt = NONE,
  } = decodeVersioned(offsetCommitValue, value)
  const place = { topic, partition }
  const committed = { ...place, offset, leaderEpoch, metadata, committedAt, expiresAt }
  return { kind: 'offset', groupId, offset: committed }
}

// ── writing ──────────────────────────────────────────────────────────────────────────────

export function offsetRecord(groupId: string, committed: CommittedOffset): JournalRecord {
  const { topic, partition, offset, leaderEpoch, metadata } = committed
  const { committedAt: commitTimestamp, expiresAt: expireTimestamp } = committed
  const value = { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp }
  const version =
    expireTimestamp === NONE ? OFFSET_COMMIT_VALUE_VERSION : EXPIRING_OFFSET_COMMIT_VALUE_VERSION
  return {
    key: offsetKey(groupId, topic, partition),
    value: encodeVersioned(offsetCommitValue, value, version),
  }
}

/** Deletes a committed offset. */
export function offsetTombstone(groupId: string, topic: string, partition: number): JournalRecord {
  return { key: offsetKey(groupId, topic, partition), value: null }
}

/** Deletes a group. */
export function groupTombstone(groupId: string): JournalRecord {
  return { key: groupKey(groupId), value: null }
}

/** A generation with its members and their assignments: the given ones, or the current ones. */
export function generationRecord(
  membership: Membership,
  assignments?: MemberAssignmentBytes,
): JournalRecord {
  const { groupId, protocolName: protocol, generation } = membership
  const value = {
    protocolType: membership.protocolType ?? '',
    generation,
    protocol,
    leader: membership.leaderId,
    currentStateTimestamp: membership.stateSince,
    members: [...membership.members].map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: member.metadataFor(protocol),
      assignment: assignmentOf(member, assignments),
    })),
  }
  return {
    key: groupKey(groupId),
    value: encodeVersioned(groupMetadataValue, value, GROUP_METADATA_VALUE_VERSION),
  }
}

function assignmentOf(member: Member, given: MemberAssignmentBytes | undefined): Uint8Array {
  return given === undefined ? member.assignment : (given.get(member.memberId) ?? new Uint8Array(0))
}

/** Restores a membership from the record of its generation. */
export function restoredMembership(
  groupId: string,
  value: GroupMetadataValue,
  now: number,
): Membership {
  const membership = new Membership(groupId, now)
  const { protocolType, generation, protocol: protocolName, leader: leaderId } = value
  const { currentStateTimestamp: since = -1 } = value
  const members = value.members.map(kept => {
    const { memberId, groupInstanceId = null, clientId, clientHost, assignment } = kept
    const { sessionTimeout: sessionTimeoutMs, rebalanceTimeout = -1 } = kept
    const rebalanceTimeoutMs = rebalanceTimeout < 0 ? sessionTimeoutMs : rebalanceTimeout
    const protocols =
      protocolName === null ? [] : [{ name: protocolName, metadata: kept.subscription }]
    const traits = { memberId, groupInstanceId, clientId, clientHost, protocols }
    const member = new Member({ ...traits, sessionTimeoutMs, rebalanceTimeoutMs })
    member.assignment = assignment
    return member
  })
  // Of members with the same id the last one counts, as in Kafka.
  const byId = new Map(members.map(member => [member.memberId, member]))
  const restored = { generation, protocolType, protocolName, leaderId, since }
  membership.restore({ ...restored, members: [...byId.values()] })
  return membership
}

function offsetKey(group: string, topic: string, partition: number): Buffer {
  return encodeVersioned(offsetCommitKey, { group, topic, partition }, OFFSET_COMMIT_KIND)
}

function groupKey(group: string): Buffer {
  return encodeVersioned(groupMetadataKey, { group }, GROUP_METADATA_KIND)
}

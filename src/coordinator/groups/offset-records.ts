/* Decisions about committed offsets, and about the end of groups, as records. Pure. */

import { PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { LeaderEpoch, Offset } from '../../model/units.js'
import { CONSUMER_PROTOCOL } from '../../protocol/messages/consumer-protocol.js'
import { deletionOf } from '../consumer-groups/heartbeat-decision.js'
import type { JournalRecord } from '../fold/journal.js'
import { groupTombstone, offsetTombstone, type CommittedOffset } from './group-journal.js'
import type { KeptGroup } from './kept-groups.js'
import type { Membership } from './membership.js'

/** Kafka's offset.metadata.max.bytes. */
const METADATA_MAX_BYTES = 4096
/** The most tombstones in one append. */
const TOMBSTONES_MAX = 1_000

export interface OffsetToCommit extends TopicPartition {
  readonly offset: Offset
  readonly leaderEpoch: LeaderEpoch
  readonly metadata: string
}

/** In parts for one append each. */
export function chunksOf(records: readonly JournalRecord[]): (readonly JournalRecord[])[] {
  const count = Math.ceil(records.length / TOMBSTONES_MAX)
  return Array.from({ length: count }, (_, index) =>
    records.slice(index * TOMBSTONES_MAX, (index + 1) * TOMBSTONES_MAX),
  )
}

/** Deletes the offsets for which `isOver` is true. */
export function tombstones(
  group: KeptGroup,
  isOver: (offset: CommittedOffset) => boolean,
): JournalRecord[] {
  return [...group.offsets]
    .filter(isOver)
    .map(({ topic, partition }) => offsetTombstone(group.groupId, topic, partition))
}

/** Deletes a group without members and offsets. */
export function ending({ groupId, consumer, generation }: KeptGroup): JournalRecord[] {
  const records = consumer === undefined ? [] : deletionOf(consumer)
  const isClassic = consumer === undefined || generation !== undefined
  return isClassic ? [...records, groupTombstone(groupId)] : records
}

export function unknownMember(groupId: string, memberId: string): PartlogError {
  return new PartlogError('UNKNOWN_MEMBER_ID', `group ${groupId} has no member "${memberId}"`)
}

/** The offsets whose metadata is too long, with their errors. */
export function tooLong(offsets: readonly OffsetToCommit[]): Map<OffsetToCommit, PartlogError> {
  const refused = new Map<OffsetToCommit, PartlogError>()
  for (const offset of offsets) {
    const size = Buffer.byteLength(offset.metadata)
    if (size <= METADATA_MAX_BYTES) continue
    const sentence = `commit metadata: ${size} bytes, at most ${METADATA_MAX_BYTES} are allowed`
    refused.set(offset, new PartlogError('OFFSET_METADATA_TOO_LARGE', sentence))
  }
  return refused
}

/** The topics of members that are not consumers are unknown, so all offsets count as in use. */
export function checkOffsetsAreOfConsumers(membership: Membership | undefined): void {
  if (membership === undefined || membership.state === 'Empty') return
  const { groupId, protocolType, state, size } = membership
  if (protocolType === CONSUMER_PROTOCOL) return
  const sentence = `group ${groupId} of type "${protocolType}" is ${state}, with ${size} members`
  throw new PartlogError('NON_EMPTY_GROUP', sentence)
}

/* Whether a member may commit and fetch offsets (KIP-848, KIP-1251). Pure. */

import { PartlogError } from '../../model/errors.js'
import type { ConsumerGroup } from './consumer-group.js'
import type { ConsumerMember } from './consumer-member.js'
import { epochOf } from './partition-sets.js'
import type { TopicsView } from './topics-view.js'

export interface ConsumerCommit {
  readonly memberId: string
  /** The member's epoch; −1 for a consumer outside the group. */
  readonly epoch: number
  readonly offsets: readonly { readonly topic: string; readonly partition: number }[]
}

/**
 * Throws UNKNOWN_MEMBER_ID, or STALE_MEMBER_EPOCH: a member may commit in an older epoch than its
 * own for partitions that it has had since then.
 */
export function checkConsumerCommit(
  group: ConsumerGroup,
  { memberId, epoch, offsets }: ConsumerCommit,
  topics: TopicsView,
): void {
  if (epoch < 0 && group.members.size === 0) return
  const member = memberOf(group, memberId)
  if (epoch === member.epoch) return
  if (epoch > member.epoch) throw stale(member, epoch)
  for (const { topic, partition } of offsets) {
    const topicId = topics.find(topic)?.topicId ?? ''
    const since =
      epochOf(member.assigned, topicId, partition) ?? epochOf(member.revoking, topicId, partition)
    if (since === undefined || epoch < since) throw stale(member, epoch)
  }
}

/** Throws UNKNOWN_MEMBER_ID or STALE_MEMBER_EPOCH. */
export function checkConsumerFetch(
  group: ConsumerGroup,
  { memberId, epoch }: { readonly memberId: string | null; readonly epoch: number },
): void {
  if (memberId === null && epoch < 0) return
  const member = memberOf(group, memberId ?? '')
  if (epoch !== member.epoch) throw stale(member, epoch)
}

function memberOf({ groupId, members }: ConsumerGroup, memberId: string): ConsumerMember {
  const member = members.get(memberId)
  if (member !== undefined) return member
  const sentence = `Member ${memberId} is not a member of group ${groupId}.`
  throw new PartlogError('UNKNOWN_MEMBER_ID', sentence)
}

function stale(member: ConsumerMember, epoch: number): PartlogError {
  const sentence =
    `The received member epoch ${epoch} does not match the expected member epoch ` +
    `${member.epoch}.`
  return new PartlogError('STALE_MEMBER_EPOCH', sentence)
}

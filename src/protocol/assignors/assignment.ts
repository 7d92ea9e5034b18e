/* Helpers of all assignors: members and topics in an order that is the same on every member. */

import { compareText } from '../../model/names.js'
import type { MemberSubscription } from '../messages/consumer-protocol.js'
import type { Assignment, AssignmentInput } from './assignor.js'

/**
 * Static members come first, by instance id, so a member that restarts with another member id keeps
 * its place. The others follow by member id.
 */
export function compareMembers(a: MemberSubscription, b: MemberSubscription): number {
  if (a.groupInstanceId !== undefined && b.groupInstanceId !== undefined) {
    return compareText(a.groupInstanceId, b.groupInstanceId)
  }
  if (a.groupInstanceId !== undefined) return -1
  if (b.groupInstanceId !== undefined) return 1
  return compareText(a.memberId, b.memberId)
}

/** All members, each without partitions. */
export function emptyAssignment(members: readonly MemberSubscription[]): Assignment {
  return new Map(members.map(({ memberId }) => [memberId, []]))
}

/** The subscribed topics that have partitions, by name. */
export function wantedTopics({ topics, members }: AssignmentInput): string[] {
  const wanted = new Set(members.flatMap(member => member.topics))
  return [...wanted].filter(topic => (topics.get(topic)?.partitions ?? 0) > 0).sort(compareText)
}

/** The rack of a member; an empty name means none. */
export function rackOf({ rackId }: MemberSubscription): string | undefined {
  return rackId === '' ? undefined : rackId
}

/**
 * True if racks can improve an assignment: members and replicas share a rack, and some partition is
 * not in every rack.
 */
export function racksMatter(
  memberRacks: ReadonlySet<string>,
  partitionRacks: readonly ReadonlySet<string>[],
): boolean {
  const all = new Set(partitionRacks.flatMap(racks => [...racks]))
  if (![...memberRacks].some(rack => all.has(rack))) return false
  return partitionRacks.some(racks => racks.size < all.size)
}

/** What all assignors need: members and topics in an order that is the same for everybody. */

import { compareText } from '../../model/names.js'
import type { MemberSubscription } from '../messages/consumer-protocol.js'
import type { Assignment, AssignmentInput } from './assignor.js'

/**
 * Static members first, by their instance id: so a member that starts anew, with another member id,
 * keeps its place. Then the others by member id.
 */
export function compareMembers(a: MemberSubscription, b: MemberSubscription): number {
  if (a.groupInstanceId !== undefined && b.groupInstanceId !== undefined) {
    return compareText(a.groupInstanceId, b.groupInstanceId)
  }
  if (a.groupInstanceId !== undefined) return -1
  if (b.groupInstanceId !== undefined) return 1
  return compareText(a.memberId, b.memberId)
}

/** Everybody, with nothing yet. */
export function emptyAssignment(members: readonly MemberSubscription[]): Assignment {
  return new Map(members.map(({ memberId }) => [memberId, []]))
}

/** The topics somebody wants and that have partitions, by name. */
export function wantedTopics({ topics, members }: AssignmentInput): string[] {
  const wanted = new Set(members.flatMap(member => member.topics))
  return [...wanted].filter(topic => (topics.get(topic)?.partitions ?? 0) > 0).sort(compareText)
}

/** The rack of a member; an empty name is none. */
export function rackOf({ rackId }: MemberSubscription): string | undefined {
  return rackId === '' ? undefined : rackId
}

/**
 * Can anything be won by looking at racks? Only where members and replicas share some, and not
 * every partition is in all of them anyway.
 */
export function racksMatter(
  memberRacks: ReadonlySet<string>,
  partitionRacks: readonly ReadonlySet<string>[],
): boolean {
  const all = new Set(partitionRacks.flatMap(racks => [...racks]))
  if (![...memberRacks].some(rack => all.has(rack))) return false
  return partitionRacks.some(racks => racks.size < all.size)
}

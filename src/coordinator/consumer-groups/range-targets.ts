/*
 * The assignor `range`: members get consecutive partitions of each topic, in the order of their
 * instance ids, then of their member ids. Topics with the same number of partitions and the same
 * readers are shared out alike, so records of one key meet in one member.
 */

import type {
  AssignableMember,
  AssignmentTask,
  ServerAssignor,
  Targets,
} from './server-assignor.js'

export const rangeTargets: ServerAssignor = { name: 'range', assign }

function assign({ members, partitionCounts }: AssignmentTask): Targets {
  const ordered = members.toSorted(byName)
  const targets = new Map(ordered.map(({ memberId }) => [memberId, new Map<string, Set<number>>()]))
  for (const [topicId, count] of partitionCounts) {
    const readers = ordered.filter(({ topicIds }) => topicIds.has(topicId))
    let next = 0
    for (const [at, { memberId }] of readers.entries()) {
      const share = Math.floor(count / readers.length) + (at < count % readers.length ? 1 : 0)
      if (share === 0) break
      const from = next
      const numbers = Array.from({ length: share }, (_, index) => from + index)
      targets.get(memberId)?.set(topicId, new Set(numbers))
      next += share
    }
  }
  return targets
}

/** Static members first, by instance id. */
function byName(one: AssignableMember, other: AssignableMember): number {
  if (one.instanceId === null && other.instanceId === null) {
    return one.memberId < other.memberId ? -1 : 1
  }
  if (one.instanceId === null) return 1
  if (other.instanceId === null) return -1
  return one.instanceId < other.instanceId ? -1 : 1
}

/* The leader of a group: decodes the members' subscriptions and assigns the partitions. */

import { show } from '../../base/options.js'
import { Limiter } from '../../base/tasks.js'
import { isPartlogError, PartlogError, toPartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { Response } from '../../protocol/api.js'
import type { AssignableTopic, Assignor } from '../../protocol/assignors/assignor.js'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  type MemberSubscription,
} from '../../protocol/messages/consumer-protocol.js'
import type { JoinGroupResponse, SyncGroupRequest } from '../../protocol/messages/groups.js'
import type { KnownTopic, MetadataCache } from '../line/metadata-cache.js'

export type Assignments = SyncGroupRequest['assignments']

/** The number of partitions of each topic when they were assigned; 0: the topic did not exist. */
export type PartitionCounts = ReadonlyMap<string, number>

/** Most topics refreshed at the same time in the background. */
const LOOKS_AT_ONCE = 20

export interface GroupAssignment {
  readonly assignments: Assignments
  readonly counts: PartitionCounts
}

export async function assignPartitions(
  assignor: Assignor,
  roll: JoinGroupResponse['members'],
  metadata: MetadataCache,
): Promise<GroupAssignment> {
  const members = roll.map(({ memberId, groupInstanceId, metadata: bytes }) =>
    decodeSubscription(bytes, memberId, groupInstanceId ?? undefined),
  )
  const names = [...new Set(members.flatMap(({ topics: wanted }) => wanted))]
  const topics = await topicsOf(names, metadata)
  const shares = assigned(assignor, members, topics)
  return {
    assignments: members.map(({ memberId }) => ({
      memberId,
      assignment: encodeAssignment(shares.get(memberId) ?? []),
    })),
    counts: new Map(names.map(name => [name, topics.get(name)?.partitions ?? 0])),
  }
}

/**
 * The partitions that are assigned in the group, by topic: a static leader that returns does not
 * assign (KIP-814), and has to find what has changed while it was away. If the group cannot be
 * described, the partitions that exist now.
 */
export async function countsInGroup(
  describing: Promise<Response<'DescribeGroups'>>,
  roll: JoinGroupResponse['members'],
  metadata: MetadataCache,
): Promise<PartitionCounts> {
  const names = new Set(
    roll.flatMap(({ memberId, metadata: bytes }) => decodeSubscription(bytes, memberId).topics),
  )
  try {
    const [group] = (await describing).groups
    if (group?.groupState === 'Stable') return countsOf(group.members, names)
  } catch {
    // A client that may join a group can mostly describe it; if not, Kafka's clients do the same.
  }
  const topics = await topicsOf([...names], metadata)
  return new Map([...names].map(name => [name, topics.get(name)?.partitions ?? 0]))
}

function countsOf(
  members: Response<'DescribeGroups'>['groups'][number]['members'],
  names: Iterable<string>,
): PartitionCounts {
  const counts = new Map([...names].map(name => [name, 0]))
  for (const { memberAssignment } of members) {
    for (const { topic } of decodeAssignment(memberAssignment).partitions) {
      counts.set(topic, (counts.get(topic) ?? 0) + 1)
    }
  }
  return counts
}

/**
 * Finds a topic whose number of partitions has changed since they were assigned, and describes the
 * change. A topic that cannot be refreshed now is checked again later.
 */
export async function whatHasChanged(
  counts: PartitionCounts,
  metadata: MetadataCache,
): Promise<string | undefined> {
  const limiter = new Limiter(LOOKS_AT_ONCE)
  const look = async (name: string, count: number): Promise<string | undefined> => {
    const { length } = (await topicIfAny(name, metadata))?.partitions ?? []
    if (length === count) return undefined
    return length === 0 ? `${name} is gone` : `${name} has other partitions`
  }
  const looks = [...counts].map(([name, count]) => limiter.run(() => look(name, count)))
  const seen = await Promise.allSettled(looks)
  for (const each of seen) if (each.status === 'fulfilled' && each.value) return each.value
  for (const each of seen) if (each.status === 'rejected') throw each.reason
  return undefined
}

/** The topics to assign; those that do not exist are left out. */
async function topicsOf(
  names: readonly string[],
  metadata: MetadataCache,
): Promise<Map<string, AssignableTopic>> {
  const known = await Promise.all(names.map(name => topicIfAny(name, metadata)))
  const topics = new Map<string, AssignableTopic>()
  for (const topic of known) {
    if (topic === undefined) continue
    const racks = topic.partitions.map(({ racks: names }) => names)
    topics.set(topic.name, { partitions: topic.partitions.length, racks })
  }
  return topics
}

/** The topic if it exists. It is not created here: only a member that subscribes creates it. */
async function topicIfAny(name: string, metadata: MetadataCache): Promise<KnownTopic | undefined> {
  try {
    return await metadata.refresh(name)
  } catch (error) {
    const { code } = toPartlogError(error)
    if (code === 'UNKNOWN_TOPIC_OR_PARTITION' || code === 'INVALID_TOPIC_EXCEPTION')
      return undefined
    throw error
  }
}

/** Runs the assignor, which may be the application's, and checks its result. */
function assigned(
  assignor: Assignor,
  members: readonly MemberSubscription[],
  topics: ReadonlyMap<string, AssignableTopic>,
): ReadonlyMap<string, readonly TopicPartition[]> {
  let shares: ReadonlyMap<string, readonly TopicPartition[]>
  try {
    shares = assignor.assign({ topics, members })
  } catch (cause) {
    const sentence = `assignor "${assignor.name}" has thrown: ${String(cause)}`
    throw new PartlogError('INCONSISTENT_GROUP_PROTOCOL', sentence, { cause })
  }
  try {
    checkShares(assignor, members, { topics, shares })
  } catch (cause) {
    if (isPartlogError(cause)) throw cause
    const expected = 'expected a Map of member ids to lists of { topic, partition }'
    throw misassigned(assignor, `${expected}, got ${show(shares)}`)
  }
  return shares
}

/** Throws a PartlogError for an invalid assignment; any other error means it is not even a Map. */
function checkShares(
  assignor: Assignor,
  members: readonly MemberSubscription[],
  { topics, shares }: {
    readonly topics: ReadonlyMap<string, AssignableTopic>
    readonly shares: ReadonlyMap<string, readonly TopicPartition[]>
  },
): void {
  const taken = new Set<string>()
  for (const [memberId, partitions] of shares) {
    const member = members.find(each => each.memberId === memberId)
    if (member === undefined) throw misassigned(assignor, `there is no member "${memberId}"`)
    for (const { topic, partition } of partitions) {
      const name = `${topic}-${partition}`
      const count = topics.get(topic)?.partitions ?? 0
      const exists = Number.isInteger(partition) && partition >= 0 && partition < count
      if (!exists) throw misassigned(assignor, `there is no partition ${name}`)
      if (taken.has(name)) throw misassigned(assignor, `${name} is assigned to two members`)
      if (!member.topics.includes(topic)) {
        throw misassigned(assignor, `member "${memberId}" did not subscribe to ${topic}`)
      }
      taken.add(name)
    }
  }
  // The result must work as a Map later, too.
  for (const { memberId } of members) shares.get(memberId)
}

function misassigned({ name }: Assignor, what: string): PartlogError {
  const sentence = `assignor "${name}" returned an invalid assignment: ${what}`
  return new PartlogError('INCONSISTENT_GROUP_PROTOCOL', sentence)
}

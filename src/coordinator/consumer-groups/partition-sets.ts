/* Partitions by the ids of their topics: what a member shall have, and what it has. Pure. */

/** What a member shall have: partition numbers by topic id. */
export type PartitionSets = ReadonlyMap<string, ReadonlySet<number>>

/** What a member has: by topic id, for each partition the epoch in which the member got it. */
export type OwnedPartitions = ReadonlyMap<string, ReadonlyMap<number, number>>

/** Partitions of one topic, as messages and records list them. */
export interface TopicPartitions {
  readonly topicId: string
  readonly partitions: readonly number[]
}

export const NO_SETS: PartitionSets = new Map()
export const NOTHING_OWNED: OwnedPartitions = new Map()

/** In the order of topic ids and numbers, without empty topics. */
export function listed(
  sets: ReadonlyMap<string, ReadonlySet<number> | ReadonlyMap<number, unknown>>,
): { topicId: string; partitions: number[] }[] {
  return [...sets]
    .filter(([, partitions]) => partitions.size > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([topicId, partitions]) => {
      return { topicId, partitions: [...partitions.keys()].sort((a, b) => a - b) }
    })
}

export function setsOf(lists: readonly TopicPartitions[]): PartitionSets {
  const sets = new Map<string, Set<number>>()
  for (const { topicId, partitions } of lists) {
    const set = sets.get(topicId) ?? new Set()
    for (const partition of partitions) set.add(partition)
    sets.set(topicId, set)
  }
  return sets
}

export function isSame(one: PartitionSets, other: PartitionSets): boolean {
  return JSON.stringify(listed(one)) === JSON.stringify(listed(other))
}

export function isSameOwned(one: OwnedPartitions, other: OwnedPartitions): boolean {
  const text = (owned: OwnedPartitions): string =>
    JSON.stringify(
      listed(owned).map(({ topicId, partitions }) => [
        topicId,
        partitions.map(partition => [partition, epochOf(owned, topicId, partition)]),
      ]),
    )
  return text(one) === text(other)
}

/** True if each of these partitions is owned. */
export function areOwned(lists: readonly TopicPartitions[], owned: OwnedPartitions): boolean {
  return lists.every(({ topicId, partitions }) =>
    partitions.every(partition => owned.get(topicId)?.has(partition) === true),
  )
}

/** True if one of these partitions is owned. */
export function isAnyOwned(lists: readonly TopicPartitions[], owned: OwnedPartitions): boolean {
  return lists.some(({ topicId, partitions }) =>
    partitions.some(partition => owned.get(topicId)?.has(partition) === true),
  )
}

/** The epoch in which the partition was got; undefined if it is not owned. */
export function epochOf(
  owned: OwnedPartitions,
  topicId: string,
  partition: number,
): number | undefined {
  return owned.get(topicId)?.get(partition)
}

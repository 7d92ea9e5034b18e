/*
 * The assignor `uniform`: members get as many partitions as the others, as far as their
 * subscriptions allow, and keep what they have as far as that allows.
 *
 * 1. Members keep what they had and still subscribe to.
 * 2. Each partition without an owner goes to the reader of its topic with the fewest partitions.
 * 3. Partitions move from the reader of a topic with the most to the one with the fewest, while
 *    that makes the two more alike, topic by topic, until nothing moves.
 */

import type { AssignmentTask, ServerAssignor, Targets } from './server-assignor.js'

export const uniformTargets: ServerAssignor = { name: 'uniform', assign }

/** Kafka's bound: with overlapping subscriptions each round about halves what is uneven. */
const ROUNDS_MAX = 16

function assign(task: AssignmentTask): Targets {
  const shares = sharesOf(task)
  const topics = topicsOf(task, shares)
  for (const topic of topics) topic.giveOut()
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const moved = topics.map(topic => topic.evenOut())
    if (!moved.includes(true)) break
  }
  return new Map(shares.map(({ memberId, partitions }) => [memberId, partitions]))
}

/** What one member gets. */
interface Share {
  readonly memberId: string
  readonly topicIds: ReadonlySet<string>
  readonly partitions: Map<string, Set<number>>
  count: number
}

/** What each member keeps: of partitions that two members have, the first one does. */
function sharesOf({ members, partitionCounts }: AssignmentTask): Share[] {
  const taken = new Map<string, Set<number>>()
  const ordered = members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1))
  return ordered.map(({ memberId, topicIds, target }) => {
    const partitions = new Map<string, Set<number>>()
    for (const [topicId, had] of target) {
      if (!topicIds.has(topicId)) continue
      const all = taken.get(topicId) ?? new Set()
      const count = partitionCounts.get(topicId) ?? 0
      const kept = [...had].filter(each => each < count && !all.has(each)).sort((a, b) => a - b)
      for (const partition of kept) all.add(partition)
      taken.set(topicId, all)
      if (kept.length > 0) partitions.set(topicId, new Set(kept))
    }
    const count = [...partitions.values()].reduce((sum, { size }) => sum + size, 0)
    return { memberId, topicIds, partitions, count }
  })
}

/** Topics with many partitions per reader first: they leave the fewest choices. */
function topicsOf({ partitionCounts }: AssignmentTask, shares: readonly Share[]): SharedTopic[] {
  return [...partitionCounts]
    .map(([topicId, count]) => {
      const readers = shares.filter(({ topicIds }) => topicIds.has(topicId))
      return new SharedTopic(topicId, count, readers)
    })
    .filter(({ readers }) => readers.length > 0)
    .sort(
      (a, b) =>
        b.perReader - a.perReader ||
        a.readers.length - b.readers.length ||
        (a.topicId < b.topicId ? -1 : 1),
    )
}

class SharedTopic {
  constructor(
    readonly topicId: string,
    readonly count: number,
    readonly readers: readonly Share[],
  ) {}

  get perReader(): number {
    return this.count / this.readers.length
  }

  /** Gives out the partitions that nobody has. */
  giveOut(): void {
    const taken = new Set(this.readers.flatMap(reader => [...this.#partitionsOf(reader)]))
    for (let partition = 0; partition < this.count; partition++) {
      if (!taken.has(partition)) this.#give(partition, this.#withFewest())
    }
  }

  /** Moves partitions to readers that have fewer; returns whether one has moved. */
  evenOut(): boolean {
    for (let moved = false; ; moved = true) {
      const poor = this.#withFewest()
      const rich = this.#withMost()
      if (rich === undefined || rich.count - poor.count <= 1) return moved
      const partitions = this.#partitionsOf(rich)
      const last = Math.max(...partitions)
      partitions.delete(last)
      if (partitions.size === 0) rich.partitions.delete(this.topicId)
      rich.count--
      this.#give(last, poor)
    }
  }

  #give(partition: number, to: Share): void {
    const partitions = this.#partitionsOf(to)
    partitions.add(partition)
    to.partitions.set(this.topicId, partitions)
    to.count++
  }

  #withFewest(): Share {
    return this.readers.reduce((fewest, each) => (each.count < fewest.count ? each : fewest))
  }

  /** The reader with the most partitions that has one of this topic. */
  #withMost(): Share | undefined {
    let most: Share | undefined
    for (const each of this.readers) {
      const isMore = most === undefined || each.count > most.count
      if (isMore && this.#partitionsOf(each).size > 0) most = each
    }
    return most
  }

  #partitionsOf({ partitions }: Share): Set<number> {
    return partitions.get(this.topicId) ?? new Set()
  }
}

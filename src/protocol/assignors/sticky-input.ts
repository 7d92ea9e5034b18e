/*
 * The input of the sticky assignors, with numbers for names. Members are numbered in the order of
 * member ids, partitions in the order of topic and partition number:
 *
 *   topic     │ a       │ b     │ c         │
 *   partition │ 0 1 2 3 │ 0 1 2 │ 0 1 2 3 4 │
 *   id        │ 0 1 2 3 │ 4 5 6 │ 7 8 9 …   │
 *
 * It also contains the previous owners. If several members claim a partition, the claim of the
 * highest generation holds; if several claims have that generation, none holds: the partition is
 * contested. Kafka compares two claims at a time in the order of a hash table; with three claims of
 * two generations its result depends on that order, here it does not. Claims to partitions that do
 * not exist are ignored.
 */

import { compareText, type TopicPartition } from '../../model/names.js'
import type { MemberSubscription } from '../messages/consumer-protocol.js'
import { rackOf, racksMatter, wantedTopics } from './assignment.js'
import type { Assignment, AssignmentInput } from './assignor.js'
import type { OwnedBefore } from './sticky-user-data.js'

/** Reads from a subscription which partitions the member owned. */
export type ReadOwned = (member: MemberSubscription) => OwnedBefore

const NOBODY = -1
const CONTESTED = -2

export class StickyInput {
  /** By member id. */
  readonly members: readonly MemberSubscription[]
  /** The existing subscribed topics, by name. */
  readonly topics: readonly string[]
  readonly partitionCount: number
  /** The subscribers of each topic. */
  readonly subscribers: readonly (readonly number[])[]
  /** True if all members subscribe to the same topics; topics that do not exist count too. */
  readonly isEqual: boolean
  /** The claimed partitions of each member, whether or not the claims hold. */
  readonly claims: readonly ReadonlySet<number>[]
  readonly #generations: readonly number[]
  readonly #starts: readonly number[]
  readonly #topicOf: Int32Array
  /** The member whose claim holds for each partition, or NOBODY, or CONTESTED. */
  readonly #owner: Int32Array

  constructor(input: AssignmentInput, readOwned: ReadOwned) {
    this.members = [...input.members].sort((a, b) => compareText(a.memberId, b.memberId))
    this.topics = wantedTopics(input)
    const counts = this.topics.map(topic => input.topics.get(topic)!.partitions)
    this.#starts = startsOf(counts)
    this.partitionCount = counts.reduce((sum, count) => sum + count, 0)
    this.#topicOf = new Int32Array(this.partitionCount)
    counts.forEach((count, topic) => {
      this.#topicOf.fill(topic, this.#starts[topic]!, this.#starts[topic]! + count)
    })
    const wants = this.members.map(({ topics }) => new Set(topics))
    this.isEqual = wants.every(topics => isSameSet(topics, wants[0]!))
    this.subscribers = this.topics.map(topic =>
      [...wants.keys()].filter(member => wants[member]!.has(topic)),
    )
    const before = this.members.map(readOwned)
    this.#generations = before.map(({ generationId }) => generationId)
    this.claims = before.map(({ partitions }) => this.#idsOf(partitions, counts))
    this.#owner = this.#settleClaims()
  }

  /** The place of the partition's topic among the topics. */
  topicOf(partition: number): number {
    return this.#topicOf[partition]!
  }

  /** The number the partition has in its topic. */
  numberOf(partition: number): number {
    return partition - this.#starts[this.topicOf(partition)]!
  }

  /** The partitions of a topic, in order. */
  partitionsOf(topic: number): number[] {
    const [start, end] = [this.#starts[topic]!, this.#starts[topic + 1] ?? this.partitionCount]
    return Array.from({ length: end - start }, (_, n) => start + n)
  }

  /** The partitions each member owned, in order. */
  owned(): number[][] {
    const owned: number[][] = this.members.map(() => [])
    this.#owner.forEach((owner, partition) => owned[owner]?.push(partition))
    return owned
  }

  /** True if another member has to revoke the partition before this member may have it. */
  isHeldByAnother(partition: number, member: number): boolean {
    const owner = this.#owner[partition]!
    return owner !== NOBODY && owner !== member
  }

  /**
   * The owner of each partition in a generation before the last one: of several owners the latest,
   * and of those the first by member id.
   */
  formerOwners(): Map<number, number> {
    const newest = Math.max(...this.#generations)
    const former = new Map<number, number>()
    this.claims.forEach((claims, member) => {
      const generation = this.#generations[member]!
      if (generation >= newest) return
      for (const partition of claims) {
        const known = former.get(partition)
        if (known === undefined || generation > this.#generations[known]!) {
          former.set(partition, member)
        }
      }
    })
    return former
  }

  /** Converts numbers back to names; the partitions of each member are in order. */
  toAssignment(shares: readonly (readonly number[])[]): Assignment {
    return new Map(
      this.members.map(({ memberId }, member) => {
        const ids = [...shares[member]!].sort((a, b) => a - b)
        return [memberId, ids.map(id => this.#nameOf(id))]
      }),
    )
  }

  #nameOf(partition: number): TopicPartition {
    return { topic: this.topics[this.topicOf(partition)]!, partition: this.numberOf(partition) }
  }

  #idsOf(partitions: readonly TopicPartition[], counts: readonly number[]): Set<number> {
    const places = new Map(this.topics.map((topic, place) => [topic, place]))
    const ids = new Set<number>()
    for (const { topic, partition } of partitions) {
      const place = places.get(topic)
      if (place === undefined || partition < 0 || partition >= counts[place]!) continue
      ids.add(this.#starts[place]! + partition)
    }
    return ids
  }

  #settleClaims(): Int32Array {
    const owner = new Int32Array(this.partitionCount).fill(NOBODY)
    const best = new Float64Array(this.partitionCount).fill(-Infinity)
    this.claims.forEach((claims, member) => {
      const generation = this.#generations[member]!
      for (const partition of claims) {
        if (generation < best[partition]!) continue
        owner[partition] = generation > best[partition]! ? member : CONTESTED
        best[partition] = generation
      }
    })
    return owner
  }
}

/** Which members are near which partitions. If racks do not matter, no member is far. */
export class Racks {
  readonly matter: boolean
  readonly #ofMember: readonly (string | undefined)[]
  readonly #ofPartition: readonly ReadonlySet<string>[]

  constructor(input: AssignmentInput, { members, topics }: StickyInput) {
    this.#ofMember = members.map(rackOf)
    this.#ofPartition = topics.flatMap(name => {
      const { partitions, racks = [] } = input.topics.get(name)!
      return Array.from({ length: partitions }, (_, partition) => new Set(racks[partition]))
    })
    const memberRacks = new Set(this.#ofMember.filter(rack => rack !== undefined))
    this.matter = racksMatter(memberRacks, this.#ofPartition)
  }

  /** True if the member has a rack and the partition is not in it. */
  isFar(member: number, partition: number): boolean {
    const rack = this.#ofMember[member]
    return this.matter && rack !== undefined && !this.#ofPartition[partition]!.has(rack)
  }

  /** True if the member has a rack and the partition is in it. */
  isNear(member: number, partition: number): boolean {
    const rack = this.#ofMember[member]
    return rack !== undefined && this.#ofPartition[partition]!.has(rack)
  }

  /** The number of members whose rack has the partition. */
  nearCount(partition: number): number {
    const racks = this.#ofPartition[partition]!
    return this.#ofMember.filter(rack => rack !== undefined && racks.has(rack)).length
  }
}

function startsOf(counts: readonly number[]): number[] {
  let start = 0
  return counts.map(count => (start += count) - count)
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every(each => b.has(each))
}

/*
 * For each topic, each subscriber gets a range of consecutive partitions:
 *
 *   7 partitions, 3 members    │ 0 1 2 │ 3 4 │ 5 6 │    the first (7 mod 3) get one more
 *
 * Topics with equal partition counts and subscribers are assigned alike (co-partitioned): the
 * member with partition 3 of one has partition 3 of all, so records of one key meet in one member.
 *
 * If members name their racks, and not every partition is in every rack, a first round assigns
 * partitions to members in their rack; for co-partitioned topics only if all of these partitions
 * are in the rack. The number of partitions per member does not change. The remaining partitions
 * are assigned as without racks.
 */

import { grouped } from '../../base/grouped.js'
import { compareTopicPartitions } from '../../model/names.js'
import type { MemberSubscription } from '../messages/consumer-protocol.js'
import { compareMembers, emptyAssignment, rackOf, racksMatter, wantedTopics } from './assignment.js'
import type { AssignableTopic, Assignment, AssignmentInput, Assignor } from './assignor.js'

export const rangeAssignor: Assignor = {
  name: 'range',
  protocol: 'eager',
  assign,
}

function assign(input: AssignmentInput): Assignment {
  const members = [...input.members].sort(compareMembers)
  const assignment = emptyAssignment(members)
  const wants = new Map(members.map(member => [member, new Set(member.topics)]))
  const shares = wantedTopics(input).map(topic => {
    const subscribers = members.filter(member => wants.get(member)!.has(topic))
    return new TopicShares(topic, input.topics.get(topic)!, subscribers)
  })
  if (shares.some(share => share.racksMatter)) matchRacks(shares)
  for (const share of shares) {
    share.giveRanges(() => true)
    share.addTo(assignment)
  }
  for (const partitions of assignment.values()) partitions.sort(compareTopicPartitions)
  return assignment
}

function matchRacks(shares: readonly TopicShares[]): void {
  for (const alike of coPartitioned(shares)) {
    const [first] = alike as [TopicShares]
    if (alike.length > 1) matchCoPartitioned(alike, first)
    else if (first.racksMatter) first.giveRanges((at, p) => first.racksMatch(at, p))
  }
}

/** Topics with the same subscribers and partition count, together. */
function coPartitioned(shares: readonly TopicShares[]): TopicShares[][] {
  const groups = grouped(shares, ({ partitions, subscribers }) =>
    JSON.stringify([partitions, subscribers.map(({ memberId }) => memberId)]),
  )
  return [...groups.values()]
}

/** Gives a partition of all these topics to the first member with room and a matching rack. */
function matchCoPartitioned(alike: readonly TopicShares[], first: TopicShares): void {
  for (let partition = 0; partition < first.partitions; partition++) {
    const taker = first.subscribers.findIndex((_, at) =>
      alike.every(share => share.room(at) > 0 && share.racksMatch(at, partition)),
    )
    if (taker >= 0) for (const share of alike) share.give(taker, partition)
  }
}

/** The assignment of one topic. Subscribers are named by their index in the list. */
class TopicShares {
  readonly partitions: number
  readonly racksMatter: boolean
  /** The partitions of each member, before `#extras` members get one more. */
  readonly #quota: number
  #extras: number
  readonly #isGiven: boolean[]
  readonly #given: number[][]
  readonly #racks: readonly ReadonlySet<string>[]

  constructor(
    readonly topic: string,
    { partitions, racks = [] }: AssignableTopic,
    readonly subscribers: readonly MemberSubscription[],
  ) {
    this.partitions = partitions
    this.#quota = Math.floor(partitions / subscribers.length)
    this.#extras = partitions % subscribers.length
    this.#isGiven = Array<boolean>(partitions).fill(false)
    this.#given = subscribers.map(() => [])
    this.#racks = this.#isGiven.map((_, partition) => new Set(racks[partition]))
    const memberRacks = new Set(subscribers.map(rackOf).filter(rack => rack !== undefined))
    this.racksMatter = racksMatter(memberRacks, this.#racks)
  }

  /** How many more partitions a subscriber may get. */
  room(at: number): number {
    const most = this.#quota + (this.#extras > 0 ? 1 : 0)
    return Math.max(0, most - this.#given[at]!.length)
  }

  /** True if the partition is in the member's rack, or the member has none. */
  racksMatch(at: number, partition: number): boolean {
    const rack = rackOf(this.subscribers[at]!)
    return rack === undefined || this.#racks[partition]!.has(rack)
  }

  give(at: number, partition: number): void {
    const given = this.#given[at]!
    this.#isGiven[partition] = true
    if (given.push(partition) > this.#quota) this.#extras--
  }

  /** Gives each subscriber in turn the first unassigned partitions that it may have. */
  giveRanges(mayHave: (at: number, partition: number) => boolean): void {
    let left = [...this.#isGiven.keys()].filter(partition => !this.#isGiven[partition])
    for (let at = 0; at < this.subscribers.length && left.length > 0; at++) {
      const range = left.filter(partition => mayHave(at, partition)).slice(0, this.room(at))
      for (const partition of range) this.give(at, partition)
      left = left.filter(partition => !this.#isGiven[partition])
    }
  }

  addTo(assignment: Assignment): void {
    const { topic } = this
    this.#given.forEach((partitions, at) => {
      const list = assignment.get(this.subscribers[at]!.memberId)!
      for (const partition of partitions) list.push({ topic, partition })
    })
  }
}

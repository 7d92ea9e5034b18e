/**
 * Sticky, when members want different topics. How large a fair share is nobody can say beforehand.
 *
 *   1. everybody keeps what it owned, still wants and (if racks matter) is near to
 *   2. the rest goes, topics with few subscribers first, to the subscriber with the least; if racks
 *      matter, first to those who are near
 *   3. while somebody has two more than another who wants one of its partitions, one moves: to who
 *      had it in an earlier generation, or to the one with the least. If nothing had to be taken
 *      from anybody in step 1, those that were new in step 2 are moved first: that costs nobody.
 *
 * Every move makes two shares more alike, but for one kind: taking an earlier move back, to spare a
 * member a new start, may do the opposite. Kafka has no limit to that, and on some inputs goes
 * round for ever. Here there are only so many of those, so it ends. (Kafka also asks at every step
 * whether all is balanced: when it is, nothing moves by rule 3 either.)
 *
 * Kafka may give a member a partition of a topic it does not want (any more), because it had it in
 * an earlier generation. Here it does not.
 */

import type { Shares } from './sticky-equal.js'
import type { Racks, StickyInput } from './sticky-input.js'
import { Movements } from './sticky-movements.js'

export function shareUnequally(input: StickyInput, racks: Racks): Shares {
  return new UnequalShares(input, racks).share()
}

type MayHave = (member: number, partition: number) => boolean

class UnequalShares {
  readonly #input: StickyInput
  readonly #racks: Racks
  readonly #wants: readonly ReadonlySet<number>[]
  readonly #holder: Int32Array
  /** Per member how many partitions it has. */
  readonly #sizes: number[]
  readonly #movements: Movements
  /** How many moves may still be taken back that are not worth it by themselves. */
  #patience: number

  constructor(input: StickyInput, racks: Racks) {
    this.#input = input
    this.#racks = racks
    this.#wants = input.subscribers.map(members => new Set(members))
    this.#holder = new Int32Array(input.partitionCount).fill(-1)
    this.#sizes = input.members.map(() => 0)
    this.#movements = new Movements(partition => input.topicOf(partition))
    this.#patience = input.partitionCount
  }

  share(): Shares {
    const isRevoked = this.#keep()
    const sorted = this.#sorted()
    const fresh = sorted.filter(partition => this.#holder[partition]! < 0)
    this.#assign(fresh)
    const former = this.#input.formerOwners()
    if (!isRevoked) this.#balance(fresh, former)
    this.#balance(sorted, former)
    return { shares: this.#shares(), moving: this.#moving() }
  }

  /** Step 1; was anything taken from anybody? */
  #keep(): boolean {
    let isRevoked = false
    this.#input.owned().forEach((owned, member) => {
      for (const partition of owned) {
        const isWanted = this.#wants[this.#input.topicOf(partition)]!.has(member)
        if (isWanted && !this.#racks.isFar(member, partition)) this.#give(partition, member)
        else isRevoked = true
      }
    })
    return isRevoked
  }

  /** All partitions: those of the topics with the fewest subscribers first. */
  #sorted(): number[] {
    const { topics, subscribers } = this.#input
    const order = [...topics.keys()].sort(
      (a, b) => subscribers[a]!.length - subscribers[b]!.length || a - b,
    )
    return order.flatMap(topic => this.#input.partitionsOf(topic))
  }

  /** Step 2. */
  #assign(partitions: readonly number[]): void {
    const near: MayHave = (member, partition) => !this.#racks.isFar(member, partition)
    const rounds = this.#racks.matter ? [near, () => true] : [() => true]
    for (const mayHave of rounds) {
      for (const partition of partitions) {
        if (this.#holder[partition]! >= 0) continue
        const member = this.#smallest(partition, mayHave)
        if (member !== undefined) this.#give(partition, member)
      }
    }
  }

  /** The subscriber with the least that may have it; of equals the first by member id. */
  #smallest(partition: number, mayHave: MayHave = () => true): number | undefined {
    let smallest: number | undefined
    for (const member of this.#input.subscribers[this.#input.topicOf(partition)]!) {
      const isSmaller = smallest === undefined || this.#sizes[member]! < this.#sizes[smallest]!
      if (isSmaller && mayHave(member, partition)) smallest = member
    }
    return smallest
  }

  /** Step 3. */
  #balance(partitions: readonly number[], former: ReadonlyMap<number, number>): void {
    for (let hasMoved = true; hasMoved;) {
      hasMoved = false
      for (const partition of partitions) {
        const target = this.#betterHolder(partition, former.get(partition))
        if (target === undefined) continue
        this.#move(partition, target)
        hasMoved = true
      }
    }
  }

  #betterHolder(partition: number, former: number | undefined): number | undefined {
    const holder = this.#holder[partition]!
    const isSubscriber =
      former !== undefined && this.#wants[this.#input.topicOf(partition)]!.has(former)
    if (isSubscriber && this.#isMuchLarger(holder, former)) return former
    const smallest = this.#smallest(partition)!
    return this.#isMuchLarger(holder, smallest) ? smallest : undefined
  }

  #isMuchLarger(member: number, other: number): boolean {
    return this.#sizes[member]! > this.#sizes[other]! + 1
  }

  #move(partition: number, to: number): void {
    const moved = this.#partitionToMove(partition, to)
    const from = this.#holder[moved]!
    this.#movements.add(moved, from, to)
    this.#sizes[from]!--
    this.#give(moved, to)
  }

  #partitionToMove(partition: number, to: number): number {
    const back = this.#movements.partitionToMove(partition, this.#holder[partition]!, to)
    if (this.#isMuchLarger(this.#holder[back]!, to)) return back
    return this.#patience-- > 0 ? back : partition
  }

  #give(partition: number, member: number): void {
    this.#holder[partition] = member
    this.#sizes[member]!++
  }

  #shares(): number[][] {
    const shares: number[][] = this.#sizes.map(() => [])
    this.#holder.forEach((holder, partition) => shares[holder]!.push(partition))
    return shares
  }

  /** Those somebody gets who did not claim them, while another did. */
  #moving(): Set<number> {
    const { claims } = this.#input
    const claimed = new Set(claims.flatMap(partitions => [...partitions]))
    const moving = new Set<number>()
    this.#holder.forEach((holder, partition) => {
      if (claimed.has(partition) && !claims[holder]!.has(partition)) moving.add(partition)
    })
    return moving
  }
}

/*
 * The sticky assignment when members subscribe to different topics. The size of a fair share is not
 * known beforehand.
 *
 *   1. each member keeps the partitions it owned, still subscribes to and (if racks matter) is near
 *   2. the rest goes, topics with few subscribers first, to the subscriber with the fewest
 *      partitions; if racks matter, first to subscribers that are near
 *   3. while a member has at least two more than another subscriber of one of its partitions, one
 *      moves: to its owner in an earlier generation, or to the subscriber with the fewest. If step
 *      1 revoked nothing, the partitions assigned in step 2 move first, which costs no restart.
 *
 * Every move makes two shares more equal, with one exception: reverting an earlier move, to spare a
 * member a restart, may do the opposite. Kafka does not limit reverts and never ends on some
 * inputs. Here their number is limited, so it ends. (Kafka also checks at every step whether the
 * assignment is balanced; if it is, rule 3 moves nothing either.)
 *
 * Kafka may give a member a partition of a topic that it no longer subscribes to, because it owned
 * the partition in an earlier generation. partlog does not.
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
  /** The number of partitions of each member. */
  readonly #sizes: number[]
  readonly #movements: Movements
  /** How many moves may still be reverted although that does not balance the shares. */
  #revertsLeft: number

  constructor(input: StickyInput, racks: Racks) {
    this.#input = input
    this.#racks = racks
    this.#wants = input.subscribers.map(members => new Set(members))
    this.#holder = new Int32Array(input.partitionCount).fill(-1)
    this.#sizes = input.members.map(() => 0)
    this.#movements = new Movements(partition => input.topicOf(partition))
    this.#revertsLeft = input.partitionCount
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

  /** Step 1. Returns true if a member lost a partition. */
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

  /** All partitions, topics with the fewest subscribers first. */
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

  /** The allowed subscriber with the fewest partitions; of equals the first by member id. */
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
    return this.#revertsLeft-- > 0 ? back : partition
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

  /** Partitions that go to a member that did not claim them, while another member did. */
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

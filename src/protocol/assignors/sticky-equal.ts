/*
 * The sticky assignment when all members subscribe to the same topics. The shares are known from
 * the start: of T partitions, each of C members gets ⌊T/C⌋ (the quota), and T mod C members get one
 * more.
 *
 *   1. each member keeps the partitions it owned, up to its share; the first members that own more
 *      than the quota keep one more
 *   2. if racks matter, members get partitions of their rack, up to their share
 *   3. the rest goes round: first to members below the quota, then one each to members at the quota
 *
 * In step 1 Kafka takes members in the order of a hash table, which decides which members keep one
 * more. Here these are the first by member id.
 */

import { assert } from '../../base/assert.js'
import type { Racks, StickyInput } from './sticky-input.js'

/** The assignment, with numbers for names. */
export interface Shares {
  /** The partitions of each member. */
  readonly shares: number[][]
  /** Partitions that another member has to revoke first. */
  readonly moving: Set<number>
}

export function shareEqually(input: StickyInput, racks: Racks): Shares {
  return new EqualShares(input, racks).share()
}

class EqualShares {
  readonly #input: StickyInput
  readonly #racks: Racks
  readonly #quota: number
  /** How many members get one more than the quota; `#extrasGiven` of them have it already. */
  readonly #extras: number
  #extrasGiven = 0
  readonly #shares: number[][]
  /** Members below the quota; `#atQuota`: members at the quota that may get one more. */
  readonly #below: number[] = []
  #atQuota: number[] = []
  readonly #moving = new Set<number>()

  constructor(input: StickyInput, racks: Racks) {
    this.#input = input
    this.#racks = racks
    this.#quota = Math.floor(input.partitionCount / input.members.length)
    this.#extras = input.partitionCount % input.members.length
    this.#shares = input.members.map(() => [])
  }

  share(): Shares {
    this.#input.owned().forEach((owned, member) => this.#keep(member, owned))
    const unassigned = this.#unassigned()
    this.#giveRound(this.#racks.matter ? this.#giveNear(unassigned) : unassigned)
    return { shares: this.#shares, moving: this.#moving }
  }

  #keep(member: number, owned: readonly number[]): void {
    const near = owned.filter(partition => !this.#racks.isFar(member, partition))
    const kept = near.sort((a, b) => this.#compareByNumber(a, b)).slice(0, this.#room(near.length))
    this.#shares[member] = kept
    if (kept.length < this.#quota) this.#below.push(member)
    else if (kept.length === this.#quota) this.#mayGetOneMore(member)
    else this.#oneMoreGiven()
  }

  /** How many of its owned partitions a member keeps at most. */
  #room(ownedCount: number): number {
    return ownedCount > this.#quota && this.#extrasLeft() ? this.#quota + 1 : this.#quota
  }

  /** Compares by number first, so that the revoked partitions are spread over the topics. */
  #compareByNumber(a: number, b: number): number {
    return this.#input.numberOf(a) - this.#input.numberOf(b) || a - b
  }

  #extrasLeft(): boolean {
    return this.#extrasGiven < this.#extras
  }

  #mayGetOneMore(member: number): void {
    if (this.#extrasLeft()) this.#atQuota.push(member)
  }

  #oneMoreGiven(): void {
    this.#extrasGiven++
    if (!this.#extrasLeft()) this.#atQuota = []
  }

  /** Partitions that no member keeps; if racks matter, those near the fewest members first. */
  #unassigned(): number[] {
    const { partitionCount } = this.#input
    const kept = new Set(this.#shares.flat())
    const rest = Array.from({ length: partitionCount }, (_, id) => id).filter(id => !kept.has(id))
    if (!this.#racks.matter) return rest
    const nearCounts = new Map(rest.map(id => [id, this.#racks.nearCount(id)]))
    return rest.sort((a, b) => nearCounts.get(a)! - nearCounts.get(b)!)
  }

  /** Step 2. Returns the partitions it could not assign. */
  #giveNear(partitions: readonly number[]): number[] {
    let turn = 0
    return partitions.filter(partition => {
      const at = this.#firstNear(partition, this.#below, turn)
      if (at < 0) return !this.#giveNearAtQuota(partition)
      const isFull = this.#giveBelow(at, partition)
      turn = isFull ? at : at + 1
      if (turn >= this.#below.length) turn = 0
      return false
    })
  }

  /** Gives to the member at an index of `#below`. True if it reached the quota and was removed. */
  #giveBelow(at: number, partition: number): boolean {
    const member = this.#below[at]!
    if (this.#give(member, partition) < this.#quota) return false
    this.#below.splice(at, 1)
    this.#mayGetOneMore(member)
    return true
  }

  #giveNearAtQuota(partition: number): boolean {
    const at = this.#firstNear(partition, this.#atQuota, 0)
    if (at < 0) return false
    const [member] = this.#atQuota.splice(at, 1) as [number]
    this.#give(member, partition)
    this.#oneMoreGiven()
    return true
  }

  /** Looks once round `members` from an index on; −1 if no member is near. */
  #firstNear(partition: number, members: readonly number[], from: number): number {
    for (let step = 0; step < members.length; step++) {
      const at = (from + step) % members.length
      if (this.#racks.isNear(members[at]!, partition)) return at
    }
    return -1
  }

  /** Step 3. */
  #giveRound(partitions: readonly number[]): void {
    let turn = 0
    for (const partition of partitions) {
      if (this.#below.length > 0) {
        if (turn >= this.#below.length) turn = 0
        if (!this.#giveBelow(turn, partition)) turn++
        continue
      }
      const member = this.#atQuota.shift()
      assert(member !== undefined, 'all shares are full, and partitions are left')
      this.#give(member, partition)
    }
  }

  #give(member: number, partition: number): number {
    if (this.#input.isHeldByAnother(partition, member)) this.#moving.add(partition)
    return this.#shares[member]!.push(partition)
  }
}

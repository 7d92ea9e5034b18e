/**
 * One consumer group: its committed offsets, which are a fold over `__consumer_offsets`, and its
 * member, which is known to this process only.
 *
 *   state     JoinGroup of a new member     OffsetCommit of the member   LeaveGroup
 *   Empty     admitted, → Stable            UNKNOWN_MEMBER_ID            UNKNOWN_MEMBER_ID
 *   Stable    GROUP_MAX_SIZE_REACHED        accepted                     → Empty
 *
 * A group has room for one member so far: a second one would read everything again, and refusing
 * it says so. Consumers outside any group generation may commit while the group is Empty, as in
 * Kafka.
 */

import { PartlogError } from '../model/errors.js'
import { partitionKey } from '../model/names.js'
import type { LeaderEpoch, Offset, Timestamp } from '../model/units.js'

export interface CommittedOffset {
  readonly topic: string
  readonly partition: number
  /** The next offset to read. */
  readonly offset: Offset
  readonly leaderEpoch: LeaderEpoch
  readonly metadata: string
  readonly committedAt: Timestamp
}

export interface Member {
  readonly memberId: string
  readonly clientId: string
  readonly generationId: number
  readonly protocolType: string
}

export type GroupState = 'Empty' | 'Stable'

export class Group {
  readonly #offsets = new Map<string, CommittedOffset>()
  #member: Member | undefined
  #generation = 0

  constructor(readonly groupId: string) {}

  get state(): GroupState {
    return this.#member === undefined ? 'Empty' : 'Stable'
  }
  get member(): Member | undefined {
    return this.#member
  }
  get offsets(): IterableIterator<CommittedOffset> {
    return this.#offsets.values()
  }
  /** Nothing is left that anybody could ask for. */
  get isForgotten(): boolean {
    return this.#member === undefined && this.#offsets.size === 0
  }

  offsetOf(topic: string, partition: number): CommittedOffset | undefined {
    return this.#offsets.get(partitionKey(topic, partition))
  }

  /** The fold: a commit that is in the log. */
  keep(offset: CommittedOffset): void {
    this.#offsets.set(partitionKey(offset.topic, offset.partition), offset)
  }

  /** The fold: a commit that was taken back. */
  drop(topic: string, partition: number): void {
    this.#offsets.delete(partitionKey(topic, partition))
  }

  join(memberId: string, clientId: string, protocolType: string): Member {
    if (this.#member !== undefined && this.#member.memberId !== memberId) {
      throw new PartlogError(
        'GROUP_MAX_SIZE_REACHED',
        `group ${this.groupId} has a member (client ${this.#member.clientId}); groups of several ` +
          'are not built yet: close that consumer first, or use another groupId',
      )
    }
    this.#generation++
    this.#member = { memberId, clientId, protocolType, generationId: this.#generation }
    return this.#member
  }

  leave(memberId: string): void {
    this.#checkMember(memberId)
    this.#member = undefined
  }

  /** May this one commit? Kafka's answers (ClassicGroup.validateOffsetCommit). */
  checkCommit(memberId: string, generationId: number): void {
    if (generationId < 0 && memberId === '' && this.#member === undefined) return
    this.#checkMember(memberId)
    if (generationId !== this.#generation) {
      throw new PartlogError(
        'ILLEGAL_GENERATION',
        `group ${this.groupId} is in generation ${this.#generation}, not ${generationId}`,
      )
    }
  }

  #checkMember(memberId: string): void {
    if (this.#member?.memberId === memberId) return
    throw new PartlogError('UNKNOWN_MEMBER_ID', `group ${this.groupId} has no member "${memberId}"`)
  }
}

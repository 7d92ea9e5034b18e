/**
 * What an assignor is: it shares out the partitions of a group's topics among the members. The
 * leader of the group runs it; the coordinator passes the result on and never looks into it. Every
 * member has to know it by name, so it is part of the protocol.
 */

import type { TopicPartition } from '../../model/names.js'
import type { MemberSubscription } from '../messages/consumer-protocol.js'

/** A topic as an assignor sees it. */
export interface AssignableTopic {
  /** How many partitions it has: their numbers are `[0, partitions)`. */
  readonly partitions: number
  /** Per partition the racks of its replicas; left out, or empty, when nobody knows. */
  readonly racks?: readonly (readonly string[])[] | undefined
}

/** What an assignor has to go by. */
export interface AssignmentInput {
  /** The topics that exist, by name. One that a member wants and is not here is left out. */
  readonly topics: ReadonlyMap<string, AssignableTopic>
  /** Every member of the group, each once. */
  readonly members: readonly MemberSubscription[]
}

/** Who gets what, by member id; members without partitions have an empty list. */
export type Assignment = Map<string, TopicPartition[]>

/**
 * Shares out partitions among the members of a group. Give your own to a consumer to decide
 * otherwise than Kafka's four do. An assignor keeps nothing between calls: what it has to know of
 * the past stands in the subscriptions.
 */
export interface Assignor {
  /** The name by which the members of a group find out that they all know it, e.g. `range`. */
  readonly name: string
  /**
   * How members change over: `eager` gives everything back before it joins; `cooperative` goes on
   * reading what it holds and gives back only what moves, in a second rebalance. A cooperative
   * assignor must not hand out a partition while another member holds it.
   */
  readonly protocol: 'eager' | 'cooperative'
  /** Decides. The same input gives the same result, whatever the order of the members. */
  assign(input: AssignmentInput): Assignment
  /** Bytes to send with the subscription, from what the member holds at present. */
  userData?(owned: readonly TopicPartition[], generationId: number): Uint8Array | undefined
}

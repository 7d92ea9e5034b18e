/*
 * An assignor assigns the partitions of a group's topics to its members. The leader of the group
 * runs it; the coordinator passes the result on without reading it. All members must support the
 * assignor by name, so it is part of the protocol. Kafka's own (range, round robin, sticky,
 * cooperative sticky) are listed in assignors.ts.
 */

import type { TopicPartition } from '../../model/names.js'
import type { MemberSubscription } from '../messages/consumer-protocol.js'

/** A topic as an assignor sees it. */
export interface AssignableTopic {
  /** The number of partitions, numbered from 0. */
  readonly partitions: number
  /** The racks of each partition's replicas; left out or empty when unknown. */
  readonly racks?: readonly (readonly string[])[] | undefined
}

/** The input of an assignor. */
export interface AssignmentInput {
  /** The existing topics, by name. A subscribed topic that is not in it is not assigned. */
  readonly topics: ReadonlyMap<string, AssignableTopic>
  /** All members of the group, each once. */
  readonly members: readonly MemberSubscription[]
}

/** The partitions of each member, by member id; members without partitions have an empty list. */
export type Assignment = Map<string, TopicPartition[]>

/**
 * Assigns partitions to the members of a group. Pass your own assignor to a consumer to replace
 * Kafka's four. An assignor keeps no state between calls: the subscriptions contain the previous
 * assignment.
 */
export interface Assignor {
  /** The name by which the members of a group agree on the assignor, e.g. `range`. */
  readonly name: string
  /**
   * How members rebalance: `eager` revokes all partitions before a member joins; `cooperative`
   * continues to read and revokes only the partitions that move, in a second rebalance. A
   * cooperative assignor must not assign a partition while another member owns it.
   */
  readonly protocol: 'eager' | 'cooperative'
  /** Returns the assignment. It depends only on the input, not on the order of the members. */
  assign(input: AssignmentInput): Assignment
  /** Returns the bytes to send with the subscription, given the partitions the member owns. */
  userData?(owned: readonly TopicPartition[], generationId: number): Uint8Array | undefined
}

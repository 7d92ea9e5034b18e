/* One member of a group with the consumer protocol, as its coordinator knows it. Immutable. */

import {
  isSameOwned,
  NOTHING_OWNED,
  type OwnedPartitions,
} from './partition-sets.js'

/**
 * How far a member is on its way to its target:
 *
 *   stable       it has its target
 *   unrevoked    it has to give back partitions first, and says so in a heartbeat
 *   unreleased   it waits for partitions that other members have not given back
 *   unknown      a newer Kafka wrote a state that is not known here
 */
export type MemberProgress = 'stable' | 'unrevoked' | 'unreleased' | 'unknown'

/** What a member says of itself. */
export interface MemberClaims {
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** The topics it subscribes to by name, sorted. */
  readonly topics: readonly string[]
  /** The expression it subscribes by; empty for none. */
  readonly pattern: string
  readonly rebalanceTimeoutMs: number
  /** The assignor it asks for; null for any. */
  readonly assignor: string | null
}

export interface ConsumerMember extends MemberClaims {
  readonly memberId: string
  /** The epoch of the assignment that it has; 0: none yet, −2: away. */
  readonly epoch: number
  readonly previousEpoch: number
  readonly progress: MemberProgress
  readonly assigned: OwnedPartitions
  /** What it has to give back. */
  readonly revoking: OwnedPartitions
}

/** A member that has joined and has nothing yet. */
export function newMember(memberId: string): ConsumerMember {
  return {
    memberId,
    instanceId: null,
    rackId: null,
    clientId: '',
    clientHost: '',
    topics: [],
    pattern: '',
    rebalanceTimeoutMs: -1,
    assignor: null,
    ...NOTHING_YET,
  }
}

export const NOTHING_YET = {
  epoch: 0,
  previousEpoch: 0,
  progress: 'stable',
  assigned: NOTHING_OWNED,
  revoking: NOTHING_OWNED,
} as const

export function hasSameClaims(one: MemberClaims, other: MemberClaims): boolean {
  return (
    one.instanceId === other.instanceId &&
    one.rackId === other.rackId &&
    one.clientId === other.clientId &&
    one.clientHost === other.clientHost &&
    hasSameTopics(one, other) &&
    one.pattern === other.pattern &&
    one.rebalanceTimeoutMs === other.rebalanceTimeoutMs &&
    one.assignor === other.assignor
  )
}

export function hasSameTopics(one: MemberClaims, other: MemberClaims): boolean {
  return JSON.stringify(one.topics) === JSON.stringify(other.topics)
}

export function hasSameAssignment(one: ConsumerMember, other: ConsumerMember): boolean {
  return (
    one.epoch === other.epoch &&
    one.previousEpoch === other.previousEpoch &&
    one.progress === other.progress &&
    isSameOwned(one.assigned, other.assigned) &&
    isSameOwned(one.revoking, other.revoking)
  )
}

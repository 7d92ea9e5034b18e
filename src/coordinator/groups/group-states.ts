/*
 * The states of a group and the answer to each request of a member in each state (Kafka's
 * ClassicGroupState and GroupMetadataManager).
 *
 *   state                 JoinGroup              SyncGroup        Heartbeat        commit
 *   Empty                 unknown member         unknown member   unknown member   yes (a)
 *   PreparingRebalance    waits for the others   rebalancing      rebalancing      yes
 *   CompletingRebalance   the same answer (b)    waits (d)        yes              rebalancing
 *   Stable                the same (b, c)        its partitions   yes              yes
 *   Dead                  no coordinator         no coordinator   no coordinator   no coordinator
 *
 * A new member is admitted in every state but Dead, and makes a stable group rebalance.
 * (a) from consumers outside any generation; a group has no members then
 * (b) if its metadata is unchanged: the answer was lost; otherwise the group rebalances
 * (c) except for the leader: when it joins again, the group always rebalances
 * (d) for the leader, which assigns the partitions
 */

import type { StateRow } from '../../base/states.js'
import type { ErrorCode } from '../../model/errors.js'

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

export interface GroupStateRow extends StateRow<GroupState> {
  readonly join: ErrorCode | 'wait' | 'answerSame' | 'answerSameFollower'
  readonly sync: ErrorCode | 'wait' | 'answer'
  readonly heartbeat: ErrorCode | 'yes'
  readonly commit: ErrorCode | 'yes'
}

const ALIVE: readonly GroupState[] = [
  'Empty',
  'PreparingRebalance',
  'CompletingRebalance',
  'Stable',
]

export const GROUP_STATES: Readonly<Record<GroupState, GroupStateRow>> = {
  Empty: {
    follows: ['PreparingRebalance'],
    join: 'UNKNOWN_MEMBER_ID',
    sync: 'UNKNOWN_MEMBER_ID',
    heartbeat: 'UNKNOWN_MEMBER_ID',
    commit: 'yes',
  },
  PreparingRebalance: {
    follows: ['Empty', 'CompletingRebalance', 'Stable'],
    join: 'wait',
    sync: 'REBALANCE_IN_PROGRESS',
    heartbeat: 'REBALANCE_IN_PROGRESS',
    commit: 'yes',
  },
  CompletingRebalance: {
    follows: ['PreparingRebalance'],
    join: 'answerSame',
    sync: 'wait',
    heartbeat: 'yes',
    commit: 'REBALANCE_IN_PROGRESS',
  },
  Stable: {
    follows: ['CompletingRebalance'],
    join: 'answerSameFollower',
    sync: 'answer',
    heartbeat: 'yes',
    commit: 'yes',
  },
  Dead: {
    follows: ALIVE,
    join: 'COORDINATOR_NOT_AVAILABLE',
    sync: 'COORDINATOR_NOT_AVAILABLE',
    heartbeat: 'COORDINATOR_NOT_AVAILABLE',
    commit: 'COORDINATOR_NOT_AVAILABLE',
  },
}

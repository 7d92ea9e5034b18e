/*
 * The states of a consumer in its group (Kafka's ConsumerCoordinator, classic protocol).
 *
 *                                ┌──────────────────◀── due again ────────────────────┐
 *                                ▼                                                    │
 *   unjoined ── rejoin ──▶ preparing ──▶ joining ──▶ syncing ──▶ changingOver ──▶ stable
 *                                ▲           │           │             │
 *                                │           ▼           ▼             ▼
 *                                ├──────── again, at once or after: pausing
 *                                │
 *              asked again ── tooSlow ◀── the application has not asked for records for too long
 *                  rejoin ──── failed ◀── givingUp ◀── no attempt can help
 *
 *   from every state but unjoined: leave ──▶ leaving ──▶ unjoined
 *
 *   state          rejoin     ready()    heartbeats   what it does
 *   unjoined       begins     resolves   no           nothing: it is in no group
 *   preparing      is noted   waits      continue     revokes what others may get, or loses it
 *   joining        is noted   waits      no           JoinGroup is out: waits for the other members
 *   syncing        is noted   waits      no           SyncGroup is out: waits for the leader
 *   changingOver   is noted   waits      yes          revokes what others get, adds what is new
 *   stable         begins     resolves   yes          reads
 *   pausing        is noted   waits      no           an attempt has failed: waits for the next
 *   tooSlow        begins     resolves   no           out, until the application asks for records
 *   givingUp       begins     waits      no           loses its partitions, sends LeaveGroup
 *   failed         begins     rejects    no           nothing, until something asks for a rebalance
 *   leaving        is void    resolves   no           revokes all partitions, sends LeaveGroup
 *
 * "Continue": heartbeats of the previous generation, if there was one. A rebalance that is noted
 * begins when the one under way is over, or with its next attempt.
 */

import type { StateRow } from '../../base/states.js'

export type MemberState =
  | 'unjoined'
  | 'preparing'
  | 'joining'
  | 'syncing'
  | 'changingOver'
  | 'stable'
  | 'pausing'
  | 'tooSlow'
  | 'givingUp'
  | 'failed'
  | 'leaving'

export interface MemberStateRow extends StateRow<MemberState> {
  /** The effect of a call of `rejoin`. */
  readonly rejoin: 'begins' | 'isNoted' | 'isVoid'
  /** The effect of a call of `ready`. */
  readonly ready: 'waits' | 'resolves' | 'rejects'
  readonly hasHeartbeats: boolean
}

/** While it sends heartbeats, a member can find that it is too slow, or refused for good. */
const WITH_HEARTBEATS: readonly MemberState[] = ['preparing', 'changingOver', 'stable']
const AT_WORK = { rejoin: 'isNoted', ready: 'waits' } as const
const AT_REST = { rejoin: 'begins', ready: 'resolves' } as const

export const MEMBER_STATES: Readonly<Record<MemberState, MemberStateRow>> = {
  unjoined: { follows: ['leaving'], ...AT_REST, hasHeartbeats: false },
  preparing: {
    follows: [
      'unjoined',
      'joining',
      'syncing',
      'changingOver',
      'stable',
      'pausing',
      'tooSlow',
      'givingUp',
      'failed',
    ],
    ...AT_WORK,
    hasHeartbeats: true,
  },
  joining: { follows: ['preparing'], ...AT_WORK, hasHeartbeats: false },
  syncing: { follows: ['joining'], ...AT_WORK, hasHeartbeats: false },
  changingOver: { follows: ['syncing'], ...AT_WORK, hasHeartbeats: true },
  stable: { follows: ['changingOver'], ...AT_REST, hasHeartbeats: true },
  pausing: {
    follows: ['preparing', 'joining', 'syncing', 'changingOver'],
    ...AT_WORK,
    hasHeartbeats: false,
  },
  tooSlow: { follows: WITH_HEARTBEATS, ...AT_REST, hasHeartbeats: false },
  givingUp: {
    follows: [...WITH_HEARTBEATS, 'joining', 'syncing'],
    rejoin: 'begins',
    ready: 'waits',
    hasHeartbeats: false,
  },
  failed: { follows: ['givingUp'], rejoin: 'begins', ready: 'rejects', hasHeartbeats: false },
  leaving: {
    follows: [
      'preparing',
      'joining',
      'syncing',
      'changingOver',
      'stable',
      'pausing',
      'tooSlow',
      'givingUp',
      'failed',
    ],
    rejoin: 'isVoid',
    ready: 'resolves',
    hasHeartbeats: false,
  },
}

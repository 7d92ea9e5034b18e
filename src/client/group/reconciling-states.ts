/*
 * The states of a consumer in a group whose coordinator assigns (Kafka's consumer protocol,
 * KIP-848).
 *
 *   unjoined ── rejoin ──▶ joining ──▶ changing ──▶ stable
 *                             ▲            ▲ ◀── told ──┘
 *                             │
 *                             ├── fenced ◀── the coordinator does not know this member any more
 *              asked again ── tooSlow ◀── the application has not asked for records for too long
 *                  rejoin ─── failed ◀── no attempt can help
 *
 *   from every state but unjoined: leave ──▶ leaving ──▶ unjoined
 *
 *   state      rejoin    ready()    heartbeats   what it does
 *   unjoined   begins    resolves   no           nothing: it is in no group
 *   joining    is told   waits      yes          says everything, in epoch 0, until it is answered
 *   changing   is told   waits      yes          gives back what others get, takes what it was told
 *   stable     is told   resolves   yes          reads
 *   fenced     is noted  waits      no           loses its partitions, then joins anew
 *   tooSlow    begins    resolves   no           out, until the application asks for records
 *   failed     begins    rejects    no           out, until something asks it to join
 *   leaving    is void   resolves   no           revokes all partitions, says that it leaves
 *
 * "Is told": the next heartbeat, sent at once, tells the coordinator everything anew.
 */

import type { StateRow } from '../../base/states.js'

export type ReconcilingState =
  | 'unjoined'
  | 'joining'
  | 'changing'
  | 'stable'
  | 'fenced'
  | 'tooSlow'
  | 'failed'
  | 'leaving'

export interface ReconcilingStateRow extends StateRow<ReconcilingState> {
  /** The effect of a call of `rejoin`. */
  readonly rejoin: 'begins' | 'isTold' | 'isNoted' | 'isVoid'
  /** The effect of a call of `ready`. */
  readonly ready: 'waits' | 'resolves' | 'rejects'
}

/** It sends heartbeats, and may hear that it is out. */
const IN_GROUP: readonly ReconcilingState[] = ['joining', 'changing', 'stable']

export const RECONCILING_STATES: Readonly<Record<ReconcilingState, ReconcilingStateRow>> = {
  unjoined: { follows: ['leaving'], rejoin: 'begins', ready: 'resolves' },
  joining: {
    follows: ['unjoined', 'fenced', 'tooSlow', 'failed'],
    rejoin: 'isTold',
    ready: 'waits',
  },
  changing: { follows: ['joining', 'stable'], rejoin: 'isTold', ready: 'waits' },
  stable: { follows: ['changing'], rejoin: 'isTold', ready: 'resolves' },
  fenced: { follows: IN_GROUP, rejoin: 'isNoted', ready: 'waits' },
  tooSlow: { follows: IN_GROUP, rejoin: 'begins', ready: 'resolves' },
  failed: { follows: IN_GROUP, rejoin: 'begins', ready: 'rejects' },
  leaving: {
    follows: [...IN_GROUP, 'fenced', 'tooSlow', 'failed'],
    rejoin: 'isVoid',
    ready: 'resolves',
  },
}

/*
 * The states of a transactional id (Kafka's TransactionState) and the answers in each of them.
 *
 *   Empty ──▶ Ongoing ──▶ PrepareCommit ──▶ CompleteCommit ──▶ Ongoing, Empty, PrepareAbort
 *                    └──▶ PrepareAbort ───▶ CompleteAbort ───▶ Ongoing, Empty, PrepareAbort
 *
 * In a Prepare state the outcome is in the log and the end markers are being written: nothing can
 * change it any more. InitProducerId leads from every state at rest to Empty, with a new epoch; an
 * open transaction is aborted first.
 *
 *   state            id in Kafka   new partitions   commit    abort     new epoch
 *   Empty            0             yes              invalid   invalid   yes
 *   Ongoing          1             yes              yes       yes       aborts, then asks again
 *   PrepareCommit    2             asks again       again     invalid   asks again
 *   PrepareAbort     3             asks again       invalid   again     asks again
 *   CompleteCommit   4             yes              done      invalid   yes
 *   CompleteAbort    5             yes              invalid   done      yes
 *
 * With transaction.version 2 an end gives the producer its next epoch (KIP-890). A request in the
 * epoch before is a repeated one, and has the answers of the table. One in the current epoch ends
 * the transaction that is open; if none is, an abort is an end all the same, without partitions,
 * as soon as the markers of the one before are written.
 */

import type { StateRow } from '../../base/states.js'

export type TransactionState =
  | 'Empty'
  | 'Ongoing'
  | 'PrepareCommit'
  | 'PrepareAbort'
  | 'CompleteCommit'
  | 'CompleteAbort'

type EndAnswer = 'yes' | 'done' | 'again' | 'invalid'

/** The answer to EndTxn in the producer's current epoch, with transaction.version 2. */
export function answerToEnd(state: TransactionState, isCommit: boolean): EndAnswer {
  if (isPrepared(state)) return 'again'
  return isCommit && state !== 'Ongoing' ? 'invalid' : 'yes'
}

export interface TransactionStateRow extends StateRow<TransactionState> {
  /** Kafka's number of the state in `__transaction_state`. */
  readonly id: number
  /** Whether the transaction may get partitions, or begin with them. */
  readonly takesPartitions: boolean
  /** The answer to EndTxn. */
  readonly commit: EndAnswer
  readonly abort: EndAnswer
}

const AT_REST: readonly TransactionState[] = ['Empty', 'CompleteCommit', 'CompleteAbort']

export const TRANSACTION_STATES: Readonly<Record<TransactionState, TransactionStateRow>> = {
  Empty: {
    id: 0,
    follows: AT_REST,
    takesPartitions: true,
    commit: 'invalid',
    abort: 'invalid',
  },
  Ongoing: {
    id: 1,
    follows: [...AT_REST, 'Ongoing'],
    takesPartitions: true,
    commit: 'yes',
    abort: 'yes',
  },
  PrepareCommit: {
    id: 2,
    follows: ['Ongoing'],
    takesPartitions: false,
    commit: 'again',
    abort: 'invalid',
  },
  PrepareAbort: {
    id: 3,
    follows: [...AT_REST, 'Ongoing'],
    takesPartitions: false,
    commit: 'invalid',
    abort: 'again',
  },
  CompleteCommit: {
    id: 4,
    follows: ['PrepareCommit'],
    takesPartitions: true,
    commit: 'done',
    abort: 'invalid',
  },
  CompleteAbort: {
    id: 5,
    follows: ['PrepareAbort'],
    takesPartitions: true,
    commit: 'invalid',
    abort: 'done',
  },
}

/** Kafka's states that never reach the log of a coordinator here: Dead and PrepareEpochFence. */
const NEVER_KEPT: ReadonlySet<string> = new Set(['Dead', 'PrepareEpochFence'])

const BY_ID = new Map(
  Object.entries(TRANSACTION_STATES).map(([state, { id }]) => [id, state as TransactionState]),
)

/** The state with a number of Kafka's; undefined for a number that is not known. */
export function stateOfId(id: number): TransactionState | undefined {
  return BY_ID.get(id)
}

/** True for a name that tools may filter by. */
export function isStateName(name: string): boolean {
  return name in TRANSACTION_STATES || NEVER_KEPT.has(name)
}

/** The outcome is decided and the end markers are being written. */
export function isPrepared(state: TransactionState): boolean {
  return state === 'PrepareCommit' || state === 'PrepareAbort'
}

/*
 * The states of a transactional producer, and what it may do in each of them.
 *
 *   idle ──▶ ready ──▶ open ──▶ committing ──▶ ready
 *                       │            └──▶ failed
 *                       ├──▶ failed ──▶ aborting ──▶ idle, ready
 *                       └──▶ aborting
 *   any of them ──▶ fenced
 *
 *   idle         it has no epoch for its next transaction: beginning one asks the coordinator
 *   ready        no transaction is open
 *   open         records and offsets are added to the transaction
 *   committing   the outcome is being decided; if that takes too long, commit may be called again
 *   failed       a send or another step failed: the transaction can only be aborted
 *   aborting     the abort is being decided; abort may be called again, too
 *   fenced       a newer producer has the id, or the coordinator gave the transaction up: this
 *                producer can only be closed
 */

import type { StateRow } from '../../base/states.js'

export type TransactionStep =
  | 'idle'
  | 'ready'
  | 'open'
  | 'committing'
  | 'failed'
  | 'aborting'
  | 'fenced'

export const TRANSACTION_STEPS: Readonly<Record<TransactionStep, StateRow<TransactionStep>>> = {
  idle: { follows: ['aborting'] },
  ready: { follows: ['idle', 'committing', 'aborting'] },
  open: { follows: ['ready'] },
  committing: { follows: ['open'] },
  failed: { follows: ['open', 'committing'] },
  aborting: { follows: ['open', 'failed'] },
  fenced: { follows: ['idle', 'ready', 'open', 'committing', 'failed', 'aborting'] },
}

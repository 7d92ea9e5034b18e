/*
 * The states of a batch of records, from its first record until its owners have the result.
 *
 *   open ──▶ closed ──▶ inFlight ◀──▶ waiting          any of them ──▶ settled
 *     └──────────────────▲
 *
 *   open       the last of its row: records are added to it
 *   closed     full, with later batches after it, or one half of a batch that was too large: it
 *              takes no more records
 *   inFlight   the first of its row; it was sent and its answer is pending
 *   waiting    the first of its row; it was refused or not answered and is sent again after a pause
 *   settled    its owners have the result; it has left its row, but an answer may still arrive
 *
 * Its bytes, with producer id and sequence, are built when it is first sent, and stay the same: a
 * batch gets a new sequence only when a broker refuses it as out of order.
 */

import type { StateRow } from '../../base/states.js'

export type BatchState = 'open' | 'closed' | 'inFlight' | 'waiting' | 'settled'

export const BATCH_STATES: Readonly<Record<BatchState, StateRow<BatchState>>> = {
  open: { follows: [] },
  closed: { follows: ['open'] },
  inFlight: { follows: ['open', 'closed', 'waiting'] },
  waiting: { follows: ['inFlight'] },
  settled: { follows: ['open', 'closed', 'inFlight', 'waiting'] },
}

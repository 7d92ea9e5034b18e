/**
 * The states of a batch of records, from the first one that goes into it until its owners are told
 * what became of them.
 *
 *   open ──▶ closed ──▶ inFlight ◀──▶ waiting          any of them ──▶ settled
 *     └──────────────────▲
 *
 *   open       the last of its row: records are added to it
 *   closed     full, with others behind it; or one half of a batch that was too large: no more
 *              records
 *   inFlight   the first of its row, and sent: an answer is to come
 *   waiting    the first of its row, refused or not answered: goes out again after a pause
 *   settled    its owners know; out of its row, but an answer may still be to come
 *
 * Its bytes, with producer id and sequence, are made when it is sent for the first time, and stay:
 * only what a broker refuses as out of sequence is numbered anew.
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

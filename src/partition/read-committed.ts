/*
 * What a read_committed consumer gets: only records below the last stable offset, so every
 * transaction in them is decided, and which of these were aborted. It leaves out the records of
 * aborted transactions itself, as Kafka's clients do.
 */

import type { AbortedTransaction } from '../log/format/transaction-index.js'
import type { Log } from '../log/store/log.js'
import { floorSegment } from '../log/store/read-parts.js'
import { batchesOf } from '../model/batch/batch.js'
import type { Offset } from '../model/units.js'

/** How far a reader may read: committed records, or for `isStable` decided transactions only. */
export function readLimit(log: Log, highWatermark: Offset, isStable: boolean | undefined): Offset {
  return isStable === true ? log.producers.lastStableOffset(highWatermark) : highWatermark
}

/** The aborted transactions that have records from `from` to the end of `records`. */
export function abortedIn(log: Log, from: Offset, records: Buffer): AbortedTransaction[] {
  if (records.length === 0) return []
  const { all } = log.state.segments
  const later = all.slice(floorSegment(all, from)).filter(({ aborted }) => aborted.all.length > 0)
  if (later.length === 0) return []
  let end = from
  for (const batch of batchesOf(records)) end = batch.nextOffset
  return later
    .flatMap(({ aborted }) => aborted.all)
    .filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < end)
}

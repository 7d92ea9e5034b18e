/* The short way to read a partition, for consumers: at once, where few bytes are to be read. */

import type { Offset } from '../model/units.js'
import { hasDiverged } from './checks.js'
import type { Partition } from './partition.js'
import type { PartitionRead, ReaderBounds } from './roles.js'

/** As Partition.read; undefined where that must be asked. `lastEpoch`: of the reader. */
export function readNow(
  partition: Partition,
  reader: { readonly fetchOffset: Offset; readonly lastEpoch: number },
  bounds: ReaderBounds,
): PartitionRead | undefined {
  if (!partition.isLeader) return undefined
  const { log, highWatermark } = partition
  if (hasDiverged(log, reader)) return undefined
  const records = log.readNow(reader.fetchOffset, { ...bounds, upTo: highWatermark })
  if (records === undefined) return undefined
  return { highWatermark, logStartOffset: log.logStartOffset, records }
}

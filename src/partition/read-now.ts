/* The short way to read a partition: at once, where few bytes are to be read. */

import type { Offset } from '../model/units.js'
import { hasDiverged } from './checks.js'
import type { Partition } from './partition.js'
import { readLimit } from './read-committed.js'
import type { FollowerFetch, PartitionRead, ReaderBounds } from './roles.js'

/**
 * As Partition.read, or readAsFollower if the reader is a replica (`replicaId` ≥ 0); undefined
 * where those must be asked. `lastEpoch`: of the reader.
 */
export function readNow(
  partition: Partition,
  reader: FollowerFetch,
  bounds: ReaderBounds,
): PartitionRead | undefined {
  const { isr } = partition
  if (isr === undefined) return undefined
  const { log, highWatermark } = partition
  const { replicaId, fetchOffset } = reader
  if (hasDiverged(log, reader) || (replicaId >= 0 && !isr.has(replicaId))) return undefined
  const { maxBytes, minOneBatch, isStable } = bounds
  const limit = readLimit(log, highWatermark, isStable)
  const upTo = replicaId >= 0 ? log.logEndOffset : limit
  const records = log.readNow(fetchOffset, { upTo, maxBytes, minOneBatch })
  if (records === undefined) return undefined
  return { highWatermark, logStartOffset: log.logStartOffset, records }
}

/**
 * True if a fetch that finds nothing will find nothing until the partition's `changes` say so: all
 * records are committed, and the follower `replicaId` (−1: a consumer), which fetches from
 * `fetchOffset`, is in sync and knows it.
 */
export function isQuiet(partition: Partition, replicaId: number, fetchOffset: Offset): boolean {
  if (!partition.isLeader) return false
  const { log, highWatermark, isr } = partition
  if (highWatermark !== log.logEndOffset) return false
  if (replicaId < 0) return true
  if (isr === undefined || isr.pending !== undefined) return false
  if (!isr.countsOn(replicaId, fetchOffset)) return false
  return isr.knows(replicaId, highWatermark, log.logStartOffset)
}

/* The short way to follow: what the leader hands over is appended at once. */

import type { LeaderEpoch, Offset } from '../model/units.js'
import type { Partition } from './partition.js'
import type { PartitionRead } from './roles.js'

/** What a leader hands over to a follower whose log ends at `end`. */
export interface HandedOver extends PartitionRead {
  readonly end: Offset
}

/**
 * As Partition.appendFromLeader, for batches whose checksums this process has computed or compared.
 * False if the follower has to ask instead: then that fails, too, and tells why.
 */
export function copyNow(partition: Partition, epoch: LeaderEpoch, handed: HandedOver): boolean {
  const { replicaLog: log } = partition
  if (log === undefined || !partition.isFollowing(epoch)) return false
  if (handed.end !== log.logEndOffset || handed.logStartOffset > log.logStartOffset) return false
  if (handed.records.length > 0 && !partition.settled.isAtOnce) return false
  try {
    partition.appendFromLeader(handed, true)
    return true
  } catch {
    return false
  }
}

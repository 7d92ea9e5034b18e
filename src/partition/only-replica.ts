/* A partition whose only replica is on this broker: it leads from the start. */

import type { Log } from '../log/store/log.js'
import type { LeaderEpoch } from '../model/units.js'
import { Partition } from './partition.js'
import type { PartitionOptions } from './roles.js'

export async function leadingAlone(
  options: PartitionOptions,
  log: Log,
  leaderEpoch: LeaderEpoch,
): Promise<Partition> {
  const partition = Partition.open(options, log, log.logEndOffset)
  const only = [options.brokerId]
  const alone = { replicas: only, isr: only, partitionEpoch: 0, leader: options.brokerId }
  await partition.become({ ...alone, leaderEpoch })
  return partition
}

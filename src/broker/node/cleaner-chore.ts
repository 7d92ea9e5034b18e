/* Compacts the logs of a broker, leaders and followers, sequentially. */

import type { Logger } from '../../base/logger.js'
import { cleanerOf } from '../../log/compaction/log-cleaner.js'
import type { Log } from '../../log/store/log.js'
import type { Partition } from '../../partition/partition.js'

export interface CompactionRound {
  readonly partitions: () => Iterable<Partition>
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** Cleans the log with the highest dirty ratio, until no log is worth cleaning. */
export async function compactLogs({ partitions, logger, signal }: CompactionRound): Promise<void> {
  const failed = new Set<Log>()
  while (!signal.aborted) {
    const next = await dirtiest(partitions(), failed)
    if (next === undefined) return
    const { log, highWatermark, partition } = next
    try {
      const cleaned = await cleanerOf(log).clean(highWatermark, signal)
      if (cleaned === undefined) failed.add(log)
      else logger.info(`${log.name} is compacted`, { ...cleaned })
      partition.changes.notify() // its files are others now
    } catch (error) {
      failed.add(log)
      logger.warn(`${log.name} could not be compacted`, { error })
    }
  }
}

interface Candidate {
  readonly partition: Partition
  readonly log: Log
  readonly highWatermark: number
  readonly dirtyRatio: number
}

/** A log that cannot be read, or was deleted meanwhile, is added to `except`. */
async function dirtiest(
  partitions: Iterable<Partition>,
  except: Set<Log>,
): Promise<Candidate | undefined> {
  let best: Candidate | undefined
  for (const partition of [...partitions]) {
    const { replicaLog: log, highWatermark, offlineReason } = partition
    if (log === undefined || offlineReason !== undefined || except.has(log)) continue
    const plan = await cleanerOf(log).plan(highWatermark).catch(() => void except.add(log))
    if (plan === undefined || plan.dirtyRatio <= (best?.dirtyRatio ?? -1)) continue
    best = { partition, log, highWatermark, dirtyRatio: plan.dirtyRatio }
  }
  return best
}

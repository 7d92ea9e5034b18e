/**
 * Deleting the oldest segments of a log, when retention lets them go.
 *
 * Which ones may go by their age is first decided by their time indexes. These have no checksum, so
 * before one goes its own batches are asked (and their checksums compared): a bit of an index costs
 * a scan, never a record.
 */

import type { Offset } from '../../model/units.js'
import type { LogState } from './log-state.js'
import type { RetentionDecision } from './retention.js'
import type { Segment } from './segment.js'

/** Deletes what retention lets go; resolves with by how much the log start has moved. */
export async function deleteOldSegments(log: LogState, highWatermark: Offset): Promise<number> {
  return await log.behind.run(async () => {
    if (log.health.offlineReason !== undefined || log.health.isClosed) return 0
    const { count, reason } = await log.health.reading(() => decide(log, highWatermark))
    if (count === 0) return 0
    const before = log.logStartOffset
    await drop(log, count)
    log.context.logger.info(`${log.name}: ${count} segments deleted`, { reason })
    await log.health.orLater(() => log.epochFile.write())
    return log.logStartOffset - before
  })
}

async function decide(log: LogState, highWatermark: Offset): Promise<RetentionDecision> {
  const { segments, context } = log
  const { isDeleted, retentionMs } = context.settings.current
  const isByAge = isDeleted && retentionMs >= 0
  for (const { times } of isByAge ? segments.all : []) await times.newest()
  for (;;) {
    const { logStartOffset, logEndOffset } = log
    const decision = segments.deletable({ logStartOffset, logEndOffset, highWatermark })
    if (decision.reason !== 'retention.ms') return decision
    const unasked = segments.all.slice(0, decision.count).find(segment => !segment.times.isMeasured)
    if (unasked === undefined) return decision
    await unasked.times.measure()
  }
}

/** The log start moves first: a file that cannot be taken away now goes another time. */
async function drop(log: LogState, count: number): Promise<void> {
  const { segments, epochs } = log
  if (count === segments.all.length) log.roll(log.logEndOffset)
  const { baseOffset } = segments.all[count] as Segment
  log.startAt(Math.max(log.logStartOffset, baseOffset))
  log.settledTo(Math.max(log.recoveryPoint, log.logStartOffset))
  epochs.truncateFromStart(log.logStartOffset)
  await segments.dropOldest(count)
}

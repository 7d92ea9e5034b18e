/*
 * Deletes the oldest segments of a log when retention allows it.
 *
 * The time indexes first show which segments are old enough. They have no checksum, so before a
 * segment is deleted the times of its own batches are read and their checksums compared: a wrong
 * bit in an index costs a scan, never a record.
 */

import type { Offset } from '../../model/units.js'
import type { LogState } from './log-state.js'
import type { RetentionDecision } from './retention.js'
import type { Segment } from './segment.js'

/** Deletes what retention allows; resolves with how far the log start has moved. */
export async function deleteOldSegments(log: LogState, highWatermark: Offset): Promise<number> {
  return await log.maintenance.run(async () => {
    if (log.health.offlineReason !== undefined || log.health.isClosed) return 0
    const { count, reason } = await log.health.reading(() => decide(log, highWatermark))
    if (count === 0) return 0
    const before = log.logStartOffset
    await drop(log, count)
    log.context.logger.info(`${log.name}: ${count} segments deleted`, { reason })
    await log.health.runOrPostpone(() => log.epochFile.write())
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
    const unread = segments.all.slice(0, decision.count).find(segment => !segment.times.isMeasured)
    if (unread === undefined) return decision
    await unread.times.measure()
  }
}

/** The log start moves first: a file that cannot be removed now is removed later. */
async function drop(log: LogState, count: number): Promise<void> {
  const { segments, epochs } = log
  if (count === segments.all.length) log.roll(log.logEndOffset)
  const { baseOffset } = segments.all[count] as Segment
  log.moveLogStart(Math.max(log.logStartOffset, baseOffset))
  log.moveRecoveryPoint(Math.max(log.recoveryPoint, log.logStartOffset))
  epochs.truncateFromStart(log.logStartOffset)
  await segments.dropOldest(count)
}

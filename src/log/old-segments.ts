/**
 * Deleting the oldest segments of a log, when retention lets them go.
 *
 * Which ones may go by their age is first decided by their time indexes. These have no checksum, so
 * before one goes its own batches are asked (and their checksums compared): a bit of an index costs
 * a scan, never a record.
 */

import type { SerialQueue } from '../base/tasks.js'
import type { Offset } from '../model/units.js'
import type { EpochFile } from './epoch-file.js'
import type { LeaderEpochs } from './leader-epochs.js'
import type { LogHealth } from './log-health.js'
import type { LogContext } from './log-words.js'
import type { RetentionDecision } from './retention.js'
import type { SegmentList } from './segment-list.js'
import type { Segment } from './segment.js'
import type { LogMarks } from './truncation.js'

export interface OldSegmentsTarget {
  readonly name: string
  readonly context: LogContext
  readonly marks: LogMarks
  readonly segments: SegmentList
  readonly epochs: LeaderEpochs
  readonly epochFile: EpochFile
  readonly health: LogHealth
  /** Where everything that changes files takes its turn. */
  readonly behind: SerialQueue
  /** Closes the active segment and begins the next one. */
  roll(): void
  /** The log start has moved. */
  onCheckpointable(): void
}

/** Deletes what retention lets go; resolves with by how much the log start has moved. */
export async function deleteOldSegments(
  log: OldSegmentsTarget,
  highWatermark: Offset,
): Promise<number> {
  return await log.behind.run(async () => {
    if (log.health.offlineReason !== undefined || log.health.isClosed) return 0
    const { count, reason } = await log.health.reading(() => decide(log, highWatermark))
    if (count === 0) return 0
    const before = log.marks.logStartOffset
    await drop(log, count)
    log.context.logger.info(`${log.name}: ${count} segments deleted`, { reason })
    await log.health.orLater(() => log.epochFile.write())
    return log.marks.logStartOffset - before
  })
}

async function decide(
  { segments, marks, context }: OldSegmentsTarget,
  highWatermark: Offset,
): Promise<RetentionDecision> {
  const { isDeleted, retentionMs } = context.settings.current
  const isByAge = isDeleted && retentionMs >= 0
  for (const { times } of isByAge ? segments.all : []) await times.newest()
  for (;;) {
    const decision = segments.deletable({ ...marks, highWatermark })
    if (decision.reason !== 'retention.ms') return decision
    const unasked = segments.all.slice(0, decision.count).find(segment => !segment.times.isMeasured)
    if (unasked === undefined) return decision
    await unasked.times.measure()
  }
}

/** The log start moves first: a file that cannot be taken away now goes another time. */
async function drop(log: OldSegmentsTarget, count: number): Promise<void> {
  const { segments, marks, epochs } = log
  if (count === segments.all.length) log.roll()
  const { baseOffset } = segments.all[count] as Segment
  marks.logStartOffset = Math.max(marks.logStartOffset, baseOffset)
  marks.recoveryPoint = Math.max(marks.recoveryPoint, marks.logStartOffset)
  epochs.truncateFromStart(marks.logStartOffset)
  log.onCheckpointable()
  await segments.dropOldest(count)
}

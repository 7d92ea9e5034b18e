/*
 * Which segments retention deletes. Pure; Kafka's rules (UnifiedLog.deletableSegments): whole
 * segments, oldest first, up to the first that must stay. A segment qualifies only if every record
 * in it is below the high watermark.
 */

import type { Offset, Timestamp } from '../../model/units.js'

export interface RetentionSegment {
  /** The base offset of the next segment; the log's end for the active segment. */
  readonly nextOffset: Offset
  readonly bytes: number
  /** Its newest time; Infinity if no record has a time, which keeps it forever. */
  readonly newestTimestamp: Timestamp
}

export interface RetentionRules {
  readonly logStartOffset: Offset
  readonly highWatermark: Offset
  /** −1: no limit. */
  readonly retentionBytes: number
  /** −1: no limit. */
  readonly retentionMs: number
  readonly now: Timestamp
}

export type RetentionReason = 'below log start' | 'retention.bytes' | 'retention.ms'

export interface RetentionDecision {
  /** How many of the oldest segments may be deleted. */
  readonly count: number
  readonly reason: RetentionReason | undefined
}

export function deletableSegments(
  segments: readonly RetentionSegment[],
  rules: RetentionRules,
): RetentionDecision {
  const byStart = leading(segments, rules, ({ nextOffset }) => nextOffset <= rules.logStartOffset)
  const bySize = countBySize(segments, rules)
  const byTime = countByTime(segments, rules)
  const count = Math.max(byStart, bySize, byTime)
  if (count === 0) return { count, reason: undefined }
  if (count === byStart) return { count, reason: 'below log start' }
  return { count, reason: count === bySize ? 'retention.bytes' : 'retention.ms' }
}

/** Counts segments while the rest is at least as large as the limit. */
function countBySize(segments: readonly RetentionSegment[], rules: RetentionRules): number {
  if (rules.retentionBytes < 0) return 0
  let surplus = segments.reduce((sum, { bytes }) => sum + bytes, 0) - rules.retentionBytes
  return leading(segments, rules, ({ bytes }) => {
    surplus -= bytes
    return surplus >= 0
  })
}

function countByTime(segments: readonly RetentionSegment[], rules: RetentionRules): number {
  if (rules.retentionMs < 0) return 0
  const limit = rules.now - rules.retentionMs
  return leading(segments, rules, ({ newestTimestamp }) => newestTimestamp < limit)
}

/** How many segments from the oldest on satisfy `may`. An empty last segment always stays. */
function leading(
  segments: readonly RetentionSegment[],
  rules: RetentionRules,
  may: (segment: RetentionSegment) => boolean,
): number {
  let count = 0
  for (const segment of segments) {
    const isLast = count === segments.length - 1
    if (isLast && segment.bytes === 0) break
    if (rules.highWatermark < segment.nextOffset || !may(segment)) break
    count++
  }
  return count
}

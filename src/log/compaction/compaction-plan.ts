/*
 * The decisions of compaction: when to clean a log, which segments to merge, which records stay.
 * Kafka's rules (LogCleanerManager, Cleaner, MemoryRecords.filterTo). Pure.
 *
 *   logStart          firstDirty           end                     log end
 *   ├── cleaned before ──┼── new since then ──┼── not yet ─────────────┤
 *
 * `end` is where a segment begins: never cleaned are the active segment and records that are above
 * the high watermark, not synced with their indexes, or too young.
 *
 * Batches of three kinds never remove older records, because partlog does not know whether their
 * records count or cannot read them.
 * - Control batches stay unchanged, forever.
 * - Batches in a codec that partlog cannot read stay unchanged. No tombstone after such a batch is
 *   removed: it may hide an older record in the batch.
 * - A newer record outside of transactions removes records of transactions with the same key; a
 *   tombstone of a transaction stays.
 */

import { BATCH_HEADER_BYTES, type Batch } from '../../model/batch/batch.js'
import type { Offset, Timestamp } from '../../model/units.js'
import { OFFSET_ENTRY, TIME_ENTRY } from '../format/index-entry.js'
import type { LogConfig } from '../format/log-config.js'

/** Offsets in an index are relative, and have 31 bits. */
const SPAN_MAX = 2 ** 31 - 1

export interface CompactionSegment {
  readonly baseOffset: Offset
  /** The base offset of the next segment; the log's end for the active segment. */
  readonly endOffset: Offset
  readonly bytes: number
  /** The time of its first batch; below 0 if it is unknown or not needed. */
  readonly firstTimestamp: Timestamp
  /** Below 0 if it is unknown or not needed. */
  readonly newestTimestamp: Timestamp
}

export interface CompactionMarks {
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** Where the last cleaning ended. */
  readonly firstDirtyOffset: Offset
  /** Everything below is committed, and synced with its indexes. */
  readonly settledOffset: Offset
}

/** The offsets to clean. */
export interface CompactionPlan {
  readonly firstDirtyOffset: Offset
  readonly endOffset: Offset
  /** The ratio of bytes that are new since the last cleaning. */
  readonly dirtyRatio: number
}

/** True if the decision depends on times. */
export function needsTimes({ minCompactionLagMs, maxCompactionLagMs }: LogConfig): boolean {
  return minCompactionLagMs > 0 || maxCompactionLagMs < Number.MAX_SAFE_INTEGER
}

/** What to clean now; undefined if it is not worth it yet. */
export function planCompaction(
  segments: readonly CompactionSegment[],
  marks: CompactionMarks,
  config: LogConfig,
  now: Timestamp,
): CompactionPlan | undefined {
  const { logStartOffset, logEndOffset } = marks
  const isKnown = marks.firstDirtyOffset >= logStartOffset && marks.firstDirtyOffset <= logEndOffset
  const firstDirtyOffset = isKnown ? marks.firstDirtyOffset : logStartOffset
  const isDirty = ({ endOffset }: CompactionSegment): boolean => endOffset > firstDirtyOffset
  const youngest = config.minCompactionLagMs > 0 ? now - config.minCompactionLagMs : Infinity
  const mayBeCleaned = ({ endOffset, newestTimestamp }: CompactionSegment): boolean =>
    endOffset <= marks.settledOffset && newestTimestamp <= youngest
  const clean = segments.filter(segment => !isDirty(segment))
  const rest = segments.slice(clean.length, -1)
  const stop = rest.findIndex(segment => !mayBeCleaned(segment))
  const dirty = stop < 0 ? rest : rest.slice(0, stop)
  const dirtyBytes = bytesOf(dirty)
  const last = dirty.at(-1)
  if (last === undefined || dirtyBytes === 0) return undefined
  const dirtyRatio = dirtyBytes / (bytesOf(clean) + dirtyBytes)
  const isOverdue = dirty.some(
    ({ firstTimestamp }) => firstTimestamp > 0 && firstTimestamp < now - config.maxCompactionLagMs,
  )
  if (dirtyRatio <= config.minCleanableDirtyRatio && !isOverdue) return undefined
  return { firstDirtyOffset, endOffset: last.endOffset, dirtyRatio }
}

function bytesOf(segments: readonly CompactionSegment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0)
}

type GroupLimits = Pick<LogConfig, 'segmentBytes' | 'segmentIndexBytes' | 'indexIntervalBytes'>

/** Groups adjacent segments that fit into one segment together. */
export function groupSegments<
  S extends Pick<CompactionSegment, 'baseOffset' | 'endOffset' | 'bytes'>,
>(segments: readonly S[], limits: GroupLimits): S[][] {
  const groups: S[][] = []
  let bytes = 0
  for (const segment of segments) {
    const group = groups.at(-1)
    const first = group?.[0]
    bytes += segment.bytes
    if (first !== undefined && fits(bytes, segment.endOffset - 1 - first.baseOffset, limits)) {
      group?.push(segment)
      continue
    }
    groups.push([segment])
    bytes = segment.bytes
  }
  return groups
}

/** An index entry is written per `indexIntervalBytes`, but at most one per batch (61 bytes). */
function fits(bytes: number, span: number, limits: GroupLimits): boolean {
  const { segmentBytes, segmentIndexBytes, indexIntervalBytes } = limits
  const entries = Math.ceil(bytes / Math.max(indexIntervalBytes, BATCH_HEADER_BYTES)) + 1
  const indexBytes = entries * Math.max(OFFSET_ENTRY.bytes, TIME_ENTRY.bytes)
  return bytes <= segmentBytes && indexBytes <= segmentIndexBytes && span <= SPAN_MAX
}

// ── records ──────────────────────────────────────────────────────────────────────────────

/** True if the batch's records may remove older records of their keys. */
export function countsForKeys(batch: Batch): boolean {
  return !batch.isControl && !batch.isTransactional
}

export interface RecordFacts {
  readonly offset: Offset
  readonly hasKey: boolean
  readonly hasValue: boolean
  /** The newest offset of its key; −1 if the map has none. */
  readonly newestOffset: Offset
}

export interface RecordRules {
  /** Below it the map has the newest offset of each key. */
  readonly mappedEnd: Offset
  /** The tombstones of this batch may be removed. */
  readonly mayDropTombstones: boolean
}

export function keepsRecord(record: RecordFacts, rules: RecordRules): boolean {
  if (record.offset >= rules.mappedEnd) return true
  if (!record.hasKey || record.newestOffset > record.offset) return false
  return record.hasValue || !rules.mayDropTombstones
}

/**
 * True if the tombstones of a batch may be removed: the delete horizon has passed. The first
 * cleaning that keeps them sets it, so that every consumer has the same time to read them, however
 * old they are (KIP-534).
 */
export function mayDropTombstones(
  batch: Batch,
  { now, isBehindUnread }: { readonly now: Timestamp; readonly isBehindUnread: boolean },
): boolean {
  if (batch.isTransactional || isBehindUnread || !batch.hasDeleteHorizon) return false
  return now >= batch.baseTimestamp
}

/** True if this cleaning must set the delete horizon of the batch. */
export function needsDeleteHorizon(batch: Batch, keepsTombstones: boolean): boolean {
  return keepsTombstones && !batch.hasDeleteHorizon && !batch.isTransactional
}

/**
 * True if the header of a batch stays without records: for the last batch of a producer, so that
 * its sequence is known after a restart; for the last batch that was cleaned, so that the log's
 * end stays the same (KAFKA-17076); for a batch of a transaction, whose outcome is unknown here.
 */
export function keepsEmpty(
  batch: Batch,
  {
    endOffset,
    isLastOfProducer,
  }: { readonly endOffset: Offset; readonly isLastOfProducer: boolean },
): boolean {
  return isLastOfProducer || batch.nextOffset === endOffset || batch.isTransactional
}

/**
 * What compaction decides: when a log is worth it, which segments become one, which records stay.
 * Kafka's rules (LogCleanerManager, Cleaner, MemoryRecords.filterTo). Pure.
 *
 *   logStart          firstDirty           end                     log end
 *   ├── cleaned before ──┼── new since then ──┼── not yet ─────────────┤
 *
 * `end` lies where a segment begins: the active one is never cleaned, nor what is above the high
 * watermark, not synced with its indexes, or too young.
 *
 * Three kinds of batches hold records of which nobody here knows whether they count, or what they
 * are: they never push older records out.
 * - Control batches stay as they are, for ever.
 * - Batches in a codec that cannot be read stay as they are. No tombstone behind one goes: it may
 *   be all that hides an older record in there.
 * - Records of transactions go when a newer record of their key, outside of transactions, is there;
 *   a tombstone of a transaction stays.
 */

import type { Batch } from '../../model/batch.js'
import type { Offset, Timestamp } from '../../model/units.js'
import type { LogConfig } from '../format/log-config.js'
import { OFFSET_ENTRY_BYTES } from '../format/offset-index.js'
import { TIME_ENTRY_BYTES } from '../format/time-index.js'

/** Offsets in an index are relative, and have 31 bits. */
const SPAN_MAX = 2 ** 31 - 1

export interface CompactionSegment {
  readonly baseOffset: Offset
  /** The base offset of the segment behind it, or the log's end for the active one. */
  readonly endOffset: Offset
  readonly bytes: number
  /** Of its first batch; below 0 when it is not known or needed. */
  readonly firstTimestamp: Timestamp
  /** Below 0 when it is not known or needed. */
  readonly newestTimestamp: Timestamp
}

export interface CompactionMarks {
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** Where the last cleaning has ended. */
  readonly firstDirtyOffset: Offset
  /** Everything below is committed, and synced with its indexes. */
  readonly settledOffset: Offset
}

/** What there is to clean. */
export interface CompactionPlan {
  readonly firstDirtyOffset: Offset
  readonly endOffset: Offset
  /** How much of what would be cleaned is new. */
  readonly dirtyRatio: number
}

/** Are times needed to decide? */
export function needsTimes({ minCompactionLagMs, maxCompactionLagMs }: LogConfig): boolean {
  return minCompactionLagMs > 0 || maxCompactionLagMs < Number.MAX_SAFE_INTEGER
}

/** What to clean now; undefined when nothing is worth it yet. */
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

/** Neighbours that fit into one segment together become one. */
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

/** An index takes an entry about every so many bytes; a batch has a header at least. */
function fits(bytes: number, span: number, limits: GroupLimits): boolean {
  const { segmentBytes, segmentIndexBytes, indexIntervalBytes } = limits
  const entries = Math.ceil(bytes / Math.max(indexIntervalBytes, 61)) + 1
  const indexBytes = entries * Math.max(OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES)
  return bytes <= segmentBytes && indexBytes <= segmentIndexBytes && span <= SPAN_MAX
}

// ── records ──────────────────────────────────────────────────────────────────────────────

/** May this batch's records push older ones out? */
export function countsForKeys(batch: Batch): boolean {
  return !batch.isControl && !batch.isTransactional
}

export interface RecordFacts {
  readonly offset: Offset
  readonly hasKey: boolean
  readonly hasValue: boolean
  /** The newest offset of its key; −1 when the map has none. */
  readonly newestOffset: Offset
}

export interface RecordRules {
  /** Below it the map knows the newest offset of each key. */
  readonly mappedEnd: Offset
  /** The time of this batch's tombstones is over. */
  readonly mayDropTombstones: boolean
}

export function keepsRecord(record: RecordFacts, rules: RecordRules): boolean {
  if (record.offset >= rules.mappedEnd) return true
  if (!record.hasKey || record.newestOffset > record.offset) return false
  return record.hasValue || !rules.mayDropTombstones
}

/**
 * From when on the tombstones of a batch may go: set by the first cleaning that meets them, so that
 * everybody who reads on has that long to see them, however old they are (KIP-534).
 */
export function mayDropTombstones(
  batch: Batch,
  { now, isBehindUnread }: { readonly now: Timestamp; readonly isBehindUnread: boolean },
): boolean {
  if (batch.isTransactional || isBehindUnread || !batch.hasDeleteHorizon) return false
  return now >= batch.baseTimestamp
}

/** Must the batch be given such a time? */
export function needsDeleteHorizon(batch: Batch, keepsTombstones: boolean): boolean {
  return keepsTombstones && !batch.hasDeleteHorizon && !batch.isTransactional
}

/**
 * Does the header of a batch stay without records? The last one of a producer, so that its sequence
 * is known after a restart; the last one of all that was cleaned, so that offsets go on where they
 * were (KAFKA-17076); one of a transaction, whose fate is not known here.
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

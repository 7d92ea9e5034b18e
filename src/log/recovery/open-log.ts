/*
 * Opens the Log in a partition's folder, or creates both.
 *
 * A folder holds more than segments: Kafka's bookkeeping, files being deleted, bytes that an
 * earlier recovery kept, files that people put there. Only files known to be left over are removed.
 */

import { join, parentOf, readSmallFile, type Disk, type DiskEntry } from '../../disk/disk.js'
import type { LeaderEpoch, Offset } from '../../model/units.js'
import { formatEpochs, parseEpochs, type EpochStart } from '../format/checkpoints.js'
import { EpochFile } from '../store/epoch-file.js'
import {
  deletedFile,
  isCopyOfFile,
  isDeletedFile,
  LEADER_EPOCH_CHECKPOINT,
  LOG_START_CHECKPOINT,
  parseSegmentFile,
  PARTITION_METADATA,
  segmentFile,
} from '../format/files.js'
import { isAscending, LeaderEpochs } from '../format/leader-epochs.js'
import { corruptLog, DamagedBytesError } from '../format/log-errors.js'
import { formatPartitionMetadata } from '../format/partition-metadata.js'
import { finishSwaps } from '../format/swap.js'
import type { LogContext } from '../store/log-state.js'
import { Log } from '../store/log.js'
import { Producers } from '../store/producers.js'
import { segmentOptions } from '../store/segment-list.js'
import { Segment } from '../store/segment.js'
import { epochsOfBatches, whyNotEpochsOf, type EpochExtent } from './epoch-check.js'
import { rewriteAfterFailedSync } from './failed-sync.js'
import {
  recoverSegments,
  resumeSegments,
  type Recovered,
  type RecoveryFinding,
} from './recovery.js'

const SMALL_FILE_MAX_BYTES = 1024 * 1024
/** Files in the folder of a new log: a segment and the topic's id. */
const NEW_FILES = 2
/** The first of them, and the names that tell of its indexes. */
const FIRST_SEGMENT = segmentFile(0, 'log')
const FIRST_NAMES: ReadonlySet<string> = new Set([FIRST_SEGMENT])
/** Kafka's files next to a segment; without their `.log` they mean nothing. */
const DERIVED_KINDS = new Set(['index', 'timeindex', 'txnindex'])

export interface OpenLogOptions {
  /** From the checkpoint; 0 if it has none. */
  readonly recoveryPoint: Offset
  /** Records below are known to be durable, independently of the recovery point. Default 0. */
  readonly durableOffset?: Offset
  /** From the checkpoint; undefined if it has none: then the log starts at its first segment. */
  readonly logStartOffset: Offset | undefined
  /** Whether a valid checksum covers recovery point and log start. Default false. */
  readonly isSealed?: { readonly recoveryPoints: boolean; readonly logStarts: boolean }
  /** Where the next compaction continues, from the checkpoint; 0 if it has none. */
  readonly firstDirtyOffset?: Offset
  /** The previous broker closed the folder cleanly. */
  readonly wasClosedCleanly: boolean
  /** Whether other brokers have replicas of the partition. Default true. */
  readonly isReplicated?: boolean
  /** The partition's current epoch, from the metadata: no batch can have a later one. */
  readonly leaderEpochMax?: LeaderEpoch
  readonly onCorruption: 'offline' | 'truncate'
}

export interface OpenedLog {
  readonly log: Log
  readonly findings: readonly RecoveryFinding[]
}

/** Opens a partition's folder. Throws CORRUPT_LOG if its bytes are not what was written. */
export async function openLog(context: LogContext, options: OpenLogOptions): Promise<OpenedLog> {
  const { disk, folder } = context
  let entries = disk.list(folder)
  if (await rewriteAfterFailedSync(context, entries, options.recoveryPoint)) {
    entries = disk.list(folder)
  }
  const unused = asItWasMade(context, entries, options)
  if (unused !== undefined) return { log: unusedLog(context, unused), findings: [] }
  const hasSwaps = await finishSwaps(context, options.onCorruption, entries)
  if (hasSwaps) entries = disk.list(folder)
  if (await removeLeftovers(context, options, entries)) entries = disk.list(folder)
  const found = segmentsIn(context, entries)
  if (found.length === 0) {
    if (options.recoveryPoint > (options.logStartOffset ?? 0)) {
      const { recoveryPoint } = options
      const what = `${context.folder} held records up to offset ${recoveryPoint}, it has no segment`
      throw corruptLog(context.folder, what)
    }
    found.push(newSegment(context, options.logStartOffset ?? 0))
    await disk.syncDirectory(folder)
    entries = disk.list(folder)
  }
  try {
    return await openSegments({ ...context, entries }, found, options)
  } catch (error) {
    for (const segment of found) segment.close()
    if (!(error instanceof DamagedBytesError)) throw error
    const mayCut = options.onCorruption === 'truncate' && options.wasClosedCleanly
    // Recovery scans everything and cuts the damage off.
    if (mayCut) return await openLog(context, { ...options, wasClosedCleanly: false })
    throw corruptLog(nameOf(context), error.message)
  }
}

/** The segment of a log that was never written, as most are where there are thousands. */
function asItWasMade(
  context: LogContext,
  entries: readonly DiskEntry[],
  { recoveryPoint, durableOffset = 0, logStartOffset = 0 }: OpenLogOptions,
): Segment | undefined {
  if (recoveryPoint !== 0 || durableOffset !== 0 || logStartOffset !== 0) return undefined
  const [first, identity] = entries // sorted by name
  if (entries.length !== NEW_FILES || first?.kind !== 'file') return undefined
  if (first.name !== FIRST_SEGMENT || identity?.name !== PARTITION_METADATA) return undefined
  const segment = Segment.open({ ...segmentOptions(context, 0), names: FIRST_NAMES })
  if (segment.size === 0) return segment
  segment.close()
  return undefined
}

/** A log's folder as it was listed. */
interface ListedContext extends LogContext {
  readonly entries: readonly DiskEntry[]
}

async function openSegments(
  { entries, ...context }: ListedContext,
  found: readonly Segment[],
  options: OpenLogOptions,
): Promise<OpenedLog> {
  const recovered = await recover(context, found, options)
  const findings = [...recovered.findings]
  const logStart = options.logStartOffset ?? 0
  const isPossible = options.isSealed?.logStarts === true || logStart <= recovered.logEndOffset
  if (!isPossible) findings.push(impossibleLogStart(context, logStart, recovered.logEndOffset))
  const opened = await startAtLogStart(context, recovered, isPossible ? logStart : 0)
  const epochs = await checkedEpochs({ ...context, entries }, findings, {
    ...opened,
    epochStarts: recovered.epochStarts,
    lastBatch: recovered.lastBatch,
    hasGaps: context.settings.current.mayHaveGaps,
    leaderEpochMax: options.leaderEpochMax ?? Infinity,
  })
  const { logEndOffset } = opened
  const newFiles = await syncedIdentity(context, options, logEndOffset)
  const syncedTo = options.wasClosedCleanly ? Infinity : options.recoveryPoint
  const isAnew = !(await loadAborted(opened.segments, entries))
  // What no checkpoint covers may not be what was written: it is found again in the batches.
  const coveredTo = Math.min(syncedTo, logEndOffset)
  for (const { aborted } of opened.segments) await aborted.truncateTo(coveredTo)
  const producers = await Producers.load(context, opened, { entries, syncedTo, isAnew })
  // The recovery point is the end now: no checkpoint comes back to what is found below it.
  for (const { aborted } of opened.segments) await aborted.sync()
  const { firstDirtyOffset = 0 } = options
  const offsets = { recoveryPoint: logEndOffset, firstDirtyOffset }
  const state = { ...opened, ...offsets, epochs, producers, newFiles }
  return { log: new Log(context, state), findings }
}

/** Reads the transaction indexes. False if one is damaged; then all of them are emptied. */
async function loadAborted(
  segments: readonly Segment[],
  entries: readonly DiskEntry[],
): Promise<boolean> {
  const names = new Set(entries.map(({ name }) => name))
  const indexed = segments.filter(({ baseOffset }) =>
    names.has(segmentFile(baseOffset, 'txnindex')),
  )
  let isWhole = true
  for (const { aborted } of indexed) isWhole = (await aborted.load()) && isWhole
  if (!isWhole) for (const { aborted } of indexed) await aborted.truncateTo(0)
  return isWhole
}

/**
 * The file that names the topic is synced before the first checkpoint says that records are
 * durable: without it they would be refused. Returns the files left for the log's first sync.
 */
async function syncedIdentity(
  { disk, folder }: LogContext,
  { recoveryPoint }: OpenLogOptions,
  logEndOffset: Offset,
): Promise<readonly string[]> {
  if (recoveryPoint > 0) return []
  const path = join(folder, PARTITION_METADATA)
  if (!disk.exists(path)) return []
  if (logEndOffset === 0) return [path]
  const file = disk.open(path)
  await file.sync().finally(() => file.close())
  return []
}

/**
 * Creates the folder of a new partition with an empty log. Nothing is synced before the log's first
 * sync: what a power cut takes from a folder without records, the next opening makes again.
 */
export function createLog(context: LogContext, topicId: string): Log {
  const { disk, folder } = context
  disk.makeDirectory(folder)
  writeNewFile(disk, join(folder, PARTITION_METADATA), formatPartitionMetadata(topicId))
  const names = new Set<string>() // the folder is new
  return unusedLog(context, Segment.create({ ...segmentOptions(context, 0), names }))
}

/** A log without records. Its files were not synced, as far as is known. */
function unusedLog(context: LogContext, segment: Segment): Log {
  const extent = { segments: [segment], logStartOffset: 0, logEndOffset: 0, recoveryPoint: 0 }
  const producers = Producers.none(context)
  const epochs = new LeaderEpochs()
  const newFiles = [join(context.folder, PARTITION_METADATA)]
  return new Log(context, { ...extent, firstDirtyOffset: 0, epochs, producers, newFiles })
}

// ── the pieces ───────────────────────────────────────────────────────────────────────────

async function recover(
  context: LogContext,
  segments: readonly Segment[],
  options: OpenLogOptions,
): Promise<Recovered> {
  const { disk, folder } = context
  const recoveryOptions = {
    disk,
    folder,
    name: nameOf(context),
    recoveryPoint: options.recoveryPoint,
    durableOffset: Math.max(syncedUpTo(options), options.durableOffset ?? 0),
    isSealed: options.isSealed?.recoveryPoints === true,
    wasClosedCleanly: options.wasClosedCleanly,
    hasGaps: context.settings.current.mayHaveGaps,
    isReplicated: options.isReplicated ?? true,
    onCorruption: options.onCorruption,
    leaderEpochMax: options.leaderEpochMax ?? Infinity,
  }
  if (options.wasClosedCleanly) {
    const resumed = await resumeSegments(segments, recoveryOptions)
    if (resumed !== undefined) return resumed
  }
  return await recoverSegments(segments, recoveryOptions)
}

/**
 * The recovery point, unless all below is deleted: then the log start may have lifted it above what
 * was synced.
 */
function syncedUpTo({ recoveryPoint, logStartOffset = 0, isSealed }: OpenLogOptions): Offset {
  const isAllDeleted = isSealed?.logStarts === true && recoveryPoint <= logStartOffset
  return isAllDeleted ? 0 : recoveryPoint
}

/** A log start beyond the log's end, from a file without a checksum, would delete the whole log. */
function impossibleLogStart({ folder }: LogContext, start: Offset, end: Offset): RecoveryFinding {
  const file = join(parentOf(folder), LOG_START_CHECKPOINT)
  const reason = `${folder} ends at offset ${end}, it cannot start at ${start}`
  return { kind: 'checkpoint-ignored', file, position: 0, bytes: 0, reason, keptIn: [] }
}

/** The log start may be beyond the end: a crash may have lost records that were deleted anyway. */
async function startAtLogStart(
  context: LogContext,
  recovered: Recovered,
  logStart: Offset,
): Promise<{ segments: readonly Segment[]; logStartOffset: Offset; logEndOffset: Offset }> {
  const { segments, logEndOffset } = recovered
  const first = (segments[0] as Segment).baseOffset
  const logStartOffset = Math.max(logStart, first)
  if (logStartOffset <= logEndOffset) return { segments, logStartOffset, logEndOffset }
  for (const segment of segments) {
    const paths = segment.markDeleted()
    segment.close()
    for (const path of paths) await context.disk.remove(path)
  }
  const fresh = newSegment(context, logStartOffset)
  await context.disk.syncDirectory(context.folder)
  return { segments: [fresh], logStartOffset, logEndOffset: logStartOffset }
}

function nameOf({ topicPartition }: LogContext): string {
  return `${topicPartition.topic}-${topicPartition.partition}`
}

/**
 * Removes files that a crash has left half-deleted, and indexes without a segment. Deleting a
 * segment renames its `.log` first and removes it last. So if an index of synced records has
 * neither file, something other than partlog has removed the segment (CORRUPT_LOG). Returns true
 * if there were any.
 */
async function removeLeftovers(
  { disk, folder }: LogContext,
  { isSealed, recoveryPoint, logStartOffset = 0, onCorruption }: OpenLogOptions,
  entries: readonly DiskEntry[],
): Promise<boolean> {
  const names = entries.map(entry => entry.name)
  const bases = new Set(names.filter(name => name.endsWith('.log')).map(stem))
  const orphans = names.filter(name => {
    const parsed = parseSegmentFile(name)
    return parsed !== undefined && DERIVED_KINDS.has(parsed.kind) && !bases.has(stem(name))
  })
  const mayRefuse = isSealed?.recoveryPoints === true && onCorruption === 'offline'
  for (const name of orphans) {
    const log = segmentFile(parseSegmentFile(name)?.baseOffset as Offset, 'log')
    const base = Number(stem(name))
    const later = [...bases].map(Number).filter(each => each > base)
    const isMissed = base < recoveryPoint && Math.min(recoveryPoint, ...later) > logStartOffset
    if (!mayRefuse || !isMissed || names.includes(deletedFile(log))) continue
    const reason = `the file is missing, but ${name} exists`
    throw corruptLog(folder, `${join(folder, log)} at position 0: ${reason}`)
  }
  for (const name of orphans) await disk.remove(join(folder, name))
  const deleted = names.filter(name => isDeletedFile(name) || isCopyOfFile(name))
  // The removal of an index must be durable before the last trace of its segment is removed.
  if (orphans.length > 0 && deleted.length > 0) await disk.syncDirectory(folder)
  for (const name of deleted) await disk.remove(join(folder, name))
  return orphans.length + deleted.length > 0
}

function stem(name: string): string {
  return name.slice(0, name.indexOf('.'))
}

function segmentsIn(context: LogContext, entries: readonly DiskEntry[]): Segment[] {
  const names = new Set(entries.map(({ name }) => name))
  return entries
    .map(entry => (entry.kind === 'file' ? parseSegmentFile(entry.name) : undefined))
    .filter(parsed => parsed?.kind === 'log')
    .map(parsed =>
      Segment.open({ ...segmentOptions(context, parsed?.baseOffset as Offset), names }),
    )
    .sort((a, b) => a.baseOffset - b.baseOffset)
}

function newSegment(context: LogContext, baseOffset: Offset): Segment {
  return Segment.create(segmentOptions(context, baseOffset))
}

function writeNewFile(disk: Disk, path: string, text: string): void {
  const file = disk.create(path)
  try {
    file.append(Buffer.from(text))
  } finally {
    file.close()
  }
}

interface FoundLog extends EpochExtent {
  readonly epochStarts: readonly EpochStart[]
}

/**
 * The epochs in the checkpoint, up to the end of the log, and those of batches written after it;
 * if the batches contradict the checkpoint, all epochs are read from the batches. An epoch without
 * records is dropped: its leader assigns it again when it resumes.
 */
async function checkedEpochs(
  { disk, folder, entries }: ListedContext,
  findings: RecoveryFinding[],
  log: FoundLog,
): Promise<LeaderEpochs> {
  const hasFile = entries.some(({ name }) => name === LEADER_EPOCH_CHECKPOINT)
  const stored = hasFile ? await readEpochs(disk, folder) : new LeaderEpochs()
  const storedText = stored && formatEpochs(stored.entries)
  let epochs = stored ?? new LeaderEpochs()
  epochs.truncateFromEnd(log.logEndOffset)
  for (const { epoch, startOffset } of log.epochStarts) {
    if (epoch > epochs.latestEpoch) epochs.assign(epoch, startOffset)
  }
  epochs.truncateFromStart(log.logStartOffset)
  const reason = await whyNotEpochsOf(log, epochs)
  if (reason !== undefined) {
    epochs = await epochsOfBatches(log.segments, log.leaderEpochMax)
    epochs.truncateFromStart(log.logStartOffset)
    const file = join(folder, LEADER_EPOCH_CHECKPOINT)
    findings.push({ kind: 'epochs-rebuilt', file, position: 0, bytes: 0, reason, keptIn: [] })
  }
  if (formatEpochs(epochs.entries) !== storedText) {
    // These batches are below the recovery point from now on, and are not scanned again.
    await new EpochFile(disk, folder, epochs).write()
  }
  return epochs
}

async function readEpochs(disk: Disk, folder: string): Promise<LeaderEpochs | undefined> {
  try {
    const path = join(folder, LEADER_EPOCH_CHECKPOINT)
    const bytes = await readSmallFile(disk, path, SMALL_FILE_MAX_BYTES)
    if (bytes === undefined) return undefined
    const entries = parseEpochs(bytes.toString('utf8'))
    return isAscending(entries) ? new LeaderEpochs(entries) : undefined
  } catch {
    return undefined // an unreadable file counts as absent: the batches have their epochs
  }
}

/*
 * Opens the Log in a partition's folder, or creates both.
 *
 * A folder holds more than segments: Kafka's bookkeeping, files being deleted, bytes that an
 * earlier recovery kept, files that people put there. Only files known to be left over are removed.
 */

import { join, parentOf, readSmallFile, replaceSmallFile, type Disk } from '../../disk/disk.js'
import { PartlogError } from '../../model/errors.js'
import type { LeaderEpoch, Offset } from '../../model/units.js'
import { formatEpochs, parseEpochs, type EpochStart } from '../format/checkpoints.js'
import { EpochFile } from '../format/epoch-file.js'
import {
  deletedFile,
  isDeletedFile,
  LEADER_EPOCH_CHECKPOINT,
  LOG_START_CHECKPOINT,
  parseSegmentFile,
  PARTITION_METADATA,
  segmentFile,
} from '../format/files.js'
import { isAscending, LeaderEpochs } from '../format/leader-epochs.js'
import { corruptLog, damagedFile, DamagedBytesError } from '../format/log-errors.js'
import { finishSwaps } from '../format/swap.js'
import type { LogContext } from '../store/log-state.js'
import { Log } from '../store/log.js'
import { Producers } from '../store/producers.js'
import { Segment } from '../store/segment.js'
import { epochsOfBatches, whyNotEpochsOf, type EpochExtent } from './epoch-check.js'
import {
  recoverSegments,
  resumeSegments,
  type Recovered,
  type RecoveryFinding,
} from './recovery.js'

const SMALL_FILE_MAX_BYTES = 1024 * 1024
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
  await finishSwaps(context, options.onCorruption)
  await removeLeftovers(context, options)
  const found = segmentsIn(context)
  if (found.length === 0) {
    if (options.recoveryPoint > (options.logStartOffset ?? 0)) {
      const { recoveryPoint } = options
      const what = `${context.folder} held records up to offset ${recoveryPoint}, it has no segment`
      throw corruptLog(context.folder, what)
    }
    found.push(newSegment(context, options.logStartOffset ?? 0))
    await context.disk.syncDirectory(context.folder)
  }
  try {
    return await openSegments(context, found, options)
  } catch (error) {
    for (const segment of found) segment.close()
    if (!(error instanceof DamagedBytesError)) throw error
    const mayCut = options.onCorruption === 'truncate' && options.wasClosedCleanly
    // Recovery scans everything and cuts the damage off.
    if (mayCut) return await openLog(context, { ...options, wasClosedCleanly: false })
    throw corruptLog(nameOf(context), error.message)
  }
}

async function openSegments(
  context: LogContext,
  found: readonly Segment[],
  options: OpenLogOptions,
): Promise<OpenedLog> {
  const recovered = await recover(context, found, options)
  const findings = [...recovered.findings]
  const logStart = options.logStartOffset ?? 0
  const isPossible = options.isSealed?.logStarts === true || logStart <= recovered.logEndOffset
  if (!isPossible) findings.push(impossibleLogStart(context, logStart, recovered.logEndOffset))
  const opened = await startAtLogStart(context, recovered, isPossible ? logStart : 0)
  const epochs = await checkedEpochs(context, findings, {
    ...opened,
    epochStarts: recovered.epochStarts,
    lastBatch: recovered.lastBatch,
    hasGaps: context.settings.current.mayHaveGaps,
    leaderEpochMax: options.leaderEpochMax ?? Infinity,
  })
  const { logEndOffset } = opened
  const producers = await Producers.load(context, opened)
  const { firstDirtyOffset = 0 } = options
  const state = { ...opened, recoveryPoint: logEndOffset, firstDirtyOffset, epochs, producers }
  return { log: new Log(context, state), findings }
}

/**
 * Creates the folder of a new partition with an empty log. Durable, except for the folder's name.
 */
export async function createLog(context: LogContext, topicId: string): Promise<Log> {
  const { disk, folder } = context
  disk.makeDirectory(folder)
  await writeNewFile(disk, join(folder, PARTITION_METADATA), formatPartitionMetadata(topicId))
  await writeNewFile(disk, join(folder, LEADER_EPOCH_CHECKPOINT), formatEpochs([]))
  const segments = [newSegment(context, 0)]
  await disk.syncDirectory(folder)
  const extent = { segments, logStartOffset: 0, logEndOffset: 0, recoveryPoint: 0 }
  const producers = Producers.none(context)
  const epochs = new LeaderEpochs()
  return new Log(context, { ...extent, firstDirtyOffset: 0, epochs, producers })
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
    durableOffset: Math.max(options.recoveryPoint, options.durableOffset ?? 0),
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
 * neither file, something other than partlog has removed the segment (CORRUPT_LOG).
 */
async function removeLeftovers(
  { disk, folder }: LogContext,
  { isSealed, recoveryPoint, logStartOffset = 0, onCorruption }: OpenLogOptions,
): Promise<void> {
  const names = disk.list(folder).map(entry => entry.name)
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
  const deleted = names.filter(isDeletedFile)
  // The removal of an index must be durable before the last trace of its segment is removed.
  if (orphans.length > 0 && deleted.length > 0) await disk.syncDirectory(folder)
  for (const name of deleted) await disk.remove(join(folder, name))
}

function stem(name: string): string {
  return name.slice(0, name.indexOf('.'))
}

function segmentsIn(context: LogContext): Segment[] {
  return context.disk
    .list(context.folder)
    .map(entry => (entry.kind === 'file' ? parseSegmentFile(entry.name) : undefined))
    .filter(parsed => parsed?.kind === 'log')
    .map(parsed => Segment.open(segmentOptions(context, parsed?.baseOffset as Offset)))
    .sort((a, b) => a.baseOffset - b.baseOffset)
}

function newSegment(context: LogContext, baseOffset: Offset): Segment {
  return Segment.create(segmentOptions(context, baseOffset))
}

function segmentOptions(context: LogContext, baseOffset: Offset) {
  const { disk, folder, cache, clock, settings } = context
  return {
    disk,
    folder,
    cache,
    baseOffset,
    settings,
    jitterMs: 0,
    createdAt: clock.now(),
  }
}

async function writeNewFile(disk: Disk, path: string, text: string): Promise<void> {
  await disk.remove(path)
  const file = disk.create(path)
  try {
    file.append(Buffer.from(text))
    await file.sync()
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
  { disk, folder }: LogContext,
  findings: RecoveryFinding[],
  log: FoundLog,
): Promise<LeaderEpochs> {
  const stored = await readEpochs(disk, folder)
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

// ── partition.metadata ───────────────────────────────────────────────────────────────────

export function formatPartitionMetadata(topicId: string): string {
  return `version: 0\ntopic_id: ${topicId}`
}

/** The topic id in a partition's folder; undefined if the file is missing or torn. */
export async function readTopicId(disk: Disk, folder: string): Promise<string | undefined> {
  const path = join(folder, PARTITION_METADATA)
  const bytes = await readSmallFile(disk, path, SMALL_FILE_MAX_BYTES)
  return /^\w+:\s*0\n\w+:\s*([A-Za-z0-9_-]{22})\s*$/.exec(bytes?.toString('utf8') ?? '')?.[1]
}

/**
 * Throws CORRUPT_LOG if the folder holds records but its file names no topic: it may be another
 * topic's. Without records, its creation was perhaps never finished.
 */
export function refuseDamagedMetadata(disk: Disk, folder: string): void {
  const path = join(folder, PARTITION_METADATA)
  if (!disk.exists(path)) return
  const segments = disk.list(folder).filter(({ name }) => parseSegmentFile(name)?.kind === 'log')
  for (const { name } of segments) {
    const file = disk.open(join(folder, name))
    const { size } = file
    file.close()
    if (size > 0) throw damagedFile(path, 'names no topic id')
  }
}

export async function writeTopicId(disk: Disk, folder: string, topicId: string): Promise<void> {
  const bytes = Buffer.from(formatPartitionMetadata(topicId))
  await replaceSmallFile(disk, join(folder, PARTITION_METADATA), bytes)
}

/** Throws INCONSISTENT_TOPIC_ID if the folder belongs to another topic with the same name. */
export function checkTopicId(folder: string, stored: string | undefined, wanted: string): void {
  if (stored === undefined || stored === wanted) return
  throw new PartlogError(
    'INCONSISTENT_TOPIC_ID',
    `${join(folder, PARTITION_METADATA)}: ${folder} belongs to topic id ${stored}, the topic of ` +
      `that name has ${wanted}`,
  )
}

/*
 * Every file name that partlog writes or reads. They are Kafka's names, so that Kafka's tools can
 * read a partlog folder and partlog a Kafka one.
 *
 * A cluster's folder holds <root>s: controller/, the log of the metadata, and broker-0/ broker-1/ …
 *
 *   <root>/meta.properties                        the cluster and node of this folder
 *   <root>/.kafka_cleanshutdown                   exists only after a clean close
 *   <root>/recovery-point-offset-checkpoint       below it everything is synced, per partition
 *   <root>/log-start-offset-checkpoint
 *   <root>/replication-offset-checkpoint          high watermarks
 *   <root>/cleaner-offset-checkpoint              where the next compaction continues
 *   <root>/….sealed                               a second copy of each, with a checksum
 *   <root>/<topic>-<partition>/
 *     00000000000000000042.log                    a segment; the name is its base offset
 *     00000000000000000042.index .timeindex .txnindex
 *     00000000000000000042.snapshot               producer state of everything below the offset
 *     leader-epoch-checkpoint  partition.metadata
 *     …​.deleted                                   waiting to be removed
 *     …​.cleaned                                   being written by compaction
 *     …​.swap                                      complete, about to replace other segments
 *     00000000000000000042.log.1234.kept          bytes cut off at position 1234
 *   <root>/<topic>-<partition>.<32 hex>-delete/   of a deleted topic, waiting to be removed
 *   <root>/<topic>-<partition>.<32 hex>-stray/    kept, but not used
 */

import { isTopicName, PARTITIONS_MAX, type TopicPartition } from '../../model/names.js'
import type { Offset, Position } from '../../model/units.js'

export const CONTROLLER_FOLDER = 'controller'
const BROKER_FOLDER = /^broker-(0|[1-9]\d*)$/

export function brokerFolder(nodeId: number): string {
  return `broker-${nodeId}`
}

export function isBrokerFolder(name: string): boolean {
  return BROKER_FOLDER.test(name)
}

export const META_PROPERTIES = 'meta.properties'
export const CLEAN_SHUTDOWN = '.kafka_cleanshutdown'
export const RECOVERY_POINT_CHECKPOINT = 'recovery-point-offset-checkpoint'
export const LOG_START_CHECKPOINT = 'log-start-offset-checkpoint'
export const HIGH_WATERMARK_CHECKPOINT = 'replication-offset-checkpoint'
export const CLEANER_CHECKPOINT = 'cleaner-offset-checkpoint'
/** A second copy of a checkpoint, with a checksum: see sealed-file.ts. Kafka does not read it. */
export const SEALED_SUFFIX = '.sealed'
export const LEADER_EPOCH_CHECKPOINT = 'leader-epoch-checkpoint'
export const PARTITION_METADATA = 'partition.metadata'
/** In a partition's folder: a sync of one of its files has failed. See recovery/failed-sync.ts. */
export const SYNC_FAILED = 'sync-failed'

const DELETED_SUFFIX = '.deleted'
export const CLEANED_SUFFIX = '.cleaned'
export const SWAP_SUFFIX = '.swap'
const KEPT_SUFFIX = '.kept'
const COPY_SUFFIX = '.copy'
const FOLDER_DELETE_SUFFIX = '-delete'
const FOLDER_NAME_MAX = 255
const OFFSET_DIGITS = 20

/** The endings of a segment's files. */
export const SEGMENT_FILE_KINDS = ['log', 'index', 'timeindex', 'txnindex', 'snapshot'] as const
export type SegmentFileKind = (typeof SEGMENT_FILE_KINDS)[number]

export function segmentFile(baseOffset: Offset, kind: SegmentFileKind): string {
  return `${String(baseOffset).padStart(OFFSET_DIGITS, '0')}.${kind}`
}

export interface SegmentFileName {
  readonly baseOffset: Offset
  readonly kind: SegmentFileKind
}

const SEGMENT_FILE = /^(\d{20})\.(log|index|timeindex|txnindex|snapshot)$/

/** The parts of a segment file's name; undefined for any other name. */
export function parseSegmentFile(name: string): SegmentFileName | undefined {
  const match = SEGMENT_FILE.exec(name)
  if (match === null) return undefined
  const baseOffset = Number(match[1])
  if (!Number.isSafeInteger(baseOffset)) return undefined
  return { baseOffset, kind: match[2] as SegmentFileKind }
}

/** Like `parseSegmentFile`, for a name that ends in `suffix`. */
export function parseSuffixedFile(name: string, suffix: string): SegmentFileName | undefined {
  return name.endsWith(suffix) ? parseSegmentFile(name.slice(0, -suffix.length)) : undefined
}

export function deletedFile(name: string): string {
  return name + DELETED_SUFFIX
}

export function isDeletedFile(name: string): boolean {
  return name.endsWith(DELETED_SUFFIX)
}

/** A copy that is to replace the file; a crash may leave it. */
export function copyOfFile(name: string): string {
  return name + COPY_SUFFIX
}

export function isCopyOfFile(name: string): boolean {
  return name.endsWith(COPY_SUFFIX)
}

/**
 * The file for bytes that are cut off at a position for the nth time. Kafka ignores files with this
 * ending.
 */
export function keptFile(name: string, position: Position, nth = 1): string {
  return `${name}.${position}${nth === 1 ? '' : `.${nth}`}${KEPT_SUFFIX}`
}

// ── folders ──────────────────────────────────────────────────────────────────────────────

export function partitionFolder({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

/** `a-b-7` is partition 7 of `a-b`: the last '-' counts. Undefined for any other name. */
export function parsePartitionFolder(name: string): TopicPartition | undefined {
  const dash = name.lastIndexOf('-')
  if (dash <= 0) return undefined
  const digits = name.slice(dash + 1)
  if (!/^(0|[1-9]\d{0,4})$/.test(digits)) return undefined
  const topic = name.slice(0, dash)
  const partition = Number(digits)
  return isTopicName(topic) && partition < PARTITIONS_MAX ? { topic, partition } : undefined
}

/** The name of a deleted partition's folder: unique and never too long. */
export function deletedFolder(folder: string, uniqueHex: string): string {
  const ending = `.${uniqueHex}${FOLDER_DELETE_SUFFIX}`
  return folder.slice(0, FOLDER_NAME_MAX - ending.length) + ending
}

/** The name of a folder that is kept but not used: Kafka's `-stray`. */
export function strayFolder(folder: string, uniqueHex: string): string {
  const ending = `.${uniqueHex}-stray`
  return folder.slice(0, FOLDER_NAME_MAX - ending.length) + ending
}

/** The ending of a folder that was deleted. */
export const DELETED_ENDING = /\.[0-9a-f]{32}-delete$/

export function isDeletedFolder(name: string): boolean {
  return DELETED_ENDING.test(name)
}

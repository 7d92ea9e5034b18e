/**
 * Folders of logs, read as they are: those of a Kafka broker, those of partlog, or a single
 * partition's. Nothing is written, no lock is taken, no index is needed.
 *
 * What is behind the last whole batch of a partition (the torn end of a crash) is not read. Damage
 * before that is an error: an export that ends early and says nothing would pass for a whole one.
 */

import { readSmallFile, join, type Disk, type DiskFile } from '../disk/disk.js'
import { NodeDisk } from '../disk/node-disk.js'
import type { Batch } from '../model/batch.js'
import { isSupported, type Codec } from '../model/compression.js'
import { PartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import type { Header, TimestampType } from '../model/record.js'
import { RecordCursor } from '../model/record-cursor.js'
import type { Offset } from '../model/units.js'
import { parseOffsets, type OffsetCheckpoint } from './checkpoints.js'
import {
  LOG_START_CHECKPOINT,
  parsePartitionFolder,
  parseSegmentFile,
  RECOVERY_POINT_CHECKPOINT,
  segmentFile,
} from './files.js'
import { findBatch, readBatches, type ScanEnd } from './scan.js'

const CHECKPOINT_MAX_BYTES = 64 * 1024 * 1024
const BROKER_FOLDER = /^broker-\d+$/
/** Where a cluster keeps its own log, beside its brokers. */
const CONTROLLER_FOLDER = 'controller'

/** A record as it lies in a folder. */
export interface StoredTopicRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970; −1 when the record has none. */
  readonly timestamp: number
  readonly timestampType: TimestampType
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Header[]
  readonly leaderEpoch: number
  /** Written by the system for itself; only there when `includeControl` asks for it. */
  readonly isControl: boolean
}

/** Batches whose codec partlog does not read, counted while records were read. */
export interface UnreadBatches {
  readonly codec: Codec | 'unknown'
  readonly batches: number
  readonly records: number
}

/** Which records of a partition to read. */
export interface RecordRange {
  /** Only records from this offset on, or not older than this time. Default: all. */
  readonly from?: number | Date
  /** Only records below this offset, or older than this time. Default: all. */
  readonly until?: number | Date
  /** Also the records the system has written for itself. Default false. */
  readonly includeControl?: boolean
}

interface PartitionFacts extends TopicPartition {
  readonly logStartOffset: Offset
  /** Below it everything was synced. */
  readonly recoveryPoint: Offset
}

/** The segments and records of one partition's folder. */
export class PartitionDirectory {
  readonly topic: string
  readonly partition: number
  /** The folder, relative to the disk. */
  readonly folder: string
  /** The first offset that readers may see. */
  readonly logStartOffset: Offset
  readonly #disk: Disk
  readonly #recoveryPoint: Offset
  readonly #unread = new Map<Codec | 'unknown', { batches: number; records: number }>()

  /** @internal use {@link openLogDirectory}. */
  constructor(disk: Disk, folder: string, facts: PartitionFacts) {
    this.#disk = disk
    this.folder = folder
    this.topic = facts.topic
    this.partition = facts.partition
    this.logStartOffset = facts.logStartOffset
    this.#recoveryPoint = facts.recoveryPoint
  }

  /** The base offsets of the segments, ascending. */
  get segments(): readonly Offset[] {
    return segmentsOf(this.#disk, this.folder)
  }

  /** Batches that could not be read so far, by codec. */
  get unread(): readonly UnreadBatches[] {
    return [...this.#unread].map(([codec, counts]) => ({ codec, ...counts }))
  }

  /**
   * The records in order, those of aborted transactions among them. Fails with CORRUPT_LOG at bytes
   * that are not what was written; a torn tail is the end.
   */
  async *records(range: RecordRange = {}): AsyncGenerator<StoredTopicRecord, void> {
    const bounds = boundsOf(range, this.logStartOffset)
    const bases = this.segments
    for (const [index, base] of bases.entries()) {
      const next = bases[index + 1]
      if (next !== undefined && next <= bounds.fromOffset) continue
      if (base >= bounds.untilOffset) return
      for await (const batches of this.#batchesOf(base)) {
        for (const batch of batches) {
          if (batch.baseOffset >= bounds.untilOffset) return
          if (batch.nextOffset > bounds.fromOffset) yield* this.#recordsOf(batch, bounds)
        }
      }
    }
  }

  async *#batchesOf(base: Offset): AsyncGenerator<readonly Batch[], void> {
    const file = this.#disk.open(join(this.folder, segmentFile(base, 'log')))
    try {
      const batches = readBatches(file)
      let nextOffset = base
      for (;;) {
        const step = await batches.next()
        if (step.done) return await this.#checkEnd(file, base, nextOffset, step.value)
        nextOffset = step.value.at(-1)?.nextOffset ?? nextOffset
        yield step.value
      }
    } finally {
      file.close()
    }
  }

  /** A torn tail is a normal end; anything else that is no batch is damage. */
  async #checkEnd(file: DiskFile, base: Offset, offset: Offset, end: ScanEnd): Promise<void> {
    const { position, reason } = end
    if (reason === undefined) return
    const isFollowed =
      this.segments.some(next => next > base) ||
      (await findBatch(file, position + 1, offset)) !== undefined
    if (!isFollowed && offset >= this.#recoveryPoint) return
    throw new PartlogError(
      'CORRUPT_LOG',
      `${join(this.folder, segmentFile(base, 'log'))} at position ${position}: ${reason}; ` +
        `nothing of ${this.topic}-${this.partition} from offset ${offset} on was read`,
    )
  }

  *#recordsOf(batch: Batch, bounds: Bounds): Generator<StoredTopicRecord> {
    const { isControl } = batch
    if (isControl && !bounds.includeControl) return
    if (batch.codec === undefined || !isSupported(batch.codec)) return this.#countUnread(batch)
    const { topic, partition } = this
    const { leaderEpoch } = batch
    for (const cursor = new RecordCursor(batch); cursor.next();) {
      const { offset, timestamp } = cursor
      if (offset < bounds.fromOffset || offset >= bounds.untilOffset) continue
      if (timestamp < bounds.fromTime || timestamp >= bounds.untilTime) continue
      yield {
        topic,
        partition,
        offset,
        timestamp,
        timestampType: cursor.timestampType,
        key: cursor.key,
        value: cursor.value,
        headers: cursor.headers,
        leaderEpoch,
        isControl,
      }
    }
  }

  #countUnread(batch: Batch): void {
    const codec = batch.codec ?? 'unknown'
    const counts = this.#unread.get(codec) ?? { batches: 0, records: 0 }
    counts.batches++
    counts.records += batch.recordsCount
    this.#unread.set(codec, counts)
  }
}

/** A folder of logs, open for reading. Made by {@link openLogDirectory}. */
export interface LogDirectory {
  /** Sorted by topic and partition. */
  readonly partitions: readonly PartitionDirectory[]
}

/**
 * Opens a folder for reading, beside whoever writes it: the log directory of a Kafka broker, the
 * folder of a partlog cluster, or the folder of one partition.
 *
 *   const { partitions } = await openLogDirectory('/var/lib/kafka/data')
 *   for await (const record of partitions[0].records()) …
 *
 * Rejects with INVALID_ARGUMENT when there are no logs in it.
 */
export async function openLogDirectory(path: string): Promise<LogDirectory> {
  if (typeof path !== 'string' || path === '') {
    throw new PartlogError('INVALID_ARGUMENT', 'openLogDirectory: expected the path of a folder')
  }
  const disk = new NodeDisk(path, { readOnly: true })
  return { partitions: await findPartitions(disk) }
}

/**
 * All partitions' folders on a disk, whatever of the three it is; of a cluster also its own log if
 * that is asked for.
 */
export async function findPartitions(
  disk: Disk,
  { includeController = false } = {},
): Promise<PartitionDirectory[]> {
  const roots = rootsIn(disk)
  const isCluster = roots[0] !== ''
  if (includeController && isCluster && disk.exists(CONTROLLER_FOLDER)) {
    roots.push(CONTROLLER_FOLDER)
  }
  const found: PartitionDirectory[] = []
  for (const root of roots) found.push(...(await partitionsIn(disk, root)))
  if (found.length === 0 && segmentsOf(disk, '').length > 0) found.push(singlePartition(disk))
  if (found.length === 0) {
    throw new PartlogError('INVALID_ARGUMENT', `${disk.location} holds no logs`)
  }
  return found.sort((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
  )
}

/** The folders whose sub-folders are partitions: a cluster's brokers, or the folder itself. */
function rootsIn(disk: Disk): string[] {
  if (!disk.exists('')) {
    throw new PartlogError('INVALID_ARGUMENT', `${disk.location} does not exist`)
  }
  const brokers = disk
    .list('')
    .filter(({ kind, name }) => kind === 'directory' && BROKER_FOLDER.test(name))
    .filter(({ name }) => segmentsOf(disk, name).length === 0)
  return brokers.length > 0 ? brokers.map(({ name }) => name) : ['']
}

async function partitionsIn(disk: Disk, root: string): Promise<PartitionDirectory[]> {
  const logStarts = await checkpointOf(disk, join(root, LOG_START_CHECKPOINT))
  const recoveryPoints = await checkpointOf(disk, join(root, RECOVERY_POINT_CHECKPOINT))
  const found: PartitionDirectory[] = []
  for (const { kind, name } of disk.list(root)) {
    const parsed = kind === 'directory' ? parsePartitionFolder(name) : undefined
    if (parsed === undefined) continue
    const folder = join(root, name)
    const first = segmentsOf(disk, folder)[0]
    if (first === undefined) continue
    const logStartOffset = Math.max(first, logStarts.get(name) ?? 0)
    const recoveryPoint = recoveryPoints.get(name) ?? 0
    found.push(new PartitionDirectory(disk, folder, { ...parsed, logStartOffset, recoveryPoint }))
  }
  return found
}

/** The disk is one partition's folder: its name says which. */
function singlePartition(disk: Disk): PartitionDirectory {
  const name = disk.location.slice(disk.location.lastIndexOf('/') + 1)
  const parsed = parsePartitionFolder(name) ?? { topic: name, partition: 0 }
  const logStartOffset = segmentsOf(disk, '')[0] ?? 0
  return new PartitionDirectory(disk, '', { ...parsed, logStartOffset, recoveryPoint: 0 })
}

function segmentsOf(disk: Disk, folder: string): Offset[] {
  return disk
    .list(folder)
    .flatMap(({ kind, name }) => {
      const parsed = kind === 'file' ? parseSegmentFile(name) : undefined
      return parsed?.kind === 'log' ? [parsed.baseOffset] : []
    })
    .sort((a, b) => a - b)
}

async function checkpointOf(disk: Disk, path: string): Promise<OffsetCheckpoint> {
  try {
    const bytes = await readSmallFile(disk, path, CHECKPOINT_MAX_BYTES)
    return bytes === undefined ? new Map() : parseOffsets(bytes.toString('utf8'))
  } catch {
    return new Map() // unreadable counts as absent: then everything in the files is shown
  }
}

interface Bounds {
  readonly fromOffset: number
  readonly untilOffset: number
  readonly fromTime: number
  readonly untilTime: number
  readonly includeControl: boolean
}

function boundsOf({ from, until, includeControl = false }: RecordRange, logStart: Offset): Bounds {
  return {
    includeControl,
    fromOffset: Math.max(typeof from === 'number' ? from : 0, logStart),
    untilOffset: typeof until === 'number' ? until : Infinity,
    fromTime: from instanceof Date ? from.getTime() : -Infinity,
    untilTime: until instanceof Date ? until.getTime() : Infinity,
  }
}

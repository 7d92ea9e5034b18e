/*
 * All logs of one data folder, their offsets in the checkpoint files, and whether the folder was
 * closed cleanly.
 *
 * Order at opening: note the clean-shutdown marker, remove it, sync the folder, and only then touch
 * a log, so that a crash while opening counts as a crash. Order at closing: close every log,
 * write the checkpoints, then the marker.
 *
 * Folders that are not in the metadata are reported, never deleted.
 */

import type { Timer } from '../base/clock.js'
import { allDone, eachOf, SerialQueue } from '../base/tasks.js'
import { randomUuid, uuidHex } from '../base/uuid.js'
import { isDiskError, join } from '../disk/disk.js'
import { PartlogError, toPartlogError } from '../model/errors.js'
import { partitionName, type TopicPartition } from '../model/names.js'
import type { LeaderEpoch, Offset } from '../model/units.js'
import {
  CheckpointFiles,
  type CheckpointLines,
  type StoredCheckpoints,
} from './checkpoint-files.js'
import type { OffsetCheckpoint, PartitionOffset } from './format/checkpoints.js'
import { outdatedOf, OutdatedLines } from './outdated-lines.js'
import {
  CLEAN_SHUTDOWN,
  deletedFolder,
  isDeletedFolder,
  parsePartitionFolder,
  partitionFolder,
  strayFolder,
} from './format/files.js'
import { IndexCache } from './format/index-file.js'
import type { LogSettings } from './format/log-config.js'
import { offlineError, unopenedError } from './format/log-errors.js'
import { claimDataFolder, type DataFolder } from './format/meta-properties.js'
import { claimPartitionFolder, readTopicId } from './format/partition-metadata.js'
import { createLog, openLog } from './recovery/open-log.js'
import type { RecoveryFinding } from './recovery/recovery.js'
import type { Log } from './store/log.js'
import { ZEROS_AHEAD } from './store/segment-durability.js'
import { StoredWatermarks } from './stored-watermarks.js'

/** Memory for indexes read from disk, for all logs of a folder together. */
export const INDEX_CACHE_BYTES = 16 * 1024 * 1024

/** Logs that are closed at a time: some wait for the disk while others write. */
const CLOSE_AT_ONCE = 8

/** The data folder, which is created if it does not exist, and how logs in it are opened. */
export interface LogManagerOptions extends DataFolder {
  readonly onCorruption: 'offline' | 'truncate'
  /** Whether records are durable before the high watermark passes them. Default false. */
  readonly isCommittedDurable?: boolean
}

/** Which checkpoints a valid checksum covers. */
interface Sealed {
  readonly recoveryPoints: boolean
  readonly logStarts: boolean
  readonly highWatermarks: boolean
}

/** A partition according to the metadata. */
export interface KnownPartition extends TopicPartition {
  readonly topicId: string
  readonly settings: LogSettings
  /** Its current epoch, if it is known: no batch can have a later one. */
  readonly leaderEpoch?: LeaderEpoch
  /** Whether other brokers have replicas of it. Default true. */
  readonly isReplicated?: boolean
}

export class LogManager {
  readonly root: string
  readonly wasClosedCleanly: boolean
  /** The folder did not exist before. */
  readonly isNew: boolean
  /** Findings of recovery, in order. */
  readonly findings: RecoveryFinding[] = []
  readonly #options: LogManagerOptions
  readonly #cache = new IndexCache(INDEX_CACHE_BYTES)
  readonly #logs = new Map<string, Log>()
  /** Partitions that could not be opened: their lines in the checkpoints are kept. */
  readonly #unopened = new Map<string, TopicPartition>()
  readonly #outdated = new OutdatedLines()
  readonly #checkpoints: SerialQueue = new SerialQueue()
  readonly #files: CheckpointFiles
  /** The offsets in the files at opening. */
  readonly #recoveryPoints: Map<string, Offset>
  readonly #logStarts: Map<string, Offset>
  readonly #watermarks: StoredWatermarks
  readonly #firstDirty: Map<string, Offset>
  /** Which of these a valid checksum covered. */
  readonly #isSealed: Sealed
  readonly #removals = new Set<Timer>()
  /** Names in the folder have changed since it was synced. */
  #hasNewNames: boolean
  /** Topic ids read from folders that are not open yet. */
  readonly #topicIds = new Map<string, string | undefined>()
  /** The next write of checkpoints, until it begins. */
  #nextCheckpoint: Promise<void> | undefined

  private constructor(
    options: LogManagerOptions,
    { isNew, wasClosedCleanly }: Pick<LogManager, 'isNew' | 'wasClosedCleanly'>,
    files: CheckpointFiles,
    stored: StoredCheckpoints,
  ) {
    this.root = options.root
    this.isNew = isNew
    this.wasClosedCleanly = wasClosedCleanly
    this.#hasNewNames = !wasClosedCleanly // of the process before
    this.#options = options
    this.#files = files
    this.#recoveryPoints = new Map(stored.recoveryPoints.offsets)
    this.#logStarts = new Map(stored.logStarts.offsets)
    const { offsets: watermarks } = stored.highWatermarks
    this.#watermarks = new StoredWatermarks(watermarks, files, this.#checkpoints)
    this.#firstDirty = new Map(stored.firstDirty.offsets)
    const { isSealed: recoveryPoints } = stored.recoveryPoints
    const { isSealed: highWatermarks } = stored.highWatermarks
    for (const key of this.#outdatedAtFirst()) {
      for (const offsets of this.#offsetsAtFirst) offsets.delete(key)
      this.#outdated.add(key)
    }
    this.#isSealed = { recoveryPoints, highWatermarks, logStarts: stored.logStarts.isSealed }
  }

  get #offsetsAtFirst(): readonly Map<string, Offset>[] {
    return [this.#recoveryPoints, this.#logStarts, this.#firstDirty]
  }

  #outdatedAtFirst(): string[] {
    const folders = this.#options.disk.list(this.root).filter(({ kind }) => kind === 'directory')
    const names = this.#offsetsAtFirst.flatMap(offsets => [...offsets.keys()])
    return outdatedOf(names, folders.map(({ name }) => name))
  }

  /** Where the data folder is: an absolute path, or in memory. */
  get location(): string {
    return join(this.#options.disk.location, this.root)
  }

  static async open(options: LogManagerOptions): Promise<LogManager> {
    const { disk, root } = options
    const isNew = !disk.exists(root)
    if (isNew) disk.makeDirectory(root)
    await allDone([isNew ? disk.syncDirectory('') : undefined, claimDataFolder(options, isNew)])
    const marker = join(root, CLEAN_SHUTDOWN)
    const wasClosedCleanly = !isNew && disk.exists(marker)
    const files = new CheckpointFiles(disk, root)
    const findings: RecoveryFinding[] = []
    const stored = isNew ? files.beginNew() : await files.read(findings)
    if (wasClosedCleanly) {
      await disk.remove(marker)
      await disk.syncDirectory(root)
    }
    // The other checkpoints are only lower bounds: a missing one counts as 0.
    const isReadable = stored.recoveryPoints.isReadable && stored.logStarts.isReadable
    const isTrusted = isNew || (wasClosedCleanly && isReadable)
    const begin = { isNew, wasClosedCleanly: isTrusted }
    const manager = new LogManager(options, begin, files, stored)
    manager.#note(root, findings)
    return manager
  }

  get logs(): IterableIterator<Log> {
    return this.#logs.values()
  }

  /** Folders in the data folder that belong to no partition of `known` and are not deleted ones. */
  unknownFolders(known: Iterable<TopicPartition>): string[] {
    const names = new Set([...known].map(partitionFolder))
    return this.#options.disk
      .list(this.root)
      .filter(({ kind, name }) => kind === 'directory' && !names.has(name))
      .map(({ name }) => name)
      .filter(name => !isDeletedFolder(name))
  }

  // ── partitions ─────────────────────────────────────────────────────────────────────────

  /**
   * The log of a partition that is already in the metadata: opens its folder, or creates it if a
   * crash came before that. Throws CORRUPT_LOG or INCONSISTENT_TOPIC_ID if the folder must not be
   * used, LOG_OFFLINE if the disk fails, KAFKA_STORAGE_ERROR if that failure is transient: then it
   * may be called again.
   */
  async load(partition: KnownPartition): Promise<Log> {
    const key = partitionName(partition)
    try {
      const log = await this.#openOrCreate(partition, key)
      this.#logs.set(key, log)
      this.#unopened.delete(key)
      return log
    } catch (error) {
      this.#unopened.set(key, partition)
      if (!isDiskError(error)) throw toPartlogError(error)
      throw error.isTransient ? unopenedError(key, error) : offlineError(key, error)
    }
  }

  /**
   * The log of a new partition. Checkpoint lines of an older partition with that name are not
   * applied to it. Throws as `load` does.
   */
  async create(partition: KnownPartition): Promise<Log> {
    const key = partitionName(partition)
    const changed = this.#offsetsAtFirst.filter(offsets => offsets.delete(key))
    if (changed.length > 0) this.#outdated.add(key)
    return await this.load(partition)
  }

  /** Closes a log without syncing, as a crash would; it can be loaded again. */
  async unload(partition: TopicPartition): Promise<void> {
    const key = partitionName(partition)
    const log = this.#logs.get(key)
    if (log === undefined) return
    this.#logs.delete(key)
    this.#unopened.set(key, partition)
    await log.abandon()
  }

  /** Makes new names in the data folder survive a power cut. */
  async syncNames(): Promise<void> {
    if (!this.#hasNewNames) return
    this.#hasNewNames = false
    try {
      await this.#options.disk.syncDirectory(this.root)
    } catch (error) {
      this.#hasNewNames = true
      throw error
    }
  }

  /**
   * Deletes a partition: renames its folder now and removes the files after `delayMs`. Its lines
   * stay in the checkpoints until `writeCheckpoints`, which is called once for all deletions.
   */
  async delete(partition: TopicPartition, delayMs: number): Promise<void> {
    const key = partitionName(partition)
    const log = this.#logs.get(key)
    this.#logs.delete(key)
    await log?.abandon()
    await this.deleteFolder(partitionFolder(partition), delayMs)
  }

  /**
   * Closes a damaged log and renames its folder, so that a new copy can be made. Returns the new
   * name.
   */
  async setAside(partition: TopicPartition, reason: string): Promise<string> {
    const { disk, random } = this.#options
    const key = partitionName(partition)
    const log = this.#logs.get(key)
    this.#forget(key)
    await log?.abandon()
    const folder = partitionFolder(partition)
    const aside = strayFolder(folder, uuidHex(randomUuid(random)))
    if (disk.exists(join(this.root, folder))) {
      disk.rename(join(this.root, folder), join(this.root, aside))
      this.#hasNewNames = true
      await this.syncNames()
    }
    const place = { file: join(this.root, folder), position: 0, bytes: 0 }
    this.#note(folder, [{ kind: 'set-aside', ...place, reason, keptIn: [join(this.root, aside)] }])
    return aside
  }

  /** The folder of this name is not that of a log any more. */
  #forget(key: string): void {
    this.#logs.delete(key)
    this.#unopened.delete(key)
    for (const offsets of this.#offsetsAtFirst) offsets.delete(key)
    this.#outdated.add(key)
  }

  /** Renames a folder so that it counts as deleted, and removes its files after `delayMs`. */
  async deleteFolder(folder: string, delayMs = 0): Promise<void> {
    const { disk, random, clock } = this.#options
    this.#topicIds.delete(folder)
    this.#forget(folder)
    if (!disk.exists(join(this.root, folder))) return
    const target = join(this.root, deletedFolder(folder, uuidHex(randomUuid(random))))
    disk.rename(join(this.root, folder), target)
    this.#hasNewNames = true
    await this.syncNames()
    const onTime = (): void => {
      this.#removals.delete(timer)
      void this.#remove(target)
    }
    const timer = clock.after(delayMs, onTime, 'background')
    this.#removals.add(timer)
  }

  /** Removes folders of deleted topics that an earlier process has left. */
  async removeDeletedFolders(): Promise<void> {
    for (const { kind, name } of this.#options.disk.list(this.root)) {
      if (kind === 'directory' && isDeletedFolder(name)) await this.#remove(join(this.root, name))
    }
  }

  /** The topic id in a partition's folder; undefined if the folder names none. */
  async topicIdOf(folder: string): Promise<string | undefined> {
    if (parsePartitionFolder(folder) === undefined) return undefined
    const topicId = await readTopicId(this.#options.disk, join(this.root, folder))
    this.#topicIds.set(folder, topicId)
    return topicId
  }

  // ── checkpoints ────────────────────────────────────────────────────────────────────────

  /** Writes the checkpoints soon; several requests at once become one write. */
  requestCheckpoint(): void {
    if (this.#nextCheckpoint !== undefined) return
    this.writeCheckpoints().catch((error: unknown) => {
      this.#options.logger.warn('checkpoints could not be written, will be tried again', { error })
    })
  }

  /**
   * Writes the current recovery points, log starts and first dirty offsets; calls before the write
   * begins share it. Durable when it resolves.
   */
  async writeCheckpoints(): Promise<void> {
    this.#nextCheckpoint ??= this.#checkpoints.run(async () => {
      this.#nextCheckpoint = undefined
      await this.#outdated.without(() => this.#files.write(this.#lines()))
    })
    await this.#nextCheckpoint
  }

  #lines(): CheckpointLines {
    return {
      recoveryPoints: this.#recoveryPointLines(),
      logStarts: this.#logStartLines(),
      firstDirty: this.#firstDirtyLines(),
    }
  }

  /** Makes the records and indexes of every log durable and writes the checkpoints. */
  async checkpointAll(): Promise<void> {
    for (const log of [...this.#logs.values()]) await log.checkpoint()
    await this.writeCheckpoints()
  }

  /** Writes the high watermarks, up to which consumers may read right after a restart. */
  async writeHighWatermarks(offsets: readonly PartitionOffset[]): Promise<void> {
    await this.#watermarks.write(offsets, key => this.#logs.has(key) || this.#unopened.has(key))
  }

  /** The high watermark that was last written. */
  highWatermarkOf(partition: TopicPartition): Offset {
    return this.#watermarks.of(partition)
  }

  #recoveryPointLines(): PartitionOffset[] {
    const lines = [...this.#logs.values()].map(log => ({
      ...log.topicPartition,
      offset: log.recoveryPoint,
    }))
    return [...lines, ...this.#unopenedLines(this.#recoveryPoints)]
  }

  #logStartLines(): PartitionOffset[] {
    const lines = [...this.#logs.values()]
      .filter(log => log.logStartOffset > log.firstSegmentOffset)
      .map(log => ({ ...log.topicPartition, offset: log.logStartOffset }))
    return [...lines, ...this.#unopenedLines(this.#logStarts)]
  }

  /** A line for every log that may have gaps: tools that read the folder then expect gaps. */
  #firstDirtyLines(): PartitionOffset[] {
    const lines = [...this.#logs.values()]
      .filter(log => log.config.mayHaveGaps)
      .map(log => ({ ...log.topicPartition, offset: log.firstDirtyOffset }))
    return [...lines, ...this.#unopenedLines(this.#firstDirty)]
  }

  #unopenedLines(checkpoint: OffsetCheckpoint): PartitionOffset[] {
    const lines: PartitionOffset[] = []
    for (const [key, { topic, partition }] of this.#unopened) {
      const offset = checkpoint.get(key)
      if (offset !== undefined) lines.push({ topic, partition, offset })
    }
    return lines
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  /**
   * Closes every log and writes the checkpoints, with these high watermarks; the folder counts as
   * closed cleanly if all of them closed cleanly. If the checkpoints cannot be written, the next
   * opening scans. Throws LOG_OFFLINE, after everything is closed, if records of a log could not be
   * made durable.
   */
  async close(highWatermarks?: readonly PartitionOffset[]): Promise<void> {
    for (const timer of this.#removals) timer.cancel()
    let isClean = this.#unopened.size === 0
    let loss: PartlogError | undefined
    await eachOf(this.#logs.values(), CLOSE_AT_ONCE, async log => {
      const wasOnline = log.offlineReason === undefined
      const isClosedCleanly = await log.close()
      isClean &&= isClosedCleanly
      if (wasOnline && log.durableEndOffset < log.logEndOffset) loss ??= log.offlineReason
    })
    try {
      await this.#checkpoints.run(async () => {
        const watermarks = highWatermarks === undefined ? {} : { highWatermarks }
        await this.#files.write({ ...this.#lines(), ...watermarks, isCleanEnd: isClean })
      })
    } catch (error) {
      const { logger } = this.#options
      logger.warn(`${this.root} was not closed cleanly, opening it will scan`, { error })
    }
    if (loss !== undefined) throw loss
  }

  /** Closes all files without syncing, as a crash would. */
  async abandon(): Promise<void> {
    for (const timer of this.#removals) timer.cancel()
    for (const log of this.#logs.values()) await log.abandon()
    await this.#checkpoints.idle()
  }

  async #openOrCreate(partition: KnownPartition, key: string): Promise<Log> {
    const { disk, onCorruption, clock, random, logger, isCommittedDurable } = this.#options
    const zerosAhead = isCommittedDurable === true ? ZEROS_AHEAD : undefined
    const { topic, topicId, settings } = partition
    const folder = join(this.root, partitionFolder(partition))
    const topicPartition = { topic, partition: partition.partition }
    const saveCheckpoints = (): Promise<void> => this.writeCheckpoints()
    const cache = this.#cache
    const context = {
      disk,
      folder,
      topicPartition,
      clock,
      random,
      logger,
      settings,
      zerosAhead,
      cache,
      saveCheckpoints,
    }
    const knownId = this.#topicIds.get(partitionFolder(partition))
    this.#topicIds.delete(partitionFolder(partition)) // it may change from now on
    if (knownId === undefined && !disk.exists(folder)) { // an id was read from the folder just now
      refuseLostFolder(folder, this.#recoveryPoints.get(key) ?? 0, this.#logStarts.get(key) ?? 0)
      if (this.#outdated.has(key)) await this.writeCheckpoints()
      await this.#watermarks.forget(partition)
      this.#hasNewNames = true
      return createLog(context, topicId)
    }
    const recoveryPoint = this.#recoveryPoints.get(key) ?? 0
    if (knownId !== topicId) {
      await claimPartitionFolder({ disk, folder, topicId, isSynced: recoveryPoint > 0 })
    }
    const { log, findings } = await openLog(context, {
      recoveryPoint,
      durableOffset: this.#durableOffsetOf(partition),
      logStartOffset: this.#logStarts.get(key),
      isSealed: this.#isSealed,
      firstDirtyOffset: this.#firstDirty.get(key) ?? 0,
      wasClosedCleanly: this.wasClosedCleanly,
      leaderEpochMax: partition.leaderEpoch ?? Infinity,
      isReplicated: partition.isReplicated ?? true,
      onCorruption,
    })
    this.#note(folder, findings)
    return log
  }

  /**
   * The offset below which the log must still have its records, because they were committed and so
   * durable; 0 if it is unknown. A replicated log may have been truncated since.
   */
  #durableOffsetOf(partition: KnownPartition): Offset {
    const { isReplicated = true } = partition
    const isKnown = this.#options.isCommittedDurable === true && this.#isSealed.highWatermarks
    return isKnown && !isReplicated ? this.#watermarks.of(partition) : 0
  }

  #note(folder: string, findings: readonly RecoveryFinding[]): void {
    for (const finding of findings) {
      this.#options.logger.warn(`${folder}: ${finding.kind}`, { ...finding })
      this.findings.push(finding)
    }
  }

  /** Removes a deleted folder: its files first, because the checkpoints may need the room. */
  async #remove(path: string): Promise<void> {
    const { disk, logger } = this.#options
    try {
      if (!this.#outdated.isEmpty) {
        for (const { name } of disk.list(path)) await disk.remove(join(path, name))
        await this.writeCheckpoints()
      }
      await disk.remove(path)
    } catch (error) {
      logger.warn(`${path} could not be removed yet`, { error })
    }
  }
}

function refuseLostFolder(folder: string, recoveryPoint: Offset, logStart: Offset): void {
  if (recoveryPoint <= logStart) return
  throw new PartlogError(
    'CORRUPT_LOG',
    `${folder} is missing, it held records up to offset ${recoveryPoint}. Restore it from a ` +
      'copy, or delete the topic',
  )
}

/**
 * The producers of a log: their state, and the snapshot files that make it quick to build again.
 *
 * Opening takes the newest snapshot that can be read and goes over the batches behind it. A
 * snapshot is written where a segment begins, wherever the recovery point is put, and at a clean
 * close, so what lies below the recovery point is not read again.
 *
 * Invariants
 * - A snapshot at an offset holds the state of everything below it.
 * - There is none above the log's end: one that was left there would be believed when the log has
 *   grown over it, with other records. So their removal is synced before anything is appended.
 * - Nothing depends on a snapshot: one that cannot be written or read costs time.
 */

import { BytesError } from '../../base/bytes.js'
import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import { isDiskError, join, readSmallFile, type Disk, type DiskFile } from '../../disk/disk.js'
import type { Batch } from '../../model/batch.js'
import type { Offset, Position } from '../../model/units.js'
import { parseSegmentFile, segmentFile } from '../format/files.js'
import { IndexError } from '../format/index-file.js'
import { ProducerState, type WrittenBatch } from '../format/producer-state.js'
import { scanBatches } from '../format/scan.js'
import type { Segment } from './segment.js'

const SNAPSHOT_MAX_BYTES = 64 * 1024 * 1024

export interface ProducersContext {
  readonly disk: Disk
  readonly folder: string
  readonly clock: Clock
  readonly logger: Logger
}

/** What a log holds. */
export interface LogExtent {
  readonly segments: readonly Segment[]
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
}

export class Producers {
  readonly #context: ProducersContext
  #state = new ProducerState()
  /** Where the state was last written down. */
  #snapshotAt: Offset
  readonly #unsynced: DiskFile[] = []

  private constructor(context: ProducersContext, snapshotAt: Offset) {
    this.#context = context
    this.#snapshotAt = snapshotAt
  }

  /** Those of a new log. */
  static none(context: ProducersContext): Producers {
    return new Producers(context, 0)
  }

  /** Those of a log that is being opened. */
  static async load(context: ProducersContext, extent: LogExtent): Promise<Producers> {
    const producers = new Producers(context, extent.logStartOffset)
    if (await producers.#dropAbove(extent.logEndOffset)) {
      await context.disk.syncDirectory(context.folder)
    }
    await producers.#rebuild(extent)
    return producers
  }

  /** How many are known. */
  get count(): number {
    return this.#state.size
  }

  /**
   * Where a batch stands that is in the log already. Throws INVALID_PRODUCER_EPOCH or
   * OUT_OF_ORDER_SEQUENCE_NUMBER when it must not be appended.
   */
  check(batch: Batch): WrittenBatch | undefined {
    return this.#state.check(batch)
  }

  /** Does this batch hold the last records of a producer who is known? */
  isLast(batch: Batch): boolean {
    return this.#state.isLast(batch)
  }

  /** Takes note of a batch that was appended. */
  note(batch: Batch, now: number): void {
    this.#state.update(batch, now)
  }

  expire(afterMs: number): void {
    this.#state.expire(this.#context.clock.now(), afterMs)
  }

  /** Builds the state anew after the log was cut. Nothing may be appended meanwhile. */
  async reload(extent: LogExtent): Promise<void> {
    await this.#dropAbove(extent.logEndOffset)
    // Also what was removed earlier: it must not come back above the new end.
    await this.#context.disk.syncDirectory(this.#context.folder)
    await this.#rebuild(extent)
  }

  // ── snapshots ──────────────────────────────────────────────────────────────────────────

  /** Writes the state down, which is that below `offset`. Durable after `sync`. */
  snapshot(offset: Offset): void {
    if (offset === this.#snapshotAt) return
    const { disk, logger } = this.#context
    const path = this.#path(offset)
    try {
      // One that an earlier attempt has left may be there.
      const file = disk.exists(path) ? disk.open(path) : disk.create(path)
      this.#unsynced.push(file)
      if (file.size > 0) file.truncate(0)
      file.append(this.#state.toSnapshot())
      this.#snapshotAt = offset
    } catch (error) {
      if (!isDiskError(error)) throw error
      logger.warn(`${path} could not be written`, { error })
    }
  }

  /** Makes snapshots durable, and removes those that are not needed any more. */
  async sync(segments: readonly Segment[]): Promise<void> {
    for (let file = this.#unsynced[0]; file !== undefined; file = this.#unsynced[0]) {
      await file.sync()
      this.#unsynced.shift()
      file.close()
    }
    await this.#prune(segments)
  }

  /** Removes snapshots that no segment begins at, but for the newest. */
  async #prune(segments: readonly Segment[]): Promise<void> {
    const { logger } = this.#context
    const bases = new Set(segments.map(({ baseOffset }) => baseOffset))
    const [, ...older] = this.#offsets()
    for (const offset of older.filter(each => !bases.has(each))) {
      await this.#remove(offset).catch((error: unknown) => {
        logger.warn(`${this.#path(offset)} stays for now`, { error })
      })
    }
  }

  close(): void {
    for (const file of this.#unsynced.splice(0)) file.close()
  }

  /** Offsets of the snapshots there are, the newest first. */
  #offsets(): Offset[] {
    const { disk, folder } = this.#context
    return disk
      .list(folder)
      .map(({ name }) => parseSegmentFile(name))
      .filter(parsed => parsed?.kind === 'snapshot')
      .map(parsed => parsed?.baseOffset as Offset)
      .sort((a, b) => b - a)
  }

  async #dropAbove(end: Offset): Promise<boolean> {
    const above = this.#offsets().filter(offset => offset > end)
    for (const offset of above) await this.#remove(offset)
    return above.length > 0
  }

  async #remove(offset: Offset): Promise<void> {
    await this.#context.disk.remove(this.#path(offset))
  }

  #path(offset: Offset): string {
    return join(this.#context.folder, segmentFile(offset, 'snapshot'))
  }

  // ── coming back ────────────────────────────────────────────────────────────────────────

  async #rebuild(extent: LogExtent): Promise<void> {
    this.close()
    const { segments, logStartOffset, logEndOffset } = extent
    const found = await this.#newestSnapshot()
    this.#state = found?.state ?? new ProducerState()
    this.#snapshotAt = found?.offset ?? logStartOffset
    if (this.#snapshotAt < logEndOffset) await this.#replay(segments, this.#snapshotAt)
  }

  async #newestSnapshot(): Promise<{ state: ProducerState; offset: Offset } | undefined> {
    const { disk, clock, logger } = this.#context
    for (const offset of this.#offsets()) {
      const path = this.#path(offset)
      const bytes = await readSmallFile(disk, path, SNAPSHOT_MAX_BYTES)
      try {
        const state = ProducerState.fromSnapshot(bytes ?? Buffer.alloc(0), clock.now())
        return { state, offset }
      } catch (error) {
        if (!(error instanceof BytesError)) throw error
        logger.warn(`${path} is damaged and removed: ${error.message}`)
        await this.#remove(offset)
      }
    }
    return undefined
  }

  /** Goes over the batches from an offset on. Bytes that are no batch are for readers to find. */
  async #replay(segments: readonly Segment[], from: Offset): Promise<void> {
    const { clock, logger } = this.#context
    const now = clock.now()
    const note = (batch: Batch): undefined => {
      if (batch.baseOffset >= from) this.#state.update(batch, now)
    }
    const first = segments.findLastIndex(({ baseOffset }) => baseOffset <= from)
    for (const segment of segments.slice(Math.max(first, 0))) {
      const start = segment.baseOffset < from ? await positionOf(segment, from) : 0
      const { reason } = await scanBatches(segment.file, note, { from: start, checksCrc: false })
      if (reason === undefined) continue
      logger.warn(`${segment.file.path}: not all producers are known again: ${reason}`)
    }
  }
}

async function positionOf(segment: Segment, offset: Offset): Promise<Position> {
  try {
    return await segment.positionOf(offset)
  } catch (error) {
    if (error instanceof IndexError) return 0
    throw error
  }
}

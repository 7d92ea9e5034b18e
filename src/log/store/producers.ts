/*
 * The producers of a log: their state, and the snapshot files from which it is quick to rebuild.
 *
 * Opening loads the newest readable snapshot and replays the batches after it. A snapshot is
 * written where a segment begins, at each new recovery point and at a clean close, so batches
 * below the recovery point are not read again.
 *
 * Invariants
 * - A snapshot at an offset holds the state of everything below it.
 * - No snapshot lies above the log's end: it would be loaded after the log has grown past it with
 *   other records. So the removal of snapshots is synced before anything is appended.
 * - Nothing depends on a snapshot: one that cannot be written or read only costs time.
 */

import { BytesError } from '../../base/bytes.js'
import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import {
  isDiskError,
  join,
  readSmallFile,
  type Disk,
  type DiskEntry,
  type DiskFile,
} from '../../disk/disk.js'
import type { Batch } from '../../model/batch/batch.js'
import { NONE, type Offset, type Position } from '../../model/units.js'
import { parseSegmentFile, segmentFile } from '../format/files.js'
import { IndexError } from '../format/index-file.js'
import {
  ProducerState,
  type ActiveProducer,
  type EndedTransaction,
  type WrittenBatch,
} from '../format/producer-state.js'
import { scanHeaders } from '../format/scan.js'
import type { Segment } from './segment.js'

const SNAPSHOT_MAX_BYTES = 64 * 1024 * 1024

export interface ProducersContext {
  readonly disk: Disk
  readonly folder: string
  readonly clock: Clock
  readonly logger: Logger
}

/** The segments and offsets of a log. */
export interface LogExtent {
  readonly segments: readonly Segment[]
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
}

interface LoadOptions {
  /** The files in the log's folder. */
  readonly entries: readonly DiskEntry[]
  readonly syncedTo: Offset
  /** Replays every batch, because a transaction index is damaged. Default false. */
  readonly isAnew?: boolean
}

interface ReadSnapshot {
  readonly state: ProducerState
  readonly offset: Offset
}

export class Producers {
  readonly #context: ProducersContext
  #state = new ProducerState()
  /** The offset of the last snapshot. */
  #snapshotAt: Offset
  readonly #unsynced: DiskFile[] = []
  /** Transactions whose end marker may not be committed yet, in the order of the markers. */
  #ended: EndedTransaction[] = []
  #endsSeen = 0
  /** Snapshots that could not be written as a whole: their files must go. */
  readonly #failed = new Set<Offset>()
  #hasRemoved = false

  private constructor(context: ProducersContext, snapshotAt: Offset) {
    this.#context = context
    this.#snapshotAt = snapshotAt
  }

  /** The producers of a new log: none. */
  static none(context: ProducersContext): Producers {
    return new Producers(context, 0)
  }

  /**
   * The producers of a log that is being opened; `entries` are those of its folder. Snapshots above
   * `syncedTo`, the recovery point, are not used: they may not be durable, and the transaction
   * indexes may lack what was aborted below them. What a power cut has left of them is removed.
   */
  static async load(
    context: ProducersContext,
    extent: LogExtent,
    { entries, syncedTo, isAnew = false }: LoadOptions,
  ): Promise<Producers> {
    const producers = new Producers(context, extent.logStartOffset)
    const found = snapshotsIn(entries)
    await producers.#dropAbove(extent.logEndOffset, found)
    const left = found.filter(offset => offset <= extent.logEndOffset)
    await producers.#rebuild(extent, left, isAnew ? NONE : syncedTo)
    await producers.#syncFrom(syncedTo)
    // A second power cut must not bring back what was removed: above the end, or damaged.
    if (producers.#hasRemoved) await context.disk.syncDirectory(context.folder)
    return producers
  }

  /** The offset of the last snapshot. */
  get snapshotAt(): Offset {
    return this.#snapshotAt
  }

  /** How many producers are known. */
  get count(): number {
    return this.#state.size
  }

  /**
   * The place of the batch if it is already in the log. Throws INVALID_PRODUCER_EPOCH or
   * OUT_OF_ORDER_SEQUENCE_NUMBER if it must not be appended.
   */
  check(batch: Batch): WrittenBatch | undefined {
    return this.#state.check(batch)
  }

  /** True if the batch is new and comes next: `check` has nothing to say about it. */
  isNext(batch: Batch): boolean {
    return this.#state.isNext(batch)
  }

  /** True if the batch holds the last records of a known producer. */
  isLast(batch: Batch): boolean {
    return this.#state.isLast(batch)
  }

  /** Updates the state with a batch that was appended to `segment`. */
  note(batch: Batch, now: number, segment: Segment): void {
    const ended = this.#state.update(batch, now)
    if (batch.isControl) this.#endsSeen++
    if (ended === undefined) return
    const { producerId, firstOffset, lastOffset, isAborted } = ended
    this.#ended.push(ended)
    if (!isAborted) return
    const lastStableOffset = Math.min(this.#state.firstOpenOffset, lastOffset + 1)
    segment.aborted.add({ producerId, firstOffset, lastOffset, lastStableOffset })
  }

  /** Every known producer. */
  get active(): ActiveProducer[] {
    return this.#state.active
  }

  /** Grows with every end marker. */
  get endsSeen(): number {
    return this.#endsSeen
  }

  /** True if the producer has an open transaction of this epoch in this log. */
  hasOpenTransaction(producerId: number, epoch: number): boolean {
    return this.#state.hasOpen(producerId, epoch)
  }

  /** The epoch of the last batch of a producer, end markers included; −1 if it is not known. */
  epochOf(producerId: number): number {
    return this.#state.epochOf(producerId)
  }

  /**
   * Every transaction below has ended, by a marker below the high watermark: what read_committed
   * consumers may read (Kafka's last stable offset).
   */
  lastStableOffset(highWatermark: Offset): Offset {
    while ((this.#ended[0]?.lastOffset ?? Infinity) < highWatermark) this.#ended.shift()
    let first = Math.min(this.#state.firstOpenOffset, highWatermark)
    for (const { firstOffset } of this.#ended) first = Math.min(first, firstOffset)
    return first
  }

  expire(afterMs: number): void {
    this.#state.expire(this.#context.clock.now(), afterMs)
  }

  /** Rebuilds the state after a truncation. Nothing may be appended meanwhile. */
  async reload(extent: LogExtent): Promise<void> {
    await this.#dropAbove(extent.logEndOffset, this.#offsets())
    await this.#rebuild(extent, this.#offsets())
    // Always: snapshots removed earlier must not reappear above the new end either.
    await this.#context.disk.syncDirectory(this.#context.folder)
  }

  // ── snapshots ──────────────────────────────────────────────────────────────────────────

  /** Writes a snapshot at `offset`, which must be the log's end. Durable after `sync`. */
  snapshot(offset: Offset): void {
    if (offset === this.#snapshotAt) return
    const { disk, logger } = this.#context
    const path = this.#path(offset)
    try {
      // An earlier attempt may have left a file.
      const file = disk.exists(path) ? disk.open(path) : disk.create(path)
      this.#unsynced.push(file)
      if (file.size > 0) file.truncate(0)
      file.append(this.#state.toSnapshot())
      this.#snapshotAt = offset
      this.#failed.delete(offset)
    } catch (error) {
      if (!isDiskError(error)) throw error
      this.#failed.add(offset)
      logger.warn(`${path} could not be written`, { error })
    }
  }

  /** Makes snapshots durable and removes the ones that are no longer needed. */
  async sync(segments: readonly Segment[]): Promise<void> {
    for (let file = this.#unsynced[0]; file !== undefined; file = this.#unsynced[0]) {
      await file.sync()
      this.#unsynced.shift()
      file.close()
    }
    await this.#prune(segments)
  }

  /** Removes what failed, and snapshots where no segment begins, except the newest. */
  async #prune(segments: readonly Segment[]): Promise<void> {
    for (const offset of [...this.#failed]) {
      if (await this.#isRemoved(offset)) this.#failed.delete(offset)
    }
    const bases = new Set(segments.map(({ baseOffset }) => baseOffset))
    const [, ...older] = this.#offsets()
    for (const offset of older) if (!bases.has(offset)) await this.#isRemoved(offset)
  }

  async #isRemoved(offset: Offset): Promise<boolean> {
    try {
      await this.#remove(offset)
      return true
    } catch (error) {
      this.#context.logger.warn(`${this.#path(offset)} could not be removed yet`, { error })
      return false
    }
  }

  /**
   * A process that died may not have synced what it wrote at its last recovery point and above;
   * the next opening would take it for durable.
   */
  async #syncFrom(recoveryPoint: Offset): Promise<void> {
    if (recoveryPoint === Infinity) return // closed cleanly
    for (const offset of this.#offsets()) {
      if (offset < recoveryPoint) return
      const file = this.#context.disk.open(this.#path(offset))
      await file.sync().finally(() => file.close())
    }
  }

  close(): void {
    for (const file of this.#unsynced.splice(0)) file.close()
  }

  /** The offsets of the snapshots in the folder, the newest first. */
  #offsets(): Offset[] {
    return snapshotsIn(this.#context.disk.list(this.#context.folder))
  }

  async #dropAbove(end: Offset, found: readonly Offset[]): Promise<void> {
    for (const offset of found) if (offset > end) await this.#remove(offset)
  }

  async #remove(offset: Offset): Promise<void> {
    await this.#context.disk.remove(this.#path(offset))
    this.#hasRemoved = true
  }

  #path(offset: Offset): string {
    return join(this.#context.folder, segmentFile(offset, 'snapshot'))
  }

  // ── rebuilding ─────────────────────────────────────────────────────────────────────────

  async #rebuild(
    extent: LogExtent,
    snapshots: readonly Offset[],
    syncedTo = Infinity,
  ): Promise<void> {
    this.close()
    const { segments, logStartOffset, logEndOffset } = extent
    const found = await this.#newestSnapshot(snapshots, syncedTo)
    this.#state = found?.state ?? new ProducerState()
    this.#ended = []
    this.#snapshotAt = found?.offset ?? logStartOffset
    if (this.#snapshotAt < logEndOffset) await this.#replay(segments, this.#snapshotAt)
  }

  /** The newest up to `syncedTo`. Removes damaged ones: those it meets first, and all above. */
  async #newestSnapshot(
    snapshots: readonly Offset[],
    syncedTo: Offset,
  ): Promise<ReadSnapshot | undefined> {
    let newest: ReadSnapshot | undefined
    for (const offset of snapshots) {
      if (newest !== undefined && offset <= syncedTo) break
      const state = await this.#readSnapshot(offset)
      if (state !== undefined && offset <= syncedTo) newest ??= { state, offset }
    }
    return newest
  }

  /** Undefined if it is damaged, and removed. */
  async #readSnapshot(offset: Offset): Promise<ProducerState | undefined> {
    const { disk, clock, logger } = this.#context
    const path = this.#path(offset)
    const bytes = await readSmallFile(disk, path, SNAPSHOT_MAX_BYTES)
    try {
      return ProducerState.fromSnapshot(bytes ?? Buffer.alloc(0), clock.now())
    } catch (error) {
      if (!(error instanceof BytesError)) throw error
      logger.warn(`${path} is damaged and removed: ${error.message}`)
      await this.#remove(offset)
      return undefined
    }
  }

  /** Replays the batches from an offset on. Stops at a break, which the next read reports. */
  async #replay(segments: readonly Segment[], from: Offset): Promise<void> {
    const { clock, logger } = this.#context
    const now = clock.now()
    const first = segments.findLastIndex(({ baseOffset }) => baseOffset <= from)
    for (const segment of segments.slice(Math.max(first, 0))) {
      const note = (batch: Batch): undefined => {
        if (batch.baseOffset >= from) this.note(batch, now, segment)
      }
      const start = segment.baseOffset < from ? await positionOf(segment, from) : 0
      const turn = (): Promise<void> => clock.turn()
      const { reason } = await scanHeaders(segment.file, note, { from: start, turn })
      if (reason === undefined) continue
      logger.warn(`${segment.file.path}: some producers could not be restored: ${reason}`)
    }
  }
}

/** The offsets of the snapshots in a folder, the newest first. */
function snapshotsIn(entries: readonly DiskEntry[]): Offset[] {
  return entries
    .map(({ name }) => parseSegmentFile(name))
    .filter(parsed => parsed?.kind === 'snapshot')
    .map(parsed => parsed?.baseOffset as Offset)
    .sort((a, b) => b - a)
}

async function positionOf(segment: Segment, offset: Offset): Promise<Position> {
  try {
    return await segment.positionOf(offset)
  } catch (error) {
    if (error instanceof IndexError) return 0
    throw error
  }
}

/**
 * The times of a segment's records: which is the newest, and where times are looked for.
 *
 * A time index has no checksum, and retention deletes by it. So nothing it says is believed before
 * the batch it speaks of has been asked; and before a segment is deleted, or passed over by one who
 * looks for a time, those batches are asked that the index may have left out because it was cut.
 */

import type { DiskFile } from '../../disk/disk.js'
import { Batch, BATCH_HEADER_BYTES, frameAt } from '../../model/batch.js'
import { NONE, type Offset, type Position, type Timestamp } from '../../model/units.js'
import { IndexError } from '../format/index-file.js'
import { DamagedBytesError } from '../format/log-errors.js'
import { scanBatches } from '../format/scan.js'
import type { TimeIndex, TimeIndexEntry } from '../format/time-index.js'

/** The segment whose times these are. */
export interface TimedSegment {
  readonly file: DiskFile
  /** Where the batch begins that holds an offset. Throws IndexError when that is not known. */
  positionOf(offset: Offset): Promise<Position>
  /** Builds the indexes anew, and notes the times of all batches. */
  rebuildIndexes(): Promise<void>
}

export class SegmentTimes {
  readonly #segment: TimedSegment
  readonly #index: TimeIndex
  #newest: TimeIndexEntry | undefined
  /** Up to here every batch was asked, and its checksum compared. */
  #measuredBytes = 0
  /** The batches behind the index's last entry were asked. */
  #isTailKnown = false

  constructor(segment: TimedSegment, index: TimeIndex) {
    this.#segment = segment
    this.#index = index
  }

  /** The newest time, as far as it is known without reading; −1 when it is not. */
  get newestTimestamp(): Timestamp {
    return this.#newest?.timestamp ?? NONE
  }

  /** Was every batch asked? */
  get isMeasured(): boolean {
    return this.#measuredBytes >= this.#segment.file.size
  }

  // ── growing ────────────────────────────────────────────────────────────────────────────

  /** Bytes that this process has made are going to be noted. */
  grown(from: Position, to: Position): void {
    if (this.#measuredBytes === from) this.#measuredBytes = to
  }

  /** Takes note of a batch. */
  note({ maxTimestamp: timestamp, lastOffset: offset }: Batch): void {
    if (timestamp > this.newestTimestamp || this.#newest === undefined) {
      this.#newest = { timestamp, offset }
    }
  }

  /** The newest time goes into the index, if it is not there. */
  index(): void {
    if (this.#newest !== undefined) {
      this.#index.appendIfNewer(this.#newest.timestamp, this.#newest.offset)
    }
  }

  /** Nothing is known any more: the file was cut, or the index emptied. */
  forget(): void {
    this.#newest = undefined
    this.#measuredBytes = 0
    this.#isTailKnown = false
  }

  /** Takes over what the index says, which must be checked yet. */
  async load(): Promise<void> {
    await this.#index.load()
    this.forget()
    this.#newest = this.#index.last
  }

  // ── asking ─────────────────────────────────────────────────────────────────────────────

  /**
   * The newest time and the last offset of its batch, as the index has it; one that its batch
   * contradicts is built anew. An index that was cut may leave newer ones out.
   */
  async newest(): Promise<TimeIndexEntry | undefined> {
    if (this.#newest !== undefined || this.isMeasured) return this.#newest
    try {
      await this.#index.load()
      const { last } = this.#index
      if (last === undefined) throw new IndexError(`${this.#index.file.path} is empty`)
      await this.check(last)
      this.#newest ??= last
    } catch (error) {
      if (!(error instanceof IndexError)) throw error
      await this.#segment.rebuildIndexes()
    }
    return this.#newest
  }

  /** As `newest`, and no batch behind the index's last entry is newer. */
  async newestOfAll(): Promise<TimeIndexEntry | undefined> {
    const known = await this.newest()
    if (this.isMeasured || this.#isTailKnown) return known
    const behind = (known?.offset ?? NONE) + 1
    await this.#ask(await this.#segment.positionOf(behind).catch(orStart), false)
    this.#isTailKnown = true
    return this.#newest
  }

  /** Asks every batch for its time. Throws DamagedBytesError where one cannot be believed. */
  async measure(): Promise<void> {
    const end = await this.#ask(0, true)
    this.#measuredBytes = Math.max(this.#measuredBytes, end)
  }

  /**
   * The greatest entry of the index that is older than `target`. Throws IndexError when the batch
   * it speaks of says something else.
   */
  async before(target: Timestamp): Promise<TimeIndexEntry | undefined> {
    const entry = await this.#index.lookupBefore(target)
    if (entry !== undefined) await this.check(entry)
    return entry
  }

  /** Throws IndexError unless the batch that an entry speaks of is of its time. */
  async check(entry: TimeIndexEntry): Promise<void> {
    const { file } = this.#segment
    const position = await this.#segment.positionOf(entry.offset)
    const header = await file.read(position, BATCH_HEADER_BYTES)
    const isBatch = header.length === BATCH_HEADER_BYTES && frameAt(header, 0, header.length) > 0
    if (isBatch && isOf(new Batch(header, 0), entry)) return
    throw this.#wrong(entry)
  }

  #wrong({ offset, timestamp }: TimeIndexEntry): IndexError {
    const { path } = this.#index.file
    return new IndexError(`${path}: no batch at offset ${offset} is of ${timestamp}`)
  }

  /** Notes the times from a position to the end, which is returned. */
  async #ask(from: Position, checksCrc: boolean): Promise<Position> {
    const { file } = this.#segment
    const note = (batch: Batch): undefined => this.note(batch) as undefined
    const { position, reason } = await scanBatches(file, note, { from, checksCrc })
    if (reason !== undefined) throw new DamagedBytesError(file.path, position, reason)
    return position
  }
}

/** Does the batch hold what an entry of a time index speaks of? */
export function isOf(batch: Batch, { offset, timestamp }: TimeIndexEntry): boolean {
  const { baseOffset, lastOffset, maxTimestamp } = batch
  return baseOffset <= offset && lastOffset >= offset && maxTimestamp === timestamp
}

/** An index that leads nowhere is no index. */
export function orStart(error: unknown): Position {
  if (error instanceof IndexError) return 0
  throw error
}

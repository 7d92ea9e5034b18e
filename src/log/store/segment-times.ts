/*
 * The times of a segment's records: the newest one, and look-ups by time.
 *
 * A time index has no checksum, and retention deletes by it. So an entry is used only after it was
 * checked against its batch. An index that was cut short may lack newer times: so before a segment
 * is deleted, or skipped in a look-up, the batches after the last entry are read too.
 */

import type { DiskFile } from '../../disk/disk.js'
import { Batch, BATCH_HEADER_BYTES, frameAt } from '../../model/batch/batch.js'
import { NONE, type Offset, type Position, type Timestamp } from '../../model/units.js'
import { IndexError } from '../format/index-file.js'
import { DamagedBytesError } from '../format/log-errors.js'
import { scanBatches } from '../format/scan.js'
import type { TimeIndex, TimeIndexEntry } from '../format/time-index.js'

/** The segment whose times these are. */
export interface TimedSegment {
  readonly file: DiskFile
  /** The position of the batch that contains an offset. Throws IndexError if the index is wrong. */
  positionOf(offset: Offset): Promise<Position>
  /** Rebuilds the indexes and notes the times of all batches. */
  rebuildIndexes(): Promise<void>
}

export class SegmentTimes {
  readonly #segment: TimedSegment
  readonly #index: TimeIndex
  #newest: TimeIndexEntry | undefined
  /** The times of all batches below this position were read, and their checksums compared. */
  #measuredBytes = 0
  /** The times of the batches after the index's last entry were read. */
  #isTailKnown = false

  constructor(segment: TimedSegment, index: TimeIndex) {
    this.#segment = segment
    this.#index = index
  }

  /** The newest time, if it is known without reading; otherwise −1. */
  get newestTimestamp(): Timestamp {
    return this.#newest?.timestamp ?? NONE
  }

  /** True if the time of every batch was read. */
  get isMeasured(): boolean {
    return this.#measuredBytes >= this.#segment.file.size
  }

  // ── growing ────────────────────────────────────────────────────────────────────────────

  /** This process has appended or checked these bytes and notes their batches. */
  grown(from: Position, to: Position): void {
    if (this.#measuredBytes === from) this.#measuredBytes = to
  }

  /** Notes the time of a batch. */
  note({ maxTimestamp: timestamp, lastOffset: offset }: Batch): void {
    if (timestamp > this.newestTimestamp || this.#newest === undefined) {
      this.#newest = { timestamp, offset }
    }
  }

  /** Adds the newest time to the index, unless it is there. */
  index(): void {
    if (this.#newest !== undefined) {
      this.#index.appendIfNewer(this.#newest.timestamp, this.#newest.offset)
    }
  }

  /** Forgets all times: the file was truncated or the index was emptied. */
  forget(): void {
    this.#newest = undefined
    this.#measuredBytes = 0
    this.#isTailKnown = false
  }

  /** Loads the newest time from the index, unchecked. */
  async load(): Promise<void> {
    await this.#index.load()
    this.forget()
    this.#newest = this.#index.last
  }

  // ── look-ups ───────────────────────────────────────────────────────────────────────────

  /**
   * The newest time in the index and the last offset of its batch; rebuilds the index if the batch
   * contradicts it. An index that was cut short may lack newer times.
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

  /** Like `newest`, but also reads the batches after the index's last entry. */
  async newestOfAll(): Promise<TimeIndexEntry | undefined> {
    const known = await this.newest()
    if (this.isMeasured || this.#isTailKnown) return known
    const next = (known?.offset ?? NONE) + 1
    await this.#readTimes(await this.#segment.positionOf(next).catch(startIfIndexError), false)
    this.#isTailKnown = true
    return this.#newest
  }

  /** Reads the time of every batch. Throws DamagedBytesError if a batch is invalid. */
  async measure(): Promise<void> {
    const end = await this.#readTimes(0, true)
    this.#measuredBytes = Math.max(this.#measuredBytes, end)
  }

  /**
   * The greatest entry of the index that is older than `target`. Throws IndexError if its batch
   * contradicts it.
   */
  async before(target: Timestamp): Promise<TimeIndexEntry | undefined> {
    const entry = await this.#index.lookupBefore(target)
    if (entry !== undefined) await this.check(entry)
    return entry
  }

  /** Throws IndexError unless the batch of an entry has the entry's time. */
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
    return new IndexError(`${path}: no batch at offset ${offset} has the time ${timestamp}`)
  }

  /** Notes the times of all batches from a position on; returns where they end. */
  async #readTimes(from: Position, checksCrc: boolean): Promise<Position> {
    const { file } = this.#segment
    const note = (batch: Batch): undefined => this.note(batch) as undefined
    const { position, reason } = await scanBatches(file, note, {
      from,
      checksCrc,
      isPassing: true,
    })
    if (reason !== undefined) throw new DamagedBytesError(file.path, position, reason)
    return position
  }
}

/** True if an entry of a time index is about the batch, and has its time. */
export function isOf(batch: Batch, { offset, timestamp }: TimeIndexEntry): boolean {
  const { baseOffset, lastOffset, maxTimestamp } = batch
  return baseOffset <= offset && lastOffset >= offset && maxTimestamp === timestamp
}

/** Position 0 after an IndexError: without the index, reading begins at the start. */
export function startIfIndexError(error: unknown): Position {
  if (error instanceof IndexError) return 0
  throw error
}

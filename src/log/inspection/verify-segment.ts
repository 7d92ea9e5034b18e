/*
 * Walks one segment batch by batch along with its two indexes; reports its contents and problems.
 *
 * The CRC of a batch leaves out its offset and epoch: offsets must follow each other, epochs must
 * match the epoch checkpoint. Gaps are also listed apart from other problems: only the whole log
 * shows whether compaction has made them.
 */

import { isDiskError, join, type Disk, type DiskFile } from '../../disk/disk.js'
import type { Batch } from '../../model/batch/batch.js'
import { isReadable } from '../../model/batch/compression.js'
import { RecordCursor } from '../../model/batch/record-cursor.js'
import {
  NONE,
  type LeaderEpoch,
  type Offset,
  type Position,
  type Timestamp,
} from '../../model/units.js'
import { segmentFile, type SegmentFileKind } from '../format/files.js'
import { OFFSET_ENTRY, TIME_ENTRY } from '../format/index-entry.js'
import { IndexWalk } from '../format/index-walk.js'
import type { LeaderEpochs } from '../format/leader-epochs.js'
import { findBatch, scanBatches, type ScanEnd } from '../format/scan.js'
import { judgeTail } from '../recovery/tail-for-readers.js'
import type { KnownBounds } from './known-bounds.js'
import { readWhole } from './surroundings.js'
import type { Problem } from './verify-files.js'

/** A segment in numbers. */
export interface SegmentSummary {
  readonly file: string
  readonly baseOffset: Offset
  readonly bytes: number
  readonly batches: number
  readonly records: number
  readonly controlBatches: number
  /** null if there is no batch. */
  readonly firstOffset: Offset | null
  readonly lastOffset: Offset | null
  /** Offsets that no batch covers: normal in a compacted log. */
  readonly missingOffsets: number
  readonly newestTimestamp: Timestamp
  /** Batches by codec. */
  readonly codecs: Readonly<Record<string, number>>
  readonly offsetIndexEntries: number
  readonly timeIndexEntries: number
}

/** Called for each batch and index entry, for tools that print them. */
export interface InspectVisitor {
  onBatch?(batch: Batch, position: Position): void
  onOffsetEntry?(offset: Offset, position: Position): void
  onTimeEntry?(timestamp: Timestamp, offset: Offset): void
}

export interface WalkOptions {
  readonly disk: Disk
  readonly folder: string
  readonly baseOffset: Offset
  readonly has: (baseOffset: Offset, kind: SegmentFileKind) => boolean
  readonly visitor: InspectVisitor
  readonly problems: Problem[]
  /** The problems that are normal in a compacted log. */
  readonly gaps: Problem[]
  readonly epochs: LeaderEpochs
  readonly bounds: KnownBounds
  readonly isFirst: boolean
  readonly isLast: boolean
  /** The end of the previous segment, or the known start of the log. */
  readonly before: LogEnd
}

/** The next offset and the last epoch; −1 if unknown. */
export interface LogEnd {
  readonly nextOffset: Offset
  readonly epoch: LeaderEpoch
  /** The log is damaged there: more offsets may follow. */
  readonly isDamaged: boolean
}

export class SegmentWalk {
  #nextOffset: Offset
  #epoch: LeaderEpoch
  readonly #options: WalkOptions
  readonly #file: string
  readonly #codecs: Record<string, number> = {}
  #offsets: IndexWalk
  #times: IndexWalk
  #batches = 0
  #records = 0
  #controlBatches = 0
  #firstOffset: Offset | null = null
  #missing = 0
  #newest: Timestamp = NONE
  #isAfterDamage = false
  #logSize = 0

  constructor(options: WalkOptions) {
    this.#options = options
    this.#file = this.#path('log')
    const { nextOffset, epoch, isDamaged } = options.before
    const mayBeginLater = nextOffset === NONE || isDamaged
    this.#nextOffset = mayBeginLater ? Math.max(nextOffset, options.baseOffset) : nextOffset
    this.#epoch = epoch
    this.#offsets = new IndexWalk(Buffer.alloc(0), OFFSET_ENTRY.bytes)
    this.#times = new IndexWalk(Buffer.alloc(0), TIME_ENTRY.bytes)
  }

  get end(): LogEnd {
    const isDamaged = this.#isAfterDamage
    return { nextOffset: this.#nextOffset, epoch: this.#epoch, isDamaged }
  }

  async run(): Promise<SegmentSummary> {
    this.#checkBeginning()
    this.#offsets = await this.#openIndex('index', OFFSET_ENTRY.bytes)
    this.#times = await this.#openIndex('timeindex', TIME_ENTRY.bytes)
    const log = this.#openLog()
    if (log === undefined) return this.#summary(0)
    this.#logSize = log.size
    try {
      await this.#walk(log)
      this.#leftOver(log.size)
      return this.#summary(log.size)
    } finally {
      log.close()
    }
  }

  /** Only the first segment of a log may begin below the log start. */
  #checkBeginning(): void {
    const { baseOffset, before, isFirst } = this.#options
    if (before.nextOffset > baseOffset && !isFirst) {
      this.#wrong(0, `offsets from ${baseOffset} on are in the segment before`)
    }
    if (isFirst) this.#nextOffset = Math.min(this.#nextOffset, baseOffset)
    if (baseOffset > this.#nextOffset) this.#gap(0, baseOffset, isFirst)
  }

  /** Undefined if the file has vanished since it was listed. */
  #openLog(): DiskFile | undefined {
    try {
      return this.#options.disk.open(this.#file)
    } catch (error) {
      if (!isDiskError(error, 'ENOENT')) throw error
      this.#wrong(0, 'has vanished')
      this.#isAfterDamage = true
      return undefined
    }
  }

  /** Reports that the offsets from the next one up to `to` are missing. */
  #gap(position: Position, to: Offset, isCertain: boolean): void {
    const missing = to - this.#nextOffset
    this.#wrong(position, `${missing} offsets from ${this.#nextOffset} on are missing`)
    const problem = this.#options.problems.at(-1)
    if (!isCertain && problem !== undefined) this.#options.gaps.push(problem)
    this.#missing += missing
    this.#nextOffset = to
  }

  /** Visits every valid batch; other bytes between two of them are one problem. */
  async #walk(log: DiskFile): Promise<void> {
    for (let from: Position | undefined = 0; from !== undefined;) {
      const visit = (batch: Batch, position: Position): undefined => this.#visit(batch, position)
      const end = await scanBatches(log, visit, { from })
      if (end.reason === undefined || (await this.#isUnwritten(log, end))) return
      this.#wrong(end.position, end.reason)
      from = await findBatch(log, end.position + 1, this.#nextOffset)
      this.#isAfterDamage = true
      this.#offsets.skipWhile(entry => OFFSET_ENTRY.position(entry, 0) < (from ?? log.size))
    }
  }

  /** Kafka may allocate the last segment in advance. */
  async #isUnwritten(log: DiskFile, { position }: ScanEnd): Promise<boolean> {
    if (!this.#options.isLast) return false
    return (await judgeTail(log, position, this.#nextOffset)) === 'unwritten'
  }

  /** Entries about damaged batches cannot be checked, so they count as right. */
  #skipTimeEntries({ baseOffset }: Batch): void {
    if (!this.#isAfterDamage) return
    const first = baseOffset - this.#options.baseOffset
    this.#times.skipWhile(entry => TIME_ENTRY.offset(entry, 0) < first)
  }

  #visit(batch: Batch, position: Position): undefined {
    const { visitor } = this.#options
    visitor.onBatch?.(batch, position)
    this.#skipTimeEntries(batch)
    this.#batches++
    this.#records += batch.recordsCount
    if (batch.isControl) this.#controlBatches++
    const codec = batch.codec ?? 'unknown'
    this.#codecs[codec] = (this.#codecs[codec] ?? 0) + 1
    this.#checkOffsets(batch, position)
    this.#checkEpoch(batch, position)
    this.#checkRecords(batch, position)
    this.#checkOffsetEntries(batch, position)
    this.#newest = Math.max(this.#newest, batch.maxTimestamp)
    this.#checkTimeEntries(batch)
    this.#isAfterDamage = false
    return undefined
  }

  #checkOffsets(batch: Batch, position: Position): void {
    const { baseOffset } = batch
    this.#firstOffset ??= baseOffset
    const missing = baseOffset - this.#nextOffset
    if (missing < 0) {
      this.#wrong(position, `offset ${baseOffset} comes after ${this.#nextOffset - 1}`)
    } else if (missing > 0 && this.#isAfterDamage) this.#missing += missing
    else if (missing > 0) this.#gap(position, baseOffset, this.#isBeyondAll(batch, position))
    this.#nextOffset = Math.max(batch.nextOffset, this.#nextOffset)
  }

  /** The last batch of a log, after a gap and beyond every known offset: nothing confirms it. */
  #isBeyondAll({ nextOffset, size }: Batch, position: Position): boolean {
    const { isLast, bounds } = this.#options
    const isEnd = isLast && position + size === this.#logSize
    return isEnd && bounds.end > 0 && nextOffset > bounds.end
  }

  #checkEpoch({ leaderEpoch, baseOffset }: Batch, position: Position): void {
    const known = this.#options.epochs.epochAt(baseOffset)
    if (known !== undefined && leaderEpoch !== known) {
      this.#wrong(position, `leader epoch is ${leaderEpoch}, expected ${known} at that offset`)
    } else if (leaderEpoch < this.#epoch) {
      this.#wrong(position, `leader epoch ${leaderEpoch} comes after ${this.#epoch}`)
    } else {
      this.#epoch = leaderEpoch
    }
  }

  #checkRecords(batch: Batch, position: Position): void {
    if (!isReadable(batch.codec)) return
    let previous = batch.baseOffset - 1
    let newest: Timestamp = NONE
    try {
      for (const cursor = new RecordCursor(batch); cursor.next();) {
        const { offset } = cursor
        if (offset <= previous || offset > batch.lastOffset) {
          return this.#wrong(position, `record offset ${offset} does not fit into the batch`)
        }
        previous = offset
        newest = Math.max(newest, cursor.timestamp)
      }
    } catch (error) {
      return this.#wrong(position, (error as Error).message)
    }
    if (batch.recordsCount > 0 && newest !== batch.maxTimestamp) {
      const { maxTimestamp } = batch
      this.#wrong(position, `newest record has the time ${newest}, the header ${maxTimestamp}`)
    }
  }

  #checkOffsetEntries(batch: Batch, position: Position): void {
    const { baseOffset: segmentBase, visitor } = this.#options
    for (let entry = this.#offsets.peek(); entry !== undefined; entry = this.#offsets.peek()) {
      const at = OFFSET_ENTRY.position(entry, 0)
      if (at > position) return
      const offset = segmentBase + OFFSET_ENTRY.offset(entry, 0)
      visitor.onOffsetEntry?.(offset, at)
      if (at < position) this.#wrongEntry('index', this.#offsets, `no batch begins at ${at}`)
      else if (offset < batch.baseOffset) {
        const problem = `offset ${offset} is before the batch at ${at}`
        this.#wrongEntry('index', this.#offsets, problem)
      }
      this.#checkEntryBefore(batch.baseOffset)
      this.#offsets.step()
    }
  }

  /** The offset of the previous entry must be below `end`. */
  #checkEntryBefore(end: Offset): void {
    const before = this.#offsets.last
    if (before === undefined) return
    const offset = this.#options.baseOffset + OFFSET_ENTRY.offset(before, 0)
    if (offset < end) return
    const problem = `offset ${offset} is not below ${end}, where the next entry's batch begins`
    this.#wrongEntry('index', this.#offsets, problem, this.#offsets.position - OFFSET_ENTRY.bytes)
  }

  #checkTimeEntries(batch: Batch): void {
    const { baseOffset: segmentBase, visitor } = this.#options
    for (let entry = this.#times.peek(); entry !== undefined; entry = this.#times.peek()) {
      const offset = segmentBase + TIME_ENTRY.offset(entry, 0)
      if (offset > batch.lastOffset) return
      const timestamp = TIME_ENTRY.timestamp(entry, 0)
      visitor.onTimeEntry?.(timestamp, offset)
      if (timestamp !== this.#newest) {
        const newest = `the newest time up to offset ${offset} is ${this.#newest}`
        const problem = `${newest}, not ${timestamp}`
        this.#wrongEntry('timeindex', this.#times, problem)
      }
      this.#times.step()
    }
  }

  /** Reports entries beyond the last batch, unless damage hides which batch is the last. */
  #leftOver(size: number): void {
    if (this.#isAfterDamage) return
    this.#checkEntryBefore(this.#nextOffset)
    if (this.#offsets.peek() !== undefined) {
      this.#wrongEntry('index', this.#offsets, `points beyond the last batch (${size} bytes)`)
    }
    if (this.#times.peek() !== undefined) {
      this.#wrongEntry('timeindex', this.#times, 'its offset is beyond the last batch')
    }
  }

  async #openIndex(kind: 'index' | 'timeindex', entryBytes: number): Promise<IndexWalk> {
    const { disk, baseOffset, has, problems } = this.#options
    if (!has(baseOffset, kind)) return new IndexWalk(Buffer.alloc(0), entryBytes)
    const file = this.#path(kind)
    const bytes = await readWhole(disk, file)
    const walk = new IndexWalk(bytes, entryBytes)
    if (bytes.length % entryBytes !== 0 && !walk.hasZeroTail) {
      const problem = `${bytes.length} bytes are not a multiple of ${entryBytes}`
      problems.push({ file, position: bytes.length - (bytes.length % entryBytes), problem })
    }
    return walk
  }

  #summary(bytes: number): SegmentSummary {
    return {
      file: this.#file,
      baseOffset: this.#options.baseOffset,
      bytes,
      batches: this.#batches,
      records: this.#records,
      controlBatches: this.#controlBatches,
      firstOffset: this.#firstOffset,
      lastOffset: this.#firstOffset === null ? null : this.#nextOffset - 1,
      missingOffsets: this.#missing,
      newestTimestamp: this.#newest,
      codecs: this.#codecs,
      offsetIndexEntries: this.#offsets.count,
      timeIndexEntries: this.#times.count,
    }
  }

  #path(kind: SegmentFileKind): string {
    return join(this.#options.folder, segmentFile(this.#options.baseOffset, kind))
  }

  #wrong(position: Position, problem: string): void {
    this.#options.problems.push({ file: this.#file, position, problem })
  }

  #wrongEntry(
    kind: 'index' | 'timeindex',
    walk: IndexWalk,
    problem: string,
    position: Position = walk.position,
  ): void {
    this.#options.problems.push({ file: this.#path(kind), position, problem })
  }
}

/* Reads the segments and records of one partition's folder without changing them. */

import { isDiskError, join, type Disk } from '../../disk/disk.js'
import type { Batch } from '../../model/batch/batch.js'
import { isReadable, type Codec } from '../../model/batch/compression.js'
import { RecordCursor } from '../../model/batch/record-cursor.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { Offset } from '../../model/units.js'
import { segmentFile } from '../format/files.js'
import { DecidedTransactions } from './decided-transactions.js'
import { BatchWalk, type MissingOffsets, type TornTail } from './batch-walk.js'
import { segmentsOf, type KnownBounds } from './known-bounds.js'
import { plainRows, StoredRow, type StoredTopicRecord } from './stored-row.js'

/** Batches skipped because partlog does not read their codec. */
export interface UnreadBatches {
  readonly codec: Codec | 'unknown'
  readonly batches: number
  readonly records: number
}

/** Offsets that are not read, because a transaction that begins there is open. */
export interface UndecidedOffsets {
  readonly from: number
  /** Exclusive: the end of the log. */
  readonly until: number
}

/** Which records of a partition to read. */
export interface RecordRange {
  /** Only records from this offset on, or not older than this time. Default: all. */
  readonly from?: number | Date | undefined
  /** Only records below this offset, or older than this time. Default: all. */
  readonly until?: number | Date | undefined
  /** Whether to include control records, which the system writes for itself. Default false. */
  readonly includeControl?: boolean | undefined
  /**
   * Whether to skip what cannot be read (lost files, damage, codecs that partlog does not read)
   * instead of failing there; `missing` and `unread` of the partition then list what was skipped.
   * Default false.
   */
  readonly skipMissing?: boolean | undefined
  /**
   * 'read_committed' leaves out the records of aborted transactions and ends before the first
   * record of one that is open, as Kafka's consumers do; `undecided` and `aborted` of the partition
   * then say what was left out. Default: 'read_uncommitted'.
   */
  readonly isolationLevel?: 'read_uncommitted' | 'read_committed' | undefined
}

export interface PartitionFacts extends TopicPartition {
  readonly logStartOffset: Offset
  readonly bounds: KnownBounds
}

/** The segments and records of one partition's folder. */
export interface PartitionDirectory {
  readonly topic: string
  readonly partition: number
  /** The folder, relative to the disk. */
  readonly folder: string
  /** The first offset that readers may see. */
  readonly logStartOffset: Offset
  /** The base offsets of the segments, ascending; none if the folder does not exist. */
  readonly segments: readonly Offset[]
  /** Batches that could not be read so far, by codec. */
  readonly unread: readonly UnreadBatches[]
  /** Offsets that the last reading with `skipMissing` has skipped so far. */
  readonly missing: readonly MissingOffsets[]
  /**
   * The bytes after the last whole batch, if the last reading reached the end and found some: a
   * write that a crash cut short, or that is not finished. They are not a record.
   */
  readonly tornTail: TornTail | undefined
  /** How many records of aborted transactions the last reading has left out so far. */
  readonly aborted: number
  /** Where the last reading has ended before a transaction that is open; undefined: nowhere. */
  readonly undecided: UndecidedOffsets | undefined
  /**
   * The records in order; those of aborted transactions, too, unless `isolationLevel` says
   * otherwise. Accounts for every offset from
   * the first one to the end of the log: fails at an offset that cannot be read, with CORRUPT_LOG
   * (bytes are not what was written, a file is missing or exists twice, the log ends before an
   * offset that the checkpoints name) or UNSUPPORTED_COMPRESSION_TYPE. Offsets that compaction has
   * removed are not missing, and a torn tail is the end.
   */
  records(range?: RecordRange): AsyncGenerator<StoredTopicRecord, void>
  /**
   * The same, some at a time: faster for many records. Their keys and values are made when they are
   * asked for, so `{ ...record }` does not have them.
   */
  recordBatches(range?: RecordRange): AsyncGenerator<readonly StoredTopicRecord[], void>
  /**
   * The offset after the last record in the files. Reads the last segment. Fails with CORRUPT_LOG
   * if that is damaged.
   */
  endOffset(): Promise<Offset>
}

export class PartitionFolder implements PartitionDirectory {
  readonly topic: string
  readonly partition: number
  /** The folder, relative to the disk. */
  readonly folder: string
  /** The first offset that readers may see. */
  readonly logStartOffset: Offset
  readonly #disk: Disk
  readonly #bounds: KnownBounds
  readonly #unread = new Map<Codec | 'unknown', { batches: number; records: number }>()
  #missing: MissingOffsets[] = []
  #tornTail: TornTail | undefined
  #aborted = 0
  #undecided: UndecidedOffsets | undefined

  constructor(disk: Disk, folder: string, facts: PartitionFacts) {
    this.#disk = disk
    this.folder = folder
    this.topic = facts.topic
    this.partition = facts.partition
    this.logStartOffset = facts.logStartOffset
    this.#bounds = facts.bounds
  }

  get segments(): readonly Offset[] {
    try {
      return segmentsOf(this.#disk, this.folder)
    } catch (error) {
      if (isDiskError(error, 'ENOENT')) return []
      throw error
    }
  }

  get unread(): readonly UnreadBatches[] {
    return [...this.#unread].map(([codec, counts]) => ({ codec, ...counts }))
  }

  get missing(): readonly MissingOffsets[] {
    return this.#missing
  }

  get tornTail(): TornTail | undefined {
    return this.#tornTail
  }

  get aborted(): number {
    return this.#aborted
  }

  get undecided(): UndecidedOffsets | undefined {
    return this.#undecided
  }

  async *records(range: RecordRange = {}): AsyncGenerator<StoredTopicRecord, void> {
    for await (const records of this.recordBatches(range)) {
      for (const record of records) yield record instanceof StoredRow ? record.toJSON() : record
    }
  }

  async *recordBatches(
    range: RecordRange = {},
  ): AsyncGenerator<readonly StoredTopicRecord[], void> {
    const bounds = boundsOf(range, this.logStartOffset)
    this.#missing = []
    this.#aborted = 0
    this.#undecided = undefined
    const walk = this.#walk(bounds)
    const isCommitted = range.isolationLevel === 'read_committed'
    const decided = isCommitted ? new DecidedTransactions() : undefined
    for await (const batches of walk.batches()) {
      for (const batch of batches) {
        if (batch.baseOffset >= bounds.untilOffset) return
        if (batch.nextOffset <= bounds.fromOffset) continue
        if (decided !== undefined) {
          if (batch.isTransactional) await this.#decide(batch, decided)
          if (this.#isUndecided(batch, decided)) return
          if (decided.isAborted(batch)) {
            this.#aborted += batch.recordsCount
            continue
          }
        }
        yield* this.#recordsOf(batch, bounds)
      }
    }
    this.#tornTail = walk.tornTail
  }

  /** Reads ahead to the end of the log, to learn how its transactions have ended. */
  async #decide({ baseOffset }: Batch, decided: DecidedTransactions): Promise<void> {
    if (baseOffset < decided.end) return
    // What cannot be read is reported where the records are read.
    const ahead = boundsOf({ from: baseOffset, skipMissing: true }, this.logStartOffset)
    for await (const batches of this.#walk(ahead, () => undefined).batches()) {
      for (const batch of batches) if (batch.baseOffset >= baseOffset) decided.add(batch)
    }
  }

  /** Does this batch stand behind the first record of an open transaction? */
  #isUndecided({ baseOffset }: Batch, decided: DecidedTransactions): boolean {
    const { lastStableOffset: from, end: until } = decided
    if (baseOffset < from || from === until) return false
    this.#undecided = { from, until }
    return true
  }

  async endOffset(): Promise<Offset> {
    const base = this.segments.at(-1) ?? this.logStartOffset
    let end = base
    for await (const batches of this.#walk(boundsOf({ from: base }, 0)).batches()) {
      end = (batches.at(-1) as Batch).nextOffset
    }
    return end
  }

  #walk(
    { fromOffset, untilOffset, skipMissing }: Bounds,
    onMissing = (missing: MissingOffsets): void => {
      if (!skipMissing) throw this.#lost(missing)
      if (missing.from < missing.until) this.#missing.push(missing)
    },
  ): BatchWalk {
    const range = { from: fromOffset, until: untilOffset }
    const { folder } = this
    return new BatchWalk({ disk: this.#disk, folder, bounds: this.#bounds, ...range, onMissing })
  }

  #lost({ from, until, file, position, reason }: MissingOffsets): PartlogError {
    const name = `${this.topic}-${this.partition}`
    const which =
      until - from > 1
        ? `offsets ${from} to ${until - 1} of ${name} are missing, `
        : `offset ${from} of ${name} is the first missing one, `
    return new PartlogError(
      'CORRUPT_LOG',
      `${file} at position ${position}: ${reason}; ${from < until ? which : ''}` +
        `nothing of ${name} from offset ${from} on was read`,
    )
  }

  /** The records of a batch, also those before one that cannot be read. */
  *#recordsOf(batch: Batch, bounds: Bounds): Generator<readonly StoredTopicRecord[]> {
    const { isControl } = batch
    if (isControl && !bounds.includeControl) return
    if (!isReadable(batch.codec)) {
      return this.#countUnread(batch, bounds)
    }
    const rows = this.#rowsOf(batch)
    if (rows === undefined) return yield* this.#eachOf(batch, bounds)
    const wanted = isWithin(batch, bounds) ? rows : rows.filter(row => isWanted(row, bounds))
    if (wanted.length > 0) yield wanted
  }

  #rowsOf(batch: Batch): readonly StoredRow[] | undefined {
    const { topic, partition } = this
    const { timestampType, leaderEpoch, isControl } = batch
    try {
      return plainRows(batch, { topic, partition, timestampType, leaderEpoch, isControl })
    } catch {
      return undefined // the long way says what is wrong
    }
  }

  *#eachOf(batch: Batch, bounds: Bounds): Generator<readonly StoredTopicRecord[]> {
    let next = batch.baseOffset
    const records: StoredTopicRecord[] = []
    try {
      for (const cursor = new RecordCursor(batch); cursor.next();) {
        next = cursor.offset + 1
        if (isWanted(cursor, bounds)) records.push(this.#recordOf(cursor, batch))
      }
    } catch (error) {
      if (records.length > 0) yield records
      this.#unreadable(batch, next, error, bounds)
      return
    }
    if (records.length > 0) yield records
  }

  #recordOf(cursor: RecordCursor, { leaderEpoch, isControl }: Batch): StoredTopicRecord {
    const { topic, partition } = this
    const { offset, timestamp, timestampType, key, value, headers } = cursor
    const record: StoredTopicRecord = {
      topic,
      partition,
      offset,
      timestamp,
      timestampType,
      key,
      value,
      headers,
      leaderEpoch,
      isControl,
    }
    if (Number.isSafeInteger(timestamp)) return record
    return { ...record, exactTimestamp: cursor.exactTimestamp }
  }

  /** A batch with a valid checksum whose records cannot be read. */
  #unreadable(batch: Batch, from: Offset, error: unknown, { skipMissing }: Bounds): void {
    const name = `${this.topic}-${this.partition}`
    const { sentence } = toPartlogError(error)
    const until = batch.nextOffset
    if (!skipMissing) {
      const rest = `nothing of ${name} from offset ${from} on was read`
      throw new PartlogError('CORRUPT_LOG', `${name}: ${sentence}; ${rest}`, { cause: error })
    }
    const file = join(this.folder, segmentFile(this.#segmentOf(from), 'log'))
    this.#missing.push({ from, until, file, position: 0, reason: sentence })
  }

  #segmentOf(offset: Offset): Offset {
    return this.segments.findLast(base => base <= offset) ?? this.logStartOffset
  }

  #countUnread(batch: Batch, { skipMissing }: Bounds): void {
    const codec = batch.codec ?? 'unknown'
    const counts = this.#unread.get(codec) ?? { batches: 0, records: 0 }
    counts.batches++
    counts.records += batch.recordsCount
    this.#unread.set(codec, counts)
    if (skipMissing) return
    const name = `${this.topic}-${this.partition}`
    const { baseOffset, lastOffset } = batch
    throw new PartlogError(
      'UNSUPPORTED_COMPRESSION_TYPE',
      `${name}: offsets ${baseOffset} to ${lastOffset} are compressed with ${codec}, which ` +
        `partlog does not read; nothing of ${name} from offset ${baseOffset} on was read`,
    )
  }
}

/** Are all records of a batch wanted? */
function isWithin({ baseOffset, nextOffset }: Batch, bounds: Bounds): boolean {
  const { fromOffset, untilOffset, fromTime, untilTime } = bounds
  const isAnyTime = fromTime === -Infinity && untilTime === Infinity
  return isAnyTime && baseOffset >= fromOffset && nextOffset <= untilOffset
}

function isWanted(
  { offset, timestamp }: { readonly offset: Offset; readonly timestamp: number },
  { fromOffset, untilOffset, fromTime, untilTime }: Bounds,
): boolean {
  if (offset < fromOffset || offset >= untilOffset) return false
  return timestamp >= fromTime && timestamp < untilTime
}

interface Bounds {
  readonly fromOffset: number
  readonly untilOffset: number
  readonly fromTime: number
  readonly untilTime: number
  readonly includeControl: boolean
  readonly skipMissing: boolean
}

function boundsOf(range: RecordRange, logStart: Offset): Bounds {
  const { from, until, includeControl = false, skipMissing = false } = range
  return {
    includeControl,
    skipMissing,
    fromOffset: Math.max(typeof from === 'number' ? from : 0, logStart),
    untilOffset: typeof until === 'number' ? until : Infinity,
    fromTime: from instanceof Date ? from.getTime() : -Infinity,
    untilTime: until instanceof Date ? until.getTime() : Infinity,
  }
}

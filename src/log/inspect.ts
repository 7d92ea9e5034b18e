/**
 * Looks at every byte of a partition's folder and says what is there and what is wrong. Reads only.
 *
 * The CRC of a batch leaves out its offset and epoch: offsets must follow each other without a gap,
 * unless the log was compacted, epochs must be those of the epoch checkpoint.
 *
 * Both indexes are walked beside the batches: an offset entry must point to where a batch begins
 * that does not lie behind its offset, and must not reach the batch of the next entry; a time entry
 * must be the newest time of the records up to its offset. Entries of zeros at the end are what
 * Kafka leaves of an index that it had sized in advance.
 */

import { ByteReader, getInt64 } from '../base/bytes.js'
import { crc32c } from '../base/crc32c.js'
import { join, type Disk, type DiskFile } from '../disk/disk.js'
import type { Batch } from '../model/batch.js'
import { isSupported } from '../model/compression.js'
import { RecordCursor } from '../model/record-cursor.js'
import {
  NONE,
  type LeaderEpoch,
  type Offset,
  type Position,
  type Timestamp,
} from '../model/units.js'
import {
  LEADER_EPOCH_CHECKPOINT,
  parseSegmentFile,
  PARTITION_METADATA,
  RECOVERY_POINT_CHECKPOINT,
  segmentFile,
  type SegmentFileKind,
} from './files.js'
import type { LeaderEpochs } from './leader-epochs.js'
import { readTopicId } from './open-log.js'
import { findBatch, scanBatches } from './scan.js'
import { checkpointed, epochsOf, readWhole, wasCompacted, whyNotEpochs } from './surroundings.js'

/** Something that is wrong, and where. */
export interface Problem {
  readonly file: string
  readonly position: Position
  readonly problem: string
}

/** A segment in numbers. */
export interface SegmentSummary {
  readonly file: string
  readonly baseOffset: Offset
  readonly bytes: number
  readonly batches: number
  readonly records: number
  readonly controlBatches: number
  /** null when there is no batch. */
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

/** What is found on the way, for those who want to show it. */
export interface InspectVisitor {
  onBatch?(batch: Batch, position: Position): void
  onOffsetEntry?(offset: Offset, position: Position): void
  onTimeEntry?(timestamp: Timestamp, offset: Offset): void
}

export interface Inspection {
  readonly segments: readonly SegmentSummary[]
  readonly problems: readonly Problem[]
}

export async function inspectPartition(
  disk: Disk,
  folder: string,
  visitor: InspectVisitor = {},
): Promise<Inspection> {
  const files = disk.list(folder).flatMap(({ kind, name }) => {
    const parsed = kind === 'file' ? parseSegmentFile(name) : undefined
    return parsed === undefined ? [] : [parsed]
  })
  const has = (baseOffset: Offset, kind: SegmentFileKind): boolean =>
    files.some(file => file.baseOffset === baseOffset && file.kind === kind)
  const problems: Problem[] = []
  const segments: SegmentSummary[] = []
  const epochs = await epochsOf(disk, folder)
  const mayHaveGaps = await wasCompacted(disk, folder)
  let end: LogEnd = { nextOffset: NONE, epoch: NONE, isDamaged: false }
  for (const { baseOffset } of files.filter(file => file.kind === 'log')) {
    const shared = { disk, folder, has, visitor, problems, epochs, mayHaveGaps }
    const walk = new SegmentWalk({ ...shared, baseOffset, before: end })
    segments.push(await walk.run())
    end = walk.end
  }
  await checkEnd({ disk, folder, problems }, segments.at(-1), end)
  for (const { baseOffset, kind } of files) {
    const file = join(folder, segmentFile(baseOffset, kind))
    if (kind === 'snapshot') await checkSnapshot(disk, file, problems)
    if (kind === 'txnindex') await checkTransactionIndex(disk, file, problems)
  }
  await checkTextFiles(disk, folder, problems)
  return { segments, problems }
}

interface WalkOptions {
  readonly disk: Disk
  readonly folder: string
  readonly baseOffset: Offset
  readonly has: (baseOffset: Offset, kind: SegmentFileKind) => boolean
  readonly visitor: InspectVisitor
  readonly problems: Problem[]
  readonly epochs: LeaderEpochs
  /** Offsets may be missing: the log was compacted, or nobody knows. */
  readonly mayHaveGaps: boolean
  /** Where the segment before has ended. */
  readonly before: LogEnd
}

/** What must come next; −1 before the first segment. */
interface LogEnd {
  readonly nextOffset: Offset
  readonly epoch: LeaderEpoch
  /** What stands there is damaged: offsets may follow that nobody knows. */
  readonly isDamaged: boolean
}

class SegmentWalk {
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
  #isBehindDamage = false

  constructor(options: WalkOptions) {
    this.#options = options
    this.#file = this.#path('log')
    const { nextOffset, epoch, isDamaged } = options.before
    const mayBeginLater = nextOffset === NONE || isDamaged || options.mayHaveGaps
    this.#nextOffset = mayBeginLater ? Math.max(nextOffset, options.baseOffset) : nextOffset
    this.#epoch = epoch
    this.#offsets = new IndexWalk(Buffer.alloc(0), OFFSET_ENTRY_BYTES)
    this.#times = new IndexWalk(Buffer.alloc(0), TIME_ENTRY_BYTES)
  }

  get end(): LogEnd {
    const isDamaged = this.#isBehindDamage
    return { nextOffset: this.#nextOffset, epoch: this.#epoch, isDamaged }
  }

  async run(): Promise<SegmentSummary> {
    const { disk, baseOffset, before } = this.#options
    if (before.nextOffset > baseOffset)
      this.#wrong(0, `offsets from ${baseOffset} on stand in the segment before`)
    this.#offsets = await this.#openIndex('index', OFFSET_ENTRY_BYTES)
    this.#times = await this.#openIndex('timeindex', TIME_ENTRY_BYTES)
    const log = disk.open(this.#file)
    try {
      await this.#walk(log)
      this.#leftOver(log.size)
      return this.#summary(log.size)
    } finally {
      log.close()
    }
  }

  /** Every batch that is sound; what stands between two of them is wrong once. */
  async #walk(log: DiskFile): Promise<void> {
    for (let from: Position | undefined = 0; from !== undefined;) {
      const visit = (batch: Batch, position: Position): undefined => this.#visit(batch, position)
      const end = await scanBatches(log, visit, { from })
      if (end.reason === undefined) return
      this.#wrong(end.position, end.reason)
      from = await findBatch(log, end.position + 1, this.#nextOffset)
      this.#isBehindDamage = true
      this.#offsets.skipWhile(entry => entry.readInt32BE(4) < (from ?? log.size))
    }
  }

  /** Entries about what is damaged are not wrong themselves: nobody knows what is true. */
  #skipTimeEntries({ baseOffset }: Batch): void {
    if (!this.#isBehindDamage) return
    const first = baseOffset - this.#options.baseOffset
    this.#times.skipWhile(entry => entry.readInt32BE(8) < first)
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
    this.#isBehindDamage = false
    return undefined
  }

  #checkOffsets(batch: Batch, position: Position): void {
    const { baseOffset } = batch
    this.#firstOffset ??= baseOffset
    const missing = baseOffset - this.#nextOffset
    if (missing < 0) {
      this.#wrong(position, `offset ${baseOffset} comes after ${this.#nextOffset - 1}`)
    } else if (missing > 0 && !this.#options.mayHaveGaps && !this.#isBehindDamage) {
      this.#wrong(position, `${missing} offsets from ${this.#nextOffset} on are missing`)
    }
    this.#missing += Math.max(missing, 0)
    this.#nextOffset = Math.max(batch.nextOffset, this.#nextOffset)
  }

  #checkEpoch({ leaderEpoch, baseOffset }: Batch, position: Position): void {
    const known = this.#options.epochs.epochAt(baseOffset)
    if (known !== undefined && leaderEpoch !== known) {
      this.#wrong(position, `leader epoch is ${leaderEpoch}, it was ${known} at that offset`)
    } else if (leaderEpoch < this.#epoch) {
      this.#wrong(position, `leader epoch ${leaderEpoch} comes after ${this.#epoch}`)
    } else {
      this.#epoch = leaderEpoch
    }
  }

  #checkRecords(batch: Batch, position: Position): void {
    if (batch.codec === undefined || !isSupported(batch.codec)) return
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
      this.#wrong(position, `newest record is of ${newest}, the batch says ${batch.maxTimestamp}`)
    }
  }

  #checkOffsetEntries(batch: Batch, position: Position): void {
    const { baseOffset: segmentBase, visitor } = this.#options
    for (let entry = this.#offsets.peek(); entry !== undefined; entry = this.#offsets.peek()) {
      const at = entry.readInt32BE(4)
      if (at > position) return
      const offset = segmentBase + entry.readInt32BE(0)
      visitor.onOffsetEntry?.(offset, at)
      if (at < position) this.#wrongEntry('index', this.#offsets, `no batch begins at ${at}`)
      else if (offset < batch.baseOffset) {
        const problem = `offset ${offset} lies before the batch at ${at}`
        this.#wrongEntry('index', this.#offsets, problem)
      }
      this.#checkEntryBefore(batch.baseOffset)
      this.#offsets.step()
    }
  }

  /** The entry before the next one must lie below `end`. */
  #checkEntryBefore(end: Offset): void {
    const before = this.#offsets.last
    if (before === undefined) return
    const offset = this.#options.baseOffset + before.readInt32BE(0)
    if (offset < end) return
    const problem = `offset ${offset} of an entry that ends below ${end}`
    this.#wrongEntry('index', this.#offsets, problem, this.#offsets.position - OFFSET_ENTRY_BYTES)
  }

  #checkTimeEntries(batch: Batch): void {
    const { baseOffset: segmentBase, visitor } = this.#options
    for (let entry = this.#times.peek(); entry !== undefined; entry = this.#times.peek()) {
      const offset = segmentBase + entry.readInt32BE(8)
      if (offset > batch.lastOffset) return
      const timestamp = Number(entry.readBigInt64BE(0))
      visitor.onTimeEntry?.(timestamp, offset)
      if (timestamp !== this.#newest) {
        const problem = `the newest up to offset ${offset} is of ${this.#newest}, not ${timestamp}`
        this.#wrongEntry('timeindex', this.#times, problem)
      }
      this.#times.step()
    }
  }

  /** Entries behind the last batch point to nothing, unless nobody knows which one is the last. */
  #leftOver(size: number): void {
    if (this.#isBehindDamage) return
    this.#checkEntryBefore(this.#nextOffset)
    if (this.#offsets.peek() !== undefined) {
      this.#wrongEntry('index', this.#offsets, `points behind the last batch (${size} bytes)`)
    }
    if (this.#times.peek() !== undefined) {
      this.#wrongEntry('timeindex', this.#times, 'its offset lies behind the last batch')
    }
  }

  async #openIndex(kind: 'index' | 'timeindex', entryBytes: number): Promise<IndexWalk> {
    const { disk, baseOffset, has, problems } = this.#options
    if (!has(baseOffset, kind)) return new IndexWalk(Buffer.alloc(0), entryBytes)
    const file = this.#path(kind)
    const bytes = await readWhole(disk, file)
    const walk = new IndexWalk(bytes, entryBytes)
    if (bytes.length % entryBytes !== 0 && !walk.hasZeroTail) {
      const problem = `${bytes.length} bytes are no multiple of ${entryBytes}`
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

const OFFSET_ENTRY_BYTES = 8
const TIME_ENTRY_BYTES = 12

/** The entries of an index, one after the other, without the zeros at its end. */
class IndexWalk {
  readonly count: number
  readonly hasZeroTail: boolean
  #next = 0

  constructor(
    readonly bytes: Buffer,
    readonly entryBytes: number,
  ) {
    let end = bytes.length
    while (end > 0 && bytes[end - 1] === 0) end--
    const whole = Math.floor(bytes.length / entryBytes)
    const used = Math.ceil(end / entryBytes)
    // One entry may end in zeros itself; more than that is a tail that was never written.
    this.hasZeroTail = whole - used > 1
    this.count = this.hasZeroTail ? used : whole
  }

  get position(): Position {
    return this.#next * this.entryBytes
  }

  peek(): Buffer | undefined {
    if (this.#next >= this.count) return undefined
    return this.bytes.subarray(this.position, this.position + this.entryBytes)
  }

  /** The entry that was stepped over last. */
  get last(): Buffer | undefined {
    if (this.#next === 0) return undefined
    return this.bytes.subarray(this.position - this.entryBytes, this.position)
  }

  step(): void {
    this.#next++
  }

  skipWhile(test: (entry: Buffer) => boolean): void {
    for (let entry = this.peek(); entry !== undefined && test(entry); entry = this.peek()) {
      this.step()
    }
  }
}

// ── the end ──────────────────────────────────────────────────────────────────────────────

/** Offsets that were synced once must still be there. */
async function checkEnd(
  { disk, folder, problems }: { disk: Disk; folder: string; problems: Problem[] },
  last: SegmentSummary | undefined,
  { nextOffset, isDamaged }: LogEnd,
): Promise<void> {
  if (isDamaged) return // that is said already
  const synced = await checkpointed(disk, folder, RECOVERY_POINT_CHECKPOINT)
  if (last === undefined || synced === undefined || nextOffset >= synced) return
  const problem = `the log ends at offset ${nextOffset}, it was synced up to ${synced}`
  problems.push({ file: last.file, position: last.bytes, problem })
}

// ── the other files ──────────────────────────────────────────────────────────────────────

const SNAPSHOT_VERSION = 1
const SNAPSHOT_HEADER_BYTES = 10
const SNAPSHOT_ENTRY_BYTES = 46
const TRANSACTION_ENTRY_BYTES = 34

/** Producer state: int16 version │ uint32 CRC-32C of what follows │ int32 count │ entries. */
async function checkSnapshot(disk: Disk, file: string, problems: Problem[]): Promise<void> {
  const bytes = await readWhole(disk, file)
  const wrong = (position: Position, problem: string): void =>
    void problems.push({ file, position, problem })
  if (bytes.length < SNAPSHOT_HEADER_BYTES) return wrong(0, `${bytes.length} bytes are too few`)
  const reader = new ByteReader(bytes)
  const version = reader.int16()
  if (version !== SNAPSHOT_VERSION) return wrong(0, `version ${version} is not known`)
  if (reader.uint32() !== crc32c(bytes, 6)) return wrong(2, 'CRC-32C does not match')
  const count = reader.int32()
  if (bytes.length !== SNAPSHOT_HEADER_BYTES + count * SNAPSHOT_ENTRY_BYTES) {
    wrong(6, `${count} entries do not fill ${bytes.length} bytes`)
  }
}

/** Aborted transactions: int16 version │ four int64. */
async function checkTransactionIndex(disk: Disk, file: string, problems: Problem[]): Promise<void> {
  const bytes = await readWhole(disk, file)
  let last = NONE
  for (let at = 0; at < bytes.length; at += TRANSACTION_ENTRY_BYTES) {
    if (at + TRANSACTION_ENTRY_BYTES > bytes.length) {
      problems.push({ file, position: at, problem: 'the file ends inside an entry' })
      return
    }
    const version = bytes.readInt16BE(at)
    const [producerId, firstOffset, lastOffset, stableOffset] = [2, 10, 18, 26].map(field =>
      getInt64(bytes, at + field),
    ) as [number, number, number, number]
    const wrong = (problem: string): void => void problems.push({ file, position: at, problem })
    if (version !== 0) wrong(`version ${version} is not known`)
    if (![producerId, firstOffset, stableOffset].every(isCount)) wrong('a number is impossible')
    if (firstOffset > lastOffset) wrong(`offset ${lastOffset} comes before ${firstOffset}`)
    if (!isCount(lastOffset) || lastOffset <= last) wrong('offsets do not ascend')
    last = lastOffset
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

async function checkTextFiles(disk: Disk, folder: string, problems: Problem[]): Promise<void> {
  const epochs = join(folder, LEADER_EPOCH_CHECKPOINT)
  if (disk.exists(epochs)) {
    const problem = whyNotEpochs((await readWhole(disk, epochs)).toString('utf8'))
    if (problem !== undefined) problems.push({ file: epochs, position: 0, problem })
  }
  const metadata = join(folder, PARTITION_METADATA)
  if (disk.exists(metadata) && (await readTopicId(disk, folder)) === undefined) {
    problems.push({ file: metadata, position: 0, problem: 'names no topic id' })
  }
}

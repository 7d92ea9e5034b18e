/*
 * Opens the segments of a log: after a clean close by checking the end of the last one, after a
 * crash by scanning everything above the recovery point.
 *
 * Invariants
 * - Nothing below the recovery point is scanned, cut off or changed.
 * - Bytes are copied aside and synced before they are cut off.
 * - Corruption changes no record: the log stays unchanged (except indexes, which can always be
 *   rebuilt: store/index-rebuild.ts) and the caller gets the error.
 * - Running it again, also after a crash in the middle of it, leads to the same log.
 */

import type { Disk } from '../../disk/disk.js'
import type { Batch } from '../../model/batch/batch.js'
import type { PartlogError } from '../../model/errors.js'
import { NONE, type LeaderEpoch, type Offset, type Position } from '../../model/units.js'
import type { EpochStart } from '../format/checkpoints.js'
import { IndexError } from '../format/index-file.js'
import { keepAside } from '../format/kept-aside.js'
import { corruptLog } from '../format/log-errors.js'
import { isBatchNow, isUnwritten, mayEndInZeros } from '../format/scan.js'
import { placeOf, type BatchPlace, type Segment } from '../store/segment.js'
import { factsOf, type Breakage } from './break-facts.js'
import { judge } from './torn-tail.js'

/**
 * `torn-tail`: an unfinished write was cut off. `corruption-cut`: damage was cut off, because
 * `onCorruption` is 'truncate'. `index-rebuilt`, `epochs-rebuilt`: rebuilt from the batches.
 * `checkpoint-restored`: a checkpoint and its sealed copy contradict each other; the one with a
 * valid checksum was used. `checkpoint-ignored`: a checkpoint cannot be read or contradicts the
 * log. `set-aside`: a damaged copy of a partition was kept under another name, and a new copy is
 * made from its leader.
 */
export type FindingKind =
  | 'torn-tail'
  | 'corruption-cut'
  | 'index-rebuilt'
  | 'epochs-rebuilt'
  | 'checkpoint-restored'
  | 'checkpoint-ignored'
  | 'set-aside'

/** A problem that recovery found, and where the bytes are now. */
export interface RecoveryFinding {
  readonly kind: FindingKind
  readonly file: string
  readonly position: Position
  /** Bytes that are no longer in the log. */
  readonly bytes: number
  readonly reason: string
  /** The files that keep these bytes. */
  readonly keptIn: readonly string[]
}

export interface RecoveryOptions {
  readonly disk: Disk
  readonly folder: string
  readonly name: string
  /** Everything below is synced. */
  readonly recoveryPoint: Offset
  /** Records below were durable: the recovery point or higher. */
  readonly durableOffset: Offset
  /** A valid checksum covers the recovery point. */
  readonly isSealed: boolean
  /** The log was closed cleanly, so it ends at the recovery point. */
  readonly wasClosedCleanly: boolean
  /** Offsets may be missing, because the log is compacted. */
  readonly hasGaps: boolean
  /** Other brokers have replicas: batches from them may have gaps above the recovery point. */
  readonly isReplicated: boolean
  readonly onCorruption: 'offline' | 'truncate'
  /** The partition's current epoch: no batch can have a later one. Infinity if it is unknown. */
  readonly leaderEpochMax: LeaderEpoch
}

export interface Recovered {
  readonly segments: readonly Segment[]
  readonly logEndOffset: Offset
  readonly findings: readonly RecoveryFinding[]
  readonly lastBatch: BatchPlace | undefined
  /** The epochs of the scanned batches; the first is the one in force where the scan began. */
  readonly epochStarts: readonly EpochStart[]
}

/** The segments of a log after a clean close; undefined if they contradict a clean close. */
export async function resumeSegments(
  segments: readonly Segment[],
  options: RecoveryOptions,
): Promise<Recovered | undefined> {
  const findings: RecoveryFinding[] = []
  for (const segment of segments) {
    if (segment.hasIndexFiles) continue
    await segment.rebuildIndexes()
    findings.push(rebuilt(segment, 'an index is missing'))
  }
  const last = segments.at(-1) as Segment
  try {
    await last.load()
    let end = last.baseOffset
    let isFirst = last.offsetIndex.last !== undefined
    let lastBatch: BatchPlace | undefined
    const scan = await last.replay(batch => {
      const { baseOffset, nextOffset } = batch
      const mayBeLater = isFirst || options.hasGaps
      if (mayBeLater ? baseOffset < end : baseOffset !== end) return 'its offset does not come next'
      if (nextOffset > last.offsetLimit) return 'its offset is too far from the first'
      isFirst = false
      end = nextOffset
      lastBatch = placeOf(batch)
      return undefined
    })
    if (scan.reason !== undefined || end < options.recoveryPoint) return undefined
    if (options.isSealed && end > options.recoveryPoint) return undefined
    for (const segment of segments) segment.durability.syncedBytes = segment.size
    return { segments, logEndOffset: end, findings, lastBatch, epochStarts: [] }
  } catch (error) {
    if (error instanceof IndexError) return undefined
    throw error
  }
}

/** Recovers the segments of a log after a crash. Throws CORRUPT_LOG if the log is damaged. */
export async function recoverSegments(
  segments: readonly Segment[],
  options: RecoveryOptions,
): Promise<Recovered> {
  return await new Recovery(segments, options).run()
}

class Recovery {
  readonly #findings: RecoveryFinding[] = []
  readonly #epochStarts: EpochStart[] = []
  /** Where the records of segments end that zeros follow. */
  readonly #zeroTails = new Map<Segment, Position>()
  #segments: Segment[]
  #end: Offset
  #epoch: LeaderEpoch = NONE
  #last: BatchPlace | undefined
  /** The last batch, if it follows a gap: the next batch may show that its offset is wrong. */
  #lastGap: { readonly position: Position; readonly from: Offset } | undefined

  constructor(
    segments: readonly Segment[],
    readonly options: RecoveryOptions,
  ) {
    this.#segments = [...segments]
    this.#end = (segments[0] as Segment).baseOffset
  }

  async run(): Promise<Recovered> {
    const first = await this.#firstScanned()
    for (const segment of this.#segments.slice(0, first)) await this.#ensureIndexes(segment)
    const breakage = await this.#scanFrom(first)
    if (breakage !== undefined) await this.#resolveBreak(breakage)
    else this.#refuseLostEnd()
    await this.#makeDurable(first)
    return {
      segments: this.#segments,
      logEndOffset: this.#end,
      findings: this.#findings,
      lastBatch: this.#last,
      epochStarts: this.#epochStarts,
    }
  }

  async #ensureIndexes(segment: Segment): Promise<void> {
    if (segment.hasIndexFiles) return
    await segment.rebuildIndexes()
    this.#findings.push(rebuilt(segment, 'an index is missing'))
  }

  /** Throws CORRUPT_LOG if every batch is valid but synced ones are missing at the end. */
  #refuseLostEnd(): void {
    const { durableOffset, onCorruption } = this.options
    if (this.#end >= durableOffset || onCorruption === 'truncate') return
    const last = this.#segments.length - 1
    const size = (this.#segments[last] as Segment).size
    const reason = `the log ends at offset ${this.#end}, it was synced up to ${durableOffset}`
    throw this.#corrupt(last, size, reason)
  }

  /**
   * The segment that holds the recovery point. If that is its first offset, the segment before may
   * still end in zeros: its records were durable before it was closed and the zeros were cut off.
   */
  async #firstScanned(): Promise<number> {
    // With 'truncate', damage is cut off wherever it is.
    const recoveryPoint = this.options.onCorruption === 'truncate' ? 0 : this.options.recoveryPoint
    const index = this.#segments.findLastIndex(segment => segment.baseOffset <= recoveryPoint)
    const before = this.#segments[index - 1]
    if (before === undefined) return Math.max(index, 0)
    const isFirst = this.#segments[index]?.baseOffset === recoveryPoint
    return isFirst && (await mayEndInZeros(before.file)) ? index - 1 : index
  }

  async #scanFrom(first: number): Promise<Breakage | undefined> {
    for (let index = first; index < this.#segments.length; index++) {
      const segment = this.#segments[index] as Segment
      if (index > first && segment.baseOffset !== this.#end) {
        const mismatch = this.#baseMismatch(index - 1, segment)
        if (mismatch !== undefined) return mismatch
      }
      const breakage = await this.#scanSegment(segment, index, index === first)
      if (breakage !== undefined) return breakage
      if (index < this.#segments.length - 1) segment.seal()
    }
    return undefined
  }

  /** A segment that does not begin where the one before ends: a break, unless it may be a gap. */
  #baseMismatch(before: number, segment: Segment): Breakage | undefined {
    if (this.#mayBeGap(segment.baseOffset)) {
      this.#end = segment.baseOffset
      return undefined
    }
    const { baseOffset } = segment
    const reason = `expected offset ${this.#end} next, the next segment begins at ${baseOffset}`
    const position = (this.#segments[before] as Segment).size
    const isShort = segment.baseOffset > this.#end
    return { index: before, position, reason, isShort, isWhole: false }
  }

  /**
   * Compaction removes offsets below the recovery point only, and appends leave no gap. Batches
   * copied from another replica's compacted log may have gaps anywhere.
   */
  #mayBeGap(next: Offset): boolean {
    const { hasGaps, isReplicated, isSealed, recoveryPoint } = this.options
    if (!hasGaps || next < this.#end) return false
    return isReplicated || !isSealed || next <= recoveryPoint
  }

  async #scanSegment(
    segment: Segment,
    index: number,
    isFirst: boolean,
  ): Promise<Breakage | undefined> {
    const isIndexed = isFirst && (await this.#keepIndexes(segment))
    try {
      return await this.#scanRest(segment, index, isIndexed)
    } catch (error) {
      if (!(error instanceof IndexError)) throw error
      this.#findings.push(rebuilt(segment, error.message))
      return await this.#scanRest(segment, index, false)
    }
  }

  async #scanRest(
    segment: Segment,
    index: number,
    isIndexed: boolean,
  ): Promise<Breakage | undefined> {
    if (!isIndexed) segment.resetIndexes()
    // At an index entry the first batch gives the offset; at the start of a file its name does.
    let isKnown = !isIndexed
    this.#end = segment.baseOffset
    const limit = this.#limitOf(index)
    let isWhole = false
    this.#lastGap = undefined
    const scan = await segment.replay((batch, position) => {
      const reason = this.#whyNotNext(batch, { isKnown, limit })
      isWhole = reason !== undefined
      if (reason !== undefined) return reason
      this.#lastGap =
        isKnown && batch.baseOffset > this.#end ? { position, from: this.#end } : undefined
      isKnown = true
      this.#end = batch.nextOffset
      this.#last = placeOf(batch)
      this.#noteEpoch(batch)
      return undefined
    })
    if (scan.reason === undefined) return undefined
    if (!isWhole && (await this.#endsInZeros(index, scan.position))) return undefined
    if (!isWhole && (await isBatchNow(segment.file, scan.position))) {
      return await this.#scanRest(segment, index, true) // a reader beside the writer: go on
    }
    const { reason, isShort = false } = scan
    const position = this.#brokenPosition(scan.position, isWhole)
    return { index, position, reason, isShort, isWhole }
  }

  /**
   * True if only zeros follow, as they are written ahead of records, and no record is missing: the
   * next segment begins where this one ends.
   */
  async #endsInZeros(index: number, position: Position): Promise<boolean> {
    const segment = this.#segments[index] as Segment
    const next = this.#segments[index + 1]
    if (next !== undefined && next.baseOffset !== this.#end) return false
    if (!(await isUnwritten(segment.file, position))) return false
    this.#zeroTails.set(segment, position)
    return true
  }

  /** The offset that the batches of a segment must end below. */
  #limitOf(index: number): Offset {
    const { wasClosedCleanly, isSealed, recoveryPoint } = this.options
    const segment = this.#segments[index] as Segment
    const next = this.#segments[index + 1]?.baseOffset
    const end = next ?? (wasClosedCleanly && isSealed ? recoveryPoint : Infinity)
    return Math.min(end, segment.offsetLimit)
  }

  /** The break's position. If a batch lies in the gap before the last one, that one is wrong. */
  #brokenPosition(position: Position, isWhole: boolean): Position {
    if (!isWhole || this.#lastGap === undefined) return position
    this.#end = this.#lastGap.from
    return this.#lastGap.position
  }

  #noteEpoch({ leaderEpoch: epoch, baseOffset: startOffset }: Batch): void {
    if (epoch > this.#epoch) this.#epochStarts.push({ epoch, startOffset })
    this.#epoch = epoch
  }

  /** Keeps the index entries below the recovery point, unless they are wrong. */
  async #keepIndexes(segment: Segment): Promise<boolean> {
    if (!segment.hasIndexFiles || segment.baseOffset >= this.options.recoveryPoint) return false
    try {
      await segment.truncateIndexes(this.options.recoveryPoint)
      const entry = segment.offsetIndex.last
      // A crash during an earlier recovery may have left only one of them.
      if (entry === undefined || segment.timeIndex.last === undefined) return false
      await segment.positionOf(entry.offset)
      return true
    } catch (error) {
      if (!(error instanceof IndexError)) throw error
      this.#findings.push(rebuilt(segment, error.message))
      return false
    }
  }

  /**
   * The CRC leaves out offset and epoch, so they are compared with those of the other batches.
   */
  #whyNotNext(
    { baseOffset, leaderEpoch, nextOffset }: Batch,
    { isKnown, limit }: { readonly isKnown: boolean; readonly limit: Offset },
  ): string | undefined {
    const { leaderEpochMax } = this.options
    if (leaderEpoch < this.#epoch || leaderEpoch > leaderEpochMax) {
      return `leader epoch ${leaderEpoch} is outside [${this.#epoch}, ${leaderEpochMax}]`
    }
    if (nextOffset > limit) return `the batch ends at ${nextOffset - 1}, the limit is ${limit - 1}`
    if (baseOffset >= this.#end && !isKnown) return undefined
    if (baseOffset === this.#end || this.#mayBeGap(baseOffset)) return undefined
    return `the batch begins at offset ${baseOffset}, expected ${this.#end}`
  }

  // ── after a break ──────────────────────────────────────────────────────────────────────

  async #resolveBreak(breakage: Breakage): Promise<void> {
    const { durableOffset } = this.options
    const log = { segments: this.#segments, end: this.#end, durableOffset }
    const verdict = judge(await factsOf(breakage, log))
    if (verdict === 'corruption' && this.options.onCorruption === 'offline') {
      throw this.#corrupt(breakage.index, breakage.position, breakage.reason)
    }
    await this.#cut(breakage, verdict === 'corruption' ? 'corruption-cut' : 'torn-tail')
  }

  /** Copies everything from the break on aside, then cuts it off. */
  async #cut(breakage: Breakage, kind: RecoveryFinding['kind']): Promise<void> {
    const { index, position, reason } = breakage
    const segment = this.#segments[index] as Segment
    const later = this.#segments.slice(index + 1)
    const keptIn: string[] = []
    let bytes = 0
    for (const [cut, from] of [[segment, position] as const, ...later.map(s => [s, 0] as const)]) {
      const kept = await keepAside(this.options.disk, cut.file, from)
      bytes += cut.size - from
      if (kept !== undefined) keptIn.push(kept)
    }
    await this.options.disk.syncDirectory(this.options.folder)
    // From the end backwards: a crash in between leaves a shorter log, never one with a hole.
    for (const gone of later.reverse()) {
      const paths = gone.markDeleted()
      gone.close()
      for (const path of paths) await this.options.disk.remove(path)
    }
    await this.options.disk.syncDirectory(this.options.folder)
    segment.file.truncate(position)
    this.#segments = this.#segments.slice(0, index + 1)
    const { path: file } = segment.file
    this.#findings.push({ kind, file, position, bytes, reason, keptIn })
  }

  /** Valid batches may be only in the page cache: they are synced before they count as durable. */
  async #makeDurable(first: number): Promise<void> {
    for (const [segment, position] of this.#zeroTails) {
      if (this.#segments.includes(segment)) segment.file.truncate(position)
    }
    for (const segment of this.#segments.slice(first)) {
      await segment.file.sync()
      await segment.syncIndexes()
    }
    for (const segment of this.#segments) segment.durability.syncedBytes = segment.size
    await this.options.disk.syncDirectory(this.options.folder)
  }

  #corrupt(index: number, position: Position, reason: string): PartlogError {
    const file = (this.#segments[index] as Segment).file.path
    return corruptLog(this.options.name, `${file} at position ${position}: ${reason}`)
  }
}

function rebuilt(segment: Segment, reason: string): RecoveryFinding {
  const { path: file } = segment.offsetIndex.file
  return { kind: 'index-rebuilt', file, position: 0, bytes: 0, reason, keptIn: [] }
}

/**
 * Opening the segments of a log: after a clean close by looking at the end of the last one, after a
 * crash by scanning what lies above the recovery point.
 *
 * Invariants
 * - Nothing below the recovery point is scanned, cut or changed.
 * - What is cut off is copied aside and synced before it is cut.
 * - Corruption changes no record: the log stays as it is (indexes aside, which can always be
 *   built again) and the caller gets the error.
 * - Running it again, also after a crash in the middle of it, leads to the same log.
 */

import type { Disk } from '../../disk/disk.js'
import type { Batch } from '../../model/batch.js'
import type { PartlogError } from '../../model/errors.js'
import { NONE, type LeaderEpoch, type Offset, type Position } from '../../model/units.js'
import type { EpochStart } from '../format/checkpoints.js'
import { judge } from '../format/damage.js'
import { IndexError } from '../format/index-file.js'
import { keepAside } from '../format/kept.js'
import { corruptLog } from '../format/log-errors.js'
import { factsOf, type Breakage } from './break-facts.js'
import { placeOf, type BatchPlace, type Segment } from './segment.js'

/**
 * `torn-tail`: a write that was under way was cut off. `corruption-cut`: damage was cut off, as
 * `onCorruption: 'truncate'` asks for. `index-rebuilt`, `epochs-rebuilt`: made anew from the
 * batches. `checkpoint-restored`: a checkpoint and its sealed copy contradict each other, the one
 * that a checksum speaks for was taken. `checkpoint-ignored`: it cannot be read, or contradicts the
 * log. `set-aside`: a damaged copy of a partition was kept under another name, and a new one is
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

/** Something recovery found and what became of it. */
export interface RecoveryFinding {
  readonly kind: FindingKind
  readonly file: string
  readonly position: Position
  /** Bytes that are no longer in the log. */
  readonly bytes: number
  readonly reason: string
  /** Where the bytes are now. */
  readonly keptIn: readonly string[]
}

export interface RecoveryOptions {
  readonly disk: Disk
  readonly folder: string
  readonly name: string
  /** Everything below is synced. */
  readonly recoveryPoint: Offset
  /** Below it records were durable: the recovery point, or more. */
  readonly durableOffset: Offset
  /** A checksum covers the recovery point: it is what was written. */
  readonly isSealed: boolean
  /** The log was closed cleanly, so it ends at the recovery point. */
  readonly wasClosedCleanly: boolean
  /** Are gaps between offsets normal here, because the log is compacted? */
  readonly hasGaps: boolean
  /** Others keep the partition, too: what came from them may have gaps where none was compacted. */
  readonly isReplicated: boolean
  readonly onCorruption: 'offline' | 'truncate'
  /** The partition's own epoch: no batch can have a later one. Infinity when it is not known. */
  readonly leaderEpochMax: LeaderEpoch
}

export interface Recovered {
  readonly segments: readonly Segment[]
  readonly logEndOffset: Offset
  readonly findings: readonly RecoveryFinding[]
  readonly lastBatch: BatchPlace | undefined
  /** Where an epoch begins among the batches that were scanned, or is in force at their start. */
  readonly epochStarts: readonly EpochStart[]
}

/** The segments of a log after a clean close, or undefined when they contradict that. */
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
      if (mayBeLater ? baseOffset < end : baseOffset !== end) return 'it does not come next'
      if (nextOffset > last.offsetLimit) return 'it is too far from the first'
      isFirst = false
      end = nextOffset
      lastBatch = placeOf(batch)
      return undefined
    })
    if (scan.reason !== undefined || end < options.recoveryPoint) return undefined
    if (options.isSealed && end > options.recoveryPoint) return undefined
    for (const segment of segments) segment.syncedBytes = segment.size
    return { segments, logEndOffset: end, findings, lastBatch, epochStarts: [] }
  } catch (error) {
    if (error instanceof IndexError) return undefined
    throw error
  }
}

/** The segments of a log after a crash. Throws CORRUPT_LOG when it must not be touched. */
export async function recoverSegments(
  segments: readonly Segment[],
  options: RecoveryOptions,
): Promise<Recovered> {
  return await new Recovery(segments, options).run()
}

class Recovery {
  readonly #findings: RecoveryFinding[] = []
  readonly #epochStarts: EpochStart[] = []
  #segments: Segment[]
  #end: Offset
  #epoch: LeaderEpoch = NONE
  #last: BatchPlace | undefined
  /** The last batch, if it has left a gap: the one behind it may show that its offset is wrong. */
  #jump: { readonly position: Position; readonly from: Offset } | undefined

  constructor(
    segments: readonly Segment[],
    readonly options: RecoveryOptions,
  ) {
    this.#segments = [...segments]
    this.#end = (segments[0] as Segment).baseOffset
  }

  async run(): Promise<Recovered> {
    const first = this.#firstUnsynced()
    for (const segment of this.#segments.slice(0, first)) await this.#ensureIndexes(segment)
    const breakage = await this.#scanFrom(first)
    if (breakage !== undefined) await this.#mend(breakage)
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

  /** Every batch is fine, but some that were synced are no longer there. */
  #refuseLostEnd(): void {
    const { durableOffset, onCorruption } = this.options
    if (this.#end >= durableOffset || onCorruption === 'truncate') return
    const last = this.#segments.length - 1
    const size = (this.#segments[last] as Segment).size
    const reason = `the log ends at offset ${this.#end}, it was synced up to ${durableOffset}`
    throw this.#corrupt(last, size, reason)
  }

  /** The segment that holds the recovery point. */
  #firstUnsynced(): number {
    // Whoever gives up damage wants it gone wherever it is.
    const recoveryPoint = this.options.onCorruption === 'truncate' ? 0 : this.options.recoveryPoint
    const index = this.#segments.findLastIndex(segment => segment.baseOffset <= recoveryPoint)
    return Math.max(index, 0)
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

  /** The segment before has ended too early for this one. */
  #baseMismatch(before: number, segment: Segment): Breakage | undefined {
    if (this.#mayBeGap(segment.baseOffset)) {
      this.#end = segment.baseOffset
      return undefined
    }
    const { baseOffset } = segment
    const reason = `offset ${this.#end} should come next, the next segment has ${baseOffset}`
    const position = (this.#segments[before] as Segment).size
    const isShort = segment.baseOffset > this.#end
    return { index: before, position, reason, isShort, isWhole: false }
  }

  /**
   * Compaction takes offsets away below the recovery point only, and what is appended here follows
   * without a gap. A copy of what others have compacted may have gaps anywhere.
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
      return await this.#scanBehind(segment, index, isIndexed)
    } catch (error) {
      if (!(error instanceof IndexError)) throw error
      this.#findings.push(rebuilt(segment, error.message))
      return await this.#scanBehind(segment, index, false)
    }
  }

  async #scanBehind(
    segment: Segment,
    index: number,
    isIndexed: boolean,
  ): Promise<Breakage | undefined> {
    if (!isIndexed) segment.resetIndexes()
    // Behind an index entry the first batch sets the count; at the start of a file the name does.
    let isKnown = !isIndexed
    this.#end = segment.baseOffset
    const limit = this.#limitOf(index)
    let isWhole = false
    this.#jump = undefined
    const scan = await segment.replay((batch, position) => {
      const reason = this.#whyNotNext(batch, { isKnown, limit })
      isWhole = reason !== undefined
      if (reason !== undefined) return reason
      this.#jump =
        isKnown && batch.baseOffset > this.#end ? { position, from: this.#end } : undefined
      isKnown = true
      this.#end = batch.nextOffset
      this.#last = placeOf(batch)
      this.#noteEpoch(batch)
      return undefined
    })
    if (scan.reason === undefined) return undefined
    const { reason, isShort = false } = scan
    return { index, position: this.#blamed(scan.position, isWhole), reason, isShort, isWhole }
  }

  /** Offsets of a segment lie below those of the next one. */
  #limitOf(index: number): Offset {
    const { wasClosedCleanly, isSealed, recoveryPoint } = this.options
    const segment = this.#segments[index] as Segment
    const next = this.#segments[index + 1]?.baseOffset
    const end = next ?? (wasClosedCleanly && isSealed ? recoveryPoint : Infinity)
    return Math.min(end, segment.offsetLimit)
  }

  /** Behind a gap and a batch comes one that lies in the gap: it is the batch that is wrong. */
  #blamed(position: Position, isWhole: boolean): Position {
    if (!isWhole || this.#jump === undefined) return position
    this.#end = this.#jump.from
    return this.#jump.position
  }

  #noteEpoch({ leaderEpoch: epoch, baseOffset: startOffset }: Batch): void {
    if (epoch > this.#epoch) this.#epochStarts.push({ epoch, startOffset })
    this.#epoch = epoch
  }

  /** Keeps the index entries below the recovery point, if they can be believed. */
  async #keepIndexes(segment: Segment): Promise<boolean> {
    if (!segment.hasIndexFiles || segment.baseOffset >= this.options.recoveryPoint) return false
    try {
      await segment.truncateIndexes(this.options.recoveryPoint)
      const entry = segment.offsetIndex.last
      // A crash of an earlier recovery may have left one of them and not the other.
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
   * The CRC leaves out offset and epoch: they are compared with those of the batches around.
   */
  #whyNotNext(
    { baseOffset, leaderEpoch, nextOffset }: Batch,
    { isKnown, limit }: { readonly isKnown: boolean; readonly limit: Offset },
  ): string | undefined {
    const { leaderEpochMax } = this.options
    if (leaderEpoch < this.#epoch || leaderEpoch > leaderEpochMax) {
      return `leader epoch ${leaderEpoch} is outside [${this.#epoch}, ${leaderEpochMax}]`
    }
    if (nextOffset > limit) return `the batch ends at ${nextOffset - 1}, offsets end below ${limit}`
    if (baseOffset >= this.#end && !isKnown) return undefined
    if (baseOffset === this.#end || this.#mayBeGap(baseOffset)) return undefined
    return `the batch begins at offset ${baseOffset}, ${this.#end} should come next`
  }

  // ── after a break ──────────────────────────────────────────────────────────────────────

  async #mend(breakage: Breakage): Promise<void> {
    const { durableOffset } = this.options
    const log = { segments: this.#segments, end: this.#end, durableOffset }
    const verdict = judge(await factsOf(breakage, log))
    if (verdict === 'corruption' && this.options.onCorruption === 'offline') {
      throw this.#corrupt(breakage.index, breakage.position, breakage.reason)
    }
    await this.#cut(breakage, verdict === 'corruption' ? 'corruption-cut' : 'torn-tail')
  }

  /** Puts everything from the break on aside, then cuts it off. */
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

  /** What was found complete may still be in the page cache only: sync it before it is promised. */
  async #makeDurable(first: number): Promise<void> {
    for (const segment of this.#segments.slice(first)) {
      await segment.file.sync()
      await segment.syncIndexes()
    }
    for (const segment of this.#segments) segment.syncedBytes = segment.size
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

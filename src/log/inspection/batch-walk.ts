/*
 * The batches of a partition's folder from one offset to another, each exactly once. Reports the
 * offsets in between that cannot be read: a file is missing or exists twice, bytes are not a valid
 * batch, or the log ends before a known offset.
 *
 *   segment ─▶ batches ─▶ each in its place? ─▶ missing offsets before it ─▶ the batch
 *
 * The log may be written meanwhile. If a file vanishes, retention has deleted it, or compaction has
 * moved its records into the file before it: the folder is listed again.
 */

import { isDiskError, join, type Disk, type DiskFile } from '../../disk/disk.js'
import type { Batch } from '../../model/batch/batch.js'
import type { Offset, Position } from '../../model/units.js'
import { segmentFile } from '../format/files.js'
import { findBatch, isBatchNow, readBatches, type ScanEnd } from '../format/scan.js'
import { judgeTail } from '../recovery/tail-for-readers.js'
import { looksCompacted } from './compacted-look.js'
import { segmentsOf, type KnownBounds } from './known-bounds.js'

/** Offsets of a partition that cannot be read, and why. */
export interface MissingOffsets {
  readonly from: number
  /** Exclusive. */
  readonly until: number
  /** The file that should hold them, or that is in their place. */
  readonly file: string
  readonly position: number
  readonly reason: string
}

/** Bytes after the last whole batch: a write that a crash cut short or that is not finished. */
export interface TornTail {
  readonly file: string
  readonly position: number
  readonly bytes: number
}

export interface BatchWalkOptions {
  readonly disk: Disk
  readonly folder: string
  readonly bounds: KnownBounds
  /** The offsets to read: [from, until). */
  readonly from: Offset
  readonly until: Offset
  /** Called for offsets that cannot be read; may throw to end the walk. */
  readonly onMissing: (missing: MissingOffsets) => void
}

interface Place {
  readonly file: string
  readonly position: Position
}

/** A batch that waits for the next one, which may contradict it. */
interface Pending extends Place {
  readonly batch: Batch
}

export class BatchWalk {
  readonly #options: BatchWalkOptions
  #bases: Offset[]
  /** The offset that must come next. */
  #next: Offset = 0
  /** Batches below `#next` were read already: the file is read a second time. */
  #isReread = false
  #hasGaps: boolean | undefined
  #tornTail: TornTail | undefined

  constructor(options: BatchWalkOptions) {
    this.#options = options
    this.#bases = segmentsIn(options)
  }

  /** Known after everything up to the end of the log was read. */
  get tornTail(): TornTail | undefined {
    return this.#tornTail
  }

  /** The batches, many at a time. */
  async *batches(): AsyncGenerator<readonly Batch[], void> {
    const { from, until } = this.#options
    const first = this.#bases.findLastIndex(base => base <= from)
    this.#begin(first)
    for (let index = Math.max(first, 0); index < this.#bases.length; index++) {
      const base = this.#bases[index] as Offset
      await this.#pass(base, { file: this.#path(base), position: 0 })
      if (base >= until) return
      const file = this.#open(base)
      if (file === undefined) {
        index = this.#listAgain(base)
        continue
      }
      try {
        yield* this.#segment(file, base, this.#bases[index + 1])
      } finally {
        file.close()
      }
      this.#isReread = false
      if (this.#next >= until) return
    }
    this.#checkEnd()
  }

  /** Sets the first offset; reports offsets below the first segment that should exist. */
  #begin(first: number): void {
    const { bounds, folder } = this.#options
    const base = this.#bases[Math.max(first, 0)]
    const isFirst = first <= 0
    const known = bounds.start ?? Infinity
    this.#next = isFirst ? Math.min(base ?? bounds.start ?? 0, known) : (base ?? 0)
    if (!isFirst || base === undefined || this.#next >= base) return
    this.#missed(base, { file: this.#path(base), position: 0 }, `${folder} begins at ${base}`)
  }

  #open(base: Offset): DiskFile | undefined {
    const path = this.#path(base)
    try {
      return this.#options.disk.open(path)
    } catch (error) {
      if (!isDiskError(error, 'ENOENT')) throw error
      return undefined
    }
  }

  /** A file has vanished since the folder was listed. Returns the index before the next to read. */
  #listAgain(gone: Offset): number {
    const { disk, folder } = this.#options
    this.#bases = segmentsOf(disk, folder)
    const at = this.#bases.findLastIndex(base => base <= this.#next)
    const [first] = this.#bases
    if (at < 0 && first !== undefined) {
      const reason = 'they were deleted while the log was read'
      this.#missed(first, { file: this.#path(gone), position: 0 }, reason)
    }
    this.#isReread = at >= 0
    return Math.max(at, 0) - 1
  }

  // ── one segment ────────────────────────────────────────────────────────────────────────

  async *#segment(
    file: DiskFile,
    base: Offset,
    nextBase: Offset | undefined,
  ): AsyncGenerator<readonly Batch[], void> {
    let pending: Pending | undefined
    for (let from: Position | undefined = 0; from !== undefined;) {
      const reading = readBatches(file, { from })
      let step = await reading.next()
      let position: Position = from
      for (; step.done !== true; step = await reading.next()) {
        const placed: Batch[] = []
        for (const batch of step.value) {
          if (pending !== undefined) placed.push(...(await this.#place(pending, batch.baseOffset)))
          pending = { batch, file: this.#path(base), position }
          position += batch.size
        }
        if (placed.length > 0) yield placed
        if (this.#next >= this.#options.until) return
      }
      if (pending !== undefined) yield await this.#place(pending, nextBase)
      pending = undefined
      if (this.#next >= this.#options.until) return
      from = await this.#resumeAfter(file, step.value, nextBase)
    }
  }

  /** The batch, if it is in its place. `following` is undefined for the last one. */
  async #place(
    { batch, ...place }: Pending,
    following: Offset | undefined,
  ): Promise<readonly Batch[]> {
    const { baseOffset, nextOffset } = batch
    if (baseOffset < this.#next) {
      if (this.#isReread) return []
      this.#contradicts(place, `offset ${baseOffset} comes after ${this.#next - 1}`)
      return []
    }
    if (following !== undefined && nextOffset > following && following >= this.#next) {
      const reason = `its offsets go up to ${nextOffset - 1}, but ${following} follows`
      if (following > this.#next) this.#missed(following, place, reason)
      else this.#contradicts(place, reason)
      return []
    }
    const { bounds } = this.#options
    const isBeyond = following === undefined && bounds.end > 0 && nextOffset > bounds.end
    await this.#pass(baseOffset, place, isBeyond)
    this.#next = nextOffset
    return [batch]
  }

  /** Reports a batch that cannot be right, without offsets: those it replaces are found later. */
  #contradicts({ file, position }: Place, reason: string): void {
    const { until } = this.#options
    if (this.#next >= until) return
    this.#options.onMissing({ from: this.#next, until: this.#next, file, position, reason })
  }

  /** Offsets up to `to` are missing, because of compaction or because they are lost. */
  async #pass(to: Offset, place: Place, isBeyond = false): Promise<void> {
    if (to <= this.#next) return
    const isAsked = to > this.#options.from && this.#next < this.#options.until
    if (isAsked && (isBeyond || !(await this.#mayHaveGaps()))) {
      const before = this.#next > 0 ? `follows ${this.#next - 1}` : 'comes first'
      this.#missed(to, place, `offset ${to} ${before}`)
    }
    this.#next = Math.max(this.#next, to)
  }

  async #mayHaveGaps(): Promise<boolean> {
    const { disk, folder, bounds } = this.#options
    this.#hasGaps ??= bounds.isCompacted || (await looksCompacted(disk, folder))
    return this.#hasGaps
  }

  #missed(until: Offset, { file, position }: Place, reason: string): void {
    const { from, until: end } = this.#options
    const missing = { from: Math.max(this.#next, from), until: Math.min(until, end) }
    this.#next = Math.max(this.#next, until)
    if (missing.from >= missing.until) return
    this.#options.onMissing({ ...missing, file, position, reason })
  }

  // ── after a break ──────────────────────────────────────────────────────────────────────

  /** The position at which to continue in the file; undefined at its end. */
  async #resumeAfter(
    file: DiskFile,
    { position, reason }: ScanEnd,
    nextBase: Offset | undefined,
  ): Promise<Position | undefined> {
    if (reason === undefined) return undefined
    const { bounds } = this.#options
    const isOpenEnd = nextBase === undefined && this.#next >= bounds.end
    const tail = isOpenEnd ? await judgeTail(file, position, this.#next) : 'damaged'
    if (tail === 'unwritten') return undefined
    if (await isBatchNow(file, position)) return position // written meanwhile, over zeros
    const place = { file: file.path, position }
    if (tail === 'torn' && !bounds.wasClosedCleanly) {
      this.#tornTail = { ...place, bytes: file.size - position }
      return undefined
    }
    const found = await findBatch(file, position + 1, this.#next)
    const next = found === undefined ? nextBase : await baseOffsetAt(file, found)
    this.#damaged(place, reason, next)
    return found
  }

  #damaged(place: Place, reason: string, next: Offset | undefined): void {
    const { bounds, from, until } = this.#options
    const end = next ?? Math.max(bounds.end, this.#next + 1)
    if (end > this.#next) return this.#missed(end, place, reason)
    if (end <= from || this.#next >= until) return
    this.#contradicts(place, reason)
  }

  #checkEnd(): void {
    const { bounds } = this.#options
    const last = this.#bases.at(-1)
    if (this.#next >= bounds.end) return
    const file = last === undefined ? this.#options.folder : this.#path(last)
    const what = last === undefined ? 'there is no segment' : 'the log ends there'
    const reason = `${what}, it was ${bounds.endWord} up to ${bounds.end}`
    this.#missed(bounds.end, { file, position: this.#sizeOf(last) }, reason)
  }

  #sizeOf(base: Offset | undefined): Position {
    const file = base === undefined ? undefined : this.#open(base)
    file?.close()
    return file?.size ?? 0
  }

  #path(base: Offset): string {
    return join(this.#options.folder, segmentFile(base, 'log'))
  }
}

/** No segments if the folder is missing but must have held records: these are reported. */
function segmentsIn({ disk, folder, bounds }: BatchWalkOptions): Offset[] {
  try {
    return segmentsOf(disk, folder)
  } catch (error) {
    if (bounds.end > 0 && isDiskError(error, 'ENOENT')) return []
    throw error
  }
}

async function baseOffsetAt(file: DiskFile, position: Position): Promise<Offset> {
  const head = await file.read(position, 8)
  return Number(head.readBigInt64BE(0))
}

/*
 * One compaction of one log.
 *
 *   map     the keys of records since the last cleaning, with their newest offsets
 *   filter  every segment from the log's start on, in groups that become one segment each
 *   swap    the new segment replaces its group (swap.ts)
 *   note    where the next cleaning continues
 *
 * Only the swap waits for the log's other file changes; the rest works on closed segments, which
 * nothing else writes. Cleaning a clean segment again does no harm, so a crash between two steps
 * only costs time.
 *
 * Invariants
 * - Nothing above the recovery point, in memory or in the checkpoint file, is cleaned: so damage in
 *   a cleaned segment never passes for a torn tail.
 * - The next first dirty offset is written only after everything before it is swapped.
 */

import type { Batch } from '../../model/batch/batch.js'
import { PartlogError } from '../../model/errors.js'
import type { Offset } from '../../model/units.js'
import { endSwap, nameSwap, removeCleaned, undoSwap } from '../format/swap.js'
import type { LogState } from '../store/log-state.js'
import type { Segment } from '../store/segment.js'
import { BatchFilter, mapBatch } from './batch-filter.js'
import { BatchSource } from './batch-source.js'
import { groupSegments, type CompactionPlan, type CompactionSegment } from './compaction-plan.js'
import { OffsetMap } from './offset-map.js'
import { Pace } from './pace.js'

/** Batches are written in pieces of about this size. */
const WRITE_BYTES = 64 * 1024
/** A position in an index has 31 bits. */
const FILE_BYTES_MAX = 2 ** 31 - 1

/** The result of a compaction. */
export interface Cleaned {
  /** Where the next one continues. */
  readonly endOffset: Offset
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly tookMs: number
}

export interface CleanedSource extends CompactionSegment {
  readonly segment: Segment
}

export class Cleaning {
  readonly #log: LogState
  readonly #plan: CompactionPlan
  readonly #pace: Pace

  /** `check` throws if the cleaning must stop. */
  constructor(log: LogState, plan: CompactionPlan, check: () => void) {
    this.#log = log
    this.#plan = plan
    this.#pace = new Pace(log.context.clock, check)
  }

  async run(sources: readonly CleanedSource[]): Promise<Cleaned> {
    const { context, producers } = this.#log
    const beganMs = context.clock.monotonicMs()
    const map = new OffsetMap(context.random, context.offsetMapBytes)
    const endOffset = await this.#fill(map, sources)
    const filter = new BatchFilter({
      map,
      endOffset,
      now: context.clock.now(),
      deleteRetentionMs: context.settings.current.deleteRetentionMs,
      isLastOfProducer: batch => producers.isLast(batch),
      pace: this.#pace,
    })
    await context.saveCheckpoints()
    const cleaned = sources.filter(({ baseOffset }) => baseOffset < endOffset)
    let bytesAfter = 0
    for (const group of groupSegments(cleaned, context.settings.current)) {
      bytesAfter += await this.#cleanGroup(group, filter)
    }
    this.#pace.check()
    this.#log.moveFirstDirtyOffset(endOffset)
    await context.saveCheckpoints()
    const bytesBefore = cleaned.reduce((sum, { bytes }) => sum + bytes, 0)
    const tookMs = context.clock.monotonicMs() - beganMs
    return { endOffset, bytesBefore, bytesAfter, tookMs }
  }

  /** Adds the keys of new records to the map; resolves with the offset up to which it got. */
  async #fill(map: OffsetMap, sources: readonly CleanedSource[]): Promise<Offset> {
    const { firstDirtyOffset, endOffset } = this.#plan
    for (const source of sources) {
      if (source.endOffset <= firstDirtyOffset || source.endOffset > endOffset) continue
      const batches = new BatchSource(source.segment, source.endOffset, this.#pace)
      for (let batch = await batches.next(); batch !== undefined; batch = await batches.next()) {
        if (batch.nextOffset <= firstDirtyOffset) continue
        const mappedEnd = await mapBatch(map, batch, firstDirtyOffset, this.#pace)
        if (mappedEnd < batch.nextOffset) return mappedEnd
      }
    }
    return endOffset
  }

  /** Resolves with the size after cleaning. */
  async #cleanGroup(group: readonly CleanedSource[], filter: BatchFilter): Promise<number> {
    const { segments, context, health } = this.#log
    const [first] = group as readonly [CleanedSource]
    const fresh = await segments.createCleaned(first.baseOffset)
    let isSwapped = false
    try {
      const isSame = !(await this.#copy(group, fresh, filter))
      if (isSame && group.length === 1) return first.bytes
      await this.#sync(group, fresh)
      await this.#log.maintenance.run(() => this.#swap(group, fresh))
      isSwapped = true
      return fresh.size
    } finally {
      if (!isSwapped) fresh.close()
      // Files that stay do no harm: opening and the next attempt remove them.
      if (!isSwapped && health.offlineReason === undefined) {
        await removeCleaned(context, first.baseOffset).catch(() => undefined)
      }
    }
  }

  /** Writes the rest of a group; resolves with true if anything changed. */
  async #copy(
    group: readonly CleanedSource[],
    fresh: Segment,
    filter: BatchFilter,
  ): Promise<boolean> {
    let isChanged = false
    let bytes = 0
    const waiting: Batch[] = []
    for (const { segment, endOffset } of group) {
      const batches = new BatchSource(segment, endOffset, this.#pace)
      for (let batch = await batches.next(); batch !== undefined; batch = await batches.next()) {
        const left = await filter.filter(batch)
        if (left !== batch) isChanged = true
        if (left === undefined) continue
        waiting.push(left)
        bytes += left.size
        if (bytes < WRITE_BYTES) continue
        this.#write(fresh, waiting.splice(0))
        bytes = 0
      }
    }
    this.#write(fresh, waiting)
    return isChanged
  }

  #write(fresh: Segment, batches: readonly Batch[]): void {
    if (batches.length === 0) return
    const bytes = Buffer.concat(batches.map(batch => batch.bytes))
    if (fresh.size + bytes.length > FILE_BYTES_MAX) {
      const sentence = `${this.#log.name}: compaction would make a segment larger than 2 GiB`
      throw new PartlogError('RECORD_LIST_TOO_LARGE', sentence)
    }
    fresh.append(bytes, batches)
  }

  /**
   * Makes the bytes of a new segment and its indexes, but not the names, survive a power cut. The
   * aborted transactions of the old segments stay: their offsets are absolute.
   */
  async #sync(group: readonly CleanedSource[], fresh: Segment): Promise<void> {
    fresh.seal()
    await fresh.file.sync()
    fresh.durability.syncedBytes = fresh.size
    for (const { segment } of group) for (const each of segment.aborted.all) fresh.aborted.add(each)
    await fresh.syncIndexes()
  }

  /** Nothing else may change the log's files meanwhile. */
  async #swap(group: readonly CleanedSource[], fresh: Segment): Promise<void> {
    const { context, segments, reader } = this.#log
    const { disk, folder } = context
    const { baseOffset } = fresh
    this.#pace.check()
    try {
      nameSwap(context, baseOffset)
    } catch (error) {
      await this.#orOffline(() => undoSwap(context, baseOffset))
      throw error
    }
    await this.#orOffline(async () => {
      await disk.syncDirectory(folder)
      const old = group.map(({ segment }) => segment)
      segments.replace(old, fresh)
      reader.forgetPositions()
      await disk.syncDirectory(folder)
      await endSwap(context, baseOffset)
    })
  }

  /** Takes the log offline on failure: the next opening finishes or undoes half a swap. */
  async #orOffline(step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      throw this.#log.health.syncFailed(error)
    }
  }
}

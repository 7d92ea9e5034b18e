/**
 * Cutting a log back: what a follower does with records that its leader does not have.
 *
 * The order, each step durable before the next
 *   0. What goes is kept aside (kept.ts): who is told to cut may have been told wrongly.
 *   1. The checkpoint's recovery point is lowered to the new end: whatever a crash leaves of the
 *      cut, opening scans all of it, and does not take what is gone for records lost.
 *   2. Later segments go, the last one first, then the file is cut, then names and file are synced.
 *      After a crash in between, the log ends at the old end, the new one or somewhere between.
 *   3. Indexes and the epoch file follow.
 * Nothing is appended meanwhile, so records of two histories are never in the files together.
 * Nothing is read or synced at the moment of the cut, so nobody holds a position in what goes.
 */

import { isPartlogError } from '../../model/errors.js'
import type { Offset } from '../../model/units.js'
import { keepAside } from '../format/kept.js'
import { DamagedBytesError } from '../format/log-errors.js'
import type { LogState } from './log-state.js'
import type { Cut } from './segment-list.js'

export class Truncation {
  readonly #log: LogState

  constructor(log: LogState) {
    this.#log = log
  }

  /** Removes every batch that reaches to `offset` or beyond; resolves with where it is kept. */
  async truncateTo(offset: Offset): Promise<readonly string[]> {
    const { segments, epochFile } = this.#log
    if (offset >= this.#log.logEndOffset) {
      await this.#forgetEmptyLeadership()
      return []
    }
    const cut = await segments.findCut(offset)
    if (cut.end < this.#log.logStartOffset) {
      return await this.startAgainAt(Math.min(offset, this.#log.logStartOffset))
    }
    const keptIn = await this.#cut(cut, cut.end)
    await this.#finish(async () => {
      await segments.syncCut()
      const end = await segments.active.reindex(cut.end)
      if (end < cut.end) await this.#beginBehindGap(cut.end)
      await epochFile.write()
    })
    return keptIn
  }

  /** Removes everything; the next record gets `offset`. Resolves with where it is kept. */
  async startAgainAt(offset: Offset): Promise<readonly string[]> {
    const { segments, epochFile } = this.#log
    const end = segments.first.baseOffset
    const keptIn = await this.#cut({ index: 0, position: 0, end, recoveryPoint: end }, offset)
    await this.#finish(async () => {
      await segments.syncCut()
      await segments.active.reindex(end)
      await segments.replaceEmpty(offset)
      await epochFile.write()
      this.#log.settledTo(offset)
      // The log start of before may lie above records to come: it must be forgotten by then.
      await this.#log.context.saveCheckpoints()
    })
    return keptIn
  }

  /** No batch goes up to the log's end: only the name of a segment can say where it is. */
  async #beginBehindGap(end: Offset): Promise<void> {
    const { segments } = this.#log
    const closed = segments.roll(end)
    await closed.syncIndexes()
    await segments.sync()
  }

  /** As leader it may have noted an epoch and written nothing: its new leader has another one. */
  async #forgetEmptyLeadership(): Promise<void> {
    const { logEndOffset, epochs, epochFile } = this.#log
    if (epochs.truncateFromEnd(logEndOffset)) await epochFile.write()
  }

  /** The cut itself. An `end` that is not the cut's leaves an empty log. */
  async #cut(cut: Cut, end: Offset): Promise<readonly string[]> {
    const { reader, epochs } = this.#log
    const keptIn = await this.#keepAside(cut)
    this.#log.aboutToCut(Math.min(cut.recoveryPoint, end), Math.min(cut.end, end))
    await this.#log.context.saveCheckpoints()
    while (this.#log.isBusy) await this.#log.idle()
    // From here on to the end nothing waits: nobody sees half a cut.
    const isEmpty = cut.index === 0 && cut.position === 0
    this.#log.cutBack({ logEndOffset: end, isEmpty, bytes: this.#cutSegments(cut) })
    reader.forgetPositions()
    epochs.truncateFromEnd(isEmpty ? 0 : end)
    return keptIn
  }

  /** Returns the bytes that are gone. */
  #cutSegments(cut: Cut): number {
    try {
      return this.#log.segments.cut(cut)
    } catch (error) {
      throw this.#log.health.syncFailed(error)
    }
  }

  async #keepAside({ index, position }: Cut): Promise<readonly string[]> {
    const { context, segments } = this.#log
    const kept: string[] = []
    for (const [nth, { file }] of segments.all.slice(index).entries()) {
      const copy = await keepAside(context.disk, file, nth === 0 ? position : 0)
      if (copy !== undefined) kept.push(copy)
    }
    try {
      if (kept.length > 0) await context.disk.syncDirectory(context.folder)
    } catch (error) {
      throw this.#log.health.syncFailed(error)
    }
    return kept
  }

  async #finish(steps: () => Promise<void>): Promise<void> {
    try {
      await this.#log.health.untilItPasses(steps)
    } catch (error) {
      if (isPartlogError(error) || error instanceof DamagedBytesError) throw error
      throw this.#log.health.syncFailed(error)
    }
  }
}

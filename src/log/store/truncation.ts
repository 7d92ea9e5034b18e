/*
 * Truncates a log: a follower removes records that its leader does not have.
 *
 * The order, each step durable before the next
 *   0. The removed bytes are kept aside (kept-aside.ts): the leader's answer may have been wrong.
 *   1. The checkpoint's recovery point is lowered to the new end: after a crash during the cut,
 *      opening scans everything above it and does not take removed records for lost ones.
 *   2. Later segments are removed, the last one first, then the file is cut, then names and file
 *      are synced. After a crash in between, the log ends at the old end, the new one or between.
 *   3. Indexes and the epoch file are updated.
 * Nothing is appended meanwhile, so the files never hold records of two histories. No read or sync
 * is under way at the moment of the cut, so none holds a position in the removed bytes.
 */

import { isPartlogError } from '../../model/errors.js'
import type { Offset } from '../../model/units.js'
import { keepAside } from '../format/kept-aside.js'
import { DamagedBytesError } from '../format/log-errors.js'
import type { LogState } from './log-state.js'
import type { Cut } from './segment-list.js'

export class Truncation {
  readonly #log: LogState

  constructor(log: LogState) {
    this.#log = log
  }

  /** Removes every batch that reaches `offset`; resolves with the files that keep the bytes. */
  async truncateTo(offset: Offset): Promise<readonly string[]> {
    const { segments, epochFile } = this.#log
    if (offset >= this.#log.logEndOffset) {
      await this.#dropEmptyLeadership()
      return []
    }
    const cut = await segments.findCut(offset)
    if (cut.end < this.#log.logStartOffset) {
      return await this.truncateFullyAndStartAt(Math.min(offset, this.#log.logStartOffset))
    }
    const keptIn = await this.#cut(cut, cut.end)
    await this.#finish(async () => {
      await segments.syncCut()
      const end = await segments.active.reindex(cut.end)
      if (end < cut.end) await this.#beginAfterGap(cut.end)
      await epochFile.write()
    })
    return keptIn
  }

  /** Removes everything; the next record gets `offset`. Resolves with the files that keep it. */
  async truncateFullyAndStartAt(offset: Offset): Promise<readonly string[]> {
    const { segments, epochFile } = this.#log
    const end = segments.first.baseOffset
    const keptIn = await this.#cut({ index: 0, position: 0, end, recoveryPoint: end }, offset)
    await this.#finish(async () => {
      await segments.syncCut()
      await segments.active.reindex(end)
      await segments.replaceEmpty(offset)
      await epochFile.write()
      this.#log.moveRecoveryPoint(offset)
      // The old log start may be above new records: the checkpoint must lose it before they come.
      await this.#log.context.saveCheckpoints()
    })
    return keptIn
  }

  /** No batch reaches the log's end: only the name of a new segment can record it. */
  async #beginAfterGap(end: Offset): Promise<void> {
    const { segments } = this.#log
    const closed = segments.roll(end)
    await closed.syncIndexes()
    await segments.sync()
  }

  /** Drops the epoch of a leadership that has written nothing: the new leader has another one. */
  async #dropEmptyLeadership(): Promise<void> {
    const { logEndOffset, epochs, epochFile } = this.#log
    if (epochs.truncateFromEnd(logEndOffset)) await epochFile.write()
  }

  /** Cuts the log; with an `end` other than the cut's, the log is empty afterwards. */
  async #cut(cut: Cut, end: Offset): Promise<readonly string[]> {
    const { reader, epochs } = this.#log
    const keptIn = await this.#keepAside(cut)
    this.#log.willTruncate(Math.min(cut.recoveryPoint, end), Math.min(cut.end, end))
    await this.#log.context.saveCheckpoints()
    while (this.#log.isBusy) await this.#log.idle()
    // Synchronous from here on: no other code sees half a cut.
    const isEmpty = cut.index === 0 && cut.position === 0
    this.#log.truncated({ logEndOffset: end, isEmpty, bytes: this.#cutSegments(cut) })
    reader.forgetPositions()
    epochs.truncateFromEnd(isEmpty ? 0 : end)
    return keptIn
  }

  /** Returns the number of removed bytes. */
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
      await this.#log.health.retryWhileTransient(steps)
    } catch (error) {
      if (isPartlogError(error) || error instanceof DamagedBytesError) throw error
      throw this.#log.health.syncFailed(error)
    }
  }
}

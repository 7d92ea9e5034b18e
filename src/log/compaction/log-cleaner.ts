/*
 * Starts and stops the compaction of a log. The work itself is in cleaning.ts.
 *
 * A cleaning runs while the log is read and appended. If the log is truncated, loses its oldest
 * segments or is closed meanwhile, the cleaning stops and its files are removed.
 */

import { isPartlogError, type ErrorCode } from '../../model/errors.js'
import type { Offset } from '../../model/units.js'
import type { LogConfig } from '../format/log-config.js'
import type { LogState } from '../store/log-state.js'
import type { Log } from '../store/log.js'
import { Cleaning, type CleanedSource, type Cleaned } from './cleaning.js'
import { needsTimes, planCompaction, type CompactionPlan } from './compaction-plan.js'

/** The log was truncated, closed, or has lost segments. */
class GivenUpError extends Error {}

/** Errors that every later attempt would meet again. */
const LASTING: readonly ErrorCode[] = ['INVALID_RECORD', 'CORRUPT_MESSAGE', 'RECORD_LIST_TOO_LARGE']

const CLEANERS = new WeakMap<LogState, LogCleaner>()

/** The one cleaner of a log. The log, in a room below, has no reference to it. */
export function cleanerOf({ state }: Log): LogCleaner {
  const cleaner = CLEANERS.get(state) ?? new LogCleaner(state)
  CLEANERS.set(state, cleaner)
  return cleaner
}

class LogCleaner {
  readonly #log: LogState
  #running: Promise<unknown> | undefined
  #isUncleanable = false

  constructor(log: LogState) {
    this.#log = log
  }

  /** What to clean below the high watermark; undefined if it is not worth it yet. */
  async plan(highWatermark: Offset): Promise<CompactionPlan | undefined> {
    if (!this.#config.isCompacted || this.#isUncleanable || !this.#isOpen) return undefined
    if (needsTimes(this.#config)) await this.#loadTimes()
    const { context, recoveryPoint, logStartOffset, logEndOffset, firstDirtyOffset } = this.#log
    const stableOffset = this.#log.producers.lastStableOffset(highWatermark)
    const settledOffset = Math.min(stableOffset, recoveryPoint)
    const marks = { logStartOffset, logEndOffset, firstDirtyOffset, settledOffset }
    return planCompaction(this.#segments(), marks, this.#config, context.clock.now())
  }

  /**
   * Cleans the log. Undefined if there was nothing to clean, another cleaning is under way, or the
   * cleaning stopped because the log was truncated or closed or `signal` aborted.
   */
  async clean(highWatermark: Offset, signal?: AbortSignal): Promise<Cleaned | undefined> {
    if (this.#running !== undefined) return undefined
    const cleaning = this.#clean(highWatermark, signal)
    this.#running = cleaning
    this.#log.inBackground(cleaning)
    try {
      return await cleaning
    } finally {
      this.#running = undefined
    }
  }

  async #clean(highWatermark: Offset, signal?: AbortSignal): Promise<Cleaned | undefined> {
    const { segments, health } = this.#log
    const { changes } = segments
    const check = (): void => {
      const isOutdated = segments.changes !== changes || this.#log.isTruncating
      if (isOutdated || !this.#isOpen || signal?.aborted === true) throw new GivenUpError()
    }
    try {
      const plan = await this.plan(highWatermark)
      if (plan === undefined) return undefined
      return await health.reading(() => this.#run(plan, check))
    } catch (error) {
      if (error instanceof GivenUpError || health.isClosed) return undefined
      if (isPartlogError(error)) this.#isUncleanable = LASTING.includes(error.code)
      throw error
    }
  }

  async #run(plan: CompactionPlan, check: () => void): Promise<Cleaned> {
    try {
      check()
      return await new Cleaning(this.#log, plan, check).run(this.#segments())
    } catch (error) {
      if (this.#log.health.offlineReason === undefined) check() // a truncation is not damage
      throw error
    }
  }

  get #config(): LogConfig {
    return this.#log.context.settings.current
  }

  get #isOpen(): boolean {
    const { isClosed, offlineReason } = this.#log.health
    return !isClosed && offlineReason === undefined
  }

  async #loadTimes(): Promise<void> {
    for (const segment of this.#log.segments.all.slice(0, -1)) {
      await segment.times.newest()
      await segment.first()
    }
  }

  #segments(): CleanedSource[] {
    const { all } = this.#log.segments
    return all.map((segment, index) => ({
      segment,
      baseOffset: segment.baseOffset,
      endOffset: all[index + 1]?.baseOffset ?? this.#log.logEndOffset,
      bytes: segment.size,
      firstTimestamp: segment.firstTimestamp,
      newestTimestamp: segment.times.newestTimestamp,
    }))
  }
}

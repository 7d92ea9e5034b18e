/**
 * When a log is compacted, and when that is given up. The work itself is in cleaning.ts.
 *
 * A cleaning goes on beside appends and reads. A log that is cut, loses its oldest segments or is
 * closed meanwhile makes it worthless: it is given up, and what was written goes.
 */

import { isPartlogError, type ErrorCode } from '../../model/errors.js'
import type { Offset } from '../../model/units.js'
import type { LogConfig } from '../format/log-config.js'
import type { LogState } from '../log/log-state.js'
import type { Log } from '../log/log.js'
import { Cleaning, type CleanedSource, type Cleaned } from './cleaning.js'
import { needsTimes, planCompaction, type CompactionPlan } from './compaction-plan.js'

/** The log has changed, or is not there any more. */
class GivenUpError extends Error {}

/** These come again with the next attempt. */
const LASTING: readonly ErrorCode[] = ['INVALID_RECORD', 'CORRUPT_MESSAGE', 'RECORD_LIST_TOO_LARGE']

const CLEANERS = new WeakMap<LogState, LogCleaner>()

/** The cleaner of a log, always the same one. The log, a storey below, knows nothing of it. */
export function cleanerOf({ state }: Log): LogCleaner {
  const cleaner = CLEANERS.get(state) ?? new LogCleaner(state)
  CLEANERS.set(state, cleaner)
  return cleaner
}

export class LogCleaner {
  readonly #log: LogState
  #running: Promise<unknown> | undefined
  #isUncleanable = false

  constructor(log: LogState) {
    this.#log = log
  }

  /** What there is to clean below the high watermark; undefined when it is not worth it yet. */
  async plan(highWatermark: Offset): Promise<CompactionPlan | undefined> {
    if (!this.#config.isCompacted || this.#isUncleanable || !this.#isOpen) return undefined
    if (needsTimes(this.#config)) await this.#loadTimes()
    const { context, recoveryPoint, logStartOffset, logEndOffset, firstDirtyOffset } = this.#log
    const settledOffset = Math.min(highWatermark, recoveryPoint)
    const marks = { logStartOffset, logEndOffset, firstDirtyOffset, settledOffset }
    return planCompaction(this.#segments(), marks, this.#config, context.clock.now())
  }

  /**
   * Cleans what there is to clean. Undefined when there was nothing, or when it was given up
   * because the log was cut or closed, or `signal` has aborted, or another cleaning is under way.
   */
  async clean(highWatermark: Offset, signal?: AbortSignal): Promise<Cleaned | undefined> {
    if (this.#running !== undefined) return undefined
    const cleaning = this.#clean(highWatermark, signal)
    this.#running = cleaning
    this.#log.beside(cleaning)
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
      const isOutdated = segments.changes !== changes || this.#log.isBeingCut
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
      if (this.#log.health.offlineReason === undefined) check() // what a cut does is no damage
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

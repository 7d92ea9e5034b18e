/**
 * Whether a log can be used, and what the failures of its disk mean for it.
 *
 *   failure                     an append     what is done behind        a read
 *   passes (no room, no         is refused    is tried again after a     fails
 *   descriptor: isTransient)                  pause, or left for later
 *   any other, each failed      takes the log offline until it is        fails
 *   sync of data among them     opened again
 */

import type { Clock, Timer } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import { Signal } from '../../base/tasks.js'
import { isDiskError, type DiskError } from '../../disk/disk.js'
import { isPartlogError, type PartlogError } from '../../model/errors.js'
import {
  closedError,
  corruptLog,
  DamagedBytesError,
  offlineError,
  readError,
  refusedAppend,
  stalledError,
} from '../format/log-errors.js'

/** Failures that pass and come closer together are one fault, told once. */
const FAULT_GAP_MS = 60_000

/** How long to wait until a disk that had no room is asked again. */
export const DISK_RETRY_MS = 1_000

export interface LogHealthContext {
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
  readonly onStalled: (error: PartlogError) => void
  readonly onOffline: (error: PartlogError) => void
}

export class LogHealth {
  readonly #context: LogHealthContext
  readonly #closed = new Signal()
  #isClosed = false
  #offline: PartlogError | undefined
  #stalled: PartlogError | undefined
  /** Those that do not wait for a disk that has no room. */
  readonly #impatient = new Set<(error: PartlogError) => void>()
  #lastTold = ''
  #failedAtMs = -Infinity

  constructor(context: LogHealthContext) {
    this.#context = context
  }

  get #name(): string {
    return this.#context.name
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Nothing is taken any more, and nothing waits for the disk to get better. */
  close(): void {
    this.#isClosed = true
    this.#closed.notify()
  }

  /** Why what was appended cannot be made durable at present, if it cannot. */
  get stalled(): PartlogError | undefined {
    return this.#stalled
  }

  /** Why every call fails, if it does. */
  get offlineReason(): PartlogError | undefined {
    return this.#offline
  }

  checkOnline(): void {
    if (this.#offline !== undefined) throw this.#offline
    if (this.#isClosed) throw closedError(this.#name)
  }

  /** Given up as a crash would: nothing works any more, and nobody is told. */
  abandon(): void {
    this.#offline ??= closedError(this.#name)
    this.close()
  }

  /** Runs something that reads; what goes wrong becomes an error that says what it means. */
  async reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      if (this.#isClosed) throw closedError(this.#name)
      if (isDiskError(error)) throw readError(this.#name, error)
      if (!(error instanceof DamagedBytesError)) throw error
      const corrupt = corruptLog(this.#name, error.message)
      this.#goOffline(corrupt)
      throw corrupt
    }
  }

  /** A full disk refuses an append; any other failure of the disk takes the log offline. */
  writeFailed(error: unknown): unknown {
    if (!isDiskError(error)) return error
    return this.#passes(error) ? refusedAppend(this.#name, error) : this.syncFailed(error)
  }

  /**
   * Does `task` again, after a pause, as long as it fails in a way that passes; meanwhile the log
   * is stalled. Throws any other failure, and the last one when the log is closed.
   */
  async untilItPasses(task: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await task()
        this.#stalled = undefined
        return
      } catch (error) {
        if (!this.#passes(error) || this.#isClosed) throw error
        this.#stalled = stalledError(this.#name, error)
        for (const giveUp of [...this.#impatient]) giveUp(this.#stalled)
        this.#context.onStalled(this.#stalled)
      }
      await this.#pause()
    }
  }

  /** Resolves with `work`; rejects as soon as the log is stalled, while the work goes on. */
  unlessStalled(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => void this.#impatient.delete(reject)
      this.#impatient.add(reject)
      work.then(resolve, reject).finally(leave)
      if (this.#stalled !== undefined) reject(this.#stalled)
    })
  }

  /**
   * Does `task` unless the log is offline. What fails in a way that passes is left for another
   * time, anything else takes the log offline.
   */
  async orLater(task: () => Promise<void>): Promise<void> {
    if (this.#offline !== undefined) return
    try {
      await task()
    } catch (error) {
      const isTold = error === this.#stalled
      if (!isTold && !this.#passes(error)) this.syncFailed(error)
    }
  }

  /** True for a failure that passes, which is told once per fault. */
  #passes(error: unknown): error is DiskError {
    if (!isDiskError(error) || !error.isTransient) return false
    const { clock, logger } = this.#context
    const now = clock.monotonicMs()
    const isOver = now - this.#failedAtMs > FAULT_GAP_MS
    if (isOver || this.#lastTold !== error.message) {
      logger.warn(`${this.#name} waits for its disk`, { error })
    }
    this.#lastTold = error.message
    this.#failedAtMs = now
    return true
  }

  async #pause(): Promise<void> {
    let timer: Timer | undefined
    const passed = new Promise<void>(resolve => {
      timer = this.#context.clock.after(DISK_RETRY_MS, resolve, 'background')
    })
    await Promise.race([passed, this.#closed.wait()])
    timer?.cancel()
  }

  /** What is on the medium is not known any more. */
  syncFailed(error: unknown): PartlogError {
    const reason = isPartlogError(error) ? error : offlineError(this.#name, error as Error)
    return this.#goOffline(reason)
  }

  #goOffline(error: PartlogError): PartlogError {
    if (this.#offline !== undefined) return this.#offline
    this.#offline = error
    this.#context.logger.error(`${this.#name} is offline`, { error })
    this.#context.onOffline(error)
    return error
  }
}

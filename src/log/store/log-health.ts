/*
 * Whether a log can be used, and what failures of its disk do to it.
 *
 *   failure                     an append     background work            a read
 *   transient (no room, no      is refused    is tried again after a     fails
 *   descriptor)                               pause, or left for later
 *   any other, including each   takes the log offline until it is        fails
 *   failed sync of data         opened again
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

/** Transient failures closer together than this are one fault, logged once. */
const FAULT_GAP_MS = 60_000

/** The pause before work that a disk without room has refused is tried again. */
export const DISK_RETRY_MS = 1_000

export interface LogHealthContext {
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
  readonly onStalled: (error: PartlogError) => void
  readonly onOffline: (error: PartlogError) => void
  /** A sync has failed: what it should have written may never be written. */
  readonly onSyncFailed: () => void
}

export class LogHealth {
  readonly #context: LogHealthContext
  readonly #closed = new Signal()
  #isClosed = false
  #offline: PartlogError | undefined
  #stalled: PartlogError | undefined
  /** Callers of `unlessStalled`, which reject as soon as the log is stalled. */
  readonly #stallListeners = new Set<(error: PartlogError) => void>()
  #lastWarning = ''
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

  /** Refuses further work and ends all pauses before another try. */
  close(): void {
    this.#isClosed = true
    this.#closed.notify()
  }

  /** Why appended records cannot be made durable at present; undefined if they can. */
  get stalled(): PartlogError | undefined {
    return this.#stalled
  }

  /** Why every call fails; undefined while the log is online. */
  get offlineReason(): PartlogError | undefined {
    return this.#offline
  }

  get isOnline(): boolean {
    return this.#offline === undefined && !this.#isClosed
  }

  checkOnline(): void {
    if (this.#offline !== undefined) throw this.#offline
    if (this.#isClosed) throw closedError(this.#name)
  }

  /** Stops all work as a crash would, without notifying the owner. */
  abandon(): void {
    this.#offline ??= closedError(this.#name)
    this.close()
  }

  /** Runs a read; its failure becomes a PartlogError, and damage takes the log offline. */
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
    return this.#isTransient(error) ? refusedAppend(this.#name, error) : this.syncFailed(error)
  }

  /**
   * Repeats `task`, with pauses, while it fails with transient errors; meanwhile the log is
   * stalled. Throws any other failure, and the last failure if the log is closed.
   */
  async retryWhileTransient(task: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await task()
        this.#stalled = undefined
        return
      } catch (error) {
        if (!this.#isTransient(error) || this.#isClosed) throw error
        this.#stalled = stalledError(this.#name, error)
        for (const giveUp of [...this.#stallListeners]) giveUp(this.#stalled)
        this.#context.onStalled(this.#stalled)
      }
      await this.#pause()
    }
  }

  /** Settles as `work` does, but rejects as soon as the log is stalled; the work continues. */
  unlessStalled(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => void this.#stallListeners.delete(reject)
      this.#stallListeners.add(reject)
      work.then(resolve, reject).finally(leave)
      if (this.#stalled !== undefined) reject(this.#stalled)
    })
  }

  /**
   * Runs `task` unless the log is offline. After a transient failure the task is left for later;
   * any other failure takes the log offline.
   */
  async runOrPostpone(task: () => Promise<void>): Promise<void> {
    if (this.#offline !== undefined) return
    try {
      await task()
    } catch (error) {
      const isKnown = error === this.#stalled
      if (!isKnown && !this.#isTransient(error)) this.syncFailed(error)
    }
  }

  /** True for a transient failure; logs it once per fault. */
  #isTransient(error: unknown): error is DiskError {
    if (!isDiskError(error) || !error.isTransient) return false
    const { clock, logger } = this.#context
    const now = clock.monotonicMs()
    const isOver = now - this.#failedAtMs > FAULT_GAP_MS
    if (isOver || this.#lastWarning !== error.message) {
      logger.warn(`${this.#name} waits for its disk`, { error })
    }
    this.#lastWarning = error.message
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

  /** Takes the log offline: what is on the medium is unknown. */
  syncFailed(error: unknown): PartlogError {
    if (isDiskError(error) && error.operation.startsWith('sync')) this.#context.onSyncFailed()
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

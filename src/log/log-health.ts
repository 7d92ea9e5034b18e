/**
 * Whether a log can be used, and what the failures of its disk mean for it: a full disk refuses,
 * anything else takes the log offline until it is opened again.
 */

import type { Logger } from '../base/logger.js'
import { isDiskError } from '../disk/disk.js'
import { isPartlogError, type PartlogError } from '../model/errors.js'
import {
  closedError,
  corruptLog,
  DamagedBytesError,
  offlineError,
  readError,
  refusedAppend,
} from './errors.js'

export class LogHealth {
  isClosed = false
  readonly #name: string
  readonly #logger: Logger
  readonly #onOffline: (error: PartlogError) => void
  #offline: PartlogError | undefined

  constructor(name: string, logger: Logger, onOffline: (error: PartlogError) => void) {
    this.#name = name
    this.#logger = logger
    this.#onOffline = onOffline
  }

  /** Why every call fails, if it does. */
  get offlineReason(): PartlogError | undefined {
    return this.#offline
  }

  checkOnline(): void {
    if (this.#offline !== undefined) throw this.#offline
    if (this.isClosed) throw closedError(this.#name)
  }

  /** Given up as a crash would: nothing works any more, and nobody is told. */
  abandon(): void {
    this.isClosed = true
    this.#offline ??= closedError(this.#name)
  }

  /** Runs something that reads; what goes wrong becomes an error that says what it means. */
  async reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      if (this.isClosed) throw closedError(this.#name)
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
    return error.isTransient ? refusedAppend(this.#name, error) : this.syncFailed(error)
  }

  /** What is on the medium is not known any more. */
  syncFailed(error: unknown): PartlogError {
    const reason = isPartlogError(error) ? error : offlineError(this.#name, error as Error)
    return this.#goOffline(reason)
  }

  #goOffline(error: PartlogError): PartlogError {
    if (this.#offline !== undefined) return this.#offline
    this.#offline = error
    this.#logger.error(`${this.#name} is offline`, { error })
    this.#onOffline(error)
    return error
  }
}

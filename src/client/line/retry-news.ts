/*
 * Logs that something is being retried: once per fault, not per attempt. A fault that passes within
 * a second, such as a leader that moves, is not logged.
 */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { ErrorCode, PartlogError } from '../../model/errors.js'

export interface RetryNewsOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** After this long without a failure the fault is over; longer than the pause between retries. */
  readonly faultGapMs: number
}

export interface Retried {
  /** What fails, as the beginning of a sentence. */
  readonly what: string
  readonly error: PartlogError
  /** When the first attempt began. */
  readonly sinceMs: number
  /** When the retries end. */
  readonly untilMs: number
}

const TOLD_AFTER_MS = 1_000

export class RetryNews {
  readonly #options: RetryNewsOptions
  /** The error codes logged for the present fault: one fault may show several. */
  readonly #told = new Set<ErrorCode>()
  #failedAtMs = -Infinity

  constructor(options: RetryNewsOptions) {
    this.#options = options
  }

  /** Notes a failure that will be retried. */
  failed({ what, error, sinceMs, untilMs }: Retried): void {
    const { clock, logger, faultGapMs } = this.#options
    const now = clock.monotonicMs()
    if (now - sinceMs < TOLD_AFTER_MS) return
    if (now - this.#failedAtMs > faultGapMs) this.#told.clear()
    this.#failedAtMs = now
    if (this.#told.has(error.code)) return
    this.#told.add(error.code)
    const leftMs = Math.max(untilMs - now, 0)
    const seconds = Math.round(leftMs / 1000)
    const sentence = `${what}, tried again for up to ${seconds} s: ${error.message}`
    logger.warn(sentence, { error, retriedForMs: leftMs })
  }
}

/* Retries with a backoff until a deadline. */

import { backoffMs, type BackoffOptions } from '../../base/backoff.js'
import { sleep, type Clock } from '../../base/clock.js'
import { silentLogger, type Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { toPartlogError, type PartlogError } from '../../model/errors.js'
import { RetryNews } from './retry-news.js'

export interface RetryOptions extends BackoffOptions {
  readonly clock: Clock
  readonly random: Random
  readonly timeoutMs: number
  /** Aborts when the client is being closed: from then on nothing is retried. */
  readonly closing?: AbortSignal
  /** Gets a warning when the retries last long. Default: none. */
  readonly logger?: Logger | undefined
  /** What fails, for the logger. */
  readonly what?: string
  /** Which errors to retry. Default: those that are `retriable`. */
  readonly isRetriable?: (error: PartlogError) => boolean
}

/** Retriable errors except for a topic that does not exist: waiting does not create it. */
export function mayPassIfExists({ retriable, code }: PartlogError): boolean {
  return retriable && code !== 'UNKNOWN_TOPIC_OR_PARTITION'
}

/** Runs `attempt` until it succeeds, fails with a permanent error, or the time is over. */
export async function withRetries<T>(
  attempt: () => Promise<T> | T,
  options: RetryOptions,
): Promise<T> {
  const { clock, random, timeoutMs, closing } = options
  const { isRetriable = ({ retriable }: PartlogError) => retriable } = options
  const { logger = silentLogger, what = 'a call fails' } = options
  const news = new RetryNews({ clock, logger, faultGapMs: Infinity })
  const sinceMs = clock.monotonicMs()
  const deadline = sinceMs + timeoutMs
  for (let failures = 1; ; failures++) {
    try {
      return await attempt()
    } catch (thrown) {
      const error = toPartlogError(thrown)
      const waitMs = backoffMs(options, failures, random)
      const isOver = clock.monotonicMs() + waitMs >= deadline
      if (!isRetriable(error) || isOver) throw error
      news.failed({ what, error, sinceMs, untilMs: deadline })
      await sleep(clock, waitMs, closing).catch(() => {
        throw error
      })
    }
  }
}

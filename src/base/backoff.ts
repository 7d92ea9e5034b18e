/* How long to wait before the next attempt: Kafka's exponential back-off with jitter. */

import type { Random } from './random.js'

export interface BackoffOptions {
  /** The wait after the first failure. */
  readonly retryBackoffMs: number
  /** The longest wait. */
  readonly retryBackoffMaxMs: number
}

/** Milliseconds to wait after the given number of failures: doubling, ±20 %, bounded. */
export function backoffMs(
  { retryBackoffMs, retryBackoffMaxMs }: BackoffOptions,
  failures: number,
  random: Random,
): number {
  const plain = Math.min(retryBackoffMs * 2 ** Math.max(failures - 1, 0), retryBackoffMaxMs)
  return Math.round(plain * (0.8 + random.int(400) / 1000))
}

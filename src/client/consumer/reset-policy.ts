/* Where a consumer without a position begins: Kafka's auto.offset.reset, with KIP-1106. */

import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../../protocol/messages/offsets.js'

/**
 * Where to begin when nothing is committed, or the log no longer has the committed offset: 'latest'
 * reads new records only, 'earliest' reads all, 'none' fails, and `by_duration:PT1H` begins with
 * the records of the last hour by their timestamps (an ISO 8601 duration of days, hours, minutes
 * and seconds; KIP-1106).
 */
export type AutoOffsetReset = 'latest' | 'earliest' | 'none' | `by_duration:${string}`

export const RESET_POLICIES =
  "'latest', 'earliest', 'none' or 'by_duration:' with an ISO 8601 duration, as 'by_duration:PT1H'"

const BY_DURATION = 'by_duration:'
/** As Java's Duration.parse reads it, without signs: a duration cannot lie in the future. */
const DURATION =
  /^P(?:(\d{1,9})D)?(T(?:(\d{1,12})H)?(?:(\d{1,14})M)?(?:(\d{1,15})(?:[.,](\d{0,9}))?S)?)?$/i

export function isResetPolicy(value: unknown): boolean {
  if (value === 'latest' || value === 'earliest' || value === 'none') return true
  return typeof value === 'string' && durationOf(value) !== undefined
}

/** The (special) timestamp to look up; undefined for 'none'. */
export function resetTimestamp(policy: AutoOffsetReset, now: number): number | undefined {
  if (policy === 'none') return undefined
  if (policy === 'earliest') return EARLIEST_TIMESTAMP
  if (policy === 'latest') return LATEST_TIMESTAMP
  return Math.max(now - (durationOf(policy) ?? 0), 0)
}

/** Milliseconds, rounded up, so that a record of exactly this age is included. */
function durationOf(policy: string): number | undefined {
  if (!policy.startsWith(BY_DURATION)) return undefined
  const found = DURATION.exec(policy.slice(BY_DURATION.length))
  if (found === null) return undefined
  const [, days, time, hours, minutes, seconds, fraction = ''] = found
  const parts = [hours, minutes, seconds]
  const hasTime = parts.some(part => part !== undefined)
  // "P" and "P1DT" name nothing.
  if (time === undefined ? days === undefined : !hasTime) return undefined
  const [h = 0, m = 0, s = 0] = parts.map(part => Number(part ?? 0))
  const whole = Number(days ?? 0) * 86_400 + h * 3_600 + m * 60 + s
  const ms = Math.ceil(whole * 1_000 + Number(`0.${fraction || 0}`) * 1_000)
  return Number.isSafeInteger(ms) ? ms : undefined
}

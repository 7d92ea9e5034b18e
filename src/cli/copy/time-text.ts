/**
 * Times as people and programs write them, and nothing that only looks like one: what a time means
 * must not depend on the machine, nor be guessed.
 *
 *   2016-01-31T12:00:00.123+01:00     ISO 8601, also with a blank for the T, or 20160131T120000Z
 *   1454241600  1454241600123  …      since 1970, in seconds, milliseconds, micro-, nanoseconds
 *
 * Kafka keeps milliseconds since 1970: what is finer is cut off.
 */

import type { OptionType } from '../../base/options.js'
import { DAY_MS } from '../../model/topic-settings.js'

export const TIME_UNITS = ['s', 'ms', 'us', 'ns'] as const
export type TimeUnit = (typeof TIME_UNITS)[number]

/** 10^n milliseconds. */
const EXPONENTS: Readonly<Record<TimeUnit, number>> = { s: 3, ms: 0, us: -3, ns: -6 }

/** A number tells its unit by itself from 1973 until 2128: seconds of these years, and so on. */
const CLEAR_FROM_MS = 100_000_000_000
const CLEAR_UNTIL_MS = 5_000_000_000_000

/** What a Date can be. */
const TIME_MAX_MS = 8_640_000_000_000_000
/** Enough for every number that is a time. */
const DIGITS_MAX = 40

/** Where a clock shows which time. */
export interface TimeZone {
  /** How a clock there is ahead, in ms, when it shows this time; undefined: it never does. */
  aheadAt(localMs: number): number | undefined
}

export interface TimeRules {
  /** What numbers count; default: what they clearly are. */
  readonly unit?: TimeUnit | undefined
  /** Of times that do not say theirs; they are refused by default. */
  readonly zone?: TimeZone | undefined
}

/** A time, and the unit that its number was taken for without being told. */
export interface TimeRead {
  /** Milliseconds since 1970. */
  readonly ms: number
  readonly clearUnit: TimeUnit | undefined
}

/** Throws an Error with the reason when the text is no time. */
export function readTime(text: string, rules: TimeRules = {}): TimeRead {
  const read = NUMBER.test(text)
    ? timeFromNumber(text, rules)
    : { ms: timeFromIso(text, rules.zone), clearUnit: undefined }
  const { ms } = read
  if (ms < 0) throw new Error(`it lies before 1970 (${ms} ms): Kafka has no such times`)
  if (ms > TIME_MAX_MS) throw new Error('it lies beyond the year 275760')
  return read
}

// ── numbers ──────────────────────────────────────────────────────────────────────────────

const NUMBER = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/

function timeFromNumber(text: string, { unit }: TimeRules): TimeRead {
  const plain = unit === undefined && text.length <= 15 ? Number(text) : NaN
  // The usual ones, without a fraction: the same result by the short way.
  if (Number.isInteger(plain) && isClearMs(plain)) return { ms: plain, clearUnit: 'ms' }
  if (Number.isInteger(plain) && isClearMs(plain * 1000)) {
    return { ms: plain * 1000, clearUnit: 's' }
  }
  const decimal = decimalOf(text)
  if (decimal === undefined) throw new Error('it has too many digits for a time')
  if (decimal.digits < 0n) throw new Error('it lies before 1970: Kafka has no such times')
  const clearUnit = unit === undefined ? unitOf(decimal) : undefined
  const known = unit ?? clearUnit
  if (known !== undefined) return { ms: scaled(decimal, EXPONENTS[known]), clearUnit }
  throw new Error('what it counts is not clear: say --timestamp-unit s, ms, us or ns')
}

function isClearMs(ms: number): boolean {
  return ms >= CLEAR_FROM_MS && ms < CLEAR_UNTIL_MS
}

/** `digits` × 10^`exponent`. */
interface Decimal {
  readonly digits: bigint
  readonly exponent: number
}

function decimalOf(text: string): Decimal | undefined {
  const [mantissa = '', power = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const exponent = Number(power) - fraction.length
  if (whole.length + fraction.length > DIGITS_MAX || Math.abs(exponent) > DIGITS_MAX) {
    return undefined
  }
  return { digits: BigInt(whole + fraction), exponent }
}

function scaled({ digits, exponent }: Decimal, more: number): number {
  const power = exponent + more
  const ms = power >= 0 ? digits * 10n ** BigInt(power) : digits / 10n ** BigInt(-power)
  return Number(ms)
}

/** What a number can only count, if it is a time of these decades. */
function unitOf(decimal: Decimal): TimeUnit | undefined {
  return TIME_UNITS.find(unit => isClearMs(scaled(decimal, EXPONENTS[unit])))
}

// ── ISO 8601 ─────────────────────────────────────────────────────────────────────────────

const ZONE = '(?: ?(Z|z|UTC|GMT|[+-]\\d\\d(?::?\\d\\d)?))?'
const EXTENDED = new RegExp(
  `^(\\d{4})-(\\d\\d)-(\\d\\d)` +
    `(?:[Tt ](\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,30}))?)?${ZONE})?$`,
)
const BASIC = new RegExp(
  `^(\\d{4})(\\d\\d)(\\d\\d)[Tt](\\d\\d)(\\d\\d)(?:(\\d\\d)(?:[.,](\\d{1,30}))?)?${ZONE}$`,
)

/** The same of ISO 8601 alone, also before 1970; `zone` is that of times that do not say theirs. */
export function timeFromIso(text: string, zone: TimeZone | undefined): number {
  const match = EXTENDED.exec(text) ?? BASIC.exec(text)
  if (match === null) throw new Error('expected a time like 2016-01-31T12:00:00Z, or a number')
  const local = localMsOf(match)
  if (local === undefined) throw new Error('there is no such day or time of day')
  const said = match[8] === undefined ? zone : fixedZone(match[8])
  if (said === undefined) {
    throw new Error('it does not say its zone: say --timezone UTC (or Europe/Berlin, +02:00)')
  }
  const ahead = said.aheadAt(local)
  if (ahead === undefined) throw new Error('no clock shows that time there: the hour is left out')
  return local - ahead
}

/** As if the clock showed UTC; undefined for a day or a minute that does not exist. */
function localMsOf(match: RegExpExecArray): number | undefined {
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map(part => Number(part ?? 0)) as [number, number, number, number, number, number]
  const fraction = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'))
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second, fraction))
  const isThere =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    minute < 60 &&
    second < 60
  return isThere ? date.getTime() : undefined
}

// ── zones ────────────────────────────────────────────────────────────────────────────────

const MINUTE_MS = 60_000
const OFFSET = /^([+-])(\d\d)(?::?(\d\d))?$/

function fixedZone(text: string): TimeZone | undefined {
  if (/^(z|utc|gmt)$/i.test(text)) return UTC
  const match = OFFSET.exec(text)
  if (match === null) return undefined
  const [hours, minutes] = [Number(match[2]), Number(match[3] ?? 0)]
  if (hours > 23 || minutes > 59) return undefined
  const ahead = (match[1] === '-' ? -1 : 1) * (hours * 60 + minutes) * MINUTE_MS
  return { aheadAt: () => ahead }
}

export const UTC: TimeZone = { aheadAt: () => 0 }

/** `UTC`, `+02:00`, or a place as `Europe/Berlin`; undefined for any other text. */
export function timeZoneOf(text: string): TimeZone | undefined {
  const fixed = fixedZone(text)
  if (fixed !== undefined || !/^[A-Za-z]/.test(text)) return fixed
  try {
    return new PlaceZone(text)
  } catch {
    return undefined
  }
}

/** Hours whose offset is remembered: lines come in the order of their times, nearly. */
const HOURS_MAX = 1_000
const HOUR_MS = 3_600_000

/** A place with its summers. Of a time that is shown twice it is the first. */
class PlaceZone implements TimeZone {
  readonly #format: Intl.DateTimeFormat
  readonly #aheadByHour = new Map<number, number>()

  /** Throws RangeError for a place that is not known. */
  constructor(place: string) {
    const digits = { month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const
    this.#format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone: place, hourCycle: 'h23', year: 'numeric', second: 'numeric', ...digits },
    })
  }

  aheadAt(localMs: number): number | undefined {
    const around = [this.#aheadAtUtc(localMs - DAY_MS), this.#aheadAtUtc(localMs + DAY_MS)]
    const fitting = around.filter(ahead => this.#aheadAtUtc(localMs - ahead) === ahead)
    return fitting.length === 0 ? undefined : Math.max(...fitting)
  }

  /** Offsets change at full quarters of an hour, at most. */
  #aheadAtUtc(ms: number): number {
    const quarter = Math.floor((4 * ms) / HOUR_MS)
    const known = this.#aheadByHour.get(quarter)
    if (known !== undefined) return known
    if (this.#aheadByHour.size >= 4 * HOURS_MAX) this.#aheadByHour.clear()
    const start = (quarter * HOUR_MS) / 4
    const ahead = this.#shownAt(start) - start
    this.#aheadByHour.set(quarter, ahead)
    return ahead
  }

  #shownAt(ms: number): number {
    const parts = new Map(this.#format.formatToParts(ms).map(each => [each.type, each.value]))
    const part = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type))
    const day = [part('year'), part('month') - 1, part('day')] as const
    return Date.UTC(...day, part('hour'), part('minute'), part('second'))
  }
}

/** A day, or a time that does not say its zone, is one of UTC, as for Kafka's tools. */
function parseTime(given: string): Date | undefined {
  try {
    return new Date(Math.max(timeFromIso(given, UTC), 0)) // before 1970 there is nothing
  } catch {
    return undefined
  }
}

/** A time as ISO 8601. */
export const isoTime: OptionType<Date> = {
  expected: 'an ISO time like 2016-01-31T12:00:00Z',
  parse: () => undefined,
  parseText: parseTime,
}

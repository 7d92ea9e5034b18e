/*
 * Parses times as people and programs write them. Text that only looks like a time is refused: the
 * result must not depend on the machine, nor be guessed.
 *
 *   2016-01-31T12:00:00.123+01:00     ISO 8601, also with a blank for the T, or 20160131T120000Z
 *   1454241600  1454241600123  …      since 1970, in seconds, milliseconds, micro-, nanoseconds
 *
 * Kafka stores milliseconds since 1970: finer digits are cut off.
 */

import type { OptionType } from '../../base/options.js'
import { DAY_MS } from '../../model/topic-settings.js'
import type { TimeFormat, TimeParts } from './time-format.js'

export const TIME_UNITS = ['s', 'ms', 'us', 'ns'] as const
/** The unit of times that are numbers. */
export type TimeUnit = (typeof TIME_UNITS)[number]

/** 10^n milliseconds. */
const EXPONENTS: Readonly<Record<TimeUnit, number>> = { s: 3, ms: 0, us: -3, ns: -6 }

/**
 * The unit of a number is clear from 1973 until 2128: the ranges of seconds, milliseconds,
 * microseconds and nanoseconds of these years do not overlap.
 */
const CLEAR_FROM_MS = 100_000_000_000
const CLEAR_UNTIL_MS = 5_000_000_000_000

/** The latest time that a Date can hold. */
const TIME_MAX_MS = 8_640_000_000_000_000
/** Longer numbers are refused: no time has so many digits. */
const DIGITS_MAX = 40

export interface TimeZone {
  /**
   * The offset from UTC in ms, when a clock in this zone shows `localMs`; undefined: it never shows
   * this time, because the clock is put forward over it.
   */
  aheadAt(localMs: number): number | undefined
}

export interface TimeRules {
  /** The unit of numbers. Default: the unit that is clear from the size of the number. */
  readonly unit?: TimeUnit | undefined
  /** The zone of times without one. Default: such times are refused. */
  readonly zone?: TimeZone | undefined
  /** The format of times. Default: ISO 8601, or a number. */
  readonly format?: TimeFormat | undefined
  /** The year of times in a format without one. Default: such times are refused. */
  readonly year?: number | undefined
}

/** A time, and the unit if it was recognized by the size of the number. */
export interface TimeRead {
  /** Milliseconds since 1970. */
  readonly ms: number
  readonly clearUnit: TimeUnit | undefined
}

/** Throws an Error with the reason if the text is not a time. */
export function readTime(text: string, rules: TimeRules = {}): TimeRead {
  const read = timeIn(text, rules)
  const { ms } = read
  if (ms < 0) throw new Error(`it lies before 1970 (${ms} ms), which Kafka cannot store`)
  if (ms > TIME_MAX_MS) throw new Error('it lies beyond the year 275760')
  return read
}

function timeIn(text: string, rules: TimeRules): TimeRead {
  const { format, zone } = rules
  if (format !== undefined) return { ms: timeFromFormat(text, format, rules), clearUnit: undefined }
  if (NUMBER.test(text)) return timeFromNumber(text, rules)
  return { ms: timeFromIso(text, zone), clearUnit: undefined }
}

// ── numbers ──────────────────────────────────────────────────────────────────────────────

/** A number as JSON and CSV write it. */
export const NUMBER = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/

function timeFromNumber(text: string, { unit }: TimeRules): TimeRead {
  const plain = unit === undefined && text.length <= 15 ? Number(text) : NaN
  // A shortcut for the usual numbers, without a fraction.
  if (Number.isInteger(plain) && isClearMs(plain)) return { ms: plain, clearUnit: 'ms' }
  if (Number.isInteger(plain) && isClearMs(plain * 1000)) {
    return { ms: plain * 1000, clearUnit: 's' }
  }
  const decimal = decimalOf(text)
  if (decimal === undefined) throw new Error('it has too many digits for a time')
  if (decimal.digits < 0n) throw new Error('it lies before 1970, which Kafka cannot store')
  const clearUnit = unit === undefined ? unitOf(decimal) : undefined
  const known = unit ?? clearUnit
  if (known !== undefined) return { ms: scaled(decimal, EXPONENTS[known]), clearUnit }
  throw new Error('its unit is not clear: add --timestamp-unit s, ms, us or ns')
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

/** The only unit in which a number is a time from 1973 to 2128. */
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

/** Reads ISO 8601 only, also times before 1970; `zone` is the zone of times without one. */
export function timeFromIso(text: string, zone: TimeZone | undefined): number {
  const match = EXTENDED.exec(text) ?? BASIC.exec(text)
  if (match === null) throw new Error('expected a time like 2016-01-31T12:00:00Z, or a number')
  const local = localMsOf(match)
  if (local === undefined) throw new Error('this day or time of day does not exist')
  return inZone(local, match[8], zone)
}

/** The UTC time when a clock in its zone, or in `zone`, shows `local`. */
function inZone(local: number, text: string | undefined, zone: TimeZone | undefined): number {
  const known = text === undefined ? zone : fixedZone(text)
  if (known === undefined) {
    throw new Error('it has no time zone: add --timezone UTC (or Europe/Berlin, +02:00)')
  }
  const ahead = known.aheadAt(local)
  if (ahead === undefined) {
    throw new Error('this time does not exist in its zone: the clocks were put forward over it')
  }
  return local - ahead
}

// ── a format of the user's ───────────────────────────────────────────────────────────────

function timeFromFormat(text: string, format: TimeFormat, rules: TimeRules): number {
  const parts = format.read(text)
  if (parts === undefined) throw new Error(`expected a time in the format ${format.text}`)
  const { epochSeconds, fraction = 0 } = parts
  if (epochSeconds !== undefined) return epochSeconds * 1000 + fraction
  const year = parts.year ?? rules.year
  if (year === undefined) throw new Error('it has no year: add --year N')
  const local = localMsOfParts({ ...parts, year })
  if (local === undefined) throw new Error('this day or time of day does not exist')
  return inZone(local, parts.zone, rules.zone)
}

function localMsOfParts(parts: TimeParts & { readonly year: number }): number | undefined {
  const { year, dayOfYear, hour = 0, minute = 0, second = 0, fraction = 0 } = parts
  if (dayOfYear === undefined) {
    return localMs([year, parts.month ?? 1, parts.day ?? 1, hour, minute, second], fraction)
  }
  const first = localMs([year, 1, 1, hour, minute, second], fraction)
  const date = first === undefined ? undefined : new Date(first + (dayOfYear - 1) * DAY_MS)
  return date?.getUTCFullYear() === year ? date.getTime() : undefined
}

/** As if the clock showed UTC; undefined for a day or a minute that does not exist. */
function localMsOf(match: RegExpExecArray): number | undefined {
  const parts = match.slice(1, 7).map(part => Number(part ?? 0)) as LocalParts
  return localMs(parts, Number((match[7] ?? '').slice(0, 3).padEnd(3, '0')))
}

type LocalParts = [number, number, number, number, number, number]

function localMs(parts: LocalParts, fraction: number): number | undefined {
  const [year, month, day, hour, minute, second] = parts
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second, fraction))
  const exists =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    minute < 60 &&
    second < 60
  return exists ? date.getTime() : undefined
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

/** `UTC`, `+02:00`, or a place like `Europe/Berlin`; undefined for any other text. */
export function timeZoneOf(text: string): TimeZone | undefined {
  const fixed = fixedZone(text)
  if (fixed !== undefined || !/^[A-Za-z]/.test(text)) return fixed
  try {
    return new PlaceZone(text)
  } catch {
    return undefined
  }
}

/** How many hours the cache of offsets holds: lines come nearly in the order of their times. */
const HOURS_MAX = 1_000
const HOUR_MS = 3_600_000

/** A place with daylight saving time. A time that its clocks show twice means the first one. */
class PlaceZone implements TimeZone {
  readonly #format: Intl.DateTimeFormat
  readonly #aheadByHour = new Map<number, number>()

  /** Throws RangeError if Node does not know the place. */
  constructor(place: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: place,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  }

  aheadAt(localMs: number): number | undefined {
    const around = [this.#aheadAtUtc(localMs - DAY_MS), this.#aheadAtUtc(localMs + DAY_MS)]
    const fitting = around.filter(ahead => this.#aheadAtUtc(localMs - ahead) === ahead)
    return fitting.length === 0 ? undefined : Math.max(...fitting)
  }

  /** Offsets change only at full quarters of an hour, so one is cached for each quarter. */
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

/** A day, or a time without a zone, is in UTC, as in Kafka's tools. */
function parseTime(given: string): Date | undefined {
  try {
    return new Date(Math.max(timeFromIso(given, UTC), 0)) // no record is older than 1970
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

/*
 * Reads times in a format that the user names, with the letters of strptime:
 *
 *   %d/%b/%Y:%H:%M:%S %z        17/May/2015:10:05:03 +0000
 *   %Y-%m-%d-%H.%M.%S.%f        2005-06-03-15.42.50.675872
 *
 * The format becomes a regular expression without a repeated group, for texts of bounded length: no
 * text takes long.
 */

import { PartlogError } from '../../model/errors.js'

/** What a time says; what it does not say is undefined. */
export interface TimeParts {
  year?: number
  month?: number
  day?: number
  /** Of the year, from 1. */
  dayOfYear?: number
  hour?: number
  isPm?: boolean
  minute?: number
  second?: number
  /** Milliseconds. */
  fraction?: number
  zone?: string
  epochSeconds?: number
}

interface Letter {
  readonly pattern: string
  readonly read?: (text: string, parts: TimeParts) => void
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')
const MONTH_NAMES =
  'january|february|march|april|june|july|august|september|october|november|december'
const DAY_NAMES = 'sunday|monday|tuesday|wednesday|thursday|friday|saturday'

const number =
  (name: keyof TimeParts): Required<Letter>['read'] =>
  (text, parts) =>
    Object.assign(parts, { [name]: Number(text) })

const month: Letter = {
  pattern: `${MONTH_NAMES}|${MONTHS.join('|')}`,
  read: (text, parts) => {
    parts.month = MONTHS.indexOf(text.slice(0, 3).toLowerCase()) + 1
  },
}
const weekday: Letter = { pattern: `${DAY_NAMES}|sun|mon|tue|wed|thu|fri|sat` }
const fraction: Letter = {
  pattern: '\\d{1,30}',
  read: (text, parts) => {
    parts.fraction = Number(text.slice(0, 3).padEnd(3, '0'))
  },
}

/** By letter. Kafka stores milliseconds: finer digits are cut off. */
const LETTERS: Readonly<Record<string, Letter>> = {
  Y: { pattern: '\\d{4}', read: number('year') },
  y: {
    pattern: '\\d{2}',
    read: (text, parts) => {
      parts.year = Number(text) + (Number(text) < 69 ? 2000 : 1900) // as POSIX has it
    },
  },
  m: { pattern: '\\d{1,2}', read: number('month') },
  d: { pattern: '\\d{1,2}', read: number('day') },
  e: { pattern: '\\d{1,2}', read: number('day') },
  j: { pattern: '\\d{1,3}', read: number('dayOfYear') },
  H: { pattern: '\\d{1,2}', read: number('hour') },
  k: { pattern: '\\d{1,2}', read: number('hour') },
  I: { pattern: '\\d{1,2}', read: number('hour') },
  l: { pattern: '\\d{1,2}', read: number('hour') },
  M: { pattern: '\\d{1,2}', read: number('minute') },
  S: { pattern: '\\d{1,2}', read: number('second') },
  f: fraction,
  L: fraction,
  N: fraction,
  p: {
    pattern: '[ap]\\.?m\\.?',
    read: (text, parts) => {
      parts.isPm = /^p/i.test(text)
    },
  },
  b: month,
  B: month,
  h: month,
  a: weekday,
  A: weekday,
  z: {
    pattern: 'z|utc|gmt|[+-]\\d\\d(?::?\\d\\d)?',
    read: (text, parts) => {
      parts.zone = text
    },
  },
  s: { pattern: '\\d{1,15}', read: number('epochSeconds') },
}

/** Letters that stand for several. */
const SHORT: Readonly<Record<string, string>> = {
  T: '%H:%M:%S',
  R: '%H:%M',
  F: '%Y-%m-%d',
  D: '%m/%d/%y',
}

const FORMAT_CHARACTERS_MAX = 256
const TIME_CHARACTERS_MAX = 1024

/** Reads times of one format. */
export class TimeFormat {
  readonly #pattern: RegExp
  readonly #reads: Required<Letter>['read'][] = []
  readonly #isTwelveHours: boolean

  /** Throws INVALID_ARGUMENT if the format has an unknown letter, or none. */
  constructor(readonly text: string) {
    if (text.length > FORMAT_CHARACTERS_MAX) throw wrong(text.slice(0, 40), 'it is too long')
    const long = text.replace(/%([TRFD])/g, (_, letter: string) => SHORT[letter] ?? '')
    const source = long.replace(/%(.?)|([^%]+)/gs, (_, letter?: string, plain?: string) =>
      letter === undefined ? quoted(plain ?? '') : this.#partOf(letter, text),
    )
    if (this.#reads.length === 0) throw wrong(text, 'it has no letter that tells a time')
    this.#isTwelveHours = /%[Il]/.test(long)
    this.#pattern = new RegExp(`^${source}$`, 'i')
  }

  #partOf(letter: string, text: string): string {
    if (letter === '%') return '%'
    const known = Object.hasOwn(LETTERS, letter) ? LETTERS[letter] : undefined
    if (known === undefined) throw wrong(text, `%${letter} is not known`)
    if (known.read === undefined) return `(?:${known.pattern})`
    this.#reads.push(known.read)
    return `(${known.pattern})`
  }

  /** What the text says; undefined if it does not have this format. */
  read(text: string): TimeParts | undefined {
    if (text.length > TIME_CHARACTERS_MAX) return undefined
    const match = this.#pattern.exec(text)
    if (match === null) return undefined
    const parts: TimeParts = {}
    this.#reads.forEach((read, index) => read((match[index + 1] as string).trim(), parts))
    if (this.#isTwelveHours && parts.hour !== undefined) {
      if (parts.hour < 1 || parts.hour > 12) return undefined
      parts.hour = (parts.hour % 12) + (parts.isPm === true ? 12 : 0)
    }
    return parts
  }
}

/** Formats that many files have, to propose one. */
const COMMON = [
  ...['%d/%b/%Y:%H:%M:%S %z', '%Y/%m/%d %H:%M:%S', '%Y/%m/%d %H:%M', '%Y/%m/%d', '%b %d %Y'],
  ...['%b %d %H:%M:%S', '%a %b %d %H:%M:%S %Y', '%a %b %d %H:%M:%S %z %Y', '%b %d, %Y'],
  ...['%a, %d %b %Y %H:%M:%S %z', '%d %b %Y %H:%M:%S', '%d %b %Y', '%d.%m.%Y %H:%M:%S'],
  ...['%d.%m.%Y %H:%M', '%d.%m.%Y', '%Y-%m-%d-%H.%M.%S.%f', '%Y%m%d %H%M%S', '%y%m%d %H%M%S'],
  ...['%y/%m/%d %H:%M:%S', '%Y%m%d-%H:%M:%S:%f', '%m-%d %H:%M:%S.%f', '%Y.%m.%d %H:%M:%S'],
] as const

let common: readonly TimeFormat[] | undefined

/**
 * A format that reads the text. None where day and month could be meant either way, as in 3/4/2016.
 */
export function formatFor(text: string): string | undefined {
  common ??= COMMON.map(each => new TimeFormat(each))
  return common.find(each => each.read(text) !== undefined)?.text
}

/** A blank stands for one or more blanks, as in strptime. */
function quoted(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&').replace(/ +/g, ' +')
}

function wrong(text: string, why: string): PartlogError {
  return new PartlogError(
    'INVALID_ARGUMENT',
    `expected a format of times like %d/%b/%Y:%H:%M:%S %z, got ${JSON.stringify(text)}: ${why} ` +
      `(known are ${[...Object.keys(LETTERS), ...Object.keys(SHORT), '%'].join(' ')})`,
  )
}

/*
 * The short way to the fields of a line of JSON, for the common case: an object whose values are
 * texts without escapes, numbers, true, false and null. The line is checked byte by byte exactly as
 * JSON.parse would check it; anything else (nesting, escapes, mistakes) goes the long way, which
 * parses the line. A test holds both to the same result.
 */

import type { FieldName } from './json-token.js'
import {
  BACKSLASH,
  CLOSING_BRACE,
  COLON,
  COMMA,
  MINUS,
  NINE,
  OPENING_BRACE,
  QUOTE,
  SPACE,
  ZERO,
} from './byte-names.js'

const POINT = 0x2e
const PLUS = 0x2b
const UPPER_E = 0x45
const LOWER_E = 0x65
const WORDS = ['true', 'false', 'null'].map(word => Buffer.from(word))

/** Where the values of some fields stand in a flat line. */
export class FlatFields {
  /** Of each field: where its value begins and ends; −1: the line does not have it. */
  readonly from: Int32Array
  readonly to: Int32Array
  readonly #names: readonly Buffer[]

  constructor(names: readonly FieldName[]) {
    this.#names = names.map(({ bytes }) => Buffer.from(bytes, 'latin1'))
    this.from = new Int32Array(names.length)
    this.to = new Int32Array(names.length)
  }

  /** False: the line is not flat, or no JSON; then nothing is known of its fields. */
  find(line: Uint8Array): boolean {
    this.from.fill(-1)
    const end = line.length
    let at = behindBlanks(line, 0)
    if (line[at] !== OPENING_BRACE) return false
    at = behindBlanks(line, at + 1)
    if (line[at] === CLOSING_BRACE) return behindBlanks(line, at + 1) === end
    for (;;) {
      const nameEnd = textEnd(line, at)
      if (nameEnd < 0) return false
      const field = this.#fieldAt(line, at + 1, nameEnd - 1)
      at = behindBlanks(line, nameEnd)
      if (line[at] !== COLON) return false
      at = behindBlanks(line, at + 1)
      const valueEnd = line[at] === QUOTE ? textEnd(line, at) : scalarEnd(line, at)
      if (valueEnd < 0) return false
      if (field >= 0) {
        this.from[field] = at // of several fields of one name the last one counts
        this.to[field] = valueEnd
      }
      at = behindBlanks(line, valueEnd)
      if (line[at] === CLOSING_BRACE) return behindBlanks(line, at + 1) === end
      if (line[at] !== COMMA) return false
      at = behindBlanks(line, at + 1)
    }
  }

  /** Which of the fields has this name; −1: none. */
  #fieldAt(line: Uint8Array, from: number, to: number): number {
    const names = this.#names
    for (let field = 0; field < names.length; field++) {
      const name = names[field] as Buffer
      if (name.length === to - from && isAt(line, from, name)) return field
    }
    return -1
  }
}

function isAt(line: Uint8Array, from: number, bytes: Uint8Array): boolean {
  for (let index = 0; index < bytes.length; index++) {
    if (line[from + index] !== bytes[index]) return false
  }
  return true
}

function behindBlanks(line: Uint8Array, from: number): number {
  let at = from
  for (; at < line.length; at++) {
    const byte = line[at] as number
    if (byte > SPACE || (byte !== SPACE && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)) break
  }
  return at
}

/** Behind the closing quote; −1: not a text, or one with escapes or control characters. */
function textEnd(line: Uint8Array, from: number): number {
  if (line[from] !== QUOTE) return -1
  for (let at = from + 1; at < line.length; at++) {
    const byte = line[at] as number
    if (byte === QUOTE) return at + 1
    if (byte === BACKSLASH || byte < SPACE) return -1
  }
  return -1
}

/** Behind a number or a word; −1: it is neither. */
function scalarEnd(line: Uint8Array, from: number): number {
  for (const word of WORDS) if (isAt(line, from, word)) return from + word.length
  let at = line[from] === MINUS ? from + 1 : from
  const first = at
  at = digitsEnd(line, at)
  if (at === first || (line[first] === ZERO && at > first + 1)) return -1
  if (line[at] === POINT) {
    const end = digitsEnd(line, at + 1)
    if (end === at + 1) return -1
    at = end
  }
  if (line[at] !== LOWER_E && line[at] !== UPPER_E) return at
  const sign = line[at + 1]
  const begin = sign === PLUS || sign === MINUS ? at + 2 : at + 1
  const end = digitsEnd(line, begin)
  return end === begin ? -1 : end
}

function digitsEnd(line: Uint8Array, from: number): number {
  let at = from
  while (at < line.length && (line[at] as number) >= ZERO && (line[at] as number) <= NINE) at++
  return at
}

// ── times ────────────────────────────────────────────────────────────────────────────────

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const
const LETTER_T = 0x54
const LETTER_Z = 0x5a
const FRACTION_MAX = 9

/**
 * Milliseconds of a time like 2016-01-31T12:00:00.123Z from 1970 on; −1 for any other text, which
 * goes the long way (`readTime`).
 */
export function plainTimeMs(line: Uint8Array, from: number, to: number): number {
  const length = to - from
  if (length < 20 || length > 21 + FRACTION_MAX || line[to - 1] !== LETTER_Z) return -1
  if (line[from + 4] !== MINUS || line[from + 7] !== MINUS) return -1
  if (line[from + 10] !== LETTER_T) return -1
  if (line[from + 13] !== COLON || line[from + 16] !== COLON) return -1
  const year = twoAt(line, from) * 100 + twoAt(line, from + 2)
  const month = twoAt(line, from + 5)
  const day = twoAt(line, from + 8)
  const hour = twoAt(line, from + 11)
  const minute = twoAt(line, from + 14)
  const second = twoAt(line, from + 17)
  if (hour < 0 || minute < 0 || second < 0) return -1
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return -1
  if (hour > 23 || minute > 59 || second > 59) return -1
  const fraction = length === 20 ? 0 : fractionMs(line, from + 19, to - 1)
  if (fraction < 0) return -1
  return dayMs(year, month, day) + ((hour * 60 + minute) * 60 + second) * 1000 + fraction
}

/** The number that two digits are; far below zero if they are none. */
function twoAt(line: Uint8Array, at: number): number {
  const tens = (line[at] as number) - ZERO
  const ones = (line[at + 1] as number) - ZERO
  return tens >>> 0 <= 9 && ones >>> 0 <= 9 ? tens * 10 + ones : -100_000
}

/** The last day that was asked for: most lines are of the same day as the one before. */
let knownDay = 0
let knownDayMs = 0

function dayMs(year: number, month: number, day: number): number {
  const asked = (year * 100 + month) * 100 + day
  if (asked !== knownDay) {
    knownDay = asked
    knownDayMs = Date.UTC(year, month - 1, day)
  }
  return knownDayMs
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE
}

function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 && isLeap ? 29 : (MONTH_DAYS[month - 1] as number)
}

/** The first three digits behind the point; −1: no digits. */
function fractionMs(line: Uint8Array, point: number, to: number): number {
  if (line[point] !== POINT || to === point + 1) return -1
  let ms = 0
  for (let at = point + 1; at < to; at++) {
    if (!isDigit(line[at])) return -1
    if (at <= point + 3) ms = ms * 10 + (line[at] as number) - ZERO
  }
  return ms * 10 ** Math.max(0, 3 - (to - point - 1))
}

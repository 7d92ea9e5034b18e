/* Turns lines of a file into messages: finds the key and the time of each. */

import { isUtf8 } from 'node:buffer'
import type { Message } from '../../client/producer/messages.js'
import { UsageError } from '../terminal/usage-error.js'
import {
  BACKSLASH,
  compacted,
  FieldName,
  fieldTokens,
  OPENING_BRACE,
  OPENING_BRACKET,
  QUOTE,
  stringOf,
} from './json-token.js'
import { isRecordLine, parseRecordLine } from './record-lines.js'
import { readTime, type TimeRead, type TimeRules } from './time-text.js'

export type ImportFormat = 'json' | 'lines' | 'records'

/** How lines are read. */
export interface LineRules {
  readonly format: ImportFormat
  /** The key: a field of the JSON object, or the number of a word in a plain line. */
  readonly key: string | undefined
  /** The time: a field of the JSON object. */
  readonly timestamp: string | undefined
  readonly times: TimeRules
}

/** The times that were read, so that the user can check how they were understood. */
export interface TimesRead {
  first: number
  last: number
  /** The units that were recognized by the size of the numbers. */
  readonly units: Set<string>
}

/** Turns lines into messages; throws with the reason if a line is not an event. */
export class EventLines {
  readonly #rules: LineRules
  readonly #names: readonly (FieldName | undefined)[]
  #isFirst = true
  #times: TimesRead | undefined

  constructor(rules: LineRules) {
    this.#rules = rules
    const fields = [rules.key, rules.timestamp]
    this.#names = fields.map(name => (name === undefined ? undefined : new FieldName(name)))
  }

  /** The times so far; undefined if there were none. */
  get times(): TimesRead | undefined {
    return this.#times
  }

  /** A blank line is not an event, unless any text is one (`lines`). */
  isBlank(line: Buffer): boolean {
    return this.#rules.format !== 'lines' && line.every(byte => byte === 0x20 || byte === 0x09)
  }

  messageOf(line: Buffer): Message {
    const { format } = this.#rules
    const isFirst = this.#isFirst
    this.#isFirst = false
    if (format === 'records') return recordOf(line)
    if (format === 'lines') return { key: this.#wordOf(line), value: line }
    const parsed: unknown = JSON.parse(line.toString('utf8'))
    if (isFirst && isRecordLine(parsed)) throw new UsageError(EXPORT_HINT)
    const { key, timestamp } = this.#rules
    if (key === undefined && timestamp === undefined) return { key: null, value: line }
    const [keyToken, timeToken] = fieldTokens(line, this.#names)
    const keyBytes = this.#keyOf(keyToken)
    if (timestamp === undefined) return { key: keyBytes, value: line }
    return { key: keyBytes, value: line, timestamp: this.#timeOf(timestamp, timeToken) }
  }

  #keyOf(token: Buffer | undefined): Uint8Array | string | null {
    try {
      return token === undefined ? null : keyOf(token)
    } catch (error) {
      throw ofField(this.#rules.key as string, error)
    }
  }

  #timeOf(field: string, token: Buffer | undefined): number {
    try {
      const { ms, clearUnit } = timeOf(token, this.#rules.times)
      this.#noteTime(ms, clearUnit)
      return ms
    } catch (error) {
      throw ofField(field, error)
    }
  }

  #noteTime(ms: number, unit: string | undefined): void {
    const times = (this.#times ??= { first: ms, last: ms, units: new Set() })
    times.first = Math.min(times.first, ms)
    times.last = Math.max(times.last, ms)
    if (unit !== undefined) times.units.add(unit)
  }

  /** Words are separated by ASCII blanks, and their bytes are kept, whatever the encoding. */
  #wordOf(line: Buffer): Uint8Array | null {
    const { key } = this.#rules
    if (key === undefined) return null
    const words = line.toString('latin1').match(/[^ \t\v\f\r]+/g)
    const word = words?.[Number(key) - 1]
    return word === undefined ? null : Buffer.from(word, 'latin1')
  }
}

const EXPORT_HINT =
  'partlog import: the file looks like an export of partlog; use --format records to restore the ' +
  'records, or --format lines to import each line as a value'

function ofField(field: string, error: unknown): Error {
  return new Error(`${field}: ${(error as Error).message}`)
}

function timeOf(token: Buffer | undefined, rules: TimeRules): TimeRead {
  const text = token === undefined ? undefined : timeTextOf(token)
  if (text === undefined) {
    throw new Error(`expected a time, got ${token?.toString('utf8') ?? 'undefined'}`)
  }
  try {
    return readTime(text, rules)
  } catch (error) {
    throw new Error(`expected a time, got ${JSON.stringify(text)}: ${(error as Error).message}`)
  }
}

const LETTER_N = 0x6e
const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39

/** The text as it stands in the line; of a string the part between the quotes. */
function keyOf(token: Buffer): Uint8Array | string | null {
  const first = token[0]
  if (first === QUOTE) return token.includes(BACKSLASH) ? stringOf(token) : token.subarray(1, -1)
  if (first === OPENING_BRACE || first === OPENING_BRACKET) return compacted(token)
  return first === LETTER_N ? null : token
}

/** A string's text, or a number's digits. */
function timeTextOf(token: Buffer): string | undefined {
  if (token[0] === QUOTE) return stringOf(token)
  const text = token.toString('latin1')
  const first = text.charCodeAt(0)
  return first === MINUS || (first >= ZERO && first <= NINE) ? text : undefined
}

function recordOf(line: Buffer): Message {
  if (!isUtf8(line)) throw new Error('it is not UTF-8')
  return parseRecordLine(line.toString('utf8'))
}

/*
 * Events in JSON, one value each. The event itself is the record's value, byte for byte; a field
 * that is the key or the value is the exact text of the field, so 64-bit ids keep their digits.
 */

import {
  TAB,
  SPACE,
  QUOTE,
  MINUS,
  ZERO,
  NINE,
  OPENING_BRACKET,
  BACKSLASH,
  LETTER_N,
  OPENING_BRACE,
} from '../text/byte-names.js'
import type { Message } from '../../client/producer/messages.js'
import type { BytesIn } from '../../model/batch/record.js'
import { JsonPaths } from '../text/field-path.js'
import { FlatFields, plainTimeMs } from '../text/flat-json.js'
import { FlatScanner } from '../text/flat-scanner.js'
import { compacted, stringOf, type FieldName } from '../text/json-token.js'
import {
  eachUnit,
  FieldMap,
  type EventFields,
  type EventReader,
  type EventRules,
  type Outcome,
  type TimeNotes,
} from './event-rules.js'
import { BadEvent, type Unit } from './event-units.js'

/** Reads values of JSON. Throws INVALID_ARGUMENT if a field is not a path. */
export function jsonReader(rules: EventRules, notes: TimeNotes): EventReader {
  const map = new FieldMap(rules, notes)
  const paths = new JsonPaths(map.names)
  const longWay = (unit: Buffer): Message | undefined => {
    if (isBlank(unit)) return undefined
    JSON.parse(unit.toString('utf8'))
    return messageOf(unit, map, paths)
  }
  if (!map.isPlain || !paths.isFlat) return eachUnit(longWay)
  return new FlatLines(paths.names, { rules, map, longWay })
}

interface Ways {
  readonly rules: EventRules
  readonly map: FieldMap
  /** For lines that are not flat. */
  readonly longWay: (unit: Buffer) => Message | undefined
}

/** Reads flat lines the short way: many at once where WebAssembly is available. */
class FlatLines implements EventReader {
  readonly #ways: Ways
  readonly #fields: FlatFields
  readonly #scanner: FlatScanner | undefined
  readonly #each: EventReader
  readonly #hasKey: boolean
  readonly #hasTime: boolean
  /** Times of the user's rules go the long way. */
  readonly #isTimePlain: boolean
  #isLoaded = false

  constructor(names: readonly FieldName[], ways: Ways) {
    const { key, timestamp, times } = ways.rules
    this.#ways = ways
    this.#fields = new FlatFields(names)
    this.#scanner = FlatScanner.create(names)
    this.#hasKey = key !== undefined
    this.#hasTime = timestamp !== undefined
    this.#isTimePlain = times === undefined
    this.#each = eachUnit(unit => this.#message(unit) ?? ways.longWay(unit))
  }

  read(units: readonly Unit[]): Outcome[] {
    const lines = units.some(isBad) ? units.filter(unit => !isBad(unit)) : units
    this.#isLoaded = this.#scanner?.load(lines as readonly Buffer[]) === true
    return this.#each.read(units)
  }

  /** The message of a flat line; undefined: the line goes the long way. */
  #message(unit: Buffer): Message | undefined {
    const { from, to } = this.#fields
    const scanner = this.#isLoaded ? this.#scanner : undefined
    if (scanner === undefined ? !this.#fields.find(unit) : !scanner.find(unit, this.#fields)) {
      return undefined
    }
    const key = this.#hasKey ? keyIn(unit, from[0] as number, to[0] as number) : null
    if (!this.#hasTime) return { key, value: unit }
    const timeAt = this.#hasKey ? 1 : 0
    const begin = from[timeAt] as number
    if (!this.#isTimePlain || begin < 0 || unit[begin] !== QUOTE) return undefined
    const timestamp = plainTimeMs(unit, begin + 1, (to[timeAt] as number) - 1)
    if (timestamp < 0) return undefined
    this.#ways.map.noteTime(timestamp)
    return { key, value: unit, timestamp }
  }
}

function isBad(unit: Unit): unit is BadEvent {
  return unit instanceof BadEvent
}

/** Of a text the part between the quotes: the line is flat, so it has no escapes. */
function keyIn(unit: Buffer, start: number, end: number): BytesIn {
  if (start < 0 || unit[start] === LETTER_N) return null
  return unit[start] === QUOTE ? unit.subarray(start + 1, end - 1) : unit.subarray(start, end)
}

function messageOf(unit: Buffer, map: FieldMap, paths: JsonPaths): Message {
  if (map.names.length === 0) return map.messageOf(NO_FIELDS, unit)
  return map.messageOf(new JsonFields(paths.tokens(unit)), unit)
}

/** A line of blanks is not an event. */
export function isBlank(unit: Buffer): boolean {
  const first = unit[0]
  if (first !== undefined && first !== SPACE && first !== TAB) return false
  return unit.every(byte => byte === SPACE || byte === TAB)
}

/** Fields by their tokens in the event. */
export class JsonFields implements EventFields {
  readonly #tokens: readonly (Buffer | undefined)[]

  constructor(tokens: readonly (Buffer | undefined)[]) {
    this.#tokens = tokens
  }

  text(index: number): BytesIn | undefined {
    const token = this.#tokens[index]
    return token === undefined ? undefined : keyOf(token)
  }

  raw(index: number): BytesIn | undefined {
    const token = this.#tokens[index]
    return token === undefined ? undefined : unquoted(token)
  }

  time(index: number): string | undefined {
    const token = this.#tokens[index]
    return token === undefined ? undefined : timeTextOf(token)
  }

  shown(index: number): string {
    return this.#tokens[index]?.toString('utf8') ?? 'undefined'
  }
}

const NO_FIELDS = new JsonFields([])


/** The text as it stands in the line; of a string the part between the quotes. */
export function keyOf(token: Buffer): BytesIn {
  const first = token[0]
  if (first === OPENING_BRACE || first === OPENING_BRACKET) return compacted(token)
  return unquoted(token)
}

function unquoted(token: Buffer): BytesIn {
  const first = token[0]
  if (first !== QUOTE) return first === LETTER_N ? null : token
  return token.includes(BACKSLASH) ? textOf(token) : token.subarray(1, -1)
}

function textOf(token: Buffer): string {
  try {
    return stringOf(token)
  } catch (error) {
    throw new BadEvent('not text', (error as Error).message)
  }
}

/** A string's text, or a number's digits. */
export function timeTextOf(token: Buffer): string | undefined {
  if (token[0] === QUOTE) return textOf(token)
  const text = token.toString('latin1')
  const first = text.charCodeAt(0)
  return first === MINUS || (first >= ZERO && first <= NINE) ? text : undefined
}

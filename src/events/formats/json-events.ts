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
import { compacted, stringOf } from '../text/json-token.js'
import {
  eachUnit,
  FieldMap,
  type EventFields,
  type EventReader,
  type EventRules,
  type TimeNotes,
} from './event-rules.js'
import { BadEvent } from './event-units.js'


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
  const short = shortWay(rules, map, new FlatFields(paths.names))
  return eachUnit(unit => short(unit) ?? longWay(unit))
}

/** The message of a flat line; undefined: the line goes the long way. */
function shortWay(
  { key, timestamp, times }: EventRules,
  map: FieldMap,
  fields: FlatFields,
): (unit: Buffer) => Message | undefined {
  const timeAt = key === undefined ? 0 : 1
  const hasTimes = timestamp !== undefined && times === undefined
  return unit => {
    if (!fields.find(unit)) return undefined
    const keyBytes = key === undefined ? null : keyIn(unit, fields)
    if (timestamp === undefined) return { key: keyBytes, value: unit }
    const from = fields.from[timeAt] as number
    if (!hasTimes || from < 0 || unit[from] !== QUOTE) return undefined
    const ms = plainTimeMs(unit, from + 1, (fields.to[timeAt] as number) - 1)
    if (ms < 0) return undefined
    map.noteTime(ms)
    return { key: keyBytes, value: unit, timestamp: ms }
  }
}

/** Of a text the part between the quotes: the line is flat, so it has no escapes. */
function keyIn(unit: Buffer, { from, to }: FlatFields): BytesIn {
  const [start, end] = [from[0] as number, to[0] as number]
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

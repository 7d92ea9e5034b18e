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
  return eachUnit(unit => {
    if (isBlank(unit)) return undefined
    JSON.parse(unit.toString('utf8'))
    return messageOf(unit, map, paths)
  })
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

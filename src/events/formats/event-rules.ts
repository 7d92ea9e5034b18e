/* What becomes of an event: which of its fields are the key, the value, the time and headers. */

import { isUtf8 } from 'node:buffer'
import type { Message } from '../../client/producer/messages.js'
import type { BytesIn, HeaderIn } from '../../model/batch/record.js'
import { formatFor } from '../text/time-format.js'
import { readTime, type TimeRules } from '../text/time-text.js'
import { BadEvent } from './event-units.js'

export const FORMAT_NAMES = [
  'json',
  'json-array',
  'csv',
  'tsv',
  'lines',
  'records',
  'kcat',
  'kafkajs',
  'console',
  'debezium',
] as const

/** How a file is read. */
export type EventFormat = (typeof FORMAT_NAMES)[number]

/** How text stands for bytes. */
export type BytesEncoding = 'text' | 'base64' | 'hex'

export interface EventRules {
  /** The field that is the key. */
  readonly key?: string | undefined
  /** The field that is the value. Default: the whole event. */
  readonly value?: string | undefined
  /** The field with the time. */
  readonly timestamp?: string | undefined
  /** Names of headers, and the fields with their values. */
  readonly headers?: readonly (readonly [name: string, field: string])[] | undefined
  /** Fields and texts: an event with one of them is a tombstone. */
  readonly tombstones?: readonly (readonly [field: string, text: string])[] | undefined
  readonly keyEncoding?: BytesEncoding | undefined
  readonly valueEncoding?: BytesEncoding | undefined
  /** Plain lines: the groups of this expression are their fields. */
  readonly match?: RegExp | undefined
  readonly times?: TimeRules | undefined
}

/** The times that an import has read, to check how they were understood. */
export interface TimesRead {
  /** Milliseconds since 1970. */
  first: number
  last: number
  /** The units that were recognized by the size of the numbers. */
  readonly units: Set<string>
}

/** Notes the times of one import. */
export class TimeNotes {
  read: TimesRead | undefined

  note(ms: number, unit: string | undefined): void {
    const times = (this.read ??= { first: ms, last: ms, units: new Set() })
    if (ms < times.first) times.first = ms
    if (ms > times.last) times.last = ms
    if (unit !== undefined) times.units.add(unit)
  }
}

/** The fields of one event, by their place in `FieldMap.names`. */
export interface EventFields {
  /** Its text, without quotes; null for null, undefined if the event does not have it. */
  text(index: number): BytesIn | undefined
  /** The same for the value: objects keep their blanks. */
  raw(index: number): BytesIn | undefined
  /** Its text if it can be a time. */
  time(index: number): string | undefined
  /** For an error: what stands there. */
  shown(index: number): string
}

/** Turns the fields of an event into a message. */
export class FieldMap {
  /** The fields that are needed. */
  readonly names: readonly string[]
  readonly #rules: EventRules
  readonly #notes: TimeNotes
  readonly #key: number
  readonly #value: number
  readonly #time: number
  readonly #headers: readonly (readonly [name: string, index: number])[]
  readonly #tombstones: readonly (readonly [index: number, text: string])[]

  constructor(rules: EventRules, notes: TimeNotes) {
    this.#rules = rules
    this.#notes = notes
    const names: string[] = []
    const indexOf = (name: string | undefined): number =>
      name === undefined ? -1 : names.push(name) - 1
    this.#key = indexOf(rules.key)
    this.#time = indexOf(rules.timestamp)
    this.#value = indexOf(rules.value)
    this.#headers = (rules.headers ?? []).map(([name, field]) => [name, indexOf(field)])
    this.#tombstones = (rules.tombstones ?? []).map(([field, text]) => [indexOf(field), text])
    this.names = names
  }

  /** Only the key and the time are fields: the event itself is the value. */
  get isPlain(): boolean {
    const { keyEncoding = 'text' } = this.#rules
    const others = this.#headers.length + this.#tombstones.length
    return others === 0 && this.#value < 0 && keyEncoding === 'text'
  }

  /** The message of an event; `whole` is its value unless a field is. Throws BadEvent. */
  messageOf(fields: EventFields, whole: BytesIn): Message {
    const { keyEncoding, valueEncoding } = this.#rules
    const key = this.#key < 0 ? null : this.#keyOf(fields, keyEncoding)
    const value = this.#isTombstone(fields) ? null : this.#valueOf(fields, whole, valueEncoding)
    const headers = this.#headersOf(fields)
    const time = this.#time < 0 ? {} : { timestamp: this.timeOf(fields) }
    return headers === undefined ? { key, value, ...time } : { key, value, headers, ...time }
  }

  #keyOf(fields: EventFields, encoding: BytesEncoding | undefined): BytesIn {
    return this.#named(this.#rules.key, () => bytesIn(fields.text(this.#key) ?? null, encoding))
  }

  #valueOf(fields: EventFields, whole: BytesIn, encoding: BytesEncoding | undefined): BytesIn {
    if (this.#value < 0) return bytesIn(whole, encoding)
    return this.#named(this.#rules.value, () => {
      const raw = fields.raw(this.#value)
      if (raw === undefined) throw new BadEvent('no value', 'expected a value, got undefined')
      return bytesIn(raw, encoding)
    })
  }

  #isTombstone(fields: EventFields): boolean {
    return this.#tombstones.some(([index, text]) => {
      const found = fields.text(index)
      return found === undefined ? false : textOf(found) === text
    })
  }

  #headersOf(fields: EventFields): HeaderIn[] | undefined {
    if (this.#headers.length === 0) return undefined
    const found: HeaderIn[] = []
    for (const [name, index] of this.#headers) {
      const text = fields.text(index)
      if (text !== undefined) found.push([name, text])
    }
    return found
  }

  /** Milliseconds since 1970. Throws BadEvent. */
  timeOf(fields: EventFields): number {
    const text = fields.time(this.#time)
    return this.#named(this.#rules.timestamp, () => {
      if (text === undefined) throw noTime(fields.shown(this.#time))
      return this.timeIn(text)
    })
  }

  /** Notes a time that was read elsewhere. */
  noteTime(ms: number): void {
    this.#notes.note(ms, undefined)
  }

  /** The same of the text of the field. */
  timeIn(text: string): number {
    try {
      const { ms, clearUnit } = readTime(text, this.#rules.times)
      this.#notes.note(ms, clearUnit)
      return ms
    } catch (error) {
      const proposed = this.#rules.times?.format === undefined ? formatFor(text) : undefined
      const hint = proposed === undefined ? '' : ` (--time-format '${proposed}' reads it)`
      throw noTime(`${JSON.stringify(text)}: ${(error as Error).message}${hint}`)
    }
  }

  #named<T>(name: string | undefined, read: () => T): T {
    try {
      return read()
    } catch (error) {
      throw ofField(name as string, error)
    }
  }
}

/** The same error with the name of the field. */
function ofField(name: string, error: unknown): BadEvent {
  const kind = error instanceof BadEvent ? error.kind : 'not text'
  return new BadEvent(kind, `${name}: ${(error as Error).message}`)
}

export function noTime(shown: string): BadEvent {
  return new BadEvent('no time', `expected a time, got ${shown}`)
}

function textOf(bytes: BytesIn): string {
  if (bytes === null) return 'null'
  return typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')
}

/** The bytes that a text stands for. Throws BadEvent if it is not in this encoding. */
export function bytesIn(text: BytesIn, encoding: BytesEncoding = 'text'): BytesIn {
  if (encoding === 'text' || text === null) return text
  const given = textOf(text)
  const bytes = Buffer.from(given, encoding)
  const back = bytes.toString(encoding)
  // Node skips characters that are no base64 or hex, so the bytes could be wrong ones.
  const same = encoding === 'hex' ? given.toLowerCase() : given.replace(/=+$/, '')
  if (back.replace(/=+$/, '') === same) return bytes
  const shown = JSON.stringify(given.slice(0, 40))
  throw new BadEvent(`not ${encoding}`, `expected ${encoding}, got ${shown}`)
}

/** Fields that are texts already. */
export class TextFields implements EventFields {
  readonly #texts: readonly (string | undefined)[]

  constructor(texts: readonly (string | undefined)[]) {
    this.#texts = texts
  }

  text(index: number): BytesIn | undefined {
    return this.#texts[index]
  }

  raw(index: number): BytesIn | undefined {
    return this.#texts[index]
  }

  time(index: number): string | undefined {
    return this.#texts[index]
  }

  shown(index: number): string {
    return String(this.#texts[index])
  }
}

/** Text of a unit that has to be UTF-8. Throws BadEvent. */
export function utf8Of(bytes: Buffer): string {
  if (!isUtf8(bytes)) {
    throw new BadEvent('not UTF-8', 'it is not UTF-8 (--encoding names the encoding of a file)')
  }
  return bytes.toString('utf8')
}

/** Undefined: the unit is not an event, as a blank line is not. */
export type Outcome = Message | BadEvent | undefined

/** Turns units into messages. */
export interface EventReader {
  /** What became of each unit, in their order. */
  read(units: readonly (Buffer | BadEvent)[]): Outcome[]
}

/** A reader that looks at one unit after the other; `messageOf` may throw. */
export function eachUnit(messageOf: (unit: Buffer) => Message | undefined): EventReader {
  return {
    read: units =>
      units.map(unit => {
        if (unit instanceof BadEvent) return unit
        try {
          return messageOf(unit)
        } catch (error) {
          return badOf(error)
        }
      }),
  }
}

/** The error as the reason why a unit is no event; what is no such reason is thrown on. */
function badOf(error: unknown): BadEvent {
  if (error instanceof BadEvent) return error
  if (error instanceof SyntaxError) return new BadEvent('not JSON', oneLine(error.message))
  throw error
}

/** On one line: the errors of JSON.parse quote text with its line breaks. */
function oneLine(sentence: string): string {
  return sentence.replace(/\s+/g, ' ')
}

/*
 * Records as text, for people and programs:
 *
 *   records   lines of JSON without loss, which import reads again
 *   json      lines of JSON for jq: a value of JSON stands in it as it is
 *   values    each value, and a line break
 *   csv       topic, partition, offset, timestamp, key, value, headers; with a header
 *   '%…'      a template, as kcat has it: %t topic, %p partition, %o offset, %T time, %k key, %s
 *             value, %K and %S their lengths, %h headers, %% a percent; \n \t \r \\ \0 \xHH
 *
 * All text here is Latin-1, a character for each byte of what is written, so bytes that are no text
 * stay what they are, and many records become bytes in one call.
 */

import { isUtf8 } from 'node:buffer'
import { StoredRow, type StoredTopicRecord } from '../../log/inspection/stored-row.js'
import { PartlogError } from '../../model/errors.js'
import { NO_TIME, recordFields, recordLine } from '../formats/record-lines.js'
import { SPACE } from '../text/byte-names.js'
import { latin1Of, latin1OfText } from '../text/latin1.js'
import { plainJson } from '../text/plain.js'

/** How the bytes of keys and values are written. */
export type BytesAs = 'text' | 'base64' | 'hex' | 'json'

export interface FormatOptions {
  readonly keysAs: BytesAs
  readonly valuesAs: BytesAs
  /** Lines of records name their topics. */
  readonly hasTopics: boolean
}

/** Writes records as text. */
export interface RecordFormat {
  /** Before the first record. */
  readonly head: string
  readonly write: (record: StoredTopicRecord) => string
  /** A faster `write`, right if all that it returns is ASCII without DEL (`isPlainAscii`). */
  readonly quick?: (record: StoredTopicRecord) => string
  /** What it does not keep of records; undefined: it keeps everything. */
  readonly loses?: string
  /** Sentences about what the format could not represent. */
  readonly remarks: () => readonly string[]
}

/** What the formats other than `records` do not keep. */
const LOSES = {
  json: 'repeated headers, and whether a value is JSON or bytes that look like it',
  values: 'keys, times and headers, and which values are null',
  csv: 'which keys and values are null, and bytes that are no text (base64 and hex keep these)',
  template: 'what it does not name, and which values are null',
} as const

const FIXED = ['records', 'json', 'values', 'csv'] as const

/** Is this the name of a format, or a template? */
export function isFormat(text: string): boolean {
  return FIXED.some(name => name === text) || text.includes('%')
}

/** Throws INVALID_ARGUMENT for a template with unknown letters. */
export function recordFormat(name: string, options: FormatOptions): RecordFormat {
  const none = (): readonly string[] => []
  if (name === 'records') return recordsFormat(options)
  if (name === 'json') {
    return { head: '', write: jsonLine, quick: quickJsonLine, loses: LOSES.json, remarks: none }
  }
  if (name === 'values') return valuesFormat(options)
  if (name === 'csv') return csvFormat(options)
  return { head: '', write: template(name, options), loses: LOSES.template, remarks: none }
}

// ── bytes ────────────────────────────────────────────────────────────────────────────────

function keyOf(record: StoredTopicRecord): string | null {
  return record instanceof StoredRow ? record.keyText : latin1Of(record.key)
}

function valueOf(record: StoredTopicRecord): string | null {
  return record instanceof StoredRow ? record.valueText : latin1Of(record.value)
}

/** A key or value as it is asked for. */
function encoded(text: string | null, as: BytesAs): string {
  if (text === null) return as === 'json' ? 'null' : ''
  if (as === 'text') return text
  const bytes = Buffer.from(text, 'latin1')
  if (as !== 'json') return bytes.toString(as)
  return isUtf8(bytes) ? embedded(text) : JSON.stringify({ base64: bytes.toString('base64') })
}

/** The text itself if it is JSON on one line, else a string of JSON; it stands for UTF-8. */
function embedded(text: string): string {
  if (isJson(text)) return onOneLine(text)
  return latin1OfText(plainJson(Buffer.from(text, 'latin1').toString('utf8')))
}

/** Where JSON may have bytes beyond ASCII, in texts, it may have any of them. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function onOneLine(text: string): string {
  const first = text.charCodeAt(0)
  const isTidy = first > SPACE && text.charCodeAt(text.length - 1) > SPACE && !/[\r\n]/.test(text)
  return isTidy ? text : text.replace(/[ \t]*[\r\n][ \t\r\n]*/g, ' ').replace(BLANKS, '')
}

const BLANKS = /^[ \t\r\n]+|[ \t\r\n]+$/g

// ── lines of JSON ────────────────────────────────────────────────────────────────────────

function recordsFormat({ hasTopics }: FormatOptions): RecordFormat {
  const begin = ({ topic }: StoredTopicRecord): string =>
    hasTopics ? `{"topic":${JSON.stringify(topic)},` : '{'
  const write = (record: StoredTopicRecord): string =>
    `${begin(record)}${latin1OfText(recordLine(record)).slice(1)}\n`
  const quick = (record: StoredTopicRecord): string => {
    const { partition, offset, timestamp, exactTimestamp, headers } = record
    if (headers.length > 0) return write(record)
    const time = timestamp === NO_TIME ? null : (exactTimestamp ?? timestamp)
    return (
      `${begin(record)}"partition":${partition},"offset":${offset},"timestamp":${time},` +
      `"key":${quoted(keyOf(record))},"value":${quoted(valueOf(record))},"headers":[]}\n`
    )
  }
  return { head: '', write, quick, remarks: () => [] }
}

/** Text of ASCII as a string of JSON. */
function quoted(text: string | null): string {
  return text === null ? 'null' : JSON.stringify(text)
}

function jsonLine(record: StoredTopicRecord): string {
  const { topic, partition, offset, timestamp } = record
  const { key, headers } = recordFields(record)
  const head = plainJson({
    topic,
    partition,
    offset,
    timestamp: timestamp < 0 ? null : timestamp,
    key,
    headers: Object.fromEntries(headers),
  })
  return `${latin1OfText(head.slice(0, -1))},"value":${encoded(valueOf(record), 'json')}}\n`
}

function quickJsonLine(record: StoredTopicRecord): string {
  const { topic, partition, offset, timestamp, headers } = record
  if (headers.length > 0) return jsonLine(record)
  const text = valueOf(record)
  const value = text !== null && isJson(text) ? onOneLine(text) : quoted(text)
  return (
    `{"topic":${JSON.stringify(topic)},"partition":${partition},"offset":${offset},` +
    `"timestamp":${timestamp < 0 ? null : timestamp},"key":${quoted(keyOf(record))},` +
    `"headers":{},"value":${value}}\n`
  )
}

// ── values ───────────────────────────────────────────────────────────────────────────────

function valuesFormat({ valuesAs }: FormatOptions): RecordFormat {
  const ambiguous = new AmbiguousLines()
  const write = (record: StoredTopicRecord): string => {
    const text = valueOf(record)
    if (valuesAs !== 'text') return `${encoded(text, valuesAs)}\n`
    ambiguous.note(text)
    return text === null ? '\n' : `${text}\n`
  }
  return { head: '', write, loses: LOSES.values, remarks: () => ambiguous.remarks() }
}

/** Counts the values that cannot be read back from lines of text. */
class AmbiguousLines {
  #tombstones = 0
  #broken = 0

  note(text: string | null): void {
    if (text === null) this.#tombstones++
    else if (text.includes('\n') || text.endsWith('\r')) this.#broken++
  }

  remarks(): string[] {
    const kinds = [
      ...(this.#broken === 0 ? [] : [`${this.#broken} values hold line breaks`]),
      ...(this.#tombstones === 0 ? [] : [`${this.#tombstones} are null (an empty line each)`]),
    ]
    if (kinds.length === 0) return []
    return [`${kinds.join(', ')}: lines cannot represent them exactly; --format records can`]
  }
}

// ── CSV ──────────────────────────────────────────────────────────────────────────────────

const COLUMNS = ['topic', 'partition', 'offset', 'timestamp', 'key', 'value', 'headers']

function csvFormat({ keysAs, valuesAs }: FormatOptions): RecordFormat {
  const write = (record: StoredTopicRecord): string => {
    const { topic, partition, offset, timestamp, exactTimestamp, headers } = record
    const pairs = headers.length === 0 ? '' : latin1OfText(plainJson(recordFields(record).headers))
    const time = timestamp < 0 ? '' : String(exactTimestamp ?? timestamp)
    const texts = [encoded(keyOf(record), keysAs), encoded(valueOf(record), valuesAs), pairs]
    return `${topic},${partition},${offset},${time},${texts.map(field).join(',')}\r\n`
  }
  return { head: `${COLUMNS.join(',')}\r\n`, write, loses: LOSES.csv, remarks: () => [] }
}

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

// ── templates ────────────────────────────────────────────────────────────────────────────

function headerText({ key, value }: StoredTopicRecord['headers'][number]): string {
  return `${latin1OfText(key)}=${latin1Of(value) ?? ''}`
}

type Part = (record: StoredTopicRecord) => string

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  '\\': '\\',
}

function template(text: string, { keysAs, valuesAs }: FormatOptions): Part {
  const letters: Readonly<Record<string, Part>> = {
    t: ({ topic }) => topic,
    p: ({ partition }) => String(partition),
    o: ({ offset }) => String(offset),
    T: ({ timestamp, exactTimestamp }) => String(exactTimestamp ?? timestamp),
    k: record => encoded(keyOf(record), keysAs),
    s: record => encoded(valueOf(record), valuesAs),
    K: record => String(keyOf(record)?.length ?? -1),
    S: record => String(valueOf(record)?.length ?? -1),
    h: ({ headers }) => headers.map(headerText).join(','),
    '%': () => '%',
  }
  const parts: Part[] = []
  for (const [whole, letter, hex, escape] of text.matchAll(PIECES)) {
    if (letter !== undefined) {
      const part = Object.hasOwn(letters, letter) ? letters[letter] : undefined
      if (part === undefined) throw unknownLetter(letter, Object.keys(letters))
      parts.push(part)
      continue
    }
    const byte = hex === undefined ? undefined : String.fromCharCode(parseInt(hex, 16))
    const own = escape === undefined ? whole : (ESCAPES[escape] ?? whole)
    const fixed = byte ?? latin1OfText(own)
    parts.push(() => fixed)
  }
  return record => parts.map(part => part(record)).join('')
}

const PIECES = /%(.?)|\\x([0-9a-fA-F]{2})|\\([ntr0\\])|[^%\\]+|\\/gsu

function unknownLetter(letter: string, known: readonly string[]): PartlogError {
  const all = known.map(each => `%${each}`).join(' ')
  return new PartlogError('INVALID_ARGUMENT', `expected some of ${all}, got %${letter}`)
}

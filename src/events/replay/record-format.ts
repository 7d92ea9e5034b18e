/*
 * Records as text, for people and programs:
 *
 *   records   lines of JSON without loss, which import reads again
 *   json      lines of JSON for jq: a value of JSON stands in it as it is
 *   values    each value, and a line break
 *   csv       topic, partition, offset, timestamp, key, value, headers; with a header
 *   '%…'      a template, as kcat has it: %t topic, %p partition, %o offset, %T time, %k key, %s
 *             value, %K and %S their lengths, %h headers, %% a percent; \n \t \r \\ \0 \xHH
 */

import { isUtf8 } from 'node:buffer'
import type { StoredTopicRecord } from '../../log/inspection/partition-directory.js'
import { PartlogError } from '../../model/errors.js'
import { recordFields, recordLine } from '../formats/record-lines.js'
import { CARRIAGE_RETURN, LINE_FEED } from '../text/byte-names.js'
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
  readonly write: (record: StoredTopicRecord) => string | Buffer
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
  if (name === 'records') {
    const write = options.hasTopics
      ? (record: StoredTopicRecord) =>
          `{"topic":${JSON.stringify(record.topic)},${recordLine(record).slice(1)}\n`
      : (record: StoredTopicRecord) => `${recordLine(record)}\n`
    return { head: '', write, remarks: none }
  }
  if (name === 'json') {
    const write = (record: StoredTopicRecord): string => `${jsonLine(record)}\n`
    return { head: '', write, loses: LOSES.json, remarks: none }
  }
  if (name === 'values') return valuesFormat(options)
  if (name === 'csv') return csvFormat(options)
  return { head: '', write: template(name, options), loses: LOSES.template, remarks: none }
}

// ── bytes ────────────────────────────────────────────────────────────────────────────────

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function textOf(bytes: Uint8Array | null, as: BytesAs): string {
  if (bytes === null) return as === 'json' ? 'null' : ''
  const buffer = bufferOf(bytes)
  if (as === 'json') return isUtf8(buffer) ? embedded(buffer) : JSON.stringify(base64Of(buffer))
  return buffer.toString(as === 'text' ? 'utf8' : as)
}

const base64Of = (buffer: Buffer) => ({ base64: buffer.toString('base64') })

/** The text itself if it is JSON on one line, else a string of JSON. */
function embedded(buffer: Buffer): string {
  const text = buffer.toString('utf8')
  try {
    JSON.parse(text)
    return text.replace(/\s*[\r\n]\s*/g, ' ').trim()
  } catch {
    return plainJson(text)
  }
}

function jsonLine(record: StoredTopicRecord): string {
  const { topic, partition, offset, timestamp, value } = record
  const { key, headers } = recordFields(record)
  const head = plainJson({
    topic,
    partition,
    offset,
    timestamp: timestamp < 0 ? null : timestamp,
    key,
    headers: Object.fromEntries(headers),
  })
  return `${head.slice(0, -1)},"value":${textOf(value, 'json')}}`
}

// ── values ───────────────────────────────────────────────────────────────────────────────

const NEWLINE = Buffer.of(LINE_FEED)

function valuesFormat({ valuesAs }: FormatOptions): RecordFormat {
  const ambiguous = new AmbiguousLines()
  const write = (record: StoredTopicRecord): string | Buffer => {
    const { value } = record
    if (valuesAs !== 'text') return `${textOf(value, valuesAs)}\n`
    ambiguous.note(record)
    return value === null ? '\n' : Buffer.concat([value, NEWLINE])
  }
  return { head: '', write, loses: LOSES.values, remarks: () => ambiguous.remarks() }
}

/** Counts the values that cannot be read back from lines of text. */
class AmbiguousLines {
  #tombstones = 0
  #broken = 0

  note({ value }: StoredTopicRecord): void {
    if (value === null) this.#tombstones++
    else if (value.includes(LINE_FEED) || value.at(-1) === CARRIAGE_RETURN) this.#broken++
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
    const { topic, partition, offset, timestamp, exactTimestamp, key, value, headers } = record
    const pairs = headers.length === 0 ? '' : plainJson(recordFields(record).headers)
    const time = timestamp < 0 ? '' : String(exactTimestamp ?? timestamp)
    const texts = [textOf(key, keysAs), textOf(value, valuesAs), pairs]
    return `${topic},${partition},${offset},${time},${texts.map(field).join(',')}\r\n`
  }
  return { head: `${COLUMNS.join(',')}\r\n`, write, loses: LOSES.csv, remarks: () => [] }
}

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

// ── templates ────────────────────────────────────────────────────────────────────────────

function headerText({ key, value }: StoredTopicRecord['headers'][number]): string {
  return `${key}=${textOf(value, 'text')}`
}

type Part = (record: StoredTopicRecord) => string | Buffer

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  '\\': '\\',
}

function template(text: string, { keysAs, valuesAs }: FormatOptions): Part {
  const bytes = (content: Uint8Array | null, as: BytesAs): string | Buffer =>
    as === 'text' && content !== null ? bufferOf(content) : textOf(content, as)
  const letters: Readonly<Record<string, Part>> = {
    t: ({ topic }) => topic,
    p: ({ partition }) => String(partition),
    o: ({ offset }) => String(offset),
    T: ({ timestamp, exactTimestamp }) => String(exactTimestamp ?? timestamp),
    k: ({ key }) => bytes(key, keysAs),
    s: ({ value }) => bytes(value, valuesAs),
    K: ({ key }) => String(key?.byteLength ?? -1),
    S: ({ value }) => String(value?.byteLength ?? -1),
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
    const byte = hex === undefined ? undefined : Buffer.from(hex, 'hex')
    const plain = byte ?? (escape === undefined ? whole : (ESCAPES[escape] ?? whole))
    parts.push(() => plain)
  }
  return record => joined(parts.map(part => part(record)))
}

const PIECES = /%(.?)|\\x([0-9a-fA-F]{2})|\\([ntr0\\])|[^%\\]+|\\/gsu

function joined(parts: readonly (string | Buffer)[]): string | Buffer {
  if (parts.every(part => typeof part === 'string')) return parts.join('')
  return Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(part) : part)))
}

function unknownLetter(letter: string, known: readonly string[]): PartlogError {
  const all = known.map(each => `%${each}`).join(' ')
  return new PartlogError('INVALID_ARGUMENT', `expected some of ${all}, got %${letter}`)
}

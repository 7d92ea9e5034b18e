/*
 * Recognizes the format of a file by its first lines. What is not clear is taken for plain lines,
 * which lose nothing.
 */

import { fieldsOf, RowCutter, type CsvDialect } from './csv.js'
import { OPENING_BRACE, OPENING_BRACKET } from '../text/byte-names.js'
import { BadEvent } from './event-units.js'
import { csvFormat, FORMATS, type Format } from './formats.js'
import { JsonValueCutter } from './json-values.js'
import { isConsoleLine, isDebeziumLine, isKafkajsLine, isKcatLine } from './kafka-dumps.js'
import { isRecordLine } from './record-lines.js'

/** The first bytes of a file, in UTF-8. */
export interface Head {
  readonly bytes: Buffer
  /** Is it the whole file? Then its last line is complete. */
  readonly isWhole: boolean
  /** The file's name: its ending helps to tell CSV. */
  readonly name: string
  /** Fields were named: a dump of records is then read as the JSON that it is. */
  readonly hasFields: boolean
}

export interface Recognized {
  readonly format: Format
  /** What else the user should know. */
  readonly remark?: string
}

const LINES_MAX = 50

export function recognize(head: Head): Recognized {
  const lines = linesOf(head)
  const [first = ''] = lines
  const parsed = lines.map(jsonOf)
  if (isJsonLines(first, parsed)) return ofJson(parsed[0], head)
  if (isJsonValues(first, head)) return { format: FORMATS['json-array'] }
  if (/^\s*\{/.test(first)) return { format: FORMATS.json } // its lines are bad ones
  if (lines.length > 0 && isConsoleLine(first)) return { format: FORMATS.console }
  const csv = csvOf(first, head)
  if (csv !== undefined) return { format: csv }
  return { format: first === '' ? FORMATS.json : FORMATS.lines }
}

/** The complete lines that are not blank. */
function linesOf({ bytes, isWhole }: Head): string[] {
  const text = bytes.toString('utf8')
  const end = isWhole ? text.length : text.lastIndexOf('\n')
  const lines = text.slice(0, end < 0 ? text.length : end).split(/\r?\n/)
  return lines.filter(line => line.trim() !== '').slice(0, LINES_MAX)
}

/** The value of a line of JSON; undefined if it is none. */
function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line) as unknown
  } catch {
    return undefined
  }
}

function isJsonLines(first: string, parsed: readonly unknown[]): boolean {
  if (parsed.length === 0 || parsed[0] === undefined) return false
  // One line with an array of objects is a file of events, not one event.
  if (Array.isArray(parsed[0]) && parsed.length === 1 && parsed[0].every(isEvent)) return false
  // Numbers and words may be plain text: one line that is no JSON shows it.
  return /^\s*[{[]/.test(first) || parsed.every(each => each !== undefined)
}

function isEvent(element: unknown): boolean {
  return typeof element === 'object' && element !== null
}

function ofJson(first: unknown, { hasFields }: Head): Recognized {
  if (isRecordLine(first)) return { format: FORMATS.records }
  if (isKafkajsLine(first) && !hasFields) return { format: FORMATS.kafkajs }
  if (isKcatLine(first) && !hasFields) return { format: FORMATS.kcat }
  if (!isDebeziumLine(first) || hasFields) return { format: FORMATS.json }
  const remark =
    'these are changes of Debezium, and each whole envelope is a value: ' +
    '--format debezium --key FIELD takes the row after each change'
  return { format: FORMATS.json, remark }
}

/** Does the file begin with a value over several lines, or with an array of them? */
function isJsonValues(first: string, { bytes, isWhole }: Head): boolean {
  if (!/^\s*[{[\u001e]/.test(first)) return false
  const cutter = new JsonValueCutter()
  const [value, next] = [...cutter.push(bytes), ...(isWhole ? cutter.end() : [])]
  // `[10.30 16:49:06] a line of a log`: a number in brackets, and then no comma.
  if (next instanceof BadEvent && value instanceof Buffer && !isContainer(value)) return false
  // A first value that is larger than the head looks like JSON so far: [ or { and then a token.
  if (value === undefined) return /^\s*[{[]\s*(["{[\]}\d-]|$)/.test(bytes.toString('utf8'))
  return value instanceof Buffer && jsonOf(value.toString('utf8')) !== undefined
}

function isContainer(value: Buffer): boolean {
  return value[0] === OPENING_BRACE || value[0] === OPENING_BRACKET
}

// ── CSV ──────────────────────────────────────────────────────────────────────────────────

const DELIMITERS = [',', '\t', ';', '|']

/** What a column may be called: a word, not a number, a time or a sentence. */
const COLUMN = /^[\p{L}_#@$(][\p{L}\p{N} _.\-/()%#$@°²³&+]{0,59}$/u

function csvOf(first: string, head: Head): Format | undefined {
  const ending = /\.(csv|tsv|tab)(\.\w+)?$/i.exec(head.name)?.[1]?.toLowerCase()
  const fits = DELIMITERS.find(delimiter => isTable(head, delimiter))
  const delimiter = fits ?? (ending === undefined ? undefined : delimiterOf(first, ending))
  if (delimiter === undefined) return undefined
  return delimiter === '\t' ? FORMATS.tsv : csvFormat(delimiter.charCodeAt(0))
}

/** The delimiter of a file that says by its ending that it is CSV. */
function delimiterOf(header: string, ending: string): string {
  if (ending !== 'csv') return '\t'
  const count = (delimiter: string): number => header.split(delimiter).length
  return DELIMITERS.reduce((best, each) => (count(each) > count(best) ? each : best), ',')
}

/** Names of columns, and rows with as many fields. */
function isTable({ bytes, isWhole }: Head, delimiter: string): boolean {
  const dialect = { delimiter: delimiter.charCodeAt(0), isOneLine: delimiter === '\t' }
  const cutter = new RowCutter(dialect)
  const rows = [...cutter.push(bytes), ...(isWhole ? cutter.end() : [])]
    .filter(row => row.toString().trim() !== '')
    .slice(0, LINES_MAX)
    .map(row => (row instanceof Buffer ? cells(row.toString('utf8'), dialect) : undefined))
  const [columns] = rows
  if (columns === undefined || columns.length < 2 || rows.length < 2) return false
  if (new Set(columns).size < columns.length) return false
  if (!columns.every(column => COLUMN.test(column))) return false
  return rows.every(row => row?.length === columns.length)
}

function cells(line: string, dialect: CsvDialect): readonly string[] | undefined {
  try {
    return fieldsOf(line, dialect)
  } catch {
    return undefined
  }
}

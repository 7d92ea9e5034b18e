/*
 * Rows and fields of CSV (RFC 4180): fields are separated by a delimiter; one in quotes may hold
 * delimiters, line breaks, and quotes written twice. Rows end with LF, CRLF or CR LF alone.
 *
 * In TSV quotes are like in CSV if the field closes them on the same line; a quote that is never
 * closed is a character, as programs that know no quotes write it.
 */

import { LINE_FEED, CARRIAGE_RETURN, QUOTE } from '../text/byte-names.js'
import { BadEvent, tooLong, UNIT_BYTES_MAX, type Unit, type UnitCutter } from './event-units.js'


export interface CsvDialect {
  /** The byte between fields. */
  readonly delimiter: number
  /** Do quotes have to be closed on their line? Then they never hold line breaks. */
  readonly isOneLine: boolean
}

/** Cuts rows; those with line breaks in quotes take several lines. */
export class RowCutter implements UnitCutter {
  readonly #dialect: CsvDialect
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of `#rest` that were looked at, and whether a quote is open there. */
  #at = 0
  #isQuoted = false
  /** Where the last quote of the row was closed. */
  #closedAt = -2
  #isTooLong = false

  constructor(dialect: CsvDialect) {
    this.#dialect = dialect
  }

  push(chunk: Buffer): Unit[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const units: Unit[] = []
    let from = 0
    let at = this.#at
    for (;;) {
      const end = bytes.indexOf(LINE_FEED, at)
      const to = end < 0 ? bytes.length : end
      if (!this.#dialect.isOneLine) this.#followQuotes(bytes.subarray(from, to), at - from)
      if (end < 0) break
      at = end + 1
      if (this.#isQuoted) continue
      units.push(this.#rowIn(bytes, from, end))
      from = at
      this.#closedAt = -2
    }
    this.#rest = bytes.subarray(from)
    this.#at = this.#rest.length
    if (this.#rest.length > UNIT_BYTES_MAX) this.#isTooLong = true
    if (this.#isTooLong) {
      this.#rest = Buffer.alloc(0)
      this.#at = 0
    }
    return units
  }

  end(): Unit[] {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    if (this.#isTooLong) return [tooLong()]
    if (this.#isQuoted) return [new BadEvent('not CSV', 'a quote is open at the end of the file')]
    return rest.length > 0 ? [this.#rowIn(rest, 0, rest.length)] : []
  }

  /** A quote opens at the start of a field; one behind a closing quote is a character of it. */
  #followQuotes(row: Buffer, from: number): void {
    for (let at = row.indexOf(QUOTE, from); at >= 0; at = row.indexOf(QUOTE, at + 1)) {
      if (this.#isQuoted) {
        this.#isQuoted = false
        this.#closedAt = at
      } else {
        const isStart = at === 0 || row[at - 1] === this.#dialect.delimiter
        this.#isQuoted = isStart || at === this.#closedAt + 1
      }
    }
  }

  #rowIn(bytes: Buffer, from: number, to: number): Unit {
    const isLong = this.#isTooLong || to - from > UNIT_BYTES_MAX
    this.#isTooLong = false
    if (isLong) return tooLong()
    return bytes.subarray(from, bytes[to - 1] === CARRIAGE_RETURN && to > from ? to - 1 : to)
  }
}

/** The fields of a row, as text. Throws BadEvent if its quotes are wrong. */
export function fieldsOf(row: string, { delimiter, isOneLine }: CsvDialect): string[] {
  const separator = String.fromCharCode(delimiter)
  if (!row.includes('"')) return row.split(separator)
  const fields: string[] = []
  for (let at = 0; ;) {
    const { text, end } = fieldAt(row, at, { separator, isOneLine })
    fields.push(text)
    if (end >= row.length) return fields
    at = end + 1
  }
}

interface FieldRules {
  readonly separator: string
  readonly isOneLine: boolean
}

function fieldAt(row: string, at: number, rules: FieldRules): { text: string; end: number } {
  const next = row.indexOf(rules.separator, at)
  const plain = { text: '', end: next < 0 ? row.length : next }
  plain.text = row.slice(at, plain.end)
  if (row[at] !== '"') {
    if (!rules.isOneLine && plain.text.includes('"')) {
      throw new BadEvent('not CSV', `a quote in a field without quotes: ${shown(plain.text)}`)
    }
    return plain
  }
  let text = ''
  for (let from = at + 1; ;) {
    const close = row.indexOf('"', from)
    if (close < 0) {
      if (rules.isOneLine) return plain
      throw new BadEvent('not CSV', 'a quote is not closed')
    }
    text += row.slice(from, close)
    from = close + 2
    if (row[close + 1] === '"') {
      text += '"'
      continue
    }
    const end = close + 1
    if (end === row.length || row[end] === rules.separator) return { text, end }
    if (rules.isOneLine) return plain
    throw new BadEvent('not CSV', `text after a closing quote: ${shown(row.slice(close))}`)
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 40))
}

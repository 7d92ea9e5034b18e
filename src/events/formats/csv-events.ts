/*
 * Events in rows of CSV or TSV. The first row names the columns; each other row is an event. Its
 * value is an object of JSON with the texts of all columns, unless a column is the value.
 */

import { PartlogError } from '../../model/errors.js'
import { fieldsOf, type CsvDialect } from './csv.js'
import {
  eachUnit,
  FieldMap,
  TextFields,
  utf8Of,
  type EventReader,
  type EventRules,
  type TimeNotes,
} from './event-rules.js'
import { BadEvent } from './event-units.js'

const COLUMNS_MAX = 10_000

/** Reads rows; the first one is the header. */
export function csvReader(
  dialect: CsvDialect,
  rules: EventRules,
  notes: TimeNotes,
): EventReader {
  const map = new FieldMap(rules, notes)
  let header: Header | undefined
  return eachUnit(unit => {
    if (unit.length === 0) return undefined
    const texts = fieldsOf(utf8Of(unit), dialect)
    if (header === undefined) {
      header = new Header(texts, map)
      return undefined
    }
    header.check(texts)
    const fields = new TextFields(header.places.map(place => texts[place]))
    return map.messageOf(fields, rules.value === undefined ? header.json(texts) : null)
  })
}

class Header {
  /** The columns of the fields that are needed. */
  readonly places: readonly number[]
  readonly #quoted: readonly string[]

  constructor(columns: readonly string[], map: FieldMap) {
    if (columns.length > COLUMNS_MAX) throw wrongHeader(`more than ${COLUMNS_MAX} columns`)
    const twice = columns.find((name, index) => columns.indexOf(name) !== index)
    if (twice !== undefined) throw wrongHeader(`the column ${JSON.stringify(twice)} twice`)
    this.#quoted = columns.map(name => JSON.stringify(name))
    this.places = map.names.map(name => {
      const place = columns.indexOf(name)
      if (place >= 0) return place
      throw new PartlogError(
        'INVALID_ARGUMENT',
        `expected a column of the header (${columns.slice(0, 50).join(', ')}), ` +
          `got ${JSON.stringify(name)}`,
      )
    })
  }

  check(texts: readonly string[]): void {
    const expected = this.#quoted.length
    if (texts.length === expected) return
    throw new BadEvent('wrong columns', `expected ${expected} fields, got ${texts.length}`)
  }

  json(texts: readonly string[]): string {
    const pairs = texts.map((text, index) => `${this.#quoted[index]}:${JSON.stringify(text)}`)
    return `{${pairs.join(',')}}`
  }
}

function wrongHeader(what: string): PartlogError {
  const sentence = `expected a header with the names of columns, got ${what}`
  return new PartlogError('INVALID_ARGUMENT', sentence)
}

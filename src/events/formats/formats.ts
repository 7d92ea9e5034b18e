/* The formats of event files: how each is cut into units, and how a unit becomes a message. */

import { isUtf8 } from 'node:buffer'
import { PartlogError } from '../../model/errors.js'
import { csvReader } from './csv-events.js'
import { RowCutter, type CsvDialect } from './csv.js'
import {
  eachUnit,
  type EventFormat,
  type EventReader,
  type EventRules,
  type TimeNotes,
} from './event-rules.js'
import { isBlank, jsonReader } from './json-events.js'
import { JsonValueCutter } from './json-values.js'
import { consoleReader, debeziumReader, kafkajsReader, kcatReader } from './kafka-dumps.js'
import { lineReader } from './plain-lines.js'
import { parseRecordLine } from './record-lines.js'
import { BadEvent, LineCutter, type UnitCutter } from './event-units.js'

/** What a unit of a format is called. */
export type UnitName = 'line' | 'row' | 'event'

export interface Format {
  readonly name: EventFormat
  readonly unit: UnitName
  /** What it is, in a sentence: "is read as …". */
  readonly title: string
  readonly cutter: () => UnitCutter
  readonly reader: (rules: EventRules, notes: TimeNotes) => EventReader
  /** Its first unit names the columns. */
  readonly hasHeader?: true
  /** The options that mean something here; undefined: all but `match`. */
  readonly takes?: readonly (keyof EventRules)[]
  /** Why the others do not, to complete "not with format records: …". */
  readonly why?: string
}

const lines = (): UnitCutter => new LineCutter()
const ENCODINGS = ['keyEncoding', 'valueEncoding'] as const

const COMMA: CsvDialect = { delimiter: 0x2c, isOneLine: false }
const TAB: CsvDialect = { delimiter: 0x09, isOneLine: true }

/** CSV with this byte between its fields. */
export function csvFormat(delimiter = COMMA.delimiter): Format {
  const dialect = { ...COMMA, delimiter }
  return {
    name: 'csv',
    unit: 'row',
    title: 'CSV with a header',
    hasHeader: true,
    cutter: () => new RowCutter(dialect),
    reader: (rules, notes) => csvReader(dialect, rules, notes),
  }
}

export const FORMATS: Readonly<Record<EventFormat, Format>> = {
  json: { name: 'json', unit: 'line', title: 'lines of JSON', cutter: lines, reader: jsonReader },
  'json-array': {
    name: 'json-array',
    unit: 'event',
    title: 'values of JSON, one event each',
    cutter: () => new JsonValueCutter(),
    reader: jsonReader,
  },
  csv: csvFormat(),
  tsv: {
    name: 'tsv',
    unit: 'row',
    title: 'TSV with a header',
    hasHeader: true,
    cutter: () => new RowCutter(TAB),
    reader: (rules, notes) => csvReader(TAB, rules, notes),
  },
  lines: {
    name: 'lines',
    unit: 'line',
    title: 'plain lines',
    cutter: lines,
    reader: lineReader,
  },
  records: {
    name: 'records',
    unit: 'line',
    title: 'an export of partlog',
    cutter: lines,
    reader: () => eachUnit(unit => (isBlank(unit) ? undefined : recordOf(unit))),
    takes: [],
    why: 'the records have their keys, values and times',
  },
  kcat: {
    name: 'kcat',
    unit: 'line',
    title: 'a dump of kcat -J',
    cutter: lines,
    reader: kcatReader,
    takes: ENCODINGS,
    why: 'the records have their keys, values and times',
  },
  kafkajs: {
    name: 'kafkajs',
    unit: 'line',
    title: 'a dump of kafkajs',
    cutter: lines,
    reader: kafkajsReader,
    takes: [],
    why: 'the records have their keys, values and times',
  },
  console: {
    name: 'console',
    unit: 'line',
    title: 'a dump of kafka-console-consumer',
    cutter: lines,
    reader: consoleReader,
    takes: ENCODINGS,
    why: 'the records have their keys, values and times',
  },
  debezium: {
    name: 'debezium',
    unit: 'line',
    title: 'the changes of Debezium',
    cutter: lines,
    reader: debeziumReader,
  },
}

function recordOf(unit: Buffer) {
  if (!isUtf8(unit)) throw new BadEvent('not UTF-8', 'it is not UTF-8')
  try {
    return parseRecordLine(unit.toString('utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) throw error
    throw new BadEvent('not a record', (error as Error).message)
  }
}

/** An option that does not fit the file or the topic. */
export class BadOption extends PartlogError {
  constructor(
    /** The name of the option, as the library has it. */
    readonly option: string,
    sentence: string,
  ) {
    super('INVALID_ARGUMENT', sentence)
  }
}

/** Throws BadOption if a rule would change nothing. */
export function checkRules({ name, takes, why }: Format, rules: EventRules): void {
  for (const [option, value] of Object.entries(rules) as [keyof EventRules, unknown][]) {
    const isGiven = value !== undefined && !(Array.isArray(value) && value.length === 0)
    if (!isGiven) continue
    if (option === 'match' && name !== 'lines') {
      throw new BadOption(option, `only with format lines, not with format ${name}`)
    }
    if (takes === undefined || takes.includes(option)) continue
    throw new BadOption(option, `not with format ${name}: ${why}`)
  }
}

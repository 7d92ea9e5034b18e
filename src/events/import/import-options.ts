/* The options of an import: their table, and the rules that follow from them. */

import {
  instance,
  integer,
  oneOf,
  optional,
  option,
  readOptions,
  text,
  type OptionType,
  type OptionValues,
} from '../../base/options.js'
import { checkedConfig } from '../../model/errors.js'
import { FORMAT_NAMES, type BytesEncoding, type EventFormat } from '../formats/event-rules.js'
import { BadOption, FORMATS, checkRules } from '../formats/formats.js'
import { checkEncoding } from '../source/encoding.js'
import { parseRegExp } from '../text/bounded-regexp.js'
import { TimeFormat } from '../text/time-format.js'
import { TIME_UNITS, timeZoneOf, type TimeRules, type TimeUnit } from '../text/time-text.js'
import type { BadUnit } from './import-run.js'
import type { ReadingRules } from './event-stream.js'

/** An event that an import leaves out, or that ends it. */
export interface BadEventReport {
  /** The file, or the name of the stream. */
  readonly source: string
  /** What is counted there: lines, rows of CSV, or values of JSON. */
  readonly unit: 'line' | 'row' | 'event'
  /** Its number, from 1. */
  readonly number: number
  /** Why it is no event. */
  readonly reason: string
  /** The reason without the details of this event. */
  readonly kind: string
  /** Its bytes; undefined if it is longer than 16 MiB. */
  readonly bytes: Uint8Array | undefined
}

/** How {@link importEvents} reads events and what becomes of them. */
export interface ImportEventsOptions {
  /** The topic; it is created, with `retention.ms` −1, if it does not exist. */
  readonly topic: string
  /** Partitions of a new topic. Default: the cluster's, or as many as the records name. */
  readonly partitions?: number | undefined
  /** Default: recognized from the first lines of each source. */
  readonly format?: EventFormat | undefined
  /** Default: UTF-8, or UTF-16 if it is that. Any encoding that TextDecoder knows. */
  readonly encoding?: string | undefined
  /**
   * The field that is the key, as its text stands in the event: a path (`payload.after.id`,
   * `$.items[0].id`), a column of CSV, the number of a word or a group of `match`. Default: no key.
   */
  readonly key?: string | undefined
  /** The field that is the value. Default: the whole event. */
  readonly value?: string | undefined
  /** The field with the time: ISO 8601, a number since 1970, or `timeFormat`. Default: now. */
  readonly timestamp?: string | undefined
  /** Names of headers, and the fields with their values. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Fields and texts: an event with one of these is a tombstone. */
  readonly tombstone?: Readonly<Record<string, string>> | undefined
  /** How the text of the key stands for bytes. Default: 'text'. */
  readonly keyEncoding?: BytesEncoding | undefined
  /** How the text of the value stands for bytes. Default: 'text'. */
  readonly valueEncoding?: BytesEncoding | undefined
  /** Plain lines: an expression whose named groups are their fields. */
  readonly match?: RegExp | string | undefined
  /** The format of times, with the letters of strptime. */
  readonly timeFormat?: string | undefined
  /** The unit of times that are numbers. Default: by their size, from 1973 to 2128. */
  readonly timestampUnit?: TimeUnit | undefined
  /** The zone of times without one, such as 'Europe/Berlin'. Default: such times are refused. */
  readonly timezone?: string | undefined
  /** The year of times without one. Default: such times are refused. */
  readonly year?: number | undefined
  /**
   * 'stop' ends the import at a bad event, 'skip' leaves it out; a function is told, and it is left
   * out. Default: 'stop'.
   */
  readonly onBadEvent?: 'stop' | 'skip' | ((bad: BadEventReport) => void) | undefined
  /** How many lines (rows, events) at the start to leave out. Default: 0. */
  readonly skip?: number | undefined
  /**
   * Continue where the last import of this file into this topic with `resume` has ended, at any
   * moment, without doubles. The place is kept in the cluster. Default: false.
   */
  readonly resume?: boolean | undefined
  /**
   * Sort events by their times, within a window of so many milliseconds; several files are merged.
   * Default: the order of the files.
   */
  readonly sortByTimeMs?: number | undefined
  /** Ends the import once what was sent is acknowledged. */
  readonly signal?: AbortSignal | undefined
}

const isPairs = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every(each => typeof each === 'string')

const fieldsByName = instance<Readonly<Record<string, string>>>('an object of texts', isPairs)
const ENCODINGS = oneOf<BytesEncoding>('text', 'base64', 'hex')

const expression: OptionType<RegExp | string> = instance(
  'a regular expression',
  value => value instanceof RegExp || (typeof value === 'string' && value !== ''),
)

const OPTIONS = {
  topic: optional(text),
  partitions: optional(integer(1, 99_999)),
  format: optional(oneOf<EventFormat>(...FORMAT_NAMES)),
  encoding: optional(text),
  key: optional(text),
  value: optional(text),
  timestamp: optional(text),
  headers: optional(fieldsByName),
  tombstone: optional(fieldsByName),
  keyEncoding: optional(ENCODINGS),
  valueEncoding: optional(ENCODINGS),
  match: optional(expression),
  timeFormat: optional(text),
  timestampUnit: optional(oneOf<TimeUnit>(...TIME_UNITS)),
  timezone: optional(text),
  year: optional(integer(1970, 9999)),
  onBadEvent: option(
    instance<'stop' | 'skip' | ((bad: BadEventReport) => void)>(
      "'stop', 'skip' or a function",
      value => value === 'stop' || value === 'skip' || typeof value === 'function',
    ),
    'stop',
  ),
  skip: option(integer(0), 0),
  resume: option(instance<boolean>('true or false', value => typeof value === 'boolean'), false),
  sortByTimeMs: optional(integer(0)),
  signal: optional(instance<AbortSignal>('an AbortSignal', value => value instanceof AbortSignal)),
}

export type ImportSettings = OptionValues<typeof OPTIONS> & { readonly topic: string }

/** The options with their defaults. Throws INVALID_CONFIG, or INVALID_ARGUMENT for their texts. */
export function importSettings(options: ImportEventsOptions): ImportSettings {
  const settings = checkedConfig(() => readOptions(OPTIONS, options, 'import option'))
  const { topic, resume, skip } = settings
  if (topic === undefined) throw new BadOption('topic', 'expected a name')
  if (resume && skip > 0) throw new BadOption('skip', 'not with resume, which knows what to skip')
  const checked = { ...settings, topic }
  const { format, encoding: _, ...rules } = readingRules(checked)
  if (format !== undefined) checkRules(FORMATS[format], rules)
  return checked
}

/** Throws BadOption for texts that mean nothing. */
export function readingRules(settings: ImportSettings): ReadingRules {
  const { format, encoding, key, value, timestamp, keyEncoding, valueEncoding } = settings
  if (encoding !== undefined) ofOption('encoding', () => checkEncoding(encoding))
  const pairs = (given: Readonly<Record<string, string>> | undefined) =>
    given === undefined ? undefined : Object.entries(given)
  return {
    format,
    encoding,
    key,
    value,
    timestamp,
    keyEncoding,
    valueEncoding,
    headers: pairs(settings.headers),
    tombstones: pairs(settings.tombstone),
    match: expressionOf(settings.match),
    times: timesOf(settings),
  }
}

function expressionOf(given: RegExp | string | undefined): RegExp | undefined {
  return typeof given === 'string' ? ofOption('match', () => parseRegExp(given)) : given
}

function timesOf(settings: ImportSettings): TimeRules | undefined {
  const { timeFormat, timestampUnit: unit, timezone, year, timestamp, match } = settings
  const given = { timeFormat, timestampUnit: unit, timezone, year }
  const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? []
  if (name === undefined) return undefined
  if (timestamp === undefined && match === undefined) throw new BadOption(name, 'needs timestamp')
  if (year !== undefined && timeFormat === undefined) {
    throw new BadOption('year', 'needs timeFormat')
  }
  if (unit !== undefined && timeFormat !== undefined) {
    throw new BadOption('timestampUnit', 'not with timeFormat')
  }
  const zone = timezone === undefined ? undefined : timeZoneOf(timezone)
  if (timezone !== undefined && zone === undefined) {
    const expected = 'expected a time zone like UTC, +02:00 or Europe/Berlin'
    throw new BadOption('timezone', `${expected}, got ${JSON.stringify(timezone)}`)
  }
  const format =
    timeFormat === undefined ? undefined : ofOption('timeFormat', () => new TimeFormat(timeFormat))
  return { unit, zone, format, year }
}

function ofOption<T>(option: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new BadOption(option, (error as { readonly sentence?: string }).sentence ?? String(error))
  }
}

export function reportOf({ place, bad, bytes }: BadUnit): BadEventReport {
  const { source, unit, number } = place
  return { source, unit, number, reason: bad.message, kind: bad.kind, bytes }
}

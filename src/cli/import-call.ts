/* The command line of `partlog import`, and what it means for the import of the library. */

import { integer, oneOf, text, type OptionType } from '../base/options.js'
import {
  FORMAT_NAMES,
  type BytesEncoding,
  type EventFormat,
} from '../events/formats/event-rules.js'
import { BadOption } from '../events/formats/formats.js'
import { importSettings, type ImportSettings } from '../events/import/import-options.js'
import { TIME_UNITS, timeZoneOf, type TimeUnit } from '../events/text/time-text.js'
import { isPartlogError } from '../model/errors.js'
import { DIR_OPTION, JSON_OPTION } from './command-options.js'
import { optionalValue, type OptionsOf, repeatable, toggle, valued } from './command.js'
import { duration } from '../events/text/durations.js'
import { UsageError } from './terminal/usage-error.js'

const timeZone: OptionType<string> = {
  expected: 'a time zone like UTC, +02:00 or Europe/Berlin',
  parse: () => undefined,
  parseText: given => (timeZoneOf(given) === undefined ? undefined : given),
}

/** `NAME=TEXT`; the name may not be empty. */
const pair: OptionType<readonly [string, string]> = {
  expected: 'NAME=TEXT',
  parse: () => undefined,
  parseText: given => {
    const at = given.indexOf('=')
    return at > 0 ? [given.slice(0, at), given.slice(at + 1)] : undefined
  },
}

/** stop, skip, or a file by its path: a word without a dot or a slash is a misspelling. */
const badLines: OptionType<string> = {
  expected: 'stop, skip or a file like bad.jsonl',
  parse: () => undefined,
  parseText: given => (/^(stop|skip|.*[./].*)$/s.test(given) ? given : undefined),
}

const ENCODING = oneOf<BytesEncoding>('text', 'base64', 'hex')

export const IMPORT_OPTIONS = {
  dir: DIR_OPTION,
  topic: optionalValue(text, 'NAME', 'the topic (required)'),
  format: optionalValue(
    oneOf<EventFormat>(...FORMAT_NAMES),
    'FORMAT',
    `${FORMAT_NAMES.join(', ')} (default: recognized from the first lines)`,
  ),
  key: optionalValue(
    text,
    'FIELD',
    'the field to use as key, exactly as in the line: id, payload.after.id, $.items[0].id; a ' +
      'column of CSV; of plain lines the number of a word, or a group of --match',
  ),
  value: optionalValue(text, 'FIELD', 'the field to use as value (default: the whole event)'),
  timestamp: optionalValue(
    text,
    'FIELD',
    'the field with the time of the record: ISO 8601, a number since 1970, or --time-format',
  ),
  header: repeatable(pair, 'NAME=FIELD', 'a header from a field; may be given several times'),
  tombstone: repeatable(pair, 'FIELD=TEXT', 'events with this text in the field are tombstones'),
  match: optionalValue(
    text,
    'REGEX',
    'for plain lines: the named groups are fields; (?<key>…), (?<value>…) and (?<time>…) need no ' +
      'further option',
  ),
  'time-format': optionalValue(text, 'FORMAT', "as in strptime, e.g. '%d/%b/%Y:%H:%M:%S %z'"),
  'timestamp-unit': optionalValue(
    oneOf<TimeUnit>(...TIME_UNITS),
    'UNIT',
    'unit of times that are numbers: s, ms, us or ns (default: by size, from 1973 to 2128)',
  ),
  timezone: optionalValue(
    timeZone,
    'ZONE',
    'zone of times without one: UTC, +02:00, Europe/Berlin (default: such times are refused)',
  ),
  year: optionalValue(integer(1970, 9999), 'N', 'year of times in a --time-format without one'),
  'key-encoding': optionalValue(ENCODING, 'HOW', 'the key is text (default), base64 or hex'),
  'value-encoding': optionalValue(ENCODING, 'HOW', 'the value is text (default), base64 or hex'),
  encoding: optionalValue(
    text,
    'NAME',
    'encoding of the file, e.g. windows-1252 (default: utf-8; utf-16 is recognized)',
  ),
  partitions: optionalValue(integer(1, 99_999), 'N', 'number of partitions of a new topic'),
  'on-bad-line': valued(
    badLines,
    'stop',
    'WHAT',
    'a line that is not an event: stop (default), skip, or a file to put it into',
  ),
  'sort-by-time': optionalValue(
    duration,
    'WINDOW',
    'put events in the order of their times, which are out of order by up to 10m, 2h …; several ' +
      'files are merged',
  ),
  skip: valued(integer(0), 0, 'N', 'leave out the first N lines, which are imported already'),
  resume: toggle('continue where the last import of this file with --resume has ended'),
  'dry-run': toggle('write nothing: show the first records, and which partitions they would go to'),
  durability: valued(
    oneOf('power', 'process'),
    'power',
    'LEVEL',
    'survive a power failure (power, default), or only the end of the process (process)',
  ),
  json: JSON_OPTION,
}

export type ImportOptions = OptionsOf<typeof IMPORT_OPTIONS>

/** What the library calls the options. Throws UsageError. */
export function settingsOf(options: ImportOptions, signal?: AbortSignal): ImportSettings {
  const { topic, header, tombstone, skip, resume } = options
  if (topic === undefined) throw new UsageError('partlog import: --topic: expected a name')
  return asUsage(() =>
    importSettings({
      topic,
      ...pick(options),
      headers: header.length === 0 ? undefined : objectOf('header', header),
      tombstone: tombstone.length === 0 ? undefined : objectOf('tombstone', tombstone),
      skip,
      resume,
      onBadEvent: options['on-bad-line'] === 'stop' ? 'stop' : 'skip',
      sortByTimeMs: options['sort-by-time'],
      signal,
    }),
  )
}

function pick(options: ImportOptions) {
  const { format, key, value, timestamp, match, timezone, year, encoding, partitions } = options
  return {
    format,
    key,
    value,
    timestamp,
    match,
    timezone,
    year,
    encoding,
    partitions,
    timeFormat: options['time-format'],
    timestampUnit: options['timestamp-unit'],
    keyEncoding: options['key-encoding'],
    valueEncoding: options['value-encoding'],
  }
}

function objectOf(
  option: string,
  pairs: readonly (readonly [string, string])[],
): Record<string, string> {
  const twice = pairs.find(([name], index) => pairs.findIndex(each => each[0] === name) < index)
  if (twice === undefined) return Object.fromEntries(pairs)
  throw new UsageError(`partlog import: --${option}: expected ${twice[0]} once`)
}

// ── errors ───────────────────────────────────────────────────────────────────────────────

/** Names that differ from the library's by more than their spelling. */
const NAMES: Readonly<Record<string, string>> = {
  headers: 'header',
  sortByTimeMs: 'sort-by-time',
  onBadEvent: 'on-bad-line',
}

const optionName = (name: string): string =>
  NAMES[name] ?? name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

const OPTION_WORDS =
  /\b(needs|with|give|without) (format|timestamp|timeFormat|resume|skip|match)\b/g

/** An error of the library about an option, as one about the command line. */
export function usageErrorOf(error: unknown): unknown {
  if (error instanceof BadOption) {
    const sentence = error.sentence.replace(
      OPTION_WORDS,
      (_, before: string, name: string) => `${before} --${optionName(name)}`,
    )
    return new UsageError(`partlog import: --${optionName(error.option)}: ${sentence}`)
  }
  if (!isPartlogError(error, 'INVALID_ARGUMENT')) return error
  return new UsageError(`partlog import: ${error.sentence}`)
}

function asUsage<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw usageErrorOf(error)
  }
}

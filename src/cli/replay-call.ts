/* The command line of `partlog replay`: its options, and what they mean together. */

import { resolve } from 'node:path'
import { integer, oneOf, text, type OptionType } from '../base/options.js'
import {
  isFormat,
  recordFormat,
  type BytesAs,
  type RecordFormat,
} from '../events/replay/record-format.js'
import { RecordFilter } from '../events/replay/record-filter.js'
import { placeInEach } from '../events/replay/places.js'
import { parseWhere, type ChosenRecord } from '../events/replay/where.js'
import { parseRegExp } from '../events/text/bounded-regexp.js'
import { isPartlogError } from '../model/errors.js'
import { DIR_OPTION, JSON_OPTION } from './command-options.js'
import { optionalValue, type OptionsOf, repeatable, toggle, valued } from './command.js'
import type { Placement } from './copy/topic-target.js'
import { duration } from '../events/text/durations.js'
import { checkNoKafkaOptions, isKafkaAddress, KAFKA_OPTIONS } from './kafka-address.js'
import { UsageError } from './terminal/usage-error.js'
import { isFileName } from './terminal/user-files.js'

const place = {
  ...optionalValue(placeInEach, 'PLACE', ''),
  mayBeginWithMinus: true,
}

/** `0`, or several: `0,2`. */
const partitions: OptionType<readonly number[]> = {
  expected: 'a whole number from 0 to 99999, or several: 0,2',
  parse: () => undefined,
  parseText: given => {
    const numbers = given.split(',').map(each => integer(0, 99_999).parseText(each))
    return numbers.some(each => each === undefined) ? undefined : (numbers as number[])
  },
}

/** How much faster than the record times; undefined: without pauses. */
const speed: OptionType<number> = {
  expected: 'a factor like 1x, 2.5x or 100x, or max',
  parse: () => undefined,
  parseText: given => {
    if (given === 'max') return Infinity
    const [, factor] = /^(\d{1,6}(?:\.\d{1,6})?)x?$/.exec(given) ?? []
    return factor === undefined || Number(factor) === 0 ? undefined : Number(factor)
  },
}

const format: OptionType<string> = {
  expected: `one of "records", "json", "values", "csv", or a template like '%t %o %k %s\\n'`,
  parse: () => undefined,
  parseText: given => (isFormat(given) ? given : undefined),
}

/** What a text means, by a function that throws INVALID_ARGUMENT with a sentence. */
function parsedText<T>(read: (given: string) => T): OptionType<() => T> {
  return {
    expected: 'a text',
    parse: () => undefined,
    parseText: given => () => read(given),
  }
}

const ENCODING = oneOf<BytesAs>('text', 'base64', 'hex', 'json')

export const REPLAY_OPTIONS = {
  dir: { ...DIR_OPTION, help: 'the folder of a cluster, or of a Kafka broker (default ./data)' },
  from: {
    ...place,
    help: 'the first offset, or the earliest time: 17, 2016-01-31T12:00:00Z, -1h, end-100',
  },
  until: { ...place, help: 'where to stop (exclusive), in the same words' },
  last: optionalValue(integer(1, 100_000_000), 'N', 'only the last N records, by time'),
  limit: optionalValue(integer(0), 'N', 'at most N records'),
  partition: repeatable(partitions, 'N', 'only these partitions: 0 or 0,2'),
  key: repeatable(text, 'KEY', 'only records with this key; may be given several times'),
  where: optionalValue(
    parsedText(parseWhere),
    'EXPRESSION',
    "only such records: payload.total > 100 and key startsWith 'a' (see the manual)",
  ),
  grep: optionalValue(parsedText(parseRegExp), 'REGEX', 'only records whose value matches'),
  isolation: valued(
    oneOf('read_committed', 'read_uncommitted'),
    'read_committed',
    'LEVEL',
    'read_committed (default): without aborted and open transactions; read_uncommitted: everything',
  ),
  'skip-missing': toggle('skip records that are lost, damaged or not readable, and report them'),
  speed: valued(
    speed,
    Infinity,
    'SPEED',
    '1x: the pace of the record times; 2.5x, 10x …: faster; max: no pauses (default)',
  ),
  'max-gap': optionalValue(duration, 'TIME', 'with --speed: no pause is longer, e.g. 10s'),
  follow: toggle('go on with records that are written meanwhile, until a signal'),
  'exit-at-end': toggle('end at the end of the topic (default; not with --follow)'),
  format: valued(
    format,
    'records',
    'FORMAT',
    "records: whole records as JSON (default); json: for jq; values; csv; or like kcat: '%k %s\\n'",
  ),
  'key-encoding': optionalValue(ENCODING, 'HOW', 'keys as text (default), base64, hex or json'),
  'value-encoding': optionalValue(ENCODING, 'HOW', 'values as text (default), base64, hex or json'),
  to: optionalValue(
    text,
    'FILE|TOPIC',
    'a file (if it has a / or ends in .jsonl, .txt …), a topic, or kafka://host:port/topic',
  ),
  'to-dir': optionalValue(text, 'DIR', 'the folder of the target topic (default: the same folder)'),
  groups: toggle('with --to TOPIC: carry over the committed offsets of groups, too'),
  partitions: optionalValue(
    oneOf<Placement>('keep', 'by-key'),
    'WHICH',
    'with --to TOPIC: by-key (default), or keep (default for kafka:// and --to-dir with as many)',
  ),
  ...KAFKA_OPTIONS,
  json: JSON_OPTION,
}

export type ReplayOptions = OptionsOf<typeof REPLAY_OPTIONS>

const wrong = (option: string, sentence: string): UsageError =>
  new UsageError(`partlog replay: --${option}: ${sentence}`)

/** Refuses options that would change nothing, or contradict each other. */
export function checkFitting(
  topics: readonly string[],
  options: ReplayOptions,
  given: ReadonlySet<keyof ReplayOptions>,
): void {
  const { to } = options
  if (to !== undefined && topics.includes(to) && !isElsewhere(options)) {
    throw wrong('to', `expected another topic, got ${to}`)
  }
  if (given.has('to-dir') && (to === undefined || isKafkaAddress(to) || isFileName(to))) {
    throw wrong('to-dir', 'only with --to TOPIC')
  }
  if (!isKafkaAddress(to)) checkNoKafkaOptions('replay', options)
  const isTopic = to !== undefined && (isKafkaAddress(to) || !isFileName(to))
  if (!isTopic && given.has('groups')) throw wrong('groups', 'only with --to TOPIC')
  const mayKeep = options.partitions === 'keep' || isKafkaAddress(to) || isElsewhere(options)
  if (options.groups && (options.partitions === 'by-key' || !mayKeep)) {
    throw wrong('groups', 'needs --partitions keep')
  }
  if (!isTopic && given.has('partitions')) throw wrong('partitions', 'only with --to TOPIC')
  if (isTopic) checkTopicTarget(topics, given)
  if (given.has('max-gap') && options.speed === Infinity) throw wrong('max-gap', 'needs --speed')
  if (options.follow && options['exit-at-end']) throw wrong('exit-at-end', 'not with --follow')
  if (options.last === undefined) return
  const other = (['from', 'until', 'follow'] as const).find(name => given.has(name))
  if (other !== undefined) throw wrong('last', `not with --${other}`)
}

/** The folder of the target topic. */
export function toDirOf({ dir, 'to-dir': toDir = dir }: ReplayOptions): string {
  return resolve(toDir)
}

/** Is the target in another folder? */
export function isElsewhere(options: ReplayOptions): boolean {
  return toDirOf(options) !== resolve(options.dir)
}

/** A topic gets whole records, and continues by offsets. */
function checkTopicTarget(topics: readonly string[], given: ReadonlySet<string>): void {
  const ofLines = ['format', 'key-encoding', 'value-encoding'].find(name => given.has(name))
  if (ofLines !== undefined) throw wrong(ofLines, 'not with --to TOPIC, which copies whole records')
  if (topics.length > 1) throw wrong('to', 'expected one topic to copy, or a file')
}

/** The format of lines. Throws UsageError. */
export function formatOf(options: ReplayOptions, hasTopics: boolean): RecordFormat {
  const { format: name, 'key-encoding': keysAs, 'value-encoding': valuesAs } = options
  if (name === 'records' || name === 'json') {
    if (keysAs !== undefined) throw wrong('key-encoding', `not with --format ${name}`)
    if (valuesAs !== undefined) throw wrong('value-encoding', `not with --format ${name}`)
  }
  if (name === 'values' && keysAs !== undefined) {
    throw wrong('key-encoding', 'not with --format values')
  }
  const how = { keysAs: keysAs ?? 'text', valuesAs: valuesAs ?? 'text', hasTopics } as const
  return ofOption('format', () => recordFormat(name, how))
}

/** Which records are wanted. Throws UsageError. */
export function filterOf({ key: keys, where, grep }: ReplayOptions): RecordFilter {
  const chosen: ((record: ChosenRecord) => boolean) | undefined =
    where === undefined ? undefined : ofOption('where', where)
  const expression = grep === undefined ? undefined : ofOption('grep', grep)
  return new RecordFilter({ keys, where: chosen, grep: expression })
}

function ofOption<T>(option: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!isPartlogError(error, 'INVALID_ARGUMENT')) throw error
    throw wrong(option, error.sentence)
  }
}

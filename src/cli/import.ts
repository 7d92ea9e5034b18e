/** `partlog import FILE|-`: lines into a topic. */

import { integer, oneOf, text, type OptionType } from '../base/options.js'
import type { Message } from '../client/producer/messages.js'
import type { Cluster } from '../cluster/cluster.js'
import { BATCH_HEADER_BYTES } from '../model/batch.js'
import { isPartlogError } from '../model/errors.js'
import { DIR_OPTION, JSON_OPTION } from './command-options.js'
import { command, optionalValue, type OptionsOf, valued } from './command.js'
import { IMPORTED } from './copy/carried-topic.js'
import type { ImportFormat } from './copy/event-lines.js'
import {
  importFile,
  type BadLine,
  type ImportRequest,
  type ImportResult,
  type TargetFor,
} from './copy/import-run.js'
import { TIME_UNITS, timeZoneOf, type TimeUnit, type TimeZone } from './copy/time-text.js'
import { openToWrite } from './copy/waits.js'
import { clock, closing, endingSignal } from './terminal/ending.js'
import type { Output } from './terminal/output.js'
import { Progress } from './terminal/progress.js'
import { bytesText, grouped, secondsText } from './terminal/table.js'
import { UsageError } from './terminal/usage-error.js'
import { checkReadable } from './terminal/user-files.js'

/** Makes the topic if it is not there, with so many partitions, for records of any time. */
export async function ensureTopic(
  { admin }: Cluster,
  topic: string,
  partitions: number | undefined,
): Promise<{ readonly isNew: boolean; readonly partitions: number }> {
  const count = partitions === undefined ? {} : { partitions }
  let isNew = true
  try {
    await admin.createTopic({ topic, config: IMPORTED, ...count })
  } catch (error) {
    if (!isPartlogError(error, 'TOPIC_ALREADY_EXISTS')) throw error
    isNew = false
  }
  return { isNew, partitions: (await admin.describeTopic(topic)).partitions.length }
}

const PRODUCER_BYTES_MAX = 1_048_576

/**
 * Makes the topic when the first messages are known to be good. Without --partitions a topic that
 * is made here gets as many as the records name, or they could not go back to where they were.
 */
function topicFor(cluster: Cluster, topic: string, wanted: number | undefined): TargetFor {
  let made: { readonly isNew: boolean; partitions: number } | undefined
  let recordBytesMax = 0
  const producer = cluster.producer({ maxRequestSize: PRODUCER_BYTES_MAX })
  return async messages => {
    if (made === undefined) {
      made = await ensureTopic(cluster, topic, wanted)
      if (wanted !== undefined && made.partitions !== wanted) {
        throw new UsageError(
          `partlog import: --partitions: expected ${made.partitions}, which topic ${topic} has ` +
            `already, got "${wanted}"`,
        )
      }
      recordBytesMax = await recordBytesOf(cluster, topic)
    }
    const needed = partitionsNeeded(messages)
    if (needed > made.partitions && made.isNew && wanted === undefined) {
      await cluster.admin.createPartitions({ topic, partitions: needed })
      made.partitions = needed
    }
    return { producer, partitions: made.partitions, recordBytesMax }
  }
}

function partitionsNeeded(messages: readonly Message[]): number {
  return messages.reduce((most, { partition = 0 }) => Math.max(most, partition + 1), 0)
}

/** A batch of one record has to fit into the topic, and into a request. */
async function recordBytesOf({ admin }: Cluster, topic: string): Promise<number> {
  const settings = await admin.describeConfig(topic)
  const setting = settings.find(({ name }) => name === 'max.message.bytes')
  return Math.min(Number(setting?.value), PRODUCER_BYTES_MAX) - BATCH_HEADER_BYTES
}

const timeZone: OptionType<TimeZone> = {
  expected: 'a time zone like UTC, +02:00 or Europe/Berlin',
  parse: () => undefined,
  parseText: timeZoneOf,
}

const OPTIONS = {
  dir: DIR_OPTION,
  topic: optionalValue(text, 'NAME', 'the topic (needed)'),
  format: valued(
    oneOf<ImportFormat>('json', 'lines', 'records'),
    'json',
    'FORMAT',
    'json: one event per line (default); lines: any text; records: an export of `replay`',
  ),
  key: optionalValue(
    text,
    'FIELD',
    'the field that is the key, as it stands in the line; with --format lines the n-th word',
  ),
  timestamp: optionalValue(
    text,
    'FIELD',
    "the field that is the record's time: ISO 8601, or a number since 1970",
  ),
  'timestamp-unit': optionalValue(
    oneOf<TimeUnit>(...TIME_UNITS),
    'UNIT',
    '… which counts s, ms, us or ns (default: what it clearly is, from 1973 to 2128)',
  ),
  timezone: optionalValue(
    timeZone,
    'ZONE',
    '… of times that do not say theirs: UTC, +02:00, Europe/Berlin (default: refused)',
  ),
  partitions: optionalValue(integer(1, 99_999), 'N', 'partitions of a topic that is made'),
  skip: valued(integer(0), 0, 'N', 'leave out the first N lines: they are there already'),
  'bad-lines': valued(
    oneOf('stop', 'skip'),
    'stop',
    'WHAT',
    'lines that are no event: stop there (default), or skip them and say which',
  ),
  durability: valued(
    oneOf('power', 'process'),
    'power',
    'LEVEL',
    'what an acknowledged record survives: power (default) or process',
  ),
  json: JSON_OPTION,
}

type ImportOptions = OptionsOf<typeof OPTIONS>

export const importCommand = command({
  name: 'import',
  summary: 'Reads lines into a topic. The topic is made if it is not there.',
  words: ['FILE|-'],
  options: OPTIONS,
  examples: [
    'partlog import events.jsonl --topic orders --key id --timestamp time --partitions 6',
    'zcat access.log.gz | partlog import - --topic access --format lines --key 1',
  ],
  run: async ({ words, options, output, given }) => {
    const { dir, topic, partitions, durability } = options
    if (topic === undefined) throw new UsageError('partlog import: --topic: expected a name')
    checkFitting(options, given)
    const file = words[0] as string
    checkReadable(file)
    const cluster = await openToWrite({ dir, durability }, output)
    return await closing(cluster, async () => {
      const request = { ...requestOf(options), file, topic, signal: endingSignal(output) }
      const target = topicFor(cluster, topic, partitions)
      const result = await importWithProgress(target, { ...request, json: options.json }, output)
      await tell(output, request, result, options.json)
      return 0
    })
  },
})

/** An option that would change nothing is a wrong one. */
function checkFitting(
  { format, key, timestamp }: ImportOptions,
  given: ReadonlySet<keyof ImportOptions>,
): void {
  const wrong = (name: keyof ImportOptions, sentence: string): UsageError =>
    new UsageError(`partlog import: --${name}: ${sentence}`)
  if (format === 'lines' && key !== undefined && !/^[1-9]\d{0,5}$/.test(key)) {
    throw wrong('key', `expected the number of a word, got "${key}"`)
  }
  const ofFields = (['timestamp', 'timestamp-unit', 'timezone'] as const).find(name =>
    given.has(name),
  )
  if (format === 'records' && key !== undefined) {
    throw wrong('key', 'not with --format records, which has the keys')
  }
  if (format !== 'json' && ofFields !== undefined) {
    const why = format === 'lines' ? 'the lines have no fields' : 'which has the times'
    throw wrong(ofFields, `not with --format ${format}: ${why}`)
  }
  if (timestamp === undefined && ofFields !== undefined) throw wrong(ofFields, 'needs --timestamp')
}

function requestOf(options: ImportOptions) {
  const { format, key, timestamp, skip, 'bad-lines': badLines } = options
  const times = { unit: options['timestamp-unit'], zone: options.timezone }
  return { format, key, timestamp, times, skip, badLines }
}

/** So many bad lines are told one by one. */
const BAD_LINES_TOLD = 10

export async function importWithProgress(
  targetFor: TargetFor,
  request: ImportRequest & { readonly json: boolean },
  output: Output,
): Promise<ImportResult> {
  const progress = new Progress(output, clock, 'importing')
  let badLines = 0
  try {
    return await importFile(targetFor, request, {
      onAcknowledged: (lines, bytesRead, size) => {
        progress.show(bytesRead, size, `${grouped(lines)} lines`)
        if (request.json) void output.json({ acknowledged: lines })
      },
      onBadLine: bad => {
        progress.end()
        if (++badLines <= BAD_LINES_TOLD) tellBadLine(output, bad, request.json)
      },
    })
  } finally {
    progress.end()
  }
}

function tellBadLine(output: Output, { line, reason }: BadLine, asJson: boolean): void {
  if (asJson) void output.json({ badLine: line, reason })
  else output.note(`line ${line} is left out: ${reason}`)
}

async function tell(
  output: Output,
  { file, topic, key }: ImportRequest,
  { records, keyless, badLines, times, bytes, ms }: ImportResult,
  asJson: boolean,
): Promise<void> {
  const seen =
    times === undefined
      ? {}
      : { times: { first: times.first, last: times.last, units: [...times.units] } }
  if (asJson) {
    const counts = { records, keyless, badLines, bytes, seconds: ms / 1000 }
    return await output.json({ topic, file, ...counts, ...seen })
  }
  const rate = ms > 0 ? `, ${grouped((records / ms) * 1000)} records/s` : ''
  output.note(
    `${grouped(records)} records (${bytesText(bytes)}) into ${topic} in ${secondsText(ms)}${rate}`,
  )
  if (keyless > 0) output.note(`${grouped(keyless)} of them have no ${key}, so no key`)
  if (badLines > 0) output.note(`${grouped(badLines)} lines are left out: they are no events`)
  if (times === undefined) return
  const [first, last] = [times.first, times.last].map(time => new Date(time).toISOString())
  const units = times.units.size === 0 ? '' : `; numbers count ${[...times.units].join(' and ')}`
  output.note(`their times go from ${first} to ${last}${units}`)
}

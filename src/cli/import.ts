/* `partlog import FILE|-`: reads lines into a topic. */

import { integer, oneOf, text, type OptionType } from '../base/options.js'
import type { Message } from '../client/producer/messages.js'
import type { Cluster } from '../cluster/cluster.js'
import { BATCH_HEADER_BYTES } from '../model/batch/batch.js'
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

/** Creates the topic if it does not exist, for records of any time. */
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
 * Creates the topic when the first messages are ready to send. Without --partitions a topic created
 * here grows to the highest partition that a record names, so that each returns to its partition.
 */
function topicFor(cluster: Cluster, topic: string, wanted: number | undefined): TargetFor {
  let ready: { readonly isNew: boolean; partitions: number } | undefined
  let recordBytesMax = 0
  const producer = cluster.producer({ maxRequestSize: PRODUCER_BYTES_MAX })
  return async messages => {
    if (ready === undefined) {
      ready = await ensureTopic(cluster, topic, wanted)
      if (wanted !== undefined && ready.partitions !== wanted) {
        throw new UsageError(
          `partlog import: --partitions: expected ${ready.partitions}, the number of partitions ` +
            `of the existing topic ${topic}, got "${wanted}"`,
        )
      }
      recordBytesMax = await recordBytesOf(cluster, topic)
    }
    const needed = partitionsNeeded(messages)
    if (needed > ready.partitions && ready.isNew && wanted === undefined) {
      await cluster.admin.createPartitions({ topic, partitions: needed })
      ready.partitions = needed
    }
    return { producer, partitions: ready.partitions, recordBytesMax }
  }
}

function partitionsNeeded(messages: readonly Message[]): number {
  return messages.reduce((most, { partition = 0 }) => Math.max(most, partition + 1), 0)
}

/** The largest record: a batch of one record must fit the limits of the topic and of a request. */
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
  topic: optionalValue(text, 'NAME', 'the topic (required)'),
  format: valued(
    oneOf<ImportFormat>('json', 'lines', 'records'),
    'json',
    'FORMAT',
    'json: one JSON event per line (default); lines: any text; records: an export of `replay`',
  ),
  key: optionalValue(
    text,
    'FIELD',
    'the field to use as key, exactly as in the line; with --format lines the number of a word',
  ),
  timestamp: optionalValue(
    text,
    'FIELD',
    'the field with the time of the record: ISO 8601, or a number since 1970',
  ),
  'timestamp-unit': optionalValue(
    oneOf<TimeUnit>(...TIME_UNITS),
    'UNIT',
    'unit of such a number: s, ms, us or ns (default: by its size, from 1973 to 2128)',
  ),
  timezone: optionalValue(
    timeZone,
    'ZONE',
    'zone of times without one: UTC, +02:00, Europe/Berlin (default: such times are refused)',
  ),
  partitions: optionalValue(integer(1, 99_999), 'N', 'number of partitions of a new topic'),
  skip: valued(integer(0), 0, 'N', 'leave out the first N lines, which are imported already'),
  'bad-lines': valued(
    oneOf('stop', 'skip'),
    'stop',
    'WHAT',
    'what to do with a line that is not an event: stop (default), or skip and report it',
  ),
  durability: valued(
    oneOf('power', 'process'),
    'power',
    'LEVEL',
    'survive a power failure (power, default), or only the end of the process (process)',
  ),
  json: JSON_OPTION,
}

type ImportOptions = OptionsOf<typeof OPTIONS>

export const importCommand = command({
  name: 'import',
  summary: 'Reads lines into a topic, and creates the topic if it does not exist.',
  args: ['FILE|-'],
  options: OPTIONS,
  examples: [
    'partlog import events.jsonl --topic orders --key id --timestamp time --partitions 6',
    'zcat access.log.gz | partlog import - --topic access --format lines --key 1',
  ],
  run: async ({ args, options, output, given }) => {
    const { dir, topic, partitions, durability } = options
    if (topic === undefined) throw new UsageError('partlog import: --topic: expected a name')
    checkFitting(options, given)
    const file = args[0] as string
    checkReadable(file)
    const cluster = await openToWrite({ dir, durability }, output)
    return await closing(cluster, async () => {
      const request = { ...requestOf(options), file, topic, signal: endingSignal(output) }
      const target = topicFor(cluster, topic, partitions)
      const result = await importWithProgress(target, { ...request, json: options.json }, output)
      await printSummary(output, request, result, options.json)
      return 0
    })
  },
})

/** Refuses options that would change nothing. */
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
    throw wrong('key', 'not with --format records: the records have their keys')
  }
  if (format !== 'json' && ofFields !== undefined) {
    const why = format === 'lines' ? 'the lines have no fields' : 'the records have their times'
    throw wrong(ofFields, `not with --format ${format}: ${why}`)
  }
  if (timestamp === undefined && ofFields !== undefined) throw wrong(ofFields, 'needs --timestamp')
}

function requestOf(options: ImportOptions) {
  const { format, key, timestamp, skip, 'bad-lines': badLines } = options
  const times = { unit: options['timestamp-unit'], zone: options.timezone }
  return { format, key, timestamp, times, skip, badLines }
}

/** How many bad lines are reported one by one. */
const BAD_LINES_REPORTED_MAX = 10

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
        if (++badLines <= BAD_LINES_REPORTED_MAX) reportBadLine(output, bad, request.json)
      },
    })
  } finally {
    progress.end()
  }
}

function reportBadLine(output: Output, { line, reason }: BadLine, asJson: boolean): void {
  if (asJson) void output.json({ badLine: line, reason })
  else output.note(`line ${line} is left out: ${reason}`)
}

async function printSummary(
  output: Output,
  { file, topic, key }: ImportRequest,
  { records, keyless, badLines, times, bytes, ms }: ImportResult,
  asJson: boolean,
): Promise<void> {
  const timeRange =
    times === undefined
      ? {}
      : { times: { first: times.first, last: times.last, units: [...times.units] } }
  if (asJson) {
    const counts = { records, keyless, badLines, bytes, seconds: ms / 1000 }
    return await output.json({ topic, file, ...counts, ...timeRange })
  }
  const rate = ms > 0 ? `, ${grouped((records / ms) * 1000)} records/s` : ''
  output.note(
    `${grouped(records)} records (${bytesText(bytes)}) into ${topic} in ${secondsText(ms)}${rate}`,
  )
  if (keyless > 0) output.note(`${grouped(keyless)} of them have no field ${key}, so no key`)
  if (badLines > 0) output.note(`${grouped(badLines)} lines are left out: they are not events`)
  if (times === undefined) return
  const [first, last] = [times.first, times.last].map(time => new Date(time).toISOString())
  const units = [...times.units].join(' and ')
  const read = units === '' ? '' : `; numbers were read as ${units}`
  output.note(`their times range from ${first} to ${last}${read}`)
}

/* `partlog import FILE…`: reads events into a topic. */

import type { KafkaCluster } from '../client/kafka-cluster.js'
import { Cluster } from '../cluster/cluster.js'
import { recordFields } from '../events/formats/record-lines.js'
import type { Format } from '../events/formats/formats.js'
import { dryRun } from '../events/import/dry-run.js'
import type { ReadingHooks } from '../events/import/event-stream.js'
import type { ImportSettings } from '../events/import/import-options.js'
import {
  importPrepared,
  prepareImport,
  type ImportOutcome,
  type PreparedImport,
} from '../events/import/import-parts.js'
import type {
  BadUnit,
  ImportHooks,
  ImportProgress,
  TargetFor,
} from '../events/import/import-run.js'
import { LINE_FEED } from '../events/text/byte-names.js'
import { checkReadable, filesOf, type EventSource } from '../events/source/event-files.js'
import { isPartlogError } from '../model/errors.js'
import { command } from './command.js'
import { openToWrite } from './copy/waits.js'
import { IMPORT_OPTIONS, settingsOf, usageErrorOf, type ImportOptions } from './import-call.js'
import { clock, closing, endingSignal } from './terminal/ending.js'
import type { Output } from './terminal/output.js'
import { Progress } from './terminal/progress.js'
import { bytesText, grouped, secondsText, table } from './terminal/table.js'
import { isFile, openSink, standardInput, type FileSink } from './terminal/user-files.js'

export const importCommand = command({
  name: 'import',
  summary: 'Reads event files into a topic, and creates the topic if it does not exist.',
  args: ['FILE|-', '[FILE…]'],
  options: IMPORT_OPTIONS,
  examples: [
    'partlog import events.jsonl --topic orders --key id --timestamp time --partitions 6',
    "partlog import export.json --topic items --key '$.id' --value '$.body' --header kind=type",
    'partlog import trades.csv --topic trades --key symbol --timestamp date --timezone UTC',
    "partlog import 'visits-*.tsv.gz' --topic visits --key user --timestamp at --sort-by-time 10m",
    `partlog import access.log --topic web --match '^(?<key>\\S+) .*?\\[(?<time>[^\\]]+)' ` +
      `--time-format '%d/%b/%Y:%H:%M:%S %z'`,
    'partlog import orders-export.jsonl --topic orders --resume',
    'partlog import kcat.jsonl --topic orders --on-bad-line bad.jsonl',
    'partlog import kafkajs.jsonl --topic orders',
    'zcat dump.txt.gz | partlog import - --topic orders --format console',
    'partlog import changes.jsonl --topic customers --format debezium --key id',
  ],
  run: async ({ args, options, output }) => {
    settingsOf(options) // everything is checked before a signal is waited for
    const sources = sourcesFor(args)
    const signal = options['dry-run'] ? undefined : endingSignal(output)
    const settings = settingsOf(options, signal)
    const prepared = await prepare(sources, settings, output)
    if (options['dry-run']) return await showDryRun(prepared, options, output)
    const { dir, durability } = options
    const cluster = await openToWrite({ dir, durability }, output)
    return await closing(cluster, async () => {
      const result = await importWithProgress({ cluster, prepared, options }, output)
      await printSummary(output, prepared, result, options.json)
      return 0
    })
  },
})

function sourcesFor(args: readonly string[]): EventSource[] {
  for (const arg of args) {
    if (arg !== '-') for (const file of asUsageNow(() => filesOf(arg))) checkReadable(file)
  }
  return args.map(arg => (arg === '-' ? standardInput() : arg))
}

function asUsageNow<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw usageErrorOf(error)
  }
}

async function prepare(
  sources: readonly EventSource[],
  settings: ImportSettings,
  output: Output,
): Promise<PreparedImport> {
  try {
    return await prepareImport(sources, settings, recognitionNotes(output))
  } catch (error) {
    throw usageErrorOf(error)
  }
}

/** Tells how a file is read, unless it is lines of JSON in UTF-8. */
function recognitionNotes(output: Output): ReadingHooks {
  const told = new Set<string>()
  const once = (sentence: string): void => {
    if (!told.has(sentence)) output.note(sentence)
    told.add(sentence)
  }
  return {
    onRecognized(source, { name, title }: Format, remark) {
      if (name !== 'json') once(`partlog: ${source} is read as ${title} (--format ${name})`)
      if (remark !== undefined) once(`partlog: ${source}: ${remark}`)
    },
    onEncoding: (source, encoding) => once(`partlog: ${source} is in ${encoding.toUpperCase()}`),
  }
}

// ── the import ───────────────────────────────────────────────────────────────────────────

/** How many bad lines are reported one by one. */
const BAD_LINES_REPORTED_MAX = 10

interface Work {
  readonly cluster: KafkaCluster
  readonly prepared: PreparedImport
  readonly options: Pick<ImportOptions, 'json' | 'on-bad-line'>
  readonly target?: TargetFor
  readonly hasAdvice?: boolean
}

export async function importWithProgress(
  { cluster, prepared, options, target, hasAdvice }: Work,
  output: Output,
): Promise<ImportOutcome> {
  const progress = new Progress(output, clock, 'importing')
  const bad = new BadLines(output, options)
  const onProgress = ({ units, bytesRead, size }: ImportProgress): void => {
    progress.show(bytesRead, size, `${grouped(units)} lines`, units)
    if (options.json) void output.json({ acknowledged: units })
  }
  const calls: ImportHooks = {
    onProgress,
    onBadEvent: each => {
      progress.end()
      return bad.take(each)
    },
    settled: () => bad.written(),
  }
  const means = { cluster, clock, calls, target, hasAdvice }
  try {
    return await importPrepared(prepared, means)
  } catch (error) {
    throw usageErrorOf(error)
  } finally {
    progress.end()
    await bad.end()
  }
}

/** What becomes of bad lines: the first ones are reported, all are put aside if that was asked. */
class BadLines {
  readonly #output: Output
  readonly #options: Work['options']
  #sink: FileSink | undefined
  #count = 0
  #written: Promise<void> = Promise.resolve()

  constructor(output: Output, options: Work['options']) {
    this.#output = output
    this.#options = options
  }

  take({ place, bad, bytes }: BadUnit): boolean {
    const where = this.#options['on-bad-line']
    if (where === 'stop') return false
    if (++this.#count <= BAD_LINES_REPORTED_MAX) this.#report(place, bad.message)
    if (where === 'skip') return true
    this.#sink ??= this.#open(where, place.header)
    this.#written = this.#sink.write(lineOf(bytes))
    return true
  }

  /** A new file begins with the header, so that it can be imported once its rows are mended. */
  #open(path: string, header: Buffer | undefined): FileSink {
    const isNew = !isFile(path)
    const sink = openSink(path, { append: true })
    if (isNew && header !== undefined) void sink.write(lineOf(header))
    return sink
  }

  #report({ source, unit, number }: BadUnit['place'], reason: string): void {
    if (this.#options.json) void this.#output.json({ badLine: number, reason, file: source })
    else this.#output.note(`${unit} ${number} is left out: ${reason}`)
  }

  async written(): Promise<void> {
    await this.#written
  }

  async end(): Promise<void> {
    await this.#sink?.end()
  }
}

function lineOf(bytes: Buffer | undefined): Buffer {
  return Buffer.concat([bytes ?? Buffer.alloc(0), Buffer.of(LINE_FEED)])
}

// ── the summary ──────────────────────────────────────────────────────────────────────────

async function printSummary(
  output: Output,
  { name, settings }: PreparedImport,
  result: ImportOutcome,
  asJson: boolean,
): Promise<void> {
  const { records, keyless, badEvents, times, bytes, ms, outOfOrder } = result
  const { topic, key } = settings
  const badLines = totalOf(badEvents)
  if (asJson) {
    const range = times === undefined ? {} : { times: { ...times, units: [...times.units] } }
    const reasons = badLines === 0 ? {} : { badLinesBy: Object.fromEntries(badEvents) }
    const counts = { records, keyless, badLines, ...reasons, bytes, seconds: ms / 1000 }
    return await output.json({ topic, file: name, ...counts, ...range })
  }
  const rate = ms > 0 ? `, ${grouped((records / ms) * 1000)} records/s` : ''
  output.note(
    `${grouped(records)} records (${bytesText(bytes)}) into ${topic} in ${secondsText(ms)}${rate}`,
  )
  if (keyless > 0) {
    output.note(`${grouped(keyless)} of them have no field ${key ?? 'key'}, so no key`)
  }
  if (badLines > 0) output.note(badLinesText(badEvents))
  if (outOfOrder > 0) {
    output.note(`${grouped(outOfOrder)} of them are out of order: --sort-by-time was too short`)
  }
  if (times === undefined) return
  const [first, last] = [times.first, times.last].map(time => new Date(time).toISOString())
  const units = [...times.units].join(' and ')
  const read = units === '' ? '' : `; numbers were read as ${units}`
  output.note(`their times range from ${first} to ${last}${read}`)
}

function totalOf(badEvents: ReadonlyMap<string, number>): number {
  return [...badEvents.values()].reduce((sum, count) => sum + count, 0)
}

function badLinesText(badEvents: ReadonlyMap<string, number>): string {
  const reasons = [...badEvents].map(([kind, count]) => `${grouped(count)} ${kind}`).join(', ')
  return `${grouped(totalOf(badEvents))} lines are left out: ${reasons}`
}

// ── the dry run ──────────────────────────────────────────────────────────────────────────

const SHOWN = 5

async function showDryRun(
  prepared: PreparedImport,
  options: ImportOptions,
  output: Output,
): Promise<number> {
  const partitions = await partitionsOf(options)
  const bad = new BadLines(output, { ...options, 'on-bad-line': 'skip' })
  const onBadEvent = (each: BadUnit): void => void bad.take(each)
  const planned = await dryRun(prepared, { partitions, shown: SHOWN, onBadEvent })
  for (const { message, partition } of planned.first) {
    const { key = null, value, headers = [], timestamp } = message
    const time = timestamp === undefined ? 'the time of the import' : Number(timestamp)
    const bytes = (text: typeof value): Uint8Array | null =>
      typeof text === 'string' ? Buffer.from(text) : text
    const pairs = [...(headers as Iterable<readonly [string, typeof value]>)]
    const fields = recordFields({
      key: bytes(key),
      value: bytes(value),
      headers: pairs.map(([name, text]) => ({ key: name, value: bytes(text) })),
    })
    await output.json({ partition, timestamp: time, ...fields })
  }
  await printPlan(planned, prepared, { json: options.json, output })
  return planned.badEvents.size > 0 && options['on-bad-line'] === 'stop' ? 1 : 0
}

async function printPlan(
  { records, keyless, badEvents, partitions }: Awaited<ReturnType<typeof dryRun>>,
  { settings, notes }: PreparedImport,
  { json, output }: { readonly json: boolean; readonly output: Output },
): Promise<void> {
  const { topic, key } = settings
  if (json) {
    const badLines = totalOf(badEvents)
    return await output.json({ dryRun: true, topic, records, keyless, badLines, partitions })
  }
  const rows = partitions.map((count, partition) => [partition, count])
  await output.line(table(['PARTITION', 'RECORDS'], rows))
  output.note(`dry run: ${grouped(records)} records would go into ${topic}; nothing was written`)
  if (keyless > 0) output.note(`${grouped(keyless)} of them have no field ${key}, so no key`)
  if (badEvents.size > 0) output.note(badLinesText(badEvents))
  const { read } = notes
  if (read === undefined) return
  const [first, last] = [read.first, read.last].map(time => new Date(time).toISOString())
  output.note(`their times range from ${first} to ${last}`)
}

/** How many partitions the topic has in the folder, or would have. */
async function partitionsOf({ dir, topic, partitions }: ImportOptions): Promise<number> {
  try {
    await using cluster = await Cluster.open({ dir, readOnly: true })
    return (await cluster.admin.describeTopic(topic as string)).partitions.length
  } catch (error) {
    if (!isPartlogError(error)) throw error
    return partitions ?? 1 // neither the folder nor the topic has to exist
  }
}

/* `partlog replay TOPIC`: writes the records of a topic in the order of their times. */

import { sleep } from '../base/clock.js'
import { integer, oneOf, text } from '../base/options.js'
import type {
  PartitionDirectory,
  StoredTopicRecord,
} from '../log/inspection/partition-directory.js'
import { isPartlogError, PartlogError } from '../model/errors.js'
import { DIR_OPTION, JSON_OPTION } from './command-options.js'
import {
  command,
  optionalValue,
  type OptionsOf,
  repeatable,
  toggle,
  valued,
} from './command.js'
import { arrivedTable } from './copy/arrived.js'
import { byTime } from '../events/replay/merge.js'
import type { OpenTarget } from './copy/open-target.js'
import {
  endsOf,
  offsetOrTime,
  placeInEach,
  takenForTime,
  timeIfBeyond,
  type Place,
  type PlaceIn,
} from '../events/replay/places.js'
import { openTarget, type Format } from './copy/replay-target.js'
import { sourceTopic, type SourceTopic } from './copy/source.js'
import type { Placement } from './copy/topic-target.js'
import { checkNoKafkaOptions, isKafkaAddress, KAFKA_OPTIONS } from './kafka-address.js'
import { openKafkaTarget } from './replay-kafka.js'
import { clock, closing } from './terminal/ending.js'
import type { Output } from './terminal/output.js'
import { Progress } from './terminal/progress.js'
import { grouped, secondsText } from './terminal/table.js'
import { UsageError } from './terminal/usage-error.js'
import { isFileName } from './terminal/user-files.js'

const OPTIONS = {
  dir: { ...DIR_OPTION, help: 'the folder of a cluster, or of a Kafka broker (default ./data)' },
  from: optionalValue(placeInEach, 'OFFSET|TIME', 'the first offset, or the earliest time'),
  until: optionalValue(offsetOrTime, 'OFFSET|TIME', 'where to stop (exclusive)'),
  partition: repeatable(integer(0, 99_999), 'N', 'only this partition; may be given several times'),
  'skip-missing': toggle('skip records that are lost, damaged or not readable, and report them'),
  speed: valued(
    oneOf('1x', '10x', 'max'),
    'max',
    'SPEED',
    '1x: the pace of the record times; 10x: ten times faster; max: no pauses (default)',
  ),
  format: valued(
    oneOf<Format>('records', 'values'),
    'records',
    'FORMAT',
    'records: whole records as JSON (default); values: each value as a line',
  ),
  to: optionalValue(
    text,
    'FILE|TOPIC',
    'a file (if it has a / or ends in .jsonl, .txt …), a topic, or kafka://host:port/topic',
  ),
  partitions: optionalValue(
    oneOf<Placement>('keep', 'by-key'),
    'WHICH',
    'with --to TOPIC: by-key (default), or keep (default for kafka:// with as many partitions)',
  ),
  ...KAFKA_OPTIONS,
  json: JSON_OPTION,
}

type ReplayOptions = OptionsOf<typeof OPTIONS>

export const replayCommand = command({
  name: 'replay',
  summary: 'Writes the records of a topic to standard output, a file, a topic or a Kafka cluster.',
  args: ['TOPIC'],
  options: OPTIONS,
  examples: [
    'partlog replay orders --from 2016-03-01T00:00:00Z --until 2016-04-01T00:00:00Z > march.jsonl',
    'partlog replay orders --to orders-copy',
    'partlog replay orders --to kafka://kafka-1:9092,kafka-2:9092/orders',
    'partlog replay my-topic --dir /var/lib/kafka/data --format values',
  ],
  run: async ({ args, options, output, given }) => {
    const topic = args[0] as string
    checkTarget(topic, options, given)
    const source = await sourceTopic(options.dir, topic, options.partition)
    checkExists(topic, options, source)
    const range = await rangeOf(options, source, output)
    const opened = await open({ ...options, ...range, topic }, source, output)
    return await closing(opened, async () => {
      const what = { ...options, topic, partitions: source.partitions, opened, output }
      try {
        const done = await replay(source.partitions, { ...options, ...range }, opened, output)
        if (!output.isClosed) await printSummary(what, done)
        if (done.isWhole || opened.rest === undefined) return 0
        output.note(`partlog: not finished: continue with ${opened.rest()}`)
        return 1
      } catch (error) {
        const explained = await opened.explain?.(error)
        if (explained !== undefined) await printArrived(what)
        throw explained ?? error
      }
    })
  },
})

type Wanted = ReplayOptions & Range & { readonly topic: string }

async function open(wanted: Wanted, source: SourceTopic, output: Output): Promise<OpenTarget> {
  const { to } = wanted
  if (isKafkaAddress(to)) return await openKafkaTarget({ ...wanted, to }, source, output)
  return await openTarget(wanted, source, output)
}

// ── the call ─────────────────────────────────────────────────────────────────────────────

/** Refuses options that would change nothing. */
function checkTarget(
  topic: string,
  options: ReplayOptions,
  given: ReadonlySet<keyof ReplayOptions>,
): void {
  const { to } = options
  if (to === topic) {
    throw new UsageError(`partlog replay: --to: expected another topic, got ${topic}`)
  }
  if (!isKafkaAddress(to)) checkNoKafkaOptions('replay', options)
  const isTopic = to !== undefined && (isKafkaAddress(to) || !isFileName(to))
  if (!isTopic && given.has('partitions')) {
    throw new UsageError('partlog replay: --partitions: only with --to TOPIC')
  }
  if (isTopic && given.has('format')) {
    const why = 'not with --to TOPIC, which copies whole records'
    throw new UsageError(`partlog replay: --format: ${why}`)
  }
}

function checkExists(
  topic: string,
  { partition: wanted, from }: ReplayOptions,
  { partitions, all }: SourceTopic,
): void {
  const found = new Set(partitions.map(({ partition }) => partition))
  const absent = wanted.find(partition => !found.has(partition))
  if (found.size === 0 || absent !== undefined) {
    const known = [...new Set(all.map(each => each.topic))].join(', ')
    const what = absent === undefined ? topic : `${topic}-${absent}`
    throw new UsageError(
      `partlog replay: expected a topic of the folder (${known}), got ${what}`,
    )
  }
  const without = from instanceof Map ? [...found].find(each => !from.has(each)) : undefined
  if (without === undefined) return
  throw new UsageError(
    `partlog replay: --from: expected an offset or a time for partition ${without}, too`,
  )
}

interface Range {
  readonly from: PlaceIn | undefined
  readonly until: Place | undefined
}

/** The range to read. Tells the user if a number is taken for a time, or lies outside the logs. */
async function rangeOf(
  { from, until }: ReplayOptions,
  { partitions }: SourceTopic,
  output: Output,
): Promise<Range> {
  const isPlain = typeof from === 'number'
  if (!isPlain && typeof until !== 'number') return { from, until }
  const ends = await endsOf(partitions)
  const begin = isPlain ? understood('from', from, ends, output) : from
  const end = understood('until', until, ends, output)
  if (typeof begin === 'number') noteOutside(begin, partitions, ends, output)
  return { from: begin, until: end }
}

function understood(
  option: string,
  place: Place | undefined,
  ends: readonly number[],
  output: Output,
): Place | undefined {
  const time = timeIfBeyond(place, ends)
  if (time !== undefined) output.note(takenForTime(option, time))
  return time ?? place
}

function noteOutside(
  from: number,
  partitions: readonly PartitionDirectory[],
  ends: readonly number[],
  output: Output,
): void {
  if (ends.length === partitions.length && ends.every(end => from > end)) {
    const end = Math.max(...ends)
    output.note(`partlog: --from ${from} lies beyond the end of every partition (${end} at most)`)
  }
  for (const { topic, partition, logStartOffset } of partitions) {
    if (from >= logStartOffset || from === 0) continue
    output.note(
      `partlog: ${topic}-${partition} begins at offset ${logStartOffset}, after --from ${from}`,
    )
  }
}

// ── the work ─────────────────────────────────────────────────────────────────────────────

interface Work extends Range {
  readonly speed: string
  readonly 'skip-missing': boolean
}

async function replay(
  partitions: readonly PartitionDirectory[],
  work: Work,
  { target, ending }: OpenTarget,
  output: Output,
): Promise<{ records: number; ms: number; isWhole: boolean }> {
  const started = clock.monotonicMs()
  const progress = new Progress(output, clock, 'replaying')
  const waitMs = paceOf(work.speed)
  const isOver = (): boolean => target.isClosed || ending?.aborted === true
  let isWhole = true
  let records = 0
  try {
    const source = byTime(partitions.map(each => recordsOf(each, work)))
    for (let record = await next(source); record !== undefined; record = await next(source)) {
      if (waitMs(record.timestamp) > 1) {
        await target.flush() // records that are due do not wait for later ones
        // Computed again: the flush took time, and may have shown that the reader is gone.
        const restMs = isOver() ? 0 : waitMs(record.timestamp)
        await sleep(clock, restMs, ending).catch(() => undefined)
      }
      isWhole = !isOver()
      if (!isWhole) break
      await target.write(record)
      if (++records % 1024 === 0) progress.show(records, undefined, `${grouped(records)} records`)
    }
    await source.return() // it may have more records
    await target.end()
  } catch (error) {
    await target.flush().catch(() => undefined) // the records before the error are still written
    throw error
  } finally {
    progress.end()
  }
  return { records, ms: clock.monotonicMs() - started, isWhole }
}

function recordsOf(partition: PartitionDirectory, work: Work) {
  const from = work.from instanceof Map ? work.from.get(partition.partition) : work.from
  const range = {
    ...(from === undefined ? {} : { from: from as Place }),
    ...(work.until === undefined ? {} : { until: work.until }),
    skipMissing: work['skip-missing'],
  }
  return partition.records(range)
}

/** The next record. If one is missing, the export ends with an error that names --skip-missing. */
async function next(
  source: AsyncGenerator<StoredTopicRecord, void>,
): Promise<StoredTopicRecord | undefined> {
  try {
    return (await source.next()).value as StoredTopicRecord | undefined
  } catch (error) {
    if (!isPartlogError(error)) throw error
    const sentence = `${error.sentence}; --skip-missing continues after it`
    throw new PartlogError(error.code, sentence, { cause: error })
  }
}

/** Returns a function: the milliseconds until a record of this time is due. */
function paceOf(speed: string): (timestamp: number) => number {
  if (speed === 'max') return () => 0
  const factor = Number.parseInt(speed, 10)
  const started = clock.monotonicMs()
  let first: number | undefined
  return timestamp => {
    if (timestamp < 0) return 0
    first ??= timestamp
    return (timestamp - first) / factor - (clock.monotonicMs() - started)
  }
}

// ── the summary ──────────────────────────────────────────────────────────────────────────

interface Summary {
  readonly topic: string
  readonly to: string | undefined
  readonly json: boolean
  readonly partitions: readonly PartitionDirectory[]
  readonly opened: OpenTarget
  readonly output: Output
}

async function printSummary(what: Summary, { records, ms }: { records: number; ms: number }) {
  const { topic, to, json, partitions, opened, output } = what
  const unread = partitions.flatMap(each => each.unread)
  const missing = partitions.flatMap(missingIn)
  noteLeftOut(partitions, output)
  for (const remark of opened.remarks?.() ?? []) output.note(`partlog: ${remark}`)
  if (!json) await printArrived(what)
  const arrived = isKafkaAddress(to) ? { partitions: opened.arrived?.() ?? [] } : {}
  const summary = { topic, records, seconds: ms / 1000, unread, missing, ...arrived }
  // If the records go to standard output, the summary goes to standard error.
  if (json && to !== undefined) await output.json(summary)
  else if (json) output.note(JSON.stringify(summary))
  else output.note(`${grouped(records)} records of ${topic} in ${secondsText(ms)}`)
}

function missingIn({ partition, missing }: PartitionDirectory) {
  return missing.map(each => ({ partition, ...each }))
}

/** Tells what was not read, and why, so that an incomplete export does not look complete. */
function noteLeftOut(partitions: readonly PartitionDirectory[], output: Output): void {
  for (const each of partitions) {
    const name = `${each.topic}-${each.partition}`
    for (const { codec, batches, records: count } of each.unread) {
      output.note(
        `${name}: ${batches} batches (${count} records) compressed with ${codec} were not read`,
      )
    }
    for (const { from, until, file, position, reason } of each.missing) {
      const which = until - from === 1 ? `offset ${from}` : `offsets ${from} to ${until - 1}`
      output.note(`${name}: ${which} left out, ${file} at position ${position}: ${reason}`)
    }
    const { tornTail: tail } = each
    if (tail === undefined) continue
    output.note(
      `${name}: ${tail.file} at position ${tail.position}: the last ${tail.bytes} bytes are no ` +
        'whole batch (a crash cut the write short, or it is in progress): not read',
    )
  }
}

/** Prints which offsets of each partition were copied, also after an error. */
async function printArrived({ topic, to, json, opened, output }: Summary): Promise<void> {
  const arrived = isKafkaAddress(to) ? opened.arrived?.() : undefined
  if (arrived === undefined) return
  if (json) await output.json({ topic, partitions: arrived })
  else await output.line(arrivedTable(arrived))
}

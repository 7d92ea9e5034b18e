/* `partlog replay TOPIC…`: writes the records of topics in the order of their times. */

import { sleep } from '../base/clock.js'
import {
  endsOf,
  isRelative,
  resolved,
  takenForTime,
  timeIfBeyond,
  type GivenPlace,
  type PlaceIn,
} from '../events/replay/places.js'
import { Pace } from '../events/replay/replay-pace.js'
import type { RecordFilter } from '../events/replay/record-filter.js'
import { chosenRecords, lastOf, type Following } from '../events/replay/replay-records.js'
import type { PartitionDirectory, RecordRange } from '../log/inspection/partition-directory.js'
import type { StoredTopicRecord } from '../log/inspection/stored-row.js'
import { isPartlogError, PartlogError } from '../model/errors.js'
import { command } from './command.js'
import { arrivedTable } from './copy/arrived.js'
import { positionsIn, type GroupPosition } from './copy/group-positions.js'
import { followedFolder } from './copy/followed-folder.js'
import type { OpenTarget } from './copy/open-target.js'
import { openTarget } from './copy/replay-target.js'
import { sourceTopic, type SourceTopic } from './copy/source.js'
import { isKafkaAddress } from './kafka-address.js'
import {
  checkFitting,
  filterOf,
  formatOf,
  REPLAY_OPTIONS,
  toDirOf,
  isElsewhere,
  type ReplayOptions,
} from './replay-call.js'
import { openKafkaTarget } from './replay-kafka.js'
import { clock, closing, endingSignal } from './terminal/ending.js'
import type { Output } from './terminal/output.js'
import { Progress } from './terminal/progress.js'
import { grouped, secondsText } from './terminal/table.js'
import { UsageError } from './terminal/usage-error.js'

export const replayCommand = command({
  name: 'replay',
  summary: 'Writes the records of topics to standard output, a file, a topic or a Kafka cluster.',
  args: ['TOPIC', '[TOPIC…]'],
  options: REPLAY_OPTIONS,
  examples: [
    'partlog replay orders --from 2016-03-01T00:00:00Z --until 2016-04-01T00:00:00Z > march.jsonl',
    'partlog replay orders --from -1h --where "total > 100 and status = \'paid\'" --format values',
    "partlog replay orders --last 10 --format '%T %k %s\\n'",
    'partlog replay orders payments --follow --grep /error/i --format json',
    'partlog replay orders --speed 10x --max-gap 5s',
    'partlog replay orders --to orders-copy',
    'partlog replay orders --to orders --to-dir ./backup --groups',
    'partlog replay orders --to kafka://kafka-1:9092,kafka-2:9092/orders',
    'partlog replay my-topic --dir /var/lib/kafka/data --format values',
  ],
  run: async ({ args, options, output, given }) => {
    checkFitting(args, options, given)
    const filter = filterOf(options)
    const format = formatOf(options, args.length > 1)
    const source = await sourceOf(args, options)
    const range = await rangeOf(options, source, output)
    const topic = args[0] as string
    const positions = options.groups ? await positionsIn(options.dir, topic) : []
    const place = { toDir: toDirOf(options), isElsewhere: isElsewhere(options) }
    const wanted = { ...options, ...range, topic, format, positions, ...place }
    const opened = await open(wanted, source, output)
    return await closing(opened, async () => {
      const { partitions } = source
      const what = { ...options, topics: args, filter, partitions, opened, output }
      try {
        const done = await replay({ ...options, ...range, filter, partitions }, opened, output)
        if (!output.isClosed) await printSummary(what, done)
        if (done.isWhole || opened.rest === undefined) {
          return (await opened.carryGroups?.()) === false ? 1 : 0
        }
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

type Wanted = Omit<ReplayOptions, 'format' | 'from' | 'until'> &
  Range & {
    readonly topic: string
    readonly format: ReturnType<typeof formatOf>
    readonly positions: readonly GroupPosition[]
    readonly toDir: string
    readonly isElsewhere: boolean
  }

async function open(wanted: Wanted, source: SourceTopic, output: Output): Promise<OpenTarget> {
  const { to } = wanted
  if (isKafkaAddress(to)) return await openKafkaTarget({ ...wanted, to }, source, output)
  return await openTarget(wanted, source, output)
}

// ── the source ───────────────────────────────────────────────────────────────────────────

async function sourceOf(topics: readonly string[], options: ReplayOptions): Promise<SourceTopic> {
  const wanted = options.partition.flat()
  const partitions: PartitionDirectory[] = []
  let first: SourceTopic | undefined
  for (const topic of new Set(topics)) {
    const source = await sourceTopic(options.dir, topic, wanted)
    checkExists(topic, { wanted, from: options.from }, source)
    first ??= source
    partitions.push(...source.partitions)
  }
  return { ...(first as SourceTopic), partitions }
}

function checkExists(
  topic: string,
  { wanted, from }: { readonly wanted: readonly number[]; readonly from: GivenPlace | undefined },
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

// ── the range ────────────────────────────────────────────────────────────────────────────

interface Range {
  readonly from: PlaceIn | undefined
  readonly until: PlaceIn | undefined
}

/** The range to read. Tells the user if a number is taken for a time, or lies outside the logs. */
async function rangeOf(
  { from, until }: ReplayOptions,
  { partitions }: SourceTopic,
  output: Output,
): Promise<Range> {
  const isByEnd = [from, until].some(each => isRelative(each) && 'beforeEnd' in each)
  if (isByEnd && new Set(partitions.map(({ topic }) => topic)).size > 1) {
    throw new UsageError('partlog replay: --from: expected one topic with end-N')
  }
  const now = clock.now()
  const begin = isRelative(from) ? await resolved(from, partitions, now) : from
  const end = isRelative(until) ? await resolved(until, partitions, now) : until
  if (typeof from !== 'number' && typeof until !== 'number') return { from: begin, until: end }
  const ends = await endsOf(partitions)
  const understoodFrom = typeof from === 'number' ? understood('from', begin, ends, output) : begin
  const understoodUntil = typeof until === 'number' ? understood('until', end, ends, output) : end
  if (typeof understoodFrom === 'number') noteOutside(understoodFrom, partitions, ends, output)
  return { from: understoodFrom, until: understoodUntil }
}

function understood(
  option: string,
  place: PlaceIn | undefined,
  ends: readonly number[],
  output: Output,
): PlaceIn | undefined {
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

interface Work extends Omit<ReplayOptions, 'from' | 'until' | 'partitions'>, Range {
  readonly filter: RecordFilter
  readonly partitions: readonly PartitionDirectory[]
}

/** The bar is drawn again after so many records. */
const SHOWN_EVERY = 1024

interface Done {
  readonly records: number
  readonly ms: number
  readonly isWhole: boolean
}

async function replay(
  work: Work,
  { target, ending: ofTarget }: OpenTarget,
  output: Output,
): Promise<Done> {
  const started = clock.monotonicMs()
  const progress = new Progress(output, clock, 'replaying')
  const factor = work.speed === Infinity ? undefined : work.speed
  const pace = new Pace(clock, { factor, maxGapMs: work['max-gap'] })
  const ending = ofTarget ?? (work.follow ? endingSignal(output) : undefined)
  const isOver = (): boolean => target.isClosed || ending?.aborted === true
  let isWhole = true
  let records = 0
  let shown = 0
  const followed = work.follow ? await followedFolder(work.dir, work.partitions) : undefined
  const source = await recordsFor(work, ending, followed)
  try {
    for (let chunk = await next(source); chunk !== undefined; chunk = await next(source)) {
      isWhole = !isOver()
      if (!isWhole) break
      if (pace.isPaced) {
        const written = await writePaced(chunk, { pace, target, ending, isOver })
        records += written
        isWhole = written === chunk.length
      } else {
        await target.writeAll(chunk)
        records += chunk.length
      }
      if (!isWhole) break
      if (work.follow) await target.flush()
      if (records - shown < SHOWN_EVERY) continue
      shown = records
      progress.show(records, undefined, `${grouped(records)} records`)
    }
    await source.return() // it may have more records
    await target.end()
  } catch (error) {
    await target.flush().catch(() => undefined) // the records before the error are still written
    throw error
  } finally {
    progress.end()
    await followed?.close()
  }
  // A replay that follows is whole whenever it ends.
  const isFollowed = work.follow && !target.isClosed && ofTarget === undefined
  return { records, ms: clock.monotonicMs() - started, isWhole: isWhole || isFollowed }
}

async function recordsFor(
  work: Work,
  signal: AbortSignal | undefined,
  following: Following | undefined,
) {
  const { partitions, filter, last, limit, follow } = work
  const all = { rangeOf: (each: PartitionDirectory) => rangeIn(each, work), filter, clock }
  if (last === undefined) {
    return chosenRecords(partitions, { ...all, limit, follow, following, signal })
  }
  const { skip, from } = await lastOf(partitions, last, all)
  const rangeOf = (each: PartitionDirectory): RecordRange => ({
    ...rangeIn(each, work),
    from: from.get(each),
  })
  return chosenRecords(partitions, { ...all, rangeOf, skip, limit: limit ?? last, signal })
}

function rangeIn({ partition }: PartitionDirectory, work: Work): RecordRange {
  const at = (place: PlaceIn | undefined) => (place instanceof Map ? place.get(partition) : place)
  return {
    from: at(work.from) as number | Date | undefined,
    until: at(work.until) as number | Date | undefined,
    skipMissing: work['skip-missing'],
    isolationLevel: work.isolation,
  }
}

interface PacedWork {
  readonly pace: Pace
  readonly target: OpenTarget['target']
  readonly ending: AbortSignal | undefined
  readonly isOver: () => boolean
}

/** Writes each record when it is due; resolves with how many were written. */
async function writePaced(
  records: readonly StoredTopicRecord[],
  { pace, target, ending, isOver }: PacedWork,
): Promise<number> {
  let written = 0
  for (const record of records) {
    if (pace.next(record.timestamp) > 1) {
      await target.flush() // records that are due do not wait for later ones
      // Asked again: the flush took time, and may have shown that the reader is gone.
      if (!isOver()) await sleep(clock, pace.restMs, ending).catch(() => undefined)
    }
    if (isOver()) break
    await target.write(record)
    written++
  }
  return written
}

type Records = Awaited<ReturnType<typeof recordsFor>>

/** The next records. If one is missing, the export ends with an error that names --skip-missing. */
async function next(source: Records): Promise<readonly StoredTopicRecord[] | undefined> {
  try {
    const { value, done } = await source.next()
    return done === true ? undefined : value
  } catch (error) {
    if (!isPartlogError(error)) throw error
    const sentence = `${error.sentence}; --skip-missing continues after it`
    throw new PartlogError(error.code, sentence, { cause: error })
  }
}

// ── the summary ──────────────────────────────────────────────────────────────────────────

interface Summary {
  readonly topics: readonly string[]
  readonly to: string | undefined
  readonly json: boolean
  readonly filter: RecordFilter
  readonly partitions: readonly PartitionDirectory[]
  readonly opened: OpenTarget
  readonly output: Output
}

async function printSummary(what: Summary, { records, ms }: Done): Promise<void> {
  const { topics, to, json, partitions, opened, output, filter } = what
  const topic = topics.join(', ')
  const unread = partitions.flatMap(each => each.unread)
  const missing = partitions.flatMap(missingIn)
  noteLeftOut(partitions, output)
  if (filter.tooSlow > 0) {
    output.note(`partlog: ${filter.tooSlow} values take longer than a second to match: left out`)
  }
  for (const remark of opened.remarks?.() ?? []) output.note(`partlog: ${remark}`)
  if (!json) await printArrived(what)
  const arrived = isKafkaAddress(to) ? { partitions: opened.arrived?.() ?? [] } : {}
  const aborted = partitions.reduce((sum, each) => sum + each.aborted, 0)
  const left = aborted === 0 ? {} : { aborted }
  const summary = { topic, records, seconds: ms / 1000, unread, missing, ...left, ...arrived }
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
    noteTransactions(name, each, output)
    const { tornTail: tail } = each
    if (tail === undefined) continue
    output.note(
      `${name}: ${tail.file} at position ${tail.position}: the last ${tail.bytes} bytes are no ` +
        'whole batch (a crash cut the write short, or it is in progress): not read',
    )
  }
}

function noteTransactions(
  name: string,
  { aborted, undecided }: PartitionDirectory,
  output: Output,
): void {
  const hint = '--isolation read_uncommitted reads them'
  if (aborted > 0) {
    output.note(`${name}: ${aborted} records of aborted transactions left out; ${hint}`)
  }
  if (undecided === undefined) return
  const { from, until } = undecided
  output.note(
    `${name}: offsets ${from} to ${until - 1} left out, from the first record of an open ` +
      `transaction on; ${hint}`,
  )
}

/** Prints which offsets of each partition were copied, also after an error. */
async function printArrived({ topics, to, json, opened, output }: Summary): Promise<void> {
  const arrived = isKafkaAddress(to) ? opened.arrived?.() : undefined
  if (arrived === undefined) return
  if (json) await output.json({ topic: topics[0], partitions: arrived })
  else await output.line(arrivedTable(arrived))
}

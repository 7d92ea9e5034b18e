/** `partlog replay TOPIC`: records out of a folder again, in the order of their times. */

import { sleep } from '../base/clock.js'
import { integer, oneOf, text } from '../base/config.js'
import { isPartlogError, PartlogError } from '../model/errors.js'
import type {
  PartitionDirectory,
  RecordRange,
  StoredTopicRecord,
} from '../log/partition-directory.js'
import { arrivedTable } from './arrived.js'
import { command, optionalValue, toggle, UsageError, valued } from './command.js'
import {
  checkNoKafkaOptions,
  isKafkaAddress,
  KAFKA_OPTIONS,
  type KafkaOptions,
} from './kafka-address.js'
import { byTime } from './merge.js'
import type { Output } from './output.js'
import { Progress } from './progress.js'
import { openKafkaTarget } from './replay-kafka.js'
import { openTarget, type Format, type OpenTarget } from './replay-target.js'
import { clock, DIR_OPTION, JSON_OPTION, offsetOrTime } from './shared.js'
import { sourceTopic } from './source.js'
import { grouped, secondsText } from './table.js'

export const replayCommand = command({
  name: 'replay',
  summary: "Writes a topic's records to standard output, a file or another topic, here or there.",
  words: ['TOPIC'],
  options: {
    dir: { ...DIR_OPTION, help: 'the folder of a cluster, or of a Kafka broker (default ./data)' },
    from: optionalValue(offsetOrTime, 'OFFSET|TIME', 'the first offset, or the earliest time'),
    until: optionalValue(offsetOrTime, 'OFFSET|TIME', 'where to stop (exclusive)'),
    partition: optionalValue(integer(0, 99_999), 'N', 'only this partition'),
    'skip-missing': toggle('go on behind what is lost, damaged or not readable, and name it'),
    speed: valued(
      oneOf('1x', '10x', 'max'),
      'max',
      'SPEED',
      'pace of the record times (default max)',
    ),
    format: valued(
      oneOf<Format>('records', 'values'),
      'records',
      'FORMAT',
      'records: JSON with key, headers and all (default); values: each value as a line',
    ),
    to: optionalValue(
      text,
      'FILE|TOPIC',
      'a file (has a / or ends in .jsonl, .txt …), else a topic; or kafka://host:port/topic',
    ),
    ...KAFKA_OPTIONS,
    json: JSON_OPTION,
  },
  examples: [
    'partlog replay orders --from 2016-03-01T00:00:00Z --until 2016-04-01T00:00:00Z > march.jsonl',
    'partlog replay orders --to orders-copy',
    'partlog replay orders --to kafka://kafka-1:9092,kafka-2:9092/orders',
    'partlog replay my-topic --dir /var/lib/kafka/data --format values',
  ],
  run: async ({ words, options, output }) => {
    const topic = words[0] as string
    const source = await sourceTopic(options.dir, topic, options.partition)
    const { partitions, all } = source
    if (partitions.length === 0) throw new UsageError(noSuchTopic(topic, options.partition, all))
    checkTarget(topic, options)
    const { to } = options
    const opened = isKafkaAddress(to)
      ? await openKafkaTarget({ ...options, to, topic }, source, output)
      : await openTarget({ ...options, topic }, source, output)
    const what = { ...options, topic, partitions, opened, output }
    try {
      const done = await replay(partitions, options, opened, output)
      if (!output.isClosed) await tell(what, done)
      if (done.isWhole || opened.rest === undefined) return 0
      output.note(`partlog: not finished: go on with ${opened.rest()}`)
      return 1
    } catch (error) {
      const explained = await opened.explain?.(error)
      if (explained !== undefined) await tellArrived(what)
      throw explained ?? error
    } finally {
      await opened.close()
    }
  },
})

function checkTarget(topic: string, options: KafkaOptions & { readonly to: string | undefined }) {
  const { to } = options
  if (to === topic) {
    throw new UsageError(`partlog replay: --to: expected another topic, got ${topic}`)
  }
  if (!isKafkaAddress(to)) checkNoKafkaOptions('replay', options)
}

interface ReplayOptions {
  readonly from: number | Date | undefined
  readonly until: number | Date | undefined
  readonly 'skip-missing': boolean
  readonly speed: string
}

async function replay(
  partitions: readonly PartitionDirectory[],
  options: ReplayOptions,
  { target, ending }: OpenTarget,
  output: Output,
): Promise<{ records: number; ms: number; isWhole: boolean }> {
  const range: RecordRange = {
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.until === undefined ? {} : { until: options.until }),
    skipMissing: options['skip-missing'],
  }
  const started = clock.monotonicMs()
  const progress = new Progress(output, clock, 'replaying')
  const waitMs = paceOf(options.speed)
  const isOver = (): boolean => target.isClosed || ending?.aborted === true
  let isWhole = true
  let records = 0
  try {
    for await (const record of byTime(partitions.map(each => whole(each.records(range))))) {
      if (waitMs(record.timestamp) > 1) {
        await target.flush() // what is due does not wait for what is not
        // Asked again: that took its time, and may have shown that nobody takes any more.
        const restMs = isOver() ? 0 : waitMs(record.timestamp)
        await sleep(clock, restMs, ending).catch(() => undefined)
      }
      isWhole = !isOver()
      if (!isWhole) break
      await target.write(record)
      if (++records % 1024 === 0) progress.show(records, undefined, `${grouped(records)} records`)
    }
    await target.end()
  } catch (error) {
    await target.flush().catch(() => undefined) // all that stands before it; its error is the one
    throw error
  } finally {
    progress.end()
  }
  return { records, ms: clock.monotonicMs() - started, isWhole }
}

/** An export that cannot be whole ends, and says how to have the rest. */
async function* whole(
  records: AsyncGenerator<StoredTopicRecord, void>,
): AsyncGenerator<StoredTopicRecord, void> {
  try {
    yield* records
  } catch (error) {
    if (!isPartlogError(error)) throw error
    const sentence = `${error.sentence}; --skip-missing goes on behind it`
    throw new PartlogError(error.code, sentence, { cause: error })
  }
}

/** How long it takes until a record of this time is due. */
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

// ── words ────────────────────────────────────────────────────────────────────────────────

function noSuchTopic(
  topic: string,
  partition: number | undefined,
  all: readonly PartitionDirectory[],
): string {
  const known = [...new Set(all.map(each => each.topic))].join(', ')
  const what = partition === undefined ? topic : `${topic}-${partition}`
  return `partlog replay: expected a topic of the folder (${known}), got ${what}`
}

interface Telling {
  readonly topic: string
  readonly to: string | undefined
  readonly json: boolean
  readonly partitions: readonly PartitionDirectory[]
  readonly opened: OpenTarget
  readonly output: Output
}

async function tell(what: Telling, { records, ms }: { records: number; ms: number }) {
  const { topic, to, json, partitions, opened, output } = what
  const unread = partitions.flatMap(each => each.unread)
  const missing = partitions.flatMap(missingIn)
  tellLeftOut(partitions, output)
  if (!json) await tellArrived(what)
  const arrived = opened.arrived === undefined ? {} : { partitions: opened.arrived() }
  const summary = { topic, records, seconds: ms / 1000, unread, missing, ...arrived }
  // Records on standard output are the data there; then the summary is none.
  if (json && to !== undefined) await output.json(summary)
  else if (json) output.note(JSON.stringify(summary))
  else output.note(`${grouped(records)} records of ${topic} in ${secondsText(ms)}`)
}

function missingIn({ partition, missing }: PartitionDirectory) {
  return missing.map(each => ({ partition, ...each }))
}

/** What was not read: of each kind of reason, so that nobody takes a part for the whole. */
function tellLeftOut(partitions: readonly PartitionDirectory[], output: Output): void {
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
        'whole batch (a write that a crash cut short, or that is under way): not read',
    )
  }
}

/** How far each partition is, also when it went no further. */
async function tellArrived({ topic, json, opened, output }: Telling): Promise<void> {
  const arrived = opened.arrived?.()
  if (arrived === undefined) return
  if (json) await output.json({ topic, partitions: arrived })
  else await output.line(arrivedTable(arrived))
}

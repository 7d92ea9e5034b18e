/** `partlog replay TOPIC`: records out of a folder again, in the order of their times. */

import { sleep } from '../base/clock.js'
import { integer, oneOf, text } from '../base/config.js'
import { Cluster } from '../cluster.js'
import type { Message, RecordMetadata } from '../client/messages.js'
import type { PartitionDirectory, RecordRange, StoredTopicRecord } from '../log/log-directory.js'
import { command, optionalValue, UsageError, valued } from './command.js'
import { isFileName, openSink } from './files.js'
import { ensureTopic } from './import.js'
import { byTime } from './merge.js'
import type { Output } from './output.js'
import { Progress } from './progress.js'
import { recordLine } from './records.js'
import { clock, DIR_OPTION, JSON_OPTION, offsetOrTime } from './shared.js'
import { sourceTopic } from './source.js'
import { grouped, secondsText } from './table.js'

type Format = 'records' | 'values'

/** Where replayed records go. */
interface Target {
  write(record: StoredTopicRecord): Promise<void>
  /** Sends off what was collected. */
  flush(): Promise<void>
  end(): Promise<void>
  /** Nobody takes any more. */
  readonly isClosed: boolean
}

/** Lines are collected up to this size before they are written. */
const CHUNK_BYTES = 64 * 1024
const NEWLINE = Buffer.from('\n')

export const replayCommand = command({
  name: 'replay',
  summary: "Writes a topic's records to standard output, a file or another topic.",
  words: ['TOPIC'],
  options: {
    dir: { ...DIR_OPTION, help: 'the folder of a cluster, or of a Kafka broker (default ./data)' },
    from: optionalValue(offsetOrTime, 'OFFSET|TIME', 'the first offset, or the earliest time'),
    until: optionalValue(offsetOrTime, 'OFFSET|TIME', 'where to stop (exclusive)'),
    partition: optionalValue(integer(0, 99_999), 'N', 'only this partition'),
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
      'a file (has a / or ends in .jsonl, .txt …), else a topic',
    ),
    json: JSON_OPTION,
  },
  examples: [
    'partlog replay orders --from 2016-03-01T00:00:00Z --until 2016-04-01T00:00:00Z > march.jsonl',
    'partlog replay orders --to orders-copy',
    'partlog replay my-topic --dir /var/lib/kafka/data --format values',
  ],
  run: async ({ words, options, output }) => {
    const topic = words[0] as string
    const { partitions, all } = await sourceTopic(options.dir, topic, options.partition)
    if (partitions.length === 0) throw new UsageError(noSuchTopic(topic, options.partition, all))
    if (options.to === topic) {
      throw new UsageError(`partlog replay: --to: expected another topic, got ${topic}`)
    }
    const { cluster, target } = await openTarget(options, partitions, output)
    try {
      const records = await replay(partitions, options, target, output)
      if (!output.isClosed) await tell(output, { ...options, topic }, partitions, records)
      return 0
    } finally {
      await cluster?.close()
    }
  },
})

interface ReplayOptions extends RecordRange {
  readonly from: number | Date | undefined
  readonly until: number | Date | undefined
  readonly speed: string
}

async function replay(
  partitions: readonly PartitionDirectory[],
  options: ReplayOptions,
  target: Target,
  output: Output,
): Promise<{ records: number; ms: number }> {
  const range: RecordRange = {
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.until === undefined ? {} : { until: options.until }),
  }
  const started = clock.monotonicMs()
  const progress = new Progress(output, clock, 'replaying')
  const pace = paceOf(options.speed)
  let records = 0
  try {
    for await (const record of byTime(partitions.map(each => each.records(range)))) {
      if (target.isClosed) break
      const pause = pace(record.timestamp)
      if (pause !== undefined) {
        await target.flush() // what is due does not wait for what is not
        await pause
      }
      await target.write(record)
      if (++records % 1024 === 0) progress.show(records, undefined, `${grouped(records)} records`)
    }
    await target.end()
  } finally {
    progress.end()
  }
  return { records, ms: clock.monotonicMs() - started }
}

/** Waits until a record of this time is due. */
function paceOf(speed: string): (timestamp: number) => Promise<void> | undefined {
  if (speed === 'max') return () => undefined
  const factor = Number.parseInt(speed, 10)
  const started = clock.monotonicMs()
  let first: number | undefined
  return timestamp => {
    if (timestamp < 0) return undefined
    first ??= timestamp
    const waitMs = (timestamp - first) / factor - (clock.monotonicMs() - started)
    return waitMs > 1 ? sleep(clock, waitMs) : undefined
  }
}

// ── targets ──────────────────────────────────────────────────────────────────────────────

interface TargetOptions {
  readonly dir: string
  readonly to: string | undefined
  readonly format: Format
}

async function openTarget(
  { dir, to, format }: TargetOptions,
  partitions: readonly PartitionDirectory[],
  output: Output,
): Promise<{ cluster?: Cluster; target: Target }> {
  if (to === undefined) {
    const isClosed = (): boolean => output.isClosed
    return {
      target: lineTarget(
        format,
        data => output.write(data),
        async () => undefined,
        isClosed,
      ),
    }
  }
  if (isFileName(to)) {
    const sink = openSink(to)
    return {
      target: lineTarget(
        format,
        data => sink.write(data),
        () => sink.end(),
        () => false,
      ),
    }
  }
  const cluster = await Cluster.open({ dir })
  try {
    const needed = Math.max(...partitions.map(each => each.partition)) + 1
    const made = await ensureTopic(cluster, to, needed)
    if (made.partitions >= needed) return { cluster, target: topicTarget(cluster, to) }
    throw new UsageError(
      `partlog replay: --to: expected a topic of at least ${needed} partitions, ` +
        `${to} has ${made.partitions}`,
    )
  } catch (error) {
    await cluster.close()
    throw error
  }
}

function lineTarget(
  format: Format,
  write: (data: Buffer) => Promise<void>,
  end: () => Promise<void>,
  isClosed: () => boolean,
): Target {
  let chunk: Buffer[] = []
  let bytes = 0
  const flush = async (): Promise<void> => {
    const data = Buffer.concat(chunk)
    chunk = []
    bytes = 0
    if (data.length > 0) await write(data)
  }
  return {
    get isClosed() {
      return isClosed()
    },
    async write(record) {
      const line = format === 'values' ? valueLine(record) : Buffer.from(`${recordLine(record)}\n`)
      chunk.push(line)
      bytes += line.length
      if (bytes >= CHUNK_BYTES) await flush()
    },
    flush,
    async end() {
      await flush()
      await end()
    },
  }
}

function valueLine({ value }: StoredTopicRecord): Buffer {
  return Buffer.concat([value ?? NEWLINE.subarray(0, 0), NEWLINE])
}

/** Records keep partition, key, headers and time; their offsets are given anew. */
function topicTarget(cluster: Cluster, topic: string): Target {
  const producer = cluster.producer()
  let messages: Message[] = []
  let lastSend: Promise<RecordMetadata[]> = Promise.resolve([])
  const flush = async (): Promise<void> => {
    await lastSend
    if (messages.length === 0) return
    lastSend = producer.send({ topic, messages })
    lastSend.catch(() => undefined) // told when it is waited for
    messages = []
  }
  return {
    isClosed: false,
    async write({ partition, key, value, headers, timestamp }) {
      const pairs = headers.map(header => [header.key, header.value] as const)
      const time = timestamp < 0 ? {} : { timestamp }
      messages.push({ partition, key, value, headers: pairs, ...time })
      if (messages.length === 1000) await flush()
    },
    flush,
    async end() {
      await flush()
      await lastSend
    },
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

async function tell(
  output: Output,
  { topic, to, json }: { topic: string; to: string | undefined; json: boolean },
  partitions: readonly PartitionDirectory[],
  { records, ms }: { records: number; ms: number },
): Promise<void> {
  const unread = partitions.flatMap(each => each.unread)
  for (const { codec, batches, records: count } of unread) {
    output.note(`${batches} batches (${count} records) compressed with ${codec} were not read`)
  }
  const summary = { topic, records, seconds: ms / 1000, unread }
  // Records on standard output are the data there; then the summary is none.
  if (json && to !== undefined) await output.json(summary)
  else if (json) output.note(JSON.stringify(summary))
  else output.note(`${grouped(records)} records of ${topic} in ${secondsText(ms)}`)
}

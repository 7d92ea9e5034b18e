/** `partlog import FILE|-`: lines into a topic. */

import { integer, oneOf, text } from '../base/config.js'
import type { Producer } from '../client/producer.js'
import { Cluster } from '../cluster.js'
import type { Message, RecordMetadata } from '../client/messages.js'
import { isPartlogError } from '../model/errors.js'
import { command, optionalValue, UsageError, valued } from './command.js'
import { openLines } from './files.js'
import type { Output } from './output.js'
import { Progress } from './progress.js'
import { isRecordLine, parseRecordLine } from './records.js'
import { clock, DIR_OPTION, JSON_OPTION } from './shared.js'
import { bytesText, grouped, secondsText } from './table.js'

export type ImportFormat = 'json' | 'lines' | 'records'

export interface ImportRequest {
  readonly file: string
  readonly topic: string
  readonly format: ImportFormat
  /** Field of the JSON object, or number of the word in a plain line. */
  readonly key: string | undefined
  readonly timestamp: string | undefined
  /** Lines at the start that are there already. */
  readonly skip: number
}

export interface ImportResult {
  readonly records: number
  readonly bytes: number
  readonly ms: number
}

/** Sends under way before the next lines are read: enough to keep the disk busy. */
const SENDS_MAX = 8

/** A line that cannot be imported; the sentence names it. */
export class LineError extends Error {
  override readonly name = 'LineError'
}

/** Reads a file into a topic; `onAcknowledged` hears how many lines are safe, in order. */
export async function importFile(
  producer: Producer,
  request: ImportRequest,
  onAcknowledged: (lines: number, bytesRead: number, size: number | undefined) => void,
): Promise<ImportResult> {
  const started = clock.monotonicMs()
  const reader = openLines(request.file)
  const underWay: Promise<RecordMetadata[]>[] = []
  let lineNumber = 0
  let acknowledged = request.skip
  let bytes = 0
  const settleFirst = async (): Promise<void> => {
    const metadata = (await underWay.shift()) as RecordMetadata[]
    acknowledged += metadata.length
    onAcknowledged(acknowledged, reader.bytesRead, reader.size)
  }
  for await (const lines of reader.lines()) {
    const messages: Message[] = []
    for (const line of lines) {
      if (++lineNumber <= request.skip) continue
      messages.push(messageOf(line, lineNumber, request))
      bytes += line.length
    }
    if (messages.length === 0) continue
    const sent = producer.send({ topic: request.topic, messages })
    sent.catch(() => undefined) // told when its turn comes
    underWay.push(sent)
    if (underWay.length >= SENDS_MAX) await settleFirst()
  }
  while (underWay.length > 0) await settleFirst()
  return { records: acknowledged - request.skip, bytes, ms: clock.monotonicMs() - started }
}

function messageOf(line: Buffer, lineNumber: number, request: ImportRequest): Message {
  const { format, key, timestamp } = request
  try {
    if (format === 'records') return parseRecordLine(line.toString('utf8'))
    if (format === 'lines')
      return { key: key === undefined ? null : wordOf(line, key), value: line }
    if (key === undefined && timestamp === undefined && lineNumber > 1) return { value: line }
    const parsed: unknown = JSON.parse(line.toString('utf8'))
    if (lineNumber === 1 && isRecordLine(parsed)) throw new UsageError(EXPORT_HINT)
    return {
      key: key === undefined ? null : keyOf(parsed, key),
      value: line,
      ...(timestamp === undefined ? {} : { timestamp: timeOf(parsed, timestamp) }),
    }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new LineError(`line ${lineNumber}: ${(error as Error).message}`)
  }
}

const EXPORT_HINT =
  'partlog import: the file looks like an export of partlog; say --format records to restore the ' +
  'records, or --format lines to import the lines as they are'

function keyOf(parsed: unknown, field: string): string | null {
  const value = (parsed as Record<string, unknown> | null)?.[field]
  if (value === undefined || value === null) return null
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function wordOf(line: Buffer, number: string): string | null {
  return line.toString('utf8').trim().split(/\s+/)[Number(number) - 1] ?? null
}

function timeOf(parsed: unknown, field: string): number {
  const value = (parsed as Record<string, unknown> | null)?.[field]
  const ms = typeof value === 'number' ? Math.round(value) : Date.parse(String(value))
  if (Number.isSafeInteger(ms) && ms >= 0) return ms
  throw new Error(`${field}: expected a time, got ${JSON.stringify(value)}`)
}

/**
 * Makes the topic if it is not there. It keeps its records for ever: retention goes by the time of
 * the records, and those of old events would be the first to go.
 */
export async function ensureTopic(
  cluster: Cluster,
  topic: string,
  partitions: number | undefined,
): Promise<void> {
  try {
    const config = { 'retention.ms': -1 }
    await cluster.admin.createTopic({
      topic,
      config,
      ...(partitions === undefined ? {} : { partitions }),
    })
  } catch (error) {
    if (!isPartlogError(error, 'TOPIC_ALREADY_EXISTS')) throw error
    const { partitions: existing } = await cluster.admin.describeTopic(topic)
    if (partitions !== undefined && existing.length !== partitions) {
      throw new UsageError(
        `partlog import: topic ${topic} has ${existing.length} partitions, ` +
          `--partitions says ${partitions}`,
      )
    }
  }
}

export const importCommand = command({
  name: 'import',
  summary: 'Reads lines into a topic. The topic is made if it is not there.',
  words: ['FILE|-'],
  options: {
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
      'the field that is the key; with --format lines the n-th word',
    ),
    timestamp: optionalValue(text, 'FIELD', "the field that is the record's time (ms or ISO)"),
    partitions: optionalValue(integer(1, 99_999), 'N', 'partitions of a topic that is made'),
    skip: valued(integer(0), 0, 'N', 'leave out the first N lines: they are there already'),
    durability: valued(
      oneOf('power', 'process'),
      'power',
      'LEVEL',
      'what an acknowledged record survives: power (default) or process',
    ),
    json: JSON_OPTION,
  },
  examples: [
    'partlog import events.jsonl --topic orders --key id --timestamp time --partitions 6',
    'zcat access.log.gz | partlog import - --topic access --format lines --key 1',
  ],
  run: async ({ words, options, output }) => {
    const { dir, topic, format, key, partitions, durability } = options
    if (topic === undefined) throw new UsageError('partlog import: --topic: expected a name')
    if (format === 'lines' && key !== undefined && !/^[1-9]\d*$/.test(key)) {
      throw new UsageError(`partlog import: --key: expected the number of a word, got "${key}"`)
    }
    const request = { ...options, file: words[0] as string, topic }
    openLines(request.file) // says at once when there is no such file
    const cluster = await Cluster.open({ dir, durability })
    try {
      await ensureTopic(cluster, topic, partitions)
      const result = await importWithProgress(cluster, request, output, options.json)
      await tell(output, request, result, options.json)
      return 0
    } finally {
      await cluster.close()
    }
  },
})

export async function importWithProgress(
  cluster: Cluster,
  request: ImportRequest,
  output: Output,
  asJson: boolean,
): Promise<ImportResult> {
  const progress = new Progress(output, clock, 'importing')
  try {
    return await importFile(cluster.producer(), request, (lines, bytesRead, size) => {
      progress.show(bytesRead, size, `${grouped(lines)} lines`)
      if (asJson) void output.json({ acknowledged: lines })
    })
  } finally {
    progress.end()
  }
}

async function tell(
  output: Output,
  { file, topic }: ImportRequest,
  { records, bytes, ms }: ImportResult,
  asJson: boolean,
): Promise<void> {
  if (asJson) return await output.json({ topic, file, records, bytes, seconds: ms / 1000 })
  const rate = ms > 0 ? `, ${grouped((records / ms) * 1000)} records/s` : ''
  output.note(
    `${grouped(records)} records (${bytesText(bytes)}) into ${topic} in ${secondsText(ms)}${rate}`,
  )
}

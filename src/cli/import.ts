/** `partlog import FILE|-`: lines into a topic. */

import { integer, oneOf, text } from '../base/config.js'
import type { Producer } from '../client/producer.js'
import { Cluster } from '../cluster.js'
import type { Message, RecordMetadata } from '../client/messages.js'
import { isPartlogError } from '../model/errors.js'
import { command, optionalValue, UsageError, valued } from './command.js'
import { checkReadable, openLines } from './files.js'
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

/** Gives the producer for some messages when their topic is ready for them. */
type ProducerFor = (messages: readonly Message[]) => Promise<Pick<Producer, 'send'>>

export interface ImportResult {
  readonly records: number
  /** Those whose key was asked for and is not there. */
  readonly keyless: number
  readonly bytes: number
  readonly ms: number
}

/** Sends under way before the next lines are read: enough to keep the disk busy. */
const SENDS_MAX = 8

/** Reads a file into a topic; `onAcknowledged` hears how many lines are safe, in order. */
export async function importFile(
  producerFor: ProducerFor,
  request: ImportRequest,
  onAcknowledged: (lines: number, bytesRead: number, size: number | undefined) => void,
): Promise<ImportResult> {
  const started = clock.monotonicMs()
  const reader = openLines(request.file)
  const underWay: { readonly sent: Promise<RecordMetadata[]>; readonly lines: number }[] = []
  let lineNumber = 0
  let acknowledged = request.skip
  let records = 0
  let keyless = 0
  let bytes = 0
  const settleFirst = async (): Promise<void> => {
    const first = underWay.shift()
    records += (await first?.sent)?.length ?? 0
    acknowledged += first?.lines ?? 0
    onAcknowledged(acknowledged, reader.bytesRead, reader.size)
  }
  try {
    for await (const lines of reader.lines()) {
      const { messages, linesTaken, problem } = messagesOf(lines, lineNumber, request)
      if (messages.length === 0 && problem !== undefined) throw problem
      lineNumber += lines.length
      if (linesTaken === 0) continue
      for (const { key, value } of messages) {
        bytes += value === null ? 0 : Buffer.byteLength(value)
        if (request.key !== undefined && (key ?? null) === null) keyless++
      }
      const producer = await producerFor(messages)
      const sent = producer.send({ topic: request.topic, messages })
      sent.catch(() => undefined) // told when its turn comes
      underWay.push({ sent, lines: linesTaken })
      if (problem !== undefined) throw problem
      if (underWay.length >= SENDS_MAX) await settleFirst()
    }
    while (underWay.length > 0) await settleFirst()
    if (records === 0) await producerFor([]) // also nothing wants its topic
  } catch (error) {
    while (underWay.length > 0) await settleFirst().catch(() => (underWay.length = 0))
    throw error instanceof UsageError ? error : stopped(error as Error, acknowledged, request)
  }
  return { records, keyless, bytes, ms: clock.monotonicMs() - started }
}

/** What went wrong, and what that means for the rest of the file. */
function stopped(error: Error, acknowledged: number, { file, skip }: ImportRequest): Error {
  const name = file === '-' ? 'standard input' : file
  const rest =
    isPartlogError(error) && error.outcomeUnknown
      ? `its first ${acknowledged} lines are imported, some of those behind them may be, too: ` +
        `--skip ${acknowledged} goes on, and may import them twice`
      : acknowledged === skip
        ? 'nothing of it was imported'
        : `its first ${acknowledged} lines are imported, the rest is not: go on with --skip ` +
          String(acknowledged)
  return new Error(`${name}: ${error.message}; ${rest}`, { cause: error })
}

interface TakenLines {
  readonly messages: Message[]
  /** With the blank ones, which no event stands in unless any text is one. */
  readonly linesTaken: number
  readonly problem?: Error
}

/** The messages of some lines, up to the first that cannot be one. */
function messagesOf(
  lines: readonly Buffer[],
  linesBefore: number,
  request: ImportRequest,
): TakenLines {
  const messages: Message[] = []
  let lineNumber = linesBefore
  let linesTaken = 0
  for (const line of lines) {
    if (++lineNumber <= request.skip) continue
    try {
      if (request.format === 'lines' || !isBlank(line)) {
        messages.push(messageOf(line, lineNumber, request))
      }
      linesTaken++
    } catch (error) {
      return { messages, linesTaken, problem: error as Error }
    }
  }
  return { messages, linesTaken }
}

function isBlank(line: Buffer): boolean {
  return line.every(byte => byte === 0x20 || byte === 0x09)
}

function messageOf(line: Buffer, lineNumber: number, request: ImportRequest): Message {
  const { format, key, timestamp } = request
  try {
    if (format === 'records') return parseRecordLine(line.toString('utf8'))
    if (format === 'lines')
      return { key: key === undefined ? null : wordOf(line, key), value: line }
    const parsed: unknown = JSON.parse(line.toString('utf8'))
    if (lineNumber === 1 && isRecordLine(parsed)) throw new UsageError(EXPORT_HINT)
    return {
      key: key === undefined ? null : keyOf(parsed, key),
      value: line,
      ...(timestamp === undefined ? {} : { timestamp: timeOf(parsed, timestamp) }),
    }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new Error(`line ${lineNumber}: ${oneLine((error as Error).message)}`)
  }
}

/** V8 quotes the text around what JSON.parse cannot read, line ends and all. */
function oneLine(sentence: string): string {
  return sentence.replace(/\s+/g, ' ')
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

/** What is planned for the future is an event, too. */
export const OF_ANY_TIME = { 'message.timestamp.after.max.ms': Number.MAX_SAFE_INTEGER } as const

/** Retention goes by the time of the records, and those of old events would be the first to go. */
export const IMPORTED = { 'retention.ms': -1, ...OF_ANY_TIME } as const

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

/**
 * Makes the topic when the first messages are known to be good. Without --partitions a topic that
 * is made here gets as many as the records name, or they could not go back to where they were.
 */
function topicFor(cluster: Cluster, topic: string, wanted: number | undefined): ProducerFor {
  let made: { readonly isNew: boolean; partitions: number } | undefined
  const producer = cluster.producer()
  return async messages => {
    if (made === undefined) {
      made = await ensureTopic(cluster, topic, wanted)
      if (wanted !== undefined && made.partitions !== wanted) {
        throw new UsageError(
          `partlog import: --partitions: expected ${made.partitions}, which topic ${topic} has ` +
            `already, got "${wanted}"`,
        )
      }
    }
    const needed = messages.reduce((most, { partition = 0 }) => Math.max(most, partition + 1), 0)
    if (needed > made.partitions && made.isNew && wanted === undefined) {
      await cluster.admin.createPartitions({ topic, partitions: needed })
      made.partitions = needed
    }
    return producer
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
    const file = words[0] as string
    checkReadable(file)
    const cluster = await Cluster.open({ dir, durability })
    try {
      const request = { ...options, file, topic }
      const result = await importWithProgress(topicFor(cluster, topic, partitions), request, output)
      await tell(output, request, result, options.json)
      return 0
    } finally {
      await cluster.close()
    }
  },
})

export async function importWithProgress(
  producerFor: ProducerFor,
  request: ImportRequest & { readonly json: boolean },
  output: Output,
): Promise<ImportResult> {
  const progress = new Progress(output, clock, 'importing')
  try {
    return await importFile(producerFor, request, (lines, bytesRead, size) => {
      progress.show(bytesRead, size, `${grouped(lines)} lines`)
      if (request.json) void output.json({ acknowledged: lines })
    })
  } finally {
    progress.end()
  }
}

async function tell(
  output: Output,
  { file, topic, key }: ImportRequest,
  { records, keyless, bytes, ms }: ImportResult,
  asJson: boolean,
): Promise<void> {
  if (asJson) return await output.json({ topic, file, records, keyless, bytes, seconds: ms / 1000 })
  const rate = ms > 0 ? `, ${grouped((records / ms) * 1000)} records/s` : ''
  output.note(
    `${grouped(records)} records (${bytesText(bytes)}) into ${topic} in ${secondsText(ms)}${rate}`,
  )
  if (keyless > 0) output.note(`${grouped(keyless)} of them have no ${key}, so no key`)
}

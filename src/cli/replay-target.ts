/** Where `partlog replay` writes to: standard output, a file, another topic. */

import type { Arrived } from './arrived.js'
import { Cluster } from '../cluster.js'
import type { StoredTopicRecord } from '../log/partition-directory.js'
import { carriedSettings, ensureCarried } from './carried-topic.js'
import { UsageError } from './command.js'
import { isFileName, openSink } from './files.js'
import { IMPORTED } from './import.js'
import { Lanes, ROUND_PRODUCER } from './lanes.js'
import type { Output } from './output.js'
import { recordLine } from './records.js'
import { settingsOf, type SourceTopic } from './source.js'

export type Format = 'records' | 'values'

/** Where replayed records go. */
export interface Target {
  write(record: StoredTopicRecord): Promise<void>
  /** Sends off what was collected. */
  flush(): Promise<void>
  end(): Promise<void>
  /** Nobody takes any more. */
  readonly isClosed: boolean
}

export interface OpenTarget {
  readonly target: Target
  readonly close: () => Promise<void>
  /** What has arrived where, if that is known. */
  readonly arrived?: () => readonly Arrived[]
  /** An error of the replay, with how to go on. */
  readonly explain?: (error: unknown) => Promise<unknown>
  /** Ends the replay after what is in hand. Without it a signal ends the process. */
  readonly ending?: AbortSignal
  /** The words that go on after an early end. */
  readonly rest?: () => string
}

export interface TargetOptions {
  readonly dir: string
  /** The topic that is read. */
  readonly topic: string
  readonly to: string | undefined
  readonly format: Format
}

/** Lines are collected up to this size before they are written. */
const CHUNK_BYTES = 64 * 1024
const NEWLINE = Buffer.from('\n')

const nothing = async (): Promise<void> => undefined

export async function openTarget(
  options: TargetOptions,
  source: SourceTopic,
  output: Output,
): Promise<OpenTarget> {
  const { to, format } = options
  if (to === undefined) {
    const isClosed = (): boolean => output.isClosed
    const write = (data: Buffer): Promise<void> => output.write(data)
    return { target: lineTarget(format, write, nothing, isClosed), close: nothing }
  }
  if (isFileName(to)) {
    const sink = openSink(to)
    const write = (data: Buffer): Promise<void> => sink.write(data)
    const target = lineTarget(
      format,
      write,
      () => sink.end(),
      () => false,
    )
    return { target, close: () => sink.end() }
  }
  return await openTopic({ ...options, to }, source)
}

async function openTopic(
  { dir, topic, to }: TargetOptions & { readonly to: string },
  source: SourceTopic,
): Promise<OpenTarget> {
  // What the source takes its copy has to take; it keeps it, if the source does not say otherwise.
  const config = { ...IMPORTED, ...carriedSettings((await settingsOf(dir, topic)) ?? []) }
  const cluster = await Cluster.open({ dir })
  try {
    const needed = Math.max(...source.partitions.map(each => each.partition)) + 1
    const partitions = await ensureCarried(cluster.admin, { topic: to, partitions: needed, config })
    if (partitions >= needed) {
      const producer = cluster.producer(ROUND_PRODUCER)
      const lanes = new Lanes({ producer, topic: to, keepPartitions: true })
      return { target: lanesTarget(lanes), close: () => cluster.close() }
    }
    throw new UsageError(
      `partlog replay: --to: expected a topic of at least ${needed} partitions, ` +
        `${to} has ${partitions}`,
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

/** Records keep key, headers and time; their offsets are given anew. */
export function lanesTarget(lanes: Lanes): Target {
  return {
    isClosed: false,
    write: record => lanes.write(record),
    flush: () => lanes.flush(),
    end: () => lanes.settle(),
  }
}

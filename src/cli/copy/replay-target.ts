/* The targets of `partlog replay` on this machine: standard output, a file, another topic. */

import type { StoredTopicRecord } from '../../log/inspection/partition-directory.js'
import type { Output } from '../terminal/output.js'
import { isFileName, openSink } from '../terminal/user-files.js'
import { carriedSettings, ensureCarried, IMPORTED } from '../../events/import/carried-topic.js'
import type { OpenTarget, Target } from './open-target.js'
import type { PlaceIn } from '../../events/replay/places.js'
import type { RecordFormat } from '../../events/replay/record-format.js'
import { settingsOf, type SourceTopic } from './source.js'
import { topicTarget, type Placement } from './topic-target.js'
import { openToWrite } from './waits.js'

export interface TargetOptions {
  readonly dir: string
  /** The source topic. */
  readonly topic: string
  readonly to: string | undefined
  readonly format: RecordFormat
  readonly partitions: Placement | undefined
  readonly from: PlaceIn | undefined
  readonly until: PlaceIn | undefined
}

/** Lines are buffered up to this size before they are written. */
const CHUNK_BYTES = 64 * 1024

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
    return linesInto(format, { write, end: nothing, isClosed }, output)
  }
  if (isFileName(to)) {
    const sink = openSink(to)
    const end = (): Promise<void> => sink.end()
    const lines = { write: (data: Buffer) => sink.write(data), end, isClosed: () => false }
    return linesInto(format, lines, output)
  }
  return await openTopic({ ...options, to }, source, output)
}

async function openTopic(
  options: TargetOptions & { readonly to: string },
  source: SourceTopic,
  output: Output,
): Promise<OpenTarget> {
  const { dir, topic, to } = options
  // The copy accepts what the source accepted, and keeps all records unless the source does not.
  const config = { ...IMPORTED, ...carriedSettings((await settingsOf(dir, topic)) ?? []) }
  const placement = options.partitions ?? 'by-key'
  const cluster = await openToWrite({ dir }, output)
  try {
    const wanted = { topic: to, partitions: source.count, config }
    const partitions = await ensureCarried(cluster.admin, wanted)
    const target = { ...options, topic: to, partitions, placement, notesKeep: true, producer: {} }
    return topicTarget(cluster, target, source, output)
  } catch (error) {
    await cluster.close().catch(() => undefined)
    throw error
  }
}

interface LineSink {
  readonly write: (data: Buffer) => Promise<void>
  readonly end: () => Promise<void>
  readonly isClosed: () => boolean
}

function linesInto(format: RecordFormat, sink: LineSink, output: Output): OpenTarget {
  if (format.loses !== undefined) {
    const { loses } = format
    output.note(`partlog: this format does not keep ${loses}; --format records keeps everything`)
  }
  return { target: lineTarget(format, sink), close: sink.end, remarks: () => format.remarks() }
}

function lineTarget({ head, write: textOf }: RecordFormat, sink: LineSink): Target {
  let texts: string[] = head === '' ? [] : [head]
  let chunks: Buffer[] = []
  let size = head.length
  const join = (): void => {
    if (texts.length > 0) chunks.push(Buffer.from(texts.join('')))
    texts = []
  }
  const flush = async (): Promise<void> => {
    join()
    const data = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
    chunks = []
    size = 0
    if (data.length > 0) await sink.write(data)
  }
  const take = (record: StoredTopicRecord): void => {
    const text = textOf(record)
    size += text.length
    if (typeof text === 'string') {
      texts.push(text)
      return
    }
    join()
    chunks.push(text)
  }
  return {
    get isClosed() {
      return sink.isClosed()
    },
    async write(record) {
      take(record)
      if (size >= CHUNK_BYTES) await flush()
    },
    async writeAll(records) {
      for (const record of records) {
        take(record)
        if (size < CHUNK_BYTES) continue
        await flush()
        if (sink.isClosed()) return
      }
    },
    flush,
    async end() {
      await flush()
      await sink.end()
    },
  }
}

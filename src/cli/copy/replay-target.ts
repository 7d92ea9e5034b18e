/* The targets of `partlog replay` on this machine: standard output, a file, another topic. */

import { LINE_FEED, CARRIAGE_RETURN } from '../../events/text/byte-names.js'
import type { StoredTopicRecord } from '../../log/inspection/partition-directory.js'
import type { Output } from '../terminal/output.js'
import { isFileName, openSink } from '../terminal/user-files.js'
import { carriedSettings, ensureCarried, IMPORTED } from '../../events/import/carried-topic.js'
import type { OpenTarget, Target } from './open-target.js'
import type { Place, PlaceIn } from '../../events/replay/places.js'
import { recordLine } from '../../events/formats/record-lines.js'
import { settingsOf, type SourceTopic } from './source.js'
import { topicTarget, type Placement } from './topic-target.js'
import { openToWrite } from './waits.js'

export type Format = 'records' | 'values'

export interface TargetOptions {
  readonly dir: string
  /** The source topic. */
  readonly topic: string
  readonly to: string | undefined
  readonly format: Format
  readonly partitions: Placement | undefined
  readonly from: PlaceIn | undefined
  readonly until: Place | undefined
}

/** Lines are buffered up to this size before they are written. */
const CHUNK_BYTES = 64 * 1024
const NEWLINE = Buffer.of(LINE_FEED)

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
    return linesInto(format, { write, end: nothing, isClosed })
  }
  if (isFileName(to)) {
    const sink = openSink(to)
    const end = (): Promise<void> => sink.end()
    return linesInto(format, { write: data => sink.write(data), end, isClosed: () => false })
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

function linesInto(format: Format, sink: LineSink): OpenTarget {
  const ambiguous = new AmbiguousLines()
  const lineOf = (record: StoredTopicRecord): Buffer => {
    if (format === 'records') return Buffer.from(`${recordLine(record)}\n`)
    ambiguous.note(record)
    return Buffer.concat([record.value ?? NEWLINE.subarray(0, 0), NEWLINE])
  }
  return { target: lineTarget(lineOf, sink), close: sink.end, remarks: () => ambiguous.remarks() }
}

/** Counts the values that cannot be read back from lines of text. */
class AmbiguousLines {
  #tombstones = 0
  #broken = 0

  note({ value }: StoredTopicRecord): void {
    if (value === null) this.#tombstones++
    else if (value.includes(LINE_FEED) || value.at(-1) === CARRIAGE_RETURN) this.#broken++
  }

  remarks(): string[] {
    const kinds = [
      ...(this.#broken === 0 ? [] : [`${this.#broken} values hold line breaks`]),
      ...(this.#tombstones === 0 ? [] : [`${this.#tombstones} are null (an empty line each)`]),
    ]
    if (kinds.length === 0) return []
    return [`${kinds.join(', ')}: lines cannot represent them exactly; --format records can`]
  }
}

function lineTarget(lineOf: (record: StoredTopicRecord) => Buffer, sink: LineSink): Target {
  let chunk: Buffer[] = []
  let bytes = 0
  const flush = async (): Promise<void> => {
    const data = Buffer.concat(chunk)
    chunk = []
    bytes = 0
    if (data.length > 0) await sink.write(data)
  }
  return {
    get isClosed() {
      return sink.isClosed()
    },
    async write(record) {
      const line = lineOf(record)
      chunk.push(line)
      bytes += line.length
      if (bytes >= CHUNK_BYTES) await flush()
    },
    flush,
    async end() {
      await flush()
      await sink.end()
    },
  }
}

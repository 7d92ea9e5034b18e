/* The targets of `partlog replay` on this machine: standard output, a file, another topic. */

import type { StoredTopicRecord } from '../../log/inspection/stored-row.js'
import type { Output } from '../terminal/output.js'
import { isFileName, openSink } from '../terminal/user-files.js'
import { carriedSettings, ensureCarried, IMPORTED } from '../../events/import/carried-topic.js'
import { bytesOfLatin1, isPlainAscii } from '../../events/text/latin1.js'
import type { GroupPosition } from './group-positions.js'
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
  /** The folder of the target topic. */
  readonly toDir: string
  /** Is that another folder? */
  readonly isElsewhere: boolean
  /** Committed offsets to carry over. */
  readonly positions: readonly GroupPosition[]
}

/** Lines are buffered up to this size before they are written. */
const CHUNK_BYTES = 128 * 1024

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
  const { dir, toDir, isElsewhere, topic, to } = options
  // The copy accepts what the source accepted, and keeps all records unless the source does not.
  const config = { ...IMPORTED, ...carriedSettings((await settingsOf(dir, topic)) ?? []) }
  const cluster = await openToWrite({ dir: toDir }, output)
  try {
    const wanted = { topic: to, partitions: source.count, config }
    const partitions = await ensureCarried(cluster.admin, wanted)
    // A copy in another folder is a copy; in the same folder it is made to place records anew.
    const canKeep = isElsewhere && partitions === source.count
    const placement = options.partitions ?? (canKeep ? 'keep' : 'by-key')
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

/** So many records are checked at once for what the quick way does not write. */
const QUICK_RECORDS = 32

function lineTarget(format: RecordFormat, sink: LineSink): Target {
  let text = format.head
  const flush = async (): Promise<void> => {
    if (text === '') return
    const data = bytesOfLatin1(text)
    text = ''
    await sink.write(data)
  }
  return {
    get isClosed() {
      return sink.isClosed()
    },
    async write(record) {
      text += format.write(record)
      if (text.length >= CHUNK_BYTES) await flush()
    },
    async writeAll(records) {
      for (let from = 0; from < records.length;) {
        const some = textOf(format, records, from)
        text += some.text
        from = some.next
        if (text.length < CHUNK_BYTES) continue
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

/** The text of some records from the one at `from` on, and which one comes next. */
function textOf(
  { quick, write }: RecordFormat,
  records: readonly StoredTopicRecord[],
  from: number,
): { readonly text: string; readonly next: number } {
  let to = Math.min(records.length, from + QUICK_RECORDS)
  let text = ''
  for (let next = from; next < to;) {
    const record = records[next++] as StoredTopicRecord
    text += quick === undefined ? write(record) : quick(record)
    if (text.length >= CHUNK_BYTES) to = next
  }
  if (quick === undefined || isPlainAscii(text)) return { text, next: to }
  text = ''
  for (let at = from; at < to; at++) text += write(records[at] as StoredTopicRecord)
  return { text, next: to }
}

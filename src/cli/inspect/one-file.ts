/*
 * One file of a log or of a broker's folder, as Kafka's dump tool shows it. What it holds is told
 * by its name, and the topic by the name of its folder.
 */

import { parentOf, type Disk } from '../../disk/disk.js'
import { NodeDisk } from '../../disk/node-disk.js'
import { parseCheckpoint } from '../../log/format/checkpoints.js'
import {
  CLEAN_SHUTDOWN,
  LEADER_EPOCH_CHECKPOINT,
  META_PROPERTIES,
  PARTITION_METADATA,
  parsePartitionFolder,
  parseSegmentFile,
  SEALED_SUFFIX,
} from '../../log/format/files.js'
import { OFFSET_ENTRY, TIME_ENTRY } from '../../log/format/index-entry.js'
import { snapshotProblem } from '../../log/format/producer-state.js'
import { readBatches } from '../../log/format/scan.js'
import { snapshotEntries } from '../../log/inspection/snapshot-entries.js'
import { decodeAborted } from '../../log/format/transaction-index.js'
import { readWhole } from '../../log/inspection/surroundings.js'
import type { Problem } from '../../log/inspection/verify-files.js'
import { PartlogError } from '../../model/errors.js'
import { batchDetail } from './batch-detail.js'
import { recordDetails } from './decoded-records.js'

/** A file and where it stands. */
export interface OneFile {
  readonly disk: Disk
  /** Its path on the disk. */
  readonly name: string
  /** The topic of its folder; undefined if that is not one of a partition. */
  readonly topic: string | undefined
}

type Problems = Problem[]
type Details = AsyncGenerator<object, void>

/** What a file holds; damage is added to the problems. */
type Decode = (file: OneFile, problems: Problems) => Details

/** Names of Kafka's snapshots of metadata: offset and epoch. */
const METADATA_SNAPSHOT = /^\d{20}-\d{10}\.checkpoint$/

/** What a file is, by its name; undefined: nothing that is known here. */
function decoderFor(name: string): Decode | undefined {
  if (METADATA_SNAPSHOT.test(name)) return batchesIn
  const segment = parseSegmentFile(name)
  if (segment !== undefined) {
    const { baseOffset, kind } = segment
    if (kind === 'index') return file => offsetEntries(file, baseOffset)
    if (kind === 'timeindex') return file => timeEntries(file, baseOffset)
    return { log: batchesIn, snapshot: producers, txnindex: aborted }[kind]
  }
  if (name === LEADER_EPOCH_CHECKPOINT) return checkpointOf(['epoch', 'startOffset'])
  if (name.endsWith('-offset-checkpoint')) return checkpointOf(['topic', 'partition', 'offset'])
  if (name === META_PROPERTIES || name === PARTITION_METADATA) return settings
  if (name === CLEAN_SHUTDOWN || name === 'quorum-state') return json
  return name.endsWith(SEALED_SUFFIX) ? text : undefined
}

/** Opens a file. Throws INVALID_ARGUMENT if it is none that can be shown. */
export function openOne(path: string): OneFile & { readonly decode: Decode } {
  const { location } = new NodeDisk(path, { readOnly: true })
  const name = location.slice(location.lastIndexOf('/') + 1)
  const folder = parentOf(location) || '/'
  const decode = decoderFor(name)
  if (decode === undefined) {
    throw new PartlogError(
      'INVALID_ARGUMENT',
      `${path}: expected a folder, or a file of a log (.log, .index, .timeindex, .snapshot, ` +
        `.txnindex), a checkpoint, ${META_PROPERTIES} or ${PARTITION_METADATA}`,
    )
  }
  const topic = parsePartitionFolder(folder.slice(folder.lastIndexOf('/') + 1))?.topic
  return { disk: new NodeDisk(folder, { readOnly: true }), name, topic, decode }
}

// ── the kinds ────────────────────────────────────────────────────────────────────────────

/** The batches of a segment, each with its records. */
export async function* batchesIn({ disk, name, topic = '' }: OneFile, problems: Problems): Details {
  const file = disk.open(name)
  try {
    const reading = readBatches(file)
    let position = 0
    let step = await reading.next()
    for (; step.done !== true; step = await reading.next()) {
      for (const batch of step.value) {
        yield batchDetail(batch, position)
        yield* recordsOf(topic, batch, { problems, file: name, position })
        position += batch.size
      }
    }
    const { position: end, reason } = step.value
    if (reason !== undefined) problems.push({ file: name, position: end, problem: reason })
  } finally {
    file.close()
  }
}

function recordsOf(
  topic: string,
  batch: Parameters<typeof recordDetails>[1],
  { problems, file, position }: { problems: Problems; file: string; position: number },
): readonly object[] {
  try {
    return recordDetails(topic, batch)
  } catch (error) {
    problems.push({ file, position, problem: (error as Error).message })
    return []
  }
}

/** Kafka allocates an index in advance: entries of zeros at its end are none. */
async function* offsetEntries({ disk, name }: OneFile, baseOffset: number): Details {
  const bytes = await readWhole(disk, name)
  for (let at = 0; at + OFFSET_ENTRY.bytes <= bytes.length; at += OFFSET_ENTRY.bytes) {
    const [offset, position] = [OFFSET_ENTRY.offset(bytes, at), OFFSET_ENTRY.position(bytes, at)]
    if (offset === 0 && position === 0) return
    yield { entry: 'offset', offset: baseOffset + offset, position }
  }
}

async function* timeEntries({ disk, name }: OneFile, baseOffset: number): Details {
  const bytes = await readWhole(disk, name)
  for (let at = 0; at + TIME_ENTRY.bytes <= bytes.length; at += TIME_ENTRY.bytes) {
    const timestamp = TIME_ENTRY.timestamp(bytes, at)
    const offset = TIME_ENTRY.offset(bytes, at)
    const isOnly = bytes.length === TIME_ENTRY.bytes // the record at the first offset has time 0
    if (timestamp === 0 && offset === 0 && !isOnly) return
    const exact = Number.isSafeInteger(timestamp) ? timestamp : String(bytes.readBigInt64BE(at))
    yield { entry: 'time', timestamp: exact, offset: baseOffset + offset }
  }
}

async function* producers({ disk, name }: OneFile, problems: Problems): Details {
  const bytes = await readWhole(disk, name)
  const wrong = snapshotProblem(bytes)
  if (wrong !== undefined) problems.push({ file: name, ...wrong })
  for (const each of snapshotEntries(bytes)) yield { entry: 'producer', ...each }
}

async function* aborted({ disk, name }: OneFile, problems: Problems): Details {
  const found = decodeAborted(await readWhole(disk, name), (position, problem) =>
    problems.push({ file: name, position, problem }),
  )
  for (const each of found) yield { entry: 'aborted', ...each }
}

/** Lines of a checkpoint, with these fields. */
function checkpointOf(fields: readonly string[]): Decode {
  return async function* ({ disk, name }, problems) {
    try {
      const lines = parseCheckpoint((await readWhole(disk, name)).toString('utf8'), fields.length)
      for (const line of lines) {
        const pairs = line.map((each, n) => [fields[n], /^\d+$/.test(each) ? Number(each) : each])
        yield { entry: 'line', ...Object.fromEntries(pairs) }
      }
    } catch (error) {
      problems.push({ file: name, position: 0, problem: (error as Error).message })
    }
  }
}

async function* settings({ disk, name }: OneFile): Details {
  const lines = (await readWhole(disk, name)).toString('utf8').split(/\r?\n/)
  for (const line of lines) {
    const [, key, value] = /^([^#:=\s][^:=]*?)\s*[:=]\s*(.*)$/.exec(line) ?? []
    if (key !== undefined) yield { entry: 'setting', name: key, value }
  }
}

async function* json({ disk, name }: OneFile, problems: Problems): Details {
  const content = (await readWhole(disk, name)).toString('utf8')
  try {
    if (content !== '') yield { entry: 'content', ...(JSON.parse(content) as object) }
  } catch (error) {
    problems.push({ file: name, position: 0, problem: (error as Error).message })
  }
}

async function* text({ disk, name }: OneFile): Details {
  const lines = (await readWhole(disk, name)).toString('utf8').trimEnd().split('\n')
  for (const line of lines) yield { entry: 'line', text: line }
}


/* `partlog inspect PATH`: shows the logs of a folder down to records, or one file. */

import { join, type Disk } from '../disk/disk.js'
import { segmentFile } from '../log/format/files.js'
import { segmentsOf } from '../log/inspection/known-bounds.js'
import { diskAround, findPartitions } from '../log/inspection/log-directory.js'
import { inspectPartition, type Inspection } from '../log/inspection/verify-log.js'
import type { InspectVisitor } from '../log/inspection/verify-segment.js'
import { JSON_OPTION } from './command-options.js'
import { command, toggle } from './command.js'
import type { Output } from './terminal/output.js'
import type { Problem } from '../log/inspection/verify-files.js'
import { plain, plainJson } from '../events/text/plain.js'
import { table } from './terminal/table.js'
import { UsageError } from './terminal/usage-error.js'
import { isFile } from './terminal/user-files.js'
import { batchDetail } from './inspect/batch-detail.js'
import { batchesIn, openOne } from './inspect/one-file.js'

export const inspectCommand = command({
  name: 'inspect',
  summary:
    'Shows the segments of a partition, a Kafka log directory or a cluster, or one whole file.',
  args: ['PATH'],
  options: {
    batches: toggle('show every batch, too'),
    index: toggle('show every index entry, too'),
    records: toggle("show every record, too, those of Kafka's own topics by their fields"),
    json: JSON_OPTION,
  },
  examples: [
    'partlog inspect ./data/broker-1/orders-0 --batches',
    'partlog inspect ./data/broker-1/__consumer_offsets-0 --records',
    'partlog inspect ./data/broker-1/orders-0/00000000000000000000.snapshot',
    'partlog inspect /var/lib/kafka/data/recovery-point-offset-checkpoint --json',
  ],
  run: async ({ args, options, output, given }) => {
    const path = args[0] as string
    if (isFile(path)) return await showFile(path, { json: options.json, given, output })
    const { disk, folder: only } = diskAround(path)
    let problems = 0
    const all = await findPartitions(disk, { folder: only, includeController: true })
    for (const { folder, topic, partition } of all) {
      const name = `${topic}-${partition}`
      const details: object[] = []
      const visitor = visitorOf(options, details)
      const inspection = await inspectPartition(disk, folder, visitor)
      problems += inspection.problems.length
      if (options.json) await showJson(output, name, inspection, details)
      else await showTable(output, name, inspection, details)
      if (options.records) await showRecords({ disk, folder, topic, name }, options, output)
    }
    return problems === 0 ? 0 : 1
  },
})

interface Place {
  readonly disk: Disk
  readonly folder: string
  readonly topic: string
  readonly name: string
}

/** Record after record: they are not held in memory. */
async function showRecords(
  { disk, folder, topic, name }: Place,
  { batches, json }: Wanted & { readonly json: boolean },
  output: Output,
): Promise<void> {
  for (const base of segmentsOf(disk, folder)) {
    const file = { disk, name: join(folder, segmentFile(base, 'log')), topic }
    // Damage was told with the segments.
    for await (const detail of batchesIn(file, [])) {
      if (output.isClosed) return
      if (!batches && (detail as { readonly entry: string }).entry === 'batch') continue
      if (json) await output.json({ partition: name, ...detail })
      else await output.line(plain(`  ${detailLine(detail)}`))
    }
  }
}

/** Everything of one file: what it holds needs no option. */
async function showFile(
  path: string,
  { json, given, output }: { json: boolean; given: ReadonlySet<string>; output: Output },
): Promise<number> {
  const other = ['batches', 'index', 'records'].find(name => given.has(name))
  if (other !== undefined) {
    throw new UsageError(`partlog inspect: --${other}: only with a folder, a file is shown whole`)
  }
  const { decode, ...file } = openOne(path)
  const problems: Problem[] = []
  for await (const detail of decode(file, problems)) {
    if (output.isClosed) return 0
    if (json) await output.json(detail)
    else await output.line(plain(detailLine(detail)))
  }
  for (const problem of problems) {
    if (json) await output.json({ entry: 'problem', ...problem })
    else await output.line(problemLine(problem))
  }
  return problems.length === 0 ? 0 : 1
}

interface Wanted {
  readonly batches: boolean
  readonly index: boolean
  readonly records: boolean
}

function visitorOf(options: Wanted, details: object[]): InspectVisitor {
  return {
    ...(options.batches && !options.records // which shows the batches, too
      ? { onBatch: (batch, position) => void details.push(batchDetail(batch, position)) }
      : {}),
    ...(options.index
      ? {
          onOffsetEntry: (offset, position) =>
            void details.push({ entry: 'offset', offset, position }),
          onTimeEntry: (timestamp, offset) =>
            void details.push({ entry: 'time', timestamp, offset }),
        }
      : {}),
  }
}

async function showJson(
  output: Output,
  name: string,
  { segments, problems }: Inspection,
  details: readonly object[],
): Promise<void> {
  for (const segment of segments)
    await output.json({ partition: name, entry: 'segment', ...segment })
  for (const detail of details) await output.json({ partition: name, ...detail })
  for (const problem of problems)
    await output.json({ partition: name, entry: 'problem', ...problem })
}

async function showTable(
  output: Output,
  name: string,
  { segments, problems }: Inspection,
  details: readonly object[],
): Promise<void> {
  await output.line(plain(name))
  const head = [
    'SEGMENT',
    'BYTES',
    'BATCHES',
    'RECORDS',
    'FIRST',
    'LAST',
    'MISSING',
    'INDEX',
    'TIMES',
    'CODECS',
  ]
  const rows = segments.map(each => [
    each.baseOffset,
    each.bytes,
    each.batches,
    each.records,
    each.firstOffset,
    each.lastOffset,
    each.missingOffsets,
    each.offsetIndexEntries,
    each.timeIndexEntries,
    Object.entries(each.codecs)
      .map(([codec, count]) => `${codec}:${count}`)
      .join(' ') || null,
  ])
  await output.line(table(head, rows))
  for (const detail of details) await output.line(plain(`  ${detailLine(detail)}`))
  for (const problem of problems) await output.line(`  ${problemLine(problem)}`)
}

function problemLine({ file, position, problem }: Problem): string {
  return plain(`WRONG ${file} at ${position}: ${problem}`)
}

function detailLine(detail: object): string {
  return Object.entries(detail)
    .map(([key, value]) => (key === 'entry' ? String(value).padEnd(6) : `${key}=${shown(value)}`))
    .join(' ')
}

function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? plainJson(value) : String(value)
}

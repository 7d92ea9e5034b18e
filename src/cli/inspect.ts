/* `partlog inspect PATH`: shows the logs of a folder, down to batches and index entries. */

import { diskAround, findPartitions } from '../log/inspection/log-directory.js'
import { inspectPartition, type Inspection } from '../log/inspection/verify-log.js'
import type { InspectVisitor } from '../log/inspection/verify-segment.js'
import type { Batch } from '../model/batch/batch.js'
import { JSON_OPTION } from './command-options.js'
import { command, toggle } from './command.js'
import type { Output } from './terminal/output.js'
import { plain } from '../events/text/plain.js'
import { table } from './terminal/table.js'

export const inspectCommand = command({
  name: 'inspect',
  summary: 'Shows the segments of a partition, of a Kafka log directory or of a cluster.',
  args: ['PATH'],
  options: {
    batches: toggle('show every batch, too'),
    index: toggle('show every index entry, too'),
    json: JSON_OPTION,
  },
  examples: ['partlog inspect ./data/broker-1/orders-0 --batches'],
  run: async ({ args, options, output }) => {
    const { disk, folder: only } = diskAround(args[0] as string)
    let problems = 0
    const all = await findPartitions(disk, { folder: only, includeController: true })
    for (const { folder, topic, partition } of all) {
      const name = `${topic}-${partition}`
      const details: object[] = []
      const inspection = await inspectPartition(disk, folder, visitorOf(options, details))
      problems += inspection.problems.length
      if (options.json) await showJson(output, name, inspection, details)
      else await showTable(output, name, inspection, details)
    }
    return problems === 0 ? 0 : 1
  },
})

function visitorOf(
  options: { readonly batches: boolean; readonly index: boolean },
  details: object[],
): InspectVisitor {
  return {
    ...(options.batches
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

function batchDetail(batch: Batch, position: number): object {
  return {
    entry: 'batch',
    position,
    baseOffset: batch.baseOffset,
    lastOffset: batch.lastOffset,
    records: batch.recordsCount,
    bytes: batch.size,
    codec: batch.codec ?? 'unknown',
    leaderEpoch: batch.leaderEpoch,
    maxTimestamp: exactly(batch.maxTimestamp, () => batch.exactMaxTimestamp),
    timestampType: batch.timestampType,
    producerId: exactly(batch.producerId, () => batch.exactProducerId),
    isControl: batch.isControl,
    isTransactional: batch.isTransactional,
  }
}

/** An int64: as text if a number would lose digits. */
function exactly(value: number, exact: () => bigint): number | string {
  return Number.isSafeInteger(value) ? value : String(exact())
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
  for (const { file, position, problem } of problems) {
    await output.line(plain(`  WRONG ${file} at ${position}: ${problem}`))
  }
}

function detailLine(detail: object): string {
  return Object.entries(detail)
    .map(([key, value]) => (key === 'entry' ? String(value).padEnd(6) : `${key}=${String(value)}`))
    .join(' ')
}

/* `partlog verify PATH`: checks every byte of a folder, writes nothing. */

import { diskAround, findPartitions } from '../log/inspection/log-directory.js'
import type { Problem } from '../log/inspection/verify-files.js'
import { inspectPartition } from '../log/inspection/verify-log.js'
import { checkRootFiles } from '../log/inspection/verify-root.js'
import type { SegmentSummary } from '../log/inspection/verify-segment.js'
import { isReadable, type Codec } from '../model/batch/compression.js'
import { JSON_OPTION } from './command-options.js'
import { command } from './command.js'
import { clock } from './terminal/ending.js'
import { plain } from '../events/text/plain.js'
import { Progress } from './terminal/progress.js'
import { bytesText, grouped } from './terminal/table.js'

export const verifyCommand = command({
  name: 'verify',
  summary:
    'Checks every byte of a folder of logs, read-only. Exit code 1 if something is wrong.',
  args: ['PATH'],
  options: { json: JSON_OPTION },
  examples: ['partlog verify ./data', 'partlog verify /var/lib/kafka/data'],
  run: async ({ args, options, output }) => {
    const { disk, folder: only } = diskAround(args[0] as string)
    const partitions = await findPartitions(disk, { folder: only, includeController: true })
    const problems: Problem[] = await checkRootFiles(
      disk,
      partitions.map(each => each.folder),
    )
    const segments: SegmentSummary[] = []
    const progress = new Progress(output, clock, 'verifying')
    for (const [index, { folder }] of partitions.entries()) {
      progress.show(index, partitions.length, folder)
      const inspection = await inspectPartition(disk, folder)
      problems.push(...inspection.problems)
      segments.push(...inspection.segments)
    }
    progress.end()
    const totals = totalsOf(segments, partitions.length)
    for (const problem of problems) {
      const { file, position, problem: what } = problem
      const line = plain(`${file} at ${position}: ${what}`)
      await (options.json ? output.json(problem) : output.line(line))
    }
    if (options.json) await output.json({ ...totals, problems: problems.length })
    else output.note(summaryOf(totals, problems.length))
    return problems.length === 0 ? 0 : 1
  },
})

interface Totals {
  readonly partitions: number
  readonly segments: number
  readonly batches: number
  readonly records: number
  readonly bytes: number
  /** The number of batches whose records were not unpacked, by codec. */
  readonly notRead: Readonly<Record<string, number>>
}

function totalsOf(segments: readonly SegmentSummary[], partitions: number): Totals {
  const sum = (pick: (segment: SegmentSummary) => number): number =>
    segments.reduce((total, segment) => total + pick(segment), 0)
  const notRead: Record<string, number> = {}
  for (const { codecs } of segments) {
    for (const [codec, count] of Object.entries(codecs)) {
      if (!isReadable(codec as Codec)) notRead[codec] = (notRead[codec] ?? 0) + count
    }
  }
  return {
    partitions,
    segments: segments.length,
    batches: sum(segment => segment.batches),
    records: sum(segment => segment.records),
    bytes: sum(segment => segment.bytes),
    notRead,
  }
}

function summaryOf(totals: Totals, problems: number): string {
  const { partitions, segments, batches, records, bytes, notRead } = totals
  const unread = Object.entries(notRead).map(
    ([codec, count]) => `; ${count} ${codec} batches checked by checksum only`,
  )
  return (
    `${grouped(partitions)} partitions, ${grouped(segments)} segments, ` +
    `${grouped(batches)} batches, ${grouped(records)} records, ${bytesText(bytes)}: ` +
    (problems === 0 ? 'nothing wrong' : `${problems} problems`) +
    unread.join('')
  )
}

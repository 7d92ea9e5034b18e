/* Which records of each partition were copied, and to which offsets: for people and scripts. */

import { table } from '../terminal/table.js'
import type { LaneReport, OffsetRange } from './lanes.js'

/** `source` is null if nothing was copied; `target` also if it went to several partitions. */
export interface Arrived {
  readonly partition: number
  readonly records: number
  readonly source: OffsetRange | null
  readonly target: OffsetRange | null
}

export function arrivedOf(reports: readonly LaneReport[]): Arrived[] {
  return reports.map(({ partition, records, source = null, target = null }) => {
    return { partition, records, source, target }
  })
}

/** The table of the copied ranges: FROM is inclusive, UNTIL exclusive. */
export function arrivedTable(partitions: readonly Arrived[]): string {
  const rows = partitions.map(({ partition, records, source, target }) => [
    partition,
    records,
    source?.from,
    source?.until,
    target?.from,
    target?.until,
  ])
  const head = ['PARTITION', 'RECORDS', 'FROM', 'UNTIL', 'TARGET-FROM', 'TARGET-UNTIL']
  return table(head, rows)
}

/* What recovery found when a cluster was opened: a report for programs, warnings for people. */

import type { RecoveryFinding } from '../log/recovery/recovery.js'
import type { PartlogError } from '../model/errors.js'
import type { Nodes } from './nodes.js'

/** What recovery found when a folder was opened. */
export interface RecoveryReport {
  /** False after a crash; then recovery has checked what may not be durable. */
  readonly wasClosedCleanly: boolean
  /** Torn tails that were cut off and files that were repaired, with file and position. */
  readonly findings: readonly RecoveryFinding[]
  /** Partitions that cannot be used, with the reason. */
  readonly offline: readonly {
    readonly topic: string
    readonly partition: number
    readonly error: PartlogError
  }[]
  /** Folders in the data folder that belong to no known partition; they were not changed. */
  readonly unknownFolders: readonly string[]
  readonly durationMs: number
}

/** How many truncations are listed one by one. */
const LISTED_MAX = 10

/** @internal Warnings about records that were cut off, for users without a logger. */
export function truncationWarnings({ findings }: RecoveryReport): string[] {
  const cuts = findings.filter(({ kind }) => kind === 'torn-tail' || kind === 'corruption-cut')
  const sentences = cuts.slice(0, LISTED_MAX).map(cut => {
    const { kind, file, position, bytes, reason, keptIn } = cut
    const what = `${kind}: ${bytes} bytes were cut off ${file} at position ${position}: ${reason}`
    return `${what}. They are kept in ${keptIn.join(', ')}`
  })
  if (cuts.length <= LISTED_MAX) return sentences
  return [...sentences, `${cuts.length} places were cut in all: see cluster.recovery`]
}

export function reportOf({ opened, running }: Nodes, durationMs: number): RecoveryReport {
  const brokers = [...running]
  const partitions = brokers.flatMap(({ replicas }) => [...replicas.partitions()])
  return {
    ...opened,
    offline: partitions.flatMap(({ topicPartition, offlineReason }) =>
      offlineReason === undefined ? [] : [{ ...topicPartition, error: offlineReason }],
    ),
    unknownFolders: brokers.flatMap(({ unknownFolders }) => unknownFolders),
    durationMs,
  }
}

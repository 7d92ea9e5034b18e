/** What opening a cluster found, for programs and, of records that were cut off, for people. */

import type { RecoveryFinding } from '../log/log/recovery.js'
import type { PartlogError } from '../model/errors.js'
import type { BrokerSet } from './broker-set.js'

/** What opening a folder found. */
export interface RecoveryReport {
  /** False after a crash; then what was not known to be durable has been checked. */
  readonly wasClosedCleanly: boolean
  /** Torn tails that were cut, files that were put right again, with file and position. */
  readonly findings: readonly RecoveryFinding[]
  /** Partitions that cannot be used, and why. */
  readonly offline: readonly {
    readonly topic: string
    readonly partition: number
    readonly error: PartlogError
  }[]
  /** Folders in the data folder that belong to nothing; they were left alone. */
  readonly strangers: readonly string[]
  readonly durationMs: number
}

/** How many cuts are told one by one. */
const CUTS_TOLD_MAX = 10

/** @internal Records that were cut off are told of, also where nobody has handed in a logger. */
export function cutSentences({ findings }: RecoveryReport): string[] {
  const cuts = findings.filter(({ kind }) => kind === 'torn-tail' || kind === 'corruption-cut')
  const sentences = cuts.slice(0, CUTS_TOLD_MAX).map(cut => {
    const { kind, file, position, bytes, reason, keptIn } = cut
    const what = `${kind}: ${bytes} bytes were cut off ${file} at position ${position}: ${reason}`
    return `${what}. They are kept in ${keptIn.join(', ')}`
  })
  if (cuts.length <= CUTS_TOLD_MAX) return sentences
  return [...sentences, `${cuts.length} cuts in all: see cluster.recovery`]
}

export function reportOf({ managers, running }: BrokerSet, durationMs: number): RecoveryReport {
  const brokers = [...running]
  const partitions = brokers.flatMap(({ replicas }) => [...replicas.partitions()])
  return {
    wasClosedCleanly: managers.every(manager => manager.wasClosedCleanly),
    findings: managers.flatMap(manager => manager.findings),
    offline: partitions.flatMap(({ topicPartition, offlineReason }) =>
      offlineReason === undefined ? [] : [{ ...topicPartition, error: offlineReason }],
    ),
    strangers: brokers.flatMap(({ strangers }) => strangers),
    durationMs,
  }
}

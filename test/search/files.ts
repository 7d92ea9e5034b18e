/** The files of a cluster that has closed: each is whole, and copies are alike. */

import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { findPartitions } from '../../src/log/inspection/log-directory.js'
import { inspectPartition } from '../../src/log/inspection/verify-log.js'
import { checkRootFiles } from '../../src/log/inspection/verify-root.js'
import type { FinalLog, TopicFacts } from './history.js'

interface Copy {
  readonly folder: string
  readonly start: number
  readonly records: ReadonlyMap<number, string>
}

/** What is wrong with them. */
export async function checkFiles(
  disk: MemoryDisk,
  logs: readonly FinalLog[],
  topics: readonly TopicFacts[],
): Promise<string[]> {
  const problems: string[] = []
  const partitions = await findPartitions(disk, { includeController: true })
  const copies = new Map<string, Copy[]>()
  for (const partition of partitions) {
    const { folder } = partition
    const found = await inspectPartition(disk, folder)
    problems.push(...found.problems.map(({ file, problem }) => `verify: ${file}: ${problem}`))
    const records = new Map<number, string>()
    for await (const { offset, key, value, timestamp } of partition.records()) {
      records.set(offset, `${text(key)} ${text(value)} ${timestamp}`)
    }
    const name = `${partition.topic}-${partition.partition}`
    const own = { folder, start: partition.logStartOffset, records }
    copies.set(name, [...(copies.get(name) ?? []), own])
  }
  const folders = partitions.map(({ folder }) => folder)
  const roots = await checkRootFiles(disk, folders)
  problems.push(...roots.map(({ file, problem }) => `verify: ${file}: ${problem}`))
  const shrinking = topics.filter(({ isCompacted, isTrimmed }) => isCompacted || isTrimmed)
  for (const log of logs) {
    if (shrinking.some(({ topic }) => topic === log.topic)) continue // it may have gone on
    problems.push(...differences(log, copies.get(`${log.topic}-${log.partition}`) ?? []))
  }
  return problems
}

/** Every copy has the records that clients see, where it has the offsets. */
function differences(log: FinalLog, copies: readonly Copy[]): string[] {
  const [first] = copies
  if (first === undefined) return [`files: ${log.topic}-${log.partition} has none`]
  const ends = copies.map(({ records }) => Math.max(-1, ...records.keys()))
  const wrong: string[] = []
  for (const { folder, records } of copies) {
    for (const { offset, key, value } of log.records) {
      const found = records.get(offset)
      if (found === undefined || !found.startsWith(`${key} ${value} `)) {
        wrong.push(`files: ${folder} has ${found} at ${offset}, clients see ${key} ${value}`)
        break
      }
    }
  }
  if (new Set(ends).size > 1) {
    wrong.push(`files: ${log.topic}-${log.partition} ends at ${ends.join(', ')}`)
  }
  return wrong
}

const text = (bytes: Uint8Array | null): string =>
  bytes === null ? 'null' : Buffer.from(bytes).toString()

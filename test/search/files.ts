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
    const { batchBytesMax = Infinity } = topics.find(each => each.topic === partition.topic) ?? {}
    problems.push(...(await largeBatches(disk, folder, batchBytesMax)))
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

const BATCH_LENGTH_AT = 8
/** The offset and the length itself, which the length does not count. */
const BATCH_PREFIX_BYTES = 12

/** Batches that are larger than their topic takes. */
async function largeBatches(disk: MemoryDisk, folder: string, most: number): Promise<string[]> {
  const wrong: string[] = []
  if (most === Infinity) return wrong
  for (const { name } of disk.list(folder)) {
    if (!name.endsWith('.log')) continue
    const file = disk.open(`${folder}/${name}`)
    const bytes = await file.read(0, file.size)
    file.close()
    for (let at = 0; at + BATCH_PREFIX_BYTES < bytes.length;) {
      const size = BATCH_PREFIX_BYTES + bytes.readInt32BE(at + BATCH_LENGTH_AT)
      if (size > most) wrong.push(`files: ${folder}/${name} at ${at}: a batch of ${size} bytes`)
      at += size
    }
  }
  return wrong
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

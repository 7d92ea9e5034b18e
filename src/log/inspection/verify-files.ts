/* Checks the small files of a partition's folder. */

import { join, type Disk } from '../../disk/disk.js'
import type { Position } from '../../model/units.js'
import { LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA } from '../format/files.js'
import { isHalfMade, readTopicId } from '../format/partition-metadata.js'
import { snapshotProblem } from '../format/producer-state.js'
import { decodeAborted } from '../format/transaction-index.js'
import { readWhole, whyNotEpochs } from './surroundings.js'

/** A problem and its place. */
export interface Problem {
  readonly file: string
  readonly position: Position
  readonly problem: string
}

/** Producer state. */
export async function checkSnapshot(
  disk: Disk,
  file: string,
  problems: Problem[],
): Promise<void> {
  const wrong = snapshotProblem(await readWhole(disk, file))
  if (wrong !== undefined) problems.push({ file, ...wrong })
}

/** Aborted transactions. */
export async function checkTransactionIndex(
  disk: Disk,
  file: string,
  problems: Problem[],
): Promise<void> {
  const bytes = await readWhole(disk, file)
  decodeAborted(bytes, (position, problem) => problems.push({ file, position, problem }))
}

export async function checkTextFiles(
  disk: Disk,
  folder: string,
  problems: Problem[],
): Promise<void> {
  const epochs = join(folder, LEADER_EPOCH_CHECKPOINT)
  if (disk.exists(epochs)) {
    const problem = whyNotEpochs((await readWhole(disk, epochs)).toString('utf8'))
    if (problem !== undefined) problems.push({ file: epochs, position: 0, problem })
  }
  const metadata = join(folder, PARTITION_METADATA)
  if (!disk.exists(metadata) || (await readTopicId(disk, folder)) !== undefined) return
  if (!(await isHalfMade(disk, folder))) {
    problems.push({ file: metadata, position: 0, problem: 'names no topic id' })
  }
}

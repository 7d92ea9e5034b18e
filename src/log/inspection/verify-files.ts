/* Checks the small files of a partition's folder. */

import { getInt64 } from '../../base/bytes.js'
import { join, type Disk } from '../../disk/disk.js'
import { NONE, type Position } from '../../model/units.js'
import { LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA } from '../format/files.js'
import { isHalfMade, readTopicId } from '../format/partition-metadata.js'
import { snapshotProblem } from '../format/producer-state.js'
import { readWhole, whyNotEpochs } from './surroundings.js'

/** A problem and its place. */
export interface Problem {
  readonly file: string
  readonly position: Position
  readonly problem: string
}

const TRANSACTION_ENTRY_BYTES = 34

/** Producer state. */
export async function checkSnapshot(
  disk: Disk,
  file: string,
  problems: Problem[],
): Promise<void> {
  const wrong = snapshotProblem(await readWhole(disk, file))
  if (wrong !== undefined) problems.push({ file, ...wrong })
}

/** Aborted transactions: int16 version │ four int64. */
export async function checkTransactionIndex(
  disk: Disk,
  file: string,
  problems: Problem[],
): Promise<void> {
  const bytes = await readWhole(disk, file)
  let last = NONE
  for (let at = 0; at < bytes.length; at += TRANSACTION_ENTRY_BYTES) {
    if (at + TRANSACTION_ENTRY_BYTES > bytes.length) {
      problems.push({ file, position: at, problem: 'the file ends inside an entry' })
      return
    }
    const version = bytes.readInt16BE(at)
    const [producerId, firstOffset, lastOffset, stableOffset] = [2, 10, 18, 26].map(field =>
      getInt64(bytes, at + field),
    ) as [number, number, number, number]
    const wrong = (problem: string): void => void problems.push({ file, position: at, problem })
    if (version !== 0) wrong(`version ${version} is not known`)
    if (![producerId, firstOffset, stableOffset].every(isCount)) wrong('a number is impossible')
    if (firstOffset > lastOffset) wrong(`offset ${lastOffset} comes before ${firstOffset}`)
    if (!isCount(lastOffset) || lastOffset <= last) wrong('offsets do not ascend')
    last = lastOffset
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
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

/**
 * What is known about a partition from the small files in its folder and beside it, for those who
 * only look. What cannot be read counts as not known.
 */

import { join, parentOf, type Disk } from '../../disk/disk.js'
import type { Offset } from '../../model/units.js'
import { parseEpochs, parseOffsets, type OffsetCheckpoint } from '../format/checkpoints.js'
import { CLEANER_CHECKPOINT, LEADER_EPOCH_CHECKPOINT } from '../format/files.js'
import { isAscending, LeaderEpochs } from '../format/leader-epochs.js'

const SMALL_FILE_MAX_BYTES = 64 * 1024 * 1024

/** Only compaction takes offsets out of a log, and Kafka notes how far it has come. */
export async function wasCompacted(disk: Disk, folder: string): Promise<boolean> {
  return (await checkpointed(disk, folder, CLEANER_CHECKPOINT)) !== undefined
}

/** What a checkpoint beside the partition's folder says of it. */
export async function checkpointed(
  disk: Disk,
  folder: string,
  checkpoint: string,
): Promise<Offset | undefined> {
  if (folder === '') return undefined
  const name = folder.slice(folder.lastIndexOf('/') + 1)
  return (await checkpointIn(disk, join(parentOf(folder), checkpoint))).get(name)
}

/** Offsets by the names of folders; none when the file is absent or cannot be used. */
export async function checkpointIn(disk: Disk, file: string): Promise<OffsetCheckpoint> {
  try {
    if (!disk.exists(file)) return new Map()
    return parseOffsets((await readWhole(disk, file)).toString('utf8'))
  } catch {
    return new Map() // checkRootFiles says what is wrong with it
  }
}

/** The epochs in the checkpoint, none when they cannot be used. */
export async function epochsOf(disk: Disk, folder: string): Promise<LeaderEpochs> {
  const file = join(folder, LEADER_EPOCH_CHECKPOINT)
  const text = disk.exists(file) ? (await readWhole(disk, file)).toString('utf8') : ''
  return new LeaderEpochs(whyNotEpochs(text) === undefined ? parseEpochs(text) : [])
}

/** Why the text is no checkpoint of leader epochs; undefined when it is one. */
export function whyNotEpochs(text: string): string | undefined {
  try {
    return isAscending(parseEpochs(text)) ? undefined : 'epochs do not ascend'
  } catch (error) {
    return (error as Error).message
  }
}

export async function readWhole(disk: Disk, path: string): Promise<Buffer> {
  const file = disk.open(path)
  try {
    return await file.read(0, Math.min(file.size, SMALL_FILE_MAX_BYTES))
  } finally {
    file.close()
  }
}

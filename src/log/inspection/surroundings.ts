/*
 * Reads the small files in a partition's folder and next to it, for tools that only read. A file
 * that cannot be read counts as missing.
 */

import { join, parentOf, type Disk } from '../../disk/disk.js'
import type { Offset } from '../../model/units.js'
import { parseEpochs, parseOffsets, type OffsetCheckpoint } from '../format/checkpoints.js'
import { CLEANER_CHECKPOINT, LEADER_EPOCH_CHECKPOINT } from '../format/files.js'
import { isAscending, LeaderEpochs } from '../format/leader-epochs.js'

const SMALL_FILE_MAX_BYTES = 64 * 1024 * 1024

/** True if the cleaner checkpoint lists the partition: only compaction leaves gaps in a log. */
export async function wasCompacted(disk: Disk, folder: string): Promise<boolean> {
  return (await checkpointed(disk, folder, CLEANER_CHECKPOINT)) !== undefined
}

/** The offset of the partition in a checkpoint next to its folder. */
export async function checkpointed(
  disk: Disk,
  folder: string,
  checkpoint: string,
): Promise<Offset | undefined> {
  if (folder === '') return undefined
  const name = folder.slice(folder.lastIndexOf('/') + 1)
  return (await checkpointIn(disk, join(parentOf(folder), checkpoint))).get(name)
}

/** Offsets by folder name; none if the file is missing or cannot be used. */
export async function checkpointIn(disk: Disk, file: string): Promise<OffsetCheckpoint> {
  try {
    if (!disk.exists(file)) return new Map()
    return parseOffsets((await readWhole(disk, file)).toString('utf8'))
  } catch {
    return new Map() // checkRootFiles reports the problem
  }
}

/** The epochs in the checkpoint; none if they cannot be used. */
export async function epochsOf(disk: Disk, folder: string): Promise<LeaderEpochs> {
  const file = join(folder, LEADER_EPOCH_CHECKPOINT)
  const text = disk.exists(file) ? (await readWhole(disk, file)).toString('utf8') : ''
  return new LeaderEpochs(whyNotEpochs(text) === undefined ? parseEpochs(text) : [])
}

/** Why the text is not a checkpoint of leader epochs; undefined if it is one. */
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

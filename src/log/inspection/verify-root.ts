/* Checks the files next to the partitions: the checkpoints and meta.properties. */

import { join, parentOf, readSmallFile, type Disk } from '../../disk/disk.js'
import { parseOffsets } from '../format/checkpoints.js'
import {
  CLEANER_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  LOG_START_CHECKPOINT,
  META_PROPERTIES,
  RECOVERY_POINT_CHECKPOINT,
} from '../format/files.js'
import { whyNotMetaFile } from '../format/meta-properties.js'
import type { Problem } from './verify-files.js'

const CHECKPOINTS = [
  RECOVERY_POINT_CHECKPOINT,
  LOG_START_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  CLEANER_CHECKPOINT,
]
const CHECKPOINT_MAX_BYTES = 64 * 1024 * 1024

/** The problems of the files in the folders that hold these partitions. */
export async function checkRootFiles(
  disk: Disk,
  partitionFolders: readonly string[],
): Promise<Problem[]> {
  const roots = new Set(partitionFolders.filter(folder => folder !== '').map(parentOf))
  const problems: Problem[] = []
  for (const root of roots) {
    for (const name of CHECKPOINTS) {
      const file = join(root, name)
      const problem = await whyNotCheckpoint(disk, file)
      if (problem !== undefined) problems.push({ file, position: 0, problem })
    }
    const meta = join(root, META_PROPERTIES)
    const problem = await whyNotMetaFile(disk, meta)
    if (problem !== undefined) problems.push({ file: meta, position: 0, problem })
  }
  return problems
}

async function whyNotCheckpoint(disk: Disk, file: string): Promise<string | undefined> {
  try {
    const bytes = await readSmallFile(disk, file, CHECKPOINT_MAX_BYTES)
    if (bytes !== undefined) parseOffsets(bytes.toString('utf8'))
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

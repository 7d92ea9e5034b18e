/**
 * Folders of logs, read as they are: those of a Kafka broker, those of partlog, or a single
 * partition's. Nothing is written, no lock is taken, no index is needed.
 */

import { PartlogError } from '../../model/errors.js'
import { loadPart } from '../../model/load-part.js'
import type { PartitionDirectory } from './partition-directory.js'

/** What reads logs as they lie on a disk: loaded when the first folder is opened. */
const loadInspection = () => loadPart(() => import('./log-directory.js'))

/** A folder of logs, open for reading. Made by {@link openLogDirectory}. */
export interface LogDirectory {
  /** Sorted by topic and partition. */
  readonly partitions: readonly PartitionDirectory[]
}

/**
 * Opens a folder for reading, beside whoever writes it: the log directory of a Kafka broker, the
 * folder of a partlog cluster, or the folder of one partition.
 *
 *   const { partitions } = await openLogDirectory('/var/lib/kafka/data')
 *   for await (const record of partitions[0].records()) …
 *
 * Rejects with INVALID_ARGUMENT when there are no logs in it.
 */
export async function openLogDirectory(path: string): Promise<LogDirectory> {
  if (typeof path !== 'string' || path === '') {
    throw new PartlogError('INVALID_ARGUMENT', 'openLogDirectory: expected the path of a folder')
  }
  const { diskAround, findPartitions } = await loadInspection()
  const { disk, folder } = diskAround(path)
  return { partitions: await findPartitions(disk, { folder }) }
}

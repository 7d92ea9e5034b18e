/*
 * Reads folders of logs: those of a Kafka broker, of a partlog cluster, or of a single partition.
 * It writes nothing, takes no lock and needs no index.
 */

import { PartlogError } from '../../model/errors.js'
import { loadPart } from '../../model/load-part.js'
import type { PartitionDirectory } from './partition-directory.js'

/** Loads the code that reads logs on a disk, when the first folder is opened. */
const loadInspection = () => loadPart(() => import('./log-directory.js'))

/** A folder of logs, open for reading. Made by {@link openLogDirectory}. */
export interface LogDirectory {
  /** Sorted by topic and partition. */
  readonly partitions: readonly PartitionDirectory[]
}

/**
 * Opens a folder for reading, also while its owner writes it: the log directory of a Kafka broker,
 * the folder of a partlog cluster, or the folder of one partition.
 *
 *   const { partitions } = await openLogDirectory('/var/lib/kafka/data')
 *   for await (const record of partitions[0].records()) …
 *
 * Rejects with INVALID_ARGUMENT if the folder holds no logs.
 */
export async function openLogDirectory(path: string): Promise<LogDirectory> {
  if (typeof path !== 'string' || path === '') {
    throw new PartlogError('INVALID_ARGUMENT', 'openLogDirectory: expected the path of a folder')
  }
  const { diskAround, findPartitions } = await loadInspection()
  const { disk, folder } = diskAround(path)
  return { partitions: await findPartitions(disk, { folder }) }
}

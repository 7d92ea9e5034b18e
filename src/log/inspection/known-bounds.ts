/*
 * The bounds of a log according to the small files in and around a partition's folder, for tools
 * that only read: where it starts, how far it once reached, whether offsets may be missing. They
 * are read before the log, so that the log of a running writer is ahead of them, never behind.
 *
 * Where the log starts: deleting segments truncates the epoch file at its start, and a minute later
 * log-start-offset-checkpoint has the start inside a segment. The higher of the two counts, unless
 * `.deleted` files show that segments have just been deleted.
 */

import { isDiskError, join, parentOf, type Disk, type DiskEntry } from '../../disk/disk.js'
import type { Offset } from '../../model/units.js'
import {
  CLEAN_SHUTDOWN,
  deletedFile,
  HIGH_WATERMARK_CHECKPOINT,
  LOG_START_CHECKPOINT,
  parseSegmentFile,
  RECOVERY_POINT_CHECKPOINT,
} from '../format/files.js'
import { checkpointed, epochsOf, wasCompacted } from './surroundings.js'

const DELETED_LOG = deletedFile('.log')

export interface KnownBounds {
  /** The log start offset in its checkpoint: readers see no record below it. */
  readonly visibleFrom: Offset
  /** From here on every offset must exist; undefined if no file names it. */
  readonly start: Offset | undefined
  /** Everything below once existed; 0 if no file names it. */
  readonly end: Offset
  /** How `end` is known: 'synced' or 'read by consumers'. */
  readonly endWord: string
  /** The cleaner checkpoint lists the partition. */
  readonly isCompacted: boolean
  /** The log's last writer closed it cleanly: there is no torn tail. */
  readonly wasClosedCleanly: boolean
}

export async function knownBounds(disk: Disk, folder: string): Promise<KnownBounds> {
  const offsetIn = (checkpoint: string): Promise<Offset | undefined> =>
    checkpointed(disk, folder, checkpoint)
  const logStart = await offsetIn(LOG_START_CHECKPOINT)
  const synced = (await offsetIn(RECOVERY_POINT_CHECKPOINT)) ?? 0
  const readable = (await offsetIn(HIGH_WATERMARK_CHECKPOINT)) ?? 0
  const firstEpoch = (await epochsOf(disk, folder)).entries[0]
  const starts = [firstEpoch?.startOffset, logStart].filter(each => each !== undefined)
  const isKnown = starts.length > 0 && !hasDeletedSegments(disk, folder)
  return {
    visibleFrom: logStart ?? 0,
    start: isKnown ? Math.max(...starts) : undefined,
    end: Math.max(synced, readable),
    endWord: readable > synced ? 'read by consumers' : 'synced',
    isCompacted: await wasCompacted(disk, folder),
    wasClosedCleanly: folder !== '' && disk.exists(join(parentOf(folder), CLEAN_SHUTDOWN)),
  }
}

function hasDeletedSegments(disk: Disk, folder: string): boolean {
  return entriesOf(disk, folder).some(({ name }) => name.endsWith(DELETED_LOG))
}

/** No entries if the folder cannot be read: code that needs its files reports that. */
function entriesOf(disk: Disk, folder: string): readonly DiskEntry[] {
  try {
    return disk.list(folder)
  } catch (error) {
    if (isDiskError(error)) return []
    throw error
  }
}

/** The base offsets of a folder's segments, ascending. Throws DiskError if it cannot be read. */
export function segmentsOf(disk: Disk, folder: string): Offset[] {
  return disk
    .list(folder)
    .flatMap(({ kind, name }) => {
      const parsed = kind === 'file' ? parseSegmentFile(name) : undefined
      return parsed?.kind === 'log' ? [parsed.baseOffset] : []
    })
    .sort((a, b) => a - b)
}

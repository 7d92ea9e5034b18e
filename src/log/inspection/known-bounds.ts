/**
 * What the small files in and around a partition's folder know of its log, for those who only look:
 * where it begins, how far it once went, whether offsets may be missing. They are read before the
 * log itself, so that a writer at work is ahead of them, never behind.
 *
 * Where the log begins: the epoch file is cut at the front when segments are deleted, and
 * log-start-offset-checkpoint, a minute later, says what is deleted without a whole segment. The
 * later of the two counts, unless files on their way out (`.deleted`) show that segments have just
 * been deleted.
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
  /** The first offset readers may see is not below this one. */
  readonly visibleFrom: Offset
  /** From here on every offset was there; undefined when no file says so. */
  readonly start: Offset | undefined
  /** Below it everything was there once; 0 when no file says so. */
  readonly end: Offset
  /** How it is known: 'synced' or 'read by consumers'. */
  readonly endWord: string
  /** Compaction has noted that it was here. */
  readonly isCompacted: boolean
  /** Whoever wrote the log has ended in order: there is no torn tail. */
  readonly wasClosedCleanly: boolean
}

export async function knownBounds(disk: Disk, folder: string): Promise<KnownBounds> {
  const about = (checkpoint: string): Promise<Offset | undefined> =>
    checkpointed(disk, folder, checkpoint)
  const logStart = await about(LOG_START_CHECKPOINT)
  const synced = (await about(RECOVERY_POINT_CHECKPOINT)) ?? 0
  const readable = (await about(HIGH_WATERMARK_CHECKPOINT)) ?? 0
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

/** None of a folder that cannot be looked into: those who need its files will say so. */
function entriesOf(disk: Disk, folder: string): readonly DiskEntry[] {
  try {
    return disk.list(folder)
  } catch (error) {
    if (isDiskError(error)) return []
    throw error
  }
}

/** The base offsets of a folder's segments, ascending. Throws DiskError for what cannot be seen. */
export function segmentsOf(disk: Disk, folder: string): Offset[] {
  return disk
    .list(folder)
    .flatMap(({ kind, name }) => {
      const parsed = kind === 'file' ? parseSegmentFile(name) : undefined
      return parsed?.kind === 'log' ? [parsed.baseOffset] : []
    })
    .sort((a, b) => a - b)
}

/*
 * What a failed sync leaves. The system takes the pages for written, although they are not: no
 * later sync writes them, and readers see them until the power goes out. So a log that is opened
 * again after a failed sync must write them once more before it believes its own sync.
 *
 * A log whose sync has failed leaves a marker in its folder (log-state.ts). The marker is not
 * synced: it lives as long as the pages that it is about. The next opening copies each segment that
 * may hold such bytes, from the one with the recovery point on; the copies take their places.
 */

import { join, type Disk, type DiskEntry } from '../../disk/disk.js'
import type { Offset } from '../../model/units.js'
import { copyOfFile, parseSegmentFile, SYNC_FAILED } from '../format/files.js'

const CHUNK_BYTES = 1024 * 1024

/** True if files were replaced. Throws DiskError, and changes no record, if a sync fails again. */
export async function rewriteAfterFailedSync(
  { disk, folder }: { readonly disk: Disk; readonly folder: string },
  entries: readonly DiskEntry[],
  recoveryPoint: Offset,
): Promise<boolean> {
  if (!entries.some(({ name }) => name === SYNC_FAILED)) return false
  for (const name of unsyncedLogs(entries, recoveryPoint)) await rewrite(disk, folder, name)
  await disk.syncDirectory(folder)
  await disk.remove(join(folder, SYNC_FAILED))
  return true
}

/** The segments' files that may hold bytes above the recovery point. */
function unsyncedLogs(entries: readonly DiskEntry[], recoveryPoint: Offset): string[] {
  const logs = entries.flatMap(({ name }) => {
    const parsed = parseSegmentFile(name)
    return parsed?.kind === 'log' ? [{ name, baseOffset: parsed.baseOffset }] : []
  })
  logs.sort((a, b) => a.baseOffset - b.baseOffset)
  const first = logs.findLastIndex(({ baseOffset }) => baseOffset <= recoveryPoint)
  return logs.slice(Math.max(first, 0)).map(({ name }) => name)
}

async function rewrite(disk: Disk, folder: string, name: string): Promise<void> {
  const path = join(folder, name)
  const copyPath = join(folder, copyOfFile(name))
  await disk.remove(copyPath)
  const source = disk.open(path)
  const copy = disk.create(copyPath)
  try {
    for (let at = 0; at < source.size; at += CHUNK_BYTES) {
      copy.append(await source.read(at, CHUNK_BYTES))
    }
    await copy.sync()
  } finally {
    source.close()
    copy.close()
  }
  disk.rename(copyPath, path)
}

/**
 * Nothing that is cut off a log is thrown away: it is copied into a file beside it first, synced
 * with its name. Nobody but people reads these files, and nobody but people removes them.
 *
 *   00000000000000000042.log.1234.kept      what stood from position 1234 on
 *   00000000000000000042.log.1234.2.kept    cut off there another time, with other bytes
 */

import type { Disk, DiskFile } from '../../disk/disk.js'
import type { Position } from '../../model/units.js'
import { keptFile } from './files.js'

const COPY_BYTES = 1024 * 1024

/**
 * Copies a file from a position on, and returns where to; undefined when there is nothing. The
 * copy is synced, its name is not. One that is there already with these bytes is used again: a
 * recovery that a crash has ended begins anew.
 */
export async function keepAside(
  disk: Disk,
  file: DiskFile,
  from: Position,
): Promise<string | undefined> {
  if (file.size <= from) return undefined
  for (let nth = 1; ; nth++) {
    const path = keptFile(file.path, from, nth)
    if (disk.exists(path)) {
      if (await isCopy(disk, path, { file, from })) return path
      continue
    }
    await copy(disk, path, { file, from })
    return path
  }
}

interface Tail {
  readonly file: DiskFile
  readonly from: Position
}

async function copy(disk: Disk, path: string, { file, from }: Tail): Promise<void> {
  const target = disk.create(path)
  try {
    for (let at = from; at < file.size; at += COPY_BYTES) {
      target.append(await file.read(at, COPY_BYTES))
    }
    await target.sync()
  } catch (error) {
    await disk.remove(path).catch(() => undefined) // half a copy would pass for one
    throw error
  } finally {
    target.close()
  }
}

async function isCopy(disk: Disk, path: string, { file, from }: Tail): Promise<boolean> {
  const kept = disk.open(path)
  try {
    if (kept.size !== file.size - from) return false
    for (let at = 0; at < kept.size; at += COPY_BYTES) {
      const bytes = await kept.read(at, COPY_BYTES)
      if (!bytes.equals(await file.read(from + at, COPY_BYTES))) return false
    }
    await kept.sync() // who wrote it may not have come so far
    return true
  } finally {
    kept.close()
  }
}

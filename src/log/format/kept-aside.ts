/*
 * Bytes that are cut off a log are first copied into a file next to it, and file and name are
 * synced. No program reads or removes these files; people do.
 *
 *   00000000000000000042.log.1234.kept      the bytes from position 1234 on
 *   00000000000000000042.log.1234.2.kept    other bytes, cut off at the same position later
 */

import type { Disk, DiskFile } from '../../disk/disk.js'
import type { Position } from '../../model/units.js'
import { keptFile } from './files.js'

const COPY_BYTES = 1024 * 1024

/**
 * Copies a file from a position on and returns the path of the copy; undefined if there is nothing
 * to copy. The copy is synced, its name is not. An existing copy with the same bytes is used again:
 * a recovery that a crash has interrupted starts over.
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
    await disk.remove(path).catch(() => undefined) // half a copy would pass for a whole one
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
    await kept.sync() // a crash may have interrupted its writer before the sync
    return true
  } finally {
    kept.close()
  }
}

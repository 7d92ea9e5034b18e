/** Copies a folder and syncs it, so that opening the copy does not wait for the disk. */

import { closeSync, cpSync, fsyncSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

export function copyDurably(from, to) {
  cpSync(from, to, { recursive: true })
  for (const entry of readdirSync(to, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() || entry.isDirectory()) sync(join(entry.parentPath, entry.name))
  }
}

function sync(path) {
  const fd = openSync(path, 'r')
  fsyncSync(fd)
  closeSync(fd)
}

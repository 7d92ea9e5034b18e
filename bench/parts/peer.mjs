/** What the measurements of peers share. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { bytesAt, textAt } from './records.mjs'

/** Lines of JSON hold text; all others hold bytes. */
export function valuesFor(peer) {
  return peer === 'JSONL' ? textAt : bytesAt
}

/** Bytes of all files in a folder. */
export function bytesIn(dir) {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
  return files
    .filter(entry => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}

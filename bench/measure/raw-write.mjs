/** The limit: blocks of ready bytes into a file, with or without a sync behind each. */

import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { readyPages } from '../parts/page-cache.mjs'

const BLOCK_BYTES = 128 * 1024

export function measure({ dir, bytes, sync }) {
  const block = Buffer.alloc(BLOCK_BYTES, 'partlog ')
  readyPages(dir, bytes)
  const fd = openSync(join(dir, 'raw'), 'w')
  const blocks = Math.ceil(bytes / BLOCK_BYTES)
  const startedAt = performance.now()
  for (let written = 0; written < blocks; written++) {
    writeSync(fd, block)
    if (sync) fdatasyncSync(fd)
  }
  const ms = performance.now() - startedAt
  closeSync(fd)
  return { count: blocks, ms, bytes: blocks * BLOCK_BYTES }
}

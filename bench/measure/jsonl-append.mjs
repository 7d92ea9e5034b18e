/** JSON lines: the same batches, one line per record, one write per batch. */

import { closeSync, fdatasyncSync, fsyncSync, openSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { readyPages } from '../parts/page-cache.mjs'
import { RECORD_BYTES_MAX, recordsFrom } from '../parts/records.mjs'

const BATCH_RECORDS = 1_000

/** `sync`: 'never', 'end' (once, behind the last batch) or 'batch' (behind each). */
export function measure({ dir, count, warmUp, sync }) {
  write(join(dir, 'warm-up.jsonl'), warmUp, sync)
  const file = join(dir, 'records.jsonl')
  readyPages(dir, count * RECORD_BYTES_MAX)
  const startedAt = performance.now()
  write(file, count, sync)
  return { count, ms: performance.now() - startedAt, bytes: statSync(file).size }
}

function write(file, count, sync) {
  const fd = openSync(file, 'w')
  for (let next = 0; next < count; next += BATCH_RECORDS) {
    const records = recordsFrom(next, Math.min(BATCH_RECORDS, count - next))
    writeSync(fd, linesOf(records))
    if (sync === 'batch') fdatasyncSync(fd)
  }
  if (sync === 'end') fsyncSync(fd)
  closeSync(fd)
}

function linesOf(records) {
  let lines = ''
  for (const record of records) lines += `${JSON.stringify(record)}\n`
  return lines
}

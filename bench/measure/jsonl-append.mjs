/**
 * JSON lines: the same batches, one line per record. By a stream, line by line, as most programs do
 * it (`createWriteStream`); or bare: one write per batch by hand, with or without syncs.
 */

import { once } from 'node:events'
import {
  closeSync,
  createWriteStream,
  fdatasyncSync,
  fsyncSync,
  openSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { readyPages } from '../parts/page-cache.mjs'
import { RECORD_BYTES_MAX, recordsFrom } from '../parts/records.mjs'

const BATCH_RECORDS = 1_000

/** `sync`: 'never', 'end' (once, behind the last batch) or 'batch' (behind each); none by a stream. */
export async function measure({ dir, count, warmUp, sync }) {
  const write = sync === undefined ? writeByStream : (file, n) => writeBare(file, n, sync)
  await write(join(dir, 'warm-up.jsonl'), warmUp)
  const file = join(dir, 'records.jsonl')
  readyPages(dir, count * RECORD_BYTES_MAX)
  const startedAt = performance.now()
  await write(file, count)
  return { count, ms: performance.now() - startedAt, bytes: statSync(file).size }
}

async function writeByStream(file, count) {
  const stream = createWriteStream(file)
  for (let next = 0; next < count; next += BATCH_RECORDS) {
    const records = recordsFrom(next, Math.min(BATCH_RECORDS, count - next))
    let hasRoom = true
    for (const record of records) hasRoom = stream.write(lineOf(record))
    if (!hasRoom) await once(stream, 'drain')
  }
  stream.end()
  await once(stream, 'close')
}

function writeBare(file, count, sync) {
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
  for (const record of records) lines += lineOf(record)
  return lines
}

function lineOf(record) {
  return `${JSON.stringify(record)}\n`
}

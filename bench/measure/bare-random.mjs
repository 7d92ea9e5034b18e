/**
 * The least a random read takes: one look-up in an index of batches, one read of the batch, its
 * record found by walking over the ones before. On partlog's own file, without any check.
 */

import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { seeded } from '../parts/records.mjs'
import { percentile } from '../parts/stats.mjs'
import { TOPIC } from '../parts/topic.mjs'

/** Kafka's record batch, version 2. */
const LENGTH_AT = 8
const LOG_OVERHEAD = 12
const COUNT_AT = 57
const HEADER_BYTES = 61

export function measure({ dir, count, reads }) {
  const folder = join(dir, 'broker-1', `${TOPIC}-0`)
  const batches = readdirSync(folder)
    .filter(name => name.endsWith('.log'))
    .sort()
    .flatMap(name => batchesIn(openSync(join(folder, name), 'r')))
  const buffer = Buffer.alloc(Math.max(...batches.map(({ bytes }) => bytes)))
  const below = seeded(7)
  const times = []
  let found = 0
  for (let read = 0; read < reads; read++) {
    const offset = below(count)
    const startedAt = performance.now()
    const batch = batches[lastAtMost(batches, offset)]
    readSync(batch.fd, buffer, 0, batch.bytes, batch.position)
    found += recordIn(buffer, offset - batch.offset)
    times.push((performance.now() - startedAt) * 1_000)
  }
  if (found === 0) throw new Error('nothing was found')
  new Set(batches.map(({ fd }) => fd)).forEach(fd => closeSync(fd))
  return { us: percentile(times, 0.5), p99: percentile(times, 0.99) }
}

function batchesIn(fd) {
  const header = Buffer.alloc(HEADER_BYTES)
  const batches = []
  for (let position = 0; readSync(fd, header, 0, HEADER_BYTES, position) === HEADER_BYTES; ) {
    const bytes = header.readInt32BE(LENGTH_AT) + LOG_OVERHEAD
    if (header.readInt32BE(COUNT_AT) === 0) break
    batches.push({ fd, position, bytes, offset: Number(header.readBigInt64BE(0)) })
    position += bytes
  }
  return batches
}

function lastAtMost(batches, offset) {
  let [low, high] = [0, batches.length]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (batches[middle].offset <= offset) low = middle
    else high = middle
  }
  return low
}

/** The length of the n-th record: each begins with its own, as a zigzag varint. */
function recordIn(buffer, n) {
  let at = HEADER_BYTES
  for (let index = 0; ; index++) {
    let [length, shift] = [0, 0]
    for (let byte = 128; byte & 128; shift += 7) {
      byte = buffer[at++]
      length |= (byte & 127) << shift
    }
    if (index === n) return length >>> 1
    at += length >>> 1
  }
}

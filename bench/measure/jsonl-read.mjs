/** JSON lines: read in chunks, cut at the line ends, each line parsed. */

import { closeSync, openSync, readSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { Reading } from '../parts/records.mjs'

const CHUNK_BYTES = 1 << 20

export function measure({ file, count }) {
  const reading = new Reading()
  const startedAt = performance.now()
  eachLine(file, line => {
    const { key, value } = JSON.parse(line)
    reading.take(key, value)
  })
  const ms = performance.now() - startedAt
  reading.finish(count)
  return { count, ms }
}

function eachLine(file, take) {
  const fd = openSync(file, 'r')
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for (let size; (size = readSync(fd, chunk)) > 0;) {
    const lines = (rest + decoder.write(chunk.subarray(0, size))).split('\n')
    rest = lines.pop()
    for (const line of lines) take(line)
  }
  closeSync(fd)
}

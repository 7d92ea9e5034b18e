/**
 * JSON lines: each line parsed. By streams as most programs do it (`createReadStream`, `readline`),
 * or bare: read in chunks by hand and cut at the line ends.
 */

import { once } from 'node:events'
import { closeSync, createReadStream, openSync, readSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { StringDecoder } from 'node:string_decoder'
import { Reading } from '../parts/records.mjs'

const CHUNK_BYTES = 1 << 20

export async function measure({ file, count, isBare }) {
  const reading = new Reading()
  const take = line => reading.take(JSON.parse(line).value)
  const startedAt = performance.now()
  if (isBare) eachLineBare(file, take)
  else await eachLine(file, take)
  const ms = performance.now() - startedAt
  reading.finish(count)
  return { count, ms }
}

async function eachLine(file, take) {
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity })
  lines.on('line', take)
  await once(lines, 'close')
}

function eachLineBare(file, take) {
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

/** A file of JSON lines, as most programs write and read it; many writers share a sync. */

import { once } from 'node:events'
import { createReadStream, createWriteStream, fdatasync, openSync, closeSync, write } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const writeAsync = promisify(write)
const syncAsync = promisify(fdatasync)

export function open(dir, isSynced) {
  const file = join(dir, 'records.jsonl')
  let stream
  let fd
  let waiting = []
  let isWriting = false

  /** Writes what waits as one piece, until nothing waits. */
  async function drain() {
    isWriting = true
    fd ??= openSync(file, 'a')
    while (waiting.length > 0) {
      const shared = waiting
      waiting = []
      await writeAsync(fd, shared.map(({ line }) => line).join(''))
      if (isSynced) await syncAsync(fd)
      for (const { resolve } of shared) resolve()
    }
    isWriting = false
  }

  return {
    async putMany(_, values) {
      stream ??= createWriteStream(file)
      let hasRoom = true
      for (const value of values) hasRoom = stream.write(lineOf(value))
      if (!hasRoom) await once(stream, 'drain')
    },
    async finish() {
      stream?.end()
      if (stream !== undefined) await once(stream, 'close')
    },
    put(_, value) {
      return new Promise(resolve => {
        waiting.push({ line: lineOf(value), resolve })
        if (!isWriting) void drain()
      })
    },
    async read(take) {
      const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity })
      lines.on('line', line => take(JSON.parse(line).value))
      await once(lines, 'close')
    },
    close() {
      if (fd !== undefined) closeSync(fd)
    },
  }
}

/** Values are text: bytes would have to be written as base64, which is unusual for a log. */
function lineOf(value) {
  return `${JSON.stringify({ value })}\n`
}

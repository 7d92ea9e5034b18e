/** JSON lines: one record per write. With `senders`, they share a sync, as partlog's do. */

import { closeSync, fdatasync, openSync, write, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readyPages } from '../parts/page-cache.mjs'
import { RECORD_BYTES_MAX, recordAt } from '../parts/records.mjs'

const writeAsync = promisify(write)
const syncAsync = promisify(fdatasync)

export async function measure({ dir, count, warmUp, senders }) {
  const run = senders === undefined ? writeEach : (file, n) => writeShared(file, n, senders)
  await run(join(dir, 'warm-up.jsonl'), warmUp)
  readyPages(dir, count * RECORD_BYTES_MAX)
  const startedAt = performance.now()
  await run(join(dir, 'records.jsonl'), count)
  return { count, ms: performance.now() - startedAt }
}

function writeEach(file, count) {
  const fd = openSync(file, 'w')
  for (let next = 0; next < count; next++) writeSync(fd, lineOf(next))
  closeSync(fd)
}

async function writeShared(file, count, senders) {
  const fd = openSync(file, 'w')
  const shared = new SharedSync(fd)
  let next = 0
  const sender = async () => {
    while (next < count) await shared.append(lineOf(next++))
  }
  await Promise.all(Array.from({ length: senders }, sender))
  closeSync(fd)
}

function lineOf(index) {
  return `${JSON.stringify(recordAt(index))}\n`
}

/** Whatever waits when a sync ends goes out together with the next one. */
class SharedSync {
  #fd
  #lines = ''
  #waiting = []
  #isBusy = false

  constructor(fd) {
    this.#fd = fd
  }

  append(line) {
    this.#lines += line
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      if (!this.#isBusy) void this.#writeAll()
    })
  }

  async #writeAll() {
    this.#isBusy = true
    // The senders of this turn come along.
    await undefined
    while (this.#waiting.length > 0) {
      const [lines, waiting] = [this.#lines, this.#waiting]
      this.#lines = ''
      this.#waiting = []
      try {
        await writeAsync(this.#fd, lines)
        await syncAsync(this.#fd)
        for (const { resolve } of waiting) resolve()
      } catch (error) {
        for (const { reject } of waiting) reject(error)
      }
      await undefined
    }
    this.#isBusy = false
  }
}

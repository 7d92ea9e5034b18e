/**
 * async-append-only-log: blocks of records. It answers before it writes, and syncs every block of
 * 64 KiB: its appends are of another class than all others, and only its reads are compared.
 */

import createLog from 'async-append-only-log'
import { join } from 'node:path'
import { promisify } from 'node:util'

export function open(dir, isSynced) {
  if (isSynced) throw new Error('async-append-only-log does not sync')
  const log = createLog(join(dir, 'append-only-log'), { blockSize: 64 * 1024 })
  const append = promisify(log.append)
  const drained = () => new Promise(resolve => log.onDrain(resolve))
  const scan = options =>
    new Promise((resolve, reject) => {
      const { each, ...wanted } = options
      const end = error => (error && error !== true ? reject(error) : resolve())
      log.stream(wanted).pipe({ paused: false, write: each, end })
    })
  return {
    putMany: (_, values) => append(values),
    finish: drained,
    read: take => scan({ offsets: false, each: take }),
    async places() {
      const places = []
      await scan({ values: false, each: place => places.push(place) })
      return places
    },
    get: promisify(log.get),
    close: () => promisify(log.close)(),
  }
}

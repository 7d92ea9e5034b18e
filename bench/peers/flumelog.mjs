/** flumelog-offset: a log of framed records in aligned blocks; it never syncs. */

import createLog from 'flumelog-offset'
import { join } from 'node:path'
import { promisify } from 'node:util'

export function open(dir, isSynced) {
  if (isSynced) throw new Error('flumelog-offset does not sync')
  const log = createLog(join(dir, 'flumelog'), { blockSize: 64 * 1024 })
  const append = promisify(log.append)
  return {
    putMany: (_, values) => append(values),
    put: (_, value) => append(value),
    read: take => drained(log.stream({ seqs: false }), take),
    async places() {
      const places = []
      await drained(log.stream({ values: false }), place => places.push(place))
      return places
    },
    get: promisify(log.get),
    close() {}, // it has no such call
  }
}

/** Hands all that a pull-stream gives to `take`. It may call back at once: a loop, no recursion. */
function drained(source, take) {
  return new Promise((resolve, reject) => {
    let isOver = false
    const pull = () => {
      for (let isAtOnce = true; isAtOnce && !isOver; ) {
        isAtOnce = false
        let isCalling = true
        source(null, (end, item) => {
          if (end) {
            isOver = true
            return end === true ? resolve() : reject(end)
          }
          take(item)
          if (isCalling) isAtOnce = true
          else pull()
        })
        isCalling = false
      }
    }
    pull()
  })
}

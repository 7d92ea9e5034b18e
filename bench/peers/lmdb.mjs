/** lmdb: a memory-mapped B+ tree; a batch is one transaction. */

import { open as openLmdb } from 'lmdb'
import { join } from 'node:path'

export function open(dir, isSynced) {
  const db = openLmdb({
    path: join(dir, 'lmdb'),
    encoding: 'binary',
    keyEncoding: 'uint32',
    noSync: !isSynced,
    mapSize: 4 * 2 ** 30,
  })
  const putSynced = async (index, value) => {
    const committed = db.put(index, value)
    await committed
    await committed.flushed
  }
  return {
    putMany(start, values) {
      let committed
      for (let n = 0; n < values.length; n++) committed = db.put(start + n, values[n])
      return committed // the puts of one turn share a transaction
    },
    put: isSynced ? putSynced : (index, value) => db.putSync(index, value),
    read(take) {
      for (const { value } of db.getRange({})) take(value)
    },
    places: count => Array.from({ length: count }, (_, index) => index),
    get: index => db.get(index),
    close: () => db.close(),
  }
}

/** classic-level: LevelDB, a log-structured merge tree. */

import { ClassicLevel } from 'classic-level'
import { join } from 'node:path'

const KEY_BYTES = 4
/** Records that its iterator brings at once. */
const READ_AT_ONCE = 1_000

export async function open(dir, isSynced) {
  // Without compression it writes the bytes that the others write.
  const options = { keyEncoding: 'buffer', valueEncoding: 'buffer', compression: false }
  const db = new ClassicLevel(join(dir, 'level'), options)
  await db.open()
  const durability = { sync: isSynced }
  return {
    putMany(start, values) {
      const batch = values.map((value, n) => ({ type: 'put', key: keyOf(start + n), value }))
      return db.batch(batch, durability)
    },
    put: (index, value) => db.put(keyOf(index), value, durability),
    async read(take) {
      const values = db.values()
      for (let all; (all = await values.nextv(READ_AT_ONCE)).length > 0; ) all.forEach(take)
      await values.close()
    },
    places: count => Array.from({ length: count }, (_, index) => keyOf(index)),
    get: key => db.get(key),
    close: () => db.close(),
  }
}

function keyOf(index) {
  const key = Buffer.allocUnsafe(KEY_BYTES)
  key.writeUInt32BE(index)
  return key
}

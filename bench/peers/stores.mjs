/**
 * The peers: each file opens a store with the same few verbs, and is loaded when it is measured.
 *
 *   putMany(start, values)   appends a batch; resolves when it is as durable as was asked for
 *   put(index, value)        appends one record, likewise; many may be in flight
 *   read(take, count)        all records in order, each to `take(bytes)`
 *   get(place)               one record; `places(count)` gives the place of each index
 *   close()
 *
 * A verb that a peer does not have, or would answer before it has written, is left out.
 */

const STORES = {
  lmdb: () => import('./lmdb.mjs'),
  'better-sqlite3': () => import('./sqlite.mjs'),
  'flumelog-offset': () => import('./flumelog.mjs'),
  'async-append-only-log': () => import('./append-only-log.mjs'),
  'classic-level': () => import('./level.mjs'),
  JSONL: () => import('./jsonl.mjs'),
}

/** Opens the store of a peer in a folder; `isSynced`: what is acknowledged is on the disk. */
export async function openStore(name, dir, { isSynced = false } = {}) {
  const { open } = await STORES[name]()
  return await open(dir, isSynced)
}

/** Why a peer cannot be measured; undefined if it can. */
export async function missingPeer(name) {
  try {
    await STORES[name]()
    return undefined
  } catch (error) {
    const isAbsent = error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND'
    return isAbsent ? `not installed: npm run bench:peers` : error.message.split('\n')[0]
  }
}

/** A peer: one record at a time, by `senders` that each wait for their answer. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '../peers/stores.mjs'
import { readyPages } from '../parts/page-cache.mjs'
import { valuesFor } from '../parts/peer.mjs'
import { RECORD_BYTES_MAX } from '../parts/records.mjs'

export async function measure({ peer, dir, count, warmUp, senders = 1, isSynced = false }) {
  const stores = []
  for (const name of ['warm-up', 'own']) {
    mkdirSync(join(dir, name))
    stores.push(await openStore(peer, join(dir, name), { isSynced }))
  }
  const [warm, own] = stores
  await send(warm, valuesFor(peer), { count: warmUp, senders })
  readyPages(dir, count * RECORD_BYTES_MAX)
  const startedAt = performance.now()
  await send(own, valuesFor(peer), { count, senders })
  const ms = performance.now() - startedAt
  for (const store of stores) await store.close()
  return { count, ms }
}

async function send(store, valueAt, { count, senders }) {
  let next = 0
  const sender = async () => {
    while (next < count) {
      const index = next++
      await store.put(index, valueAt(index))
    }
  }
  await Promise.all(Array.from({ length: senders }, sender))
}

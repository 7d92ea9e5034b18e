/** A peer: all its records in order, each touched. */

import { openStore } from '../peers/stores.mjs'
import { Reading } from '../parts/records.mjs'

export async function measure({ peer, dir, count }) {
  const store = await openStore(peer, dir)
  const reading = new Reading()
  const take =
    peer === 'JSONL' ? value => reading.takeText(value) : value => reading.takeBytes(value)
  const startedAt = performance.now()
  await store.read(take)
  const ms = performance.now() - startedAt
  await store.close()
  reading.finish(count)
  return { count, ms }
}

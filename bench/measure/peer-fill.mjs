/** A peer: a store for others to read. */

import { openStore } from '../peers/stores.mjs'
import { valuesFor } from '../parts/peer.mjs'
import { listOf } from '../parts/records.mjs'

const BATCH_RECORDS = 1_000

/** Opening and closing are part of it: some peers write the rest then. */
export async function measure({ peer, dir, count }) {
  const store = await openStore(peer, dir)
  const valueAt = valuesFor(peer)
  for (let start = 0; start < count; start += BATCH_RECORDS) {
    await store.putMany(start, listOf(start, Math.min(BATCH_RECORDS, count - start), valueAt))
  }
  await store.finish?.()
  await store.close()
  return { count }
}

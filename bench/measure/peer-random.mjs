/** A peer: one record from a random place. */

import { openStore } from '../peers/stores.mjs'
import { bytesAt, seeded } from '../parts/records.mjs'
import { percentile } from '../parts/stats.mjs'

export async function measure({ peer, dir, count, reads }) {
  const store = await openStore(peer, dir)
  const places = await store.places(count)
  const below = seeded(7)
  const times = []
  for (let read = 0; read < reads; read++) {
    const index = below(count)
    const startedAt = performance.now()
    const value = await store.get(places[index])
    times.push((performance.now() - startedAt) * 1_000)
    if (!bytesAt(index).equals(value)) throw new Error(`record ${index} is another one`)
  }
  await store.close()
  return { us: percentile(times, 0.5), p99: percentile(times, 0.99) }
}

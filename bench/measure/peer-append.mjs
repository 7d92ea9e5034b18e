/** A peer: the same batches, values as it takes them. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { bytesIn } from '../parts/peer.mjs'
import { readyPages } from '../parts/page-cache.mjs'
import { RECORD_BYTES_MAX } from '../parts/records.mjs'
import { measure as fill } from './peer-fill.mjs'

export async function measure({ peer, dir, count, warmUp }) {
  const [warm, own] = ['warm-up', 'own'].map(name => join(dir, name))
  for (const folder of [warm, own]) mkdirSync(folder)
  await fill({ peer, dir: warm, count: warmUp })
  readyPages(dir, count * RECORD_BYTES_MAX)
  const startedAt = performance.now()
  await fill({ peer, dir: own, count })
  return { count, ms: performance.now() - startedAt, bytes: bytesIn(own) }
}

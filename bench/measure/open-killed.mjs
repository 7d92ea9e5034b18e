/** partlog: opening a folder whose process was killed; a copy, as opening repairs. */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Cluster } from '../../dist/index.js'
import { loadParts, storedBytes } from '../parts/cluster.mjs'
import { copyDurably } from '../parts/copy.mjs'
import { forgetLoop } from '../parts/loop.mjs'

export async function measure({ dir, killed }) {
  const copy = join(dir, 'killed')
  copyDurably(killed, copy)
  await loadParts()
  forgetLoop()
  const startedAt = performance.now()
  const cluster = await Cluster.open({ dir: copy })
  const ms = performance.now() - startedAt
  if (cluster.recovery.wasClosedCleanly) throw new Error('it was closed, not killed')
  await cluster.close()
  const bytes = storedBytes(copy) // without the zeros that a busy segment ends in
  rmSync(copy, { recursive: true })
  return { ms, bytes, count: bytes }
}

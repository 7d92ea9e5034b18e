/** The limit: `limit.c`, compiled by the run. */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { readyPages } from '../parts/page-cache.mjs'
import { TOPIC } from '../parts/topic.mjs'

/** The first segment of the stored topic. */
const SEGMENT = join('broker-1', `${TOPIC}-0`, `${'0'.repeat(20)}.log`)

export function measure({ dir, program, what, bytes = 0, count = 0, perSync }) {
  if (what === 'read') return run(program, [what, join(dir, SEGMENT)])
  const file = join(dir, 'limit')
  if (what === 'sync') return { ...run(program, [what, file, `${count}`]), count: count * perSync }
  readyPages(dir, bytes)
  return run(program, [what, file, `${bytes}`])
}

function run(program, words) {
  const { bytes, ms } = JSON.parse(execFileSync(program, words, { encoding: 'utf8' }))
  return { bytes, ms }
}

/** The recorded answers at the edges are those of a real broker. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { missingBroker } from './targets.mjs'

const TIMEOUT_MS = 120_000
const ASK = fileURLToPath(new URL('edges.mjs', import.meta.url))

test('a real broker answers at its edges as it is recorded', { skip: missingBroker() }, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [ASK], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  })
  assert.equal(status, 0, `${stdout}${stderr}`)
})

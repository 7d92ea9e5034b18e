/** Waiting until something is so. */

import assert from 'node:assert/strict'

const WAIT_MS = 60_000

export async function waitFor(what, isSo) {
  const deadline = Date.now() + WAIT_MS
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, `waited for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

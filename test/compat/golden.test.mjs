/** The golden file that partlog's own tests read is still what kafkajs writes. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { GOLDEN_FILE, goldenBatches } from './golden.mjs'
import { decodeAll } from './kafkajs.mjs'

const stored = JSON.parse(readFileSync(GOLDEN_FILE, 'utf8'))
const fresh = await goldenBatches()

test('the same cases', () => {
  const withoutBytes = batches => batches.map(({ bytes, ...rest }) => rest)
  assert.deepEqual(withoutBytes(stored), withoutBytes(fresh))
})

for (const [index, { name, batch, bytes }] of stored.entries()) {
  test(name, async () => {
    if (batch.codec === 'none') return assert.equal(bytes, fresh[index].bytes)
    // Another zlib compresses differently; what comes out of it is what counts.
    assert.deepEqual(await recordsIn(bytes), await recordsIn(fresh[index].bytes))
  })
}

async function recordsIn(hex) {
  const batches = await decodeAll(Buffer.from(hex, 'hex'))
  return batches.flatMap(({ records }) => records)
}

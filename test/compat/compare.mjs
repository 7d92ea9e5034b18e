/** The tests of a client: its session gives at partlog what it gives at a real broker. */

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { runSession } from './session.mjs'
import { kafkaTarget, missingBroker, partlogTarget } from './targets.mjs'

const TIMEOUT_MS = 180_000

export function compareSessions(client) {
  const noClient = client.missing()
  const ways = client.takesSockets ? ['by TCP', 'without a port'] : ['by TCP']
  describe(client.name, { skip: noClient, timeout: TIMEOUT_MS }, () => {
    const noBroker = noClient ?? missingBroker()
    let expected
    before(async () => {
      if (noBroker === undefined) expected = await sessionAt(client, await kafkaTarget())
    })
    for (const way of ways) {
      test(`a session ${way}`, async t => {
        const target = await partlogTarget({ isPortless: way === 'without a port' })
        const result = await sessionAt(client, target)
        assertSound(result)
        if (expected === undefined) t.diagnostic(`not compared: ${noBroker}`)
        else assert.deepEqual(result, expected)
      })
    }
    test('the same session at a real broker', { skip: noBroker }, () => assertSound(expected))
  })
}

let sessions = 0

async function sessionAt(client, target) {
  try {
    const name = `${client.name}-${process.pid}-${++sessions}`.replace(/[^a-z0-9-]/g, '-')
    return await runSession(await client.connect(target), target, name)
  } finally {
    await target.close()
  }
}

/** What holds wherever it ran. */
function assertSound({ records, work }) {
  assert.equal(records.length, 85)
  assert.equal(new Set(records.map(({ value }) => value)).size, 85)
  assert.deepEqual(work.resumed, ['later-0', 'later-1', 'later-2', 'later-3', 'later-4'])
}

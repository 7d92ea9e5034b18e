/** A folder goes from runtime to runtime: each reads what all before it have written. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inFolder, names, run } from './runtimes.mjs'

test('each runtime reads what the ones before it have written', () =>
  inFolder(folder => {
    const sent = []
    for (const name of [...names, ...names]) {
      sent.push(`${sent.length}-${name}`)
      assert.equal(run(name, 'session.mjs', folder, sent.at(-1)), sent.join())
    }
  }))

/** One folder has one owner, whatever runtimes the two of a pair are. */

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inFolder, names, run, start } from './runtimes.mjs'

for (const holder of names) {
  for (const second of names) {
    test(`${second} gets LOCKED while ${holder} owns the folder`, () =>
      inFolder(async folder => {
        const owner = await start(holder, 'open.mjs', folder, 'hold')
        try {
          assert.equal(owner.said, 'OPEN')
          assert.equal(run(second, 'open.mjs', folder), 'LOCKED')
          rmSync(join(folder, '.lock'))
          assert.equal(run(second, 'open.mjs', folder), 'LOCKED', '.lock was removed')
        } finally {
          await owner.kill()
        }
        assert.equal(run(second, 'open.mjs', folder), 'OPEN', 'the owner was killed')
      }))
  }
}

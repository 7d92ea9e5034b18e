/** A seed of the search tells the same story on every Node: what fails on one is seen on another. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { names, runtimes } from './runtimes.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The hashes of the stories of 25 seeds, by seed. */
function traces(runtime) {
  const [program] = runtimes[runtime]
  const words = ['test/search/run.mjs', '--seeds', '25', '--traces', 'yes', '--node', program]
  const out = execFileSync(process.execPath, words, { cwd: root, encoding: 'utf8' })
  const lines = out.match(/^seed \d+ trace \w+$/gm) ?? []
  return lines.sort((a, b) => Number(a.split(' ')[1]) - Number(b.split(' ')[1]))
}

const nodes = names.filter(name => name.startsWith('Node '))

test(`25 seeds of the search tell one story on ${nodes.join(', ')}`, () => {
  const [first, ...others] = nodes.map(traces)
  assert.equal(first.length, 25)
  for (const other of others) assert.deepEqual(other, first)
})

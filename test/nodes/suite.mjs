/** The unit and process tests and the demo, on each Node in turn. Takes several minutes a Node. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { names, runtimes } from './runtimes.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const wanted = process.argv.slice(2)
const programs = [
  ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts'],
  ['dist/cli.js', 'demo'],
]
const nodes = names.filter(name => name.startsWith('Node '))
let failed = 0
for (const name of nodes) {
  if (wanted.length > 0 && !wanted.includes(name.slice('Node '.length))) continue
  for (const words of programs) {
    const { status } = spawnSync(runtimes[name][0], words, { cwd: root, stdio: 'inherit' })
    console.log(`${name}: ${words.join(' ')}: ${status === 0 ? 'passed' : `exit code ${status}`}`)
    if (status !== 0) failed++
  }
}
process.exitCode = failed === 0 ? 0 : 1

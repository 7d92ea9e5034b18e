/**
 * The unit and process tests and the demo, on each Node in turn: a quarter of an hour each.
 * `npm --prefix test/nodes run suite -- 22 26` takes these only.
 */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { names, runtimes } from './runtimes.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const wanted = process.argv.slice(2).map(version => `Node ${version}`)
const programs = {
  tests: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts'],
  demo: ['dist/cli.js', 'demo'],
  'demo with three brokers': ['dist/cli.js', 'demo', '--brokers', '3', '--consumers', '3'],
}
const unknown = wanted.filter(name => !names.includes(name))
if (unknown.length > 0) throw new Error(`expected some of ${names.join()}, got ${unknown.join()}`)

const results = []
for (const name of names.filter(each => each.startsWith('Node '))) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  for (const [title, words] of Object.entries(programs)) {
    const { status } = spawnSync(runtimes[name][0], words, { cwd: root, stdio: 'inherit' })
    results.push({ status, line: `${name}: ${title}: ${status === 0 ? 'passed' : 'FAILED'}` })
    console.log(results.at(-1).line)
  }
}
console.log(`\n${results.map(({ line }) => line).join('\n')}`)
process.exitCode = results.every(({ status }) => status === 0) ? 0 : 1

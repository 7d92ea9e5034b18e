/**
 * npm run fuzz -- --minutes 10 [--target NAME] [--seed N] [--input HEX] [--collect]
 *
 * Builds the fuzz into node_modules/.cache and runs it in one process per core; all run the same
 * targets with other seeds. Ends with a table, and with 1 if an input has failed.
 */

import { spawn } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'

const root = fileURLToPath(new URL('../..', import.meta.url))
const outDir = `${root}node_modules/.cache/fuzz`

process.chdir(root)
await build({
  entry: { main: 'test/fuzz/main.ts' },
  outDir,
  format: ['esm'],
  target: 'node20',
  platform: 'node',
  splitting: false,
  sourcemap: 'inline',
  silent: true,
  clean: true,
  config: false,
})
copyFileSync('test/golden/messages.txt', `${outDir}/messages.txt`)

const words = process.argv.slice(2)
const isOne = words.includes('--input')
const parts = isOne ? 1 : Math.min(2, availableParallelism())

const rows = new Map()
const failures = []

function onLine(line) {
  if (!line.startsWith('{')) return console.log(line)
  const { failures: told, ...row } = JSON.parse(line)
  for (const each of told) console.log(each)
  failures.push(...told)
  const sum = rows.get(row.name)
  if (sum === undefined) return rows.set(row.name, row)
  for (const key of ['inputs', 'accepted', 'ms']) sum[key] += row[key]
  for (const key of ['slowestMs', 'mostBytes']) sum[key] = Math.max(sum[key], row[key])
}

async function runPart(part) {
  const args = ['--enable-source-maps', `${outDir}/main.js`, ...words, '--part', `${part}/${parts}`]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise(resolve => child.once('close', code => resolve(code)))
  for await (const line of createInterface({ input: child.stdout })) onLine(line)
  return await ended
}

const codes = await Promise.all(Array.from({ length: parts }, (_, part) => runPart(part)))
if (!isOne) {
  const columns = ['target', 'inputs', 'accepted', 'per second', 'slowest ms', 'most memory KiB']
  const table = [...rows.values()].map(({ name, inputs, accepted, ms, slowestMs, mostBytes }) => [
    ...[name, inputs, accepted, Math.round((parts * 1000 * inputs) / ms)],
    ...[slowestMs.toFixed(1), Math.round(mostBytes / 1024)],
  ])
  for (const cells of [columns, ...table]) {
    console.log(cells.map((cell, at) => (at === 0 ? cell.padEnd(20) : `${cell}`.padStart(16))).join(''))
  }
  const total = [...rows.values()].reduce((sum, { inputs }) => sum + inputs, 0)
  console.log(`${total} inputs, ${failures.length} failures`)
}
process.exitCode = failures.length > 0 || codes.some(code => code !== 0) ? 1 : 0

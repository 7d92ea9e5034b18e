/**
 * What compaction costs: `npm run bench:compaction`. How long it takes for a million records of ten
 * thousand keys, and the longest time it has kept the event loop from turning.
 */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { machineOf, machineText } from './parts/machine.mjs'
import { readOptions, withFolder } from './parts/options.mjs'
import { measured } from './parts/processes.mjs'
import { spread } from './parts/stats.mjs'
import { figure, megabytes, table } from './parts/table.mjs'

const options = readOptions()
const count = options.quick ? 300_000 : 1_000_000
const CASES = [
  { name: '10,000 keys', params: { count, keys: 10_000 } },
  { name: '500,000 keys', params: { count, keys: 500_000 } },
  { name: '10,000 keys, gzip', params: { count, keys: 10_000, compression: 'gzip' } },
].filter(({ name }) => options.only.length === 0 || options.only.some(text => name.includes(text)))

await withFolder(options.dir, async folder => {
  const machine = machineOf(folder)
  const rows = []
  for (const { name, params } of CASES) {
    const found = []
    for (let round = 1; round <= options.rounds; round++) {
      process.stderr.write(`round ${round} of ${options.rounds}: ${name}\n`)
      const dir = join(folder, 'own')
      mkdirSync(dir)
      found.push(await measured('compaction', { ...params, dir }))
      rmSync(dir, { recursive: true })
    }
    const median = key => spread(found.map(each => each[key])).median
    const keys = ['ms', 'perSecond', 'bytesBefore', 'bytesAfter', 'loopBusyMs']
    rows.push({ name, ...Object.fromEntries(keys.map(key => [key, median(key)])) })
  }
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ machine, rounds: options.rounds, count, rows })}\n`)
    return
  }
  const lines = rows.map(({ name, ms, perSecond, bytesBefore, bytesAfter, loopBusyMs }) => [
    name,
    `${figure(ms)} ms`,
    `${figure(perSecond)} k/s`,
    megabytes(bytesBefore),
    megabytes(bytesAfter),
    `${figure(loopBusyMs)} ms`,
  ])
  const head = ['', 'took', 'records', 'before', 'after', 'longest without a turn']
  process.stdout.write(
    `\n${machineText(machine)}\n${count.toLocaleString('en-US')} records, median of ` +
      `${options.rounds}\n\n${table(head, lines)}\n`,
  )
})

/**
 * What `import 'partlog'` and `require('partlog')` cost: `npm run bench:import`. Fresh processes,
 * in turn with processes of an empty program; the difference of the medians counts. The last row
 * also opens a cluster in memory, which loads the rest.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machineOf, machineText } from './parts/machine.mjs'
import { readOptions } from './parts/options.mjs'
import { spread } from './parts/stats.mjs'
import { figure, table } from './parts/table.mjs'

const options = readOptions()
/** Processes of each program in a round. */
const PROCESSES = options.quick ? 3 : 11
const dist = name => JSON.stringify(fileURLToPath(new URL(`../dist/${name}`, import.meta.url)))

const PROGRAMS = [
  { name: 'empty module', file: 'empty.mjs', text: '' },
  { name: "import 'partlog'", file: 'import.mjs', text: `import ${dist('index.js')}` },
  { name: 'empty CommonJS', file: 'empty.cjs', text: '' },
  { name: "require('partlog')", file: 'require.cjs', text: `require(${dist('index.cjs')})` },
  {
    name: 'import, open, close',
    file: 'memory.mjs',
    text:
      `import { Cluster } from ${dist('index.js')}\n` +
      'const cluster = await Cluster.memory()\nawait cluster.close()',
  },
]

const folder = mkdtempSync(join(tmpdir(), 'partlog-import-'))
try {
  for (const { file, text } of PROGRAMS) writeFileSync(join(folder, file), text)
  const times = PROGRAMS.map(() => [])
  for (let n = 0; n < PROCESSES * options.rounds; n++) {
    PROGRAMS.forEach(({ file }, index) => times[index].push(timed(join(folder, file))))
  }
  report(times.map(spread))
} finally {
  rmSync(folder, { recursive: true })
}

function timed(path) {
  const begun = performance.now()
  const { status, stderr } = spawnSync(process.execPath, [path], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return performance.now() - begun
}

function report(spreads) {
  const machine = machineOf(folder)
  const rows = PROGRAMS.map(({ name, file }, index) => {
    const empty = spreads[file.endsWith('.cjs') ? 2 : 0].median
    return { name, ...spreads[index], more: spreads[index].median - empty }
  })
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ machine, rows })}\n`)
    return
  }
  const lines = rows.map(({ name, median, min, max, more }) => [
    name,
    `${figure(median)} ms`,
    `${figure(min)} – ${figure(max)}`,
    `${figure(more)} ms`,
  ])
  process.stdout.write(`\n${machineText(machine)}\n`)
  process.stdout.write(`${PROCESSES * options.rounds} processes each\n\n`)
  process.stdout.write(`${table(['', 'median', 'min – max', 'more than empty'], lines)}\n`)
}

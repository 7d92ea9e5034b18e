/**
 * How long it takes to open a folder: `npm run bench:startup`. One large partition and many small
 * ones, after a clean close and after a kill -9 in the middle of a write.
 *
 * Times are taken in a fresh process whose modules are loaded; the files are in the page cache.
 */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { copyDurably } from './parts/copy.mjs'
import { machineOf, machineText } from './parts/machine.mjs'
import { readOptions, withFolder } from './parts/options.mjs'
import { killedWhileBusy, measured } from './parts/processes.mjs'
import { spread } from './parts/stats.mjs'
import { figure, megabytes, table } from './parts/table.mjs'
import { TOPIC } from './parts/topic.mjs'

const options = readOptions()

const FOLDERS = options.quick
  ? [
      { name: '64 MB in 1 partition', bytes: 64e6, partitions: 1 },
      { name: '10 MB in 100 partitions', bytes: 10e6, partitions: 100 },
    ]
  : [
      { name: '1 GB in 1 partition', bytes: 1e9, partitions: 1 },
      { name: '100 MB in 1,000 partitions', bytes: 100e6, partitions: 1_000 },
    ]
const ENDINGS = [
  { ending: 'closed', wasClosed: true },
  { ending: 'killed', wasClosed: false },
]

const CASES = FOLDERS.flatMap(({ name, ...size }) =>
  ENDINGS.map(({ ending, wasClosed }) => ({ ...size, name: `${name}, ${ending}`, wasClosed })),
).filter(({ name }) => options.only.length === 0 || options.only.some(text => name.includes(text)))

await withFolder(options.dir, async folder => {
  const machine = machineOf(folder)
  const results = new Map(CASES.map(({ name }) => [name, []]))
  for (const each of CASES) {
    process.stderr.write(`filling: ${each.name}\n`)
    await fill(folderOf(folder, each), each)
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const each of CASES) {
      process.stderr.write(`round ${round} of ${options.rounds}: ${each.name}\n`)
      results.get(each.name).push(await opened(folder, each))
    }
  }
  report(machine, results)
})

function folderOf(parent, { name }) {
  return join(parent, name.replaceAll(/[^a-z0-9]+/gi, '-'))
}

async function fill(dir, { bytes, partitions, wasClosed }) {
  mkdirSync(dir)
  const params = { dir, bytes, partitions, stayBusy: !wasClosed }
  await (wasClosed ? measured('fill', params) : killedWhileBusy('fill', params))
}

/** Opens a copy, because opening repairs: each round finds the same folder. */
async function opened(parent, each) {
  const dir = join(parent, 'copy')
  copyDurably(folderOf(parent, each), dir)
  try {
    const result = await measured('open', { dir, topic: TOPIC })
    if (result.wasClosedCleanly === each.wasClosed) return result
    throw new Error(`${each.name}: wasClosedCleanly is ${result.wasClosedCleanly}`)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

function report(machine, results) {
  const rows = [...results].map(([name, found]) => ({
    name,
    openMs: spread(found.map(({ ms }) => ms)),
    firstRecordMs: spread(found.map(({ firstRecordMs }) => firstRecordMs)),
    loopBusyMs: spread(found.map(({ loopBusyMs }) => loopBusyMs)),
    rssBytes: spread(found.map(({ rssBytes }) => rssBytes)),
  }))
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ machine, rounds: options.rounds, rows })}\n`)
    return
  }
  const head = ['', 'open', 'min – max', 'first record', 'loop busy', 'RSS']
  const lines = rows.map(({ name, openMs, firstRecordMs, loopBusyMs, rssBytes }) => [
    name,
    `${figure(openMs.median)} ms`,
    `${figure(openMs.min)} – ${figure(openMs.max)}`,
    `${figure(firstRecordMs.median)} ms`,
    `${figure(loopBusyMs.median)} ms`,
    megabytes(rssBytes.median),
  ])
  process.stdout.write(`\n${machineText(machine)}\n`)
  process.stdout.write(`median of ${options.rounds}, page cache warm\n\n${table(head, lines)}\n`)
}

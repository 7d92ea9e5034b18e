/**
 * partlog beside a file of JSON lines and bare writes: `npm run bench`.
 *
 * Every row runs in a process of its own, once per round, so that noise hits all alike; the median
 * counts. Ratios within a run carry over to other machines, figures do not.
 */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { machineOf, machineText } from './parts/machine.mjs'
import { readOptions, withFolder } from './parts/options.mjs'
import { measured } from './parts/processes.mjs'
import { floorsText, summaryOf, tableText } from './parts/report.mjs'
import { TOPIC } from './parts/topic.mjs'
import { planOf, sizesOf } from './plan.mjs'

const options = readOptions()
const sizes = sizesOf(options.quick)
const plan = planOf(sizes).filter(isWanted)

await withFolder(options.dir, async folder => {
  const machine = machineOf(folder)
  const stored = join(folder, 'stored')
  if (plan.some(row => row.dir === 'stored')) await store(stored)
  const results = new Map(plan.map(row => [row.name, []]))
  for (let round = 1; round <= options.rounds; round++) {
    for (const row of inTurn(plan, round)) {
      process.stderr.write(`round ${round} of ${options.rounds}: ${row.name}\n`)
      results.get(row.name).push(await once(row, folder, stored))
    }
  }
  report(machine, summaryOf(plan, results))
})

/** A row is wanted by its own name, or by that of a row that is compared with it. */
function isWanted(row, _, rows) {
  const { only } = options
  const isNamed = ({ name }) => only.length === 0 || only.some(text => name.includes(text))
  return isNamed(row) || rows.some(other => isNamed(other) && isBehind(row, other))
}

function isBehind({ name }, { peer, bare, limit }) {
  return name === peer || name === bare || name === limit
}

/** Another row first in each round: the same one shall not always run behind a heavy one. */
function inTurn(rows, round) {
  const first = round % rows.length
  return [...rows.slice(first), ...rows.slice(0, first)]
}

/** What the reading rows read: one cluster and one file with the same records. */
async function store(dir) {
  mkdirSync(dir)
  const params = { dir, count: sizes.stored, warmUp: 0 }
  process.stderr.write(`storing ${sizes.stored.toLocaleString('en-US')} records\n`)
  await measured('append', { ...params, durability: 'process' })
  await measured('jsonl-append', { ...params, sync: 'end' })
}

async function once({ measure, params, dir }, folder, stored) {
  if (dir === 'none') return measured(measure, params)
  if (dir === 'stored') {
    const file = join(stored, 'records.jsonl')
    return measured(measure, { ...params, dir: stored, file, topic: TOPIC })
  }
  const own = join(folder, 'own')
  mkdirSync(own)
  try {
    return await measured(measure, { ...params, dir: own })
  } finally {
    rmSync(own, { recursive: true })
  }
}

function report(machine, rows) {
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ machine, rounds: options.rounds, sizes, rows })}\n`)
    return
  }
  process.stdout.write(`\n${machineText(machine)}\n`)
  process.stdout.write(`median of ${options.rounds}, page cache warm\n\n`)
  process.stdout.write(`${tableText(rows)}\n\n${floorsText(rows)}\n`)
}

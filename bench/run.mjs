/**
 * partlog compared with what a Node user would pick instead, and with a C program: `npm run bench`.
 *
 * Every row runs in a process of its own, once per round, and rounds go over all rows, so that
 * noise hits all alike; the median counts. Ratios within a run carry over to other machines,
 * figures do not. The result goes to bench/results, for `npm run bench:report`.
 */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { missingPeer } from './peers/stores.mjs'
import { compiledLimit } from './parts/compiler.mjs'
import { floorsText } from './parts/floors.mjs'
import { machineOf, machineText } from './parts/machine.mjs'
import { readOptions, withFolder } from './parts/options.mjs'
import { measured } from './parts/processes.mjs'
import { summaryOf, tablesText } from './parts/report.mjs'
import { keepResult } from './parts/results.mjs'
import { PEERS } from './parts/rows.mjs'
import { fillStores } from './parts/stores.mjs'
import { planOf, sizesOf } from './plan.mjs'

const options = readOptions()
const sizes = sizesOf(options.size)
const questions = planOf(sizes)
const wanted = options.only.length === 0 ? questions : options.only.flatMap(questionsNamed)

await withFolder(options.dir, async folder => {
  const machine = machineOf(folder)
  const limit = compiledLimit(folder)
  const missing = await missingOf(limit)
  const { plan, skipped } = withoutMissing(wanted, missing)
  const rows = plan.flatMap(question => question.rows.map(row => ({ question, row })))
  const stores = await fillStores(
    folder,
    rows.map(({ row }) => row),
    sizes,
  )
  const places = { folder, stores, program: limit.program }
  const results = new Map(plan.map(({ name }) => [name, new Map()]))
  for (let round = 1; round <= options.rounds; round++) {
    const shared = new Map()
    for (const { question, row } of inTurn(rows, round)) {
      if (round > (row.rounds ?? Infinity)) continue
      process.stderr.write(`round ${round} of ${options.rounds}: ${question.name}: ${row.name}\n`)
      const own = results.get(question.name)
      own.set(row.name, [...(own.get(row.name) ?? []), await once(row, places, shared)])
    }
  }
  report(machine, summaryOf(plan, results, skipped))
})

/** The questions with this name, or with this text in their title. Ends the program if none has. */
function questionsNamed(text) {
  const found = questions.filter(({ name, title }) => name === text || title.includes(text))
  if (found.length > 0) return found
  const names = questions.map(({ name }) => name).join(', ')
  process.stderr.write(`--only ${text}: no question has this name; there are ${names}\n`)
  process.exit(1)
}

/** What the rows may need and this machine does not have, with the reason. */
async function missingOf({ reason }) {
  const missing = new Map(reason === undefined ? [] : [['C', reason]])
  for (const peer of PEERS) {
    const why = await missingPeer(peer)
    if (why !== undefined) missing.set(peer, why)
  }
  return missing
}

function withoutMissing(questions, missing) {
  const isMissing = ({ needs }) => missing.has(needs)
  const skipped = questions.map(({ name, rows }) => [
    name,
    rows.filter(isMissing).map(row => ({ name: row.name, reason: missing.get(row.needs) })),
  ])
  const plan = questions.map(question => ({
    ...question,
    rows: question.rows.filter(row => !isMissing(row)),
  }))
  return { plan, skipped: new Map(skipped) }
}

/** Each round begins with another row, so that no row always runs after a heavy one. */
function inTurn(rows, round) {
  const first = round % rows.length
  return [...rows.slice(first), ...rows.slice(0, first)]
}

/** Rows with the same `run` are figures of one process. */
function once(row, places, shared) {
  if (row.run === undefined) return runOf(row, places)
  if (!shared.has(row.run)) shared.set(row.run, runOf(row, places))
  return shared.get(row.run)
}

async function runOf({ measure, params, dir = 'own', needs }, { folder, stores, program }) {
  const all = {
    ...params,
    ...(needs === 'C' ? { program } : {}),
    ...(needs === 'killed' ? { killed: stores.killed } : {}),
  }
  if (dir === 'none') return measured(measure, all)
  if (dir !== 'own') return measured(measure, { ...all, dir: stores.dirOf({ dir, params }) })
  const own = join(folder, 'own')
  mkdirSync(own)
  try {
    return await measured(measure, { ...all, dir: own })
  } finally {
    rmSync(own, { recursive: true })
  }
}

function report(machine, questions) {
  const result = { machine, size: options.size, rounds: options.rounds, sizes, questions }
  const file = keepResult(result)
  if (options.json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  process.stdout.write(`\n${machineText(machine)}\n`)
  process.stdout.write(`median of ${options.rounds}, size ${options.size}\n\n`)
  process.stdout.write(`${tablesText(questions)}\n\n${floorsText(questions)}\n\n${file}\n`)
}

/**
 * Plants bugs in partlog, one after the other, and looks whether something notices:
 * `npm run mutants`. Each mutant is a small change that a person could make by mistake, in the data
 * files beside this one. It is made in a copy of the working tree, and what should catch it runs.
 *
 *   --only WORDS     mutants whose name, file or room has these words
 *   --with search    the search by seed alone, on the mutants of sought.mjs
 *   --all yes        with the search: on every mutant of the rooms it can see
 *   --seeds N        so many seeds for each (default 100)
 *   --jobs N         so many copies at once (default 1)
 *
 * KILLED is well. SURVIVED: a test is missing, or the mutant changes nothing that matters and its
 * entry should say why (`equivalent`). STALE: the text to be replaced is not there any more.
 * Exit code 1 for survivors and stale ones; with the search, for stale ones only.
 */

import { parseArgs } from 'node:util'
import { Copy } from './copy.mjs'
import { MUTANTS, SEEN_BY_SEARCH } from './list.mjs'
import { SOUGHT } from './sought.mjs'

const LIMIT_MS = 240_000
const ALL_LIMIT_MS = 900_000

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    with: { type: 'string' },
    all: { type: 'string' },
    seeds: { type: 'string', default: '100' },
    jobs: { type: 'string', default: '1' },
  },
})
const isSearch = values.with === 'search'
const words = (values.only ?? '').toLowerCase()
const chosen = MUTANTS.filter(({ room, name, file, equivalent, unseen }) => {
  if (equivalent !== undefined) return false
  if (isSearch && values.all === undefined && !SOUGHT.has(name)) return false
  if (isSearch && (!SEEN_BY_SEARCH.has(room) || unseen !== undefined)) return false
  return `${room} ${name} ${file}`.toLowerCase().includes(words)
})
if (chosen.length === 0) throw new Error(`no mutant has "${words}" in its room, name or file`)
const found = new Map()
const startedMs = Date.now()

const copies = Array.from({ length: Number(values.jobs) }, () => new Copy())
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const copy of copies) copy.remove()
    process.exit(1)
  })
}
try {
  await checkUnharmed(copies[0])
  const queue = chosen.values()
  await Promise.all(copies.map(copy => work(copy, queue)))
} finally {
  for (const copy of copies) copy.remove()
}
report()

/** What fails without a mutant would kill every mutant. */
async function checkUnharmed(copy) {
  const by = new Set(chosen.flatMap(mutant => mutant.by))
  const { isRed, output } = isSearch
    ? await copy.search(Number(values.seeds), ALL_LIMIT_MS)
    : await firstRed(copy, by)
  if (!isRed) return
  process.stdout.write(`${output.slice(-4_000)}\nnot even without a mutant everything passes\n`)
  for (const each of copies) each.remove()
  process.exit(1)
}

async function work(copy, queue) {
  for (const mutant of queue) {
    const beganMs = Date.now()
    const { outcome, told = '' } = await fateOf(copy, mutant)
    const seconds = ((Date.now() - beganMs) / 1_000).toFixed(1)
    found.set(mutant, outcome)
    const { room, name } = mutant
    process.stdout.write(`${outcome.padEnd(8)} ${seconds.padStart(6)} s  ${room}: ${name}${told}\n`)
  }
}

async function fateOf(copy, mutant) {
  if (!copy.plant(mutant)) return { outcome: 'STALE' }
  try {
    const run = isSearch
      ? await copy.search(Number(values.seeds), LIMIT_MS)
      : await firstRed(copy, mutant.by)
    const told = run.isRed && isSearch ? ` (${run.output.trim().split('\n').at(-1)})` : ''
    return { outcome: run.isRed ? 'KILLED' : 'SURVIVED', told }
  } finally {
    copy.heal()
  }
}

/** One file after the other: the narrow ones come first, and mostly suffice. */
async function firstRed(copy, by) {
  let run = { isRed: false, output: '' }
  for (const each of by) if (!run.isRed) run = await copy.test(each, LIMIT_MS)
  return run
}

function report() {
  const outcomes = [...found.values()]
  const count = outcome => outcomes.filter(each => each === outcome).length
  const [killed, survived, stale] = ['KILLED', 'SURVIVED', 'STALE'].map(count)
  const minutes = ((Date.now() - startedMs) / 60_000).toFixed(1)
  const told = `${killed} killed, ${survived} survived, ${stale} stale`
  process.stdout.write(`\n${outcomes.length} mutants in ${minutes} min: ${told}\n`)
  if (stale > 0 || (survived > 0 && !isSearch)) process.exitCode = 1
}

/**
 * One process of `npm run fuzz`: gives each of its targets the same share of the time. With
 * `--input` it runs that one only. Prints a line of JSON per target for run.mjs.
 */

import { writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { fuzz, tried, toldOf, type Figures } from './loop.js'
import { TARGETS } from './targets.js'
import type { Target } from './target.js'

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    input: { type: 'string' },
    /** Prints an input for each different outcome, for the corpus. */
    collect: { type: 'boolean', default: false },
    /** This process of so many: it takes every nth target, or every nth seed of one target. */
    part: { type: 'string', default: '0/1' },
  },
})

const say = (line: string): void => void writeSync(1, `${line}\n`)
const [part = 0, parts = 1] = values.part.split('/').map(Number)
const named = TARGETS.filter(({ name }) => values.target === undefined || name === values.target)
if (named.length === 0) {
  say(`no target ${values.target}: ${TARGETS.map(({ name }) => name).join(' ')}`)
  process.exit(1)
}
/** All parts run all targets, each with seeds of its own. */
const seed = Number(values.seed) * parts + part

async function runOne(target: Target, hex: string): Promise<void> {
  await target.seeds()
  const outcome = await tried(target, Buffer.from(hex === '-' ? '' : hex, 'hex'))
  say(outcome instanceof Error ? ((outcome as { error?: Error }).error ?? outcome).stack! : outcome)
}

function row({ name }: Target, figures: Figures, ms: number): string {
  const { inputs, accepted, slowestMs, mostBytes, failures } = figures
  const told = failures.map(toldOf)
  return JSON.stringify({ name, inputs, accepted, ms, slowestMs, mostBytes, failures: told })
}

/** The plain words of a sentence: what does not depend on the input. */
function kindOf(outcome: string): string {
  const words = outcome.split(/["']/)[0]?.split(/\s+/) ?? []
  return words.filter(word => /^[A-Za-z_:-]+$/.test(word)).slice(0, 3).join(' ')
}

async function runAll(): Promise<void> {
  const shareMs = (Number(values.minutes) * 60_000) / named.length
  for (const target of named) {
    const seen = new Map<string, Buffer>()
    const start = performance.now()
    const isOver = (): boolean => performance.now() - start > shareMs
    const onOutcome = (input: Buffer, outcome: string): void => {
      const kind = kindOf(outcome)
      const known = seen.get(kind)
      if (known === undefined || input.length < known.length) seen.set(kind, Buffer.from(input))
    }
    const options = { seed, maxInputs: Infinity, isOver }
    const figures = await fuzz(target, values.collect ? { ...options, onOutcome } : options)
    say(row(target, figures, Math.round(performance.now() - start)))
    if (!values.collect) continue
    for (const [kind, input] of seen) say(`corpus ${target.name} ${input.toString('hex') || '-'}  # ${kind}`)
  }
}

if (values.input !== undefined) await runOne(named[0] as Target, values.input)
else await runAll()
process.exit(0)

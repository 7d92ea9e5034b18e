/**
 * `npm run storm`: real processes are killed, stopped, starved and traced, and what they were
 * promised is compared with what is left.
 *
 *   --minutes N   rounds until so much time is over        --kills N   … until so many kills
 *   --only NAME   only this scenario, or several: a,b      --seed N    repeats the choices
 *
 * Without a limit each scenario runs once. Exit code 1 if a promise was broken; a scenario for
 * which the machine lacks something is skipped, with the reason. The seed repeats what is chosen:
 * which process is killed, when and where. What processes do in between is up to the machine.
 */

import { parseArgs } from 'node:util'
import { seededRandom } from '../../dist/index.js'
import { has } from './children.mjs'
import { contenderRound } from './contenders.mjs'
import { killRound } from './kills.mjs'
import { clockRound, stoppedMembersRound, stoppedOwnerRound } from './pauses.mjs'
import { canMount, descriptorRound, fileSizeRound, fullDiskRound, readOnlyRound } from './refusals.mjs'
import { traceRound } from './trace.mjs'

const durabilityOf = random => (random.int(4) === 0 ? 'process' : 'power')
const mounting = { machine: canMount, lacks: 'it may not mount a tmpfs (root)' }
const limits = { machine: () => has('bash', '-c', 'ulimit -f 1000'), lacks: 'there is no bash with ulimit' }
const stracing = { machine: () => has('strace', '-f', '-o', '/dev/null', 'true'), lacks: 'there is no strace' }

/** Name → what a round does, what it needs of the machine, and what its figures say. */
const SCENARIOS = {
  kills: {
    round: (random, left) =>
      killRound({ random, kills: Math.min(left, 12), brokers: 1, durability: durabilityOf(random) }),
    says: n =>
      `${n.kills} kills (${n.atOperations} at disk operations), ${n.looks} looks: ${n.acks} ` +
      `acknowledged records kept once and in order, ${n.commits} offsets committed; compaction took ` +
      `${n.compaction}, retention ${n.retention}`,
  },
  'kills-3': {
    round: (random, left) =>
      killRound({ random, kills: Math.min(left, 8), brokers: 3, durability: durabilityOf(random) }),
    says: n => `three brokers: ${SCENARIOS.kills.says(n)}`,
  },
  contenders: {
    round: random => contenderRound({ random, rounds: 8 }),
    says: n =>
      `${n.rounds} times one of up to ${n.contendersMost} processes got the folder, never two; ` +
      `${n.kills} dead owners' folders opened at once (at most ${n.slowestMsMost} ms)`,
  },
  'full-disk': {
    ...mounting,
    round: random => fullDiskRound({ random, times: 3 }),
    says: n => `${n.filled} times full: ${n.refusals} sends refused, ${n.acks} acknowledged ones kept`,
  },
  'file-size': {
    ...limits,
    round: () => fileSizeRound({ times: 2 }),
    says: n => `ulimit -f: ${n.refusals} sends refused, ${n.acks} acknowledged ones kept`,
  },
  descriptors: {
    ...limits,
    round: () => descriptorRound({ times: 2 }),
    says: n => `ulimit -n, all taken: ${n.refusals} sends refused, ${n.acks} acknowledged ones kept`,
  },
  'read-only': {
    ...mounting,
    round: () => readOnlyRound({ times: 2 }),
    says: n => `read-only meanwhile: ${n.refusals} sends refused, ${n.acks} acknowledged ones kept`,
  },
  'stopped-members': {
    round: random => stoppedMembersRound({ random, stops: 3 }),
    says: n =>
      `${n.stops} times SIGSTOP for three sessions, ${n.takenOver} members replaced meanwhile; ` +
      `no commit went back, ${n.acks} records all read`,
  },
  'stopped-owner': {
    round: () => stoppedOwnerRound({ stops: 2 }),
    says: n => `${n.stops} times SIGSTOP: it stayed the owner and went on, ${n.acks} records kept`,
  },
  clock: {
    round: random => clockRound({ random, lives: 2 }),
    says: n => `the wall clock jumped ${n.jumps} times: ${n.acks} records kept, groups undisturbed`,
  },
  trace: {
    ...stracing,
    round: random => traceRound({ random, states: 12, usesStrace: true }),
    says: n =>
      `${n.acks} acknowledgements came after write and sync (${n.calls} calls, ${n.syncs} syncs ` +
      `by strace); ${n.powerCuts} power cuts built from them lost none`,
  },
  'trace-in-node': {
    round: random => traceRound({ random, states: 12, usesStrace: false }),
    says: n => SCENARIOS.trace.says(n).replace('by strace', 'by a preload around node:fs'),
  },
}

const text = { type: 'string' }
const { values } = parseArgs({ options: { minutes: text, kills: text, only: text, seed: text } })
const seed = numberOf('seed', Date.now() % 1_000_000_000)
const minutes = numberOf('minutes', 0)
const kills = numberOf('kills', 0)
const names = values.only?.split(',') ?? Object.keys(SCENARIOS)
const unknown = names.filter(name => SCENARIOS[name] === undefined)
if (unknown.length > 0) {
  console.error(`unknown: ${unknown}; expected some of ${Object.keys(SCENARIOS)}`)
  process.exit(2)
}

function numberOf(name, fallback) {
  const number = Number(values[name] ?? fallback)
  if (Number.isFinite(number) && number >= 0) return number
  console.error(`--${name}: expected a number, got ${values[name]}`)
  process.exit(2)
}

/** Name → the sums of its figures; of some, the most. */
const totals = new Map()
let killed = 0

function add(name, figures) {
  const sums = totals.get(name) ?? {}
  totals.set(name, sums)
  for (const [key, value] of Object.entries(figures)) {
    if (typeof value !== 'number') continue
    sums[key] = (sums[key] ?? 0) + value
    sums[`${key}Most`] = Math.max(sums[`${key}Most`] ?? 0, value)
  }
  killed += figures.kills ?? 0
}

async function available() {
  const found = []
  for (const name of names) {
    const { machine, lacks } = SCENARIOS[name]
    if (machine === undefined || (await machine())) found.push(name)
    else console.log(`${name.padEnd(16)} skipped: ${lacks}`)
  }
  return found
}

const began = performance.now()
const minutesOver = () => (performance.now() - began) / 60_000

/** Rounds until the limits are reached; false when a promise was broken. */
async function storm() {
  const scenarios = await available()
  for (let round = seed; scenarios.length > 0; round++) {
    for (const name of scenarios) {
      const random = seededRandom(round * 31 + Object.keys(SCENARIOS).indexOf(name))
      const left = kills === 0 ? Infinity : Math.max(1, kills - killed)
      try {
        add(name, await SCENARIOS[name].round(random, left))
      } catch (error) {
        console.log(`${name.padEnd(16)} BROKEN: ${error.stack}`)
        console.log(`  after ${killed} kills and ${minutesOver().toFixed(1)} minutes; again:`)
        console.log(`  npm run storm -- --only ${name} --seed ${round}`)
        return false
      }
      const isOver = minutesOver() >= minutes && killed >= kills
      if (isOver && (minutes > 0 || kills > 0)) return true
    }
    if (minutes === 0 && kills === 0) return true
    console.log(`… ${killed} kills in ${minutesOver().toFixed(1)} minutes`)
  }
  return true
}

console.log(`seed ${seed}`)
const isKept = await storm()
for (const [name, sums] of totals) console.log(`${name.padEnd(16)} ${SCENARIOS[name].says(sums)}`)
console.log(
  `${isKept ? 'kept' : 'BROKEN'}: ${killed} kills in ${minutesOver().toFixed(1)} minutes, seed ${seed}`,
)
process.exitCode = isKept ? 0 : 1

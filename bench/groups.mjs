/**
 * What groups cost in one process: `npm run bench:groups`. How long a rebalance takes when one more
 * member joins, what idle members cost, how many commits succeed in a second, and how large
 * `__consumer_offsets` becomes.
 */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { machineOf, machineText } from './parts/machine.mjs'
import { readOptions, withFolder } from './parts/options.mjs'
import { measured } from './parts/processes.mjs'
import { spread } from './parts/stats.mjs'
import { figure, megabytes, table } from './parts/table.mjs'

const options = readOptions()
const SIZES = options.quick
  ? { members: [3, 30], partitions: 60, seconds: 2, process: 2_000, power: 200, growth: 20_000 }
  : {
      members: [3, 30, 100],
      partitions: 600,
      seconds: 10,
      process: 50_000,
      power: 2_000,
      growth: 1_000_000,
    }
const UNDER_WAY = 64

const { partitions, seconds } = SIZES
const most = SIZES.members.at(-1)
const REBALANCES = ['range', 'cooperative-sticky'].flatMap(strategy =>
  SIZES.members.map(members => ({
    name: `one more than ${members} members, ${partitions} partitions, ${strategy}`,
    params: { kind: 'rebalance', members, partitions, strategy },
  })),
)
const IDLE = [
  { what: 'heartbeats', fetchMaxWaitMs: 600_000 },
  { what: 'heartbeats, and fetches every 500 ms', fetchMaxWaitMs: 500 },
].map(({ what, fetchMaxWaitMs }) => ({
  name: `${most} idle members: ${what}`,
  params: { kind: 'idle', members: most, partitions, seconds, fetchMaxWaitMs },
}))
const COMMITS = ['process', 'power'].flatMap(durability =>
  [1, UNDER_WAY].map(consumers => ({
    name: `commits, ${consumers === 1 ? 'one by one' : `${consumers} under way`}, '${durability}'`,
    params: { kind: 'commits', durability, consumers, count: SIZES[durability] },
  })),
)
const CASES = [
  ...REBALANCES,
  ...IDLE,
  ...COMMITS,
  {
    name: `__consumer_offsets after ${SIZES.growth.toLocaleString('en-US')} commits`,
    params: { kind: 'growth', consumers: UNDER_WAY, count: SIZES.growth },
    isOnce: true,
  },
].filter(({ name }) => options.only.length === 0 || options.only.some(text => name.includes(text)))

await withFolder(options.dir, async folder => {
  const machine = machineOf(folder)
  const results = new Map(CASES.map(({ name }) => [name, []]))
  for (let round = 1; round <= options.rounds; round++) {
    for (const { name, params, isOnce = false } of CASES) {
      if (isOnce && round > 1) continue
      process.stderr.write(`round ${round} of ${options.rounds}: ${name}\n`)
      const dir = join(folder, 'own')
      mkdirSync(dir)
      results.get(name).push(await measured('groups', { ...params, dir }))
      rmSync(dir, { recursive: true })
    }
  }
  report(machine, results)
})

function report(machine, results) {
  const rows = [...results].map(([name, found]) => {
    const fields = Object.keys(found[0]).filter(key => typeof found[0][key] === 'number')
    const spreads = fields.map(key => [key, spread(found.map(each => each[key]))])
    return { name, ...Object.fromEntries(spreads) }
  })
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ machine, rounds: options.rounds, rows })}\n`)
    return
  }
  const lines = rows.map(row => [
    row.name,
    shown(row.ms, ms => `${figure(ms)} ms`),
    shown(row.us, us => `${figure(us)} µs`),
    shown(row.perSecond, commits => `${figure(commits)} /s`),
    shown(row.bytes, megabytes),
    shown(row.bytesAfter, megabytes),
  ])
  const head = ['', 'rebalance', 'per member and s', 'commits', 'on disk', 'cleaned']
  process.stdout.write(
    `\n${machineText(machine)}\nmedian of ${options.rounds}\n\n${table(head, lines)}\n`,
  )
}

function shown(spreadOf, text) {
  return spreadOf === undefined ? '' : text(spreadOf.median)
}

/**
 * What replicas cost in one process: `npm run bench:replicas`. One copy and three, in one run;
 * how long no broker answers after a leader's death; the memory of 1,000 partitions with three
 * copies.
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
  ? { process: { singles: 500, batches: 50 }, power: { singles: 50, batches: 10 }, partitions: 100 }
  : {
      process: { singles: 5_000, batches: 500 },
      power: { singles: 500, batches: 100 },
      partitions: 1_000,
    }

const WRITES = ['process', 'power'].flatMap(durability =>
  [
    [1, 1],
    [1, 'all'],
    [3, 1],
    [3, 'all'],
  ].map(([replicationFactor, acks]) => ({
    name: `'${durability}', ${replicationFactor} of 3 brokers, acks ${acks}`,
    params: { kind: 'writing', durability, replicationFactor, acks, ...SIZES[durability] },
  })),
)
const CASES = [
  ...WRITES,
  { name: "failover, 'power'", params: { kind: 'failover', durability: 'power' } },
  {
    name: `${SIZES.partitions.toLocaleString('en-US')} partitions, 3 copies`,
    params: { kind: 'holding', partitions: SIZES.partitions },
  },
]

await withFolder(options.dir, async folder => {
  const machine = machineOf(folder)
  const results = new Map(CASES.map(({ name }) => [name, []]))
  for (let round = 1; round <= options.rounds; round++) {
    for (const { name, params } of CASES) {
      process.stderr.write(`round ${round} of ${options.rounds}: ${name}\n`)
      const dir = join(folder, 'own')
      mkdirSync(dir)
      results.get(name).push(await measured('replicas', { ...params, dir }))
      rmSync(dir, { recursive: true })
    }
  }
  report(machine, results)
})

function report(machine, results) {
  const rows = [...results].map(([name, found]) => {
    const [first] = found
    const fields = Object.keys(first).filter(key => typeof first[key] === 'number')
    const spreads = fields.map(key => [key, spread(found.map(each => each[key]))])
    return { name, ...Object.fromEntries(spreads) }
  })
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ machine, rounds: options.rounds, rows })}\n`)
    return
  }
  const lines = rows.map(({ name, perSecond, p50, p99, ms, bytes }) => [
    name,
    perSecond === undefined ? '' : `${figure(perSecond.median)} k/s`,
    p50 === undefined ? '' : `${figure(p50.median)} µs`,
    p99 === undefined ? '' : `${figure(p99.median)} µs`,
    ms === undefined ? '' : `${figure(ms.median)} ms`,
    bytes === undefined ? '' : megabytes(bytes.median),
  ])
  const head = ['', 'batches of 1,000', 'one, awaited: p50', 'p99', 'no answer for', 'memory']
  process.stdout.write(
    `\n${machineText(machine)}\nmedian of ${options.rounds}\n\n${table(head, lines)}\n`,
  )
}

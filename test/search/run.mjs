/**
 * Searches whole clusters by seed, on all cores: `npm run search -- --seeds 1000`. Each seed is a
 * cluster with topics, producers, groups and faults in a simulated world; independent checkers look
 * at what its users saw. See README.md.
 *
 *   --seeds N      so many seeds (default 200)      --from N     the first one (default 1)
 *   --minutes M    for so long instead              --seed N     this one, told whole
 *   --faults 1,2   only these faults of the plan    --programs a,b   only these programs
 *   --messages N   at most so many per producer
 *   --traces yes   prints the hash of each seed's story  --node PATH    another Node runs the worlds
 *
 * Exit code 1 if a seed failed, if a kind of fault never hurt anything in 300 seeds, or if a step of
 * a table of states was never taken in 1,000.
 */

import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { build } from 'tsup'

const BUILT = 'node_modules/.cache/partlog-search'
/** From so many seeds on every kind of fault must have hurt something. */
const VACUOUS_FROM = 300
/** And from so many on every step of a state must have been taken: some need two rare things. */
const STEPS_FROM = 1_000
/** Steps that nothing in the programs of the search can take. */
const OUT_OF_REACH = new Map([
  ['step of a position: inQuestion → failed', "its groups reset to 'earliest', never to 'none'"],
  ['step of a position: lost → ready', 'its members do not seek'],
])

const { values } = parseArgs({
  options: Object.fromEntries(
    ['seeds', 'from', 'minutes', 'seed', 'faults', 'programs', 'messages', 'traces', 'node'].map(name => [
      name,
      { type: 'string' },
    ]),
  ),
})
const number = name => (values[name] === undefined ? undefined : Number(values[name]))
const list = name => values[name]?.split(',').filter(entry => entry !== 'none')

await build({
  entry: { worker: 'test/search/worker.ts' },
  outDir: BUILT,
  format: ['esm'],
  target: 'node20',
  platform: 'node',
  splitting: false,
  sourcemap: true,
  config: false,
  silent: true,
})

const only = number('seed')
const cuts = {
  faults: list('faults')?.map(Number),
  programs: list('programs'),
  messages: number('messages'),
}
const first = only ?? number('from') ?? 1
const endMs = values.minutes === undefined ? Infinity : Date.now() + number('minutes') * 60_000
const count = only !== undefined ? 1 : values.minutes === undefined ? (number('seeds') ?? 200) : Infinity
const startedMs = Date.now()
const counts = new Map()
const failed = []
let next = first
let done = 0

await Promise.all(Array.from({ length: only === undefined ? availableParallelism() : 1 }, lane))
report()

/** One process; takes the next seed until there are no more. */
function lane() {
  const execPath = values.node ?? process.execPath
  const worker = fork(`${BUILT}/worker.js`, { execPath, execArgv: ['--enable-source-maps'] })
  return new Promise((resolve, reject) => {
    const give = () => {
      if (next >= first + count || Date.now() >= endMs) return worker.kill()
      worker.send({ seed: next++, cuts, isSingle: only !== undefined })
    }
    worker.on('message', result => {
      done++
      note(result)
      give()
    })
    worker.on('error', reject)
    worker.on('exit', (code, signal) => {
      if (signal === 'SIGTERM') resolve()
      else reject(new Error(`a worker ended with ${code ?? signal} before seed ${next}`))
    })
    give()
  })
}

function note({ seed, problems, story, command, counts: own, hash }) {
  for (const [name, times] of Object.entries(own)) counts.set(name, (counts.get(name) ?? 0) + times)
  if (only !== undefined) process.stdout.write(`${story.join('\n')}\ntrace ${hash}\n`)
  if (values.traces !== undefined) process.stdout.write(`seed ${seed} trace ${hash}\n`)
  if (problems.length === 0) return
  failed.push(seed)
  process.stdout.write(`\nseed ${seed} failed\n`)
  for (const problem of problems.slice(0, 10)) process.stdout.write(`  ${problem}\n`)
  if (only === undefined) process.stdout.write(`${story.slice(-40).join('\n')}\n`)
  process.stdout.write(`again: ${command}\n`)
}

function report() {
  const seconds = Math.round((Date.now() - startedMs) / 1_000)
  const rate = Math.round((done * 3_600) / Math.max(1, seconds))
  process.stdout.write(`\n${done} seeds in ${seconds} s (${rate} an hour), ${failed.length} failed`)
  process.stdout.write(failed.length === 0 ? '\n' : `: ${failed.join(', ')}\n`)
  for (const [name, times] of [...counts].sort()) {
    process.stdout.write(`  ${String(times).padStart(8)}  ${name}\n`)
  }
  const isDue = name => done >= (name.startsWith('step of') ? STEPS_FROM : VACUOUS_FROM)
  const silent = [...counts].filter(
    ([name, times]) => times === 0 && isDue(name) && !OUT_OF_REACH.has(name),
  )
  for (const [name] of silent) process.stdout.write(`vacuous: "${name}" never hurt anything\n`)
  if (failed.length > 0 || silent.length > 0) process.exitCode = 1
}

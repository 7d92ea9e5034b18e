/**
 * The search of ../search up to the first seed that fails, which is not made shorter: that some seed
 * finds a planted bug is all one wants to know.
 */

import { fork } from 'node:child_process'
import { build } from 'tsup'

const BUILT = 'node_modules/.cache/partlog-mutants'
/** A seed that takes so long never ends. */
const SEED_MS = 60_000

await build({
  entry: { worker: 'test/search/worker.ts' },
  outDir: BUILT,
  format: ['esm'],
  target: 'node20',
  platform: 'node',
  splitting: false,
  config: false,
  silent: true,
})

const seeds = Number(process.argv[2])
const worker = fork(`${BUILT}/worker.js`)
let seed = 0
let timer
worker.on('message', ({ problems }) => {
  clearTimeout(timer)
  if (problems.length > 0) end(`seed ${seed}: ${problems[0].split('\n')[0]}`)
  else next()
})
worker.on('exit', code => end(`seed ${seed}: the process ended with ${code}`))
next()

function next() {
  if (seed === seeds) return end(undefined)
  seed++
  timer = setTimeout(() => end(`seed ${seed}: does not end`), SEED_MS)
  worker.send({ seed, cuts: {}, isSingle: true })
}

function end(problem) {
  worker.removeAllListeners('exit')
  worker.kill('SIGKILL')
  process.send({ isRed: problem !== undefined, output: problem ?? '' }, () => process.exit())
}

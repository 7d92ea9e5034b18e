/**
 * `npm run soak -- --minutes 60`: one cluster under a steady load, and whether it stays as it is:
 * memory after garbage collection, descriptors, timers, event loop, throughput.
 *
 *   --minutes N   how long (60)                --rate N    records a second (1,000)
 *   --speed N     the cluster's clock runs N times as fast (10): so many more rounds of compaction,
 *                 retention and checkpoints fall into the time
 *
 * One line a minute, then a verdict. Exit code 1 if a limit is broken. A short run says what it
 * could not judge.
 */

import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startLoad } from './load.mjs'
import { Measures } from './measures.mjs'

const SAMPLE_MS = 10_000
const LINE_MS = 60_000

const text = { type: 'string' }
const { values } = parseArgs({ options: { minutes: text, rate: text, speed: text } })
const minutes = numberOf('minutes', 60)
const rate = numberOf('rate', 1_000)
const speed = numberOf('speed', 10)

function numberOf(name, fallback) {
  const number = Number(values[name] ?? fallback)
  if (Number.isFinite(number) && number > 0) return number
  console.error(`--${name}: expected a number above 0, got ${values[name]}`)
  process.exit(2)
}

if (globalThis.gc === undefined) {
  console.error('memory is measured after garbage collection: node --expose-gc test/soak/run.mjs')
  process.exit(2)
}

const after = ms => new Promise(resolve => setTimeout(resolve, ms))

function line({ hours, rssMib, heapMib, descriptors, timers, perSecond, delayP99Ms, idleP99Ms: idle }, counts) {
  const minute = Math.round(hours * 60)
  return (
    `${String(minute).padStart(4)} min  rss ${rssMib.toFixed(1)} MiB  heap ${heapMib.toFixed(1)} MiB  ` +
    `${descriptors} descriptors  ${timers} timers  delay p99 ${delayP99Ms.toFixed(1)} ms ` +
    `(idle ${idle.toFixed(1)})  ` +
    `${Math.round(perSecond)}/s  read ${counts.read}, topics ${counts.topics}, ` +
    `members ${counts.members}, readers ${counts.readers}`
  )
}

const folder = mkdtempSync(join(tmpdir(), 'partlog-soak-'))
console.log(`${minutes} minutes, ${rate} records a second, clock ×${speed}, ${folder}`)
const load = await startLoad({ dir: join(folder, 'data'), rate, speed })
const measures = new Measures()
const idle = fork(fileURLToPath(new URL('idle.mjs', import.meta.url)))
let idleP99Ms = 0
idle.on('message', ms => (idleP99Ms = ms))
const end = performance.now() + minutes * 60_000
for (let next = LINE_MS; performance.now() < end && load.failure === undefined; ) {
  await after(Math.min(SAMPLE_MS, end - performance.now()))
  const sample = measures.take({ ...load.counts, idleP99Ms })
  if (sample.hours * 3_600_000 < next - SAMPLE_MS / 2) continue
  console.log(line(sample, load.counts))
  next += LINE_MS
}
idle.disconnect()
await load.stop()
rmSync(folder, { recursive: true, force: true })

const verdicts = measures.verdicts()
for (const { name, verdict, what } of verdicts) console.log(`${name.padEnd(12)} ${verdict}: ${what}`)
if (load.failure !== undefined) console.log(`BROKEN: ${load.failure.stack}`)
const isBroken = load.failure !== undefined || verdicts.some(({ verdict }) => verdict === 'broken')
console.log(isBroken ? 'BROKEN' : 'kept')
process.exitCode = isBroken ? 1 : 0

/** What a soak measures, and what can be said about it: held, broken, or not judged. */

import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const MIB = 1024 * 1024
/** The histogram counts the pause between two looks as well. */
export const RESOLUTION_MS = 1

export const LIMITS = {
  rssMibPerHour: 1,
  delayP99Ms: 10,
  /** So many more descriptors or timers in the last third than in the one before are a leak. */
  more: 2,
  /** The last third has to reach this part of the throughput of the one before. */
  throughput: 0.9,
}

const MEMORY_WARM_UP_HOURS = 1 / 3
const MEMORY_SPAN_HOURS = 1 / 3

export class Measures {
  /** One each time `take` is called. */
  samples = []
  #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  #began = performance.now()
  #last = { atMs: 0, acked: 0 }

  constructor() {
    this.#delay.enable()
  }

  /** Collects garbage first, and does not count the pause that this is. */
  take({ acked, idleP99Ms }) {
    this.#delay.disable()
    const delayP99Ms = Math.max(0, this.#delay.percentile(99) / 1e6 - RESOLUTION_MS)
    globalThis.gc()
    globalThis.gc()
    const atMs = performance.now() - this.#began
    const sample = {
      hours: atMs / 3_600_000,
      rssMib: process.memoryUsage.rss() / MIB,
      heapMib: process.memoryUsage().heapUsed / MIB,
      descriptors: descriptors(),
      timers: process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length,
      perSecond: (acked - this.#last.acked) / ((atMs - this.#last.atMs) / 1_000),
      delayP99Ms,
      idleP99Ms,
    }
    this.#last = { atMs, acked }
    this.samples.push(sample)
    this.#delay.reset()
    this.#delay.enable()
    return sample
  }

  /** Each measure with a verdict. The first third is the warm-up. */
  verdicts() {
    const third = Math.floor(this.samples.length / 3)
    if (third < 3) return [{ name: 'everything', verdict: 'not judged', what: 'too few samples' }]
    const warm = this.samples.slice(third)
    const [before, after] = [warm.slice(0, third), warm.slice(third)]
    return [
      memoryVerdict(warm),
      moreVerdict('descriptors', before, after),
      moreVerdict('timers', before, after),
      delayVerdict(warm),
      throughputVerdict(before, after),
    ]
  }
}

function descriptors() {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0 // no Linux
  }
}

const mean = numbers => numbers.reduce((sum, each) => sum + each, 0) / numbers.length
const round = number => Math.round(number * 10) / 10

/** Least squares: the slope, and its standard error. */
export function slopeOf(points) {
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))]
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread
  const rest = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0)
  return { slope, error: Math.sqrt(rest / (points.length - 2) / spread) }
}

/**
 * V8 goes on compiling for minutes (half a MiB of code in the ten after the first), and a producer
 * keeps the sequences of its last 1,000 topics, of which one is made each second: memory is judged
 * after twenty minutes, by at least twenty more. The slope has to be known well enough to be held to
 * its limit.
 */
function memoryVerdict(samples) {
  const late = samples.filter(({ hours }) => hours > MEMORY_WARM_UP_HOURS)
  const isLong = samples.at(-1).hours >= MEMORY_WARM_UP_HOURS + MEMORY_SPAN_HOURS
  const judged = isLong ? late : samples
  const { slope, error } = slopeOf(judged.map(({ hours, rssMib }) => [hours, rssMib]))
  const limit = LIMITS.rssMibPerHour
  const isBroken = slope - 2 * error > limit
  const isHeld = slope + 2 * error <= limit
  const verdict = !isLong ? 'not judged' : isBroken ? 'broken' : isHeld ? 'held' : 'not judged'
  const ends = `${round(judged[0].rssMib)} to ${round(judged.at(-1).rssMib)} MiB`
  const what = `${round(slope)} ± ${round(2 * error)} MiB an hour (limit ${limit}), ${ends}`
  return { name: 'memory', verdict, what: verdict === 'not judged' ? `${what}: run it for longer` : what }
}

function moreVerdict(name, before, after) {
  const [earlier, later] = [before, after].map(part => mean(part.map(sample => sample[name])))
  const verdict = later > earlier + LIMITS.more ? 'broken' : 'held'
  return { name, verdict, what: `${round(earlier)}, then ${round(later)} on average` }
}

const medianOf = numbers => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]

/** A process that does nothing is measured beside it: on a busy machine it waits as well. */
function delayVerdict(samples) {
  const delay = medianOf(samples.map(({ delayP99Ms }) => delayP99Ms))
  const idle = medianOf(samples.map(({ idleP99Ms }) => idleP99Ms))
  const limit = LIMITS.delayP99Ms
  const isBusy = idle > limit / 4
  const verdict = delay <= limit ? 'held' : isBusy ? 'not judged' : 'broken'
  const what = `p99 ${round(delay)} ms (limit ${limit}), of an idle process beside it ${round(idle)} ms`
  return { name: 'event loop', verdict, what: isBusy ? `${what}: the machine is busy` : what }
}

function throughputVerdict(before, after) {
  const [earlier, later] = [before, after].map(part => mean(part.map(({ perSecond }) => perSecond)))
  const verdict = later < earlier * LIMITS.throughput ? 'broken' : 'held'
  const what = `${Math.round(earlier)}, then ${Math.round(later)} acknowledged records a second`
  return { name: 'throughput', verdict, what }
}

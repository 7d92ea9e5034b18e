/**
 * What is measured: questions, each with its rows and its floors, as data.
 *
 *   question   { name, title, durability, rows, floors }; `title` heads its drawing
 *   row        { name, measure, params, unit } and
 *                measure    the file in measure/, run with `params` in a process of its own
 *                unit       'k/s', 'GB/s', 'ms' or 'µs': see parts/units.mjs
 *                field      the field of the result that counts, instead of that of the unit
 *                run        rows with the same `run` are figures of one process
 *                dir        'own' (new every time, the default), 'stored', 'empty' (a cluster
 *                           without records) or 'none'
 *                needs      what it cannot do without: a peer, 'C'; else it is skipped
 *                rounds     fewer than all rounds, for what takes long
 *   floor      { text, row, by, over, atLeast, atMost }: what partlog promises itself:
 *                row        its value, in the unit of the row, or of the field `by`
 *                over       the value is divided by the one of this row, round by round
 *                atLeast, atMost   the bound; with `orTimes: [factor, row]` that many
 *                           times the row, if that is more
 */

import { appending } from './questions/appending.mjs'
import { holding } from './questions/holding.mjs'
import { latency } from './questions/latency.mjs'
import { opening } from './questions/opening.mjs'
import { partitions } from './questions/partitions.mjs'
import { random } from './questions/random.mjs'
import { reading } from './questions/reading.mjs'
import { replicas } from './questions/replicas.mjs'
import { sharing } from './questions/sharing.mjs'
import { singles } from './questions/singles.mjs'
import { starting } from './questions/starting.mjs'
import { virtualTime } from './questions/virtual-time.mjs'

const SIZES = {
  /** For four minutes. */
  short: {
    append: 1_000_000,
    single: 100_000,
    slowSingle: 20_000,
    shared: 50_000,
    stored: 2_000_000,
    reads: 2_000,
    latency: 2_000,
    killed: 128e6,
    partitions: 10_000,
    spread: 50_000,
    copies: 300_000,
    hours: 1,
    raw: 256e6,
    slowShare: 0.25,
  },
  /** The sizes of the goals. */
  long: {
    append: 2_000_000,
    single: 300_000,
    slowSingle: 50_000,
    shared: 200_000,
    stored: 5_000_000,
    reads: 20_000,
    latency: 10_000,
    killed: 512e6,
    partitions: 10_000,
    spread: 100_000,
    copies: 1_000_000,
    hours: 5,
    raw: 512e6,
    slowShare: 1,
  },
  /** Does it work? */
  quick: {
    append: 100_000,
    single: 10_000,
    slowSingle: 2_000,
    shared: 3_000,
    stored: 100_000,
    reads: 200,
    latency: 300,
    killed: 16e6,
    partitions: 100,
    spread: 5_000,
    copies: 20_000,
    hours: 1,
    raw: 32e6,
    slowShare: 0.25,
  },
}

export function sizesOf(size) {
  return SIZES[size]
}

export function planOf(sizes) {
  const all = [appending, singles, sharing, reading, latency, random, opening, partitions]
  return [...all, holding, replicas, starting, virtualTime].map(questionOf => questionOf(sizes))
}

/**
 * `kill -9`, at random moments and at chosen disk operations: what was acknowledged is there, once,
 * in order; groups go on where they committed; nothing is found by verify.
 */

import { Cluster } from '../../dist/index.js'
import { Books } from './books.mjs'
import { after, inFolder, start, verify } from './children.mjs'
import { makeTopics } from './topics.mjs'

/** Each call of node:fs that changes a disk: how often it is chosen, and the highest number of it. */
const CALLS = [
  ['writeSync', 5, 400],
  ['fdatasync', 4, 120],
  ['fsync', 2, 40],
  ['openSync', 3, 60],
  ['renameSync', 4, 25],
  ['unlink', 2, 12],
  ['ftruncateSync', 1, 12],
  ['mkdirSync', 1, 8],
]
const WHEN = ['before', 'middle', 'after']
/** A child that does not come to its operation is killed then. */
const LIFE_MAX_MS = 1_500

/** Makes the folder and its topics, see topics.mjs. */
export async function prepare(dir, { segmentBytes, ...options } = {}) {
  const cluster = await Cluster.open({ dir, ...options })
  await makeTopics(cluster, segmentBytes)
  await cluster.close()
}

/** Opens the folder as the next process would, and compares it with the books. */
export async function reopened(dir, books, options = {}) {
  const warn = () => undefined // a torn tail is no fault of a process that was killed
  const logger = { debug: warn, info: warn, warn, error: warn }
  const cluster = await Cluster.open({ dir, logger, ...options })
  try {
    await books.check(cluster)
  } finally {
    await cluster.close()
  }
  await verify(dir)
}

function chosenKill(random) {
  const total = CALLS.reduce((sum, [, weight]) => sum + weight, 0)
  let at = random.int(total)
  const [call, , most] = CALLS.find(([, weight]) => (at -= weight) < 0)
  // Low numbers are opening and recovery: as often as all the others.
  const nth = 1 + random.int(random.int(2) === 0 ? most : Math.ceil(most / 6))
  return { call, nth, when: WHEN[random.int(WHEN.length)] }
}

/** One child lives and is killed; tells how. */
async function lifeAndDeath(options, books, random) {
  const isChosen = random.int(2) === 0
  const kill = isChosen ? chosenKill(random) : undefined
  const child = start('writer.mjs', options, { preload: kill && { kill } })
  if (!isChosen) {
    const [opening, ms] = [random.int(4) === 0, random.int(900)]
    if (opening) await after(60 + random.int(150)) // while it opens the folder
    else {
      await child.said(line => line.startsWith('a '), { withinMs: 20_000 })
      await after(ms)
    }
    await child.kill()
  } else {
    await Promise.race([child.ended, after(LIFE_MAX_MS)])
    if (!child.hasEnded) await child.kill()
  }
  if (child.signal !== 'SIGKILL') {
    throw new Error(`a child ended by itself: ${child.code} ${child.errors} ${child.lines.at(-1)}`)
  }
  books.hear(child)
  return isChosen ? { call: kill.call } : {}
}

/** Kills `kills` children of one folder, one after the other, and looks after every few. */
export function killRound({ random, kills, brokers, durability }) {
  return inFolder(async folder => {
    const dir = `${folder}/data`
    const only = brokers === 1 ? {} : { brokers }
    await prepare(dir, only)
    const books = new Books()
    const counts = { kills: 0, atOperations: 0, looks: 0 }
    for (let run = 1; run <= kills; run++) {
      const options = { dir, run, brokers, durability, bounces: random.int(2) === 0 }
      const { call } = await lifeAndDeath(options, books, random)
      counts.kills++
      if (call !== undefined) counts.atOperations++
      if (run < kills && random.int(3) !== 0) continue // the next child recovers by itself
      await reopened(dir, books, only)
      counts.looks++
    }
    const { acks, commits, taken } = books
    return { ...counts, acks, commits, ...taken }
  })
}

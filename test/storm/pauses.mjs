/**
 * Processes that stand still (SIGSTOP) for longer than their session, and wall clocks that jump:
 * groups go on, no commit goes back, nothing is lost.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from '../../dist/index.js'
import { Books } from './books.mjs'
import { after, inFolder, promised, start } from './children.mjs'
import { prepare, reopened } from './kills.mjs'

const SESSION_MS = 500
const WAIT = { withinMs: 120_000 }

/** Members in processes of their own; each in turn, and the broker too, stands still for a while. */
export function stoppedMembersRound({ random, stops }) {
  return inFolder(async folder => {
    const dir = `${folder}/data`
    const common = `${folder}/read`
    writeFileSync(common, '')
    await prepare(dir)
    const options = { dir, run: 1, speed: 1, port: 0, groups: false, admin: false, faults: false }
    const server = start('writer.mjs', { ...options, pauseMs: 8, stays: true })
    const address = server.lines[await server.said(line => line.startsWith('at '))].slice(3)
    const member = name =>
      start('member.mjs', { address, member: name, common, sessionMs: SESSION_MS })
    const members = ['a', 'b'].map(member)
    const books = new Books()
    const counts = { stops: 0, takenOver: 0, kills: 0 }
    try {
      for (const each of members) await each.said(line => line.startsWith('has '), WAIT)
      for (let stop = 0; stop < stops; stop++) {
        const stopped = [...members, server][random.int(3)]
        const other = members.find(each => each !== stopped)
        const from = other.lines.length
        await standStill(stopped)
        counts.stops++
        // The other one gets all of it, unless it was the broker that stood still.
        if (stopped !== server) {
          const at = await other.said(line => line === 'has 2' || line === 'has 1', { from, ...WAIT })
          promised(at >= 0, 'a member that stands still keeps its partitions from the others')
          counts.takenOver++
        }
        const before = members.map(each => each.lines.length)
        await Promise.race(members.map((each, i) => each.said(line => line === 'reads', { from: before[i], ...WAIT })))
      }
      await readToTheEnd(address)
    } finally {
      await Promise.all([...members, server].map(each => each.kill()))
    }
    counts.kills = 3
    books.hear(server)
    books.hear({ lines: firstReadings(readFileSync(common, 'utf8')) })
    await reopened(dir, books)
    return { ...counts, acks: books.acks }
  })
}

async function standStill(child) {
  child.send('SIGSTOP')
  await after(SESSION_MS * 3)
  child.send('SIGCONT')
}

/** The group reads what is there up to now, whatever has stood still. */
async function readToTheEnd(address) {
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  const cluster = await connect({ bootstrapServers: address, logger: silent })
  try {
    const ends = await cluster.admin.listOffsets({ topic: 'log', at: 'latest' })
    const deadline = performance.now() + WAIT.withinMs
    for (;;) {
      const committed = await cluster.admin.listGroupOffsets('g')
      const left = ends.filter(({ partition, offset }) => {
        const at = committed.find(each => each.partition === partition)?.offset ?? 0
        return at < offset - 5 // every fifth record is committed
      })
      if (left.length === 0) return
      promised(performance.now() < deadline, `the group does not come to the end: ${JSON.stringify(left)}`)
      await after(50)
    }
  } finally {
    await cluster.close()
  }
}

/**
 * A member that stood still finishes the record in its hand before it hears that its partitions are
 * gone: what was read a second time says nothing new. What was read first must leave nothing out.
 */
function firstReadings(text) {
  const seen = new Set()
  return text.split('\n').slice(0, -1).filter(line => {
    const place = line.split(' ').slice(0, 3).join(' ')
    return !seen.has(place) && seen.add(place)
  })
}

/** The owner of the folder stands still: it stays the owner, and goes on. */
export function stoppedOwnerRound({ stops }) {
  return inFolder(async folder => {
    const dir = `${folder}/data`
    await prepare(dir)
    const books = new Books()
    const child = start('writer.mjs', { dir, run: 1, speed: 1, sessionMs: SESSION_MS, faults: false })
    try {
      for (let stop = 0; stop < stops; stop++) {
        for (const what of ['a ', 'c ']) {
          const from = stop === 0 ? 0 : child.lines.length
          const at = await child.said(line => line.startsWith(what), { from, ...WAIT })
          promised(at >= 0, `after ${stop} stops it says no '${what}' any more: ${child.errors}`)
        }
        child.send('SIGSTOP')
        const second = start('writer.mjs', { dir, run: 2 })
        await Promise.all([second.ended, after(SESSION_MS * 3)])
        promised(/LOCKED/.test(second.errors), `a second owner beside a stopped one: ${second.errors}`)
        child.send('SIGCONT')
      }
      const from = child.lines.length
      await child.said(line => line.startsWith('c '), { from, ...WAIT })
    } finally {
      await child.kill()
    }
    books.hear(child)
    await reopened(dir, books)
    return { stops, kills: 1, acks: books.acks, commits: books.commits }
  })
}

const HOUR_MS = 3_600_000

/** The wall clock jumps forward and back, by seconds, hours and days, several times a life. */
export function clockRound({ random, lives }) {
  return inFolder(async folder => {
    const dir = `${folder}/data`
    await prepare(dir)
    const books = new Books()
    let jumps = 0
    for (let run = 1; run <= lives; run++) {
      const sizes = [1_000, HOUR_MS, 20 * HOUR_MS, 400 * HOUR_MS]
      const shift = Array.from({ length: 4 }, (_, index) => {
        const by = sizes[random.int(sizes.length)] * (random.int(2) === 0 ? 1 : -1)
        return [300 + index * 250 + random.int(200), by]
      })
      const child = start('writer.mjs', { dir, run, speed: 5 }, { preload: { shift } })
      promised((await child.said(line => line.startsWith('c '), WAIT)) >= 0, `no commit: ${child.errors}`)
      await after(shift.at(-1)[0] + 100)
      for (const what of ['a ', 'n ', 'c ']) {
        const at = await child.said(line => line.startsWith(what), { from: child.lines.length, ...WAIT })
        promised(at >= 0, `no '${what}' after the clock has jumped: ${child.errors}`)
      }
      await child.kill()
      books.hear(child)
      jumps += shift.length
      const thrown = child.lines.filter(line => line.startsWith('e group'))
      promised(thrown.length === 0, `a jump of the clock disturbs the group: ${thrown[0]}`)
      await reopened(dir, books)
    }
    return { jumps, kills: lives, acks: books.acks, commits: books.commits }
  })
}

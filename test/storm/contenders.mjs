/**
 * Two to twenty processes want one folder; the owner is killed, or lets go, and they try again.
 *
 * All of them append lines to one file, so the kernel orders what they say: `o` when a process has
 * opened the folder, `h` while it holds it, `r` before it closes it. A process that opens while
 * another holds would stand between two lines of the other.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { inFolder, promised, start } from './children.mjs'
import { prepare, reopened } from './kills.mjs'
import { Books } from './books.mjs'

export function contenderRound({ random, rounds }) {
  return inFolder(async folder => {
    const dir = `${folder}/data`
    const common = `${folder}/held`
    await prepare(dir)
    writeFileSync(common, '')
    const count = 2 + random.int(19)
    const contender = () => start('contender.mjs', { dir, common })
    const contenders = Array.from({ length: count }, contender)
    const counts = { kills: 0, contenders: count, rounds, slowestMs: 0 }
    try {
      for (const each of contenders) await each.said(line => line === 'ready')
      for (let round = 0; round < rounds; round++) {
        const owner = await oneGetsIt(contenders, counts)
        if (random.int(3) === 0) {
          owner.tell('close')
          await owner.said(line => line === 'closed', { from: owner.lines.length - 1 })
        } else {
          await owner.kill() // the folder must be free at once: the next round is the proof
          counts.kills++
          const index = contenders.indexOf(owner)
          contenders[index] = contender()
          await contenders[index].said(line => line === 'ready')
        }
      }
    } finally {
      await Promise.all(contenders.map(each => each.kill()))
    }
    neverTwoOwners(readFileSync(common, 'utf8'))
    await reopened(dir, new Books())
    return counts
  })
}

/** All try at once: one opens the folder, all others are told LOCKED. */
async function oneGetsIt(contenders, counts) {
  const begins = contenders.map(each => each.lines.length)
  for (const each of contenders) each.tell('try')
  const answers = await Promise.all(
    contenders.map(async (each, index) => {
      const at = await each.said(line => line.startsWith('got '), { from: begins[index] })
      return at < 0 ? `nothing: ${each.errors}` : each.lines[at].slice(4)
    }),
  )
  const owners = contenders.filter((_, index) => answers[index].startsWith('OPEN'))
  const others = answers.filter(answer => !answer.startsWith('OPEN'))
  promised(owners.length === 1, `${owners.length} of ${contenders.length} got it: ${answers}`)
  promised(others.every(answer => answer === 'LOCKED'), `some were not told LOCKED: ${others}`)
  const ms = Number(answers.find(answer => answer.startsWith('OPEN')).split(' ')[1])
  counts.slowestMs = Math.max(counts.slowestMs, ms)
  return owners[0]
}

/** A line of a process after another has opened the folder: then both had it. */
function neverTwoOwners(text) {
  let owner
  const former = new Set()
  for (const line of text.split('\n').slice(0, -1)) {
    const [what, process] = line.split(' ')
    promised(!former.has(process), `${process} says '${what}' after ${owner} has opened the folder`)
    if (what === 'o') {
      if (owner !== undefined) former.add(owner)
      owner = process
    } else {
      promised(process === owner, `${process} says '${what}' and ${owner} has the folder`)
      if (what === 'r') owner = undefined
    }
  }
}

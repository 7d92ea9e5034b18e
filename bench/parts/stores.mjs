/** What the reading rows read: a topic of partlog's, and a store of each peer, with one content. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { killedWhileBusy, measured } from './processes.mjs'

const stored = (folder, name) => join(folder, 'stored', name)

/** Fills the stores that the rows need. Returns the folder of each row that reads. */
export async function fillStores(folder, rows, { stored: count, killed: bytes }) {
  const fill = async (name, work) => {
    const dir = stored(folder, name)
    mkdirSync(dir, { recursive: true })
    process.stderr.write(`storing: ${name}\n`)
    await work(dir)
  }
  const reading = rows.filter(({ dir }) => dir === 'stored')
  const peers = new Map(
    reading.flatMap(({ params: { peer, count } }) => (peer === undefined ? [] : [[peer, count]])),
  )
  if (reading.some(({ params }) => params.peer === undefined)) {
    const params = { count, warmUp: 0, durability: 'process', kind: 'bytes' }
    await fill('partlog', dir => measured('append', { ...params, dir }))
  }
  for (const [peer, own] of peers) {
    await fill(peer, dir => measured('peer-fill', { peer, dir, count: own }))
  }
  if (rows.some(({ dir }) => dir === 'empty')) await fill('empty', dir => measured('open', { dir }))
  if (rows.some(({ needs }) => needs === 'killed')) {
    const params = { bytes, partitions: 1, stayBusy: true }
    await fill('killed', dir => killedWhileBusy('fill', { ...params, dir }))
  }
  return {
    dirOf: ({ dir, params }) => stored(folder, params.peer ?? (dir === 'empty' ? dir : 'partlog')),
    killed: stored(folder, 'killed'),
  }
}

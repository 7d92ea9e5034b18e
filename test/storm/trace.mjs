/**
 * A trace of the system calls of real processes proves the order: written, synced, acknowledged.
 * From the same trace the states are built that a power cut could have left, and opened.
 */

import { mkdirSync, rmSync } from 'node:fs'
import { Cluster } from '../../dist/index.js'
import { Books } from './books.mjs'
import { after, inFolder, promised, start, verify } from './children.mjs'
import { reopened } from './kills.mjs'
import { DiskTrace, writeState } from './power-states.mjs'
import { preloadEvents, straceEvents, straceWords } from './strace-events.mjs'

/** Two lives of a process, the first ended by SIGKILL; then power cuts at moments of both. */
export function traceRound({ random, states, usesStrace }) {
  return inFolder(async folder => {
    const base = `${folder}/traced`
    mkdirSync(base)
    const trace = new DiskTrace(base)
    await recordLives({ folder, base, trace, random, usesStrace })
    const proven = proveOrder(trace)
    const moments = trace.said.filter(({ text }) => /^[act]/.test(text)).map(({ begins }) => begins)
    for (let count = 0; count < states; count++) {
      const isAtAck = random.int(2) === 0
      const moment = isAtAck ? moments[random.int(moments.length)] : random.int(trace.end)
      await powerCut(trace, { folder, moment, damage: DAMAGES[count % DAMAGES.length], random })
    }
    const { length: calls } = trace.operations
    return { traces: 2, calls, syncs: trace.syncs.length, acks: proven, powerCuts: states, kills: 2 }
  })
}

async function recordLives({ folder, base, trace, random, usesStrace }) {
  for (const run of [1, 2]) {
    const file = `${folder}/trace-${run}`
    const options = { dir: `${base}/data`, run, makes: true, speed: 30, pauseMs: 5, writers: 3 }
    const how = usesStrace ? { before: straceWords(file) } : { preload: { trace: file } }
    const child = start('writer.mjs', options, how)
    const isSaid = await child.said(line => line.startsWith('a '))
    promised(isSaid >= 0, `the traced process acknowledges nothing: ${child.errors}`)
    await after(700 + random.int(600))
    // The tracer hands the end on: the process itself is killed, and strace ends with it.
    process.kill(Number(child.lines.find(line => line.startsWith('pid ')).slice(4)), 'SIGKILL')
    await child.ended
    trace.add(await (usesStrace ? straceEvents(file) : preloadEvents(file)))
  }
}

// ── the order ────────────────────────────────────────────────────────────────────────────

/** Every acknowledged record was in a file, by a write that a sync covered, before it was said. */
function proveOrder(trace) {
  const writes = trace.operations.filter(({ kind }) => kind === 'write')
  let proven = 0
  for (const { text, begins } of trace.said) {
    const [what, topic, partition, offset, key, id] = text.split(' ')
    if (what !== 'a') continue
    const bytes = recordBytes(topic, key, id)
    const containing = writes.filter(each => each.begins < begins && each.bytes.includes(bytes))
    const where = `${topic}-${partition} offset ${offset} (${key}, ${id})`
    promised(containing.length > 0, `${where} was acknowledged and never written`)
    const isDurable = containing.some(
      each => each.durableAt < begins && trace.isReachable(each.node, begins),
    )
    promised(isDurable, `${where} was acknowledged before a sync had made it durable`)
    proven++
  }
  promised(proven > 0, 'nothing was acknowledged in the trace')
  return proven
}

/** Key, value and header of the record in Kafka's format, as writer.mjs sends it. */
function recordBytes(topic, key, id) {
  const n = Number(id.split('.')[1])
  const value = topic === 'table' && n % 5 === 4 ? null : id + ' '.repeat((n * 37) % 200)
  const parts = [sized(key), sized(value), varint(1), sized('id'), sized(id)]
  return Buffer.concat(parts)
}

const sized = text =>
  text === null ? varint(-1) : Buffer.concat([varint(text.length), Buffer.from(text)])

function varint(value) {
  const bytes = []
  let rest = value < 0 ? -value * 2 - 1 : value * 2
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  return Buffer.from([...bytes, rest])
}

// ── power cuts ───────────────────────────────────────────────────────────────────────────

/** Name → what becomes of an operation that no sync has made durable. */
const DAMAGES = [
  ['only what was synced', () => () => false],
  ['everything', () => () => true],
  ['a prefix', prefix],
  ['some sectors and names', sectors],
]

/** What began before a moment survives, the write at that moment up to some byte. */
function prefix({ moment, random }) {
  const cut = moment - random.int(Math.min(moment, 400))
  return ({ begins, kind, bytes }) => {
    if (begins < cut) return true
    return begins === cut && kind === 'write' ? random.int(bytes.byteLength) : false
  }
}

function sectors({ random }) {
  return ({ kind }) => {
    if (random.int(2) === 0) return false
    return kind === 'write' ? 'sectors' : true
  }
}

/** Before anything was acknowledged: it has to open. */
async function opened(dir) {
  await (await Cluster.open({ dir })).close()
  await verify(dir)
}

async function powerCut(trace, { folder, moment, damage, random }) {
  const [name, survival] = damage
  const left = `${folder}/left`
  const state = trace.stateAt(moment, survival({ moment, random }), random)
  writeState(state, left)
  const books = new Books()
  const lines = trace.said.filter(({ begins }) => begins <= moment).map(({ text }) => text)
  books.hear({ lines })
  try {
    await (books.acks > 0 ? reopened(`${left}/data`, books) : opened(`${left}/data`))
  } catch (error) {
    error.message = `power cut at moment ${moment} of ${trace.end}, ${name} is left: ${error.message}`
    throw error
  }
  rmSync(left, { recursive: true })
}

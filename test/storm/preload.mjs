/**
 * Loaded before the program of a child, by `--import`: shifts its wall clock, kills it at a chosen
 * disk operation, or writes down its disk operations. What is done stands in the variable STORM:
 *
 *   { shift: [[afterMs, byMs] …] }            the wall clock jumps, the monotonic one does not
 *   { kill: { call, nth, when } }             SIGKILL before, in the middle of or after the n-th
 *                                             call of this name; `openSync` counts what it creates
 *   { trace: file }                           one JSON line for each call, when it begins and ends
 */

import { Buffer } from 'node:buffer'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const { shift, kill, trace } = JSON.parse(process.env.STORM ?? '{}')
const real = { ...fs }

function shiftClock(jumps) {
  const realNow = Date.now
  const startedAt = performance.now()
  Date.now = () => {
    const sinceMs = performance.now() - startedAt
    const byMs = jumps.filter(([afterMs]) => sinceMs >= afterMs).map(([, ms]) => ms)
    return realNow() + byMs.reduce((sum, ms) => sum + ms, 0)
  }
}

// ── dying at an operation ────────────────────────────────────────────────────────────────

function die() {
  process.kill(process.pid, 'SIGKILL')
  for (;;); // nothing more happens in this process
}

function killAt({ call, nth, when }) {
  let count = 0
  const isNext = args => isCounted(call, args) && ++count === nth
  fs[call] = (...args) => {
    if (!isNext(args)) return real[call](...args)
    if (when === 'before') die()
    if (when === 'middle' && call === 'writeSync') {
      const [descriptor, bytes, offset, length, position] = args
      real.writeSync(descriptor, bytes, offset, length >> 1, position)
      die()
    }
    const callback = args.at(-1)
    if (typeof callback === 'function') return real[call](...args.slice(0, -1), die)
    real[call](...args)
    return die()
  }
}

function isCounted(call, args) {
  if (call === 'writeSync') return args[0] > 2 // not what the child says
  if (call === 'openSync') return (args[1] & fs.constants.O_CREAT) !== 0
  return true
}

// ── a trace ──────────────────────────────────────────────────────────────────────────────

/** Name of a call → the event it is, from its arguments and its result. */
const EVENTS = {
  openSync: ([path, flags], descriptor) => ({
    op: 'open', path, descriptor, creates: (flags & fs.constants.O_CREAT) !== 0,
  }),
  closeSync: ([descriptor]) => ({ op: 'close', descriptor }),
  writeSync: ([descriptor, bytes, offset = 0, , position], written) => ({
    op: 'write',
    descriptor,
    at: position ?? null,
    bytes: bytesOf(bytes).subarray(offset, offset + written).toString('base64'),
  }),
  linkSync: ([from, to]) => ({ op: 'link', from, to }),
  ftruncateSync: ([descriptor, size]) => ({ op: 'truncate', descriptor, size }),
  renameSync: ([from, to]) => ({ op: 'rename', from, to }),
  mkdirSync: ([path, options], made) =>
    options?.recursive && made === undefined ? {} : { op: 'mkdir', path: String(path) },
  unlink: ([path]) => ({ op: 'unlink', path: String(path) }),
  fdatasync: ([descriptor]) => ({ op: 'sync', descriptor }),
  fsync: ([descriptor]) => ({ op: 'sync', descriptor }),
}

const bytesOf = given => (typeof given === 'string' ? Buffer.from(given) : given)

function traceInto(file) {
  const log = real.openSync(file, 'a')
  let calls = 0
  const note = event => real.writeSync(log, `${JSON.stringify(event)}\n`)
  for (const [name, eventOf] of Object.entries(EVENTS)) {
    fs[name] = (...args) => {
      const call = ++calls
      note({ begins: call })
      const ended = result => note({ ends: call, ...eventOf(args, result) })
      const callback = args.at(-1)
      if (typeof callback !== 'function') {
        const result = real[name](...args)
        ended(result)
        return result
      }
      return real[name](...args.slice(0, -1), (error, result) => {
        if (!error) ended(result)
        callback(error, result)
      })
    }
  }
}

if (shift !== undefined) shiftClock(shift)
if (kill !== undefined) killAt(kill)
if (trace !== undefined) traceInto(trace)
syncBuiltinESMExports()

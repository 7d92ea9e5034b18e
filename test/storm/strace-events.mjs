/**
 * The disk operations of a process, in their order: from what strace wrote, or from the trace of
 * preload.mjs where there is no strace. An event begins at one moment and ends at a later one:
 * moments are the numbers of lines.
 *
 *   { op: open | close | write | truncate | rename | link | mkdir | unlink | sync | end, begins, ends, … }
 *
 * A write to descriptor 1 is what the process says. Calls that failed are left out.
 */

import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

const CALLS = 'openat,close,write,writev,pwrite64,pwritev,ftruncate,rename,renameat,renameat2'
const NAMES = 'link,linkat,mkdir,mkdirat,unlink,unlinkat,rmdir,fdatasync,fsync'

/** The words that go before a program to trace it into this file. */
export function straceWords(file) {
  const trace = ['-e', `trace=${CALLS},${NAMES}`, '-e', 'signal=none']
  return ['strace', '-f', '--seccomp-bpf', '-xx', '-s', '4000000', ...trace, '-o', file]
}

export async function straceEvents(file) {
  const events = []
  const open = new Map()
  let moment = 0
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    moment++
    const [, thread, text] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (text === undefined) continue
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text)
    if (resumed !== null) {
      const { begins, text: first } = open.get(thread) ?? {}
      if (first !== undefined) add(events, first + resumed[1], begins, moment)
      open.delete(thread)
    } else if (text.endsWith('<unfinished ...>')) {
      open.set(thread, { begins: moment, text: text.slice(0, -'<unfinished ...>'.length) })
    } else {
      add(events, text, moment, moment)
    }
  }
  return inOrder(events)
}

function add(events, text, begins, ends) {
  const [, call, words, result] = /^(\w+)\((.*)\) += (-?\d+)/.exec(text) ?? []
  if (call === undefined || Number(result) < 0) return
  const event = PARSERS[call]?.(split(words), Number(result))
  if (event !== undefined) events.push({ ...event, begins, ends })
}

/** `AT_FDCWD, "\x2f…", O_RDWR|O_CREAT, 0600`: no text holds a comma, all of it is hexadecimal. */
const split = words => words.split(', ')
const bytesOf = word => Buffer.from(word.replace(/^"|"(\.\.\.)?$/g, '').replaceAll('\\x', ''), 'hex')
const textOf = word => bytesOf(word).toString()

const PARSERS = {
  openat: ([, path, flags], descriptor) => ({
    op: 'open', path: textOf(path), descriptor, creates: flags.includes('O_CREAT'),
    truncates: flags.includes('O_TRUNC'),
  }),
  close: ([descriptor]) => ({ op: 'close', descriptor: Number(descriptor) }),
  write: ([descriptor, bytes], count) => written(descriptor, bytes, null, count),
  pwrite64: ([descriptor, bytes, , at], count) => written(descriptor, bytes, Number(at), count),
  ftruncate: ([descriptor, size]) => ({
    op: 'truncate', descriptor: Number(descriptor), size: Number(size),
  }),
  rename: ([from, to]) => ({ op: 'rename', from: textOf(from), to: textOf(to) }),
  link: ([from, to]) => ({ op: 'link', from: textOf(from), to: textOf(to) }),
  mkdir: ([path]) => ({ op: 'mkdir', path: textOf(path) }),
  unlink: ([path]) => ({ op: 'unlink', path: textOf(path) }),
  rmdir: ([path]) => ({ op: 'unlink', path: textOf(path) }),
  fdatasync: ([descriptor]) => ({ op: 'sync', descriptor: Number(descriptor) }),
  fsync: ([descriptor]) => ({ op: 'sync', descriptor: Number(descriptor) }),
  // Node makes none of these today; if it begins to, the proof has to learn them first.
  ...Object.fromEntries(
    ['renameat', 'renameat2', 'linkat', 'mkdirat', 'unlinkat', 'pwritev'].map(name => [name, unknown(name)]),
  ),
}

function unknown(name) {
  return words => {
    throw new Error(`a call that the proof does not know: ${name}(${words.join(', ').slice(0, 200)})`)
  }
}

function written(descriptor, word, at, count) {
  const bytes = bytesOf(word)
  if (Number(descriptor) > 2 && bytes.byteLength < count) throw new Error('strace cut off a write')
  return { op: 'write', descriptor: Number(descriptor), at, bytes: bytes.subarray(0, count) }
}

/** In the order in which they took effect, as far as that can be told: by their ends. */
const inOrder = events => events.sort((a, b) => a.ends - b.ends)

export async function preloadEvents(file) {
  const events = []
  const begun = new Map()
  let moment = 0
  for await (const line of createInterface({ input: createReadStream(file) })) {
    moment++
    const { begins, ends, ...event } = JSON.parse(line)
    if (begins !== undefined) begun.set(begins, moment)
    else {
      if (event.bytes !== undefined) event.bytes = Buffer.from(event.bytes, 'base64')
      events.push({ ...event, begins: begun.get(ends), ends: moment })
    }
  }
  return inOrder(events)
}

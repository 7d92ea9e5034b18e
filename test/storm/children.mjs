/** Processes that a scenario starts, kills and listens to; folders that last as long as it does. */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = name => fileURLToPath(new URL(name, import.meta.url))

export const CLI = here('../../dist/cli.js')
if (!existsSync(CLI)) throw new Error('dist/ is missing: run `npm run build` first')

const PRELOAD = pathToFileURL(here('preload.mjs')).href

/** What a scenario found broken; the folder it is about is kept. */
export class BrokenPromise extends Error {}

export function promised(isKept, sentence) {
  if (!isKept) throw new BrokenPromise(sentence)
}

const alive = new Set()

/** Ends every process that was started here and still runs: after a failure, some do. */
export async function endChildren() {
  await Promise.all([...alive].map(child => child.kill()))
}

/** Runs `body` with a new folder, and removes the folder unless a promise was broken. */
export async function inFolder(body) {
  const folder = mkdtempSync(join(tmpdir(), 'partlog-storm-'))
  try {
    const result = await body(folder)
    rmSync(folder, { recursive: true, force: true })
    return result
  } catch (error) {
    error.message += `\n  the folder is kept: ${folder}`
    throw error
  } finally {
    await endChildren()
  }
}

/**
 * Starts a program of this folder. `options` goes to it as JSON; `preload` is what preload.mjs does
 * in it (kill at a disk operation, shift the clock, write a trace); `before` are the words before
 * node (strace, a shell with a limit).
 */
export function start(program, options, { preload, before = [] } = {}) {
  const node = [process.execPath, ...(preload ? ['--import', PRELOAD] : [])]
  const [command, ...words] = [...before, ...node, here(program), JSON.stringify(options)]
  const { NODE_OPTIONS, ...rest } = process.env
  const env = { ...rest, UV_USE_IO_URING: '0', STORM: JSON.stringify(preload ?? {}) }
  return new Child(spawn(command, words, { env, stdio: ['pipe', 'pipe', 'pipe'] }))
}

/** Runs a command to its end. */
export async function run(command, words) {
  const child = new Child(spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] }))
  await child.ended
  return { code: child.code, lines: child.lines, errors: child.errors }
}

/** Whether this machine can run the command. */
export async function has(command, ...words) {
  try {
    return (await run(command, words)).code === 0
  } catch {
    return false
  }
}

/** Checks every byte of a folder with the command that users have. */
export async function verify(dir) {
  const { code, lines, errors } = await run(process.execPath, [CLI, 'verify', dir])
  promised(code === 0, `verify found: ${[...lines, errors].join('\n')}`)
}

class Child {
  /** Everything it has said, by line. */
  lines = []
  errors = ''
  code = null
  signal = null
  #process
  #waiting = new Set()
  #rest = ''

  constructor(process) {
    this.#process = process
    alive.add(this)
    process.stdout.setEncoding('utf8').on('data', text => this.#hear(text))
    process.stderr.setEncoding('utf8').on('data', text => (this.errors += text))
    process.stdin?.on('error', () => undefined) // it was killed while it was told something
    this.ended = new Promise((resolve, reject) => {
      process.once('error', error => {
        alive.delete(this)
        reject(error)
      })
      process.once('close', (code, signal) => {
        Object.assign(this, { code, signal })
        alive.delete(this)
        resolve()
        for (const look of this.#waiting) look()
      })
    })
  }

  get pid() {
    return this.#process.pid
  }

  get hasEnded() {
    return this.code !== null || this.signal !== null
  }

  tell(line) {
    this.#process.stdin.write(`${line}\n`)
  }

  /** Sends the signal to this process, and to no other. */
  send(signal) {
    this.#process.kill(signal)
  }

  async kill() {
    this.send('SIGKILL')
    await this.ended
  }

  /** Resolves when a line fits, from line number `from` on; with that line's number, or −1. */
  async said(fits, { from = 0, withinMs = 60_000 } = {}) {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      for (const look of this.#waiting) look()
    }, withinMs)
    try {
      for (let at = from; ; at++) {
        while (at >= this.lines.length) {
          if (this.hasEnded || isLate) return -1
          await this.#news()
        }
        if (fits(this.lines[at])) return at
      }
    } finally {
      clearTimeout(timer)
    }
  }

  #news() {
    return new Promise(resolve => {
      const look = () => {
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
    })
  }

  #hear(text) {
    const parts = (this.#rest + text).split('\n')
    this.#rest = parts.pop()
    this.lines.push(...parts)
    for (const look of this.#waiting) look()
  }
}

export const after = ms => new Promise(resolve => setTimeout(resolve, ms))

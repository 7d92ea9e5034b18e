/**
 * A copy of the working tree, in which bugs may be planted. It has its own folder of packages, made
 * of links, so that caches of the copy and of the tree do not mix.
 */

import { fork } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const COPIED = ['src', 'test', 'package.json', 'tsconfig.json']
/** Have packages of their own, and nothing that mutants need. */
const LEFT_OUT = /test[/\\](compat|package|nodes)$/
const CACHES = /^\.(cache|vite|vitest)/

export class Copy {
  folder = mkdtempSync(join(tmpdir(), 'partlog-mutants-'))
  #planted
  /** Files that have changed since the tests ran. */
  #changed = new Set()
  /** The process of tests.mjs, or of seeds.mjs. */
  #child

  constructor() {
    for (const name of COPIED) {
      const options = { recursive: true, filter: from => !LEFT_OUT.test(from) }
      cpSync(join(ROOT, name), join(this.folder, name), options)
    }
    const packages = join(this.folder, 'node_modules')
    mkdirSync(packages)
    for (const name of readdirSync(join(ROOT, 'node_modules'))) {
      if (CACHES.test(name)) continue
      symlinkSync(join(ROOT, 'node_modules', name), join(packages, name))
    }
  }

  /** False if the text to be replaced does not stand there exactly once. */
  plant({ file, from, to }) {
    const path = join(this.folder, 'src', file)
    const text = readFileSync(path, 'utf8')
    const pieces = text.split(from)
    if (pieces.length !== 2) return false
    this.#planted = { path, text }
    writeFileSync(path, pieces.join(to))
    this.#changed.add(path)
    return true
  }

  heal() {
    const { path, text } = this.#planted
    writeFileSync(path, text)
    this.#changed.add(path)
  }

  /** Runs a test file, or some of its tests, up to the first that fails. */
  async test(by, limitMs) {
    if (this.#child === undefined) {
      this.#start('tests.mjs')
      await this.#message(limitMs)
    }
    this.#child.send({ by, changed: [...this.#changed] })
    this.#changed.clear()
    return await this.#message(limitMs)
  }

  /** So many seeds of the search, up to the first that fails. */
  async search(seeds, limitMs) {
    this.#start('seeds.mjs', String(seeds))
    const result = await this.#message(limitMs)
    this.#end()
    return result
  }

  remove() {
    this.#end()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #start(program, ...args) {
    const options = { cwd: this.folder, detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }
    this.#child = fork(join(this.folder, 'test/mutants', program), args, options)
  }

  /** What the child says next. What ends before, or does not end in time, is red as well. */
  #message(limitMs) {
    const child = this.#child
    return new Promise(resolve => {
      const red = output => {
        this.#end()
        resolve({ isRed: true, output })
      }
      const timer = setTimeout(() => red(`not over after ${limitMs / 1_000} s`), limitMs)
      const onExit = code => red(`ended with ${code}`)
      child.once('exit', onExit)
      child.once('message', message => {
        child.off('exit', onExit)
        clearTimeout(timer)
        resolve(message)
      })
    })
  }

  /** With what it has started. */
  #end() {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
}

/**
 * A copy of the working tree, in which bugs may be planted. It has its own folder of packages, made
 * of links, so that caches of the copy and of the tree do not mix.
 */

import { spawn } from 'node:child_process'
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
/** Has packages of its own, and nothing that mutants need. */
const LEFT_OUT = /test[/\\](compat|package|nodes)$/
const CACHES = /^\.(cache|vite|vitest)/

export class Copy {
  #folder = mkdtempSync(join(tmpdir(), 'partlog-mutants-'))
  #planted

  constructor() {
    for (const name of COPIED) {
      const options = { recursive: true, filter: from => !LEFT_OUT.test(from) }
      cpSync(join(ROOT, name), join(this.#folder, name), options)
    }
    const packages = join(this.#folder, 'node_modules')
    mkdirSync(packages)
    for (const name of readdirSync(join(ROOT, 'node_modules'))) {
      if (CACHES.test(name)) continue
      symlinkSync(join(ROOT, 'node_modules', name), join(packages, name))
    }
  }

  /** False if the text to be replaced does not stand there exactly once. */
  plant({ file, from, to }) {
    const path = join(this.#folder, 'src', file)
    const text = readFileSync(path, 'utf8')
    const pieces = text.split(from)
    if (pieces.length !== 2) return false
    this.#planted = { path, text }
    writeFileSync(path, pieces.join(to))
    return true
  }

  heal() {
    if (this.#planted !== undefined) writeFileSync(this.#planted.path, this.#planted.text)
    this.#planted = undefined
  }

  /** Runs test files, up to the first that fails. */
  test(by, limitMs) {
    const files = by.map(name => `test/${name}.test.ts`)
    const options = ['--config', 'test/vitest.config.ts', '--bail', '1', '--reporter', 'dot']
    const limits = ['--testTimeout', '20000', '--maxWorkers', '1']
    return this.#run(['node_modules/vitest/vitest.mjs', 'run', ...options, ...limits, ...files], limitMs)
  }

  search(seeds, limitMs) {
    return this.#run(['test/mutants/seeds.mjs', String(seeds)], limitMs)
  }

  remove() {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Red is what ends with an error, and what does not end in time. */
  #run(args, limitMs) {
    const options = { cwd: this.#folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }
    const child = spawn(process.execPath, args, options)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', piece => (output = (output + piece).slice(-20_000)))
    }
    const end = () => process.kill(-child.pid, 'SIGKILL') // with what it has started
    const timer = setTimeout(() => {
      output += `\nnot over after ${limitMs / 1_000} s`
      end()
    }, limitMs)
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', code => {
        clearTimeout(timer)
        resolve({ isRed: code !== 0, output })
      })
    })
  }
}

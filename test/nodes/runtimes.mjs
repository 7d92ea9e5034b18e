/** The runtimes that npm has brought, each with the words that start a program. */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const packages = fileURLToPath(new URL('node_modules', import.meta.url))
const binary = path => join(packages, path)
const bun = ['@oven/bun-linux-x64/bin/bun', 'bun/bin/bun.exe'].map(binary)

/** Name → program and its first words. */
export const runtimes = {
  'Node 20': [binary('node20/bin/node')],
  'Node 22': [binary('node22/bin/node')],
  'Node 24': [binary('node24/bin/node')],
  'Node 26': [binary('node26/bin/node')],
  Bun: [bun.find(existsSync) ?? bun[0]],
  Deno: [binary('@deno/linux-x64-glibc/deno'), 'run', '--allow-all'],
}

/** Those that are here: npm brings Bun and Deno only where they run. */
export const names = Object.keys(runtimes).filter(name => existsSync(runtimes[name][0]))
if (names.length < 2) throw new Error(`no runtimes in ${packages}: npm --prefix test/nodes ci`)
export const ENTRY = new URL('../../dist/index.js', import.meta.url).href

const script = name => fileURLToPath(new URL(name, import.meta.url))

/** Runs a script of this folder to its end; what it printed, without the last line break. */
export function run(runtime, file, ...words) {
  const [program, ...first] = runtimes[runtime]
  const options = { encoding: 'utf8', timeout: 60_000 }
  const { stdout, stderr, error } = spawnSync(program, [...first, script(file), ...words], options)
  if (error) throw error
  return (stdout + stderr).trim()
}

/** Starts a script of this folder; resolves with the process when it has printed a line. */
export async function start(runtime, file, ...words) {
  const [program, ...first] = runtimes[runtime]
  const stdio = ['ignore', 'pipe', 'inherit']
  const child = spawn(program, [...first, script(file), ...words], { stdio })
  const said = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => resolve(''))
    child.stdout.once('data', data => resolve(String(data).trim()))
  })
  const kill = () =>
    new Promise(resolve => {
      child.once('exit', resolve)
      child.kill('SIGKILL')
    })
  return { said, kill }
}

export async function inFolder(body) {
  const folder = mkdtempSync(join(tmpdir(), 'partlog-nodes-'))
  try {
    return await body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Projects of users: empty folders into which the packed package was installed. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Projects find what they have beside partlog (TypeScript, Jest …) in the folder around them. */
const around = mkdtempSync(join(tmpdir(), 'partlog-package-'))
symlinkSync(join(here, 'node_modules'), join(around, 'node_modules'))
after(() => rmSync(around, { recursive: true, force: true }))

/** The package as it would be published. */
export const TARBALL = packed()

function packed() {
  const words = ['pack', '--ignore-scripts', '--json', '--pack-destination', around]
  const [{ filename }] = JSON.parse(run('npm', words, ROOT).stdout)
  return join(around, filename)
}

/** Runs a program to its end. Throws, with all it has printed, when it fails. */
export function run(program, words, cwd) {
  const options = { cwd, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }
  const { status, error, stdout, stderr } = spawnSync(program, words, options)
  if (error) throw error
  if (status === 0) return { stdout, stderr }
  throw new Error(`${program} ${words.join(' ')}: exit code ${status}\n${stdout}${stderr}`)
}

/** Runs a program that a package of this folder brings. */
export function runTool(name, words, cwd) {
  return run(join(here, 'node_modules/.bin', name), words, cwd)
}

let count = 0

/** Makes an empty project, installs partlog, adds the files; gives its folder. */
export function projectWith(files, packageJson = {}) {
  const folder = join(around, `project-${++count}`)
  mkdirSync(folder)
  const text = JSON.stringify({ name: 'project', private: true, ...packageJson })
  writeFileSync(join(folder, 'package.json'), text)
  const words = ['install', '--no-audit', '--no-fund', '--no-save', '--offline', TARBALL]
  run('npm', words, folder)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return folder
}

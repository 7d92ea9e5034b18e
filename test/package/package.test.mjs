/** The packed package in projects of users, as they import, require, compile and test it. */

import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { test } from 'node:test'
import { projectWith, run, runTool, TARBALL } from './project.mjs'
import { asCommonJs, asCommonJsTypes, asTests, NAMES, PROGRAMS } from './programs.mjs'

/**
 * The library for modules and for CommonJS, declarations for both, the pages: 860 kB. The code keeps
 * its names and lines, which make stack traces readable; without them it would be 640 kB.
 */
const PACKED_BYTES_MAX = 900_000

const named = (extension, textOf) =>
  Object.fromEntries(PROGRAMS.map((each, index) => [`${index}${extension}`, textOf(each)]))

/** What each program prints. */
function printed(folder, extension) {
  return PROGRAMS.map(
    (_, index) => run(process.execPath, [`${index}${extension}`], folder).stdout,
  )
}

/** As an ES module in JavaScript: what all others have to print too. */
const outputs = printed(projectWith(named('.mjs', ({ code }) => code)), '.mjs')

test('programs of the pages print something as ES modules', () => {
  for (const output of outputs) assert.notEqual(output, '')
})

test('the package is small', () => {
  const { size } = statSync(TARBALL)
  assert(size <= PACKED_BYTES_MAX, `${size} bytes`)
})

test('publint has nothing to say', () => {
  const { stdout } = runTool('publint', ['run', TARBALL, '--strict'])
  assert.match(stdout, /All good!/)
})

test('every way to resolve types finds the right ones', () => {
  const { stdout } = runTool('attw', [TARBALL, '--no-color', '--no-emoji'])
  assert.match(stdout, /No problems found/)
})

test('programs of the pages run as CommonJS', () => {
  assert.deepEqual(printed(projectWith(named('.cjs', asCommonJs)), '.cjs'), outputs)
})

/** Strict but for parameters without a type, which programs in JavaScript have. */
const STRICT = {
  target: 'es2022',
  strict: true,
  noImplicitAny: false,
  skipLibCheck: false,
  exactOptionalPropertyTypes: true,
  types: ['node'],
}
const tsconfig = more =>
  JSON.stringify({ compilerOptions: { ...STRICT, ...more }, include: ['*.ts', '*.mts', '*.cts'] })

for (const [kind, extension, textOf] of [
  ['modules', 'mts', ({ code }) => code],
  ['CommonJS', 'cts', asCommonJsTypes],
]) {
  test(`programs of the pages compile as ${kind} with moduleResolution NodeNext, and run`, () => {
    const files = {
      ...named(`.${extension}`, textOf),
      'tsconfig.json': tsconfig({ module: 'nodenext', moduleResolution: 'nodenext' }),
    }
    const folder = projectWith(files)
    runTool('tsc', ['--project', folder])
    assert.deepEqual(printed(folder, `.${extension.replace('ts', 'js')}`), outputs)
  })
}

test('programs of the pages compile with moduleResolution Bundler, and run', () => {
  const files = {
    ...named('.ts', ({ code }) => code),
    'tsconfig.json': tsconfig({ module: 'esnext', moduleResolution: 'bundler' }),
  }
  const folder = projectWith(files, { type: 'module' })
  runTool('tsc', ['--project', folder])
  assert.deepEqual(printed(folder, '.js'), outputs)
})

test('the compiler refuses what is wrong, so the types are not just any', () => {
  const wrong = "import { Cluster } from 'partlog'\nawait Cluster.memory({ brokers: 'three' })\n"
  const config = tsconfig({ module: 'nodenext', moduleResolution: 'nodenext' })
  const folder = projectWith({ 'wrong.mts': wrong, 'tsconfig.json': config })
  assert.throws(() => runTool('tsc', ['--project', folder]), /wrong\.mts\(2,.*error TS2322/s)
})

test('programs of the pages are tests under Jest', () => {
  const head = `const { ${NAMES} } = require('partlog')\nconst { format } = require('node:util')\n`
  const text = asTests(head, "jest.spyOn(console, 'log')", outputs)
  const { stderr } = runTool('jest', ['--ci'], projectWith({ 'programs.test.js': text }))
  assert.match(stderr, new RegExp(`Tests: +${PROGRAMS.length} passed`))
  assert.doesNotMatch(stderr, /did not exit|torn down|open handle/)
})

test('programs of the pages are tests under vitest', () => {
  const head = `
import { ${NAMES} } from 'partlog'
import { format } from 'node:util'
import { expect, test, vi } from 'vitest'
`
  const text = asTests(head, "vi.spyOn(console, 'log')", outputs)
  const folder = projectWith({ 'programs.test.mjs': text }, { type: 'module' })
  const { stdout } = runTool('vitest', ['run', '--no-color'], folder)
  assert.match(stdout, new RegExp(`Tests +${PROGRAMS.length} passed`))
})

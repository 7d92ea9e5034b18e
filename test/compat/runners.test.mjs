/** partlog in the unit tests of its users: Jest, vitest, node:test; ES modules and CommonJS. */

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as partlog from './partlog.mjs'
import { usersTests } from './runners/users-tests.cjs'

const require = createRequire(import.meta.url)
const FOLDER = fileURLToPath(new URL('runners/', import.meta.url))
const JEST = require.resolve('jest/bin/jest')
const VITEST = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const COUNT = Object.keys(usersTests(partlog)).length
const TIMEOUT_MS = 120_000

describe('node:test', () => {
  const copies = { 'ES modules': partlog, CommonJS: require('../../dist/index.cjs') }
  for (const [kind, copy] of Object.entries(copies)) {
    for (const [name, run] of Object.entries(usersTests(copy))) test(`${kind}: ${name}`, run)
  }
})

describe('runners in a process of their own, which ends by itself', { timeout: TIMEOUT_MS }, () => {
  const jest = file => [JEST, '--rootDir', FOLDER, '--json', '--testMatch', `**/${file}`]
  test('Jest, CommonJS', () => passes(jest('in-commonjs.cjs'), COUNT + 1))
  test('Jest, ES modules', () => passes(['--experimental-vm-modules', ...jest('in-esm.mjs')]))
  test('sinon', async () => {
    const script = fileURLToPath(new URL('runners/with-sinon.cjs', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 20_000 })
    assert.equal(stdout, 'passed\n')
  })
  test('vitest', () => passes([VITEST, 'run', '--root', FOLDER, '--reporter=json']))
})

/** Jest and vitest give the same report. */
async function passes(args, count = COUNT) {
  const stdio = ['ignore', 'pipe', 'pipe']
  const runner = spawn(process.execPath, args, { stdio, timeout: TIMEOUT_MS / 3 })
  const ended = new Promise(resolve => runner.once('close', resolve))
  const [report, said] = await Promise.all([text(runner.stdout), text(runner.stderr)])
  assert.equal(await ended, 0, said)
  const { numPassedTests, numTotalTests } = JSON.parse(report)
  assert.deepEqual([numPassedTests, numTotalTests], [count, count])
  assert.doesNotMatch(said, /did not exit|open handle/i)
}

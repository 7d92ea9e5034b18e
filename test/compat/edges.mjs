/**
 * Asks a real broker at its edges (test/golden/edges.ts): `node edges.mjs [--write]`. Ends with 0 if
 * its answers are the recorded ones.
 */

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { startBroker } from './kafka/broker.mjs'
import { BROKER_SETTINGS } from './targets.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const VITEST = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts']
const TEST = ['test/golden/edges.test.ts', '-t', 'a real broker answers as recorded']

const broker = await startBroker({ settings: BROKER_SETTINGS })
try {
  const write = process.argv.includes('--write') ? { EDGES_WRITE: '1' } : {}
  const asking = spawn(process.execPath, [...VITEST, ...TEST, '--reporter=json'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...write, EDGES_AT: broker.address },
  })
  const report = JSON.parse(await text(asking.stdout))
  for (const { failureMessages } of report.testResults.flatMap(each => each.assertionResults)) {
    if (failureMessages.length > 0) console.error(failureMessages.join('\n'))
  }
  // One that was not found passes as well.
  process.exitCode = report.success && report.numPassedTests === 1 ? 0 : 1
} finally {
  await broker.stop()
}

/**
 * Asks a real broker at its edges (test/golden/edges.ts): `node edges.mjs [--write]`. Ends with 0 if
 * its answers are the recorded ones.
 */

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { startBroker } from './kafka/broker.mjs'
import { BROKER_SETTINGS } from './targets.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const VITEST = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts']
const TEST = ['test/golden/edges.test.ts', '-t', 'as it is recorded']

const broker = await startBroker({ settings: BROKER_SETTINGS })
try {
  const write = process.argv.includes('--write') ? { EDGES_WRITE: '1' } : {}
  const asking = spawn(process.execPath, [...VITEST, ...TEST], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...write, EDGES_AT: broker.address },
  })
  process.exitCode = await new Promise(resolve => asking.once('close', resolve))
} finally {
  await broker.stop()
}

/** The tests of this folder, with one real broker for all of them: `node run.mjs [file …]`. */

import { spawn } from 'node:child_process'
import { startBroker } from './kafka/broker.mjs'
import { missingKafka } from './kafka/jars.mjs'
import { BROKER_SETTINGS } from './targets.mjs'

const noKafka = missingKafka()
const broker = noKafka === undefined ? await startBroker({ settings: BROKER_SETTINGS }) : undefined
try {
  const found =
    broker === undefined ? { COMPAT_NO_KAFKA: noKafka } : { COMPAT_KAFKA: broker.address }
  // Two at a time: they wait more than they work, but for each other's time-outs.
  const args = [
    '--test',
    '--test-force-exit',
    '--test-concurrency=2',
    '--test-reporter=spec',
    ...process.argv.slice(2),
  ]
  const tests = spawn(process.execPath, args, {
    stdio: 'inherit',
    env: { ...process.env, ...found },
  })
  process.exitCode = await new Promise(resolve => tests.once('close', resolve))
} finally {
  await broker?.stop()
}

/** The clients: what they send and read, each work in a process of its own. */

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { textAt } from '../parts/records.mjs'

const KAFKAJS = fileURLToPath(new URL('kafkajs.mjs', import.meta.url))

/** kafkajs prints the milliseconds of the work alone. */
const kafkajs = what => params => {
  const words = [KAFKAJS, what, JSON.stringify(params)]
  return Number(execFileSync(process.execPath, words, { encoding: 'utf8' }))
}

/** kcat is timed from its start to its end. */
function kcat(words, input) {
  const startedAt = performance.now()
  const { status, stderr } = spawnSync('kcat', words, {
    input,
    stdio: ['pipe', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`kcat: ${stderr}`)
  return performance.now() - startedAt
}

export const CLIENTS = [
  {
    name: 'kafkajs',
    missing: compat =>
      existsSync(join(compat, 'node_modules', 'kafkajs'))
        ? undefined
        : 'not installed: npm --prefix test/compat ci',
    works: { send: kafkajs('send'), read: kafkajs('read') },
  },
  {
    name: 'kcat',
    missing: () =>
      spawnSync('kcat', ['-V']).error === undefined ? undefined : 'this machine has no kcat',
    works: {
      send({ address, topic, records }) {
        const lines = Array.from({ length: records }, (_, index) => textAt(index)).join('\n')
        return kcat(['-P', '-b', address, '-t', topic], lines)
      },
      read({ address, topic, records }) {
        const words = ['-C', '-b', address, '-t', topic, '-o', 'beginning', '-e', '-q']
        return kcat([...words, '-c', String(records)])
      },
    },
  },
]

/** A tail that was cut at opening is told of by Node's warnings, unless there is a logger. */

import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { silentLogger } from '../../src/base/logger.js'
import { Cluster } from '../../src/cluster/cluster.js'

const LOG = join('broker-1', 'orders-0', '00000000000000000000.log')

/** A folder as a killed process leaves it, in the middle of a write. */
async function torn(): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'partlog-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const running = await Cluster.open({ dir: join(root, 'live') })
  const producer = running.producer()
  for (const value of ['a', 'b']) await producer.send({ topic: 'orders', messages: [{ value }] })
  const dir = join(root, 'killed')
  cpSync(join(root, 'live'), dir, { recursive: true, filter: name => !/\.lock/.test(name) })
  await running.close()
  truncateSync(join(dir, LOG), readFileSync(join(dir, LOG)).length - 5)
  return dir
}

it.each([
  ['without a logger, a warning names what was cut off', undefined, 1],
  ['with a logger, there is no process warning', { ...silentLogger }, 0],
])('%s', async (_, logger, count) => {
  const dir = await torn()
  const warnings: Error[] = []
  const listener = (warning: Error): void => void warnings.push(warning)
  process.on('warning', listener)
  onTestFinished(() => void process.off('warning', listener))
  const cluster = await Cluster.open({ dir, ...(logger === undefined ? {} : { logger }) })
  expect(cluster.recovery.findings.map(({ kind }) => kind)).toEqual(['torn-tail'])
  await cluster.close()
  const told = warnings.filter(({ name }) => name === 'PartlogWarning')
  expect(told).toHaveLength(count)
  const [{ file, keptIn }] = cluster.recovery.findings as [(typeof cluster.recovery.findings)[0]]
  for (const { message } of told) expect(message).toContain(file)
  for (const { message } of told) expect(message).toContain(keptIn[0])
})

/**
 * Timers replaced by functions that do nothing, before or after the library was loaded, and those
 * of node:test: in processes of their own, for the test runner would stand still, too.
 */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { COMMAND_MAX_MS } from './helpers.js'

const ENTRY = new URL('../../dist/index.js', import.meta.url).href

const SESSION = `
  async function session({ Cluster }, clock) {
    const cluster = await Cluster.memory(clock === undefined ? {} : { clock })
    await cluster.admin.createTopic({ topic: 't', partitions: 2 })
    await cluster.producer().send({ topic: 't', messages: [{ value: 'x' }] })
    const members = [1, 2].map(() => cluster.consumer({ groupId: 'g' }))
    await Promise.all(members.map(member => member.subscribe(['t'])))
    await Promise.all(members.map(member => member.ready()))
    const assigned = members.map(member => member.assignment().length)
    await cluster.close()
    return assigned.join()
  }
  function replaceTimers() {
    const never = () => ({ ref() {}, unref() {} })
    for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']) {
      globalThis[name] = never
    }
    process.nextTick = never
    performance.now = () => 1_000
  }
  const answers = async partlog => [
    await session(partlog),
    await session(partlog, partlog.virtualClock()),
  ].join(' ')
  const end = text => { require('node:fs').writeSync(1, text); process.reallyExit(0) }
  const { createRequire } = await import('node:module')
  const require = createRequire(${JSON.stringify(ENTRY)})
`

const PROGRAMS = {
  'replaced after the library was loaded': `
    const partlog = await import(${JSON.stringify(ENTRY)})
    replaceTimers()
    end(await answers(partlog))`,
  'replaced before the library was loaded': `
    replaceTimers()
    end(await answers(require('./index.cjs')))`,
  'those of node:test': `
    const partlog = await import(${JSON.stringify(ENTRY)})
    const { mock } = await import('node:test')
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] })
    end(await answers(partlog))`,
}

it.each(Object.entries(PROGRAMS))('a session continues under fake timers: %s', async (_, program) => {
  const words = ['--input-type=module', '--no-warnings', '--eval', SESSION + program]
  const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: COMMAND_MAX_MS })
  expect(stdout).toBe('1,1 1,1')
})

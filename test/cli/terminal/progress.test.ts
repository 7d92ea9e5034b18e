/** The bar, its rate and the time left, by a clock that the test moves. */

import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { virtualClock } from '../../../src/base/virtual-clock.js'
import { Output } from '../../../src/cli/terminal/output.js'
import { Progress } from '../../../src/cli/terminal/progress.js'

function world(isTTY = true) {
  const clock = virtualClock()
  const stderr = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY })
  const output = new Output(
    new PassThrough() as unknown as NodeJS.WriteStream,
    stderr as unknown as NodeJS.WriteStream,
  )
  const progress = new Progress(output, clock, 'importing')
  /** What was shown since the last call, without bars and colours. */
  const shown = (): string =>
    String(stderr.read() ?? '').replace(/\r\u001b\[K|\u001b\[\d+m/g, '').replace(/[█░]+ /, '')
  return { clock, progress, shown, stderr }
}

it('rate and time left come after a second, and follow the work', async () => {
  const { clock, progress, shown } = world()
  progress.show(10, 1_000, '100 lines', 100)
  expect(shown()).toBe('importing 100 lines')
  await clock.advance(2_000)
  progress.show(100, 1_000, '3,000 lines', 3_000)
  expect(shown()).toBe('importing 3,000 lines, 1,500/s, 18 s left')
  await clock.advance(8_000)
  progress.show(20, 1_000, '5 lines', 5)
  expect(shown()).toBe('importing 5 lines, 1/s, 8:10 min left')
  await clock.advance(90_000)
  progress.show(10, 1_000, '5 lines', 5)
  expect(shown()).toBe('importing 5 lines, 0/s, 2:45 h left')
  await clock.advance(1_000)
  progress.show(1_000, 1_000, '7 lines', 7)
  expect(shown()).toBe('importing 7 lines, 0/s, 0 s left')
})

it('without a total there is a rate alone, and it is drawn ten times a second at most', async () => {
  const { clock, progress, shown } = world()
  await clock.advance(4_000)
  progress.show(8_000, undefined, '8,000 records')
  progress.show(8_001, undefined, '8,001 records')
  expect(shown()).toBe('importing 8,000 records, 2,000/s')
  progress.end()
  expect(shown()).toBe('')
})

it('nothing is shown where nobody watches', () => {
  const { progress, stderr } = world(false)
  progress.show(1, 2, 'x')
  progress.end()
  expect(stderr.read()).toBeNull()
})

import { expect, it } from 'vitest'
import { sleep } from '../../src/base/clock.js'
import { Turns } from '../../src/base/turns.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'

it('a turn is due when work has gone on for five milliseconds since the last one', async () => {
  const clock = new VirtualClock()
  const turns = new Turns(clock)
  expect(turns.isDue).toBe(false)
  await clock.advance(5)
  expect(turns.isDue).toBe(false)
  await clock.advance(1)
  expect(turns.isDue).toBe(true)
  let othersRan = false
  setImmediate(() => (othersRan = true))
  await turns.take()
  expect(othersRan).toBe(true)
  expect(turns.isDue).toBe(false)
})

it('no turn is due after a wait in which others have run', async () => {
  const clock = new VirtualClock()
  const turns = new Turns(clock)
  const waiting = turns.whileWaiting(sleep(clock, 1_000))
  await clock.advance(1_000)
  await waiting
  expect(turns.isDue).toBe(false)
  await clock.advance(6)
  await turns.whileWaiting(Promise.resolve())
  expect(turns.isDue).toBe(true) // no other work has run
})

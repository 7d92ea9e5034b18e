import { expect, it } from 'vitest'
import { SystemClock } from '../../src/base/clock.js'

/** The real clock, but for the time it shows: no pause of the machine can spoil these tests. */
class HandClock extends SystemClock {
  ms = 0
  override monotonicMs(): number {
    return this.ms
  }
}

/** Calls `soon` from within its own callback, so many times; counts the turns of the event loop. */
async function turnsDuring(callbacks: number, eachTakesMs: number): Promise<number> {
  const clock = new HandClock()
  let turns = 0
  const count = (): void => {
    turns++
    watch = setImmediate(count)
  }
  let watch = setImmediate(count)
  await new Promise<void>(resolve => {
    const next = (left: number): void => {
      clock.ms += eachTakesMs
      if (left === 0) resolve()
      else clock.soon(() => next(left - 1))
    }
    next(callbacks)
  })
  clearImmediate(watch)
  return turns
}

it('does what shall be done soon within the turn', async () => {
  expect(await turnsDuring(1_000, 0)).toBe(0)
})

it('lets timers and I/O have a turn when what is done soon takes long', async () => {
  // The first of a turn is done at once, the second one has to wait for the next turn.
  expect(await turnsDuring(20, 2)).toBeGreaterThanOrEqual(9)
})

it('lets them have one when it never ends, however short it is', async () => {
  const turns = await turnsDuring(100, 0.2)
  expect(turns).toBeGreaterThanOrEqual(14)
  expect(turns).toBeLessThanOrEqual(20)
})

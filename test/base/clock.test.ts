/** The real clock and the one that stands still. */

import { describe, expect, it } from 'vitest'
import { sleep, SystemClock, type Clock } from '../../src/base/clock.js'
import { virtualClock } from '../../src/base/virtual-clock.js'

const START = Date.UTC(2026, 0, 1)

describe.each([
  ['SystemClock', (): Clock => new SystemClock()],
  ['VirtualClock', (): Clock => virtualClock()],
])('%s', (_, make) => {
  it('soon calls back at the end of the turn, in order', async () => {
    const clock = make()
    const events: string[] = []
    for (let n = 0; n < 5; n++) clock.soon(() => void events.push(`soon ${n}`))
    events.push('now')
    await clock.turn()
    expect(events).toEqual(['now', ...Array.from({ length: 5 }, (_unused, n) => `soon ${n}`)])
  })

  it('a clock returns whole milliseconds that never go back', () => {
    const clock = make()
    const [now, monotonic] = [clock.now(), clock.monotonicMs()]
    expect(Number.isSafeInteger(now)).toBe(true)
    expect(now).toBeGreaterThanOrEqual(START)
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(monotonic)
  })
})

describe('the real clock', () => {
  it('the real clock calls once after the delay, or never if the timer is cancelled', async () => {
    const clock = new SystemClock()
    const calls: string[] = []
    const cancelled = clock.after(1, () => void calls.push('cancelled'))
    cancelled.cancel()
    const start = clock.monotonicMs()
    await new Promise<void>(resolve => void clock.after(5, resolve))
    expect(clock.monotonicMs() - start).toBeGreaterThanOrEqual(4)
    expect(calls).toEqual([])
  })

  it('the real clock does not call at once if the delay exceeds the timer maximum', async () => {
    const clock = new SystemClock()
    let calls = 0
    /** Node warns of a delay that it cuts to one millisecond. */
    const warnings: string[] = []
    const note = ({ name }: Error): void => void warnings.push(name)
    process.on('warning', note)
    const timer = clock.after(2 ** 31 + 1000, () => calls++)
    await new Promise<void>(resolve => void clock.after(5, resolve))
    timer.cancel()
    process.off('warning', note)
    expect([calls, warnings]).toEqual([0, []])
  })
})

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

describe('soon', () => {
  it('soon callbacks run within the turn', async () => {
    expect(await turnsDuring(1_000, 0)).toBe(0)
  })

  it('long soon callbacks let timers and I/O have a turn', async () => {
    // The first of a turn is done at once, the second one has to wait for the next turn.
    expect(await turnsDuring(20, 2)).toBeGreaterThanOrEqual(9)
  })

  it('endless soon callbacks let timers and I/O have a turn, however short they are', async () => {
    const turns = await turnsDuring(100, 0.2)
    expect(turns).toBeGreaterThanOrEqual(14)
    expect(turns).toBeLessThanOrEqual(20)
  })
})

describe('the virtual clock', () => {
  it('the virtual clock stands still until it is advanced', async () => {
    const clock = virtualClock()
    expect([clock.now(), clock.monotonicMs()]).toEqual([START, 0])
    await clock.advance(1500)
    expect([clock.now(), clock.monotonicMs()]).toEqual([START + 1500, 1500])
    expect(virtualClock(7).now()).toBe(7)
  })

  it('the virtual clock fires timers in order of deadline, then of creation', async () => {
    const clock = virtualClock()
    const events: string[] = []
    const note = (word: string, delayMs: number): void =>
      void clock.after(delayMs, () => void events.push(`${word} at ${clock.monotonicMs()}`))
    note('c', 30)
    note('a', 10)
    note('b1', 20)
    note('b2', 20)
    note('now', 0)
    note('past', -5)
    note('later', 31)
    await clock.advance(30)
    expect(events).toEqual(['now at 0', 'past at 0', 'a at 10', 'b1 at 20', 'b2 at 20', 'c at 30'])
    expect(clock.pendingTimers).toBe(1)
    await clock.advance(1)
    expect(events.at(-1)).toBe('later at 31')
  })

  it('the virtual clock fires timers created while it advances, after settling', async () => {
    const clock = virtualClock()
    const events: string[] = []
    clock.after(10, () => {
      void Promise.resolve().then(() => events.push('settled'))
      clock.after(5, () => void events.push(`inner at ${clock.monotonicMs()}`))
    })
    clock.after(12, () => void events.push('between'))
    await clock.advance(20)
    expect(events).toEqual(['settled', 'between', 'inner at 15'])
    expect(clock.pendingTimers).toBe(0)
  })

  it('the virtual clock forgets a cancelled timer', async () => {
    const clock = virtualClock()
    let calls = 0
    const timer = clock.after(10, () => calls++)
    timer.cancel()
    timer.cancel()
    expect(clock.pendingTimers).toBe(0)
    await clock.advance(100)
    expect(calls).toBe(0)
  })

  it.each([-1, NaN, Infinity])('the virtual clock does not move by %d', async ms => {
    await expect(virtualClock().advance(ms)).rejects.toThrow('time moves forward only')
  })
})

describe('sleep', () => {
  it('sleep resolves after the delay and leaves no timer', async () => {
    const clock = virtualClock()
    const { signal } = new AbortController()
    let isOver = false
    void sleep(clock, 100, signal).then(() => (isOver = true))
    await clock.advance(99)
    expect(isOver).toBe(false)
    await clock.advance(1)
    expect(isOver).toBe(true)
  })

  it('sleep rejects with the reason when it is aborted, and cancels its timer', async () => {
    const clock = virtualClock()
    const controller = new AbortController()
    const sleeping = sleep(clock, 100, controller.signal)
    controller.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
    expect(clock.pendingTimers).toBe(0)
    await expect(sleep(clock, 100, controller.signal)).rejects.toThrow('enough')
    expect(clock.pendingTimers).toBe(0)
  })
})

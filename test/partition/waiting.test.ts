import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { OffsetWaiters, waitUntil, Watchers } from '../../src/partition/waiting.js'

describe('watchers', () => {
  it('a watcher is called at every change until it stops', () => {
    const watchers = new Watchers()
    const calls: string[] = []
    const stopOne = watchers.watch(() => void calls.push('one'))
    watchers.watch(() => void calls.push('two'))
    watchers.notify()
    stopOne()
    stopOne()
    watchers.notify()
    expect(calls).toEqual(['one', 'two', 'two'])
  })

  it('watchers may be added and removed during a notification', () => {
    const watchers = new Watchers()
    const calls: string[] = []
    const stop = watchers.watch(() => {
      calls.push('once')
      stop()
      watchers.watch(() => void calls.push('late'))
    })
    watchers.notify()
    expect(calls).toEqual(['once'])
    watchers.notify()
    expect(calls).toEqual(['once', 'late'])
  })
})

describe('waiting for a condition', () => {
  it('a condition that holds resolves at once', async () => {
    const clock = new VirtualClock()
    expect(await waitUntil(() => true, [], { clock, timeoutMs: 1000 })).toBe('ready')
    expect(clock.pendingTimers).toBe(0)
  })

  it('a wait ends with the change of any source that makes the condition true', async () => {
    const clock = new VirtualClock()
    const [one, two] = [new Watchers(), new Watchers()]
    let bytes = 0
    const wait = waitUntil(() => bytes >= 10, [one, two], { clock, timeoutMs: 1000 })
    let end: string | undefined
    void wait.then(how => (end = how))
    bytes = 9
    one.notify()
    await clock.turn()
    expect(end).toBeUndefined()
    bytes = 10
    two.notify()
    expect(await wait).toBe('ready')
    expect(clock.pendingTimers).toBe(0)
  })

  it('the condition is checked only after a change', async () => {
    const clock = new VirtualClock()
    const source = new Watchers()
    let looks = 0
    const isReady = (): boolean => ++looks > 3
    const wait = waitUntil(isReady, [source], { clock, timeoutMs: 5000 })
    await clock.advance(4999)
    expect(looks).toBe(1)
    for (let n = 0; n < 3; n++) source.notify()
    expect(await wait).toBe('ready')
    source.notify()
    expect(looks).toBe(4)
  })

  it('a wait expires at its deadline, not earlier', async () => {
    const clock = new VirtualClock()
    let end: string | undefined
    void waitUntil(() => false, [new Watchers()], { clock, timeoutMs: 500 }).then(
      how => (end = how),
    )
    await clock.advance(499)
    expect(end).toBeUndefined()
    await clock.advance(1)
    await clock.turn()
    expect(end).toBe('expired')
  })

  it('a wait ends when its signal aborts', async () => {
    const clock = new VirtualClock()
    const source = new Watchers()
    const controller = new AbortController()
    let looks = 0
    const isReady = (): boolean => ++looks > 100
    const options = { clock, timeoutMs: 500, signal: controller.signal }
    const wait = waitUntil(isReady, [source], options)
    controller.abort()
    expect(await wait).toBe('aborted')
    expect(clock.pendingTimers).toBe(0)
    source.notify()
    expect(looks).toBe(1)
  })

  it('a wait with an aborted signal ends at once', async () => {
    const clock = new VirtualClock()
    const options = { clock, timeoutMs: 500, signal: AbortSignal.abort() }
    expect(await waitUntil(() => false, [new Watchers()], options)).toBe('aborted')
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('waiting for an offset', () => {
  it('waits for offsets end in order, each when its offset is reached', async () => {
    const waiters = new OffsetWaiters()
    const reached: number[] = []
    for (const offset of [3, 5, 5, 9]) void waiters.wait(offset).then(() => reached.push(offset))
    const at = async (offset: number): Promise<number[]> => {
      waiters.advance(offset)
      await Promise.resolve()
      return [...reached]
    }
    expect(await at(2)).toEqual([])
    expect(await at(3)).toEqual([3])
    expect(await at(8)).toEqual([3, 5, 5])
    expect(await at(8)).toEqual([3, 5, 5])
    expect(await at(100)).toEqual([3, 5, 5, 9])
  })

  it('a failure rejects all waits for offsets', async () => {
    const waiters = new OffsetWaiters()
    const first = waiters.wait(1)
    const rest = [waiters.wait(2), waiters.wait(3)]
    waiters.advance(1)
    waiters.fail(new Error('offline'))
    await first
    expect(await Promise.allSettled(rest)).toMatchObject([
      { status: 'rejected', reason: { message: 'offline' } },
      { status: 'rejected', reason: { message: 'offline' } },
    ])
    const later = waiters.wait(2)
    waiters.advance(2)
    await later
  })
})

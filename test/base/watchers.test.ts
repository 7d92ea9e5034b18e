import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { nextChange, waitUntil, Watchers } from '../../src/base/watchers.js'

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

describe('waiting for the next change', () => {
  it('a wait for a change ends with the change, the time or the abort, and leaves nothing behind', async () => {
    const clock = new VirtualClock()
    const source = new Watchers()
    const { signal } = new AbortController()
    const changed = nextChange(source, { clock, timeoutMs: 1_000, signal })
    source.notify()
    expect(await changed).toBe('ready')
    expect(clock.pendingTimers).toBe(0)
    const late = nextChange(source, { clock, timeoutMs: 1_000 })
    await clock.advance(1_000)
    expect(await late).toBe('expired')
    const leaving = new AbortController()
    const left = nextChange(source, { clock, timeoutMs: 1_000, signal: leaving.signal })
    leaving.abort()
    expect(await left).toBe('aborted')
    expect(await nextChange(source, { clock, signal: leaving.signal })).toBe('aborted')
    expect(clock.pendingTimers).toBe(0)
  })

  it('a wait for a change has no limit by default', async () => {
    const clock = new VirtualClock()
    const source = new Watchers()
    let end: string | undefined
    void nextChange(source, { clock }).then(how => (end = how))
    await clock.advance(10_000_000)
    expect(end).toBeUndefined()
    source.notify()
    await clock.advance(0)
    expect(end).toBe('ready')
  })
})

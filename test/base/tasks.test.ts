import { describe, expect, it } from 'vitest'
import {
  abortable,
  allDone,
  Deferred,
  eachOf,
  Limiter,
  SerialQueue,
  Signal,
} from '../../src/base/tasks.js'

/** Lets everything run that can. */
const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('a serial queue', () => {
  it('a serial queue runs its tasks in order, one at a time', async () => {
    const queue = new SerialQueue()
    const events: string[] = []
    const gates = [new Deferred<void>(), new Deferred<void>()]
    const results = gates.map((gate, n) =>
      queue.run(async () => {
        events.push(`start ${n}`)
        await gate.promise
        events.push(`end ${n}`)
        return n
      }),
    )
    gates[1]?.resolve()
    await settle()
    expect(events).toEqual(['start 0'])
    gates[0]?.resolve()
    expect(await Promise.all(results)).toEqual([0, 1])
    expect(events).toEqual(['start 0', 'end 0', 'start 1', 'end 1'])
  })

  it('a serial queue continues after a task that fails', async () => {
    const queue = new SerialQueue()
    const failed = queue.run(() => Promise.reject(new Error('no')))
    const thrown = queue.run(() => {
      throw new Error('never')
    })
    const fine = queue.run(() => 7)
    await expect(failed).rejects.toThrow('no')
    await expect(thrown).rejects.toThrow('never')
    expect(await fine).toBe(7)
  })

  it('a serial queue is idle when all queued tasks have ended, successfully or not', async () => {
    const queue = new SerialQueue()
    const gate = new Deferred<void>()
    let isIdle = false
    const task = queue.run(() => gate.promise)
    void queue.idle().then(() => (isIdle = true))
    await settle()
    expect(isIdle).toBe(false)
    gate.reject(new Error('no'))
    await expect(task).rejects.toThrow('no')
    await settle()
    expect(isIdle).toBe(true)
  })
})

describe('a limiter', () => {
  it('a limiter runs up to its limit at a time; other tasks wait in order', async () => {
    const limiter = new Limiter(2)
    const started: number[] = []
    const gates = Array.from({ length: 5 }, () => new Deferred<void>())
    const tasks = gates.map((gate, n) =>
      limiter.run(async () => {
        started.push(n)
        await gate.promise
      }),
    )
    await settle()
    expect(started).toEqual([0, 1])
    gates[1]?.resolve()
    await settle()
    expect(started).toEqual([0, 1, 2])
    gates[0]?.reject(new Error('no'))
    await expect(tasks[0]).rejects.toThrow('no')
    await settle()
    expect(started).toEqual([0, 1, 2, 3])
    for (const gate of gates) gate.resolve()
    await Promise.all(tasks.slice(1))
    expect(started).toEqual([0, 1, 2, 3, 4])
    // All places are free again.
    expect(await limiter.run(async () => 'free')).toBe('free')
  })
})

describe('a signal', () => {
  it('a signal wakes all that wait, and none that wait later', async () => {
    const signal = new Signal()
    const woken: string[] = []
    void signal.wait().then(() => woken.push('one'))
    void signal.wait().then(() => woken.push('two'))
    signal.notify()
    void signal.wait().then(() => woken.push('late'))
    await settle()
    expect(woken).toEqual(['one', 'two'])
    signal.notify()
    signal.notify()
    await settle()
    expect(woken).toEqual(['one', 'two', 'late'])
  })
})

describe('a promise that can be given up', () => {
  it('an abortable promise without a signal is the promise itself', () => {
    const promise = Promise.resolve(7)
    expect(abortable(promise, undefined)).toBe(promise)
  })

  it('an abortable promise settles as its promise does', async () => {
    const { signal } = new AbortController()
    expect(await abortable(Promise.resolve(7), signal)).toBe(7)
    await expect(abortable(Promise.reject(new Error('no')), signal)).rejects.toThrow('no')
  })

  it('an abortable promise rejects with the reason when aborted, before or during', async () => {
    const never = new Promise<void>(() => undefined)
    await expect(abortable(never, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
    // A later rejection must not count as unhandled: that would end the process.
    const late = Promise.reject(new Error('late'))
    await expect(abortable(late, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
    await new Promise(resolve => setImmediate(resolve))
    const controller = new AbortController()
    const waiting = abortable(never, controller.signal)
    controller.abort(new Error('during'))
    await expect(waiting).rejects.toThrow('during')
  })
})

describe('several tasks', () => {
  it('all tasks are waited for, even if one fails; the first failure is thrown', async () => {
    const slow = new Deferred<void>()
    let isOver = false
    const done = allDone([Promise.reject(new Error('one')), slow.promise]).finally(() => {
      isOver = true
    })
    const noted = expect(done).rejects.toThrow('one')
    await settle()
    expect(isOver).toBe(false)
    slow.reject(new Error('two'))
    await noted
  })

  it('a list is handled a few items at a time', async () => {
    const gates = Array.from({ length: 5 }, () => new Deferred<void>())
    const begun: number[] = []
    const done = eachOf(gates.keys(), 2, async index => {
      begun.push(index)
      await gates[index]?.promise
    })
    await settle()
    expect(begun).toEqual([0, 1])
    gates[1]?.resolve()
    await settle()
    expect(begun).toEqual([0, 1, 2])
    for (const gate of gates) gate.resolve()
    await done
    expect(begun).toEqual([0, 1, 2, 3, 4])
  })
})

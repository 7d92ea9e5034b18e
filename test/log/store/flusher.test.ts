import { describe, expect, it } from 'vitest'
import { Flusher } from '../../../src/log/store/flusher.js'

describe('a flush', () => {
  it('a flush does not wait forever for records truncated at the end of its sync', async () => {
    const target = {
      logEndOffset: 10,
      durableEndOffset: 0,
      appendedBytes: 100,
      syncNow: async () => undefined,
      becameDurable: (end: number) => {
        target.logEndOffset = 5
        target.durableEndOffset = Math.min(end, 5)
      },
      onSyncFailed: (error: unknown) => error as Error,
    }
    const flusher = new Flusher(target)
    await flusher.flush()
    expect([target.durableEndOffset, flusher.isRunning]).toEqual([5, false])
  })

  /** A log whose syncs end when the test says so. */
  function slowTarget() {
    const syncs: { end: () => void; fail: (error: Error) => void }[] = []
    const told: [number, number][] = []
    const target = {
      logEndOffset: 10,
      durableEndOffset: 0,
      appendedBytes: 100,
      syncNow: () => new Promise<void>((end, fail) => void syncs.push({ end, fail })),
      becameDurable: (end: number, bytes: number) => {
        told.push([end, bytes])
        target.durableEndOffset = end
      },
      onSyncFailed: (error: unknown) => new Error(`offline: ${(error as Error).message}`),
    }
    return { target, syncs, told }
  }
  const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

  it('records are durable when the sync that began after them has ended, no earlier', async () => {
    const { target, syncs, told } = slowTarget()
    const flusher = new Flusher(target)
    flusher.request()
    await turn()
    expect(told).toEqual([])
    Object.assign(target, { logEndOffset: 12, appendedBytes: 120 }) // comes during the sync
    syncs[0]?.end()
    await turn()
    expect(told).toEqual([[10, 100]])
    syncs[1]?.end()
    await flusher.flush()
    expect(told).toEqual([
      [10, 100],
      [12, 120],
    ])
  })

  it('nothing is synced any more after a sync has failed', async () => {
    const { target, syncs, told } = slowTarget()
    const flusher = new Flusher(target)
    const flushed = flusher.flush()
    const again = expect(flushed).rejects.toThrow('offline: EIO')
    syncs[0]?.fail(new Error('EIO'))
    await again
    flusher.request()
    await expect(flusher.flush()).rejects.toThrow('offline: EIO')
    expect([syncs.length, told]).toEqual([1, []])
  })
})

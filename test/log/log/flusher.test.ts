import { describe, expect, it } from 'vitest'
import { Flusher } from '../../../src/log/log/flusher.js'

describe('a flush', () => {
  it('of what is cut off at the very end of its sync does not wait for it for ever', async () => {
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
})

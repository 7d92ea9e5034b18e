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
})

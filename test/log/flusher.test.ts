import { describe, expect, it } from 'vitest'
import { Flusher } from '../../src/log/flusher.js'

describe('a flush', () => {
  it('of what is cut off at the very end of its sync does not wait for it for ever', async () => {
    const target = {
      logEndOffset: 10,
      appendedBytes: 100,
      syncNow: async () => undefined,
      onDurable: () => {
        target.logEndOffset = 5
        target.appendedBytes = 50
        flusher.cutTo(5)
      },
      onSyncFailed: (error: unknown) => error as Error,
    }
    const flusher: Flusher = new Flusher(target, 0)
    await flusher.flush()
    expect([flusher.durableEndOffset, flusher.durableBytes]).toEqual([5, 50])
  })
})

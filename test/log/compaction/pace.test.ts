import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { Pace } from '../../../src/log/compaction/pace.js'

class SlowClock extends VirtualClock {
  ms = 0
  turns = 0
  override monotonicMs(): number {
    return this.ms
  }
  override turn(): Promise<void> {
    this.turns++
    return Promise.resolve()
  }
}

describe('long work', () => {
  it('a pace lets other work run after a millisecond', async () => {
    const clock = new SlowClock()
    const pace = new Pace(clock, () => undefined)
    const asked = (): boolean[] => Array.from({ length: 32 }, () => pace.isDue)
    expect(asked()).not.toContain(true)
    clock.ms = 1
    expect(asked().filter(isDue => isDue)).toHaveLength(2) // it looks at every sixteenth record
    expect(pace.isOver).toBe(true)
    await pace.turn()
    expect([clock.turns, pace.isOver]).toEqual([1, false])
  })

  it('a pace notices between two turns that the work must stop', async () => {
    let isWanted = true
    const pace = new Pace(new SlowClock(), () => {
      if (!isWanted) throw new Error('not wanted')
    })
    await pace.turn()
    pace.check()
    isWanted = false
    await expect(pace.turn()).rejects.toThrow('not wanted')
    expect(() => pace.check()).toThrow('not wanted')
  })
})

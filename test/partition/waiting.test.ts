import { describe, expect, it } from 'vitest'
import { OffsetWaiters } from '../../src/partition/waiting.js'

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

  it('a lower offset that is waited for later is reached first', async () => {
    const waiters = new OffsetWaiters()
    const reached: number[] = []
    for (const offset of [9, 3, 9, 5]) void waiters.wait(offset).then(() => reached.push(offset))
    waiters.advance(5)
    await Promise.resolve()
    expect(reached).toEqual([3, 5])
    waiters.advance(9)
    await Promise.resolve()
    expect(reached).toEqual([3, 5, 9, 9])
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

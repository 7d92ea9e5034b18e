import { describe, expect, it } from 'vitest'
import { InSyncReplicas } from '../../src/partition/isr.js'

const RULES = { lagMaxMs: 30_000, isAlive: () => true }
const view = (isr: number[], partitionEpoch = 0) => ({
  replicas: [1, 2, 3],
  isr,
  partitionEpoch,
})

/** Broker 1 leads; the others have fetched from these offsets, while the leader was at 10. */
function replicas(isr: number[], ends: Record<number, number> = {}, nowMs = 1_000) {
  const all = new InSyncReplicas(1, view(isr), nowMs)
  for (const [id, end] of Object.entries(ends)) all.noteFetch(Number(id), end, 10, nowMs)
  return all
}

describe('the committed end', () => {
  it.each<[string, number[], Record<number, number>, number]>([
    ['is that of the slowest member', [1, 2, 3], { 2: 8, 3: 5 }, 5],
    ['waits for members that have not fetched yet', [1, 2, 3], { 2: 8 }, -1],
    ['waits for no other replica', [1, 2], { 2: 8, 3: 5 }, 8],
    ['is the log end of a leader alone in sync', [1], { 2: 8, 3: 5 }, 10],
    ['waits for one that is caught up and about to join', [1, 2], { 2: 10, 3: 10 }, 10],
  ])('the committed end %s', (_, isr, ends, expected) => {
    expect(replicas(isr, ends).committedEnd(10, 1_000, RULES)).toBe(expected)
  })

  it('the committed end waits for a live replica that was caught up recently', () => {
    const all = replicas([1, 2], { 2: 10, 3: 10 })
    all.noteFetch(2, 20, 20, 2_000)
    expect(all.committedEnd(20, 2_000, RULES)).toBe(10)
    expect(all.committedEnd(20, 2_000, { ...RULES, isAlive: id => id !== 3 })).toBe(20)
    expect(all.committedEnd(20, 31_000, RULES)).toBe(10)
    expect(all.committedEnd(20, 31_001, RULES)).toBe(20)
  })

  it('the committed end waits for a replica that was caught up at time 0', () => {
    const all = replicas([1, 2], { 2: 10, 3: 10 }, 0)
    all.noteFetch(2, 20, 20, 1)
    expect(all.committedEnd(20, 1, RULES)).toBe(10)
  })

  it('the committed end does not wait for a replica that was never caught up', () => {
    const all = replicas([1, 2], { 2: 10, 3: 4 }, 0)
    all.noteFetch(3, 5, 12, 1)
    expect(all.committedEnd(10, 1, RULES)).toBe(10)
  })

  it('the committed end waits for the maximal ISR while a proposal is pending', () => {
    const growing = replicas([1, 2], { 2: 10, 3: 4 })
    growing.propose([1, 2, 3])
    expect([growing.maximalSize, growing.committedEnd(10, 1_000, RULES)]).toEqual([3, 4])
    const shrinking = replicas([1, 2, 3], { 2: 10, 3: 4 })
    shrinking.propose([1, 2])
    expect([shrinking.maximalSize, shrinking.committedEnd(10, 1_000, RULES)]).toEqual([3, 4])
    shrinking.update(view([1, 2], 1), 1_000)
    expect(shrinking.pending).toBeUndefined()
    expect([shrinking.maximalSize, shrinking.committedEnd(10, 1_000, RULES)]).toEqual([2, 10])
  })

  it('a refused proposal leaves the committed end unchanged', () => {
    const all = replicas([1, 2], { 2: 10, 3: 4 })
    all.propose([1, 2, 3])
    all.giveUpProposal()
    expect([all.pending, all.committedEnd(10, 1_000, RULES)]).toEqual([undefined, 10])
  })
})

it('the leader counts on a member as far as its last fetch says, which may go back', () => {
  const all = replicas([1, 2], { 2: 10, 3: 10 })
  expect([all.countsOn(2, 10), all.countsOn(2, 9), all.countsOn(3, 10)]).toEqual([true, false, false])
  expect(all.noteFetch(2, 10, 10, 1_000)).toBe(false)
  expect(all.noteFetch(2, 9, 10, 1_000)).toBe(true)
  expect([all.countsOn(2, 10), all.countsOn(2, 9)]).toEqual([false, true])
  all.update(view([1], 1), 1_000)
  expect(all.countsOn(2, 9)).toBe(false)
})

describe('laggards', () => {
  it('laggards are members that lag for too long, never those at the log end', () => {
    const all = replicas([1, 2, 3], { 2: 10, 3: 9 })
    expect(all.laggards(10, 31_000, 30_000)).toEqual([])
    expect(all.laggards(10, 31_001, 30_000)).toEqual([3])
    expect(all.laggards(11, 31_001, 30_000)).toEqual([2, 3])
  })

  it('a follower that reaches the log end of its last fetch was caught up then', () => {
    const all = new InSyncReplicas(1, view([1, 2]), 0)
    all.noteFetch(2, 5, 10, 1_000)
    all.noteFetch(2, 10, 20, 20_000) // it has the 10 of its last fetch: caught up at 1,000
    expect(all.laggards(20, 31_000, 30_000)).toEqual([])
    expect(all.laggards(20, 31_001, 30_000)).toEqual([2])
  })

  it('the leader is never a laggard', () => {
    expect(replicas([1]).laggards(99, 1e9, 1)).toEqual([])
  })
})

describe('joining the ISR', () => {
  it.each<[string, number, number, number, boolean]>([
    ['that has everything may join the ISR', 10, 10, 10, true],
    ['behind the high watermark may not join the ISR', 9, 10, 5, false],
    ['behind the start of the epoch may not join the ISR', 9, 5, 10, false],
    ['that has more than both may join the ISR', 11, 10, 10, true],
  ])('a replica %s', (_, end, highWatermark, epochStart, expected) => {
    const all = replicas([1, 2], { 3: end })
    expect(all.mayJoin(3, highWatermark, epochStart)).toBe(expected)
  })

  it('a member, a proposed member and a broker without a replica cannot join', () => {
    const all = replicas([1, 2], { 2: 10, 3: 10 })
    expect([all.mayJoin(2, 0, 0), all.mayJoin(4, 0, 0)]).toEqual([false, false])
    all.propose([1, 2, 3])
    expect(all.mayJoin(3, 0, 0)).toBe(false)
  })
})

it('a known decision of the controller leaves a pending proposal', () => {
  const all = replicas([1, 2])
  all.propose([1, 2, 3])
  all.update(view([1, 2], 0), 0)
  expect(all.pending).toEqual([1, 2, 3])
})

it("replicas are added and removed with the controller's decisions", () => {
  const all = replicas([1, 2, 3], { 2: 10, 3: 4 })
  all.update({ replicas: [1, 2, 4], isr: [1, 2], partitionEpoch: 1 }, 2_000)
  expect([2, 3, 4].map(id => all.has(id))).toEqual([true, false, true])
  expect(all.committedEnd(10, 2_000, RULES)).toBe(10)
})

it('an older decision of the controller than is known is ignored', () => {
  const all = replicas([1, 2])
  all.update(view([1, 2, 3], 2), 0)
  all.update(view([1], 1), 0)
  expect(all.committed.isr).toEqual([1, 2, 3])
})

it('the high watermark waits for a removed member again only when it fetches', () => {
  const all = replicas([1, 2, 3], { 2: 10, 3: 10 })
  all.update(view([1, 2], 1), 1_000)
  all.noteFetch(2, 20, 20, 1_000)
  expect(all.committedEnd(20, 1_000, RULES)).toBe(20)
  all.noteFetch(3, 20, 20, 1_500)
  expect(all.committedEnd(25, 1_500, RULES)).toBe(20)
})

import { describe, expect, it } from 'vitest'
import { Deferred } from '../../src/base/tasks.js'
import type { Agreement } from '../../src/wire/agreement.js'
import { Lane, laneOf, LANES, type Opened } from '../../src/wire/lane.js'

interface Fake {
  isOpen: boolean
  isUsable: boolean
  waitingCount: number
  closedBecause: string | undefined
}

/** A lane whose connections open when the test says so. */
function laneWith(limit: number) {
  const fakes: Fake[] = []
  const opening: Deferred<void>[] = []
  const byOpened = new Map<Opened, Fake>()
  const open = async (): Promise<Opened> => {
    const gate = new Deferred<void>()
    opening.push(gate)
    await gate.promise
    const fake: Fake = { isOpen: true, isUsable: true, waitingCount: 0, closedBecause: undefined }
    const connection = Object.assign(fake, {
      close: (why: string) => void (fake.closedBecause = why),
    })
    const opened = { agreement: { connection } as unknown as Agreement, expiresAtMs: Infinity }
    fakes.push(fake)
    byOpened.set(opened, fake)
    return opened
  }
  const isUsable = (opened: Opened): boolean => byOpened.get(opened)?.isUsable === true
  const lane = new Lane({ limit, open, isUsable })
  const pick = async (): Promise<number> => fakes.indexOf(byOpened.get(await lane.pick()) as Fake)
  /** Picks, and opens what is asked for. */
  const pickNow = async (): Promise<number> => {
    const picked = pick()
    opening.at(-1)?.resolve()
    return await picked
  }
  return { lane, fakes, opening, pick, pickNow }
}

describe('a lane', () => {
  it('a lane uses an idle connection, then a new one, then the least busy one', async () => {
    const { fakes, pick, pickNow, opening } = laneWith(2)
    expect(await pickNow()).toBe(0)
    expect(await pick()).toBe(0)
    fakes[0]!.waitingCount = 3
    expect(await pickNow()).toBe(1)
    fakes[1]!.waitingCount = 5
    expect(await pick()).toBe(0)
    fakes[0]!.waitingCount = 6
    expect(await pick()).toBe(1)
    expect(opening).toHaveLength(2)
  })

  it('concurrent requests share a connection that is being opened', async () => {
    const { pick, opening, fakes } = laneWith(1)
    const picks = [pick(), pick(), pick()]
    opening[0]?.resolve()
    expect(await Promise.all(picks)).toEqual([0, 0, 0])
    expect([opening.length, fakes.length]).toEqual([1, 1])
  })

  it('a lane never opens more connections than its limit', async () => {
    const { pick, opening } = laneWith(3)
    const picks = Array.from({ length: 10 }, () => pick())
    expect(opening).toHaveLength(3)
    for (const gate of opening) gate.resolve()
    await Promise.all(picks)
    expect(opening).toHaveLength(3)
  })

  it('a failure to connect fails all that wait, and the next request retries', async () => {
    const { pick, pickNow, opening } = laneWith(1)
    const picks = [pick(), pick()]
    opening[0]?.reject(new Error('no'))
    const settled = await Promise.allSettled(picks)
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await pickNow()).toBe(0)
  })

  it('a lane removes broken connections', async () => {
    const { lane, fakes, pickNow } = laneWith(1)
    await pickNow()
    Object.assign(fakes[0]!, { isOpen: false, isUsable: false, waitingCount: 9 })
    expect(await pickNow()).toBe(1)
    expect(lane.waitingCount).toBe(0)
  })

  it('a lane closes an old connection when no request waits on it', async () => {
    const { lane, fakes, pickNow, pick } = laneWith(2)
    await pickNow()
    Object.assign(fakes[0]!, { isUsable: false, waitingCount: 1 })
    expect(lane.isOpen).toBe(false)
    expect(await pickNow()).toBe(1)
    expect([fakes[0]!.closedBecause, lane.waitingCount]).toEqual([undefined, 1])
    fakes[0]!.waitingCount = 0
    expect(await pick()).toBe(1)
    expect(fakes[0]!.closedBecause).toBe('it was idle for too long, or its session ends')
    expect(lane.isOpen).toBe(true)
  })

  it('a lane counts waiting requests, and closes what opens after its close', async () => {
    const { lane, fakes, opening, pick } = laneWith(1)
    const picked = pick()
    expect(lane.waitingCount).toBe(1)
    lane.close('the end')
    opening[0]?.resolve()
    await picked
    expect(fakes[0]!.closedBecause).toBe('the end')
    expect([lane.waitingCount, lane.isOpen]).toEqual([0, false])
  })

  it('closing a lane closes all its connections', async () => {
    const { lane, fakes, pickNow } = laneWith(1)
    await pickNow()
    lane.close('the end')
    expect(fakes[0]!.closedBecause).toBe('the end')
    expect(lane.isOpen).toBe(false)
  })
})

describe('lanes', () => {
  it('requests that wait at the broker have lanes of their own', () => {
    expect(laneOf('Fetch')).toBe('fetch')
    expect([laneOf('JoinGroup'), laneOf('SyncGroup')]).toEqual(['join', 'join'])
    for (const api of ['LeaveGroup', 'Heartbeat', 'OffsetCommit', 'Produce', 'Metadata'] as const) {
      expect(laneOf(api)).toBe('plain')
    }
    expect(LANES).toEqual({ plain: 1, fetch: 4, join: 1 })
  })
})

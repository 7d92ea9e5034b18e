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
  it('uses an idle connection, else opens another, else the one with least to do', async () => {
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

  it('lets those who come meanwhile share what is being opened', async () => {
    const { pick, opening, fakes } = laneWith(1)
    const picks = [pick(), pick(), pick()]
    opening[0]?.resolve()
    expect(await Promise.all(picks)).toEqual([0, 0, 0])
    expect([opening.length, fakes.length]).toEqual([1, 1])
  })

  it('never opens more than its limit, those under way counted', async () => {
    const { pick, opening } = laneWith(3)
    const picks = Array.from({ length: 10 }, () => pick())
    expect(opening).toHaveLength(3)
    for (const gate of opening) gate.resolve()
    await Promise.all(picks)
    expect(opening).toHaveLength(3)
  })

  it('tells all who share it when one cannot be opened, and tries again for the next', async () => {
    const { pick, pickNow, opening } = laneWith(1)
    const picks = [pick(), pick()]
    opening[0]?.reject(new Error('no'))
    const settled = await Promise.allSettled(picks)
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await pickNow()).toBe(0)
  })

  it('forgets what is broken', async () => {
    const { lane, fakes, pickNow } = laneWith(1)
    await pickNow()
    Object.assign(fakes[0]!, { isOpen: false, isUsable: false, waitingCount: 9 })
    expect(await pickNow()).toBe(1)
    expect(lane.waitingCount).toBe(0)
  })

  it('closes what is too old when nothing waits on it any more', async () => {
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

  it('counts those who wait for a connection, and closes what comes when it is closed', async () => {
    const { lane, fakes, opening, pick } = laneWith(1)
    const picked = pick()
    expect(lane.waitingCount).toBe(1)
    lane.close('the end')
    opening[0]?.resolve()
    await picked
    expect(fakes[0]!.closedBecause).toBe('the end')
    expect([lane.waitingCount, lane.isOpen]).toEqual([0, false])
  })

  it('closes all that it has', async () => {
    const { lane, fakes, pickNow } = laneWith(1)
    await pickNow()
    lane.close('the end')
    expect(fakes[0]!.closedBecause).toBe('the end')
    expect(lane.isOpen).toBe(false)
  })
})

describe('lanes', () => {
  it('are apart where requests wait at the broker', () => {
    expect(laneOf('Fetch')).toBe('fetch')
    expect([laneOf('JoinGroup'), laneOf('SyncGroup')]).toEqual(['join', 'join'])
    for (const api of ['LeaveGroup', 'Heartbeat', 'OffsetCommit', 'Produce', 'Metadata'] as const) {
      expect(laneOf(api)).toBe('plain')
    }
    expect(LANES).toEqual({ plain: 1, fetch: 4, join: 1 })
  })
})

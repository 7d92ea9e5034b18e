/** A coordinator that comes up in a new process, with members that a former one has left behind. */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { GroupCoordinator } from '../../../src/coordinator/groups/group-coordinator.js'
import { type JoinRequest } from '../../../src/coordinator/groups/member.js'
import type { RebalanceEvent } from '../../../src/coordinator/groups/rebalance-reporter.js'
import { ArrayJournal } from '../fold/array-journal.js'
import { outcomeOf, SETTINGS, Someone, stableParty } from './group-world.js'

const HERE = { clientHost: '', sessionTimeoutMs: 45_000 }
const FACTORY = { clientHost: 'in-process', sessionTimeoutMs: 45_000 }
const ELSEWHERE = { clientHost: '/10.0.0.7', sessionTimeoutMs: 45_000 }

async function afterwards(...requests: Partial<JoinRequest>[]) {
  const journal = new ArrayJournal()
  const before = await stableParty(requests, {}, journal)
  const clock = new VirtualClock()
  const rebalances: RebalanceEvent[] = []
  const listener = {
    rebalanced: (event: RebalanceEvent) => void rebalances.push(event),
    shared() {},
    changed() {},
    failed() {},
  }
  const common = { clock, listener, random: seededRandom(99), settings: SETTINGS }
  const load = (isFirstLoad: boolean): Promise<GroupCoordinator> =>
    GroupCoordinator.load(new ArrayJournal([...journal.records]), { ...common, isFirstLoad })
  const groups = await load(true)
  const all = before.all.map((each, index) => {
    const again = new Someone(() => groups, requests[index])
    again.memberId = each.memberId
    again.generationId = each.generationId
    return again
  })
  const view = () => groups.describe('g')
  return { clock, groups, all, view, rebalances, load }
}

describe('members that lived in the process', () => {
  it.each([
    ['members of this process', HERE],
    ['members of a socket factory', FACTORY],
  ])('%s are removed at once when their process has ended', async (_, request) => {
    const { view, rebalances, all } = await afterwards({ ...request, clientId: 'a' }, request)
    expect(view()).toMatchObject({ state: 'Empty', members: [] })
    expect(rebalances).toMatchObject([
      { generationId: 2, reason: 'the process of clients a, app has ended', timedOut: [] },
    ])
    expect(rebalances[0]?.left).toHaveLength(2)
    expect(outcomeOf(await settled(all[0]?.heartbeat()))).toBe('UNKNOWN_MEMBER_ID')
  })

  it('members of this process stay when only the coordinator moves', async () => {
    const { load } = await afterwards(HERE)
    expect((await load(false)).describe('g')).toMatchObject({ state: 'Stable' })
  })
})

describe('members elsewhere', () => {
  it('members of other processes that send heartbeats stay without a rebalance', async () => {
    const { view, all, clock, rebalances } = await afterwards(ELSEWHERE)
    await clock.advance(5_000)
    expect(outcomeOf(await settled(all[0]?.heartbeat()))).toBe('yes')
    await clock.advance(44_000)
    expect(view()).toMatchObject({ state: 'Stable' })
    expect(rebalances).toEqual([])
  })

  it('silent members of other processes are waited for during the shortest session timeout', async () => {
    const { view, clock } = await afterwards(ELSEWHERE)
    expect(view().members).toHaveLength(1)
    await clock.advance(6_000)
    expect(view()).toMatchObject({ state: 'Empty', members: [] })
  })

  it('members of other processes rejoin with their ids when the others are removed', async () => {
    const { view, all, clock } = await afterwards(ELSEWHERE, HERE)
    expect(view().state).toBe('PreparingRebalance')
    expect(outcomeOf(await settled(all[0]?.heartbeat()))).toBe('REBALANCE_IN_PROGRESS')
    const joining = all[0]?.join()
    await clock.advance(0)
    expect(joining?.answer).toMatchObject({ generationId: 2, memberId: all[0]?.memberId })
  })
})

it.each([HERE, ELSEWHERE])('static members of an ended process have their whole session timeout', async request => {
  const { view, clock } = await afterwards({ ...request, groupInstanceId: 'i' })
  await clock.advance(44_000)
  expect(view()).toMatchObject({ state: 'Stable' })
  await clock.advance(2_000)
  expect(view()).toMatchObject({ state: 'Empty', members: [] })
})

async function settled<T extends { promise: Promise<unknown> }>(call: T | undefined): Promise<T> {
  if (call === undefined) throw new Error('nobody has called')
  await call.promise.catch(() => undefined)
  return call
}

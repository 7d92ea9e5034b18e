import { describe, expect, it } from 'vitest'
import { Deferred } from '../../../src/base/tasks.js'
import type { JournalRecord } from '../../../src/coordinator/fold/journal.js'
import type { JoinRequest } from '../../../src/coordinator/groups/member.js'
import { PartlogError } from '../../../src/model/errors.js'
import { ArrayJournal } from '../fold/array-journal.js'
import {
  groupWorld,
  outcomeOf,
  party,
  saying,
  Someone,
  stableParty,
  type Call,
  type GroupWorld,
  type Party,
} from './group-world.js'

/** Heartbeats of those who live, while time passes. */
async function live({ clock }: GroupWorld, ms: number, ...alive: Someone[]): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= 1_000) {
    await clock.advance(Math.min(leftMs, 1_000))
    for (const each of alive) each.heartbeat()
  }
  await clock.advance(0)
}

const outcomes = (...calls: Call<unknown>[]): string[] => calls.map(outcomeOf)
const membersOf = ({ view }: Party): string[] => view().members.map(({ memberId }) => memberId)
const two = async (request: Partial<JoinRequest> = {}) => {
  const world = await stableParty([request, request])
  return { ...world, leader: world.all[0] as Someone, follower: world.all[1] as Someone }
}

describe('the first members of a group', () => {
  async function waiting(delayMs: number, request: Partial<JoinRequest> = {}) {
    const world = await groupWorld(undefined, { groupInitialRebalanceDelayMs: delayMs })
    return { ...world, next: () => new Someone(() => world.groups, request).join() }
  }

  it('the first members of a group wait for each other for the initial rebalance delay', async () => {
    const { clock, next } = await waiting(3_000)
    const first = next()
    await clock.advance(2_999)
    expect(outcomeOf(first)).toBe('waits')
    await clock.advance(1)
    expect(outcomeOf(first)).toBe('yes')
  })

  it('a newcomer makes the first members wait once more, and all join together', async () => {
    const { clock, next } = await waiting(3_000)
    const first = next()
    await clock.advance(2_000)
    const second = next()
    await clock.advance(3_999)
    expect(outcomes(first, second)).toEqual(['waits', 'waits'])
    await clock.advance(1)
    const answers = await Promise.all([first.promise, second.promise])
    expect(answers.map(({ generationId }) => generationId)).toEqual([1, 1])
    expect(answers.map(({ members }) => members.length)).toEqual([2, 0])
    expect(answers[1]?.leader).toBe(answers[0]?.memberId)
  })

  it('a first member that joins twice does not prolong the wait', async () => {
    const { clock, groups } = await waiting(3_000)
    const someone = new Someone(() => groups)
    const first = someone.join({ requiresMemberId: true })
    await clock.advance(0)
    const second = someone.join()
    await clock.advance(2_000)
    const third = someone.join()
    await clock.advance(1_000)
    expect(outcomes(first, second, third)).toEqual([
      ...['MEMBER_ID_REQUIRED', 'REBALANCE_IN_PROGRESS', 'yes'],
    ])
  })

  it('the first members wait no longer than their rebalance timeout', async () => {
    const { clock, next } = await waiting(3_000, { rebalanceTimeoutMs: 7_000 })
    const calls = [next()]
    for (let second = 1; second < 7; second++) {
      await clock.advance(1_000)
      calls.push(next())
    }
    await clock.advance(999)
    expect(new Set(outcomes(...calls))).toEqual(new Set(['waits']))
    await clock.advance(1)
    expect(new Set(outcomes(...calls))).toEqual(new Set(['yes']))
  })

  it('without an initial rebalance delay the first member joins at once', async () => {
    const { clock, next } = await waiting(0)
    const first = next()
    await clock.advance(0)
    expect(outcomeOf(first)).toBe('yes')
  })

  it('a group whose first members all leave before it begins is empty', async () => {
    const { clock, groups } = await waiting(3_000)
    const someone = new Someone(() => groups)
    const joining = someone.join()
    someone.memberId = groups.describe('g').members[0]?.memberId as string
    someone.leave()
    await clock.advance(2_999)
    expect(outcomeOf(joining)).toBe('UNKNOWN_MEMBER_ID')
    expect(groups.describe('g').state).toBe('PreparingRebalance')
    await clock.advance(1)
    expect(groups.describe('g').state).toBe('Empty')
  })
})

describe('a rebalance', () => {
  it('a rebalance ends when every member has joined again', async () => {
    const world = await two()
    const { clock, groups, leader, follower, rebalances } = world
    const joining = [new Someone(() => groups).join(), follower.join()]
    const nothing = new Uint8Array(0)
    expect(world.view()).toMatchObject({ state: 'PreparingRebalance', protocolName: '' })
    const had = [leader, follower].map(({ memberId }) => memberId)
    for (const { memberId, metadata, assignment } of world.view().members) {
      expect(metadata).toEqual(nothing)
      const kept = had.includes(memberId) ? Buffer.from(memberId) : nothing
      expect(Buffer.from(assignment)).toEqual(Buffer.from(kept))
    }
    await live(world, 9_000, leader, follower)
    expect(outcomes(...joining)).toEqual(['waits', 'waits'])
    joining.push(leader.join())
    await clock.advance(0)
    expect(outcomes(...joining)).toEqual(['yes', 'yes', 'yes'])
    expect(leader.generationId).toBe(2)
    expect(rebalances).toHaveLength(1) // the second is over when it has assigned
  })

  it('a rebalance waits for the longest rebalance timeout, then drops members that did not join', async () => {
    const world = await stableParty([{}, { rebalanceTimeoutMs: 90_000 }, {}])
    const [leader, patient, away] = world.all as [Someone, Someone, Someone]
    const joining = [leader.join(), patient.join()]
    await live(world, 89_999, away) // heartbeats are not enough
    expect(outcomes(...joining)).toEqual(['waits', 'waits'])
    await world.clock.advance(1)
    expect(outcomes(...joining)).toEqual(['yes', 'yes'])
    expect(membersOf(world)).toEqual([leader.memberId, patient.memberId])
    const heartbeat = away.heartbeat()
    await world.clock.advance(0)
    expect(outcomeOf(heartbeat)).toBe('UNKNOWN_MEMBER_ID')
  })

  it('another member leads when the leader does not join the rebalance', async () => {
    const world = await two()
    const joining = world.follower.join({ protocols: saying(['other']) })
    await live(world, 60_000, world.leader)
    const answer = await joining.promise
    expect(answer).toMatchObject({ leader: world.follower.memberId, generationId: 2 })
    expect(answer.members.map(({ memberId }) => memberId)).toEqual([world.follower.memberId])
  })

  it('another member leads when the leader leaves', async () => {
    const world = await two()
    world.leader.leave()
    const answer = await world.follower.join().promise
    expect(answer.leader).toBe(world.follower.memberId)
  })

  it('a rebalance waits for members that were refused with an id, until their time is over', async () => {
    const world = await two({ rebalanceTimeoutMs: 600_000 })
    const { clock, groups, leader, follower } = world
    new Someone(() => groups, { sessionTimeoutMs: 20_000 }).join({ requiresMemberId: true })
    const joining = [leader.join(), follower.join({ protocols: saying(['other']) })]
    await clock.advance(19_999)
    expect(outcomes(...joining)).toEqual(['waits', 'waits'])
    await clock.advance(1)
    expect(outcomes(...joining)).toEqual(['yes', 'yes'])
  })

  it('a rebalance does not wait for a refused member that leaves', async () => {
    const world = await two()
    const pending = new Someone(() => world.groups)
    pending.join({ requiresMemberId: true })
    const joining = [world.leader.join(), world.follower.join()]
    await world.clock.advance(0)
    expect(outcomes(...joining)).toEqual(['waits', 'waits'])
    const gone = pending.leave()
    await world.clock.advance(0)
    expect(outcomes(...joining, gone)).toEqual(['yes', 'yes', 'yes'])
  })

  it('no rebalance begins when a refused member leaves', async () => {
    const world = await two()
    const pending = new Someone(() => world.groups)
    pending.join({ requiresMemberId: true })
    await world.clock.advance(0)
    pending.leave()
    expect(world.view().state).toBe('Stable')
    const late = pending.join()
    await world.clock.advance(0)
    expect(outcomeOf(late)).toBe('UNKNOWN_MEMBER_ID')
  })

  it('members that leave in one request cause one rebalance', async () => {
    const world = await stableParty([{}, {}, {}])
    const [leader, one, other] = world.all as [Someone, Someone, Someone]
    const waiting = leader.join()
    const leaving = [one, leader, new Someone(() => world.groups), other]
    const names = leaving.map(each => ({ ...each.name, reason: 'enough' }))
    const errors = world.groups.leave('g', names).map(error => error?.code)
    expect(errors).toEqual([undefined, undefined, 'UNKNOWN_MEMBER_ID', undefined])
    await world.clock.advance(0)
    expect(outcomeOf(waiting)).toBe('UNKNOWN_MEMBER_ID')
    expect(world.rebalances.at(-1)).toMatchObject({ generationId: 2, members: [] })
    expect(world.view().state).toBe('Empty')
  })

  it('members cannot leave a group that does not exist', async () => {
    const { groups } = await groupWorld()
    const name = { memberId: 'm', groupInstanceId: null, reason: '' }
    expect(groups.leave('nowhere', [name])).toMatchObject([{ code: 'UNKNOWN_MEMBER_ID' }])
    expect(() => groups.leave('', [name])).toThrow('INVALID_GROUP_ID')
  })
})

describe('a member', () => {
  it('a new member may wait five minutes for a rebalance to end', async () => {
    const world = await two({ rebalanceTimeoutMs: 600_000 })
    const joining = new Someone(() => world.groups).join()
    await live(world, 299_999, ...world.all)
    expect(outcomeOf(joining)).toBe('waits')
    await world.clock.advance(1)
    expect(outcomeOf(joining)).toBe('UNKNOWN_MEMBER_ID')
  })

  it('a member of the last generation may wait for a rebalance as long as it takes', async () => {
    const world = await two({ rebalanceTimeoutMs: 600_000 })
    const joining = world.leader.join()
    await live(world, 590_000, world.follower)
    expect(outcomeOf(joining)).toBe('waits')
    world.follower.join()
    await world.clock.advance(9_999)
    expect(outcomeOf(joining)).toBe('yes')
    expect(membersOf(world)).toHaveLength(2)
  })

  it('a member that misses its session timeout is removed, and the others rebalance', async () => {
    const world = await two()
    await live(world, 9_999, world.leader)
    expect(world.view().state).toBe('Stable')
    await world.clock.advance(1)
    expect(world.view()).toMatchObject({ state: 'PreparingRebalance' })
    expect(membersOf(world)).toEqual([world.leader.memberId])
  })

  it.each(['heartbeat', 'commit'] as const)('a %s keeps a member in its group', async what => {
    const world = await two()
    for (let round = 0; round < 3; round++) {
      await world.clock.advance(9_000)
      for (const each of world.all) each[what]()
    }
    expect(membersOf(world)).toHaveLength(2)
  })

  it('a shorter session timeout is in force from the join that names it', async () => {
    const world = await two()
    const { follower, leader } = world
    const more = { sessionTimeoutMs: 6_000, protocols: saying(['other']) }
    const joins = [follower.join(more), leader.join()]
    await Promise.all(joins.map(({ promise }) => promise))
    await Promise.all([follower.sync(), leader.sync(...world.all)].map(({ promise }) => promise))
    await live(world, 6_000, leader)
    expect(membersOf(world)).toEqual([leader.memberId])
  })

  it('of two joins of one member only the last one is answered', async () => {
    const world = await two()
    const joining = [world.leader.join(), world.leader.join()]
    await world.clock.advance(0)
    expect(outcomes(...joining)).toEqual(['REBALANCE_IN_PROGRESS', 'waits'])
  })

  it('a member whose answer was lost gets the same answer again', async () => {
    const world = await party([{}, {}])
    const [leader, follower] = world.all as [Someone, Someone]
    const joined = await Promise.all([leader.join().promise, follower.join().promise])
    expect(joined.map(({ generationId, members }) => [generationId, members.length])).toEqual([
      [1, 2],
      [1, 0],
    ])
    await leader.sync(leader, follower).promise
    for (const each of [leader, follower, follower]) {
      const { assignment } = await each.sync().promise
      expect(Buffer.from(assignment).toString()).toBe(each.memberId)
    }
  })

  it('a member that the leader assigns nothing gets an empty assignment', async () => {
    const world = await party([{}, {}])
    const [leader, follower] = world.all as [Someone, Someone]
    const syncing = [leader.sync(leader), follower.sync()]
    const [first, second] = await Promise.all(syncing.map(({ promise }) => promise))
    expect(first?.assignment.byteLength).toBeGreaterThan(0)
    expect(second).toMatchObject({ assignment: new Uint8Array(0), protocolName: 'range' })
  })

  it('a member that the next leader assigns nothing loses what it had', async () => {
    const world = await two()
    world.follower.join({ protocols: saying(['other']) })
    world.leader.join()
    await world.clock.advance(0)
    world.leader.sync(world.leader)
    const { assignment } = await world.follower.sync().promise
    expect(assignment).toHaveLength(0)
  })

  it('a request without a valid member id is refused', async () => {
    const { groups, leader } = await two()
    const sync = (more: object) =>
      groups.sync('g', {
        ...leader.name,
        protocolType: 'consumer',
        protocolName: 'range',
        assignments: [],
        ...more,
      })
    await expect(sync({ protocolType: 'connect' })).rejects.toThrow('protocol type is consumer')
    await expect(sync({ protocolName: 'sticky' })).rejects.toThrow('assignor is range')
    await expect(sync({ generationId: 7 })).rejects.toMatchObject({ code: 'ILLEGAL_GENERATION' })
    await sync({ protocolType: null, protocolName: null })
    const static_ = { groupInstanceId: 'nobody' }
    await expect(sync(static_)).rejects.toMatchObject({ code: 'UNKNOWN_MEMBER_ID' })
  })

  it.each([
    [5_999, 'refused'],
    [6_000, 'accepted'],
    [1_800_000, 'accepted'],
    [1_800_001, 'refused'],
    [Number.NaN, 'refused'],
  ])('a join with a session timeout of %d ms is %s', async (sessionTimeoutMs, outcome) => {
    const isFine = outcome === 'accepted'
    const { groups, clock } = await groupWorld()
    const joining = new Someone(() => groups, { sessionTimeoutMs }).join()
    await clock.advance(0)
    expect(outcomeOf(joining)).toBe(isFine ? 'yes' : 'INVALID_SESSION_TIMEOUT')
    expect(groups.groups).toHaveLength(isFine ? 1 : 0)
  })

  it('a member learns of a rebalance at once', async () => {
    const { groups, clock, leader } = await two()
    let hasHeard = false
    groups.news('g')?.watch(() => (hasHeard = true))
    await clock.advance(5_000)
    expect(hasHeard).toBe(false)
    leader.join()
    await clock.advance(0)
    expect(hasHeard).toBe(true)
  })
})

describe('members that never ask for their partitions', () => {
  it('members that never sync are removed when the rebalance timeout is over', async () => {
    const world = await party([{ rebalanceTimeoutMs: 30_000 }, { rebalanceTimeoutMs: 30_000 }])
    const [leader, silent] = world.all as [Someone, Someone]
    await leader.sync(...world.all).promise
    await live(world, 29_999, leader, silent)
    expect(world.view().state).toBe('Stable')
    await world.clock.advance(1)
    expect(world.view().state).toBe('PreparingRebalance')
    expect(membersOf(world)).toEqual([leader.memberId])
    await leader.join().promise
    await leader.sync(leader).promise
    expect(world.rebalances.at(-1)).toMatchObject({ timedOut: [{ memberId: silent.memberId }] })
  })

  it('if the leader never syncs it is removed, and members that waited for it join again', async () => {
    const world = await party([{}, {}])
    const [leader, follower] = world.all as [Someone, Someone]
    const syncing = follower.sync()
    await live(world, 60_000, leader)
    expect(outcomeOf(syncing)).toBe('REBALANCE_IN_PROGRESS')
    const { leader: next } = await follower.join().promise
    expect(next).toBe(follower.memberId)
  })

  it('members are checked for syncing again after a rebalance that ended without a generation', async () => {
    const world = await party([{}, { groupInstanceId: 'a' }])
    const [leader, waiting] = world.all as [Someone, Someone]
    const syncing = waiting.sync()
    await live(world, 15_000, leader) // its session has ended, while it waited
    leader.join({ protocols: saying(['other']) })
    await world.clock.advance(0)
    expect(outcomeOf(syncing)).toBe('REBALANCE_IN_PROGRESS')
    await world.clock.advance(10_000)
    expect(membersOf(world)).toEqual([leader.memberId])
  })

  it('members have the whole rebalance timeout of their generation to sync', async () => {
    const world = await party([{}, {}])
    const [leader, silent] = world.all as [Someone, Someone]
    await live(world, 30_000, leader, silent)
    const joining = [leader.join({ protocols: saying(['other']) }), silent.join()]
    await Promise.all(joining.map(({ promise }) => promise))
    await leader.sync(...world.all).promise
    await live(world, 59_999, leader, silent)
    expect(membersOf(world)).toHaveLength(2)
    await world.clock.advance(1)
    expect(membersOf(world)).toEqual([leader.memberId])
  })

  it('members that wait for a slow leader stay, and get a new session when it has assigned', async () => {
    const world = await party([{}, {}])
    const [leader, patient] = world.all as [Someone, Someone]
    const syncing = patient.sync()
    await live(world, 15_000, leader)
    await leader.sync(...world.all).promise
    await syncing.promise
    await live(world, 9_999, leader)
    expect(membersOf(world)).toHaveLength(2)
    await world.clock.advance(1)
    expect(membersOf(world)).toEqual([leader.memberId])
  })

  it('a sync leaves no timer', async () => {
    const { clock, groups } = await two()
    expect(clock.pendingTimers).toBe(2) // a session each
    groups.resign(new PartlogError('NOT_COORDINATOR', 'another one'))
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('a static member', () => {
  const A = { groupInstanceId: 'a' }
  const restart = ({ groups }: Party, request: Partial<JoinRequest> = {}): Someone =>
    new Someone(() => groups, { ...A, ...request })

  it('a static member that returns takes its place without a rebalance', async () => {
    const world = await stableParty([{}, A])
    const [leader, old] = world.all as [Someone, Someone]
    const back = restart(world, { protocols: saying(['other']) })
    const answer = await back.join().promise
    expect(answer).toMatchObject({ generationId: 1, leader: leader.memberId, members: [] })
    expect(answer.skipAssignment).toBe(false)
    expect(back.memberId).not.toBe(old.memberId)
    const { assignment } = await back.sync().promise
    expect(Buffer.from(assignment).toString()).toBe(old.memberId)
    expect(world.view().state).toBe('Stable')
    const calls = [old.heartbeat(), old.commit(), old.join(), old.sync(), old.leave()]
    await world.clock.advance(0)
    expect(new Set(outcomes(...calls))).toEqual(new Set(['FENCED_INSTANCE_ID']))
    expect(outcomeOf(back.heartbeat())).not.toBe('FENCED_INSTANCE_ID')
  })

  it('a static leader that returns does not assign again', async () => {
    const world = await stableParty([A, {}])
    const back = restart(world)
    const answer = await back.join().promise
    expect(answer).toMatchObject({ skipAssignment: true, leader: back.memberId })
    expect(answer.members.map(({ memberId }) => memberId)).toContain(back.memberId)
  })

  it('the coordinator knows a static member by its new id after it returned', async () => {
    const world = await stableParty([{}, A])
    const back = restart(world)
    await back.join().promise
    const again = await groupWorld(new ArrayJournal([...world.journal.records]))
    again.groups.heartbeat('g', back.name)
    const old = (world.all[1] as Someone).name
    expect(() => again.groups.heartbeat('g', old)).toThrow('FENCED_INSTANCE_ID')
  })

  it('a static member that returns with other assignors causes a rebalance', async () => {
    const both = { protocols: saying(['orders'], ['range', 'sticky']) }
    const world = await stableParty([both, { ...both, ...A }])
    const back = restart(world, { protocols: saying(['orders'], ['sticky']) })
    const joining = [back.join(), (world.all[0] as Someone).join()]
    const answers = await Promise.all(joining.map(({ promise }) => promise))
    expect(answers.map(each => [each.generationId, each.protocolName])).toEqual([
      [2, 'sticky'],
      [2, 'sticky'],
    ])
  })

  it('a static member that returns while the leader assigns causes a rebalance', async () => {
    const world = await party([{}, A])
    const [leader, old] = world.all as [Someone, Someone]
    const syncing = old.sync()
    const back = restart(world).join()
    const late = leader.sync(...world.all)
    const again = leader.join()
    await world.clock.advance(0)
    expect(outcomes(syncing, late, back, again)).toEqual([
      ...['FENCED_INSTANCE_ID', 'REBALANCE_IN_PROGRESS', 'yes', 'yes'],
    ])
  })

  it('a static member that returns during a rebalance joins it, and is not new', async () => {
    const world = await stableParty([{ rebalanceTimeoutMs: 600_000 }])
    const [leader] = world.all as [Someone]
    const old = restart(world).join()
    await world.clock.advance(0)
    const back = restart(world)
    const joining = back.join()
    await live(world, 200_000, leader)
    expect(outcomes(old, joining)).toEqual(['FENCED_INSTANCE_ID', 'waits'])
    leader.join()
    await world.clock.advance(0)
    expect(outcomeOf(joining)).toBe('yes')
  })

  it('a static member that is away stays until its session ends, whatever rebalances', async () => {
    const world = await stableParty([{}, { ...A, sessionTimeoutMs: 200_000 }])
    const [leader, away] = world.all as [Someone, Someone]
    const joining = leader.join()
    await live(world, 60_000, leader) // it does not join: the rebalance goes on
    expect(outcomeOf(joining)).toBe('yes')
    expect(membersOf(world)).toEqual([leader.memberId, away.memberId])
    const { assignment } = await leader.sync(...world.all).promise
    expect(assignment.byteLength).toBeGreaterThan(0)
    await live(world, 59_000, leader)
    expect(membersOf(world)).toHaveLength(2)
    await live(world, 1_000, leader) // it has never asked for its partitions
    expect(membersOf(world)).toEqual([leader.memberId])
  })

  it('a static member gets a new session with each generation, as in Kafka', async () => {
    const world = await stableParty([{}, { ...A, sessionTimeoutMs: 70_000 }])
    const [leader] = world.all as [Someone]
    leader.join()
    await live(world, 60_000, leader)
    await leader.sync(...world.all).promise
    await live(world, 59_000, leader)
    expect(membersOf(world)).toHaveLength(2)
  })

  it('a group whose only static member is away rebalances until its session ends', async () => {
    const world = await stableParty([{ ...A, sessionTimeoutMs: 100_000 }, {}])
    const [away, leaving] = world.all as [Someone, Someone]
    leaving.leave()
    await world.clock.advance(99_999)
    expect(world.view().state).toBe('PreparingRebalance')
    expect(membersOf(world)).toEqual([away.memberId])
    await world.clock.advance(1)
    expect(world.view()).toMatchObject({ state: 'Empty', members: [] })
  })

  it('a static member is removed by its instance id', async () => {
    const world = await stableParty([{}, A])
    const name = { memberId: '', groupInstanceId: 'a', reason: 'by hand' }
    expect(world.groups.leave('g', [name])).toEqual([undefined])
    expect(world.groups.leave('g', [name])).toMatchObject([{ code: 'UNKNOWN_MEMBER_ID' }])
    expect(membersOf(world)).toHaveLength(1)
  })

  it('an instance id cannot be joined under the member id of another member', async () => {
    const { groups, clock } = await groupWorld()
    const someone = new Someone(() => groups)
    someone.join({ requiresMemberId: true })
    await clock.advance(0)
    const joining = someone.join(A)
    await clock.advance(0)
    expect(outcomeOf(joining)).toBe('INVALID_REQUEST')
  })
})

/** A journal whose commits a test decides about. */
class SlowJournal extends ArrayJournal {
  readonly waiting: Deferred<void>[] = []
  isSlow = false
  refusal: PartlogError | undefined

  override append(records: readonly JournalRecord[]): Promise<void> {
    if (this.refusal !== undefined) throw this.refusal
    this.records.push(...records)
    if (!this.isSlow) return Promise.resolve()
    const deferred = new Deferred<void>()
    this.waiting.push(deferred)
    return deferred.promise
  }
}

describe('while the log takes its time', () => {
  const A = { groupInstanceId: 'a' }
  async function slowly(requests: readonly Partial<JoinRequest>[], begin = party) {
    const journal = new SlowJournal()
    const world = await begin(requests, { groupInitialRebalanceDelayMs: 1_000 }, journal)
    const settle = (): Promise<void> => world.clock.advance(0)
    const back = (): Someone => new Someone(() => world.groups, A)
    return { ...world, journal, settle, back }
  }
  async function stableSlowly(requests: readonly Partial<JoinRequest>[]) {
    const world = await slowly(requests, stableParty)
    world.journal.isSlow = true
    return world
  }

  it('no member gets its partitions before the group record is durable', async () => {
    const world = await slowly([{}, {}])
    world.journal.isSlow = true
    const syncing = world.all.map(each => each.sync(...world.all))
    await world.settle()
    expect(outcomes(...syncing)).toEqual(['waits', 'waits'])
    world.journal.waiting[0]?.resolve()
    await world.settle()
    expect(outcomes(...syncing)).toEqual(['yes', 'yes'])
  })

  it('a leader that syncs again while the record is written does not assign again', async () => {
    const world = await slowly([{}])
    const [leader] = world.all as [Someone]
    world.journal.isSlow = true
    const syncing = [leader.sync(leader), leader.sync()]
    await world.settle()
    expect(world.journal.waiting).toHaveLength(1)
    world.journal.waiting[0]?.resolve()
    await world.settle()
    expect(outcomes(...syncing)).toEqual(['REBALANCE_IN_PROGRESS', 'yes'])
    expect((await (syncing[1] as Call<never>).promise)['assignment']).toHaveProperty('length', 36)
  })

  it('an assignment for a generation that is over is not delivered', async () => {
    const world = await slowly([{}, {}])
    const [leader, follower] = world.all as [Someone, Someone]
    world.journal.isSlow = true
    const syncing = [leader.sync(...world.all), follower.sync()]
    follower.join({ protocols: saying(['other']) })
    await world.settle()
    world.journal.waiting[0]?.resolve()
    await world.settle()
    expect(outcomes(...syncing)).toEqual(['REBALANCE_IN_PROGRESS', 'REBALANCE_IN_PROGRESS'])
    expect(world.view().state).toBe('PreparingRebalance')
    const again = leader.join()
    await world.settle()
    expect(outcomeOf(again)).toBe('yes')
    const synced = leader.sync(...world.all)
    await world.settle()
    expect(world.journal.waiting).toHaveLength(2)
    world.journal.waiting[1]?.resolve()
    await world.settle()
    expect(outcomeOf(synced)).toBe('yes')
  })

  it('an assignment is not delivered to a later generation that waits for its own', async () => {
    const world = await slowly([{}, {}])
    const [leader, follower] = world.all as [Someone, Someone]
    world.journal.isSlow = true
    leader.sync(...world.all)
    follower.join({ protocols: saying(['other']) })
    leader.join()
    await world.settle()
    const synced = follower.sync()
    await world.settle()
    world.journal.waiting[0]?.resolve() // of the generation before
    await world.settle()
    expect([outcomeOf(synced), world.view().state]).toEqual(['waits', 'CompletingRebalance'])
  })

  it.each([
    ['NOT_ENOUGH_REPLICAS', 'COORDINATOR_NOT_AVAILABLE'],
    ['NOT_LEADER_OR_FOLLOWER', 'NOT_COORDINATOR'],
    ['MESSAGE_TOO_LARGE', 'UNKNOWN_SERVER_ERROR'],
  ] as const)('a failed write (%s) is answered with %s, and the members join again', async (code, word) => {
    const world = await slowly([{}, {}])
    world.journal.refusal = new PartlogError(code, 'no')
    const syncing = world.all.map(each => each.sync(...world.all))
    await world.settle()
    expect(outcomes(...syncing)).toEqual([word, word])
    expect(world.view().state).toBe('PreparingRebalance')
    world.journal.refusal = undefined
    const joining = world.all.map(each => each.join())
    await world.settle()
    expect(outcomes(...joining)).toEqual(['yes', 'yes'])
    const again = world.all.map(each => each.sync(...world.all))
    await world.settle()
    expect(outcomes(...again)).toEqual(['yes', 'yes'])
  })

  it('members are refused when the group record is not replicated in time', async () => {
    const world = await slowly([{}, {}])
    const [leader, follower] = world.all as [Someone, Someone]
    world.journal.isSlow = true
    const syncing = [follower.sync(), leader.sync(...world.all)]
    await world.clock.advance(4_999)
    expect(outcomes(...syncing)).toEqual(['waits', 'waits'])
    await world.clock.advance(1)
    const word = 'COORDINATOR_NOT_AVAILABLE'
    expect(outcomes(...syncing)).toEqual([word, word])
    expect(syncing[0]?.error?.outcomeUnknown).toBe(true)
    expect(world.view().state).toBe('PreparingRebalance')
  })

  it('a static member that returns waits until its record is durable', async () => {
    const world = await stableSlowly([{}, A])
    const joining = world.back().join()
    await world.settle()
    expect(outcomeOf(joining)).toBe('waits')
    world.journal.waiting[0]?.resolve()
    await world.settle()
    expect(outcomeOf(joining)).toBe('yes')
  })

  it('a static member that returns twice has one place', async () => {
    const world = await stableSlowly([{}, A])
    const [first, second] = [world.back(), world.back()]
    const joining = [first.join(), second.join()]
    await world.settle()
    for (const { resolve } of world.journal.waiting) resolve()
    await world.settle()
    expect(outcomes(...joining)).toEqual(['FENCED_INSTANCE_ID', 'yes'])
    expect(world.view().members.map(({ memberId }) => memberId)).toContain(second.memberId)
    expect(world.view().members).toHaveLength(2)
  })

  it('a static member keeps its old id when its return cannot be written', async () => {
    const world = await stableSlowly([{}, A])
    const [, old] = world.all as [Someone, Someone]
    world.journal.refusal = new PartlogError('NOT_ENOUGH_REPLICAS', 'no')
    const joining = world
      .back()
      .join({ sessionTimeoutMs: 60_000, protocols: saying(['other'], ['range', 'more']) })
    await world.settle()
    expect(outcomeOf(joining)).toBe('COORDINATOR_NOT_AVAILABLE')
    const heartbeat = old.heartbeat()
    await world.settle()
    expect(outcomeOf(heartbeat)).toBe('yes')
    expect(world.view().members[1]?.metadata).toEqual(saying(['orders'])[0]?.metadata)
    await live(world, 10_000, world.all[0] as Someone)
    expect(membersOf(world)).not.toContain(old.memberId)
  })

  it('a static member that returns joins a rebalance that has begun meanwhile', async () => {
    const world = await stableSlowly([{}, A])
    const [leader] = world.all as [Someone]
    const back = world.back()
    const joining = back.join()
    const again = leader.join()
    await world.settle()
    world.journal.waiting[0]?.resolve()
    await world.settle()
    expect(outcomes(joining, again)).toEqual(['yes', 'yes'])
    expect((await joining.promise).generationId).toBe(2)
  })

  it('requests that wait are answered when the coordinator resigns', async () => {
    const world = await stableSlowly([{}, {}, A])
    const [leader, follower] = world.all as [Someone, Someone, Someone]
    const calls: Call<unknown>[] = [world.back().join(), leader.join()]
    await world.settle()
    calls.push(new Someone(() => world.groups).join())
    const other = new Someone(() => world.groups, {}, 'other')
    const first = other.join()
    await world.clock.advance(1_000)
    await first.promise
    calls.push(other.sync(other))
    await world.settle()
    expect(new Set(outcomes(...calls))).toEqual(new Set(['waits']))
    let hasNews = false
    world.groups.news('g')?.watch(() => (hasNews = true))
    world.groups.resign(new PartlogError('NOT_COORDINATOR', 'another one'))
    expect(hasNews).toBe(true)
    calls.push(follower.heartbeat(), follower.join(), follower.leave(), follower.commit())
    calls.push(new Someone(() => world.groups, {}, 'third').join())
    await world.settle()
    expect(new Set(outcomes(...calls))).toEqual(new Set(['NOT_COORDINATOR']))
    expect(() => world.groups.describe('g')).toThrow('NOT_COORDINATOR')
    for (const { resolve } of world.journal.waiting) resolve()
    await world.settle()
    expect(world.clock.pendingTimers).toBe(0)
    expect(world.failures).toEqual([])
  })

  it('a group is empty even if the record of that cannot be written', async () => {
    const world = await stableSlowly([{}])
    world.journal.refusal = new PartlogError('NOT_ENOUGH_REPLICAS', 'no')
    world.all[0]?.leave()
    await world.settle()
    expect(world.view().state).toBe('Empty')
    expect(world.failures).toEqual(['group g: could not write its last generation to the log'])
  })

  it('a group that cannot be deleted stays as it was', async () => {
    const world = await stableSlowly([{}])
    const [only] = world.all as [Someone]
    only.leave()
    world.journal.refusal = new PartlogError('NOT_ENOUGH_REPLICAS', 'no')
    await expect(world.groups.deleteGroup('g')).rejects.toThrow('COORDINATOR_NOT_AVAILABLE')
    world.journal.refusal = undefined
    const joining = new Someone(() => world.groups).join()
    await world.clock.advance(1_000)
    expect(joining.answer?.generationId).toBe(3)
  })

  it('a member that joins and leaves while its group is being deleted stays known', async () => {
    const world = await stableSlowly([{}])
    world.all[0]?.leave()
    const deleting = world.groups.deleteGroup('g')
    const someone = new Someone(() => world.groups)
    someone.join()
    await world.clock.advance(1_000)
    someone.leave()
    for (const { resolve } of world.journal.waiting) resolve()
    await deleting
    const next = new Someone(() => world.groups).join()
    await world.clock.advance(1_000)
    expect(next.answer?.generationId).toBe(5)
  })

  it('a member that joins while its group is being deleted is a member afterwards', async () => {
    const world = await stableSlowly([{}])
    world.all[0]?.leave()
    const deleting = world.groups.deleteGroup('g')
    const someone = new Someone(() => world.groups)
    const joining = someone.join()
    await world.settle()
    for (const { resolve } of world.journal.waiting) resolve()
    await deleting
    await world.clock.advance(1_000)
    expect(outcomeOf(joining)).toBe('yes')
    expect(world.view().members).toHaveLength(1)
    world.journal.isSlow = false
    await someone.sync(someone).promise
    expect(someone.generationId).toBe(3)
  })
})

describe('a group that is full', () => {
  const full = { groupMaxSize: 2 }

  it.each([
    ['PreparingRebalance', true],
    ['CompletingRebalance', false],
    ['Stable', false],
  ] as const)('a full group in state %s refuses another member', async (state, isWaiting) => {
    const world = await (state === 'CompletingRebalance' ? party : stableParty)([{}, {}], full)
    const [leader, follower] = world.all as [Someone, Someone]
    if (isWaiting) {
      leader.join()
      await world.clock.advance(0)
    }
    expect(world.view().state).toBe(state)
    if (isWaiting) {
      const extra = new Someone(() => world.groups).join() // takes the place of one who is late
      const late = follower.join()
      await world.clock.advance(0)
      expect(outcomes(extra, late)).toEqual(['yes', 'GROUP_MAX_SIZE_REACHED'])
      expect(membersOf(world)).not.toContain(follower.memberId)
      return
    }
    const extra = new Someone(() => world.groups).join()
    const known = follower.join()
    await world.clock.advance(0)
    expect(outcomes(extra, known)).toEqual(['GROUP_MAX_SIZE_REACHED', 'yes'])
    expect(world.view().state).toBe(state)
  })

  it('a full group accepts refused members only up to its maximum size', async () => {
    const { groups, clock } = await groupWorld(undefined, {
      ...full,
      groupInitialRebalanceDelayMs: 1_000,
    })
    const all = [1, 2, 3].map(() => new Someone(() => groups))
    for (const each of all) each.join({ requiresMemberId: true })
    await clock.advance(0)
    const joining = [...all, all[0] as Someone].map(each => each.join())
    await clock.advance(0)
    expect(clock.pendingTimers).toBe(3) // two sessions and the first rebalance
    await clock.advance(2_000)
    expect(outcomes(...joining)).toEqual([
      ...['REBALANCE_IN_PROGRESS', 'yes', 'GROUP_MAX_SIZE_REACHED', 'yes'],
    ])
    const again = (all[2] as Someone).join()
    ;(all[0] as Someone).leave()
    await clock.advance(0)
    const after = (all[2] as Someone).join()
    await clock.advance(0)
    expect(outcomes(again, after)).toEqual(['GROUP_MAX_SIZE_REACHED', 'UNKNOWN_MEMBER_ID'])
  })

  it('a full group lets static members return', async () => {
    const world = await stableParty([{}, { groupInstanceId: 'a' }], full)
    const back = new Someone(() => world.groups, { groupInstanceId: 'a' }).join()
    await world.clock.advance(0)
    expect(outcomeOf(back)).toBe('yes')
  })

  it('a loaded group with more members than the maximum rebalances', async () => {
    const { journal, all } = await stableParty([{}, {}, {}])
    const world = await groupWorld(new ArrayJournal([...journal.records]), full)
    expect(world.groups.describe('g').state).toBe('PreparingRebalance')
    const joining = all.map(({ groupId, request, memberId }) => {
      const again = new Someone(() => world.groups, request, groupId)
      again.memberId = memberId
      return again.join()
    })
    await world.clock.advance(0)
    expect(outcomes(...joining)).toEqual(['yes', 'yes', 'GROUP_MAX_SIZE_REACHED'])
    expect(world.groups.describe('g').members).toHaveLength(2)
  })

  it('a group gives member ids only up to its maximum size', async () => {
    const { groups, clock } = await groupWorld(undefined, { groupMaxSize: 1 })
    const ask = () => new Someone(() => groups).join({ requiresMemberId: true })
    const asked = Array.from({ length: 10_001 }, ask)
    await clock.advance(0)
    expect(outcomes(...asked.slice(-2))).toEqual(['MEMBER_ID_REQUIRED', 'GROUP_MAX_SIZE_REACHED'])
    groups.resign(new PartlogError('NOT_COORDINATOR', 'another one'))
    expect(clock.pendingTimers).toBe(0)
  })
})

import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../../src/base/random.js'
import type { GroupCoordinator } from '../../../src/coordinator/groups/group-coordinator.js'
import { readGroupRecord } from '../../../src/coordinator/groups/group-journal.js'
import { GROUP_STATES, type GroupState } from '../../../src/coordinator/groups/group-states.js'
import { isPartlogError, PartlogError } from '../../../src/model/errors.js'
import {
  encodeVersioned,
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
} from '../../../src/protocol/messages/group-records.js'
import { ArrayJournal } from '../fold/array-journal.js'
import { vector } from '../../golden/vectors.js'
import { at, groupWorld, outside, Someone, stableParty, type Call } from './group-world.js'

/** All that others can see, in an order of its own. */
async function pictureOf(groups: GroupCoordinator): Promise<unknown> {
  const pictures = await Promise.all(
    groups.groups.map(async view => ({
      ...view,
      members: view.members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1)),
      offsets: (await groups.committedOffsets(view.groupId)).toSorted((a, b) =>
        `${a.topic}-${a.partition}` < `${b.topic}-${b.partition}` ? -1 : 1,
      ),
    })),
  )
  return pictures.toSorted((a, b) => (a.groupId < b.groupId ? -1 : 1))
}

const again = (journal: ArrayJournal) => groupWorld(new ArrayJournal([...journal.records]))

describe('a coordinator that loads what another has kept', () => {
  it('of members with the same id in a record, the last one counts', async () => {
    const kept = {
      memberId: 'm',
      groupInstanceId: null,
      clientHost: '',
      sessionTimeout: 6_000,
      subscription: Buffer.alloc(0),
      assignment: Buffer.alloc(0),
    }
    const members = ['a', 'b'].map(clientId => ({ ...kept, clientId }))
    const value = { protocolType: 'consumer', generation: 4, protocol: 'p', leader: 'm', members }
    const record = {
      key: encodeVersioned(groupMetadataKey, { group: 'g' }, 2),
      value: encodeVersioned(groupMetadataValue, value, 3),
    }
    const { groups } = await groupWorld(new ArrayJournal([record]))
    expect(groups.describe('g').members.map(({ clientId }) => clientId)).toEqual(['b'])
  })

  it('a loaded coordinator has all groups, members, generations, assignments and offsets', async () => {
    const world = await stableParty([{}, { groupInstanceId: 'i', clientId: 'b', clientHost: 'x' }])
    const [leader, other] = world.all as [Someone, Someone]
    await leader.commit(7).promise
    await world.groups.commit(outside('h', at('orders', 1, 5, 'm')))
    const { groups, clock } = await again(world.journal)
    expect(await pictureOf(groups)).toEqual(await pictureOf(world.groups))
    groups.heartbeat('g', leader.name)
    groups.heartbeat('g', other.name)
    const { assignment } = await groups.sync('g', {
      ...other.name,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: [],
    })
    expect(Buffer.from(assignment).toString()).toBe(other.memberId)
    const copy = new Someone(() => groups, leader.request)
    Object.assign(copy, leader.name)
    const joining = copy.join() // it led, and leads: the group rebalances
    await clock.advance(0)
    expect(joining).not.toHaveProperty('answer')
    expect(groups.describe('g').state).toBe('PreparingRebalance')
  })

  it('a loaded coordinator removes members that send no heartbeat', async () => {
    const world = await stableParty([{}, { sessionTimeoutMs: 6_000 }])
    const { groups, clock } = await again(world.journal)
    await clock.advance(5_999)
    expect(groups.describe('g').state).toBe('Stable')
    await clock.advance(1)
    expect(groups.describe('g').members).toHaveLength(1)
    await clock.advance(4_000)
    expect(groups.describe('g')).toMatchObject({ state: 'Empty', members: [] })
  })

  it('a loaded coordinator continues with the generation of an empty group', async () => {
    const world = await stableParty([{}])
    world.all[0]?.leave()
    const { groups } = await again(world.journal)
    expect(groups.describe('g')).toMatchObject({ state: 'Empty', protocolType: 'consumer' })
    const { generationId } = await new Someone(() => groups).join().promise
    expect(generationId).toBe(3)
  })

  it('a loaded coordinator does not have a deleted group', async () => {
    const world = await stableParty([{}])
    await world.all[0]?.commit().promise
    world.all[0]?.leave()
    await world.groups.deleteGroup('g')
    await expect(world.groups.deleteGroup('g')).rejects.toThrow('GROUP_ID_NOT_FOUND')
    expect(() => world.groups.describe('g')).toThrow('GROUP_ID_NOT_FOUND')
    const { groups } = await again(world.journal)
    expect(groups.groups).toEqual([])
    const { generationId } = await new Someone(() => groups).join().promise
    expect(generationId).toBe(1)
  })
})

describe('records', () => {
  it("records of a generation are Kafka's own bytes", async () => {
    const key = vector('groupKey')
    const value = vector('groupValue_v3')
    const { groups } = await groupWorld(new ArrayJournal([{ key, value }]))
    const view = groups.describe('g1')
    const [member] = view.members
    expect(view).toMatchObject({ state: 'Stable', protocolType: 'consumer' })
    const read = readGroupRecord({ key, value })
    if (read?.kind !== 'generation') throw new Error('another record')
    const kept = read.value.members[0]
    expect(member).toMatchObject({
      memberId: kept?.memberId,
      clientId: kept?.clientId,
      clientHost: kept?.clientHost,
      metadata: kept?.subscription,
      assignment: kept?.assignment,
    })
    expect(encodeVersioned(groupMetadataValue, read.value, 3)).toEqual(value)
  })

  it.each([0, 1, 2, 3])('records of a generation are read in version %d', async version => {
    const member = {
      memberId: 'm',
      clientId: 'c',
      clientHost: 'h',
      sessionTimeout: 20_000,
      ...(version >= 1 ? { rebalanceTimeout: 9_000 } : {}),
      ...(version >= 3 ? { groupInstanceId: 'i' } : {}),
      subscription: Buffer.from('s'),
      assignment: Buffer.from('a'),
    }
    const value = {
      protocolType: 'consumer',
      generation: 4,
      protocol: 'range',
      leader: 'm',
      ...(version >= 2 ? { currentStateTimestamp: 77 } : {}),
      members: [member],
    }
    const record = {
      key: encodeVersioned(groupMetadataKey, { group: 'g' }, 2),
      value: encodeVersioned(groupMetadataValue, value, version),
    }
    const { groups, clock } = await groupWorld(new ArrayJournal([record]))
    expect(groups.describe('g')).toMatchObject({
      state: 'Stable',
      protocolName: 'range',
      members: [
        {
          memberId: 'm',
          clientId: 'c',
          clientHost: 'h',
          groupInstanceId: version >= 3 ? 'i' : null,
          metadata: Buffer.from('s'),
          assignment: Buffer.from('a'),
        },
      ],
    })
    const beat = () =>
      groups.heartbeat('g', { memberId: 'm', groupInstanceId: null, generationId: 4 })
    beat()
    // A newcomer waits for it as long as it allows: without a word on it, as long as its session.
    const timeoutMs = version >= 1 ? 9_000 : 20_000
    const joining = new Someone(() => groups, { rebalanceTimeoutMs: 1 }).join()
    await clock.advance(5_000)
    expect(beat).toThrow('REBALANCE_IN_PROGRESS')
    await clock.advance(timeoutMs - 5_001)
    expect(joining).not.toHaveProperty('answer')
    await clock.advance(1)
    expect(joining.answer?.generationId).toBe(5)
  })

  it.each([0, 1, 2, 3, 4])('records of an offset are read in version %d', async version => {
    const value = {
      offset: 9,
      metadata: 'm',
      commitTimestamp: 5,
      ...(version >= 3 ? { leaderEpoch: 7 } : {}),
      ...(version === 1 ? { expireTimestamp: 99 } : {}),
    }
    const record = {
      key: encodeVersioned(offsetCommitKey, { group: 'g', topic: 't', partition: 3 }, 1),
      value: encodeVersioned(offsetCommitValue, value, version),
    }
    const { groups } = await groupWorld(new ArrayJournal([record]))
    expect(await groups.committedOffsets('g')).toEqual([
      {
        topic: 't',
        partition: 3,
        offset: 9,
        metadata: 'm',
        committedAt: 5,
        leaderEpoch: version >= 3 ? 7 : -1,
        expiresAt: version === 1 ? 99 : -1,
      },
    ])
  })

  it('tombstones of unknown groups and offsets change nothing', async () => {
    const offset = encodeVersioned(offsetCommitKey, { group: 'g', topic: 't', partition: 3 }, 1)
    const group = encodeVersioned(groupMetadataKey, { group: 'h' }, 2)
    const records = [offset, group].map(key => ({ key, value: null }))
    const { groups } = await groupWorld(new ArrayJournal(records))
    expect(groups.groups).toEqual([])
  })
})

// ── any members, doing anything ──────────────────────────────────────────────────────────

/** What the coordinator may never do, noted as it goes. */
class Watch {
  readonly problems: string[] = []
  readonly #owners = new Map<string, string>()
  readonly #reached = new Map<string, number>()
  #state: GroupState = 'Empty'

  joined(memberId: string, generationId: number): void {
    const before = this.#reached.get(memberId) ?? 0
    if (generationId < before) this.problems.push(`${memberId}: ${before} → ${generationId}`)
    this.#reached.set(memberId, generationId)
  }

  /** Of each partition there is one owner in a generation. */
  owns(someone: Someone, partitions: string): void {
    for (const partition of partitions) {
      const key = `${someone.generationId}:${partition}`
      const place = someone.groupInstanceId ?? someone.memberId
      const owner = this.#owners.get(key) ?? place
      if (owner !== place) this.problems.push(`${key} is owned by ${owner} and ${place}`)
      this.#owners.set(key, place)
    }
  }

  sees(state: GroupState): void {
    // Several steps may lie between two looks; a legal way has to lead there.
    const reachable = new Set<GroupState>([this.#state])
    for (let size = 0; size !== reachable.size;) {
      size = reachable.size
      for (const [to, { follows }] of Object.entries(GROUP_STATES)) {
        if (follows.some(from => reachable.has(from))) reachable.add(to as GroupState)
      }
    }
    expect(reachable).toContain(state)
    this.#state = state
  }

  /** A coordinator forgets generations that never had their partitions. */
  restarted(generation: number): void {
    this.#reached.clear()
    for (const key of this.#owners.keys()) {
      if (Number(key.split(':')[0]) > generation) this.#owners.delete(key)
    }
  }
}

interface Play {
  readonly random: Random
  readonly watch: Watch
  readonly calls: Call<unknown>[]
  readonly members: Someone[]
  world: Awaited<ReturnType<typeof groupWorld>>
}

function joins({ watch, calls, random }: Play, someone: Someone): void {
  const isNew = someone.memberId === '' && someone.groupInstanceId === null
  const call = someone.join({ requiresMemberId: isNew && random.int(2) === 0 })
  calls.push(call)
  call.promise.then(
    answer => watch.joined(answer.memberId, answer.generationId),
    (error: PartlogError) => {
      if (error.code === 'UNKNOWN_MEMBER_ID' || error.code === 'FENCED_INSTANCE_ID') {
        someone.memberId = ''
      }
    },
  )
}

function syncs({ watch, calls, world }: Play, someone: Someone): void {
  const { memberId, generationId } = someone
  const ids = world.groups.groups[0]?.members.map(each => each.memberId) ?? []
  const assignments = ids.map((id, index) => {
    return { memberId: id, assignment: Buffer.from('abcd'.slice(index, index + 1)) }
  })
  const protocol = { protocolType: null, protocolName: null, assignments }
  const call: Call<unknown> = {
    promise: world.groups.sync('g', { ...someone.name, ...protocol }).then(({ assignment }) => {
      const isSame = someone.memberId === memberId && someone.generationId === generationId
      if (isSame) watch.owns(someone, Buffer.from(assignment).toString())
    }),
  }
  call.promise.then(
    () => (call.answer = true),
    (error: PartlogError) => (call.error = error),
  )
  calls.push(call)
}

async function restarts(play: Play): Promise<void> {
  const { world, calls, watch } = play
  world.groups.resign(new PartlogError('NOT_COORDINATOR', 'another one'))
  await world.clock.advance(0)
  const hanging = calls.filter(call => !('answer' in call) && call.error === undefined)
  expect(hanging).toEqual([])
  const journal = new ArrayJournal([...world.journal.records])
  play.world = await groupWorld(journal, { groupMaxSize: 4 }, world.clock)
  const twin = await groupWorld(new ArrayJournal([...journal.records]))
  expect(await pictureOf(play.world.groups)).toEqual(await pictureOf(twin.groups))
  twin.groups.resign(new PartlogError('NOT_COORDINATOR', 'another one'))
  watch.restarted(lastGeneration(journal))
}

function lastGeneration({ records }: ArrayJournal): number {
  const read = records.map(readGroupRecord).findLast(each => each?.kind === 'generation')
  return read?.kind === 'generation' ? read.value.generation : 0
}

async function act(play: Play): Promise<void> {
  const { random, members, world, calls } = play
  const someone = members[random.int(members.length)] as Someone
  const deed = random.int(100)
  if (deed < 35) joins(play, someone)
  else if (deed < 65) syncs(play, someone)
  else if (deed < 75) calls.push(someone.heartbeat())
  else if (deed < 80) calls.push(someone.commit(deed))
  else if (deed < 84) calls.push(someone.leave())
  else if (deed < 86)
    someone.memberId = '' // another process, which knows nothing
  else if (deed < 97) await world.clock.advance(random.int(8_000))
  else if (deed < 98) await world.clock.advance(61_000)
  else await restarts(play)
  await world.clock.turn()
}

async function play(seed: number): Promise<number> {
  const random = seededRandom(seed)
  const world = await groupWorld(undefined, { groupMaxSize: 4 })
  const all: Play = { random, watch: new Watch(), calls: [], members: [], world }
  for (let index = 0; index < 5; index++) {
    const groupInstanceId = index < 2 ? `i${index}` : null
    all.members.push(new Someone(() => all.world.groups, { groupInstanceId }))
  }
  for (let step = 0; step < 60; step++) {
    await act(all)
    const view = all.world.groups.groups[0]
    if (view !== undefined) all.watch.sees(view.state as GroupState)
    const dynamic = view?.members.filter(({ groupInstanceId }) => groupInstanceId === null) ?? []
    // While it rebalances, and some are late, others may come for them.
    if (view?.state !== 'PreparingRebalance') expect(dynamic.length).toBeLessThanOrEqual(4)
    expect(all.watch.problems).toEqual([])
    const bugs = all.calls.filter(({ error }) => error !== undefined && !isPartlogError(error))
    expect(bugs).toEqual([])
  }
  await restarts(all)
  return lastGeneration(all.world.journal)
}

describe('any members that do anything', () => {
  it('random members have one owner per partition, all answers, and the same state after a restart', async () => {
    let generations = 0
    for (let seed = 1; seed <= 150; seed++) {
      await play(seed).then(
        reached => (generations += reached),
        (error: Error) => {
          throw new Error(`seed ${seed}: ${error.message}`, { cause: error })
        },
      )
    }
    expect(generations).toBeGreaterThan(400)
  })
})

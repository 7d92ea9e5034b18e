import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { ClassicGroup } from '../../../src/coordinator/groups/classic-group.js'
import { GROUP_STATES, type GroupState } from '../../../src/coordinator/groups/group-states.js'
import { Membership } from '../../../src/coordinator/groups/membership.js'
import { PartlogError } from '../../../src/model/errors.js'
import {
  called,
  newcomer,
  outcomeOf,
  party,
  saying,
  SETTINGS,
  Someone,
  stableParty,
  type Call,
  type Party,
} from './group-world.js'

interface Scene extends Party {
  readonly leader: Someone
  readonly follower: Someone
}

/** The leader and the follower are in generation 1. */
const SCENES: Readonly<Record<string, () => Promise<Party>>> = {
  Empty: async () => {
    const world = await stableParty([{}, {}])
    for (const each of world.all) each.leave()
    return world
  },
  PreparingRebalance: async () => {
    const world = await stableParty([{}, {}])
    new Someone(() => world.groups).join()
    return world
  },
  CompletingRebalance: () => party([{}, {}]),
  Stable: () => stableParty([{}, {}]),
  resigned: async () => {
    const world = await stableParty([{}, {}])
    world.groups.resign(new PartlogError('NOT_COORDINATOR', 'another one'))
    return world
  },
}

const REQUESTS: Readonly<Record<string, (scene: Scene) => Call<unknown>>> = {
  'the follower joins again': ({ follower }) => follower.join(),
  'the follower says more': ({ follower }) => follower.join({ protocols: saying(['other']) }),
  'the leader joins again': ({ leader }) => leader.join(),
  'an unknown member joins': ({ groups }) => new Someone(() => groups).join({ memberId: 'stranger' }),
  'a new member joins': ({ groups }) => new Someone(() => groups).join(),
  'a new member asks for an id': ({ groups }) =>
    new Someone(() => groups).join({ requiresMemberId: true }),
  'a member joins with other assignors': ({ groups }) =>
    new Someone(() => groups).join({ protocols: saying(['orders'], ['other']) }),
  'the follower syncs': ({ follower }) => follower.sync(),
  'the leader syncs': ({ leader, all }) => leader.sync(...all),
  'the follower sends a heartbeat': ({ follower }) => follower.heartbeat(),
  'an older generation sends a heartbeat': ({ follower }) => {
    follower.generationId = 0
    return follower.heartbeat()
  },
  'the follower commits': ({ follower }) => follower.commit(),
  'an older generation commits': ({ follower }) => {
    follower.generationId = 0
    return follower.commit()
  },
  'a non-member commits': ({ groups }) => new Someone(() => groups).commit(),
  'the follower leaves': ({ follower }) => follower.leave(),
  'the group is deleted': ({ groups }) => called(() => groups.deleteGroup('g')),
}

const SHORT: Readonly<Record<string, string>> = {
  UNKNOWN_MEMBER_ID: 'unknown',
  REBALANCE_IN_PROGRESS: 'rebalancing',
  ILLEGAL_GENERATION: 'illegal',
  INCONSISTENT_GROUP_PROTOCOL: 'inconsistent',
  MEMBER_ID_REQUIRED: 'id',
  NON_EMPTY_GROUP: 'members',
  NOT_COORDINATOR: 'not mine',
  PreparingRebalance: 'preparing',
  CompletingRebalance: 'completing',
}

/** What comes of a request, and the state after it where that is another one. */
async function cell(from: string, request: string): Promise<string> {
  const world = await (SCENES[from] as () => Promise<Party>)()
  const [leader, follower] = world.all as [Someone, Someone]
  const call = (REQUESTS[request] as (scene: Scene) => Call<unknown>)({
    ...world,
    leader,
    follower,
  })
  await world.clock.advance(0)
  const short = (word: string): string => SHORT[word] ?? word
  const outcome = short(outcomeOf(call))
  const after = from === 'resigned' ? from : (world.groups.groups[0]?.state ?? 'gone')
  return after === from ? outcome : `${outcome} → ${short(after)}`
}

// prettier-ignore
const TABLE = [
  // request                                     Empty                 Preparing       Completing             Stable                resigned
  ['the follower joins again',                   'unknown',            'waits',        'yes',                 'yes',                'not mine'],
  ['the follower says more',                     'unknown',            'waits',        'waits → preparing',   'waits → preparing',  'not mine'],
  ['the leader joins again',                     'unknown',            'waits',        'yes',                 'waits → preparing',  'not mine'],
  ['an unknown member joins',                    'unknown',            'unknown',      'unknown',             'unknown',            'not mine'],
  ['a new member joins',                         'waits → preparing',  'waits',        'waits → preparing',   'waits → preparing',  'not mine'],
  ['a new member asks for an id',                'id',                 'id',           'id',                  'id',                 'not mine'],
  ['a member joins with other assignors',        'waits → preparing',  'inconsistent', 'inconsistent',        'inconsistent',       'not mine'],
  ['the follower syncs',                         'unknown',            'rebalancing',  'waits',               'yes',                'not mine'],
  ['the leader syncs',                           'unknown',            'rebalancing',  'yes → Stable',        'yes',                'not mine'],
  ['the follower sends a heartbeat',             'unknown',            'rebalancing',  'yes',                 'yes',                'not mine'],
  ['an older generation sends a heartbeat',      'unknown',            'illegal',      'illegal',             'illegal',            'not mine'],
  ['the follower commits',                       'unknown',            'yes',          'rebalancing',         'yes',                'not mine'],
  ['an older generation commits',                'unknown',            'illegal',      'illegal',             'illegal',            'not mine'],
  ['a non-member commits',                       'yes',                'unknown',      'unknown',             'unknown',            'not mine'],
  ['the follower leaves',                        'unknown',            'yes',          'yes → preparing',     'yes → preparing',    'not mine'],
  ['the group is deleted',                       'yes → gone',         'members',      'members',             'members',            'not mine'],
] as const

describe('a group', () => {
  const columns = Object.keys(SCENES)
  const cells = TABLE.flatMap(([request, ...outcomes]) =>
    columns.map((from, index) => ({ from, request, outcome: outcomes[index] })),
  )

  it.each(cells)('in a group that is $from, $request: $outcome', async ({ from, request, outcome }) => {
    expect(await cell(from, request)).toBe(outcome)
  })

  it('a dead group answers no requests', () => {
    const keep = (): Promise<void> => Promise.resolve()
    const listener = {
      rebalanced: () => undefined,
      shared: () => undefined,
      changed: () => undefined,
      failed: () => undefined,
    }
    const membership = new Membership('g', 0)
    const clock = { now: () => 0 } as never
    const options = { clock, random: seededRandom(1), settings: SETTINGS, listener, keep }
    const group = new ClassicGroup(membership, options)
    group.resign(new PartlogError('NOT_COORDINATOR', 'another one'))
    group.resign(new PartlogError('NOT_COORDINATOR', 'another one')) // a second time changes nothing
    const name = { memberId: 'm', groupInstanceId: null, generationId: 1 }
    const protocol = { protocolType: null, protocolName: null, assignments: [] }
    const requests = [
      () => group.join(newcomer()),
      () => group.sync({ ...name, ...protocol }),
      () => group.heartbeat(name),
      () => group.checkCommit(name),
      () => group.checkCommit({ ...name, generationId: -1 }),
      () => group.leave([{ ...name, reason: '' }]),
    ]
    for (const request of requests) expect(request).toThrow('COORDINATOR_NOT_AVAILABLE')
  })
})

describe('states', () => {
  const names = Object.keys(GROUP_STATES) as GroupState[]
  const ways = {
    Empty: ['PreparingRebalance', 'Dead'],
    PreparingRebalance: ['Empty', 'CompletingRebalance', 'Dead'],
    CompletingRebalance: ['PreparingRebalance', 'Stable', 'Dead'],
    Stable: ['PreparingRebalance', 'Dead'],
    Dead: [],
  } as Record<GroupState, GroupState[]>
  /** How to get there from the beginning. */
  const paths = {
    Empty: [],
    PreparingRebalance: ['PreparingRebalance'],
    CompletingRebalance: ['PreparingRebalance', 'CompletingRebalance'],
    Stable: ['PreparingRebalance', 'CompletingRebalance', 'Stable'],
    Dead: ['Dead'],
  } as Record<GroupState, GroupState[]>
  const pairs = names.flatMap(from =>
    names.map(to => ({ from, to, can: ways[from].includes(to) ? 'can' : 'cannot' })),
  )

  it.each(pairs)('a group $can change from $from to $to', ({ from, to, can }) => {
    const membership = new Membership('g', 1)
    for (const state of paths[from]) membership.enter(state, 2)
    const before = membership.stateSince
    if (can === 'cannot') {
      expect(() => membership.enter(to, 3)).toThrow(`${from} → ${to}`)
      expect([membership.state, membership.stateSince]).toEqual([from, before])
      return
    }
    membership.enter(to, 3)
    expect([membership.state, membership.previousState]).toEqual([to, from])
    expect(membership.stateSince).toBe(3)
  })
})

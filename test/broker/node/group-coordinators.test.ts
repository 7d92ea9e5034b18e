import { onTestFinished, describe, expect, it, vi } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { Broker } from '../../../src/broker/broker.js'
import type { ClusterOptions } from '../../../src/cluster/cluster-options.js'
import { Cluster } from '../../../src/cluster/cluster.js'
import { errorId, type ErrorCode } from '../../../src/model/errors.js'
import { partitionOfGroup } from '../../../src/model/hashes.js'
import type { ApiName, Request, Response } from '../../../src/protocol/api.js'
import { saying } from '../../coordinator/groups/group-world.js'

const TOPIC = '__consumer_offsets'
/** One group in each of three partitions. */
const GROUPS = ['a', 'b', 'c'].toSorted((x, y) => partitionOfGroup(x, 3) - partitionOfGroup(y, 3))

async function world(options: ClusterOptions = {}) {
  const clock = new VirtualClock()
  const brokers = new Map<number, Broker>()
  const open = vi.spyOn(Broker, 'open')
  const cluster = await Cluster.memory({ clock, random: seededRandom(3), brokers: 3, ...options })
  onTestFinished(async () => {
    open.mockRestore()
    await cluster.close()
  })
  const collect = async (): Promise<void> => {
    for (const { value } of open.mock.results) {
      const broker = await (value as Promise<Broker>)
      brokers.set(broker.nodeId, broker)
    }
  }
  await collect()
  /** Lets time pass until it is done. */
  const passing = async <T>(done: Promise<T>, stepMs = 50): Promise<T> => {
    let isOver = false
    const noted = done.finally(() => (isOver = true))
    noted.catch(() => undefined)
    while (!isOver) await clock.advance(stepMs)
    return noted
  }
  const ask = <A extends ApiName>(
    nodeId: number,
    api: A,
    request: Request<A>,
  ): Promise<Response<A>> =>
    (brokers.get(nodeId) as Broker).handle(api, request) as Promise<Response<A>>
  await passing(cluster.admin.createTopic({ topic: 'orders', partitions: 2 }))
  const found = await passing(ask(1, 'FindCoordinator', { keyType: 0, coordinatorKeys: GROUPS }))
  await clock.advance(2_000)
  const leaderOf = (groupId: string): number => {
    const topic = cluster.describe().topics.find(each => each.topic === TOPIC)
    const number = partitionOfGroup(groupId, topic?.partitions.length ?? 1)
    return topic?.partitions[number]?.leader ?? -1
  }
  return { cluster, clock, passing, ask, found, leaderOf, collect }
}

type World = Awaited<ReturnType<typeof world>>

const joinOf = (groupId: string, memberId = '', more: object = {}): Request<'JoinGroup'> => ({
  groupId,
  memberId,
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocolType: 'consumer',
  protocols: saying(['orders']),
  requiresMemberId: false,
  ...more,
})

/** A member of a stable group, and what names it. */
async function member({ ask, passing, leaderOf }: World, groupId: string) {
  const node = leaderOf(groupId)
  const {
    memberId,
    generationId = -1,
    errorCode,
  } = await passing(ask(node, 'JoinGroup', joinOf(groupId)))
  expect(errorCode).toBe(0)
  const assignments = [{ memberId, assignment: Buffer.from('all') }]
  const name = { groupId, memberId, generationId }
  const synced = await passing(ask(node, 'SyncGroup', { ...name, assignments }))
  expect(synced.errorCode).toBe(0)
  return name
}

const commitOf = (
  groupId: string,
  partitions = [0],
  more: object = {},
): Request<'OffsetCommit'> => ({
  groupId,
  topics: [
    {
      name: 'orders',
      partitions: partitions.map(partitionIndex => {
        return { partitionIndex, committedOffset: 5, committedMetadata: '', ...more }
      }),
    },
  ],
})

const id = (code: ErrorCode): number => errorId(code)

describe('three brokers', () => {
  it('three brokers share the coordination of groups', async () => {
    const { found, leaderOf, cluster } = await world()
    const nodes = found.coordinators.map(({ nodeId }) => nodeId)
    expect(new Set(nodes)).toEqual(new Set([1, 2, 3]))
    expect(nodes).toEqual(GROUPS.map(leaderOf))
    expect(cluster.describe().topics.find(({ topic }) => topic === TOPIC)?.partitions).toHaveLength(
      3,
    )
  })

  it('a broker refuses members of groups that another one coordinates', async () => {
    const all = await world()
    const [groupId] = GROUPS as [string]
    const node = (all.leaderOf(groupId) % 3) + 1
    const name = { groupId, memberId: 'm', generationId: 1 }
    const answers = await all.passing(
      Promise.all([
        all.ask(node, 'JoinGroup', joinOf(groupId, 'm')),
        all.ask(node, 'SyncGroup', { ...name, assignments: [] }),
        all.ask(node, 'Heartbeat', name),
        all.ask(node, 'LeaveGroup', { groupId, members: [{ memberId: 'm' }] }),
        all.ask(node, 'OffsetDelete', { groupId, topics: [] }),
        all
          .ask(node, 'OffsetFetch', { groups: [{ groupId, topics: null }] })
          .then(({ groups }) => groups[0]),
        all.ask(node, 'DescribeGroups', { groups: [groupId] }).then(({ groups }) => groups[0]),
        all.ask(node, 'DeleteGroups', { groupsNames: [groupId] }).then(({ results }) => results[0]),
        all
          .ask(node, 'OffsetCommit', commitOf(groupId))
          .then(({ topics }) => topics[0]?.partitions[0]),
      ]),
    )
    expect(answers.map(each => each?.errorCode)).toEqual(Array(9).fill(id('NOT_COORDINATOR')))
    expect(answers[0]).toMatchObject({ memberId: 'm', members: [], protocolName: null })
  })

  it('a broker lists and describes the groups that it coordinates', async () => {
    const all = await world()
    for (const groupId of GROUPS) await member(all, groupId)
    for (const groupId of GROUPS) {
      const node = all.leaderOf(groupId)
      const { groups } = await all.ask(node, 'ListGroups', {})
      expect(groups).toMatchObject([{ groupId, groupState: 'Stable', groupType: 'classic' }])
      const none = await all.ask(node, 'ListGroups', { statesFilter: ['Empty'] })
      expect(none.groups).toEqual([])
      const some = await all.ask(node, 'ListGroups', {
        statesFilter: ['sTABLE'],
        typesFilter: ['Classic'],
      })
      expect(some.groups).toHaveLength(1)
    }
    const [groupId] = GROUPS as [string]
    const node = all.leaderOf(groupId)
    const described = await all.ask(node, 'DescribeGroups', { groups: [groupId, ''] })
    expect(described.groups).toMatchObject([
      {
        errorCode: 0,
        groupState: 'Stable',
        protocolType: 'consumer',
        protocolData: 'range',
        members: [{ memberAssignment: Buffer.from('all') }],
      },
      { groupState: 'Dead', members: [] },
    ])
    await all.passing(all.ask(node, 'JoinGroup', joinOf(groupId, '', { requiresMemberId: true })))
  })

  it('waiting requests fail when the coordinator moves; the new one knows the group', async () => {
    const all = await world()
    const [groupId] = GROUPS as [string]
    const { clock, cluster, ask, leaderOf, passing } = all
    const before = leaderOf(groupId)
    const name = await member(all, groupId)
    await passing(ask(before, 'OffsetCommit', { ...commitOf(groupId), ...generationOf(name) }))
    const waiting = [
      ask(before, 'Heartbeat', { ...name, maxWaitMs: 60_000 }),
      ask(before, 'JoinGroup', joinOf(groupId)),
    ]
    await clock.advance(0)
    await passing(cluster.broker(before).stop())
    const answers = await passing(Promise.all(waiting))
    expect(answers[1]?.errorCode).toBe(id('NOT_COORDINATOR'))
    expect([id('NOT_COORDINATOR'), id('REBALANCE_IN_PROGRESS')]).toContain(answers[0]?.errorCode)
    await clock.advance(1_000)
    const after = leaderOf(groupId)
    expect(after).not.toBe(before)
    const heartbeat = await passing(ask(after, 'Heartbeat', name))
    expect(heartbeat.errorCode).toBe(0)
    const fetched = await passing(
      ask(after, 'OffsetFetch', { groups: [{ groupId, topics: null }] }),
    )
    expect(fetched.groups[0]?.topics[0]?.partitions).toMatchObject([{ committedOffset: 5 }])
    await clock.advance(9_000)
    const alive = await passing(ask(after, 'DescribeGroups', { groups: [groupId] }), 0)
    expect(alive.groups[0]?.members).toHaveLength(1)
    await clock.advance(1_000)
    const dead = await passing(ask(after, 'DescribeGroups', { groups: [groupId] }), 0)
    expect(dead.groups[0]).toMatchObject({ groupState: 'Empty', members: [] })
  })

  it('a coordinator that leads again loads its groups again', async () => {
    const all = await world()
    const [groupId] = GROUPS as [string]
    const { clock, cluster, ask, leaderOf, passing, collect } = all
    const first = leaderOf(groupId)
    const name = await member(all, groupId)
    await passing(cluster.broker(first).kill())
    await clock.advance(20_000)
    const second = leaderOf(groupId)
    expect(second).not.toBe(first)
    await member(all, groupId) // generation 3: the second is the end of the first member
    await passing(cluster.broker(first).start())
    await clock.advance(5_000)
    await collect()
    await passing(cluster.broker(second).kill())
    await clock.advance(20_000)
    const third = leaderOf(groupId)
    expect(third).not.toBe(second)
    const heartbeat = await passing(ask(third, 'Heartbeat', name))
    expect(heartbeat.errorCode).toBe(id('UNKNOWN_MEMBER_ID'))
    const next = await passing(ask(third, 'JoinGroup', joinOf(groupId)))
    expect(next.generationId).toBe(5)
  })

  it('a commit that cannot be replicated fails after five seconds', async () => {
    const all = await world()
    const [groupId] = GROUPS as [string]
    const { clock, cluster, ask, leaderOf } = all
    const node = leaderOf(groupId)
    const name = await member(all, groupId)
    for (const broker of [1, 2, 3]) {
      if (broker !== node) cluster.broker(broker).pauseReplication()
    }
    const committing = ask(node, 'OffsetCommit', { ...commitOf(groupId), ...generationOf(name) })
    let answer: Response<'OffsetCommit'> | undefined
    void committing.then(each => (answer = each))
    await clock.advance(4_900)
    expect(answer).toBe(undefined)
    await clock.advance(100)
    expect(answer?.topics[0]?.partitions[0]?.errorCode).toBe(id('COORDINATOR_NOT_AVAILABLE'))
  })
})

it('a coordinator answers LOAD_IN_PROGRESS until its log is replicated', async () => {
  const all = await world()
  const [groupId] = GROUPS as [string]
  const { clock, cluster, ask, passing, leaderOf } = all
  const name = await member(all, groupId)
  const topic = cluster.describe().topics.find(each => each.topic === TOPIC)
  const replicas = topic?.partitions[partitionOfGroup(groupId, 3)]?.replicas ?? []
  const [first, next, slow] = replicas as [number, number, number]
  expect(first).toBe(leaderOf(groupId))
  cluster.broker(slow).pauseReplication()
  const commit = { ...commitOf(groupId), ...generationOf(name) }
  const committing = ask(first, 'OffsetCommit', commit)
  await clock.advance(1_000)
  await passing(cluster.broker(first).stop())
  await passing(committing)
  expect(leaderOf(groupId)).toBe(next)
  const askedMs = clock.monotonicMs()
  const refused = await passing(ask(next, 'JoinGroup', joinOf(groupId)))
  expect(refused.errorCode).toBe(id('COORDINATOR_LOAD_IN_PROGRESS'))
  expect(clock.monotonicMs() - askedMs).toBe(5_000)
  const listing = await passing(ask(next, 'ListGroups', {}))
  expect(listing).toEqual({ errorCode: id('COORDINATOR_LOAD_IN_PROGRESS'), groups: [] })
  await clock.advance(40_000) // the slow one is not in sync any more
  const heartbeat = await passing(ask(next, 'DescribeGroups', { groups: [groupId] }))
  expect(heartbeat.groups).toMatchObject([{ errorCode: 0 }])
})

const generationOf = ({ memberId, generationId }: { memberId: string; generationId: number }) => ({
  memberId,
  generationIdOrMemberEpoch: generationId,
})

describe('one broker', () => {
  const alone = (options: ClusterOptions = {}) => world({ brokers: 1, ...options })

  it('a full group refuses an id that it has assigned', async () => {
    const { ask, clock } = await alone({ groupMaxSize: 1 })
    const asked = await ask(
      1,
      'JoinGroup',
      joinOf('g', '', { clientId: 'app', requiresMemberId: true }),
    )
    expect(asked.errorCode).toBe(id('MEMBER_ID_REQUIRED'))
    expect(asked.memberId).toMatch(/^app-[0-9a-f]{32}$/)
    const other = await ask(1, 'JoinGroup', joinOf('g', '', { requiresMemberId: true }))
    expect((await ask(1, 'JoinGroup', joinOf('g', asked.memberId))).errorCode).toBe(0)
    const refused = await ask(1, 'JoinGroup', joinOf('g', other.memberId))
    expect(refused).toMatchObject({ errorCode: id('GROUP_MAX_SIZE_REACHED'), memberId: '' })
    await clock.advance(0)
  })

  it('a member without a rebalance time-out has that of its session', async () => {
    const all = await alone()
    const { ask, clock } = all
    const name = await member(all, 'g')
    const first = await ask(1, 'JoinGroup', joinOf('g', name.memberId, { rebalanceTimeoutMs: -1 }))
    expect(first.generationId).toBe(2)
    const joining = ask(1, 'JoinGroup', joinOf('g', '', { rebalanceTimeoutMs: 1 }))
    let generationId = 0
    void joining.then(answer => (generationId = answer.generationId ?? -1))
    await clock.advance(5_000)
    await ask(1, 'Heartbeat', { ...name, generationId: 2 })
    await clock.advance(4_999)
    expect(generationId).toBe(0)
    await clock.advance(1)
    expect(generationId).toBe(3)
  })

  it('each leaving member and each offset has its own error', async () => {
    const all = await alone()
    const { ask } = all
    const name = await member(all, 'g')
    const left = await ask(1, 'LeaveGroup', {
      groupId: 'g',
      members: [{ memberId: 'nobody' }, { memberId: '', groupInstanceId: 'x' }],
    })
    expect(left).toMatchObject({
      errorCode: 0,
      members: [
        { memberId: 'nobody', groupInstanceId: null, errorCode: id('UNKNOWN_MEMBER_ID') },
        { memberId: '', groupInstanceId: 'x', errorCode: id('UNKNOWN_MEMBER_ID') },
      ],
    })
    expect((await ask(1, 'LeaveGroup', { groupId: '', members: [] })).errorCode).toBe(
      id('INVALID_GROUP_ID'),
    )
    const committed = await ask(1, 'OffsetCommit', {
      groupId: 'g',
      ...generationOf(name),
      topics: [
        ...commitOf('g', [0, 7]).topics,
        ...commitOf('g', [1], { committedMetadata: 'x'.repeat(5_000) }).topics,
        {
          name: TOPIC,
          partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }],
        },
      ],
    })
    expect(
      committed.topics.flatMap(({ partitions }) => partitions.map(each => each.errorCode)),
    ).toEqual([
      ...[0, id('UNKNOWN_TOPIC_OR_PARTITION'), id('OFFSET_METADATA_TOO_LARGE')],
      0, // of the system's topics, too: they can be read
    ])
    const places = [
      { name: 'orders', partitions: [{ partitionIndex: 0 }, { partitionIndex: 7 }] },
      { name: 'nowhere', partitions: [{ partitionIndex: 0 }] },
    ]
    const deleted = await ask(1, 'OffsetDelete', { groupId: 'g', topics: places })
    expect(deleted.errorCode).toBe(0)
    expect(deleted.topics.map(({ partitions }) => partitions.map(each => each.errorCode))).toEqual([
      [id('GROUP_SUBSCRIBED_TO_TOPIC'), id('UNKNOWN_TOPIC_OR_PARTITION')],
      [id('UNKNOWN_TOPIC_OR_PARTITION')],
    ])
    const refused = await ask(1, 'DeleteGroups', { groupsNames: ['g', 'nowhere', ''] })
    expect(refused.results.map(({ errorCode }) => errorCode)).toEqual([
      ...[id('NON_EMPTY_GROUP'), id('GROUP_ID_NOT_FOUND'), id('GROUP_ID_NOT_FOUND')],
    ])
    const unknown = await ask(1, 'DescribeGroups', { groups: ['nowhere'] })
    expect(unknown.groups).toMatchObject([
      { groupState: 'Dead', errorCode: id('GROUP_ID_NOT_FOUND') },
    ])
  })

  it('commits of generations that never existed are refused', async () => {
    const { ask } = await alone()
    const code = async (groupId: string, generationIdOrMemberEpoch: number) => {
      const request = { ...commitOf(groupId), memberId: 'm', generationIdOrMemberEpoch }
      return (await ask(1, 'OffsetCommit', request)).topics[0]?.partitions[0]?.errorCode
    }
    expect(await code('g', 1)).toBe(id('ILLEGAL_GENERATION'))
    expect(await code('g', -1)).toBe(0)
    expect(await code('g', 1)).toBe(id('UNKNOWN_MEMBER_ID'))
  })

  it('a heartbeat is held until there is news or its time is over', async () => {
    const all = await alone()
    const { ask, clock } = all
    const name = await member(all, 'g')
    const held = async (maxWaitMs: number) => {
      const startedMs = clock.monotonicMs()
      const { errorCode } = await ask(1, 'Heartbeat', { ...name, maxWaitMs })
      return { errorCode, tookMs: clock.monotonicMs() - startedMs }
    }
    const quiet = held(3_000)
    await clock.advance(5_000)
    expect(await quiet).toEqual({ errorCode: 0, tookMs: 3_000 })
    const news = held(3_000)
    await clock.advance(1_000)
    void ask(1, 'JoinGroup', joinOf('g'))
    expect(await news).toEqual({ errorCode: id('REBALANCE_IN_PROGRESS'), tookMs: 1_000 })
  })

  it('committed offsets of a removed topic are forgotten', async () => {
    const { ask, cluster, passing } = await alone()
    await ask(1, 'OffsetCommit', commitOf('g', [0, 1]))
    await passing(cluster.admin.deleteTopic('orders'))
    const fetched = await passing(
      ask(1, 'OffsetFetch', { groups: [{ groupId: 'g', topics: null }] }),
    )
    expect(fetched.groups).toMatchObject([{ groupId: 'g', topics: [] }])
    const empty = [{ groupId: 'g', groupState: 'Empty' }] // until it expires
    expect((await ask(1, 'ListGroups', {})).groups).toMatchObject(empty)
  })

  it('committed offsets of a topic that is recreated at once are forgotten', async () => {
    const { ask, cluster, passing } = await alone()
    await ask(1, 'OffsetCommit', commitOf('g', [0, 1]))
    const anew = { topic: 'orders', partitions: 1 }
    for (let moment = 0; moment <= 30; moment++) {
      const deleted = cluster.admin.deleteTopic('orders')
      for (let turns = 0; turns < moment; turns++) await undefined
      const made = cluster.admin.createTopic(anew)
      await passing(Promise.all([deleted, made]))
      const fetched = await passing(
        ask(1, 'OffsetFetch', { groups: [{ groupId: 'g', topics: null }] }),
      )
      expect(fetched.groups, `${moment} turns later`).toMatchObject([{ groupId: 'g', topics: [] }])
      await ask(1, 'OffsetCommit', commitOf('g', [0, 1]))
    }
  })
})

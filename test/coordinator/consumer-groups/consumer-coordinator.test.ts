import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../../src/base/random.js'
import { ArrayJournal } from '../fold/array-journal.js'
import { isPartlogError, PartlogError, type ErrorCode } from '../../../src/model/errors.js'
import { newcomer } from '../groups/group-world.js'
import { consumerWorld, Reader, shares, type ConsumerWorld, type Words } from './consumer-world.js'

const codeOf = async (run: Promise<unknown>): Promise<ErrorCode | 'fine'> =>
  await run.then(
    () => 'fine' as const,
    (error: unknown) => (isPartlogError(error) ? error.code : 'NONE'),
  )

const readersIn = (world: ConsumerWorld, words: Record<string, Words>): Reader[] =>
  Object.entries(words).map(([name, each]) => new Reader(() => world.groups, name, each))

/** Lets everybody speak until nothing changes. */
async function settled(...readers: Reader[]): Promise<void> {
  for (let round = 0; round < 4; round++) for (const reader of readers) await reader.turn()
}

describe('joining and leaving', () => {
  it('the first member gets everything at once, in the epoch that Kafka begins with', async () => {
    const world = await consumerWorld()
    const [a] = readersIn(world, { a: {} }) as [Reader]
    const answer = await a.join()
    expect(answer).toMatchObject({ memberId: 'a', epoch: 2, heartbeatIntervalMs: 5_000 })
    expect(shares(world.group())).toEqual(['a: orders0,1,2'])
    expect(world.group().state).toBe('Stable')
    expect(await a.beat()).toMatchObject({ epoch: 2, assignment: null })
  })

  it('a partition has a new owner only when the old one has given it back', async () => {
    const world = await consumerWorld()
    const [a, b] = readersIn(world, { a: {}, b: {} }) as [Reader, Reader]
    await a.join()
    a.take()
    expect(await b.join()).toMatchObject({ epoch: 3, assignment: [] })
    expect(world.group().state).toBe('Reconciling')
    await a.beat()
    expect([...a.told].length).toBe(2)
    expect(a.epoch).toBe(2) // it still has three partitions
    await b.beat()
    expect([...b.told]).toEqual([])
    a.release()
    await a.beat()
    expect(a.epoch).toBe(3)
    await b.beat()
    expect([...b.told].length).toBe(1)
    expect(world.group().state).toBe('Stable')
  })

  it('who leaves gives everything to the others', async () => {
    const world = await consumerWorld()
    const [a, b] = readersIn(world, { a: {}, b: {} }) as [Reader, Reader]
    await a.join()
    await b.join()
    await settled(a, b)
    expect(await b.leave()).toMatchObject({ memberId: 'b', epoch: -1, assignment: null })
    expect(world.group().state).toBe('Assigning')
    await a.beat()
    expect(shares(world.group())).toEqual(['a: orders0,1,2'])
    await a.leave()
    expect(world.group()).toMatchObject({ state: 'Empty', epoch: 5, assignmentEpoch: 5 })
    expect(await codeOf(a.beat())).toBe('UNKNOWN_MEMBER_ID')
  })

  it('a member that is silent for its session is removed; one that does not give back, too', async () => {
    const world = await consumerWorld()
    const [a, b] = readersIn(world, { a: { rebalanceTimeoutMs: 20_000 }, b: {} }) as [Reader, Reader]
    await a.join()
    a.take()
    await b.join()
    await a.beat() // it has to give back one
    for (let second = 0; second < 20; second++) {
      await a.beat() // and does not
      await b.beat()
      await world.clock.advance(1_000)
    }
    expect([...world.group().members.keys()]).toEqual(['b'])
    expect(await codeOf(a.beat())).toBe('UNKNOWN_MEMBER_ID')
    await b.beat()
    expect(shares(world.group())).toEqual(['b: orders0,1,2'])
    await world.clock.advance(45_001)
    expect(world.group().state).toBe('Empty')
  })

  it('a full group admits nobody else', async () => {
    const world = await consumerWorld({ orders: 1 }, undefined, { maxSize: 1 })
    const [a, b] = readersIn(world, { a: {}, b: {} }) as [Reader, Reader]
    await a.join()
    expect(await codeOf(b.join())).toBe('GROUP_MAX_SIZE_REACHED')
    expect(await codeOf(a.join())).toBe('fine')
  })
})

describe('what a member says', () => {
  const world = () => consumerWorld()

  it.each<[string, Words & { epoch?: number }, ErrorCode]>([
    ['no rebalance timeout', { rebalanceTimeoutMs: -1 }, 'INVALID_REQUEST'],
    ['partitions that it owns', { owned: [{ topicId: 'x', partitions: [0] }] }, 'INVALID_REQUEST'],
    ['not what it owns', { owned: null }, 'INVALID_REQUEST'],
    ['neither topics nor an expression', { topics: null }, 'INVALID_REQUEST'],
    ['an empty instance id', { instanceId: '' }, 'INVALID_REQUEST'],
    ['an empty rack', { rackId: '' }, 'INVALID_REQUEST'],
    ['an assignor that is none', { assignor: 'sticky' }, 'UNSUPPORTED_ASSIGNOR'],
    ['a bad expression', { topics: [], pattern: '(' }, 'INVALID_REGULAR_EXPRESSION'],
  ])('a member that joins with %s is refused', async (_, words, code) => {
    const { groups, journal } = await world()
    const reader = new Reader(() => groups, 'a')
    expect(await codeOf(reader.join(words))).toBe(code)
    expect(journal.records).toEqual([])
    expect(groups.groups).toEqual([])
  })

  it('a member may join before it knows its topics, as clients do that match names themselves', async () => {
    const world = await consumerWorld()
    const [a] = readersIn(world, { a: { topics: [] } }) as [Reader]
    expect(await a.join()).toMatchObject({ epoch: 2, assignment: [] })
    await a.beat({ topics: ['orders'] })
    expect(a.epoch).toBe(3)
    expect(shares(world.group())).toEqual(['a: orders0,1,2'])
  })

  it('epochs that are none, members and groups that are none', async () => {
    const { groups } = await world()
    const reader = new Reader(() => groups, 'a')
    const beat = async (epoch: number) => {
      reader.epoch = epoch
      return await codeOf(reader.beat({}))
    }
    expect(await beat(-3)).toBe('INVALID_REQUEST')
    expect(await beat(-2)).toBe('INVALID_REQUEST')
    expect(await beat(7)).toBe('GROUP_ID_NOT_FOUND')
    expect(await beat(-1)).toBe('GROUP_ID_NOT_FOUND')
    await reader.join()
    expect(await codeOf(new Reader(() => groups, '').join())).toBe('INVALID_REQUEST')
    expect(await beat(7)).toBe('FENCED_MEMBER_EPOCH')
    expect(await beat(1)).toBe('FENCED_MEMBER_EPOCH')
    expect(await beat(2)).toBe('fine')
  })

  it('the answer with a new epoch may be lost: the one before is accepted, once', async () => {
    const world = await consumerWorld()
    const [a, b] = readersIn(world, { a: {}, b: {} }) as [Reader, Reader]
    await a.join()
    a.take()
    await b.join()
    await a.beat()
    a.release()
    await a.beat() // epoch 3, which it does not hear
    a.epoch = 2
    expect(await codeOf(a.beat())).toBe('fine')
    expect(a.epoch).toBe(3)
    a.epoch = 1
    expect(await codeOf(a.beat())).toBe('FENCED_MEMBER_EPOCH')
  })

  it('other topics: what it no longer reads goes, what is new comes', async () => {
    const world = await consumerWorld({ orders: 2, sales: 2 })
    const [a, b] = readersIn(world, { a: {}, b: { topics: ['orders', 'sales'] } }) as [Reader, Reader]
    await a.join()
    await b.join()
    await settled(a, b)
    expect(shares(world.group())).toEqual(['a: orders0,1', 'b: sales0,1'])
    await a.beat({ topics: ['sales'] })
    await settled(a, b)
    expect(shares(world.group())).toEqual(['a: sales0,1', 'b: orders0,1'])
  })

  it('an assignor that most ask for', async () => {
    const world = await consumerWorld({ orders: 2, sales: 2 })
    const words = { topics: ['orders', 'sales'], assignor: 'range' }
    const [a, b] = readersIn(world, { a: words, b: words }) as [Reader, Reader]
    await a.join()
    await b.join()
    await settled(a, b)
    expect(shares(world.group())).toEqual(['a: orders0 sales0', 'b: orders1 sales1'])
  })
})

describe('topics that come and go', () => {
  it('partitions and topics are shared out with the next heartbeat, which is told', async () => {
    const world = await consumerWorld({ orders: 1 })
    const [a] = readersIn(world, { a: { topics: ['orders', 'sales'] } }) as [Reader]
    await a.join()
    let told = 0
    world.groups.consumers.news('g').watch(() => told++)
    world.topics.set('orders', 2)
    world.topics.set('sales', 1)
    world.groups.consumers.topicsChanged()
    expect(told).toBe(1)
    await settled(a)
    expect(shares(world.group())).toEqual(['a: orders0,1 sales0'])
    world.topics.set('orders', 0)
    world.groups.consumers.topicsChanged()
    await settled(a)
    expect(shares(world.group())).toEqual(['a: sales0'])
    world.topics.set('other', 1)
    told = 0
    world.groups.consumers.topicsChanged()
    expect(told).toBe(0)
  })

  it('an expression finds topics as they come', async () => {
    const world = await consumerWorld({ 'orders-1': 1, sales: 1 })
    const [a, b] = readersIn(world, { a: { pattern: 'orders-.*' }, b: { topics: ['sales'] } }) as [
      Reader,
      Reader,
    ]
    await a.join()
    await b.join()
    await settled(a, b)
    expect(shares(world.group())).toEqual(['a: orders-10', 'b: sales0'])
    world.topics.set('orders-2', 1)
    await settled(b, a) // whoever speaks first
    expect(shares(world.group())).toEqual(['a: orders-10 orders-20', 'b: sales0'])
    expect(world.group().patterns.get('orders-.*')?.topics).toEqual(['orders-1', 'orders-2'])
    await a.beat({ pattern: '', topics: ['sales'] })
    await settled(a, b)
    expect(world.group().patterns.size).toBe(0)
  })
})

describe('static members', () => {
  it('one that is away comes back to what it had, under a new id, and nobody else notices', async () => {
    const world = await consumerWorld({ orders: 4 })
    const [a, b, back] = readersIn(world, {
      a: { instanceId: 'i' },
      b: {},
      back: { instanceId: 'i' },
    }) as [Reader, Reader, Reader]
    await a.join()
    await b.join()
    await settled(a, b)
    const had = [...a.told]
    const { epoch } = world.group()
    expect(await codeOf(back.join())).toBe('UNRELEASED_INSTANCE_ID')
    await a.leave(-2)
    expect(world.group().members.get('a')?.epoch).toBe(-2)
    await b.beat()
    expect(await back.join()).toMatchObject({ memberId: 'back', epoch })
    expect([...back.told].sort()).toEqual(had.sort())
    expect(world.group().epoch).toBe(epoch)
    a.epoch = epoch
    expect(await codeOf(a.beat())).toBe('FENCED_INSTANCE_ID')
    expect([...world.group().members.keys()].sort()).toEqual(['b', 'back'])
    expect(await codeOf(a.leave())).toBe('FENCED_INSTANCE_ID')
    await back.leave()
    expect([...world.group().members.keys()]).toEqual(['b'])
  })

  it('one that does not come back within its session is removed', async () => {
    const world = await consumerWorld()
    const [a] = readersIn(world, { a: { instanceId: 'i' } }) as [Reader]
    await a.join()
    await a.leave(-2)
    await world.clock.advance(44_000)
    expect(world.group().members.size).toBe(1)
    await world.clock.advance(1_001)
    expect(world.group().state).toBe('Empty')
  })
})

describe('offsets', () => {
  const at = (partition: number) => ({
    topic: 'orders',
    partition,
    offset: 7,
    leaderEpoch: 0,
    metadata: '',
  })

  it('a member commits in its epoch, and in older ones for what it has had since', async () => {
    const world = await consumerWorld()
    const [a, b] = readersIn(world, { a: {}, b: {} }) as [Reader, Reader]
    await a.join()
    a.take()
    await b.join()
    await settled(a, b)
    const commit = (memberId: string, generationId: number, partition: number, more = {}) =>
      codeOf(
        world.groups.commit({
          groupId: 'g',
          memberId,
          groupInstanceId: null,
          generationId,
          ...more,
          offsets: [at(partition)],
        }),
      )
    const [mine] = [...a.owned].map(each => Number(each.slice(-1))) as [number]
    const [other] = [...b.owned].map(each => Number(each.slice(-1))) as [number]
    expect(await commit('a', 3, mine)).toBe('fine')
    expect(await commit('a', 2, mine)).toBe('fine')
    expect(await commit('a', 1, mine)).toBe('STALE_MEMBER_EPOCH')
    expect(await commit('a', 2, other)).toBe('STALE_MEMBER_EPOCH')
    expect(await commit('a', 4, mine)).toBe('STALE_MEMBER_EPOCH')
    const transaction = { producerId: 1, producerEpoch: 0 }
    expect(await commit('a', 4, mine, { transaction })).toBe('ILLEGAL_GENERATION')
    expect(await commit('nobody', 3, mine)).toBe('UNKNOWN_MEMBER_ID')
    expect(await commit('', -1, mine)).toBe('UNKNOWN_MEMBER_ID')
    const fetch = (memberId: string | null, epoch: number) =>
      codeOf(world.groups.committedOffsets('g', { memberId, epoch }))
    expect(await fetch('a', 3)).toBe('fine')
    expect(await fetch(null, -1)).toBe('fine')
    expect(await fetch('a', 2)).toBe('STALE_MEMBER_EPOCH')
    expect(await fetch('nobody', 3)).toBe('UNKNOWN_MEMBER_ID')
    expect(await world.groups.deleteOffsets('g', [at(mine)])).toEqual([at(mine)])
    expect(await codeOf(world.groups.deleteGroup('g'))).toBe('NON_EMPTY_GROUP')
    await a.leave()
    await b.leave()
    expect(await commit('', -1, mine)).toBe('fine')
    await world.groups.deleteGroup('g')
    expect(world.groups.groups).toEqual([])
    expect(await codeOf(world.groups.deleteGroup('g'))).toBe('GROUP_ID_NOT_FOUND')
  })

  it('offsets of topics that the group reads stay; without members all go, and the group', async () => {
    const world = await consumerWorld({ orders: 1 })
    const [a] = readersIn(world, { a: {} }) as [Reader]
    await a.join()
    const member = { groupId: 'g', memberId: 'a', groupInstanceId: null, generationId: 2 }
    await world.groups.commit({ ...member, offsets: [at(0), { ...at(0), topic: 'sales' }] })
    for (let day = 0; day < 8 * 24 * 90; day++) {
      await world.clock.advance(40_000)
      await a.beat()
    }
    await world.groups.expireOffsets()
    expect((await world.groups.committedOffsets('g')).map(({ topic }) => topic)).toEqual(['orders'])
    await a.leave()
    await world.groups.expireOffsets()
    expect(world.groups.groups).toEqual([])
  })
})

describe('the two protocols', () => {
  it('a group without members takes the protocol of the next one; with members it does not', async () => {
    const world = await consumerWorld()
    const [a] = readersIn(world, { a: {} }) as [Reader]
    const { groups } = world
    const joined = groups.join('g', newcomer())
    await joined
    expect(await codeOf(a.join())).toBe('GROUP_ID_NOT_FOUND')
    const { memberId } = await joined
    groups.leave('g', [{ memberId, groupInstanceId: null, reason: '' }])
    expect(await codeOf(a.join())).toBe('fine')
    expect(groups.view('g')).toMatchObject({ type: 'consumer', state: 'Stable' })
    expect(() => groups.describe('g')).toThrow('not a classic group')
    expect(await codeOf(groups.join('g', newcomer()))).toBe('INCONSISTENT_GROUP_PROTOCOL')
    await a.leave()
    await groups.join('g', newcomer())
    expect(groups.view('g')).toMatchObject({ type: 'classic' })
    expect(() => groups.describeConsumers('g')).toThrow('not a consumer group')
    const { groups: again } = await consumerWorld({}, world.journal)
    expect(again.view('g')?.type ?? 'classic').toBe('classic')
  })
})

describe('a coordinator whose disk is full', () => {
  /** Refuses every append while it is full. */
  class FullJournal extends ArrayJournal {
    isFull = false
    override append(records: ArrayJournal['records']): Promise<void> {
      if (this.isFull) throw new PartlogError('KAFKA_STORAGE_ERROR', 'the disk is full')
      return super.append(records)
    }
  }

  it.each(['leaves', 'is silent'])('a member that %s meanwhile is removed later', async how => {
    const journal = new FullJournal()
    const world = await consumerWorld({ orders: 3 }, journal)
    const reader = new Reader(() => world.groups, 'one')
    await reader.join()
    journal.isFull = true
    if (how === 'leaves') {
      await expect(reader.leave()).rejects.toThrow('the disk is full')
    } else await world.clock.advance(45_000)
    expect([...world.group().members.keys()]).toEqual(['one'])
    journal.isFull = false
    await world.clock.advance(45_000)
    expect([...world.group().members.keys()]).toEqual([])
    expect(world.clock.pendingTimers).toBe(0)
  })
})

describe('a coordinator that has resigned', () => {
  it('a coordinator that has resigned begins no session, whatever still comes', async () => {
    const world = await consumerWorld()
    const reader = new Reader(() => world.groups, 'one')
    await reader.join()
    expect(world.clock.pendingTimers).toBe(1)
    world.groups.resign(new PartlogError('NOT_COORDINATOR', 'another broker is it'))
    world.groups.consumers.prolong('g', 'one', 0) // a held heartbeat ends
    await expect(reader.beat()).rejects.toMatchObject({ code: 'NOT_COORDINATOR' })
    expect(world.clock.pendingTimers).toBe(0)
  })
})

describe('a coordinator that loads what another has kept', () => {
  it('members of the process before are removed, others have their sessions', async () => {
    const world = await consumerWorld()
    const words = { a: { clientHost: '' }, b: {}, c: { clientHost: '', instanceId: 'i' } }
    const readers = readersIn(world, words)
    for (const reader of readers) await reader.join()
    const next = await consumerWorld({ orders: 3 }, world.journal, { isFirstLoad: true })
    await next.clock.advance(1)
    expect([...next.group().members.keys()].sort()).toEqual(['b', 'c'])
    await next.clock.advance(45_000)
    expect(next.group().state).toBe('Empty')
    expect(next.failures).toEqual([])
  })

  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    'no partition ever has two readers, and all are read in the end, seed %i',
    async seed => await play(seededRandom(seed)),
  )
})

interface Play {
  readonly random: Random
  readonly readers: Reader[]
  world: ConsumerWorld
}

/** Members and topics come and go, answers are lost, coordinators die. */
async function play(random: Random): Promise<void> {
  const counts: Record<string, number> = { orders: 3, 'orders-2': 2, sales: 1 }
  const all: Play = { random, readers: [], world: await consumerWorld(counts) }
  for (let step = 0; step < 80; step++) {
    await act(all, counts)
    checkOwners(all.readers)
  }
  if (all.readers.length === 0) return
  // Those that are away or forgotten are removed meanwhile.
  for (let round = 0; round < 12; round++) {
    await all.world.clock.advance(5_000)
    for (const reader of [...all.readers]) {
      if (await speak(reader, all)) await codeOf(reader.turn())
    }
  }
  await settled(...all.readers)
  expect(all.world.group().state).toBe('Stable')
  expect(all.world.failures).toEqual([])
  const read = all.readers.flatMap(({ owned }) => [...owned])
  const wanted = [...all.world.group().topics].flatMap(name => {
    const topic = all.world.topics.find(name)
    return Array.from({ length: topic?.partitionCount ?? 0 }, (_, at) => `${topic?.topicId}-${at}`)
  })
  expect(read.sort()).toEqual(wanted.sort())
}

const SUBSCRIPTIONS: readonly Words[] = [
  ...[{ topics: ['orders'] }, { topics: ['orders', 'sales'] }, { topics: ['orders-2', 'sales'] }],
  ...[{ pattern: 'orders.*', topics: [] }, { topics: ['orders'], assignor: 'range' }],
]

async function act(all: Play, counts: Record<string, number>): Promise<void> {
  const { random, readers, world } = all
  const pick = readers[random.int(Math.max(readers.length, 1))]
  const what = random.int(14)
  if (what < 2 && readers.length < 5) {
    const instanceId = random.int(3) === 0 ? `i${random.int(2)}` : null
    const words = { ...SUBSCRIPTIONS[random.int(SUBSCRIPTIONS.length)], instanceId }
    const reader = new Reader(() => all.world.groups, `m${random.int(1e6)}`, words)
    const answer = await codeOf(reader.join())
    if (answer === 'fine') readers.push(reader)
    else expect(answer).toBe('UNRELEASED_INSTANCE_ID')
    return
  }
  if (what === 2) {
    const name = ['orders', 'orders-2', 'orders-3', 'sales'][random.int(4)] as string
    counts[name] = random.int(4) === 0 ? 0 : (counts[name] ?? 0) + 1
    world.topics.set(name, counts[name])
    return world.groups.consumers.topicsChanged()
  }
  if (what === 3) {
    world.groups.resign(new Error('moved') as never)
    const journal = new ArrayJournal([...world.journal.records])
    all.world = await consumerWorld(counts, journal, { clock: world.clock })
    return
  }
  if (what === 4) {
    await world.clock.advance(random.int(8_000))
    for (const reader of readers) if (!isThere(world, reader)) reader.abandon()
    return
  }
  if (pick === undefined) return
  if (what === 5) {
    readers.splice(readers.indexOf(pick), 1)
    await pick.leave(pick.words.instanceId != null && random.int(2) === 0 ? -2 : -1)
    return
  }
  if (what < 8) return void pick.release()
  if (what < 10) return void pick.take()
  const lost = { epoch: pick.epoch, told: pick.told }
  if (!(await speak(pick, all))) return
  if (what > 10) return
  pick.epoch = lost.epoch // the answer was lost, and it says all of it again
  pick.told = lost.told
  pick.saysAll = true
}

/** False: it was removed or fenced, and has joined anew. */
async function speak(reader: Reader, { readers }: Play): Promise<boolean> {
  const outcome = await codeOf(reader.beat())
  if (outcome === 'fine') return true
  expect(['UNKNOWN_MEMBER_ID', 'FENCED_MEMBER_EPOCH', 'FENCED_INSTANCE_ID']).toContain(outcome)
  reader.abandon()
  if ((await codeOf(reader.join())) !== 'fine') readers.splice(readers.indexOf(reader), 1)
  return false
}

function isThere({ groups }: ConsumerWorld, { memberId }: Reader): boolean {
  return groups.groups.some(({ members }) => members.some(each => each.memberId === memberId))
}

function checkOwners(readers: readonly Reader[]): void {
  const read = readers.flatMap(({ owned }) => [...owned])
  expect(read.length, read.join(' ')).toBe(new Set(read).size)
}

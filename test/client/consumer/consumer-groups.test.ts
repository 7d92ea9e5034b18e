import { describe, expect, it } from 'vitest'
import type { Consumer } from '../../../src/client/consumer/consumer-api.js'
import type { ConsumerOptions } from '../../../src/client/consumer/consumer-options.js'
import type { RebalanceEvent } from '../../../src/coordinator/groups/rebalance-reporter.js'
import { errorId, PartlogError } from '../../../src/model/errors.js'
import type { Request } from '../../../src/protocol/api.js'
import { describeGroup } from '../../describe-group'
import { intercept, isPending, orders, settle, world, type World } from '../world.js'

const text = { autoOffsetReset: 'earliest', valueDeserializer: 'string' } as const
type Options = ConsumerOptions<'bytes', 'string'>
type Reader = Consumer<Uint8Array, string>

function member({ cluster }: World, options: Options = {}): Reader {
  return cluster.consumer({ ...text, groupId: 'g', ...options })
}

async function joined(all: World, options: Options = {}): Promise<Reader> {
  const consumer = member(all, options)
  await consumer.subscribe(['orders'])
  return consumer
}

/** What each member owns, as numbers; throws when two own the same. */
function shares(...members: readonly Consumer<never, never>[] | readonly Reader[]): number[][] {
  const all = members.map(each => each.assignment().map(({ partition }) => partition))
  expect(new Set(all.flat()).size).toBe(all.flat().length)
  return all
}

const counts = (...members: readonly Reader[]): number[] =>
  shares(...members).map(share => share.length)

/** Each member has what the group gives it. */
async function stable({ clock }: World, ...members: readonly Reader[]): Promise<void> {
  await settle(clock)
  await Promise.all(members.map(each => each.ready()))
}

describe('partitions of a group', () => {
  it.each([
    { partitions: 3, members: 3, expected: [1, 1, 1] },
    { partitions: 3, members: 5, expected: [1, 1, 1, 0, 0] },
    { partitions: 3, members: 1, expected: [3] },
    { partitions: 6, members: 3, expected: [2, 2, 2] },
  ])('$partitions partitions are assigned to $members members', async ({ partitions, members, expected }) => {
    const all = await world(partitions)
    const consumers = Array.from({ length: members }, () => member(all))
    await Promise.all(consumers.map(each => each.subscribe(['orders'])))
    await stable(all, ...consumers)
    expect(counts(...consumers).toSorted((a, b) => b - a)).toEqual(expected)
  })

  it('two members of 4 partitions make room for a third, and get its partitions when it leaves', async () => {
    const all = await world(4)
    const [one, two] = [await joined(all), await joined(all)]
    await stable(all, one, two)
    expect(counts(one, two)).toEqual([2, 2])
    const three = await joined(all)
    await stable(all, one, two)
    expect(counts(one, two, three).toSorted()).toEqual([1, 1, 2])
    await three.close()
    await stable(all, one, two)
    expect(counts(one, two)).toEqual([2, 2])
  })

  it('600 partitions are assigned to 100 members', async () => {
    const all = await world(600)
    const consumers = Array.from({ length: 100 }, () => member(all))
    await Promise.all(consumers.map(each => each.subscribe(['orders'])))
    await stable(all, ...consumers)
    expect(new Set(counts(...consumers))).toEqual(new Set([6]))
  })

  it('every group reads all partitions', async () => {
    const all = await world(2)
    await all.write(0, 'a')
    await all.write(1, 'b')
    for (const groupId of ['g', 'h']) {
      const consumer = await joined(all, { groupId })
      const values = (await consumer.poll()).map(({ value }) => value)
      expect(values.toSorted()).toEqual(['a', 'b'])
    }
  })

  it('partitions are assigned by the assignor that all members know', async () => {
    const all = await world(4)
    const one = await joined(all, { partitionAssignmentStrategy: ['roundrobin', 'range'] })
    const two = await joined(all, { partitionAssignmentStrategy: ['roundrobin'] })
    await stable(all, one, two)
    expect(shares(one, two).toSorted()).toEqual([
      [0, 2],
      [1, 3],
    ])
    const stranger = member(all, { partitionAssignmentStrategy: ['sticky'] })
    await expect(stranger.subscribe(['orders'])).rejects.toMatchObject({
      code: 'INCONSISTENT_GROUP_PROTOCOL',
    })
    expect(counts(one, two)).toEqual([2, 2])
  })

  it('partitions are assigned by an assignor of the application', async () => {
    const all = await world(3)
    const mine = {
      name: 'mine',
      protocol: 'eager' as const,
      assign: ({ members }: { readonly members: readonly { readonly memberId: string }[] }) =>
        new Map(members.map(({ memberId }, index) => [memberId, index === 0 ? orders(3) : []])),
    }
    const options = { partitionAssignmentStrategy: [mine] }
    const [one, two] = [await joined(all, options), await joined(all, options)]
    await stable(all, one, two)
    expect(counts(one, two).toSorted()).toEqual([0, 3])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('mine')
      },
      'has thrown: Error: mine',
    ],
    ['assigns to an unknown member', () => new Map([['x', orders(1)]]), 'there is no member "x"'],
    [
      'gives what is not there',
      (id: string) => new Map([[id, orders(2)]]),
      'no partition orders-1',
    ],
    ['assigns a partition twice', (id: string) => new Map([[id, [...orders(1), ...orders(1)]]]), 'two members'],
  ])('an assignor that %s is refused', async (_, decide, sentence) => {
    const all = await world(1)
    const wrong = {
      name: 'wrong',
      protocol: 'eager' as const,
      assign: ({ members }: { readonly members: readonly { readonly memberId: string }[] }) =>
        decide(members[0]?.memberId as string),
    }
    const consumer = member(all, { partitionAssignmentStrategy: [wrong] })
    await expect(consumer.subscribe(['orders'])).rejects.toThrow(sentence)
  })
})

describe('a group rebalances', () => {
  async function watched(partitions = 2) {
    const all = await world(partitions)
    const events: RebalanceEvent[] = []
    all.cluster.on('rebalance', event => events.push(event))
    return { ...all, events }
  }

  it('a group rebalances when a member joins or leaves, and reports the old and new partitions', async () => {
    const all = await watched()
    const one = await joined(all, { clientId: 'one' })
    const two = await joined(all, { clientId: 'two' })
    await stable(all, one)
    await two.close()
    await stable(all, one)
    const [first, second, third] = all.events
    expect(first).toMatchObject({ generationId: 1, joined: [{ clientId: 'one' }], left: [] })
    expect(second).toMatchObject({
      reason: 'client two joins',
      joined: [{ clientId: 'two' }],
      durationMs: 0,
    })
    const had = second?.members.map(({ clientId, before, after }) => [
      clientId,
      before.length,
      after.length,
    ])
    expect(had).toEqual([
      ['one', 2, 1],
      ['two', 0, 1],
    ])
    expect(third).toMatchObject({ generationId: 3, left: [{ clientId: 'two' }], timedOut: [] })
  })

  it("a group rebalances when a member's session times out", async () => {
    const all = await watched()
    const { cluster, clock, events } = all
    const one = await joined(all, { clientId: 'one' })
    const two = await joined(all, { clientId: 'two', sessionTimeoutMs: 6_000 })
    await stable(all, one)
    cluster.faults.on('heartbeat', { client: 'two' }).drop().times(1000)
    await clock.advance(2_000) // the heartbeat under way is answered, later ones do not arrive
    await clock.advance(5_999)
    expect(counts(one)).toEqual([1])
    await clock.advance(1)
    await stable(all, one)
    expect(counts(one)).toEqual([2])
    expect(events.at(-1)).toMatchObject({ timedOut: [{ clientId: 'two' }], left: [] })
    expect(two.assignment()).toHaveLength(1) // it does not know yet
  })

  it('a group rebalances for new partitions and for new topics that match', async () => {
    const all = await watched()
    const { cluster, clock } = all
    const one = member(all, { metadataMaxAgeMs: 10_000 })
    await one.subscribe(/^ord/)
    await cluster.admin.createPartitions({ topic: 'orders', partitions: 3 })
    await clock.advance(10_000)
    await stable(all, one)
    expect(one.assignment()).toEqual(orders(3))
    await cluster.admin.createTopic({ topic: 'ordnance' })
    await cluster.admin.createTopic({ topic: 'other' })
    await clock.advance(10_000)
    await stable(all, one)
    expect(one.subscription()).toEqual(['orders', 'ordnance'])
    expect(one.assignment()).toHaveLength(4)
  })

  it('a group rebalances when a member changes its subscription', async () => {
    const all = await watched()
    await all.cluster.admin.createTopic({ topic: 'more' })
    const [one, two] = [await joined(all), await joined(all)]
    await stable(all, one, two)
    await two.subscribe(['more'])
    await stable(all, one)
    expect(one.assignment()).toEqual(orders(2))
    expect(two.assignment()).toEqual([{ topic: 'more', partition: 0 }])
  })

  it('a group rebalances when the application asks for it', async () => {
    const all = await watched()
    const [one, two] = [await joined(all), await joined(all)]
    await stable(all, one, two)
    const { generationId } = one.groupMetadata()
    const reasons: unknown[] = []
    intercept((api, request: { readonly reason?: string }, next) => {
      if (api === 'JoinGroup') reasons.push(request.reason)
      return next()
    })
    two.enforceRebalance('because')
    await stable(all, one, two)
    expect(reasons).toEqual(['because', 'the group rebalances'])
    expect(one.groupMetadata().generationId).toBe(generationId + 1)
    expect(two.groupMetadata()).toMatchObject({ groupId: 'g', generationId: generationId + 1 })
  })

  it('a group does not rebalance for a new member that has not polled yet', async () => {
    const all = await watched()
    await all.clock.advance(600_000)
    const one = await joined(all)
    await all.clock.advance(290_000)
    await stable(all, one)
    expect([counts(one), all.events.length]).toEqual([[2], 1])
  })

  it('a group does not rebalance for a member that waits for records', async () => {
    const all = await watched()
    const one = await joined(all)
    const polling = one.poll({ timeoutMs: 900_000 })
    await all.clock.advance(700_000)
    expect([counts(one), all.events.length]).toEqual([[2], 1])
    await all.write(0, 'a')
    expect(await polling).toHaveLength(1)
  })

  it('a group rebalances when a member stops polling, and when it polls again', async () => {
    const all = await watched()
    const { clock } = all
    await all.write(0, 'a', 'b')
    await all.write(1, 'x')
    const slow = member(all, { maxPollIntervalMs: 30_000, clientId: 'slow' })
    const lost: unknown[] = []
    await slow.subscribe(['orders'], { onPartitionsLost: each => void lost.push(...each) })
    expect(await slow.poll()).toHaveLength(3)
    const other = member(all, { clientId: 'other' })
    const waiting = other.subscribe(['orders'])
    await clock.advance(30_000)
    expect(await isPending(waiting, clock)).toBe(true)
    await clock.advance(3_000)
    await waiting
    expect(lost).toEqual(orders(2))
    expect([counts(slow), counts(other)]).toEqual([[0], [2]])
    expect((await other.poll()).map(({ value }) => value).toSorted()).toEqual(['a', 'b', 'x'])
    const polled = slow.poll({ timeoutMs: 100 })
    await other.poll({ timeoutMs: 0 })
    await clock.advance(100)
    await stable(all, slow, other)
    await polled
    expect(counts(slow, other)).toEqual([1, 1])
  })

  it('members stay the same when their coordinator dies', async () => {
    const all = await world(3, { brokers: 3 })
    const { cluster, clock } = all
    const [one, two] = [await joined(all), await joined(all)]
    await stable(all, one, two)
    const before = [one.groupMetadata(), two.groupMetadata()]
    const coordinator = cluster
      .describe()
      .topics.find(({ topic }) => topic === '__consumer_offsets')?.partitions[1]?.leader
    await cluster.broker(coordinator as number).kill()
    await clock.advance(10_000)
    await stable(all, one, two)
    expect([one.groupMetadata(), two.groupMetadata()]).toEqual(before)
    await one.commit({ offsets: [{ topic: 'orders', partition: 0, offset: 0 }] })
    const three = await joined(all)
    await stable(all, one, two)
    expect(counts(one, two, three)).toEqual([1, 1, 1])
  })
})

describe('a member that changes over', () => {
  it('a closing member commits what it processed, even if its coordinator has just died', async () => {
    const all = await world(1, { brokers: 3 })
    const { cluster, clock } = all
    await all.write(0, 'a', 'b')
    const one = await joined(all)
    const seen: string[] = []
    void one.run({ eachRecord: ({ value }) => void seen.push(value ?? '') })
    await settle(clock)
    expect(seen).toEqual(['a', 'b'])
    const { coordinator } = await describeGroup(cluster.admin, 'g')
    await Promise.all([cluster.broker(coordinator).kill(), one.close()])
    const { partitions } = await cluster.admin.groupLag('g')
    expect(partitions.map(({ offset }) => offset)).toEqual([2])
  })

  it('a member finishes and commits the record in hand before others get the partition', async () => {
    const all = await world(2)
    await all.write(0, 'a', 'b')
    await all.write(1, 'x', 'y')
    const one = await joined(all)
    const seen: string[] = []
    let release = (): void => undefined
    void one.run({
      eachRecord: async ({ value }) => {
        seen.push(value ?? '')
        if (seen.length === 1) await new Promise<void>(resolve => (release = resolve))
      },
    })
    await settle(all.clock)
    expect(seen).toHaveLength(1)
    const two = member(all)
    const waiting = two.subscribe(['orders'])
    expect(await isPending(waiting, all.clock)).toBe(true)
    release()
    await waiting
    const others: string[] = []
    void two.run({ eachRecord: ({ value }) => void others.push(value ?? '') })
    await settle(all.clock)
    expect([...seen, ...others].toSorted()).toEqual(['a', 'b', 'x', 'y'])
    expect(others).toHaveLength(2)
  })

  it('the listener is told of assigned and revoked partitions, and may commit while they are revoked', async () => {
    const all = await world(2)
    const { cluster } = all
    await all.write(0, 'a', 'b')
    const log: string[] = []
    const one = member(all, { enableAutoCommit: false })
    await one.subscribe(['orders'], {
      onPartitionsAssigned: each => void log.push(`+${each.map(p => p.partition).join()}`),
      onPartitionsRevoked: async each => {
        log.push(`-${each.map(p => p.partition).join()}`)
        await one.commit({ offsets: [{ topic: 'orders', partition: 0, offset: 2 }] })
      },
    })
    const two = await joined(all)
    await stable(all, one)
    expect(log).toEqual(['+0,1', '-0,1', expect.stringMatching(/^\+[01]$/)])
    const [committed] = await two.committed(orders(1))
    expect(committed?.offset).toBe(2)
    await one.close()
    expect(log.at(-1)).toMatch(/^-[01]$/)
    await cluster.close()
  })

  it('the next read throws what a listener has thrown, and reading continues', async () => {
    const all = await world(1)
    await all.write(0, 'a')
    const one = member(all)
    await one.subscribe(['orders'], {
      onPartitionsAssigned: () => Promise.reject(new Error('mine')),
    })
    await expect(one.poll()).rejects.toThrow('mine')
    expect((await one.poll()).map(({ value }) => value)).toEqual(['a'])
  })

  it('a cooperative member continues to read what it keeps', async () => {
    const all = await world(4)
    const log: string[] = []
    const cooperative: Options = { partitionAssignmentStrategy: ['cooperative-sticky'] }
    const one = member(all, cooperative)
    await one.subscribe(['orders'], {
      onPartitionsAssigned: each => void log.push(`+${each.length}`),
      onPartitionsRevoked: each => void log.push(`-${each.length}`),
    })
    const before = one.assignment()
    const two = await joined(all, cooperative)
    await stable(all, one, two)
    await stable(all, one, two)
    expect(log).toEqual(['+4', '-2', '+0', '+0'])
    expect(counts(one, two)).toEqual([2, 2])
    for (const kept of one.assignment()) expect(before).toContainEqual(kept)
  })

  it('commits for partitions that a member no longer owns are refused', async () => {
    const all = await world(1)
    const one = await joined(all, { clientId: 'one', sessionTimeoutMs: 6_000 })
    all.cluster.faults.on('heartbeat', { client: 'one' }).drop().times(1000)
    await all.clock.advance(20_000)
    const two = await joined(all, { clientId: 'two' })
    expect(counts(two)).toEqual([1])
    const stale = one.commit({ offsets: [{ topic: 'orders', partition: 0, offset: 0 }] })
    await expect(stale).rejects.toMatchObject({ code: 'UNKNOWN_MEMBER_ID' })
  })

  it('a handler may close its consumer or subscribe again', async () => {
    const all = await world(2)
    await all.cluster.admin.createTopic({ topic: 'more' })
    await all.write(0, 'a', 'b')
    const one = await joined(all)
    const seen: unknown[] = []
    for await (const { value } of one) {
      seen.push(value)
      if (seen.length === 1) await one.subscribe(['orders', 'more'])
      else await one.close()
    }
    expect(seen).toEqual(['a', 'a']) // the first was not done when it was given back
  })
})

describe('a member whose heartbeat is refused', () => {
  /** Refuses the next heartbeat. */
  function refuseOne(code: 'ILLEGAL_GENERATION' | 'UNKNOWN_MEMBER_ID'): void {
    let left = 1
    intercept((api, _request, next) =>
      api === 'Heartbeat' && left-- > 0 ? { errorCode: errorId(code) } : next(),
    )
  }

  async function refused(code: 'ILLEGAL_GENERATION' | 'UNKNOWN_MEMBER_ID') {
    const all = await world(2)
    await all.write(0, 'a')
    const one = member(all)
    const told: string[] = []
    await one.subscribe(['orders'], {
      onPartitionsLost: () => void told.push('lost'),
      onPartitionsRevoked: () => void told.push('revoked'),
    })
    const { memberId } = one.groupMetadata()
    refuseOne(code)
    await all.clock.advance(60_000) // the group waits for the members it knows
    await stable(all, one)
    expect(counts(one)).toEqual([2])
    return { told, isSame: one.groupMetadata().memberId === memberId }
  }

  it('a member of an old generation loses its partitions and keeps its id', async () => {
    expect(await refused('ILLEGAL_GENERATION')).toEqual({ told: ['lost'], isSame: true })
  })

  it('onPartitionsRevoked is called for lost partitions if there is no onPartitionsLost', async () => {
    const all = await world(1)
    const one = member(all)
    const told: unknown[] = []
    await one.subscribe(['orders'], { onPartitionsRevoked: each => void told.push(each) })
    refuseOne('ILLEGAL_GENERATION')
    await all.clock.advance(16_000) // until then the heartbeat before it is held
    await stable(all, one)
    expect(told).toEqual([orders(1)])
  })

  it('no listener is called if a member had nothing to lose', async () => {
    const all = await world(1)
    let told = 0
    const both = [member(all), member(all)] as const
    for (const each of both) {
      await each.subscribe(['orders'], { onPartitionsLost: () => void told++ })
    }
    await stable(all, ...both)
    const idle = both.find(each => each.assignment().length === 0) as Reader
    const { memberId: idleId } = idle.groupMetadata()
    let left = 1
    intercept((api, { memberId }: Request<'Heartbeat'>, next) =>
      api === 'Heartbeat' && memberId === idleId && left-- > 0
        ? { errorCode: errorId('ILLEGAL_GENERATION') }
        : next(),
    )
    await all.clock.advance(60_000)
    await stable(all, ...both)
    expect([told, left < 1]).toEqual([0, true])
  })

  it('a member that is unknown to the coordinator loses its partitions and joins with a new id', async () => {
    expect(await refused('UNKNOWN_MEMBER_ID')).toEqual({ told: ['lost'], isSame: false })
  })
})

describe('heartbeats that are held', () => {
  /** When heartbeats were sent. */
  function beatsOf(all: World): number[] {
    const times: number[] = []
    intercept((api, _request, next) => {
      if (api === 'Heartbeat') times.push(all.clock.monotonicMs())
      return next()
    })
    return times
  }

  it('an idle member sends a heartbeat every 15 s, every 3 s while rules are set', async () => {
    const all = await world(1)
    await joined(all, {})
    const times = beatsOf(all)
    await all.clock.advance(60_000)
    expect(times).toHaveLength(4)
    all.cluster.faults.on('produce', { topic: 'another' }).drop()
    times.length = 0
    await all.clock.advance(60_000)
    expect(times).toHaveLength(20)
  })

  it.each([1, 7_000, 14_999])('a session ends as after one every 3 s: silent after %i ms', async ms => {
    const all = await world(1)
    const one = await joined(all, { groupInstanceId: 'i-1' })
    const times = beatsOf(all)
    await all.clock.advance(60_000)
    const lastMs = times.at(-1) as number
    await all.clock.advance(lastMs + 15_000 - all.clock.monotonicMs() + ms)
    await one.close() // a static member does not leave
    const endsAtMs = lastMs + 15_000 + Math.floor(ms / 3_000) * 3_000 + 45_000
    let hasEnded = false
    all.cluster.on('rebalance', () => (hasEnded = true))
    await all.clock.advance(endsAtMs - all.clock.monotonicMs() - 1)
    expect((await all.cluster.admin.describeGroups(['g']))[0]?.members).toHaveLength(1)
    await all.clock.advance(1)
    expect((await all.cluster.admin.describeGroups(['g']))[0]?.members).toHaveLength(0)
    expect(hasEnded).toBe(true)
  })
})

describe('a static member', () => {
  it('a static member that returns has its partitions without a rebalance', async () => {
    const all = await world(4)
    const generations: number[] = []
    all.cluster.on('rebalance', ({ generationId }) => generations.push(generationId))
    const one = await joined(all, { groupInstanceId: 'i-1' })
    const two = await joined(all, { groupInstanceId: 'i-2' })
    await stable(all, one, two)
    const before = two.assignment()
    const { length } = generations
    await two.close()
    const again = await joined(all, { groupInstanceId: 'i-2' })
    expect(again.assignment()).toEqual(before)
    expect(generations).toHaveLength(length)
    expect(counts(one, again)).toEqual([2, 2])
  })

  it('a static leader that returns does not assign again', async () => {
    const all = await world(4)
    const leader = await joined(all, { groupInstanceId: 'i-1' })
    const other = await joined(all, { groupInstanceId: 'i-2' })
    await stable(all, leader, other)
    const before = leader.assignment()
    await leader.close()
    const shared: number[] = []
    intercept((api, { assignments }: Request<'SyncGroup'>, next) => {
      if (api === 'SyncGroup') shared.push(assignments.length)
      return next()
    })
    const again = await joined(all, { groupInstanceId: 'i-1' })
    expect([shared, again.assignment()]).toEqual([[0], before])
  })

  it.each([
    ['while it was away', true, true],
    ['while it was away, and it may not describe the group', true, false],
    ['after it is back', false, true],
  ])('a static leader that returns shares out partitions that were added %s', async (_, isBefore, mayAsk) => {
    const all = await world(2)
    const options = { groupInstanceId: 'i-1', metadataMaxAgeMs: 10_000 }
    const leader = await joined(all, options)
    await stable(all, leader)
    await leader.close()
    intercept((api, _request, next) => {
      if (api !== 'DescribeGroups' || mayAsk) return next()
      throw new PartlogError('GROUP_AUTHORIZATION_FAILED', 'not for you')
    })
    const grow = (partitions: number): Promise<void> =>
      all.cluster.admin.createPartitions({ topic: 'orders', partitions })
    if (isBefore) await grow(3)
    const again = await joined(all, options)
    // As with Kafka's clients, what cannot be known is found with the next change.
    if (!isBefore || !mayAsk) await grow(4)
    await all.clock.advance(10_000)
    await stable(all, again)
    expect(again.assignment()).toEqual(orders(isBefore && mayAsk ? 3 : 4))
  })

  it('a static member that is away for longer than its session is removed', async () => {
    const all = await world(4)
    const one = await joined(all, { groupInstanceId: 'i-1' })
    const two = await joined(all, { groupInstanceId: 'i-2', sessionTimeoutMs: 6_000 })
    await stable(all, one, two)
    await two.close()
    await all.clock.advance(12_000)
    await stable(all, one)
    expect(counts(one)).toEqual([4])
  })

  it('a static member is fenced when another one joins with its instance id', async () => {
    const all = await world(1)
    await all.write(0, 'a')
    const one = await joined(all, { groupInstanceId: 'i-1' })
    const two = await joined(all, { groupInstanceId: 'i-1' })
    await settle(all.clock)
    await expect(one.poll({ timeoutMs: 0 })).rejects.toMatchObject({ code: 'FENCED_INSTANCE_ID' })
    expect([counts(one), counts(two)]).toEqual([[0], [1]])
  })
})

describe('a static member that is fenced', () => {
  it('a fenced static member that waits for its application does not fence the other one', async () => {
    const all = await world(2)
    await all.write(0, 'a')
    const one = await joined(all, { groupInstanceId: 'i-1', clientId: 'one' })
    let release = (): void => undefined
    const run = one.run({
      eachRecord: () => new Promise<void>(resolve => (release = resolve)),
    })
    run.catch(() => undefined)
    await settle(all.clock)
    const other = member(all, { clientId: 'other' })
    const waiting = other.subscribe(['orders'])
    expect(await isPending(waiting, all.clock)).toBe(true)
    const again = member(all, { groupInstanceId: 'i-1', clientId: 'again' })
    await again.subscribe(['orders'])
    release()
    await expect(run).rejects.toMatchObject({ code: 'FENCED_INSTANCE_ID' })
    await waiting
    await stable(all, again, other)
    expect([counts(one), counts(again, other)]).toEqual([[0], [1, 1]])
  })
})

describe('a listener that takes its time', () => {
  it('partitions that are being revoked deliver nothing', async () => {
    const all = await world(2)
    await all.write(0, 'a')
    await all.write(1, 'x')
    const one = member(all)
    let release = (): void => undefined
    const released = new Promise<void>(resolve => (release = resolve))
    await one.subscribe(['orders'], { onPartitionsRevoked: () => released })
    const two = member(all)
    const waiting = two.subscribe(['orders'])
    await settle(all.clock)
    const polled = one.poll({ timeoutMs: 60_000 })
    expect(await isPending(polled, all.clock)).toBe(true)
    release()
    await waiting
    const both = [...(await polled), ...(await two.poll())]
    expect(both.map(({ value }) => value).toSorted()).toEqual(['a', 'x'])
  })
})

describe('a listener that never resolves', () => {
  it('a listener that never resolves delays close by defaultApiTimeoutMs at most', async () => {
    const all = await world(1)
    const one = member(all)
    await one.subscribe(['orders'], { onPartitionsRevoked: () => new Promise(() => undefined) })
    const closing = one.close()
    await all.clock.advance(59_000)
    expect(await isPending(closing, all.clock)).toBe(true)
    await all.clock.advance(1_000)
    await closing
    expect((await describeGroup(all.cluster.admin, 'g')).members).toEqual([])
  })
})

describe('a consumer whose coordinator does not come', () => {
  it('a consumer without a coordinator retries, and reports that after defaultApiTimeoutMs', async () => {
    const all = await world(2)
    let asked = 0
    const end = intercept((api, _request, next) => {
      if (api !== 'JoinGroup') return next()
      asked++
      return { errorCode: errorId('COORDINATOR_NOT_AVAILABLE') }
    })
    const one = member(all)
    const subscribing = one.subscribe(['orders'])
    const outcome = expect(subscribing).rejects.toMatchObject({ code: 'COORDINATOR_NOT_AVAILABLE' })
    await all.clock.advance(59_000)
    expect(await isPending(subscribing, all.clock)).toBe(true)
    await all.clock.advance(2_000)
    await outcome
    expect(asked).toBeGreaterThan(50)
    end()
    await all.clock.advance(2_000) // it has gone on trying
    await stable(all, one)
    expect(counts(one)).toEqual([2])
  })
})

describe('a consumer refuses', () => {
  it('a heartbeat interval that leaves no room for a lost heartbeat is refused', async () => {
    const { cluster } = await world()
    const options = { groupId: 'g', sessionTimeoutMs: 9_000, heartbeatIntervalMs: 3_001 }
    expect(() => cluster.consumer(options)).toThrow('more than a third of sessionTimeoutMs (9000)')
    await cluster.consumer({ ...options, heartbeatIntervalMs: 3_000 }).close()
  })

  it.each([
    [{ sessionTimeoutMs: 5_999 }, 'INVALID_SESSION_TIMEOUT'],
    [{ sessionTimeoutMs: 1_800_001 }, 'INVALID_SESSION_TIMEOUT'],
  ])("session timeouts outside the cluster's limits are refused: %o", async (options, code) => {
    const all = await world()
    await expect(member(all, options).subscribe(['orders'])).rejects.toMatchObject({ code })
  })

  it('invalid assignors and listeners are refused', async () => {
    const all = await world()
    const { cluster } = all
    const wrong = [[], ['best'], ['range', 'range'], [{ name: 'x' }]]
    for (const partitionAssignmentStrategy of wrong) {
      const options = { groupId: 'g', partitionAssignmentStrategy } as object
      expect(() => cluster.consumer(options)).toThrow('partitionAssignmentStrategy')
    }
    const options = { onPartitionsAssigned: 'yes' } as object
    await expect(member(all).subscribe(['orders'], options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(() => cluster.consumer().enforceRebalance()).toThrow('INVALID_GROUP_ID')
    expect(() => member(all).enforceRebalance()).toThrow('INVALID_REQUEST')
    expect(() => cluster.consumer().groupMetadata()).toThrow('INVALID_GROUP_ID')
  })
})

describe('a shared group id', () => {
  it('two services in one group are reported once, with both clients', async () => {
    const all = await world(2)
    const warnings: string[] = []
    all.cluster.on('sharedGroup', ({ reason }) => warnings.push(reason))
    await all.cluster.admin.createTopic({ topic: 'payments' })
    const billing = [member(all, { clientId: 'billing-1' }), member(all, { clientId: 'billing-2' })]
    for (const each of billing) await each.subscribe(['orders'])
    await stable(all, ...billing)
    expect(warnings).toEqual([])
    const shipping = await joined(all, { clientId: 'shipping-1' })
    await stable(all, ...billing, shipping)
    expect(warnings).toEqual([]) // whatever they are called, they read the same
    await shipping.subscribe(['payments'])
    await stable(all, ...billing, shipping)
    const [warning] = warnings
    expect(warning).toContain('clients "billing-1" and "shipping-1" read topics that no member reads')
    await shipping.subscribe(['payments', 'orders'])
    await stable(all, ...billing, shipping)
    expect(warnings).toHaveLength(1)
  })
})

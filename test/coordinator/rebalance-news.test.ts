import { describe, expect, it } from 'vitest'
import { ArrayJournal } from '../../src/coordinator/journal.js'
import type { SharedGroupEvent } from '../../src/coordinator/rebalance-news.js'
import { encodeAssignment } from '../../src/protocol/messages/consumer-protocol.js'
import { groupWorld, saying, Someone, stableParty, type GroupWorld } from './group-world.js'

const orders = (...partitions: number[]) =>
  partitions.map(partition => ({ topic: 'orders', partition }))

/** Everybody joins, those who are new first, and gets what it is told. */
async function round(
  { groups, clock }: GroupWorld,
  ...shares: readonly (readonly [Someone, ...number[]])[]
): Promise<void> {
  const isKnown = ([{ memberId }]: readonly [Someone, ...number[]]): number =>
    Number(memberId !== '')
  const inOrder = shares.toSorted((a, b) => isKnown(a) - isKnown(b))
  const joins = inOrder.map(([each]) => each.join())
  await clock.advance(4_000)
  await Promise.all(joins.map(({ promise }) => promise))
  const assignments = shares.map(([{ memberId }, ...partitions]) => {
    return { memberId, assignment: encodeAssignment(orders(...partitions)) }
  })
  const protocol = { protocolType: null, protocolName: null, assignments }
  await Promise.all(shares.map(([{ name }]) => groups.sync('g', { ...name, ...protocol })))
}

async function world(settings = {}) {
  const all = await groupWorld(undefined, { groupInitialRebalanceDelayMs: 2_000, ...settings })
  const next = (clientId: string, more = {}) => new Someone(() => all.groups, { clientId, ...more })
  return { ...all, next }
}

describe('a rebalance that is over', () => {
  it('is told with all that has changed', async () => {
    const all = await world()
    const [one, two, three] = [all.next('one'), all.next('two'), all.next('three')]
    await round(all, [one, 0, 1], [two, 2])
    expect(all.rebalances).toMatchObject([
      {
        ...{ groupId: 'g', generationId: 1, reason: 'client one joins', durationMs: 4_000 },
        joined: [{ clientId: 'one', memberId: one.memberId }, { clientId: 'two' }],
        ...{ left: [], timedOut: [] },
        members: [
          { clientId: 'one', before: [], after: orders(0, 1) },
          { clientId: 'two', before: [], after: orders(2) },
        ],
      },
    ])
    all.groups.leave('g', [{ ...two.name, reason: 'done' }])
    await all.clock.advance(500)
    await round(all, [one, 0], [three, 1, 2])
    expect(all.rebalances[1]).toMatchObject({
      ...{ generationId: 2, reason: 'client two leaves: done', durationMs: 4_500 },
      ...{ joined: [{ clientId: 'three' }], left: [{ clientId: 'two' }], timedOut: [] },
      members: [
        { clientId: 'one', before: orders(0, 1), after: orders(0) },
        { clientId: 'three', before: [], after: orders(1, 2) },
      ],
    })
  })

  it('does not name those who came and went on the way', async () => {
    const all = await world()
    const [one, two] = [all.next('one'), all.next('two', { groupInstanceId: 'i' })]
    await round(all, [one, 0])
    two.join()
    await all.clock.advance(0)
    all.groups.leave('g', [{ memberId: '', groupInstanceId: 'i', reason: '' }])
    await round(all, [one, 0])
    expect(all.rebalances[1]).toMatchObject({ joined: [], left: [], timedOut: [] })
  })

  it('names those who were not heard of, and who was there before a restart', async () => {
    const before = await world()
    const [one, two] = [before.next('one'), before.next('two')]
    await round(before, [one, 0], [two, 1])
    const all = await groupWorld(new ArrayJournal([...before.journal.records]))
    const again = new Someone(() => all.groups, one.request)
    again.memberId = one.memberId
    again.generationId = 1
    await all.clock.advance(6_000)
    again.heartbeat()
    await all.clock.advance(4_000)
    await round(all, [again, 0, 1])
    expect(all.rebalances).toMatchObject([
      {
        ...{ generationId: 2, reason: 'session of client two has ended', joined: [], left: [] },
        timedOut: [{ clientId: 'two' }],
        members: [{ clientId: 'one', before: orders(0), after: orders(0, 1) }],
      },
    ])
  })

  it('is one, also when it had to begin again', async () => {
    const all = await world()
    const [one, two] = [all.next('one'), all.next('two')]
    one.join()
    await all.clock.advance(2_500) // it has joined, and not assigned yet
    await round(all, [one, 0], [two, 1])
    expect(all.rebalances).toMatchObject([
      { generationId: 2, reason: 'client one joins', durationMs: 6_500 },
    ])
  })

  it('names those who did not join in time, and those who waited and were put out', async () => {
    const all = await world()
    const [one, late] = [all.next('one'), all.next('late', { sessionTimeoutMs: 90_000 })]
    await round(all, [one, 0], [late, 1])
    const joining = one.join({ rebalanceTimeoutMs: 60_000 })
    await all.clock.advance(60_000)
    await joining.promise
    await round(all, [one, 0, 1])
    expect(all.rebalances[1]).toMatchObject({
      ...{ generationId: 2, reason: 'client one asks for a rebalance', durationMs: 64_000 },
      ...{ joined: [], left: [], timedOut: [{ clientId: 'late' }] },
    })
  })

  it('is told without partitions where nobody can read them', async () => {
    const { rebalances } = await stableParty([{ protocolType: 'connect' }, {}].slice(0, 1))
    expect(rebalances[0]?.members).toMatchObject([{ before: [], after: [] }])
    const strange = await stableParty([{}]) // its assignment is its name
    expect(strange.rebalances[0]?.members).toMatchObject([{ after: [] }])
  })
})

describe('services that share a group', () => {
  const reasonOf = async (...clients: readonly [string, string[]?][]) => {
    const requests = clients.map(([clientId, topics = ['orders']]) => {
      return { clientId, protocols: saying(topics) }
    })
    const { shared } = await stableParty(requests)
    return shared.map(({ reason }) => reason)
  }

  it.each([
    ['billing-1', 'billing-2'],
    ['billing1', 'billing22'],
    ['billing-a', 'billing-b'],
    ['billing.x#3', 'billing.y#4'],
    ['billing-7d4b9c6f5-x2kqz', 'billing-7d4b9c6f5-vbnmk'],
    [
      'billing-123e4567-e89b-12d3-a456-426614174000',
      'billing-123e4567-e89b-12d3-a456-426614174001',
    ],
    ['billing@10.0.0.1', 'billing@10.0.0.2'],
    ['billing', 'billing'],
    ['1', '2'],
  ])('are not %s and %s: copies', async (one, two) => {
    expect(await reasonOf([one], [two])).toEqual([])
  })

  it.each([
    ['billing', 'shipping'],
    ['billing-eu', 'billing-us'],
    ['billing-1', 'shipping-1'],
  ])('are %s and %s', async (one, two) => {
    const reason = `clients "${one}" and "${two}" seem to be different services`
    expect(await reasonOf([one], [two])).toEqual([reason])
  })

  it('are told by what they read, in whatever order they say it', async () => {
    expect(await reasonOf(['a-1', ['x', 'y']], ['a-2', ['y', 'x']])).toEqual([])
    expect(await reasonOf(['a-1', ['x', 'y']], ['a-2', ['y']])).toEqual([
      'clients "a-1" and "a-2" read different topics',
    ])
  })

  it('do not take long to be told apart', async () => {
    const long = `${'-11111'.repeat(5_000)}!`
    const started = performance.now()
    expect(await reasonOf([`a${long}`], [`b${long}`])).toHaveLength(1)
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  it('are told once, until they are others', async () => {
    const all = await world()
    const [one, two, three] = [all.next('billing'), all.next('shipping'), all.next('billing')]
    await round(all, [one, 0], [two, 1])
    const told: SharedGroupEvent[] = all.shared
    expect(told).toMatchObject([
      {
        groupId: 'g',
        members: [
          { clientId: 'billing', topics: ['orders'] },
          { clientId: 'shipping', topics: ['orders'] },
        ],
      },
    ])
    await round(all, [one, 0], [two, 1])
    expect(told).toHaveLength(1)
    two.leave()
    await round(all, [one, 0])
    await round(all, [one, 0], [three, 1])
    expect(told).toHaveLength(1)
    const four = all.next('shipping')
    await round(all, [one, 0], [three, 1], [four, 2])
    expect(told).toHaveLength(2)
  })

  it('of a protocol nobody knows are left alone', async () => {
    const { shared } = await stableParty([
      { protocolType: 'connect', clientId: 'a-x-service' },
      { protocolType: 'connect', clientId: 'b-y-service' },
    ])
    expect(shared).toEqual([])
  })
})

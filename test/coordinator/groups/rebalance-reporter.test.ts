import { describe, expect, it } from 'vitest'
import type { SharedGroupEvent } from '../../../src/coordinator/groups/rebalance-reporter.js'
import { encodeAssignment } from '../../../src/protocol/messages/consumer-protocol.js'
import { ArrayJournal } from '../fold/array-journal.js'
import { groupWorld, saying, Someone, stableParty, type GroupWorld } from './group-world.js'

const orders = (...partitions: number[]) =>
  partitions.map(partition => ({ topic: 'orders', partition }))

/** All members join, the new ones first, and get their assignments. */
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
  it('the report of a rebalance lists all changes', async () => {
    const all = await world()
    const [one, two, three] = [all.next('one'), all.next('two'), all.next('three')]
    await round(all, [one, 0, 1], [two, 2])
    expect(all.rebalances).toMatchObject([
      {
        groupId: 'g',
        generationId: 1,
        reason: 'client one joins',
        durationMs: 4_000,
        joined: [{ clientId: 'one', memberId: one.memberId }, { clientId: 'two' }],
        left: [],
        timedOut: [],
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
      generationId: 2,
      reason: 'client two leaves: done',
      durationMs: 4_500,
      joined: [{ clientId: 'three' }],
      left: [{ clientId: 'two' }],
      timedOut: [],
      members: [
        { clientId: 'one', before: orders(0, 1), after: orders(0) },
        { clientId: 'three', before: [], after: orders(1, 2) },
      ],
    })
  })

  it('the report does not list members that came and left during the rebalance', async () => {
    const all = await world()
    const [one, two] = [all.next('one'), all.next('two', { groupInstanceId: 'i' })]
    await round(all, [one, 0])
    two.join()
    await all.clock.advance(0)
    all.groups.leave('g', [{ memberId: '', groupInstanceId: 'i', reason: '' }])
    await round(all, [one, 0])
    expect(all.rebalances[1]).toMatchObject({ joined: [], left: [], timedOut: [] })
  })

  it('the report lists members that timed out, and members from before a restart', async () => {
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
        generationId: 2,
        reason: 'session of client two has ended',
        joined: [],
        left: [],
        timedOut: [{ clientId: 'two' }],
        members: [{ clientId: 'one', before: orders(0), after: orders(0, 1) }],
      },
    ])
  })

  it('a rebalance that had to start again is reported once', async () => {
    const all = await world()
    const [one, two] = [all.next('one'), all.next('two')]
    one.join()
    await all.clock.advance(2_500) // it has joined, and not assigned yet
    await round(all, [one, 0], [two, 1])
    expect(all.rebalances).toMatchObject([
      { generationId: 2, reason: 'client one joins', durationMs: 6_500 },
    ])
  })

  it('the report lists members that did not join in time, and waiting ones that were removed', async () => {
    const all = await world()
    const [one, late] = [all.next('one'), all.next('late', { sessionTimeoutMs: 90_000 })]
    await round(all, [one, 0], [late, 1])
    const joining = one.join({ rebalanceTimeoutMs: 60_000 })
    await all.clock.advance(60_000)
    await joining.promise
    await round(all, [one, 0, 1])
    expect(all.rebalances[1]).toMatchObject({
      generationId: 2,
      reason: 'client one asks for a rebalance',
      durationMs: 64_000,
      joined: [],
      left: [],
      timedOut: [{ clientId: 'late' }],
    })
  })

  it('the report has no partitions if their bytes cannot be read', async () => {
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
    ['billing.x#3', 'billing.y#4'],
    ['billing-7d4b9c6f5-x2kqz', 'billing-7d4b9c6f5-vbnmk'],
    ['consumer-1_RYVZ', 'consumer-0_TUzq'], // kafka-python
    ['kafkajs', 'sarama'],
    ['rdkafka', 'kafka-python-2.0.2'],
    ['ip-10-0-1-23', 'ip-10-0-2-7'],
    ['anna-laptop.local-4711', 'build-server-12'],
    ['a', 'b'],
    ['', 'x'],
    ['billing', 'shipping'], // hosts, regions, animals: anything may be meant by a name
  ])('clients %j and %j with the same topics are not reported as two services', async (one, two) => {
    expect(await reasonOf([one], [two])).toEqual([])
  })

  it('two services are reported if no member reads topics of both', async () => {
    const reason = 'clients "bills-1" and "parcels-2" read topics that no member reads together'
    const one = 'bills-1'
    const two = 'parcels-2'
    expect(await reasonOf([one, ['x', 'y']], [two, ['y', 'x']])).toEqual([])
    expect(await reasonOf([one, ['x']], [two, ['y']])).toEqual([`${reason}: x and y`])
    const many = await reasonOf([one, ['x', 'y']], [two, ['z', 'w', 'v', 'u']])
    expect(many).toEqual([`${reason}: x, y and u, v, w`])
  })

  it.each([
    ['billing', 'billing'],
    ['billing-1', 'billing-2'],
    ['billing-7d4b9c6f5-x2kqz', 'billing-7d4b9c6f5-vbnmk'],
    ['billing@10.0.0.1', 'billing@10.0.0.2'],
    [`a${'-11111'.repeat(5_000)}`, `a${'-22222'.repeat(5_000)}`],
  ])('clients %s and %s with other topics are one service that is being changed', async (one, two) => {
    expect(await reasonOf([one, ['x']], [two, ['y']])).toEqual([])
  })

  it('services whose topics overlap from member to member are not reported', async () => {
    expect(await reasonOf(['a', ['x', 'y']], ['bills', ['y']])).toEqual([])
    expect(await reasonOf(['a', ['x']], ['bills', ['y']], ['c', ['x', 'y']])).toEqual([])
    const chain = Array.from({ length: 50 }, (_, n) => [`t${n}`, `t${n + 1}`])
    const members = chain.map((topics, n) => [`m-${n}`, topics] as [string, string[]])
    expect(await reasonOf(...members)).toEqual([])
    expect(await reasonOf(...members, ['stranger', ['t']])).toHaveLength(1)
  })

  it('members without topics, or with a subscription that cannot be read, are not reported', async () => {
    expect(await reasonOf(['a', []], ['b', ['x']])).toEqual([])
    const unreadable = { clientId: 'c', protocols: [{ name: 'range', metadata: Buffer.of(1) }] }
    const { shared } = await stableParty([{ clientId: 'a', protocols: saying(['x']) }, unreadable])
    expect(shared).toEqual([])
  })

  it('the same two services are reported once', async () => {
    const all = await world()
    const next = (clientId: string, topic: string) =>
      all.next(clientId, { protocols: saying([topic]) })
    const [one, two] = [next('billing', 'bills'), next('shipping', 'parcels')]
    const three = next('billing', 'bills')
    await round(all, [one, 0], [two, 1])
    const told: SharedGroupEvent[] = all.shared
    expect(told).toMatchObject([
      {
        groupId: 'g',
        members: [
          { clientId: 'billing', topics: ['bills'] },
          { clientId: 'shipping', topics: ['parcels'] },
        ],
      },
    ])
    await round(all, [one, 0], [two, 1])
    expect(told).toHaveLength(1)
    two.leave()
    await round(all, [one, 0])
    await round(all, [one, 0], [three, 1])
    expect(told).toHaveLength(1)
    const four = next('shipping', 'parcels')
    await round(all, [one, 0], [three, 1], [four, 2])
    expect(told).toHaveLength(2)
  })

  it('groups of other protocol types are not checked for two services', async () => {
    const { shared } = await stableParty([
      { protocolType: 'connect', clientId: 'a-x-service' },
      { protocolType: 'connect', clientId: 'b-y-service' },
    ])
    expect(shared).toEqual([])
  })
})

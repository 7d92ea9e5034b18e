import { describe, expect, it } from 'vitest'
import { CLIENT, CONTROLLER, type NetworkNode } from '../../../src/cluster/network/network-rules.js'
import type { NodeHandle } from '../../../src/cluster/network/network.js'
import type { ErrorCode } from '../../../src/model/errors.js'
import { ANY_NODE, type Channel } from '../../../src/protocol/channel.js'
import {
  ask,
  DONE,
  errorOf,
  note,
  TestNode,
  wires,
  type Wires,
} from '../../broker/replication/world.js'

interface Nodes extends Wires {
  readonly nodes: readonly TestNode[]
}

/** Brokers 1 … count; `nodes[1]` is broker 1. */
function withNodes(count = 3): Nodes {
  const world = wires()
  const nodes = [] as TestNode[]
  for (let nodeId = 1; nodeId <= count; nodeId++)
    nodes[nodeId] = new TestNode(world.network, nodeId)
  return { ...world, nodes }
}

const asked = ({ nodes }: Nodes): string[][] => nodes.slice(1).map(node => node.asked)

describe('a network on which nothing is set', () => {
  it('without rules a synchronous answer comes without a promise', () => {
    const { client, nodes } = withNodes()
    const answer = client.send(2, 'LeaveGroup', { groupId: 'a', members: [] })
    expect(answer).not.toBeInstanceOf(Promise)
    expect(answer).toBe(DONE)
    expect(nodes[2]?.asked).toEqual(['a'])
  })

  it('rules that do not match leave a request synchronous', () => {
    const { network, faults, client } = withNodes()
    network.partition([2], [3])
    network.delay(100, { to: 3 })
    network.delay(100, { api: 'produce' })
    network.drop({ to: 1, answers: true, api: 'fetch' })
    network.drop({ from: 2 })
    faults.on('produce').drop().always()
    faults.on('leaveGroup', { broker: 3 }).drop().always()
    const answer = client.send(1, 'LeaveGroup', { groupId: 'a', members: [] })
    expect(answer).not.toBeInstanceOf(Promise)
    expect(answer).toBe(DONE)
  })

  it('the network passes the sender and the signal, and waits for promised answers', async () => {
    const { network } = wires()
    const { signal } = new AbortController()
    const seen: unknown[] = []
    network.attach(1, (api, _request, given, from) => {
      seen.push([api, from, given === signal])
      return Promise.resolve({ errorCode: 0, groups: [] }) as never
    })
    await expect(network.channelFrom(2).send(1, 'ListGroups', {}, signal)).resolves.toEqual({
      errorCode: 0,
      groups: [],
    })
    await network.channelFrom(CLIENT).send(1, 'ListGroups', {})
    expect(seen).toEqual([
      ['ListGroups', 2, true],
      ['ListGroups', CLIENT, false],
    ])
  })

  it('the network passes on what the node throws or rejects with', async () => {
    const { network, client } = wires()
    network.attach(1, () => {
      throw new Error('thrown')
    })
    network.attach(2, () => Promise.reject(new Error('rejected')))
    expect(() => client.send(1, 'ListGroups', {})).toThrow('thrown')
    await expect(client.send(2, 'ListGroups', {})).rejects.toThrow('rejected')
  })
})

describe('nodes that are not there', () => {
  it.each([
    [7, 'broker 7 does not exist'],
    [-5, 'broker -5 does not exist'],
    [3, 'broker 3 is not running'],
  ])('a request to %i fails: %s', async (nodeId, sentence) => {
    const { network, client } = withNodes()
    network.detach(3)
    const error = await errorOf(ask(client, nodeId, 'a'))
    expect(error.message).toBe(`NETWORK_EXCEPTION: ${sentence}`)
    expect(error).toMatchObject({ retriable: true, outcomeUnknown: false })
  })

  it('ANY_NODE is the attached broker with the lowest id', async () => {
    const world = withNodes()
    const { network, client } = world
    await ask(client, ANY_NODE, 'a')
    network.detach(1)
    await ask(client, ANY_NODE, 'b')
    world.nodes[1]?.attach()
    await ask(client, ANY_NODE, 'c')
    expect(asked(world)).toEqual([['a', 'c'], ['b'], []])
  })

  it('ANY_NODE is a broker that can be reached', async () => {
    const world = withNodes()
    world.network.partition([1, 2], [3])
    await ask(world.network.channelFrom(3), ANY_NODE, 'from 3')
    await ask(world.client, ANY_NODE, 'from a client')
    world.network.partition(['client'], [1, 2, 3])
    expect((await errorOf(ask(world.client, ANY_NODE, 'x'))).message).toBe(
      'NETWORK_EXCEPTION: no broker can be reached from the clients',
    )
    expect(asked(world)).toEqual([['from a client'], [], ['from 3']])
  })

  it('ANY_NODE fails without a broker', async () => {
    const { client } = wires()
    expect(await errorOf(ask(client, ANY_NODE, 'x'))).toMatchObject({ code: 'NETWORK_EXCEPTION' })
  })

  it('after a loss, ANY_NODE is another broker', async () => {
    const world = withNodes()
    world.network.drop({ to: 1 })
    expect(await errorOf(ask(world.client, ANY_NODE, 'a'))).toMatchObject({ outcomeUnknown: true })
    await ask(world.client, ANY_NODE, 'b')
    await ask(world.client, ANY_NODE, 'c')
    expect(asked(world)).toEqual([[], ['b', 'c'], []])
  })
})

describe('a node that goes away', () => {
  it('a node that ends leaves its requests unanswered, and no others', async () => {
    const { network, client, clock, nodes } = withNodes()
    for (const node of nodes.slice(1)) node.isHolding = true
    const order: string[] = []
    const lost = errorOf(ask(client, 2, 'to 2'))
    note(order, 'to 2', ask(client, 2, 'to 2'))
    note(order, 'from 2', ask(network.channelFrom(2), 1, 'from 2'))
    note(order, 'to 3', ask(client, 3, 'to 3'))
    network.detach(2)
    await clock.advance(0)
    expect(order).toEqual(['to 2: NETWORK_EXCEPTION', 'from 2: NETWORK_EXCEPTION'])
    expect(await lost).toMatchObject({
      message: 'NETWORK_EXCEPTION: broker 2 ended before it answered LeaveGroup',
      outcomeUnknown: true,
      retriable: true,
    })
    for (const node of nodes.slice(1)) node.answer() // the late answers are dropped
    await clock.advance(0)
    expect(order.slice(2)).toEqual(['to 3'])
  })

  it('a detached node is refused until it is attached again', async () => {
    const { network, client, nodes } = withNodes()
    network.detach(2)
    expect(await errorOf(ask(client, 2, 'a'))).toMatchObject({ code: 'NETWORK_EXCEPTION' })
    nodes[2]?.attach()
    await expect(ask(client, 2, 'b')).resolves.toBe(DONE)
    expect(nodes[2]?.asked).toEqual(['b'])
  })

  it('a delayed request does not reach a node that ended, even after its return', async () => {
    const { network, client, clock, nodes } = withNodes()
    network.delay(100)
    const error = errorOf(ask(client, 2, 'a'))
    network.detach(2)
    nodes[2]?.attach()
    expect(await error).toMatchObject({ outcomeUnknown: true })
    expect(clock.pendingTimers).toBe(0)
    await clock.advance(1_000)
    expect(nodes[2]?.asked).toEqual([])
  })
})

describe('a partition', () => {
  const all = [CONTROLLER, 1, 2, 3, CLIENT]
  /** Which pairs do not reach each other. */
  const parted = ({ network }: Wires): string[] =>
    all.flatMap((a, index) =>
      all
        .slice(index + 1)
        .filter(b => {
          expect(network.reaches(a, b)).toBe(network.reaches(b, a))
          return !network.reaches(a, b)
        })
        .map(b => `${a}|${b}`),
    )

  it.each<[string, NetworkNode[][], string[]]>([
    ['one against two', [[1], [2, 3]], ['1|2', '1|3']],
    ['all alone', [[1], [2], [3]], ['1|2', '1|3', '2|3']],
    ['one that is in no group', [[1], [2]], ['1|2']],
    ['with the controller', [['controller', 1], [2]], [`${CONTROLLER}|2`, '1|2']],
    [
      'the controller alone',
      [['controller'], [1, 2, 3]],
      [1, 2, 3].map(id => `${CONTROLLER}|${id}`),
    ],
    ['with the clients', [[1, 'client'], [2]], ['1|2', `2|${CLIENT}`]],
  ])('a partition: %s', (_, groups, expected) => {
    const world = withNodes()
    world.network.partition(...groups)
    expect(parted(world)).toEqual(expected)
    for (const node of all) expect(world.network.reaches(node, node)).toBe(true)
  })

  it('a partition replaces the previous one, and is healed', () => {
    const world = withNodes()
    world.network.partition([1], [2, 3])
    world.network.partition([1, 2], [3])
    expect(parted(world)).toEqual(['1|3', '2|3'])
    world.network.heal()
    expect(parted(world)).toEqual([])
  })

  it('a partition refuses requests in both directions', async () => {
    const world = withNodes()
    const { network } = world
    network.partition([1], [2, 3])
    const error = await errorOf(ask(network.channelFrom(1), 2, 'a'))
    expect(error).toMatchObject({
      message:
        'NETWORK_EXCEPTION: broker 2 cannot be reached from broker 1, the network is partitioned',
      outcomeUnknown: false,
      retriable: true,
    })
    await expect(ask(network.channelFrom(2), 1, 'b')).rejects.toThrow('NETWORK_EXCEPTION')
    await ask(network.channelFrom(2), 3, 'c')
    await ask(network.channelFrom(CLIENT), 1, 'd')
    expect(asked(world)).toEqual([['d'], [], ['c']])
    network.heal()
    await ask(network.channelFrom(1), 2, 'e')
    expect(asked(world)).toEqual([['d'], ['e'], ['c']])
  })

  it('a partition fails requests in flight between its groups', async () => {
    const world = withNodes()
    const { network, client, clock, nodes } = world
    for (const node of nodes.slice(1)) node.isHolding = true
    const order: string[] = []
    note(order, '1 → 2', ask(network.channelFrom(1), 2, '1 → 2'))
    note(order, '2 → 1', ask(network.channelFrom(2), 1, '2 → 1'))
    note(order, '2 → 3', ask(network.channelFrom(2), 3, '2 → 3'))
    note(order, 'client → 1', ask(client, 1, 'client → 1'))
    network.delay(100)
    const late = errorOf(ask(network.channelFrom(3), 1, '3 → 1'))
    network.partition([1], [2, 3])
    await clock.advance(0)
    expect(order).toEqual(['1 → 2: NETWORK_EXCEPTION', '2 → 1: NETWORK_EXCEPTION'])
    expect(await late).toMatchObject({ outcomeUnknown: true })
    expect(clock.pendingTimers).toBe(0)
    network.heal()
    for (const node of nodes.slice(1)) node.answer()
    await clock.advance(1_000)
    expect(order.slice(2).sort()).toEqual(['2 → 3', 'client → 1'])
    expect(nodes[1]?.asked).toEqual(['2 → 1', 'client → 1'])
  })
})

describe('a delay', () => {
  it('a delay holds up a request by the clock', async () => {
    const { network, client, clock, nodes } = withNodes()
    network.delay(100)
    const order: string[] = []
    note(order, 'a', ask(client, 1, 'a'))
    await clock.advance(99)
    expect(nodes[1]?.asked).toEqual([])
    await clock.advance(1)
    expect(nodes[1]?.asked).toEqual(['a'])
    expect(order).toEqual(['a'])
  })

  it('a delay of answers holds up the answer, not the request', async () => {
    const { network, client, clock, nodes } = withNodes()
    network.delay(100, { answers: true })
    const order: string[] = []
    note(order, 'at once', ask(client, 1, 'at once'))
    const [, first] = nodes as [unknown, TestNode]
    first.isHolding = true
    note(order, 'later', ask(client, 1, 'later'))
    await clock.advance(99)
    expect(first.asked).toEqual(['at once', 'later'])
    expect(order).toEqual([])
    first.answer()
    await clock.advance(1)
    expect(order).toEqual(['at once'])
    await clock.advance(98)
    expect(order).toEqual(['at once'])
    await clock.advance(1)
    expect(order).toEqual(['at once', 'later'])
  })

  it('a delay holds up the answer to a request that was sent before', async () => {
    const { network, client, clock, nodes } = withNodes()
    const [, first] = nodes as [unknown, TestNode]
    first.isHolding = true
    const order: string[] = []
    note(order, 'a', ask(client, 1, 'a'))
    network.delay(100, { answers: true })
    first.answer()
    await clock.advance(99)
    expect(order).toEqual([])
    await clock.advance(1)
    expect(order).toEqual(['a'])
  })

  it('messages of a link keep their order if its delay becomes shorter', async () => {
    const { network, client, clock, nodes } = withNodes()
    const [, first, second] = nodes as [unknown, TestNode, TestNode]
    network.delay(100)
    note([], 'a', ask(client, 1, 'a'))
    network.delay(10)
    note([], 'b', ask(client, 1, 'b'))
    network.heal()
    note([], 'c', ask(client, 1, 'c'))
    await ask(client, 2, 'another link')
    expect(client.send(1, 'ListGroups', {})).toBe(DONE) // another kind
    await clock.advance(99)
    expect([first.asked, second.asked]).toEqual([['ListGroups'], ['another link']])
    await clock.advance(1)
    expect(first.asked).toEqual(['ListGroups', 'a', 'b', 'c'])
    const answer = client.send(1, 'LeaveGroup', { groupId: 'd', members: [] })
    expect(answer).not.toBeInstanceOf(Promise) // nothing left that it could overtake
  })

  it('messages of a link keep their order if they are not due together', async () => {
    const { network, client, clock, nodes } = withNodes()
    network.delay(100)
    note([], 'a', ask(client, 1, 'a'))
    await clock.advance(60)
    note([], 'b', ask(client, 1, 'b'))
    await clock.advance(40)
    expect(nodes[1]?.asked).toEqual(['a'])
    await clock.advance(59)
    expect(nodes[1]?.asked).toEqual(['a'])
    await clock.advance(1)
    expect(nodes[1]?.asked).toEqual(['a', 'b'])
    expect(clock.pendingTimers).toBe(0)
  })

  it('messages after one that was cut off still arrive', async () => {
    const { network, client, clock, nodes } = withNodes()
    network.delay(100)
    const order: string[] = []
    for (const from of [2, 3]) note(order, `${from}`, ask(network.channelFrom(from), 1, `${from}`))
    note(order, 'client', ask(client, 1, 'client'))
    network.detach(2)
    await clock.advance(100)
    expect(order).toEqual(['2: NETWORK_EXCEPTION', '3', 'client'])
    expect(nodes[1]?.asked).toEqual(['3', 'client'])
  })

  it('a node that ends when one message arrives does not get the next ones', async () => {
    const { network, client, clock } = wires()
    const seen: string[] = []
    const handle: NodeHandle = (_api, request) => {
      seen.push((request as unknown as { groupId: string }).groupId)
      network.detach(1)
      network.attach(1, handle)
      return DONE as never
    }
    network.attach(1, handle)
    network.delay(100)
    const order: string[] = []
    for (const mark of ['a', 'b']) note(order, mark, ask(client, 1, mark))
    await clock.advance(50)
    note(order, 'c', ask(client, 1, 'c'))
    await clock.advance(50)
    expect(clock.pendingTimers).toBe(0)
    await clock.advance(50)
    expect(seen).toEqual(['a'])
    expect(order.sort()).toEqual(['a', 'b: NETWORK_EXCEPTION', 'c: NETWORK_EXCEPTION'])
  })

  it.each<[string, Parameters<Wires['network']['delay']>[1], string[]]>([
    ['everything', undefined, []],
    ['to a broker', { to: 1 }, ['client → 2', '1 → 2']],
    ['from a broker', { from: 1 }, ['client → 1', 'client → 2']],
    ['from clients', { from: 'client' }, ['1 → 2']],
    ['from clients to a broker', { from: 'client', to: 2 }, ['client → 1', '1 → 2']],
    ['this kind', { api: 'leaveGroup' }, []],
    ['another kind', { api: 'offsetFetch' }, ['client → 1', 'client → 2', '1 → 2']],
  ])('a delay of %s', async (_, link, undelayed) => {
    const { network, client, clock } = withNodes()
    network.delay(100, link)
    const order: string[] = []
    note(order, 'client → 1', ask(client, 1, 'a'))
    note(order, 'client → 2', ask(client, 2, 'b'))
    note(order, '1 → 2', ask(network.channelFrom(1), 2, 'c'))
    await clock.advance(0)
    expect(order).toEqual(undelayed)
    await clock.advance(100)
    expect(order).toHaveLength(3)
  })

  it('the last delay applies, and one of 0 milliseconds delays nothing', async () => {
    const { network, client, clock, nodes } = withNodes()
    network.delay(100)
    network.delay(20, { to: 2 })
    network.delay(0, { to: 3 })
    for (const nodeId of [1, 2, 3]) note([], 'a', ask(client, nodeId, 'a'))
    expect(nodes.map(node => node.asked.length)).toEqual([, 0, 0, 1])
    await clock.advance(20)
    expect(nodes.map(node => node.asked.length)).toEqual([, 0, 1, 1])
    network.delay(50) // is now behind the others
    note([], 'b', ask(client, 3, 'b'))
    await clock.advance(49)
    expect(nodes[3]?.asked).toEqual(['a'])
    await clock.advance(1)
    expect(nodes[3]?.asked).toEqual(['a', 'b'])
  })
})

describe('a client that does not wait for ever', () => {
  const patient = ({ network }: Nodes): Channel => network.channelFrom(CLIENT, 'tester', 1_000)

  it('a request that times out has an unknown outcome, and nothing arrives later', async () => {
    const world = withNodes()
    const { network, clock, nodes } = world
    network.delay(1_001)
    const failed = errorOf(ask(patient(world), 1, 'a'))
    const order: string[] = []
    note(order, 'a', failed)
    await clock.advance(999)
    expect(order).toEqual([])
    await clock.advance(1)
    expect(await failed).toMatchObject({
      code: 'NETWORK_EXCEPTION',
      outcomeUnknown: true,
      message: 'NETWORK_EXCEPTION: broker 1 has not answered LeaveGroup within 1000 ms',
    })
    // With its connection it has gone: its bytes are its owner's again.
    network.delay(0)
    await ask(patient(world), 1, 'b')
    await clock.advance(5_000)
    expect(nodes[1]?.asked).toEqual(['b'])
    expect(clock.pendingTimers).toBe(0)
  })

  it('a request times out if a later rule delays its answer', async () => {
    const world = withNodes()
    const { network, clock, nodes } = world
    const [, first] = nodes as [unknown, TestNode]
    first.isHolding = true
    const order: string[] = []
    note(order, 'a', ask(patient(world), 1, 'a'))
    await clock.advance(5_000) // the node may take its time
    network.delay(1_001, { answers: true })
    first.answer()
    await clock.advance(999)
    expect(order).toEqual([])
    await clock.advance(1)
    expect(order).toEqual(['a: NETWORK_EXCEPTION'])
    network.delay(0, { answers: true })
    await ask(patient(world), 2, 'b')
    first.isHolding = false
    note(order, 'c', ask(patient(world), 1, 'c')) // not behind a message without a waiting sender
    await clock.advance(0)
    expect(order.at(-1)).toBe('c')
    expect(clock.pendingTimers).toBe(0)
  })

  it('a client that times out gives up only the late request', async () => {
    const world = withNodes()
    world.network.delay(1_200)
    const order: string[] = []
    note(order, 'late', ask(patient(world), 1, 'late'))
    await world.clock.advance(500)
    world.network.delay(600)
    note(order, 'in time', ask(patient(world), 1, 'in time'))
    await world.clock.advance(500)
    expect(order).toEqual(['late: NETWORK_EXCEPTION'])
    await world.clock.advance(100)
    expect(order).toEqual(['late: NETWORK_EXCEPTION', 'in time'])
    expect(asked(world)).toEqual([['in time'], [], []])
  })

  it('an answer in time leaves no timer', async () => {
    const world = withNodes()
    world.network.delay(400)
    world.network.delay(400, { answers: true })
    const order: string[] = []
    note(order, 'a', ask(patient(world), 1, 'a'))
    await world.clock.advance(800)
    expect(order).toEqual(['a'])
    expect(world.clock.pendingTimers).toBe(0)
  })

  it.each([
    ['Fetch', { maxWaitMs: 500, minBytes: 1, topics: [] }, 1_500],
    ['Heartbeat', { groupId: 'g', generationId: 1, memberId: 'm', maxWaitMs: 700 }, 1_700],
    ['ConsumerGroupHeartbeat', { groupId: 'g', memberId: 'm', memberEpoch: 1, maxWaitMs: 700 }, 1_700],
    ['JoinGroup', { sessionTimeoutMs: 6_000, rebalanceTimeoutMs: 9_000 }, 14_000],
    ['JoinGroup', { sessionTimeoutMs: 6_000, rebalanceTimeoutMs: -1 }, 11_000],
    ['ListGroups', {}, 1_000],
  ] as const)('%s %j may wait for its own time on top', async (api, request, ms) => {
    const world = withNodes()
    world.network.delay(20_000)
    const order: string[] = []
    note(order, api, patient(world).send(1, api, request as never) as Promise<unknown>)
    await world.clock.advance(ms - 1)
    expect(order).toEqual([])
    await world.clock.advance(1)
    expect(order).toEqual([`${api}: NETWORK_EXCEPTION`])
  })

  it('a client that asks any node tries another one after a time-out', async () => {
    const world = withNodes()
    world.network.delay(5_000, { to: 1 })
    const channel = patient(world)
    note([], 'a', ask(channel, ANY_NODE, 'a'))
    await world.clock.advance(1_000)
    await ask(channel, ANY_NODE, 'b')
    expect(asked(world)).toEqual([[], ['b'], []])
  })

  it('a request without an answer does not wait', async () => {
    const world = withNodes()
    world.network.delay(5_000)
    const request = { acks: 0, timeoutMs: 1, topicData: [] }
    const answer = patient(world).send(1, 'Produce', request as never)
    expect(await answer).toEqual({ responses: [] })
    await world.clock.advance(5_000)
    expect(asked(world)).toEqual([['Produce'], [], []])
    expect(world.clock.pendingTimers).toBe(0)
  })
})

describe('a drop', () => {
  it.each([
    ['request', false],
    ['answer', true],
  ])('a drop of the %s: is the request handled? %s', async (what, answers) => {
    const { network, client, nodes } = withNodes()
    network.drop({ to: 1, answers })
    const error = await errorOf(ask(client, 1, 'a'))
    expect(error).toMatchObject({
      message:
        'NETWORK_EXCEPTION: the connection to broker 1 was lost, ' +
        `and with it the ${what} of LeaveGroup`,
      outcomeUnknown: true,
      retriable: true,
    })
    expect(nodes[1]?.asked).toEqual(answers ? ['a'] : [])
    network.heal()
    await expect(ask(client, 1, 'b')).resolves.toBe(DONE)
  })

  it('a drop of answers affects requests that were sent before', async () => {
    const { network, client, clock, nodes } = withNodes()
    const [, first] = nodes as [unknown, TestNode]
    first.isHolding = true
    const order: string[] = []
    note(order, 'a', ask(client, 1, 'a'))
    network.drop({ answers: true })
    await clock.advance(1_000)
    expect(order).toEqual([])
    first.answer()
    await clock.advance(0)
    expect(order).toEqual(['a: NETWORK_EXCEPTION'])
  })

  it('a drop does not count answers that nothing waits for', async () => {
    const { network, client, clock, nodes } = withNodes()
    const [, first] = nodes as [unknown, TestNode]
    first.isHolding = true
    note([], 'a', ask(client, 1, 'a'))
    network.detach(1)
    network.drop({ answers: true }, { times: 1 })
    first.answer()
    await clock.advance(0)
    expect(await errorOf(ask(client, 2, 'b'))).toMatchObject({ code: 'NETWORK_EXCEPTION' })
    await expect(ask(client, 2, 'c')).resolves.toBe(DONE)
  })

  it('a drop occurs as often as `times` says', async () => {
    const world = withNodes()
    const { network, client, clock } = world
    network.drop({ to: 1 }, { times: 2 })
    network.drop({ to: 1 }, { times: 1 })
    const order: string[] = []
    for (const mark of ['a', 'b', 'c', 'd']) note(order, mark, ask(client, 1, mark))
    await ask(client, 2, 'e')
    await clock.advance(0)
    expect(asked(world)).toEqual([['d'], ['e'], []])
    expect(order.filter(mark => mark.endsWith('EXCEPTION'))).toHaveLength(3)
  })

  it.each([
    [0, 200, 200],
    [0.25, 130, 170],
    [1, 0, 0],
  ])('a drop with probability %d occurs that often', async (probability, min, max) => {
    const { network, client, clock, nodes } = withNodes()
    network.drop({}, { probability })
    for (let index = 0; index < 200; index++) note([], 'a', ask(client, 1, 'a'))
    await clock.advance(0)
    expect(nodes[1]?.asked.length).toBeGreaterThanOrEqual(min)
    expect(nodes[1]?.asked.length).toBeLessThanOrEqual(max)
  })
})

describe('what cannot be meant', () => {
  const calls: [string, (network: Wires['network']) => void, string][] = [
    ['one group', n => n.partition([1]), 'at least two groups'],
    ['no group', n => n.partition(), 'at least two groups'],
    ['an empty group', n => n.partition([1], []), 'groups of at least one node, got an array'],
    ['no list', n => n.partition([1], 2 as never), 'groups of at least one node, got 2'],
    ['a stranger', n => n.partition([1], [7]), "one of 'client', 'controller', 1, 2, 3, got 7"],
    ['a number as text', n => n.partition([1], ['2' as never]), 'got "2"'],
    ['the number of clients', n => n.partition([1], [CLIENT]), 'got -2'],
    ['a node twice', n => n.partition([1, 2], [2]), 'each node once, got 2'],
    ['no time', n => n.delay(NaN), 'a number of milliseconds of at least 0, got NaN'],
    ['less than no time', n => n.delay(-1), 'got -1'],
    ['for ever', n => n.delay(Infinity), 'got Infinity'],
    ['time as text', n => n.delay('5' as never), 'got "5"'],
    ['a link that is none', n => n.delay(5, null as never), 'link: expected an object, got null'],
    ['a misspelt field', n => n.delay(5, { too: 1 } as never), '"too" does not exist'],
    ['from a stranger', n => n.delay(5, { from: 9 }), "from: expected one of 'client', 'controller'"],
    ['to a client', n => n.drop({ to: 'client' as never }), 'the id of a broker (1, 2, 3)'],
    ['to the controller', n => n.drop({ to: 0 }), 'the id of a broker (1, 2, 3), got 0'],
    ['another api', n => n.drop({ api: 'Fetch' as never }), 'one of produce, fetch, listOffsets'],
    ['no flag', n => n.drop({ answers: 1 as never }), 'answers: expected true or false, got 1'],
    ['no times', n => n.drop({}, { times: 0 }), 'times: expected a whole number of at least 1'],
    ['half a time', n => n.drop({}, { times: 0.5 }), 'got 0.5'],
    ['times unknown', n => n.drop({}, { times: NaN }), 'got NaN'],
    ['endless times', n => n.drop({}, { times: Infinity }), 'got Infinity'],
    ['too probable', n => n.drop({}, { probability: 1.1 }), 'a number from 0 to 1, got 1.1'],
    ['improbable', n => n.drop({}, { probability: NaN }), 'got NaN'],
    ['a misspelt option', n => n.drop({}, { time: 1 } as never), 'did you mean times?'],
  ]

  it.each(calls)('invalid arguments of the network are refused: %s', async (_, call, sentence) => {
    const world = withNodes()
    world.network.partition([1], [2, 3])
    const attempt = (): void => call(world.network)
    expect(attempt).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' satisfies ErrorCode }),
    )
    expect(attempt).toThrow(sentence)
    expect([world.network.reaches(1, 2), world.network.reaches(2, 3)]).toEqual([false, true])
    expect(world.client.send(1, 'ListGroups', {})).toBe(DONE)
  })

  it('rules may name a broker that has ended', () => {
    const { network } = withNodes()
    network.detach(3)
    network.partition([1, 2], [3])
    expect(network.reaches(1, 3)).toBe(false)
  })
})

describe('closing', () => {
  it('close fails all requests in flight and leaves no timer', async () => {
    const { network, faults, client, clock, nodes } = withNodes()
    const [, first] = nodes as [unknown, TestNode]
    first.isHolding = true
    const held = errorOf(ask(client, 1, 'held'))
    faults.on('leaveGroup').delay(50)
    const slow = errorOf(ask(client, 1, 'slow'))
    network.delay(100)
    const onItsWay = errorOf(ask(client, 1, 'on its way'))
    network.close()
    for (const error of [await held, await slow, await onItsWay]) {
      expect(error).toMatchObject({ code: 'CLOSED', outcomeUnknown: true })
    }
    expect(clock.pendingTimers).toBe(0)
    for (const nodeId of [1, ANY_NODE]) {
      expect(await errorOf(ask(client, nodeId, 'late'))).toMatchObject({
        code: 'CLOSED',
        outcomeUnknown: false,
      })
    }
    expect(first.asked).toEqual(['held'])
  })
})

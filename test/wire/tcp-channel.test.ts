import { describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { ANY_NODE } from '../../src/protocol/channel.js'
import { TcpChannel } from '../../src/wire/tcp-channel.js'
import { fakeBroker, until, type Answers, type FakeBroker } from './fake-broker.js'

const HOST = '127.0.0.1'
const alive: Answers = { Heartbeat: () => ({ errorCode: 0 }) }
const beat = { groupId: 'g', generationId: 1, memberId: 'm' }

function channelTo(...brokers: readonly FakeBroker[]): TcpChannel {
  return channelWith(new VirtualClock(), ...brokers)
}

function channelWith(clock: VirtualClock, ...brokers: readonly FakeBroker[]): TcpChannel {
  const channel = new TcpChannel({
    bootstrap: brokers.map(({ port }) => ({ host: HOST, port })),
    clock,
    random: { ...seededRandom(1), int: () => 0 },
    clientId: 'app',
    tls: undefined,
    sasl: undefined,
    requestTimeoutMs: 30_000,
    setupTimeoutMs: 10_000,
    backoff: { retryBackoffMs: 50, retryBackoffMaxMs: 50 },
    maxIdleMs: 1_000_000,
  })
  onTestFinished(() => channel.close())
  return channel
}

/** Brokers that know of each other, numbered from 1; broker 2 is the controller. */
async function brokers(count: number, answers: Answers = {}) {
  const all: FakeBroker[] = []
  let known: readonly number[] = Array.from({ length: count }, (_, at) => at + 1)
  const metadata = () => ({
    brokers: known.map(nodeId => ({ nodeId, host: HOST, port: all[nodeId - 1]!.port })),
    controllerId: 2,
    topics: [],
  })
  for (let nodeId = 1; nodeId <= count; nodeId++) {
    all.push(
      await fakeBroker({
        Metadata: metadata,
        ...alive,
        ...answers,
      }),
    )
  }
  return { all, know: (...nodeIds: number[]) => void (known = nodeIds) }
}

const unreachable = expect.objectContaining({ code: 'NETWORK_EXCEPTION', outcomeUnknown: false })

describe('a channel to a cluster', () => {
  it('a channel learns the brokers from metadata and asks each one itself', async () => {
    const { all } = await brokers(3)
    const channel = channelTo(all[0]!)
    await expect(channel.send(3, 'Heartbeat', beat)).rejects.toEqual(unreachable)
    await channel.send(ANY_NODE, 'Metadata', { topics: [] })
    await channel.send(3, 'Heartbeat', beat)
    expect(all.map(({ asked }) => asked)).toEqual([['Metadata'], [], ['Heartbeat']])
  })

  it('a channel learns the address of a coordinator', async () => {
    const { all } = await brokers(2)
    const [first, second] = all as [FakeBroker, FakeBroker]
    const place = { key: 'g', nodeId: 7, host: HOST, port: second.port, errorCode: 0 }
    const lost = { ...place, nodeId: 8, errorCode: 15 }
    const finder = await fakeBroker({
      FindCoordinator: () => ({ coordinators: [place, lost] }),
    })
    const channel = channelTo(finder)
    await channel.send(ANY_NODE, 'FindCoordinator', { coordinatorKeys: ['g'] })
    await channel.send(7, 'Heartbeat', beat)
    expect([first.asked, second.asked]).toEqual([[], ['Heartbeat']])
    await expect(channel.send(8, 'Heartbeat', beat)).rejects.toEqual(unreachable)
  })

  it('requests for the controller are sent to it', async () => {
    const { all } = await brokers(3, { DeleteTopics: () => ({ responses: [] }) })
    const channel = channelTo(all[0]!)
    await channel.send(ANY_NODE, 'DeleteTopics', { topics: [{ name: 'a' }], timeoutMs: 1 })
    expect(all.map(({ asked }) => asked)).toEqual([['Metadata'], ['DeleteTopics'], []])
  })

  it('a channel asks the next broker if one cannot be reached, and stays with it', async () => {
    const { all } = await brokers(3)
    const [first, second] = all as [FakeBroker, FakeBroker]
    await first.close()
    const clock = new VirtualClock()
    const channel = channelWith(clock, first, second)
    await channel.send(ANY_NODE, 'Heartbeat', beat)
    const again = await fakeBroker(alive, first.port)
    await clock.advance(60)
    await channel.send(ANY_NODE, 'Heartbeat', beat)
    expect([second.asked, again.connections]).toEqual([['Heartbeat', 'Heartbeat'], 0])
  })

  it('a channel does not ask another broker if one answers an error', async () => {
    const { all } = await brokers(2)
    const [first, second] = all as [FakeBroker, FakeBroker]
    first.versionsError = 42
    const channel = channelTo(first, second)
    await expect(channel.send(ANY_NODE, 'Heartbeat', beat)).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    })
    expect(second.connections).toBe(0)
  })

  it('a channel returns to the bootstrap servers if all known brokers are gone', async () => {
    const { all, know } = await brokers(2)
    const [first, second] = all as [FakeBroker, FakeBroker]
    const channel = channelTo(first)
    know(2)
    await channel.send(ANY_NODE, 'Metadata', { topics: [] })
    await channel.send(ANY_NODE, 'Heartbeat', beat)
    expect(second.asked).toEqual(['Heartbeat'])
    await second.close()
    await expect(channel.send(2, 'Heartbeat', beat)).rejects.toMatchObject({
      code: 'NETWORK_EXCEPTION',
    })
    await channel.send(ANY_NODE, 'Heartbeat', beat)
    expect(first.asked).toEqual(['Metadata', 'Heartbeat'])
  })

  it('a request that may have been handled is not sent to another broker', async () => {
    const deaf = await fakeBroker({ InitProducerId: () => void deaf.close() as undefined })
    const { all } = await brokers(1, {
      InitProducerId: () => ({ errorCode: 0, producerId: 1, producerEpoch: 0 }),
    })
    const channel = channelTo(deaf, all[0]!)
    const request = { transactionalId: null, transactionTimeoutMs: 1 }
    await expect(channel.send(ANY_NODE, 'InitProducerId', request)).rejects.toMatchObject({
      code: 'NETWORK_EXCEPTION',
      outcomeUnknown: true,
    })
    expect(all[0]!.asked).toEqual([])
  })

  it('after a broker that does not answer, the next request goes to another one', async () => {
    const { all } = await brokers(2, { Metadata: () => undefined })
    const [mute, other] = all as [FakeBroker, FakeBroker]
    const clock = new VirtualClock()
    const channel = channelWith(clock, mute, other)
    const asking = channel.send(ANY_NODE, 'Metadata', { topics: [] })
    const outcome = expect(asking).rejects.toMatchObject({ outcomeUnknown: true })
    await until(() => mute.asked.length === 1)
    await clock.advance(30_000)
    await outcome
    await channel.send(ANY_NODE, 'Heartbeat', beat)
    expect(other.asked).toEqual(['Heartbeat'])
  })

  it('a request that its caller aborts rejects with the reason', async () => {
    const { all } = await brokers(1, { Metadata: () => undefined })
    const channel = channelTo(all[0]!)
    const patience = new AbortController()
    const asking = channel.send(ANY_NODE, 'Metadata', { topics: [] }, patience.signal)
    await until(() => all[0]!.asked.length === 1)
    const reason = new Error('enough')
    patience.abort(reason)
    await expect(asking).rejects.toBe(reason)
  })

  it('an invalid port in metadata is refused', async () => {
    const places = [70_000, -1].map((port, nodeId) => ({ nodeId, host: HOST, port }))
    const odd = await fakeBroker({
      Metadata: () => ({ brokers: places, controllerId: 0, topics: [] }),
      ...alive,
    })
    const channel = channelTo(odd)
    await channel.send(ANY_NODE, 'Metadata', { topics: [] })
    await expect(channel.send(0, 'Heartbeat', beat)).rejects.toEqual(unreachable)
    await expect(channel.send(1, 'Heartbeat', beat)).rejects.toEqual(unreachable)
    await channel.send(ANY_NODE, 'Heartbeat', beat)
    expect(odd.asked).toEqual(['Metadata', 'Heartbeat'])
  })

  it('connections to brokers that left the cluster are closed', async () => {
    const { all, know } = await brokers(3)
    const channel = channelTo(all[0]!)
    await channel.send(ANY_NODE, 'Metadata', { topics: [] })
    await channel.send(2, 'Heartbeat', beat)
    await channel.send(3, 'Heartbeat', beat)
    know(1, 3)
    await channel.send(1, 'Metadata', { topics: [] })
    await until(() => all[1]!.sockets.size === 0)
    expect(all[2]!.sockets.size).toBe(1)
    await expect(channel.send(2, 'Heartbeat', beat)).rejects.toEqual(unreachable)
  })

  it('a connection with a waiting request is not closed', async () => {
    const { all, know } = await brokers(2, { Heartbeat: () => undefined })
    const channel = channelTo(all[0]!)
    await channel.send(ANY_NODE, 'Metadata', { topics: [] })
    const waiting = channel.send(2, 'Heartbeat', beat).catch(() => undefined)
    await until(() => all[1]!.asked.length === 1)
    know(1)
    await channel.send(1, 'Metadata', { topics: [] })
    await channel.send(1, 'Metadata', { topics: [] })
    expect(all[1]!.sockets.size).toBe(1)
    channel.close()
    await waiting
  })

  it('empty metadata leaves the known brokers', async () => {
    const { all, know } = await brokers(2)
    const channel = channelTo(all[0]!)
    await channel.send(ANY_NODE, 'Metadata', { topics: [] })
    know()
    await channel.send(1, 'Metadata', { topics: [] })
    await channel.send(2, 'Heartbeat', beat)
    expect(all[1]!.asked).toEqual(['Heartbeat'])
  })

  it('a closed channel rejects all requests', async () => {
    const { all } = await brokers(1, { Heartbeat: () => undefined })
    const channel = channelTo(all[0]!)
    await channel.send(ANY_NODE, 'Metadata', { topics: [] })
    const waiting = channel.send(1, 'Heartbeat', beat)
    await until(() => all[0]!.asked.length === 2)
    channel.close()
    await expect(waiting).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION', outcomeUnknown: true })
    for (const nodeId of [1, 99, ANY_NODE]) {
      const late = channel.send(nodeId, 'Heartbeat', beat)
      await expect(late).rejects.toMatchObject({ code: 'CLOSED' })
    }
    await until(() => all[0]!.sockets.size === 0)
  })
})

import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { BrokerLine, type BrokerLineOptions } from '../../src/wire/broker-line.js'
import { fakeBroker, isPendingAfter, until, type Answers } from './fake-broker.js'

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }
const alive: Answers = { Heartbeat: () => ({ errorCode: 0 }) }

function lineTo(port: number, options: Partial<BrokerLineOptions> = {}) {
  const clock = new VirtualClock()
  const closing = new AbortController()
  const line = new BrokerLine(
    { host: '127.0.0.1', port },
    {
      clock,
      random: { ...seededRandom(1), int: () => 200 }, // no jitter
      clientId: 'app',
      tls: undefined,
      sasl: undefined,
      requestTimeoutMs: 30_000,
      setupTimeoutMs: 10_000,
      backoff: { retryBackoffMs: 50, retryBackoffMaxMs: 150 },
      maxIdleMs: 1_000_000,
      closing: closing.signal,
      ...options,
    },
  )
  const close = (): void => {
    closing.abort()
    line.close()
  }
  onTestFinished(close)
  const beat = () => line.ask('Heartbeat', heartbeat)
  return { line, clock, closing, close, beat }
}

/** Takes connections and says nothing. */
async function silentServer() {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    socket.on('error', () => undefined).resume()
    sockets.push(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { sockets, port: (server.address() as AddressInfo).port }
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('a broker that cannot be reached', () => {
  it('a client reconnects after a pause that doubles up to a limit, and starts over', async () => {
    const broker = await fakeBroker(alive)
    await broker.close()
    const { line, clock, beat } = lineTo(broker.port)
    expect(line.isPromising).toBe(true)
    expect(await failure(beat())).toMatchObject({ code: 'NETWORK_EXCEPTION' })
    for (const pauseMs of [50, 100, 150, 150]) {
      expect(line.isPromising).toBe(false)
      const next = beat()
      expect(await isPendingAfter(next, clock, pauseMs - 1)).toBe(true)
      await clock.advance(1)
      expect(await failure(next)).toMatchObject({ code: 'NETWORK_EXCEPTION' })
    }
    const again = await fakeBroker(alive, broker.port)
    await clock.advance(150)
    expect(line.isPromising).toBe(true)
    expect(await beat()).toMatchObject({ errorCode: 0 })
    await again.close()
    await until(() => line.waitingCount === 0 && again.sockets.size === 0)
    await failure(beat())
    const next = beat()
    expect(await isPendingAfter(next, clock, 49)).toBe(true)
    await clock.advance(1)
    await failure(next)
  })

  it('a pause before reconnecting ends when the caller or the client gives up', async () => {
    const broker = await fakeBroker(alive)
    await broker.close()
    const { line, clock, close, beat } = lineTo(broker.port)
    await failure(beat())
    const patience = new AbortController()
    const impatient = line.ask('Heartbeat', heartbeat, patience.signal)
    const other = beat()
    patience.abort(new Error('enough'))
    await expect(impatient).rejects.toThrow('enough')
    close()
    expect(await failure(other)).toMatchObject({ code: 'CLOSED' })
    expect(await failure(beat())).toMatchObject({ code: 'CLOSED' })
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('a connection that is being opened', () => {
  it('connecting to a silent broker times out', async () => {
    const broker = await fakeBroker(alive)
    broker.versionsError = undefined
    const { clock, beat } = lineTo(broker.port, { requestTimeoutMs: 400 })
    const waiting = beat()
    await until(() => broker.sockets.size === 1)
    expect(await isPendingAfter(waiting, clock, 399)).toBe(true)
    await clock.advance(1)
    expect(await failure(waiting)).toMatchObject({
      code: 'NETWORK_EXCEPTION',
      outcomeUnknown: false,
      message: expect.stringContaining('TLS'),
    })
    await until(() => broker.sockets.size === 0)
  })

  it('a connection that the broker refuses is closed', async () => {
    const broker = await fakeBroker(alive)
    broker.versionsError = 42
    const { beat, clock } = lineTo(broker.port)
    expect(await failure(beat())).toMatchObject({ code: 'INVALID_REQUEST' })
    await until(() => broker.sockets.size === 0)
    expect(clock.pendingTimers).toBe(0)
  })

  it('a connection in its handshake is closed with the client', async () => {
    const broker = await fakeBroker(alive)
    broker.versionsError = undefined
    const { beat, close, clock } = lineTo(broker.port)
    const waiting = beat()
    await until(() => broker.sockets.size === 1)
    close()
    expect(await failure(waiting)).toMatchObject({ code: 'CLOSED' })
    await until(() => broker.sockets.size === 0)
    expect(clock.pendingTimers).toBe(0)
  })

  it('a connection that is not open yet is closed with the client', async () => {
    const broker = await fakeBroker(alive)
    const { beat, close, clock } = lineTo(broker.port)
    const waiting = beat()
    close()
    expect(await failure(waiting)).toMatchObject({ code: 'CLOSED' })
    await until(() => broker.sockets.size === 0)
    expect([broker.asked, clock.pendingTimers]).toEqual([[], 0])
  })

  it('no connection is opened once the client is closed', async () => {
    const broker = await fakeBroker(alive)
    const { beat, close, clock } = lineTo(broker.port)
    close()
    expect(await failure(beat())).toMatchObject({ code: 'CLOSED' })
    expect(await isPendingAfter(Promise.resolve(), clock, 0)).toBe(false)
    expect(broker.connections).toBe(0)
  })

  it('connecting ends at once with the client', async () => {
    const { sockets, port } = await silentServer()
    const { beat, clock, close } = lineTo(port, { tls: {} })
    const waiting = beat()
    await until(() => sockets.length === 1)
    close()
    expect(await failure(waiting)).toMatchObject({ code: 'CLOSED' })
    await until(() => sockets[0]?.destroyed === true)
    expect(clock.pendingTimers).toBe(0)
  })

  it('connecting takes its time-out and no longer', async () => {
    const { sockets, port } = await silentServer()
    const { beat, clock } = lineTo(port, { tls: {}, setupTimeoutMs: 300 })
    const waiting = beat()
    await until(() => sockets.length === 1)
    expect(await isPendingAfter(waiting, clock, 299)).toBe(true)
    await clock.advance(1)
    expect(await failure(waiting)).toMatchObject({
      code: 'NETWORK_EXCEPTION',
      message: expect.stringContaining('no connection within 300 ms'),
    })
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('a request', () => {
  const never = (): undefined => undefined
  const silent: Answers = { Heartbeat: never, Fetch: never, JoinGroup: never }
  const fetch = { maxWaitMs: 1_000, minBytes: 1, topics: [] }
  const join = (rebalanceTimeoutMs: number, sessionTimeoutMs: number) => ({
    groupId: 'g',
    memberId: '',
    protocolType: 'consumer',
    protocols: [],
    rebalanceTimeoutMs,
    sessionTimeoutMs,
  })

  it.each([
    ['without a wait of its own', 'Heartbeat', heartbeat, 500],
    ['with a wait at the broker', 'Fetch', fetch, 1_500],
    ['with a rebalance time-out', 'JoinGroup', join(60_000, 10_000), 65_000],
    ['with a longer session time-out', 'JoinGroup', join(1_000, 10_000), 15_000],
  ] as const)('a request may take its time-out and its own wait: %s', async (_what, api, request, timeoutMs) => {
    const broker = await fakeBroker(silent)
    const { line, clock } = lineTo(broker.port, { requestTimeoutMs: 500 })
    const waiting = line.ask(api, request as never)
    await until(() => broker.asked.length === 1)
    expect(await isPendingAfter(waiting, clock, timeoutMs - 1)).toBe(true)
    await clock.advance(1)
    expect(await failure(waiting)).toMatchObject({
      code: 'NETWORK_EXCEPTION',
      outcomeUnknown: true,
    })
  })

  it('a request that is given up leaves its connection usable', async () => {
    let answers = 0
    const broker = await fakeBroker({
      Heartbeat: () => (answers++ === 0 ? undefined : { errorCode: 0 }),
    })
    const { line } = lineTo(broker.port)
    const patience = new AbortController()
    const waiting = line.ask('Heartbeat', heartbeat, patience.signal)
    await until(() => broker.asked.length === 1)
    patience.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    expect(broker.sockets.size).toBe(1)
  })

  it('a send with acks 0 has no answer and nothing waits for it', async () => {
    const broker = await fakeBroker({ ...alive, Produce: never })
    const { line, beat, clock } = lineTo(broker.port)
    const produce = { acks: 0, timeoutMs: 1, topicData: [] }
    expect(await line.ask('Produce', produce)).toEqual({ responses: [] })
    expect(line.waitingCount).toBe(0)
    expect(await beat()).toMatchObject({ errorCode: 0 })
    expect([broker.connections, clock.pendingTimers]).toEqual([1, 0])
  })
})

describe('a request that is not answered', () => {
  const produce = { acks: 0, timeoutMs: 1, topicData: [] }

  it('a connection that ends after a send with acks 0 fails the next one', async () => {
    const broker = await fakeBroker({
      ...alive,
      Produce: () => void broker.sockets.forEach(socket => socket.destroy()) as undefined,
    })
    const { line, beat } = lineTo(broker.port)
    await line.ask('Produce', produce)
    await until(() => broker.connections === 1 && broker.sockets.size === 0)
    await new Promise(resolve => setImmediate(resolve))
    expect(await failure(line.ask('Produce', produce))).toMatchObject({
      code: 'NETWORK_EXCEPTION',
      outcomeUnknown: false,
    })
    expect(broker.asked).toEqual(['Produce'])
    await beat()
    await line.ask('Produce', produce) // it was told once
    await until(() => broker.asked.length === 3)
  })

  it('a later answer confirms a send with acks 0', async () => {
    const broker = await fakeBroker({ ...alive, Produce: () => undefined })
    const { line, beat } = lineTo(broker.port)
    await line.ask('Produce', produce)
    await beat()
    broker.sockets.forEach(socket => socket.destroy())
    await until(() => broker.sockets.size === 0)
    await new Promise(resolve => setImmediate(resolve))
    await line.ask('Produce', produce)
    await until(() => broker.asked.length === 3)
    expect(broker.connections).toBe(2)
  })
})

describe('a connection', () => {
  it('a connection with a waiting request is not idle', async () => {
    let count = 0
    const broker = await fakeBroker({
      Heartbeat: () => (count++ === 1 ? undefined : { errorCode: 0 }),
    })
    const { beat, clock } = lineTo(broker.port, { maxIdleMs: 1_000 })
    await beat()
    void failure(beat())
    await until(() => broker.asked.length === 2)
    await clock.advance(1_500)
    void failure(beat())
    await until(() => broker.asked.length === 3)
    expect(broker.connections).toBe(1)
  })

  it('a connection that is idle for too long is closed and replaced', async () => {
    const broker = await fakeBroker(alive)
    const { beat, clock } = lineTo(broker.port, { maxIdleMs: 1_000 })
    await beat()
    await clock.advance(999)
    await beat()
    expect(broker.connections).toBe(1)
    await clock.advance(1_000)
    await beat()
    expect(broker.connections).toBe(2)
    await until(() => broker.sockets.size === 1)
  })

  it('a connection is replaced before its SASL session ends', async () => {
    const broker = await fakeBroker(alive)
    broker.lifetimeMs = 1_000
    const sasl = { mechanism: 'plain', username: 'a', password: 'b' } as const
    const { beat, clock } = lineTo(broker.port, { sasl })
    await beat()
    await clock.advance(849)
    await beat()
    expect(broker.connections).toBe(1)
    await clock.advance(1)
    await beat()
    expect(broker.connections).toBe(2)
  })
})

import { once } from 'node:events'
import { createServer, Server } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { SystemClock } from '../../src/base/clock.js'
import { silentLogger } from '../../src/base/logger.js'
import { Cluster } from '../../src/cluster/cluster.js'
import type { PartlogError } from '../../src/model/errors.js'
import { Door, type DoorLimits } from '../../src/wire/door.js'
import { TcpServer, type Listening } from '../../src/wire/tcp-server.js'
import { reach, wireWorld } from './client.js'

/** Nothing listens there; a connection that comes about is ended. */
async function isRefused(address: string): Promise<boolean> {
  const { socket } = reach(address)
  const error = await once(socket, 'connect').catch((reason: unknown) => reason)
  socket.destroy()
  return (error as { code?: string }).code === 'ECONNREFUSED'
}

/** Two brokers' ports without a cluster, which would take turns with them by itself. */
function twoPorts() {
  const running = new Set([1, 2])
  const warn = vi.fn()
  const listen = vi.spyOn(Server.prototype, 'listen')
  onTestFinished(() => listen.mockRestore())
  const limits: DoorLimits = { maxConnections: 10, maxIdleMs: Infinity }
  const channelOf = () => ({ send: () => new Promise<never>(() => undefined) })
  const shared = { clusterId: 'c', logger: silentLogger, clock: new SystemClock(), channelOf }
  const server = new TcpServer({
    host: '127.0.0.1',
    advertisedHost: '127.0.0.1',
    ports: [0],
    brokerIds: [1, 2],
    logger: { ...silentLogger, warn },
    door: new Door(shared, limits),
    onClosed: () => undefined,
    isRunning: nodeId => running.has(nodeId),
  })
  onTestFinished(() => server.close())
  return { server, running, warn, sockets: listen.mock.contexts as readonly Server[] }
}

describe('listen', () => {
  it('listen opens a port for each broker on this machine, and lists them', async () => {
    const { cluster } = await wireWorld({ brokers: 3 })
    const { bootstrap } = await cluster.listen({ port: 0 })
    expect(bootstrap).toHaveLength(3)
    for (const address of bootstrap) {
      expect(address).toMatch(/^127\.0\.0\.1:\d+$/)
      expect(Number(address.split(':')[1])).toBeGreaterThan(1_023) // a free one, not 0 + 1
      const { brokers } = await reach(address).ask('Metadata', 5, { topics: [] })
      expect(brokers.map(({ host, port }) => `${host}:${port}`)).toEqual(bootstrap)
      const asked = { includeClusterAuthorizedOperations: false }
      const described = await reach(address).ask('DescribeCluster', 0, asked)
      expect(described.brokers.map(({ host, port }) => `${host}:${port}`)).toEqual(bootstrap)
      const request = { coordinatorKeys: ['g'] }
      const { coordinators } = await reach(address).ask('FindCoordinator', 4, request)
      expect(bootstrap).toContain(`${coordinators[0]?.host}:${coordinators[0]?.port}`)
    }
  })

  it('listen opens the given port for each broker', async () => {
    const { cluster } = await wireWorld({ brokers: 3 })
    const free = await cluster.listen({ port: 0 })
    const port = free.bootstrap.map(address => Number(address.split(':')[1])).reverse()
    await free.close()
    const { bootstrap } = await cluster.listen({ port })
    expect(bootstrap).toEqual(port.map(each => `127.0.0.1:${each}`))
    const { brokers } = await reach(bootstrap[2] as string).ask('Metadata', 5, { topics: [] })
    expect(brokers.map(broker => broker.port)).toEqual(port)
  })

  it.each([[[]], [[9_092, 9_093]], [[9_092, 9_092, 9_093]], [[1, 2, 70_000]], ['9092'], [-1]])(
    '%j are refused as the ports of three brokers',
    async port => {
      const { cluster } = await wireWorld({ brokers: 3 })
      const listening = cluster.listen({ port: port as number })
      await expect(listening).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    },
  )

  it.each(['kill', 'stop'] as const)('the port of a broker that is down refuses: %s', async how => {
    const { cluster } = await wireWorld({ brokers: 2 })
    const { bootstrap } = await cluster.listen({ port: 0 })
    const [first, second] = bootstrap as [string, string]
    const client = reach(second)
    await client.ask('Metadata', 5, { topics: [] })
    await cluster.broker(2)[how]()
    expect(await client.ended()).toBe(true)
    expect(await isRefused(second)).toBe(true)
    await reach(first).ask('Metadata', 5, { topics: [] })
    await cluster.broker(2).start()
    const { brokers } = await reach(second).ask('Metadata', 5, { topics: [] })
    expect(brokers.map(({ host, port }) => `${host}:${port}`)).toEqual(bootstrap)
  })

  it('the port of a broker that is down is known from the start', async () => {
    const { cluster } = await wireWorld({ brokers: 2 })
    await cluster.broker(2).kill()
    const { bootstrap } = await cluster.listen({ port: 0 })
    expect(await isRefused(bootstrap[1] as string)).toBe(true)
    await cluster.broker(2).start()
    await reach(bootstrap[1] as string).ask('Metadata', 5, { topics: [] })
  })

  it('brokers may start and end while listen runs', async () => {
    const { cluster } = await wireWorld({ brokers: 3 })
    await cluster.broker(3).kill()
    const listening = cluster.listen({ port: 0 })
    await Promise.all([cluster.broker(1).kill(), cluster.broker(3).start()])
    const { bootstrap } = await listening
    expect(await Promise.all(bootstrap.map(isRefused))).toEqual([true, false, false])
  })

  it('a broker whose port is taken starts with a warning', async () => {
    const warn = vi.fn()
    const cluster = await Cluster.memory({ logger: { ...silentLogger, warn }, brokers: 2 })
    onTestFinished(() => cluster.close())
    const { bootstrap } = await cluster.listen({ port: 0 })
    const address = bootstrap[1] as string
    await cluster.broker(2).kill()
    const other = createServer().listen(Number(address.split(':')[1]), '127.0.0.1')
    await once(other, 'listening')
    await cluster.broker(2).start()
    expect(cluster.broker(2).isRunning).toBe(true)
    const sentence = `broker 2 cannot listen on ${address} again`
    const error = expect.objectContaining({ code: 'EADDRINUSE' })
    expect(warn.mock.calls).toEqual([[sentence, { error }]])
    other.close()
    await cluster.broker(2).kill()
    await cluster.broker(2).start()
    await reach(address).ask('Metadata', 5, { topics: [] })
  })

  it('a closed port stays closed when its broker starts again', async () => {
    const { cluster } = await wireWorld()
    const listening = await cluster.listen({ port: 0 })
    await listening.close()
    await cluster.broker(1).kill()
    await cluster.broker(1).start()
    expect(await isRefused(listening.bootstrap[0] as string)).toBe(true)
  })

  it('clients receive the advertised host', async () => {
    const { cluster } = await wireWorld()
    const { bootstrap } = await cluster.listen({ port: 0, advertisedHost: 'localhost' })
    expect(bootstrap[0]).toMatch(/^localhost:\d+$/)
    const { brokers } = await reach(bootstrap[0] as string).ask('Metadata', 5, { topics: [] })
    expect(brokers[0]?.host).toBe('localhost')
  })

  it('a taken port is named in the error, and no port stays open', async () => {
    const one = await wireWorld()
    const { bootstrap } = await one.cluster.listen({ port: 0 })
    const port = Number(bootstrap[0]?.split(':')[1])
    const two = await wireWorld({ brokers: 2 })
    await expect(two.cluster.listen({ port })).rejects.toMatchObject({
      code: 'NETWORK_EXCEPTION',
      message: expect.stringContaining('EADDRINUSE'),
    })
  })

  it('no port stays open if a later one is not available', async () => {
    const { cluster } = await wireWorld({ brokers: 2 })
    await expect(cluster.listen({ port: 65_535 })).rejects.toMatchObject({
      code: 'NETWORK_EXCEPTION',
    })
    expect(await isRefused('127.0.0.1:65535')).toBe(true)
  })

  it('listen stops at a close, and frees the first port', async () => {
    const { server } = twoPorts()
    const opening = expect(server.open()).rejects.toMatchObject({ code: 'CLOSED' })
    await server.close()
    const bootstrap = [expect.stringMatching(/^127/), ':-1']
    expect(server.bootstrap).toEqual(bootstrap)
    await opening
    expect(server.bootstrap).toEqual(bootstrap)
    expect(await isRefused(server.bootstrap[0] as string)).toBe(true)
  })

  it('close resolves when all connections have ended', async () => {
    const { server, sockets } = twoPorts()
    await server.open()
    let ended = 0
    for (const each of sockets) each.once('close', () => ended++)
    await server.close()
    expect(ended).toBe(2)
  })

  it('a port is opened once, however often its broker starts', async () => {
    const { server, warn } = twoPorts()
    await server.open()
    server.gone(1)
    await Promise.all([server.started(1), server.started(1)])
    expect(warn).not.toHaveBeenCalled()
  })

  it('a client that cannot be accepted is logged, and others are served', async () => {
    const { server, sockets, warn } = twoPorts()
    await server.open()
    const error = new Error('accept EMFILE')
    sockets[1]?.emit('error', error)
    expect(warn.mock.calls).toEqual([['broker 2 cannot accept a client', { error }]])
    expect(await isRefused(server.bootstrap[1] as string)).toBe(false)
  })

  it('brokers get consecutive ports after the given one', async () => {
    const { cluster } = await wireWorld({ brokers: 2 })
    // Below those that systems give out by themselves, but programs may have any of them.
    for (let port = 29_092; port < 30_092; port += 100) {
      const listening = await cluster.listen({ port }).catch(() => undefined)
      if (listening === undefined) continue
      expect(listening.bootstrap).toEqual([`127.0.0.1:${port}`, `127.0.0.1:${port + 1}`])
      return
    }
    expect.fail('no two ports could be had')
  })

  it('a port stays closed when its broker starts during close', async () => {
    const { server } = twoPorts()
    await server.open()
    server.gone(1)
    await Promise.all([server.close(), server.started(1)])
    expect(await isRefused(server.bootstrap[0] as string)).toBe(true)
  })

  it('a port that opens after its broker has ended accepts no client', async () => {
    const { server, running } = twoPorts()
    await server.open()
    running.delete(2)
    expect(await reach(server.bootstrap[1] as string).ended()).toBe(true)
    expect(server.connectionCount).toBe(0)
  })

  it('ports close with close(), or with the cluster', async () => {
    const cluster = await Cluster.memory()
    const first = await cluster.listen({ port: 0 })
    const client = reach(first.bootstrap[0] as string)
    await client.ask('Metadata', 5, { topics: [] })
    await first.close()
    expect(await client.ended()).toBe(true)
    expect(await isRefused(first.bootstrap[0] as string)).toBe(true)
    const second = await cluster.listen({ port: 0 })
    const other = reach(second.bootstrap[0] as string)
    await other.ask('Metadata', 5, { topics: [] })
    await cluster.close()
    expect(await other.ended()).toBe(true)
    await expect(cluster.listen()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('a closed listener leaves nothing in the cluster', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const { cluster } = await wireWorld()
    let listening: Listening | undefined = await cluster.listen({ port: 0 })
    const kept = new WeakRef(listening)
    await listening.close()
    listening = undefined
    const isGone = (): boolean => {
      collect()
      return kept.deref() === undefined
    }
    await vi.waitFor(() => expect(isGone()).toBe(true))
  })

  it('closing the cluster ends a running listen', async () => {
    const other = await wireWorld()
    const before = await other.cluster.listen({ port: 0 })
    await before.close()
    const address = before.bootstrap[0] as string
    const cluster = await Cluster.memory({ brokers: 2 })
    const port = Number(address.split(':')[1])
    const listening = cluster.listen({ port }).then(
      () => 'listens',
      (error: unknown) => (error as PartlogError).code,
    )
    await cluster.close()
    expect(await listening).toBe('CLOSED')
    expect(await isRefused(address)).toBe(true)
  })

  it.each([[{ port: -1 }], [{ port: 70_000 }], [{ host: '' }], [{ ports: 1 }]])(
    'listen refuses the options %o',
    async options => {
      const { cluster } = await wireWorld()
      await expect(cluster.listen(options as never)).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
      })
    },
  )
})

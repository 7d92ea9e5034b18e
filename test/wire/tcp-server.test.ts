import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { reach, wireWorld } from './client.js'

describe('listen', () => {
  it('gives each broker a port on this machine, and tells clients where', async () => {
    const { cluster } = await wireWorld({ brokers: 3 })
    const { bootstrap } = await cluster.listen({ port: 0 })
    expect(bootstrap).toHaveLength(3)
    for (const address of bootstrap) {
      expect(address).toMatch(/^127\.0\.0\.1:\d+$/)
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

  it('lets nobody in to a broker that is down', async () => {
    const { cluster } = await wireWorld({ brokers: 2 })
    const { bootstrap } = await cluster.listen({ port: 0 })
    await cluster.broker(2).kill()
    const client = reach(bootstrap[1] as string)
    expect(await client.ended()).toBe(true)
  })

  it('tells clients another host when it is told to', async () => {
    const { cluster } = await wireWorld()
    const { bootstrap } = await cluster.listen({ port: 0, advertisedHost: 'localhost' })
    expect(bootstrap[0]).toMatch(/^localhost:\d+$/)
    const { brokers } = await reach(bootstrap[0] as string).ask('Metadata', 5, { topics: [] })
    expect(brokers[0]?.host).toBe('localhost')
  })

  it('says which port is taken, and keeps none', async () => {
    const one = await wireWorld()
    const { bootstrap } = await one.cluster.listen({ port: 0 })
    const port = Number(bootstrap[0]?.split(':')[1])
    const two = await wireWorld({ brokers: 2 })
    await expect(two.cluster.listen({ port })).rejects.toMatchObject({
      code: 'NETWORK_EXCEPTION',
      message: expect.stringContaining('EADDRINUSE'),
    })
  })

  it('ends with close, or with the cluster', async () => {
    const cluster = await Cluster.memory()
    const first = await cluster.listen({ port: 0 })
    const client = reach(first.bootstrap[0] as string)
    await client.ask('Metadata', 5, { topics: [] })
    await first.close()
    expect(await client.ended()).toBe(true)
    const socket = reach(first.bootstrap[0] as string).socket
    expect((await once(socket, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
    const second = await cluster.listen({ port: 0 })
    const other = reach(second.bootstrap[0] as string)
    await other.ask('Metadata', 5, { topics: [] })
    await cluster.close()
    expect(await other.ended()).toBe(true)
    await expect(cluster.listen()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it.each([[{ port: -1 }], [{ port: 70_000 }], [{ host: '' }], [{ ports: 1 }]])(
    'refuses %o',
    async options => {
      const { cluster } = await wireWorld()
      await expect(cluster.listen(options as never)).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
      })
    },
  )
})

import { expect, it } from 'vitest'
import { wireWorld } from './client.js'

it.each(['close', 'kill'] as const)('all connections of the socket factory end: %s', async how => {
  const { cluster, connect } = await wireWorld()
  const clients = [connect(), connect()]
  for (const client of clients) await client.ask('Metadata', 5, { topics: [] })
  if (how === 'close') await cluster.close()
  else await cluster.broker(1).kill()
  expect(await Promise.all(clients.map(client => client.ended()))).toEqual([true, true])
})

it('a broker that ends closes only its own connections', async () => {
  const { cluster, connect } = await wireWorld({ brokers: 2 })
  const [stays, goes] = [connect(1), connect(2)]
  for (const client of [stays, goes]) await client.ask('Metadata', 5, { topics: [] })
  await cluster.broker(2).kill()
  expect(await goes.ended()).toBe(true)
  await stays.ask('Metadata', 5, { topics: [] })
})

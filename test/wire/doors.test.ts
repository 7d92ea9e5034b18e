import { expect, it } from 'vitest'
import { wireWorld } from './client.js'

it.each(['close', 'kill'] as const)('all who came in without a port are let go: %s', async how => {
  const { cluster, connect } = await wireWorld()
  const clients = [connect(), connect()]
  for (const client of clients) await client.ask('Metadata', 5, { topics: [] })
  if (how === 'close') await cluster.close()
  else await cluster.broker(1).kill()
  expect(await Promise.all(clients.map(client => client.ended()))).toEqual([true, true])
})

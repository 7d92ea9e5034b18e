/** Brokers have the ids they were given: 0 and large ones too, in every place that names them. */

import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { WireClient } from '../wire/client.js'
import { valuesOf, world } from './world.js'

const LARGEST = 2 ** 31 - 1
const CHOSEN = [{ id: 7 }, { id: 0 }, { id: LARGEST }]
const IDS = [0, 7, LARGEST]

describe('brokers 0, 7 and 2147483647', () => {
  it('brokers with chosen ids lead, follow, die and return', async () => {
    const all = await world({ brokers: CHOSEN })
    const { cluster, passing, leader, isFull } = all
    expect(cluster.brokers.map(({ id }) => id)).toEqual(IDS)
    await passing(cluster.admin.createTopic({ topic: 'orders', assignment: [[0, LARGEST, 7]] }))
    const producer = cluster.producer()
    const send = (value: string) =>
      passing(producer.send({ topic: 'orders', messages: [{ value }] }))
    await send('a')
    for (const [id, next] of [
      [0, LARGEST],
      [LARGEST, 7],
    ] as const) {
      expect(leader()).toBe(id)
      await passing(cluster.broker(id).kill())
      expect(leader()).toBe(next)
      await send(`without ${id}`)
    }
    await passing(cluster.broker(0).start())
    await passing(cluster.broker(LARGEST).start())
    while (!isFull()) await all.clock.advance(100)
    expect(await valuesOf(all, 3)).toEqual(['a', 'without 0', `without ${LARGEST}`])
  })

  it('brokers with chosen ids can be separated from the controller one by one', async () => {
    const { cluster, passing, leader, clock } = await world({ brokers: CHOSEN })
    await passing(cluster.admin.createTopic({ topic: 'orders', assignment: [[0, 7, LARGEST]] }))
    cluster.network.partition(['controller', 7, LARGEST], [0])
    await clock.advance(20_000)
    expect(leader()).toBe(7)
    cluster.network.heal()
    cluster.network.partition([0, 7, LARGEST], ['controller'])
    await expect(passing(cluster.broker(7).stop())).resolves.toBeUndefined()
    await expect(passing(cluster.broker(7).start())).rejects.toMatchObject({
      code: 'NETWORK_EXCEPTION',
      message: expect.stringContaining('broker 7 cannot reach the controller') as string,
    })
  })

  it('clients can ask any running broker with a chosen id', async () => {
    const { cluster, passing } = await world({ brokers: CHOSEN })
    for (const id of IDS) await passing(cluster.broker(id).kill())
    for (const id of IDS) {
      await passing(cluster.broker(id).start())
      expect(cluster.describe().brokers.filter(({ isAlive }) => isAlive)).toMatchObject([{ id }])
      await passing(cluster.admin.createTopic({ topic: `made-by-${id}` }))
      await passing(cluster.broker(id).kill())
    }
  })

  it('sockets and ports reach brokers by their chosen ids', async () => {
    const { cluster } = await world({ brokers: CHOSEN })
    expect(cluster.bootstrap).toEqual(IDS.map(id => `broker-${id}:9092`))
    const { bootstrap } = await cluster.listen({ port: 0 })
    for (const [index, address] of bootstrap.entries()) {
      const client = new WireClient(connect(Number(address.split(':')[1]), '127.0.0.1'))
      const { brokers } = await client.ask('Metadata', 5, { topics: [] })
      expect(brokers.map(({ nodeId, port }) => [nodeId, `127.0.0.1:${port}`])).toEqual(
        IDS.map((id, at) => [id, bootstrap[at]]),
      )
      expect(index).toBeLessThan(3)
    }
  })

  it('racks belong to brokers by the order of ids, or as each broker says', async () => {
    const brokers = [{ id: 7 }, { id: 0, rack: 'own' }, { id: 3, rack: null }]
    const { cluster } = await world({ brokers, racks: ['first', 'second', 'third'] })
    expect(cluster.describe().brokers.map(({ id, rack }) => [id, rack])).toEqual([
      [0, 'own'],
      [3, 'second'],
      [7, 'third'],
    ])
  })
})

describe('a folder', () => {
  const openedWith = async (
    disk: MemoryDisk,
    brokers: number | readonly { id: number }[] | undefined,
  ): Promise<number[][]> => {
    const { cluster, passing } = await world({ brokers }, disk)
    const views = cluster.describe().brokers.map(({ id, isAlive }) => [id, Number(isAlive)])
    await passing(cluster.close())
    return views
  }

  it('a folder knows its brokers by their ids', async () => {
    const disk = new MemoryDisk()
    await openedWith(disk, [{ id: 0 }, { id: 5 }])
    expect(disk.list('').map(({ name }) => name)).toEqual(
      expect.arrayContaining(['broker-0', 'broker-5', 'controller']),
    )
    expect(await openedWith(disk, undefined)).toEqual([
      [0, 1],
      [5, 1],
    ])
    expect(await openedWith(disk, 1)).toEqual([[0, 1]])
    expect(await openedWith(disk, 4)).toEqual([
      [0, 1],
      [5, 1],
      [6, 1],
      [7, 1],
    ])
  })

  it('the default replication factor of a folder is limited by its brokers', async () => {
    const disk = new MemoryDisk()
    await openedWith(disk, 3)
    const { cluster, passing } = await world({ brokers: undefined }, disk)
    await passing(cluster.admin.createTopic({ topic: 'orders' }))
    const [topic] = cluster.describe().topics
    expect(topic?.partitions[0]?.replicas).toHaveLength(3)
  })
})

it.each([
  0,
  65,
  1.5,
  '3',
  [],
  [1],
  [{ id: -1 }],
  [{ id: 2 ** 31 }],
  [{ id: 1 }, { id: 1 }],
  [{ id: 1, rack: '' }],
  [{ id: 1, rac: 'a' }],
  [{ rack: 'a' }],
  [null],
  Array.from({ length: 65 }, (_, id) => ({ id })),
])('brokers: %j is refused before anything is created', async brokers => {
  const disk = new MemoryDisk()
  await expect(world({ brokers: brokers as number }, disk)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringContaining('brokers: expected a whole number from 1 to 64, or a list'),
  })
  expect(disk.list('')).toEqual([])
})

it('0 names the controller as in 0.1.0, unless a broker has this id', async () => {
  const before = await world()
  before.cluster.network.partition([0], [3])
  await before.clock.advance(20_000)
  expect(before.cluster.describe().brokers.map(({ isAlive }) => isAlive)).toEqual([
    true,
    true,
    false,
  ])
})

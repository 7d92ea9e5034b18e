/** Admins with options of their own, and what is left of the ways of 0.1.0. */

import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { Cluster } from '../../../src/cluster/cluster.js'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'

/** A cluster of which no broker can be reached. */
async function unreachable(options: object = {}) {
  const clock = new VirtualClock()
  const cluster = await Cluster.onDisk(new MemoryDisk(), { clock, ...options })
  cluster.network.partition(['client'], [1])
  /** How long it takes until a call gives up, in steps of 100 ms. */
  const waitedMs = async (call: Promise<unknown>): Promise<number> => {
    const before = clock.now()
    let isOver = false
    call.catch(() => undefined).finally(() => (isOver = true))
    while (!isOver) await clock.advance(100)
    return clock.now() - before
  }
  return { cluster, clock, waitedMs }
}

describe('an admin', () => {
  it('an admin tries a call for as long as its options allow', async () => {
    const { cluster, waitedMs } = await unreachable()
    const quick = cluster.adminClient({ defaultApiTimeoutMs: 500 })
    expect(await waitedMs(quick.listTopics())).toBeLessThan(1_500)
    expect(await waitedMs(cluster.admin.listTopics())).toBeGreaterThan(50_000)
  })

  it("cluster.admin has the cluster's option admin", async () => {
    const { cluster, waitedMs } = await unreachable({ admin: { defaultApiTimeoutMs: 500 } })
    expect(await waitedMs(cluster.admin.listTopics())).toBeLessThan(1_500)
  })

  it('a closed admin rejects its calls, and other admins continue', async () => {
    const { cluster, clock } = await unreachable()
    const admin = cluster.adminClient()
    const under = admin.listTopics().catch((error: unknown) => error)
    await clock.advance(500)
    await admin.close()
    await admin.close()
    expect(await under).toMatchObject({ name: 'PartlogError' })
    await expect(admin.listTopics()).rejects.toMatchObject({
      code: 'CLOSED',
      message: 'CLOSED: the admin is closed',
    })
    cluster.network.heal()
    expect(await cluster.admin.listTopics()).toEqual([])
    await cluster.close()
  })

  it('an admin is closed with its cluster', async () => {
    const cluster = await Cluster.memory()
    const admin = cluster.adminClient()
    await cluster.close()
    await expect(admin.listTopics()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(() => cluster.adminClient()).toThrow('the cluster is closed')
  })

  it.each([{ timeoutMs: 1 }, { requestTimeoutMs: 0 }, { clientId: '' }])(
    'an admin with the options %j is refused before a connection is opened',
    async admin => {
      const disk = new MemoryDisk()
      const refused = { code: 'INVALID_CONFIG', message: expect.stringContaining('admin option') }
      await expect(Cluster.onDisk(disk, { admin })).rejects.toMatchObject(refused)
      expect(disk.list('')).toEqual([])
      const cluster = await Cluster.memory()
      expect(() => cluster.adminClient(admin)).toThrow(expect.objectContaining(refused))
      await cluster.close()
    },
  )
})

it('the names and arguments of calls in 0.1.0 still work', async () => {
  await using cluster = await Cluster.memory()
  const { admin } = cluster
  await admin.createTopic({ topic: 't' })
  await admin.alterConfig('t', { 'retention.ms': 5_000 })
  await admin.alterConfig({ topic: 't', config: { 'max.message.bytes': 5_000 } })
  const settings = await admin.describeConfig('t')
  expect(
    settings
      .filter(({ isDefault }) => !isDefault)
      .toSorted((a, b) => a.name.localeCompare(b.name)),
  ).toMatchObject([
    { name: 'max.message.bytes', value: '5000' },
    { name: 'retention.ms', value: '5000' },
  ])
  expect(await admin.listOffsets('t', 'earliest')).toEqual(
    await admin.listOffsets({ topic: 't', at: 'earliest' }),
  )
  await admin.setOffsets({ groupId: 'g', offsets: [{ topic: 't', partition: 0, offset: 0 }] })
  expect(await admin.listGroupOffsets('g')).toMatchObject([{ topic: 't', offset: 0 }])
})

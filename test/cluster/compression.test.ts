import { expect, it } from 'vitest'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { batchesOf } from '../../src/model/batch/batch.js'
import { valuesOf, world } from './world.js'

const FIRST_SEGMENT = 'orders-0/00000000000000000000.log'

it('every replica stores the codec of compression.type, and readers do not notice', async () => {
  const disk = new MemoryDisk()
  const w = await world({}, disk)
  const { cluster, passing } = w
  const config = { 'compression.type': 'gzip' } as const
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3, config }))
  const send = async (value: string, compression: 'none' | 'gzip'): Promise<void> => {
    const producer = cluster.producer({ compression })
    await passing(producer.send({ topic: 'orders', messages: [{ value }, { value: 'b' }] }))
    await passing(producer.close())
  }
  await send('plain', 'none')
  await send('packed', 'gzip')
  await passing(cluster.admin.alterConfig('orders', { 'compression.type': 'uncompressed' }))
  await send('last', 'gzip')
  const all = ['plain', 'b', 'packed', 'b', 'last', 'b']
  expect(await valuesOf(w, all.length)).toEqual(all)
  await passing(cluster.close())
  const logs = await Promise.all(
    [1, 2, 3].map(id => disk.open(`broker-${id}/${FIRST_SEGMENT}`).read(0, 10_000)),
  )
  expect([...batchesOf(logs[0]!)].map(({ codec }) => codec)).toEqual(['gzip', 'gzip', 'none'])
  expect(logs.map(log => log.equals(logs[0]!))).toEqual([true, true, true])
})

it('a codec that partlog cannot write is refused by name', async () => {
  const { cluster, passing } = await world()
  const refused = (config: object): Promise<string> =>
    passing(
      cluster.admin.createTopic({ topic: 'orders', config }).then(
        () => 'made',
        (error: Error) => error.message,
      ),
    )
  for (const codec of ['snappy', 'lz4', 'zstd']) {
    expect(await refused({ 'compression.type': codec })).toBe(
      'INVALID_CONFIG: topic setting compression.type: expected one of "producer", "uncompressed", ' +
        `"gzip", got "${codec}"`,
    )
  }
})

import { expect, it, onTestFinished } from 'vitest'
import type { ProducerOptions } from '../../src/client/producer/producer-api.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { batchesOf } from '../../src/model/batch/batch.js'
import { CODECS, isReadable } from '../../src/model/batch/compression.js'
import { withoutZstd } from '../model/without-zstd.js'
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

const WRITTEN = CODECS.filter(codec => codec !== 'none' && isReadable(codec))

it.each(WRITTEN)('a producer packs with %s, and a topic packs what comes otherwise', async codec => {
  const disk = new MemoryDisk()
  const w = await world({}, disk)
  const { cluster, passing } = w
  await passing(cluster.admin.createTopic({ topic: 'orders', replicationFactor: 3 }))
  const send = async (value: string, options: ProducerOptions): Promise<void> => {
    const producer = cluster.producer(options)
    await passing(producer.send({ topic: 'orders', messages: [{ value }, { value: 'b' }] }))
    await passing(producer.close())
  }
  await send('packed', { compression: codec })
  await passing(cluster.admin.alterConfig('orders', { 'compression.type': codec }))
  await send('plain', { compression: 'none' })
  await send('zipped', { compression: 'gzip', compressionGzipLevel: 1 })
  await send('as it is', { compression: codec })
  const all = ['packed', 'b', 'plain', 'b', 'zipped', 'b', 'as it is', 'b']
  expect(await valuesOf(w, all.length)).toEqual(all)
  await passing(cluster.close())
  const log = await disk.open(`broker-1/${FIRST_SEGMENT}`).read(0, 10_000)
  expect([...batchesOf(log)].map(batch => batch.codec)).toEqual([codec, codec, codec, codec])
})

it('a Node without zstd says so when a producer is made, and when a topic asks for it', async () => {
  onTestFinished(withoutZstd())
  const { cluster, passing } = await world()
  expect(() => cluster.producer({ compression: 'zstd' })).toThrow(
    /^UNSUPPORTED_COMPRESSION_TYPE: zstd needs Node 22.15 or later, this is v/,
  )
  const config = { 'compression.type': 'zstd' } as const
  await passing(cluster.admin.createTopic({ topic: 'orders', config }))
  const sent = cluster.producer().send({ topic: 'orders', messages: [{ value: 'v' }] })
  await expect(passing(sent)).rejects.toThrow('UNSUPPORTED_COMPRESSION_TYPE')
})

it.each([
  [{ compression: 'brotli' }, /^INVALID_CONFIG: .*compression: expected one of/],
  [{ compressionGzipLevel: 0 }, /compressionGzipLevel: expected a whole number from 1 to 9, or -1/],
  [{ compressionLz4Level: 18 }, /compressionLz4Level: expected a whole number from 1 to 17/],
  [{ compressionZstdLevel: 23 }, /compressionZstdLevel: expected a whole number from -131072 to 22/],
])('the producer option %j is refused', async (options, why) => {
  const { cluster } = await world()
  expect(() => cluster.producer(options as ProducerOptions)).toThrow(why)
})

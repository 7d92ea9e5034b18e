/** How often the checksum of a byte is computed on its way from the disk to the application. */

import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { Cluster, connect, type ConsumerOptions } from '../../src/index.js'

const computed = vi.hoisted(() => ({ bytes: 0 }))
vi.mock('../../src/base/checksums/crc32c.js', async importOriginal => {
  const { crc32c } = await importOriginal<typeof import('../../src/base/checksums/crc32c.js')>()
  return {
    crc32c: (bytes: Uint8Array, start = 0, end = bytes.byteLength) => {
      computed.bytes += end - start
      return crc32c(bytes, start, end)
    },
  }
})

const RECORDS = 20_000
const VALUE_BYTES = 100

/** A cluster that was closed and opened again: this process has not read the log yet. */
async function reopened(): Promise<Cluster> {
  const disk = new MemoryDisk()
  const writer = await Cluster.onDisk(disk)
  await writer.admin.createTopic({ topic: 't' })
  const messages = Array.from({ length: 1_000 }, () => ({ value: Buffer.alloc(VALUE_BYTES) }))
  const producer = writer.producer()
  for (let n = 0; n < RECORDS; n += 1_000) await producer.send({ topic: 't', messages })
  await writer.close()
  const cluster = await Cluster.onDisk(disk)
  onTestFinished(() => cluster.close())
  return cluster
}

/** Reads everything; returns how often the checksum of each byte was computed. */
async function timesPerByte(
  cluster: Pick<Cluster, 'consumer'>,
  options: Pick<ConsumerOptions, 'checkCrcs'> = {},
): Promise<number> {
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest', ...options })
  await consumer.assign([{ topic: 't', partition: 0 }])
  computed.bytes = 0
  let seen = 0
  while (seen < RECORDS) seen += (await consumer.poll()).length
  const { bytes } = computed
  await consumer.close()
  const times = bytes / (RECORDS * (VALUE_BYTES + 10))
  return Math.round(times * 5) / 5
}

describe('the checksum of a byte', () => {
  it('the checksum of a byte is compared once by its first reader, and once by each later reader', async () => {
    const cluster = await reopened()
    expect(await timesPerByte(cluster)).toBe(1) // by the log
    expect(await timesPerByte(cluster)).toBe(1) // by the consumer: it may have rotted since
  })

  it('the checksum of a byte is compared once by the log if consumers do not compare', async () => {
    const cluster = await reopened()
    expect(await timesPerByte(cluster, { checkCrcs: false })).toBe(1)
    expect(await timesPerByte(cluster, { checkCrcs: false })).toBe(0)
  })

  it('the checksum of a byte is compared again behind a wire', async () => {
    const cluster = await reopened()
    const { bootstrap } = await cluster.listen({ port: 0 })
    const far = await connect({ bootstrapServers: bootstrap })
    onTestFinished(() => far.close())
    expect(await timesPerByte(far)).toBe(2)
    expect(await timesPerByte(far)).toBe(1)
  })
})

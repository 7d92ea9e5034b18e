import { afterEach, describe, expect, it, vi } from 'vitest'
import { Cluster } from '../../src/index.js'

const summed = vi.hoisted(() => ({ bytes: 0 }))
vi.mock('../../src/base/checksums/crc32c.js', async importOriginal => {
  const { crc32c } = await importOriginal<typeof import('../../src/base/checksums/crc32c.js')>()
  return {
    crc32c: (bytes: Uint8Array, start = 0, end = bytes.byteLength) => {
      summed.bytes += end - start
      return crc32c(bytes, start, end)
    },
  }
})

describe('checksums of records that stay in the process', () => {
  const clusters: Cluster[] = []
  afterEach(async () => {
    for (const cluster of clusters.splice(0)) await cluster.close()
  })

  it('each byte that is sent is summed once', async () => {
    const cluster = await Cluster.memory()
    clusters.push(cluster)
    await cluster.admin.createTopic({ topic: 'orders' })
    const producer = cluster.producer()
    await producer.send({ topic: 'orders', messages: [{ value: 'first' }] })
    summed.bytes = 0
    const messages = Array.from({ length: 1_000 }, () => ({ value: 'x'.repeat(100) }))
    await producer.send({ topic: 'orders', messages })
    expect(summed.bytes).toBeGreaterThan(100_000)
    expect(summed.bytes).toBeLessThan(120_000)
  })
})

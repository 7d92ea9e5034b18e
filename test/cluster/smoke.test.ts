import { expect, it } from 'vitest'
import { Cluster } from '../../src/cluster/cluster.js'

it('a cluster in memory writes and reads', async () => {
  const cluster = await Cluster.memory()
  await cluster.admin.createTopic({ topic: 'orders', partitions: 3 })
  const producer = cluster.producer()
  const metas = await producer.send({
    topic: 'orders',
    messages: [
      { key: 'a', value: '1' },
      { key: 'b', value: '2' },
      { key: 'a', value: '3' },
    ],
  })
  expect(metas).toHaveLength(3)
  const consumer = cluster.consumer({
    groupId: 'g',
    autoOffsetReset: 'earliest',
    valueDeserializer: 'string',
    keyDeserializer: 'string',
  })
  await consumer.subscribe(['orders'])
  const seen: string[] = []
  for await (const record of consumer) {
    seen.push(`${record.key}=${record.value}`)
    if (seen.length === 3) break
  }
  expect(seen.sort()).toEqual(['a=1', 'a=3', 'b=2'])
  await consumer.commit()
  expect(await cluster.admin.listGroupOffsets('g')).toMatchObject([
    { lag: 0 },
    { lag: 0 },
    { lag: 0 },
  ])
  await cluster.close()
})

/** The logs at the end of a run, as clients see them. */

import type { ConsumerRecord } from '../../src/client/consumer/consumer-record.js'
import type { SimulatedCluster } from '../../src/testing/simulation/simulated-cluster.js'
import type { FinalLog } from './history.js'
import { isOfPipeline } from './pipeline.js'

/** How long a call may take, by the world's time. */
const CALL_MS = 180_000

export async function readLogs(world: SimulatedCluster): Promise<FinalLog[]> {
  const { admin } = world.cluster
  const logs: FinalLog[] = []
  const topics = await world.passing(admin.listTopics(), CALL_MS)
  for (const topic of topics.filter(each => !isOfPipeline(each))) {
    const starts = await world.passing(admin.listOffsets({ topic, at: 'earliest' }), CALL_MS)
    const ends = await world.passing(admin.listOffsets({ topic, at: 'latest' }), CALL_MS)
    for (const { partition, offset } of ends) {
      const startOffset = starts[partition]?.offset ?? 0
      const endOffset = offset ?? 0
      const records = await recordsOf(world, { topic, partition, endOffset })
      logs.push({ topic, partition, startOffset, endOffset, records })
    }
  }
  return logs
}

async function recordsOf(
  world: SimulatedCluster,
  { topic, partition, endOffset }: { topic: string; partition: number; endOffset: number },
) {
  const consumer = world.cluster.consumer({
    autoOffsetReset: 'earliest',
    keyDeserializer: 'string',
    valueDeserializer: 'string',
  })
  const read = async (): Promise<ConsumerRecord<string, string>[]> => {
    await consumer.assign([{ topic, partition }])
    const records: ConsumerRecord<string, string>[] = []
    while ((await consumer.position({ topic, partition })) < endOffset) {
      records.push(...(await consumer.poll({ timeoutMs: 1_000 })))
    }
    await consumer.close()
    return records
  }
  const records = await world.passing(read(), CALL_MS)
  return records.map(({ offset, key, value }) => ({ offset, key, value }))
}

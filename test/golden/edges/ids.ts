/** Topics by their ids, as the newest versions name them (KIP-516). */

import { ZERO_UUID } from '../../../src/base/uuid.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { UNKNOWN_ID, type Place } from './place.js'

const NEWEST = { Produce: 13, Fetch: 18, OffsetCommit: 10, OffsetFetch: 10 } as const

export async function ids({ ask, settled, now }: Place): Promise<void> {
  const orders = await settled('orders', true)
  const builder = new BatchBuilder(Buffer.alloc(4096))
  builder.tryAppend(now, 'k', 'value', [])
  const records = Buffer.from(builder.build())
  for (const [title, topicId, index] of [
    ['of a topic', orders, 0],
    ['of a topic, a partition that is not there', orders, 99],
    ['that no topic has', UNKNOWN_ID, 0],
    ['of zeros', ZERO_UUID, 0],
  ] as const) {
    const topic = { name: '', topicId }
    await ask(`an id ${title}`, 'Produce', NEWEST.Produce, {
      acks: -1,
      timeoutMs: 5_000,
      topicData: [{ ...topic, partitionData: [{ index, records }] }],
    })
    const wanted = { partition: index, fetchOffset: 0, partitionMaxBytes: 1_000 }
    await ask(`an id ${title}`, 'Fetch', NEWEST.Fetch, {
      maxWaitMs: 1,
      minBytes: 1,
      topics: [{ topicId, partitions: [{ ...wanted, highWatermark: 1 }] }],
    })
    const commit = { partitionIndex: index, committedOffset: 1, committedMetadata: 'm' }
    await ask(`an id ${title}`, 'OffsetCommit', NEWEST.OffsetCommit, {
      groupId: 'by-id',
      topics: [{ ...topic, partitions: [commit] }],
    })
    await ask(`an id ${title}`, 'OffsetFetch', NEWEST.OffsetFetch, {
      groups: [{ groupId: 'by-id', topics: [{ ...topic, partitionIndexes: [index, 1] }] }],
    })
  }
  await ask('all', 'OffsetFetch', NEWEST.OffsetFetch, {
    groups: [{ groupId: 'by-id', topics: null }],
  })
  await ask('two topics, one that is none', 'OffsetCommit', NEWEST.OffsetCommit, {
    groupId: 'by-id',
    topics: [UNKNOWN_ID, orders].map(topicId => ({
      name: '',
      topicId,
      partitions: [{ partitionIndex: 2, committedOffset: 7, committedMetadata: null }],
    })),
  })
}

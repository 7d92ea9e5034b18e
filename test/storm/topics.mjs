/**
 * The topics of every scenario, small enough that segments roll, are compacted and are deleted in a
 * process that lives for a second.
 *
 *   log     keeps everything; the group reads it
 *   table   compacted, with tombstones
 *   short   keeps its last 20,000 bytes
 */

const TOPICS = {
  log: { 'internal.segment.bytes': 40_000, 'retention.ms': -1 },
  table: {
    'internal.segment.bytes': 6_000, 'cleanup.policy': 'compact',
    'min.cleanable.dirty.ratio': 0.1, 'delete.retention.ms': 100, 'file.delete.delay.ms': 5_000,
  },
  short: {
    'internal.segment.bytes': 6_000, 'retention.bytes': 20_000, 'file.delete.delay.ms': 5_000,
  },
}

/** Makes those that are missing; `segmentBytes` is the size of the log's segments. */
export async function makeTopics(cluster, segmentBytes = 40_000) {
  const there = await cluster.admin.listTopics()
  for (const [topic, config] of Object.entries(TOPICS)) {
    if (there.includes(topic)) continue
    if (topic === 'log') config['internal.segment.bytes'] = segmentBytes
    await cluster.admin.createTopic({ topic, partitions: 2, config })
  }
}

/** A topic of a run, drawn from its seed: settings are small and odd on purpose. */

import type { Random } from '../../src/base/random.js'
import { between, chance, pick } from '../../src/testing/simulation/streams.js'
import type { TopicShape } from './shape.js'

/** A batch of one message fits, one of several does not. */
const SMALL_BATCH_BYTES = 120

export function drawTopic(random: Random, topic: string, brokers: number): TopicShape {
  const replicationFactor = between(random, 1, Math.min(3, brokers))
  const minInSync = chance(random, 50) ? 1 : between(random, 1, replicationFactor)
  const isCompacted = chance(random, 15)
  const isTrimmed = !isCompacted && chance(random, 10)
  const allowsUnclean = chance(random, 15)
  const hasSmallBatches = chance(random, 25)
  const segmentBytes = pick(random, [300, 2_000, 20_000, 1_000_000])
  return {
    topic,
    partitions: pick(random, [1, 1, 2, 3, 4]),
    replicationFactor,
    isCompacted,
    isTrimmed,
    allowsUnclean,
    isRemade: false,
    minInSync,
    batchBytesMax: hasSmallBatches ? SMALL_BATCH_BYTES : Infinity,
    isRetained: !isTrimmed,
    config: {
      'internal.segment.bytes': segmentBytes,
      'index.interval.bytes': pick(random, [1, 100, 4_096]),
      'min.insync.replicas': minInSync,
      'unclean.leader.election.enable': allowsUnclean,
      'file.delete.delay.ms': pick(random, [0, 1_000]),
      ...(hasSmallBatches && { 'max.message.bytes': SMALL_BATCH_BYTES }),
      ...(isCompacted && {
        'cleanup.policy': 'compact',
        'min.cleanable.dirty.ratio': 0.1,
        'segment.ms': 5_000,
        'delete.retention.ms': 0,
      }),
      ...(isTrimmed && { 'retention.bytes': 4 * segmentBytes, 'segment.ms': 5_000 }),
    },
  }
}

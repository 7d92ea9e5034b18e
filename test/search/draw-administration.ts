/**
 * The administration of a run's cluster, drawn from its seed: topics grow, get other settings, lose
 * records, are deleted and made again. A topic says from the beginning what may happen to it.
 */

import type { Random } from '../../src/base/random.js'
import type { TopicConfigChanges } from '../../src/client/admin/admin-api.js'
import { between, chance, pick, streamOf, subset } from '../../src/testing/simulation/streams.js'
import { drawTopic } from './draw-topic.js'
import type { Act, AdministratorShape, TopicShape } from './shape.js'

/** Of 100 seeds so many have administrators; of those, a topic that is made again. */
const ADMINISTERED_PERCENT = 60
const REMADE_PERCENT = 40

const ACTS: readonly Act[] = ['grow', 'settings', 'delete records', 'elect', 'describe']

export function drawAdministration(
  seed: number,
  steady: readonly TopicShape[],
  brokers: number,
): { topics: readonly TopicShape[]; administrators: readonly AdministratorShape[] } {
  const random = streamOf(seed, 'administration')
  if (!chance(random, ADMINISTERED_PERCENT)) return { topics: steady, administrators: [] }
  const acts = subset(random, ACTS, 50)
  const isRemade = chance(random, REMADE_PERCENT)
  if (isRemade) acts.push('make', 'make', 'delete')
  if (acts.length === 0) acts.push('describe')
  const topics = steady.map(topic => ({
    ...topic,
    isCompacted: topic.isCompacted || (acts.includes('settings') && maybeCompacted(seed, topic)),
    isTrimmed: topic.isTrimmed || acts.includes('delete records') || acts.includes('settings'),
    isRetained: topic.isRetained && !acts.includes('settings'),
    minInSync: acts.includes('settings') ? 1 : topic.minInSync,
    batchBytesMax: acts.includes('settings') ? Infinity : topic.batchBytesMax,
  }))
  if (isRemade) {
    const facts = { isRemade, isTrimmed: true, isRetained: false }
    topics.push({ ...drawTopic(random, 'x1', brokers), ...facts })
  }
  const administrators = Array.from({ length: between(random, 1, 2) }, (_, n) => ({
    name: `a${n + 1}`,
    acts,
    count: pick(random, [5, 15, 30]),
    pauseMaxMs: pick(random, [20, 500, 3_000]),
    topics,
  }))
  return { topics, administrators }
}

/** Few topics change between deletion and compaction: little can be said of what is left. */
function maybeCompacted(seed: number, { topic }: TopicShape): boolean {
  return chance(streamOf(seed, `compacting ${topic}`), 25)
}

/** Other settings for a topic. */
export function drawSettings(random: Random, topic: TopicShape): TopicConfigChanges {
  const all: TopicConfigChanges[] = [
    { 'internal.segment.bytes': pick(random, [300, 2_000, 20_000]) },
    { 'segment.ms': pick(random, [null, 1_000, 5_000]) },
    { 'retention.bytes': pick(random, [null, 1_000, 5_000, 50_000]) },
    { 'retention.ms': pick(random, [null, 2_000, 20_000]) },
    { 'min.insync.replicas': pick(random, [null, 1, topic.replicationFactor]) },
    { 'max.message.bytes': pick(random, [null, 250, 400, 1_000]) },
    { 'index.interval.bytes': pick(random, [null, 1, 100]) },
  ]
  if (topic.isCompacted) {
    all.push({
      'cleanup.policy': pick(random, ['compact', 'delete', 'compact,delete'] as const),
      'min.cleanable.dirty.ratio': 0.1,
    })
  }
  return pick(random, all)
}

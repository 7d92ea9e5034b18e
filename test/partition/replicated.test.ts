import { describe, expect, it } from 'vitest'
import { Partition } from '../../src/partition/partition.js'
import { batchOf, contextOf, create, TOPIC_ID, world } from '../log/helpers.js'

const BOUNDS = { maxBytes: 1_000_000, minOneBatch: true }

/** A partition on broker 1, as it is before anybody leads it. */
async function opened(settings: Record<string, unknown> = {}) {
  const w = world(settings)
  const { topicPartition, clock } = contextOf(w)
  const rules = { lagMaxMs: 30_000, isAlive: () => true, durability: 'process' as const }
  const place = { brokerId: 1, topicPartition, topicId: TOPIC_ID, clock }
  return Partition.open({ ...place, ...rules }, await create(w), 0)
}

const VIEW = { replicas: [1, 2, 3], partitionEpoch: 0, leader: 1 }

/** A partition on brokers 1, 2 and 3 that broker 1 leads in epoch 5, with records in its log. */
async function leading({ isr = [1, 2], minIsr = 1, before = 0 } = {}) {
  const partition = await opened({ 'min.insync.replicas': minIsr })
  if (before > 0) {
    await partition.become({ ...VIEW, replicas: [1], isr: [1], leaderEpoch: 1 })
    for (let n = 0; n < before; n++) partition.append(batchOf(['x']))
    await partition.become({ ...VIEW, isr, leader: 2, leaderEpoch: 4 })
  }
  await partition.become({ ...VIEW, isr, leaderEpoch: 5 })
  const shrunk = (members: number[]) =>
    partition.become({ ...VIEW, isr: members, leaderEpoch: 5, partitionEpoch: 1 })
  return { partition, shrunk }
}

const fetchFrom = (fetchOffset: number, lastEpoch = 5, replicaId = 2) => ({
  replicaId,
  fetchOffset,
  lastEpoch,
})

describe('what a follower says', () => {
  it('moves the high watermark when it is said, not when the answer is read', async () => {
    const { partition } = await leading()
    partition.append(batchOf(['a', 'b']))
    await partition.readAsFollower(fetchFrom(2), BOUNDS)
    expect(partition.highWatermark).toBe(0)
    partition.noteFetch(fetchFrom(2), 5)
    expect(partition.highWatermark).toBe(2)
  })

  it.each<[string, Parameters<Partition['noteFetch']>]>([
    ['of another leadership', [fetchFrom(2), 4]],
    ['of more than there is', [fetchFrom(3), 5]],
    ['on a log that has parted', [fetchFrom(2, 9), 5]],
    ['who is no replica', [fetchFrom(2, 5, 7), 5]],
  ])('is not believed of one %s', async (_, [fetch, epoch]) => {
    const { partition } = await leading()
    partition.append(batchOf(['a', 'b']))
    partition.noteFetch(fetch, epoch)
    expect(partition.highWatermark).toBe(0)
  })
})

describe('min.insync.replicas', () => {
  it('refuses before the append what all could not acknowledge, and only that', async () => {
    const { partition } = await leading({ isr: [1], minIsr: 2 })
    expect(() => partition.append(batchOf(['a']), true)).toThrow('NOT_ENOUGH_REPLICAS')
    expect(partition.log.logEndOffset).toBe(0)
    expect(partition.append(batchOf(['a'])).lastOffset).toBe(0)
    expect(partition.highWatermark).toBe(0) // stands still, so nobody reads it
  })

  it('is asked for again when the append is to be acknowledged', async () => {
    const { partition, shrunk } = await leading({ minIsr: 2 })
    partition.append(batchOf(['a']), true)
    partition.noteFetch(fetchFrom(1), 5)
    expect(partition.highWatermark).toBe(1)
    partition.checkAfterAppend()
    await shrunk([1])
    expect(() => partition.checkAfterAppend()).toThrow('NOT_ENOUGH_REPLICAS_AFTER_APPEND')
  })

  it('never asks for more than there are', async () => {
    const { partition } = await leading({ isr: [1, 2, 3], minIsr: 9 })
    expect(partition.append(batchOf(['a']), true).lastOffset).toBe(0)
  })
})

describe('a new leader', () => {
  it('does not know the end before its epoch is committed, and wakes readers then', async () => {
    const { partition } = await leading({ before: 3 })
    // What it led alone was committed; nobody has told how far the leader in between had come.
    expect([partition.highWatermark, partition.visibleEnd]).toEqual([3, 3])
    partition.append(batchOf(['a']))
    const before = partition.committedBytes
    partition.noteFetch(fetchFrom(4), 5)
    expect(partition.highWatermark).toBe(4)
    expect(partition.committedBytes).toBeGreaterThan(before)
  })

  it('says so where its predecessor may have shown more', async () => {
    const follower = await opened()
    const view = { replicas: [1, 2], isr: [1, 2], partitionEpoch: 0 }
    await follower.become({ ...view, leader: 2, leaderEpoch: 1 })
    const records = batchOf(['a', 'b'])
    follower.appendFromLeader({ records, highWatermark: 1, logStartOffset: 0 })
    await follower.become({ ...view, leader: 1, leaderEpoch: 2 })
    expect(follower.highWatermark).toBe(1)
    expect(() => follower.visibleEnd).toThrow('OFFSET_NOT_AVAILABLE')
    const before = follower.committedBytes
    follower.noteFetch(fetchFrom(2, -1), 2)
    expect(follower.visibleEnd).toBe(2)
    expect(follower.committedBytes).toBeGreaterThan(before) // old records, newly committed
  })
})

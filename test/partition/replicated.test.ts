import { describe, expect, it } from 'vitest'
import { DiskError } from '../../src/disk/disk.js'
import { Partition } from '../../src/partition/partition.js'
import { batchOf, contextOf, copied, create, history, TOPIC_ID, world } from '../log/helpers.js'

/** The controller does not count on it. */
const DEAD = 9
const BOUNDS = { maxBytes: 1_000_000, minOneBatch: true }

/** A partition on broker 1, as it is before anybody leads it. */
async function opened(settings: Record<string, unknown> = {}, w = world(settings)) {
  const { topicPartition, clock } = contextOf(w)
  const isAlive = (brokerId: number): boolean => brokerId !== DEAD
  const rules = { lagMaxMs: 30_000, isAlive, durability: 'process' as const }
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

describe('the low watermark', () => {
  const begun = (replicaId: number, logStartOffset: number) => ({
    ...fetchFrom(3, 5, replicaId),
    logStartOffset,
  })

  async function trimmed() {
    const { partition, shrunk } = await leading({ isr: [1, 2] })
    for (const value of ['a', 'b', 'c']) partition.append(batchOf([value]))
    for (const id of [2, 3]) partition.noteFetch(begun(id, 0), 5)
    let looks = 0
    partition.deletions.watch(() => looks++)
    partition.deleteRecordsBefore(2)
    return { partition, shrunk, looks: () => looks }
  }

  it('is that of the replica that has deleted least, in the ISR or not', async () => {
    const { partition, looks } = await trimmed()
    expect(partition.lowWatermark).toBe(0)
    expect(partition.replicasKeeping(2)).toEqual([2, 3])
    partition.noteFetch(begun(2, 2), 5)
    expect([partition.lowWatermark, partition.replicasKeeping(2)]).toEqual([0, [3]])
    partition.noteFetch(begun(3, 1), 5)
    expect(partition.lowWatermark).toBe(1)
    partition.noteFetch(begun(3, 2), 5)
    expect([partition.lowWatermark, partition.replicasKeeping(2)]).toEqual([2, []])
    expect(looks()).toBe(3)
  })

  it('is not moved by what another leadership was told, or by who does not say', async () => {
    const { partition, looks } = await trimmed()
    partition.noteFetch(begun(2, 2), 4)
    partition.noteFetch(begun(3, -1), 5)
    expect([partition.lowWatermark, looks()]).toEqual([0, 0])
  })

  it('begins unknown with each leadership', async () => {
    const { partition } = await trimmed()
    for (const id of [2, 3]) partition.noteFetch(begun(id, 2), 5)
    await partition.become({ ...VIEW, isr: [1, 2], leaderEpoch: 6 })
    expect(partition.lowWatermark).toBe(-1)
  })

  it('does not wait for who is dead', async () => {
    const partition = await opened()
    await partition.become({ ...VIEW, replicas: [1, DEAD], isr: [1], leaderEpoch: 5 })
    partition.append(batchOf(['a']))
    partition.deleteRecordsBefore(1)
    expect(partition.lowWatermark).toBe(1)
  })

  it('is looked at again when the ISR or the leader has changed', async () => {
    const { partition, shrunk, looks } = await trimmed()
    await shrunk([1])
    expect(looks()).toBe(1)
    await partition.become({ ...VIEW, isr: [2], leaderEpoch: 6, leader: 2, partitionEpoch: 2 })
    expect(looks()).toBe(2)
    expect(() => partition.lowWatermark).toThrow('NOT_LEADER_OR_FOLLOWER')
  })
})

describe('the log start a follower tells', () => {
  it.each(['power', 'process'] as const)('is the one it has saved (%s)', async durability => {
    const w = world()
    let saved = 0
    w.saveCheckpoints = async () => void saved++
    const { topicPartition, clock } = contextOf(w)
    const rules = { lagMaxMs: 30_000, isAlive: () => true, durability }
    const place = { brokerId: 1, topicPartition, topicId: TOPIC_ID, clock }
    const log = await create(w)
    const partition = Partition.open({ ...place, ...rules }, log, 0)
    await partition.become({ ...VIEW, replicas: [1], isr: [1], leaderEpoch: 1 })
    for (const value of ['a', 'b', 'c']) partition.append(batchOf([value]))
    await log.flush()
    await partition.become({ ...VIEW, isr: [1, 2], leader: 2, leaderEpoch: 2 })
    const known = { records: Buffer.alloc(0), highWatermark: 3, logStartOffset: 2 }
    partition.appendFromLeader(known)
    expect([log.logStartOffset, partition.settledStart]).toEqual([2, 0])
    await partition.settleStart()
    await partition.settleStart()
    expect(partition.settledStart).toBe(2)
    expect(saved).toBe(durability === 'power' ? 1 : 0)
    await partition.truncateTo(0)
    expect(partition.settledStart).toBe(log.logStartOffset)
  })
})

describe('a log that has parted from the leader', () => {
  /** Records 0 and 1 of epoch 1, 2 and 3 of epoch 5. */
  async function two() {
    const { partition } = await leading({ before: 2 })
    for (const value of ['c', 'd']) partition.append(batchOf([value]))
    return partition
  }

  it.each<[string, number, number, object | undefined]>([
    ['it is as far', 4, 5, undefined],
    ['it is at the end of the old epoch', 2, 1, undefined],
    ['it has more of the old epoch', 3, 1, { epoch: 1, endOffset: 2 }],
    ['it has an epoch in between, and is shorter', 1, 3, { epoch: 1, endOffset: 2 }],
    ['it has nothing', 0, -1, undefined],
  ])('%s: asked from %d in epoch %d', async (_, offset, epoch, diverging) => {
    const partition = await two()
    const read = await partition.readAsFollower(fetchFrom(offset, epoch), BOUNDS)
    expect(read.diverging).toEqual(diverging)
    expect(read.records.length > 0).toBe(diverging === undefined && offset < 4)
    partition.noteFetch(fetchFrom(offset, epoch), 5)
    const isHigher = diverging === undefined && offset > 2
    expect(partition.highWatermark).toBe(isHigher ? offset : 2)
  })

  it('in an epoch the leader does not know begins anew elsewhere', async () => {
    const partition = await two()
    await expect(partition.readAsFollower(fetchFrom(2, 9), BOUNDS)).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      message: expect.stringContaining('the leader does not know epoch 9'),
    })
  })
})

describe('the ISR', () => {
  it('has shrunk: what waited for who was put out is committed at once', async () => {
    const { partition, shrunk } = await leading()
    partition.append(batchOf(['a']))
    const committed = partition.committed(1)
    await shrunk([1])
    expect(partition.highWatermark).toBe(1)
    await committed
  })

  it('has another leader now: who waited is told', async () => {
    const { partition } = await leading()
    partition.append(batchOf(['a']))
    const refused = expect(partition.committed(1)).rejects.toMatchObject({
      code: 'NOT_LEADER_OR_FOLLOWER',
      retriable: true,
    })
    await partition.become({ ...VIEW, isr: [1, 2], leaderEpoch: 6, leader: 2, partitionEpoch: 1 })
    await refused
  })

  it.each<[string, number[], number]>([
    ['has others: one of them is to lead', [1, 2], 1],
    ['has no others: there is nobody to lead', [1], 0],
  ])('when the disk is full %s', async (_, isr, times) => {
    const w = world()
    const partition = await opened({}, w)
    await partition.become({ ...VIEW, isr, leaderEpoch: 5 })
    let told = 0
    const silent = { onCheckpointable: () => undefined, onIsrWanted: () => undefined }
    partition.listen({ ...silent, onOffline: () => told++ })
    w.disk.beforeOperation = ({ kind, path }) => {
      if (kind === 'append') throw new DiskError('ENOSPC', kind, path)
      return undefined
    }
    expect(() => partition.append(batchOf(['a']))).toThrow('KAFKA_STORAGE_ERROR')
    expect([told, partition.state]).toEqual([times, 'leader'])
  })

  it('is known as the latest news have it', async () => {
    const { partition, shrunk } = await leading()
    await shrunk([1])
    await partition.become({ ...VIEW, isr: [1, 2], leaderEpoch: 4, leader: 2, partitionEpoch: 9 })
    expect([partition.isLeader, partition.leaderEpoch]).toEqual([true, 5])
    expect(partition.isr?.committed.isr).toEqual([1])
  })

  it('is asked for anew only when the controller has answered', async () => {
    const w = world()
    const partition = await opened({}, w)
    await partition.become({ ...VIEW, isr: [1, 3], leaderEpoch: 5 })
    let wishes = 0
    const silent = { onCheckpointable: () => undefined, onOffline: () => undefined }
    partition.listen({ ...silent, onIsrWanted: () => wishes++ })
    partition.append(batchOf(['a']))
    partition.noteFetch(fetchFrom(1), 5)
    expect([partition.isr?.pending, wishes]).toEqual([[1, 3, 2], 1])
    partition.noteFetch(fetchFrom(1), 5)
    await w.clock.advance(31_000)
    partition.shrinkIsr() // 3 lags
    expect([partition.isr?.pending, wishes]).toEqual([[1, 3, 2], 1])
    partition.isr?.giveUpProposal()
    partition.shrinkIsr()
    expect([partition.isr?.pending, wishes]).toEqual([[1], 2])
    partition.noteFetch(fetchFrom(1, 5), 5)
    expect([partition.isr?.pending, wishes]).toEqual([[1], 2])
  })

  it('is not joined by a broker the controller does not count on', async () => {
    const partition = await opened()
    await partition.become({ ...VIEW, replicas: [1, DEAD], isr: [1], leaderEpoch: 5 })
    partition.noteFetch(fetchFrom(0, -1, DEAD), 5)
    expect(partition.isr?.pending).toBeUndefined()
  })

  it('that is asked for counts when an append is to be acknowledged', async () => {
    const { partition, shrunk } = await leading({ isr: [1, 2], minIsr: 2 })
    await shrunk([1])
    expect(() => partition.checkAfterAppend()).toThrow('NOT_ENOUGH_REPLICAS_AFTER_APPEND')
    partition.noteFetch(fetchFrom(0), 5)
    expect(partition.isr?.pending).toEqual([1, 2])
    partition.checkAfterAppend()
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

describe('a follower', () => {
  const NOTHING = Buffer.alloc(0)

  async function following() {
    const partition = await opened()
    await partition.become({ ...VIEW, isr: [1, 2, 3], leader: 2, leaderEpoch: 1 })
    const records = history(0, 4, 1)
    partition.appendFromLeader({ records, highWatermark: 3, logStartOffset: 0 })
    const marks = (): unknown[] => [partition.replicaLog?.logStartOffset, partition.highWatermark]
    return { partition, marks }
  }

  it('forgets what its leader has deleted, as far as it knows that to be committed', async () => {
    const { partition, marks } = await following()
    partition.appendFromLeader({ records: NOTHING, highWatermark: 3, logStartOffset: 2 })
    expect(marks()).toEqual([2, 3])
    partition.appendFromLeader({ records: NOTHING, highWatermark: 3, logStartOffset: 4 })
    expect(marks()).toEqual([3, 3])
  })

  it('takes over a high watermark as far as it has records', async () => {
    const { partition, marks } = await following()
    partition.appendFromLeader({ records: NOTHING, highWatermark: 9, logStartOffset: 0 })
    expect(marks()).toEqual([0, 4])
    partition.appendFromLeader({ records: NOTHING, highWatermark: 2, logStartOffset: 0 })
    expect(marks()).toEqual([0, 2]) // of a new leader, who does not know yet
    await partition.truncateTo(1)
    expect(marks()).toEqual([0, 1])
  })

  it('is cut before the batch that reaches too far, and its high watermark with it', async () => {
    const partition = await opened()
    await partition.become({ ...VIEW, isr: [1, 2, 3], leader: 2, leaderEpoch: 1 })
    const records = copied(batchOf(['a', 'b', 'c']), 0, 1)
    partition.appendFromLeader({ records, highWatermark: 3, logStartOffset: 0 })
    await partition.truncateTo(2)
    expect([partition.replicaLog?.logEndOffset, partition.highWatermark]).toEqual([0, 0])
  })

  it('that begins anew has nothing before, whatever its leader knows', async () => {
    const { partition, marks } = await following()
    await partition.restartAt(7)
    expect(marks()).toEqual([7, 7])
    partition.appendFromLeader({ records: NOTHING, highWatermark: 5, logStartOffset: 0 })
    expect(marks()).toEqual([7, 7])
  })
})

describe('a new leader', () => {
  const FOLLOWING = { replicas: [1, 2], isr: [1, 2], partitionEpoch: 0, leader: 2, leaderEpoch: 1 }
  const LEADING = { ...FOLLOWING, leader: 1, leaderEpoch: 2 }

  /** A follower with records 0, 1 and 2, of which it knows one to be committed. */
  async function following(w = world()) {
    const partition = await opened({}, w)
    await partition.become(FOLLOWING)
    const records = history(0, 3, 1)
    partition.appendFromLeader({ records, highWatermark: 1, logStartOffset: 0 })
    return { partition, w }
  }

  it('that is alone in sync has committed what it has', async () => {
    const { partition } = await following()
    await partition.become({ ...LEADING, isr: [1] })
    expect([partition.highWatermark, partition.visibleEnd]).toEqual([3, 3])
  })

  it('begins where its log ends when a truncation under way is done', async () => {
    const { partition } = await following()
    const cutting = partition.truncateTo(2)
    await Promise.all([partition.become(LEADING), cutting])
    expect(partition.log.epochs.endOffsetFor(1, 2)).toEqual({ epoch: 1, endOffset: 2 })
    expect(partition.append(batchOf(['x'])).firstOffset).toBe(2)
    partition.noteFetch(fetchFrom(2, 1), 2)
    expect(partition.visibleEnd).toBe(2)
  })

  it('does not lead when that truncation has failed', async () => {
    const { partition, w } = await following()
    w.disk.beforeOperation = ({ kind, path }) => {
      if (kind === 'truncate') throw new DiskError('EIO', kind, path)
      return undefined
    }
    const cutting = partition.truncateTo(2)
    const outcome = expect(cutting).rejects.toThrow('EIO')
    await partition.become(LEADING)
    await outcome
    expect(partition.state).toBe('offline')
  })

  it('counts no bytes of an earlier leadership that were never committed', async () => {
    const { partition } = await following()
    await partition.become(LEADING)
    partition.append(batchOf(['never committed'.repeat(9)]))
    await partition.become({ ...FOLLOWING, leaderEpoch: 3 })
    await partition.truncateTo(1)
    await partition.become({ ...LEADING, leaderEpoch: 4 })
    const before = partition.committedBytes
    const batch = batchOf(['x'])
    partition.append(batch)
    partition.noteFetch(fetchFrom(2, 4), 4)
    expect(partition.highWatermark).toBe(2)
    expect(partition.committedBytes - before).toBe(batch.length)
  })

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

import { describe, expect, it } from 'vitest'
import { DiskError } from '../../src/disk/disk.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Watchers } from '../../src/base/watchers.js'
import { HeldRead } from '../../src/broker/requests/held-read.js'
import { Partition } from '../../src/partition/partition.js'
import { isQuiet, readNow } from '../../src/partition/read-now.js'
import { batchOf, contextOf, copied, create, history, TOPIC_ID, world } from '../log/helpers.js'

/** The controller does not count on it. */
const DEAD = 9
const BOUNDS = { maxBytes: 1_000_000, minOneBatch: true }

/** A partition on broker 1, as it is before it has a leader. */
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
  it('a fetch moves the high watermark when it arrives, not when it is answered', async () => {
    const { partition } = await leading()
    partition.append(batchOf(['a', 'b']))
    await partition.readAsFollower(fetchFrom(2), BOUNDS)
    expect(partition.highWatermark).toBe(0)
    partition.noteFetch(fetchFrom(2), 5)
    expect(partition.highWatermark).toBe(2)
  })

  it.each<[string, Parameters<Partition['noteFetch']>]>([
    ['in another epoch', [fetchFrom(2), 4]],
    ['beyond the log end', [fetchFrom(3), 5]],
    ['from a diverged log', [fetchFrom(2, 9), 5]],
    ['from a broker without a replica', [fetchFrom(2, 5, 7), 5]],
  ])('a fetch %s does not move the high watermark', async (_, [fetch, epoch]) => {
    const { partition } = await leading()
    partition.append(batchOf(['a', 'b']))
    partition.noteFetch(fetch, epoch)
    expect(partition.highWatermark).toBe(0)
  })
})

/** The fetch of follower 2 from offset 1, where the log ends, as the leader holds it. */
async function heldFetch() {
  const { partition, shrunk } = await leading()
  partition.append(batchOf(['a']))
  partition.noteFetch(fetchFrom(1), 5)
  const read = { topic: 'orders', topicId: TOPIC_ID, partition, wanted: WANTED }
  const longHolds = { areAllowed: true, changes: new Watchers() }
  const held = new HeldRead(read, 2, longHolds)
  let calls = 0
  held.watch(() => calls++)
  return { partition, shrunk, held, calls: () => calls }
}

const WANTED = { partition: 0, fetchOffset: 1, partitionMaxBytes: 1_000 }

describe('a held fetch of a follower', () => {
  it.each<[string, (all: Awaited<ReturnType<typeof heldFetch>>) => unknown]>([
    ['the follower leaves the ISR', ({ shrunk }) => shrunk([1])],
    ['a late fetch says less', ({ partition }) => partition.noteFetch(fetchFrom(0, -1), 5)],
  ])('a held fetch of a follower is answered when %s', async (_, happens) => {
    const all = await heldFetch()
    expect(isQuiet(all.partition, 2, 1)).toBe(false) // it has not been told yet
    all.partition.isr?.noteTold(2, 1, 0)
    expect([isQuiet(all.partition, 2, 1), isQuiet(all.partition, 2, 0)]).toEqual([true, false])
    expect([all.held.hasNews, all.held.isDoubted, all.calls()]).toEqual([false, false, 0])
    await happens(all)
    expect([all.held.hasNews, all.held.isDoubted, all.calls()]).toEqual([false, true, 1])
    expect(isQuiet(all.partition, 2, 1)).toBe(false)
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

  it('the low watermark is the least log start of all replicas, in the ISR or not', async () => {
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

  it('the low watermark ignores fetches of another epoch or without a log start', async () => {
    const { partition, looks } = await trimmed()
    partition.noteFetch(begun(2, 2), 4)
    partition.noteFetch(begun(3, -1), 5)
    expect([partition.lowWatermark, looks()]).toEqual([0, 0])
  })

  it('the low watermark is unknown at the start of a leadership', async () => {
    const { partition } = await trimmed()
    for (const id of [2, 3]) partition.noteFetch(begun(id, 2), 5)
    await partition.become({ ...VIEW, isr: [1, 2], leaderEpoch: 6 })
    expect(partition.lowWatermark).toBe(-1)
  })

  it('the low watermark does not wait for dead brokers', async () => {
    const partition = await opened()
    await partition.become({ ...VIEW, replicas: [1, DEAD], isr: [1], leaderEpoch: 5 })
    partition.append(batchOf(['a']))
    partition.deleteRecordsBefore(1)
    expect(partition.lowWatermark).toBe(1)
  })

  it('waits for the low watermark are notified when the ISR or the leader changes', async () => {
    const { partition, shrunk, looks } = await trimmed()
    await shrunk([1])
    expect(looks()).toBe(1)
    await partition.become({ ...VIEW, isr: [2], leaderEpoch: 6, leader: 2, partitionEpoch: 2 })
    expect(looks()).toBe(2)
    expect(() => partition.lowWatermark).toThrow('NOT_LEADER_OR_FOLLOWER')
  })
})

describe('the log start that a follower reports', () => {
  const modes = ['power', 'process'] as const
  it.each(modes)('a follower reports its saved log start (%s)', async durability => {
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
    expect([log.logStartOffset, partition.settled.logStart]).toEqual([2, 0])
    await partition.settled.settleLogStart()
    await partition.settled.settleLogStart()
    expect(partition.settled.logStart).toBe(2)
    expect(saved).toBe(durability === 'power' ? 1 : 0)
    await partition.truncateTo(0)
    expect(partition.settled.logStart).toBe(log.logStartOffset)
  })
})

describe("a log that has diverged from the leader's", () => {
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
  ])('divergence, %s: a fetch from %d in epoch %d', async (_, offset, epoch, diverging) => {
    const partition = await two()
    const read = await partition.readAsFollower(fetchFrom(offset, epoch), BOUNDS)
    expect(read.diverging).toEqual(diverging)
    expect(read.records.length > 0).toBe(diverging === undefined && offset < 4)
    partition.noteFetch(fetchFrom(offset, epoch), 5)
    const isHigher = diverging === undefined && offset > 2
    expect(partition.highWatermark).toBe(isHigher ? offset : 2)
  })

  it('a fetch in an epoch that the leader does not know is out of range', async () => {
    const partition = await two()
    await expect(partition.readAsFollower(fetchFrom(2, 9), BOUNDS)).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      message: expect.stringContaining('the leader does not know epoch 9'),
    })
  })
})

describe('the ISR', () => {
  it('a record that waited for a removed member is committed when the ISR shrinks', async () => {
    const { partition, shrunk } = await leading()
    partition.append(batchOf(['a']))
    const committed = partition.committed(1)
    await shrunk([1])
    expect(partition.highWatermark).toBe(1)
    await committed
  })

  it('waits for a commit fail when another broker leads', async () => {
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
    ['is reported if others are in sync', [1, 2], 1],
    ['is not reported if the leader is alone in sync', [1], 0],
  ])('a full disk of the leader %s', async (_, isr, times) => {
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

  it('the leader takes over the latest ISR of the controller', async () => {
    const { partition, shrunk } = await leading()
    await shrunk([1])
    await partition.become({ ...VIEW, isr: [1, 2], leaderEpoch: 4, leader: 2, partitionEpoch: 9 })
    expect([partition.isLeader, partition.leaderEpoch]).toEqual([true, 5])
    expect(partition.isr?.committed.isr).toEqual([1])
  })

  it('the leader proposes another ISR only after the controller has answered', async () => {
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

  it('a fenced broker does not join the ISR', async () => {
    const partition = await opened()
    await partition.become({ ...VIEW, replicas: [1, DEAD], isr: [1], leaderEpoch: 5 })
    partition.noteFetch(fetchFrom(0, -1, DEAD), 5)
    expect(partition.isr?.pending).toBeUndefined()
  })

  it('a pending ISR counts when an append is acknowledged', async () => {
    const { partition, shrunk } = await leading({ isr: [1, 2], minIsr: 2 })
    await shrunk([1])
    expect(() => partition.checkAfterAppend()).toThrow('NOT_ENOUGH_REPLICAS_AFTER_APPEND')
    partition.noteFetch(fetchFrom(0), 5)
    expect(partition.isr?.pending).toEqual([1, 2])
    partition.checkAfterAppend()
  })
})

describe('min.insync.replicas', () => {
  it('too few in-sync replicas refuse an append with acks=all, and only that', async () => {
    const { partition } = await leading({ isr: [1], minIsr: 2 })
    expect(() => partition.append(batchOf(['a']), true)).toThrow('NOT_ENOUGH_REPLICAS')
    expect(partition.log.logEndOffset).toBe(0)
    expect(partition.append(batchOf(['a'])).lastOffset).toBe(0)
    expect(partition.highWatermark).toBe(0) // stands still, so it is not read
  })

  it('min.insync.replicas is checked again after the append', async () => {
    const { partition, shrunk } = await leading({ minIsr: 2 })
    partition.append(batchOf(['a']), true)
    partition.noteFetch(fetchFrom(1), 5)
    expect(partition.highWatermark).toBe(1)
    partition.checkAfterAppend()
    await shrunk([1])
    expect(() => partition.checkAfterAppend()).toThrow('NOT_ENOUGH_REPLICAS_AFTER_APPEND')
  })

  it('min.insync.replicas is limited by the number of replicas', async () => {
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

  it('a follower takes over the log start of its leader up to its high watermark', async () => {
    const { partition, marks } = await following()
    partition.appendFromLeader({ records: NOTHING, highWatermark: 3, logStartOffset: 2 })
    expect(marks()).toEqual([2, 3])
    partition.appendFromLeader({ records: NOTHING, highWatermark: 3, logStartOffset: 4 })
    expect(marks()).toEqual([3, 3])
  })

  it('a follower takes over the high watermark up to its own log end', async () => {
    const { partition, marks } = await following()
    partition.appendFromLeader({ records: NOTHING, highWatermark: 9, logStartOffset: 0 })
    expect(marks()).toEqual([0, 4])
    partition.appendFromLeader({ records: NOTHING, highWatermark: 2, logStartOffset: 0 })
    expect(marks()).toEqual([0, 2]) // of a new leader, which does not know yet
    await partition.truncateTo(1)
    expect(marks()).toEqual([0, 1])
  })

  it('a follower truncates before the batch that crosses the offset', async () => {
    const partition = await opened()
    await partition.become({ ...VIEW, isr: [1, 2, 3], leader: 2, leaderEpoch: 1 })
    const records = copied(batchOf(['a', 'b', 'c']), 0, 1)
    partition.appendFromLeader({ records, highWatermark: 3, logStartOffset: 0 })
    await partition.truncateTo(2)
    expect([partition.replicaLog?.logEndOffset, partition.highWatermark]).toEqual([0, 0])
  })

  it('a follower that restarts at an offset has no older records', async () => {
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

  it('a new leader alone in the ISR commits all that it has', async () => {
    const { partition } = await following()
    await partition.become({ ...LEADING, isr: [1] })
    expect([partition.highWatermark, partition.visibleEnd]).toEqual([3, 3])
  })

  it('a leadership starts at the log end after a running truncation', async () => {
    const { partition } = await following()
    const cutting = partition.truncateTo(2)
    await Promise.all([partition.become(LEADING), cutting])
    expect(partition.log.epochs.endOffsetFor(1, 2)).toEqual({ epoch: 1, endOffset: 2 })
    expect(partition.append(batchOf(['x'])).firstOffset).toBe(2)
    partition.noteFetch(fetchFrom(2, 1), 2)
    expect(partition.visibleEnd).toBe(2)
  })

  it('a broker does not lead if its running truncation fails', async () => {
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

  it('a new leader counts no uncommitted bytes of an earlier leadership', async () => {
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

  it('a new leader knows the end once its epoch is committed, and wakes readers then', async () => {
    const { partition } = await leading({ before: 3 })
    // What it led alone was committed; it is unknown how far the leader in between had come.
    expect([partition.highWatermark, partition.visibleEnd]).toEqual([3, 3])
    partition.append(batchOf(['a']))
    const before = partition.committedBytes
    partition.noteFetch(fetchFrom(4), 5)
    expect(partition.highWatermark).toBe(4)
    expect(partition.committedBytes).toBeGreaterThan(before)
  })

  it('a new leader rejects with OFFSET_NOT_AVAILABLE until it knows the end', async () => {
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

describe('what is not committed', () => {
  it('records above the high watermark are shown to followers only, also the short way', async () => {
    const { partition } = await leading()
    for (const value of ['a', 'b']) partition.append(batchOf([value]))
    partition.noteFetch(fetchFrom(1), 5)
    const consumer = readNow(partition, fetchFrom(0, -1, -1), BOUNDS)
    const follower = readNow(partition, fetchFrom(0), BOUNDS)
    const bytes = partition.log.sizeBytes
    expect([consumer?.records.length, follower?.records.length]).toEqual([bytes / 2, bytes])
    expect(consumer?.highWatermark).toBe(1)
  })

  it('records above the high watermark are not deleted', async () => {
    const { partition } = await leading()
    for (const value of ['a', 'b']) partition.append(batchOf([value]))
    partition.noteFetch(fetchFrom(1), 5)
    expect(() => partition.deleteRecordsBefore(2)).toThrow('OFFSET_OUT_OF_RANGE')
    expect(partition.deleteRecordsBefore(-1)).toBe(1)
  })
})

it('a jump of the clock on the wall makes no follower slow', async () => {
  class Jumping extends VirtualClock {
    jumpMs = 0
    override now(): number {
      return super.now() + this.jumpMs
    }
  }
  const clock = new Jumping()
  const partition = await opened({}, { ...world(), clock })
  await partition.become({ ...VIEW, isr: [1, 2], leaderEpoch: 5 })
  partition.append(batchOf(['a']))
  clock.jumpMs = 3_600_000
  partition.shrinkIsr()
  expect(partition.isr?.pending).toBe(undefined)
  await clock.advance(30_001)
  partition.shrinkIsr()
  expect(partition.isr?.pending).toEqual([1])
})

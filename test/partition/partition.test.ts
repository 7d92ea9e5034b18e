import { describe, expect, it, vi } from 'vitest'
import { Deferred } from '../../src/base/tasks.js'
import { DiskError } from '../../src/disk/disk.js'
import { BatchBuilder } from '../../src/model/batch/batch-builder.js'
import { batchesOf } from '../../src/model/batch/batch.js'
import { PartlogError } from '../../src/model/errors.js'
import { leadingAlone } from '../../src/partition/only-replica.js'
import { Partition } from '../../src/partition/partition.js'
import type { Durability } from '../../src/partition/roles.js'
import { batchOf, contextOf, create, open, TOPIC_ID, world, type World } from '../log/helpers.js'

const T = Date.UTC(2026, 0, 1)
const PLACE = { brokerId: 1, lagMaxMs: 30_000, isAlive: () => true }
const ALL = { maxBytes: 1_000_000, minOneBatch: true }

interface Held {
  readonly w: World
  readonly partition: Partition
}

async function leading(
  durability: Durability = 'power',
  epoch = 3,
  settings: Record<string, unknown> = {},
): Promise<Held> {
  const w = world(settings)
  const log = await create(w)
  const { topicPartition, clock } = contextOf(w)
  const options = { topicPartition, topicId: TOPIC_ID, durability, clock, ...PLACE }
  return { w, partition: await leadingAlone(options, log, epoch) }
}

async function offsetsIn(partition: Partition, from = 0): Promise<number[]> {
  const { records } = await partition.read(from, ALL)
  return [...batchesOf(records)].map(batch => batch.baseOffset)
}

/** Fails every sync of a log file from now on. */
function breakSync({ disk }: World): void {
  disk.beforeOperation = operation => {
    if (operation.kind === 'sync') throw new DiskError('EIO', 'sync', operation.path)
    return undefined
  }
}

describe('a partition that is taken away while its log is at work', () => {
  const gone = new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', 'topic t was deleted')
  const closed = new PartlogError('CLOSED', 't-0 is closed')

  it.each([
    ['read', (partition: Partition) => partition.read(0, ALL)],
    ['findTimestamp', (partition: Partition) => partition.findTimestamp(T)],
    ['findNewest', (partition: Partition) => partition.findNewest()],
    ['flush', (partition: Partition) => partition.onLeader()],
  ] as const)('%s of a retired partition rejects with the reason', async (name, call) => {
    const { partition } = await leading()
    partition.append(batchOf(['a']))
    await partition.committed(1)
    vi.spyOn(partition.log, name).mockImplementation(() => Promise.reject(closed))
    const working = call(partition)
    partition.retire(gone)
    await expect(working).rejects.toBe(gone)
  })

  it('an error of the log is passed on if the partition is not retired', async () => {
    const { partition } = await leading()
    vi.spyOn(partition.log, 'read').mockImplementation(() => Promise.reject(closed))
    await expect(partition.read(0, ALL)).rejects.toBe(closed)
  })
})

describe("in 'power' mode", () => {
  it("a record is committed when it is durable, and not read before ('power')", async () => {
    const { partition } = await leading('power')
    expect(partition.append(batchOf(['a', 'b']))).toMatchObject({ firstOffset: 0, lastOffset: 1 })
    expect([partition.highWatermark, partition.committedBytes]).toEqual([0, 0])
    expect(await offsetsIn(partition)).toEqual([])
    await partition.committed(2)
    expect(partition.highWatermark).toBe(2)
    expect(partition.log.durableEndOffset).toBe(2)
    expect(partition.committedBytes).toBe(partition.log.appendedBytes)
    expect(await offsetsIn(partition)).toEqual([0])
  })

  it('a record that is appended during a sync waits for the next one', async () => {
    const { partition } = await leading('power')
    const seen: number[][] = []
    partition.changes.watch(() => {
      seen.push([partition.highWatermark, partition.log.durableEndOffset])
    })
    partition.append(batchOf(['a']))
    partition.append(batchOf(['b', 'c']))
    await partition.committed(3)
    expect(seen).toEqual([
      [1, 1],
      [3, 3],
    ])
  })

  it('acks 1 waits until the leader has made the record durable', async () => {
    const { partition } = await leading('power')
    partition.append(batchOf(['a']))
    await partition.onLeader()
    expect(partition.log.durableEndOffset).toBe(1)
  })

  it('a failed sync takes the partition offline and fails all waits', async () => {
    const { w, partition } = await leading('power')
    breakSync(w)
    let changes = 0
    partition.changes.watch(() => changes++)
    partition.append(batchOf(['a']))
    await expect(partition.committed(1)).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
    expect(partition.highWatermark).toBe(0)
    expect(partition.offlineReason?.code).toBe('LOG_OFFLINE')
    expect(changes).toBe(1)
    expect(() => partition.append(batchOf(['b']))).toThrow('LOG_OFFLINE')
    await expect(partition.read(0, ALL)).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
    await expect(partition.committed(1)).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
    await expect(partition.onLeader()).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
  })
})

describe("in 'process' mode", () => {
  it("a record is committed as soon as it is written ('process')", async () => {
    const { w, partition } = await leading('process')
    const before = w.disk.history.length
    partition.append(batchOf(['a', 'b']))
    expect(partition.highWatermark).toBe(2)
    await partition.committed(2)
    await partition.onLeader()
    expect(await offsetsIn(partition)).toEqual([0])
    expect(w.disk.history.slice(before).map(({ kind }) => kind)).toEqual(['append'])
    expect(partition.committedBytes).toBe(partition.log.appendedBytes)
  })
})

describe('the high watermark', () => {
  it('the high watermark notifies watchers once per move and wakes waiters in order', async () => {
    const { partition } = await leading('process')
    const seen: number[] = []
    partition.changes.watch(() => void seen.push(partition.highWatermark))
    const order: number[] = []
    for (const offset of [1, 2, 3]) {
      void partition.committed(offset).then(() => order.push(offset))
    }
    partition.append(batchOf(['a', 'b']))
    partition.append(batchOf(['c']))
    await Promise.resolve()
    await Promise.resolve()
    expect(seen).toEqual([2, 3])
    expect(order).toEqual([1, 2, 3])
  })

  it('a batch that reaches above the high watermark is not read', async () => {
    const { w, partition } = await leading('power')
    partition.append(batchOf(['a']))
    await partition.committed(1)
    w.disk.beforeOperation = undefined
    partition.append(batchOf(['b', 'c']))
    const { records, highWatermark, logStartOffset } = await partition.read(0, ALL)
    expect([...batchesOf(records)].map(batch => batch.baseOffset)).toEqual([0])
    expect([highWatermark, logStartOffset]).toEqual([1, 0])
    expect(await partition.findNewest()).toEqual({ offset: 0, timestamp: T })
  })

  it('the high watermark starts at the recovered log end', async () => {
    const { w, partition } = await leading('process')
    partition.append(batchOf(['a', 'b', 'c']))
    await partition.log.abandon()
    const { log } = await open(w)
    const { topicPartition, clock } = contextOf(w)
    const options = {
      topicPartition,
      topicId: TOPIC_ID,
      durability: 'power',
      clock,
      ...PLACE,
    } as const
    const again = await leadingAlone(options, log, 4)
    expect(again.highWatermark).toBe(3)
    await again.committed(3)
    expect(log.epochs.entries).toEqual([
      { epoch: 3, startOffset: 0 },
      { epoch: 4, startOffset: 3 },
    ])
  })
})

describe('appending', () => {
  it('a refused batch is not written', async () => {
    const { partition } = await leading()
    const bytes = batchOf(['a'])
    bytes[40]! ^= 1
    expect(() => partition.append(bytes, false, 'foreign')).toThrow('CORRUPT_MESSAGE')
    expect(partition.log.logEndOffset).toBe(0)
  })

  it('a leader writes its epoch into every batch', async () => {
    const { partition } = await leading('process', 7)
    partition.append(batchOf(['a']))
    const { records } = await partition.read(0, ALL)
    expect([...batchesOf(records)].map(batch => batch.leaderEpoch)).toEqual([7])
    expect(partition.leaderEpoch).toBe(7)
  })
})

describe('a duplicate batch', () => {
  const numbered = (baseSequence: number, ...values: string[]): Buffer => {
    const builder = new BatchBuilder(Buffer.alloc(4096))
    for (const value of values) builder.tryAppend(T, null, value, [])
    return Buffer.from(builder.build({ producerId: 7, producerEpoch: 0, baseSequence }))
  }

  it('a duplicate batch is not written: the answer has the offsets of the first', async () => {
    const { partition } = await leading('process')
    partition.append(batchOf(['first']))
    const answer = partition.append(numbered(0, 'a', 'b'))
    expect(answer).toEqual({ firstOffset: 1, lastOffset: 2, logAppendTime: -1 })
    partition.append(numbered(2, 'c'))
    expect(partition.append(numbered(0, 'a', 'b'))).toEqual(answer)
    expect(partition.log.logEndOffset).toBe(4)
  })

  it('only the next batch goes the short way, and none while another is on the long one', async () => {
    const { partition, w } = await leading('process')
    const short = (bytes: Buffer): number => partition.appendNow(bytes, w.clock.now())
    expect(short(numbered(0, 'a'))).toBe(0)
    expect([short(numbered(0, 'a')), short(numbered(2, 'c'))]).toEqual([-1, -1])
    const unpacked = new Deferred<void>()
    const waiting = partition.arrivals.run(() => unpacked.promise)
    expect(short(numbered(1, 'b'))).toBe(-1)
    unpacked.resolve()
    await waiting
    expect(short(numbered(1, 'b'))).toBe(1)
    expect(partition.log.logEndOffset).toBe(2)
  })

  it('a duplicate batch is answered with the append time of the first', async () => {
    const { partition, w } = await leading('process', 3, {
      'message.timestamp.type': 'LogAppendTime',
    })
    await w.clock.advance(1_000)
    const { logAppendTime } = partition.append(numbered(0, 'a'))
    await w.clock.advance(1_000)
    expect(partition.append(numbered(0, 'a'))).toMatchObject({ logAppendTime })
    expect(logAppendTime).toBeGreaterThan(0)
  })

  it('a batch out of sequence is refused and not written', async () => {
    const { partition } = await leading('process')
    partition.append(numbered(0, 'a'))
    expect(() => partition.append(numbered(2, 'c'))).toThrow('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(partition.log.logEndOffset).toBe(1)
    partition.append(numbered(1, 'b'))
  })

  it('a batch that a full disk refused is not known as a duplicate', async () => {
    const { partition, w } = await leading('process')
    w.disk.beforeOperation = ({ kind, path }) => {
      if (kind === 'append') throw new DiskError('ENOSPC', 'append', path)
      return undefined
    }
    expect(() => partition.append(numbered(0, 'a'))).toThrow('KAFKA_STORAGE_ERROR')
    w.disk.beforeOperation = undefined
    expect(partition.append(numbered(0, 'a'))).toMatchObject({ firstOffset: 0 })
    expect(partition.log.logEndOffset).toBe(1)
  })
})

describe('reading', () => {
  it('a read outside the log rejects with OFFSET_OUT_OF_RANGE', async () => {
    const { partition } = await leading('process')
    partition.append(batchOf(['a']))
    await expect(partition.read(2, ALL)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
    await expect(partition.read(-1, ALL)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
    expect((await partition.read(1, ALL)).records.length).toBe(0)
  })

  it('records are found by timestamp', async () => {
    const { partition } = await leading('process')
    partition.append(batchOf(['a'], T))
    partition.append(batchOf(['b'], T + 10))
    expect(await partition.findTimestamp(T + 1)).toEqual({ offset: 1, timestamp: T + 10 })
    expect(await partition.findTimestamp(T + 11)).toBeUndefined()
    expect(await partition.findNewest()).toEqual({ offset: 1, timestamp: T + 10 })
  })

  it("a client's leader epoch is checked", async () => {
    const { partition } = await leading('power', 3)
    expect(() => partition.checkLeaderEpoch(-1)).not.toThrow()
    expect(() => partition.checkLeaderEpoch(3)).not.toThrow()
    expect(() => partition.checkLeaderEpoch(2)).toThrow('FENCED_LEADER_EPOCH: orders-0 is in')
    expect(() => partition.checkLeaderEpoch(4)).toThrow('UNKNOWN_LEADER_EPOCH')
  })
})

describe('deleting records', () => {
  it('records are deleted up to the high watermark at most, and the start never goes back', async () => {
    const { partition } = await leading('process')
    for (const value of ['a', 'b', 'c']) partition.append(batchOf([value]))
    expect(partition.deleteRecordsBefore(1)).toBe(1)
    expect(partition.deleteRecordsBefore(0)).toBe(0)
    expect(partition.lowWatermark).toBe(1)
    expect(() => partition.deleteRecordsBefore(4)).toThrow('above the high watermark 3')
    expect(partition.deleteRecordsBefore(-1)).toBe(3)
    await expect(partition.read(2, ALL)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  })
})

describe('a partition that is offline', () => {
  it('an offline partition answers every request with its reason', async () => {
    const { topicPartition, clock } = contextOf(world())
    const options = {
      topicPartition,
      topicId: TOPIC_ID,
      durability: 'power',
      clock,
      ...PLACE,
    } as const
    const partition = Partition.offline(options, new PartlogError('CORRUPT_LOG', 'a bit is wrong'))
    expect(partition.offlineReason?.code).toBe('CORRUPT_LOG')
    expect([partition.leaderEpoch, partition.highWatermark, partition.committedBytes]).toEqual([
      -1, 0, 0,
    ])
    expect(() => partition.append(batchOf(['a']))).toThrow('a bit is wrong')
    expect(() => partition.log).toThrow('a bit is wrong')
    expect(() => partition.deleteRecordsBefore(0)).toThrow('a bit is wrong')
    await expect(partition.read(0, ALL)).rejects.toThrow('a bit is wrong')
    await expect(partition.findNewest()).rejects.toThrow('a bit is wrong')
    await expect(partition.committed(1)).rejects.toThrow('a bit is wrong')
    expect(() => partition.checkLeaderEpoch(9)).not.toThrow()
  })

  it('an offline partition keeps its first reason', async () => {
    const { partition } = await leading()
    const wait = partition.committed(5)
    partition.retire(new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', 'deleted'))
    partition.retire(new PartlogError('CLOSED', 'closed'))
    await expect(wait).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(partition.offlineReason?.code).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })
})

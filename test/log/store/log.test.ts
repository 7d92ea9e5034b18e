import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { DiskError } from '../../../src/disk/disk.js'
import { Batch } from '../../../src/model/batch/batch.js'
import { afterPowerCut } from '../../../src/testing/simulation/power-cut.js'
import { append, appendMany, batchOf, create, expected, open, readAll, world } from '../helpers.js'

const SMALL = { 'internal.segment.bytes': 500, 'index.interval.bytes': 200 }
const T = Date.UTC(2026, 0, 1)

describe('append and read', () => {
  it('an append assigns contiguous offsets, whatever the batches hold', async () => {
    const log = await create(world())
    expect(append(log, ['a'])).toBe(0)
    expect(append(log, ['b', 'c', 'd'])).toBe(1)
    expect(append(log, ['e'])).toBe(4)
    expect(log.logEndOffset).toBe(5)
    expect(await readAll(log)).toEqual(['0:a', '1:b', '2:c', '3:d', '4:e'])
  })

  it('segments are named by their base offset and roll by size', async () => {
    const w = world(SMALL)
    const log = await create(w)
    appendMany(log, 30)
    const files = w.disk.list('orders-0').map(entry => entry.name)
    const segments = files.filter(name => name.endsWith('.log'))
    expect(segments.slice(0, 3)).toEqual([
      '00000000000000000000.log',
      '00000000000000000007.log',
      '00000000000000000014.log',
    ])
    expect(await readAll(log)).toEqual(expected(30))
    expect(await readAll(log, 13)).toEqual(expected(30, 13))
  })

  it('a read works from every offset, in a batch or between, with every byte limit', async () => {
    const log = await create(world(SMALL))
    for (let n = 0; n < 20; n++) append(log, [`v${3 * n}`, `v${3 * n + 1}`, `v${3 * n + 2}`])
    for (let from = 0; from < 60; from++) {
      expect(await readAll(log, from)).toEqual(expected(60, from))
    }
    for (const maxBytes of [0, 1, 61, 100, 250, 1000]) {
      const bytes = await log.read(31, { upTo: 60, maxBytes, minOneBatch: true })
      expect(new Batch(bytes, 0).baseOffset).toBe(30)
    }
    const none = await log.read(31, { upTo: 60, maxBytes: 10, minOneBatch: false })
    expect(none.length).toBe(0)
  })

  it('a read does not return a batch that reaches the bound', async () => {
    const log = await create(world())
    append(log, ['a', 'b'])
    append(log, ['c', 'd'])
    const upTo = async (bound: number): Promise<number> =>
      (await log.read(0, { upTo: bound, maxBytes: 9999, minOneBatch: true })).length
    const one = await upTo(2)
    expect(await upTo(1)).toBe(0)
    expect(await upTo(3)).toBe(one)
    expect(await upTo(4)).toBe(2 * one)
  })

  it('a read outside the log is refused', async () => {
    const log = await create(world())
    append(log, ['a'])
    const bounds = { upTo: 1, maxBytes: 100, minOneBatch: true }
    await expect(log.read(2, bounds)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
    await expect(log.read(-1, bounds)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
    expect((await log.read(1, bounds)).length).toBe(0)
  })

  it('an append that no segment can hold is refused', async () => {
    const log = await create(world(SMALL))
    expect(() => append(log, ['x'.repeat(600)])).toThrow('RECORD_LIST_TOO_LARGE')
    expect(log.logEndOffset).toBe(0)
  })

  it("an append has the broker's time if the topic uses LogAppendTime", async () => {
    const w = world({ 'message.timestamp.type': 'LogAppendTime' })
    const log = await create(w)
    await w.clock.advance(5000)
    const bytes = batchOf(['a'], 77)
    expect(log.append(bytes, [new Batch(bytes, 0)], 0, w.clock.now()).logAppendTime).toBe(T + 5000)
    const stored = await log.read(0, { upTo: 1, maxBytes: 999, minOneBatch: true })
    expect(new Batch(stored, 0).hasValidCrc).toBe(true)
    expect(new Batch(stored, 0).maxTimestamp).toBe(T + 5000)
  })
})

describe('rolling', () => {
  it('rolling follows the time of the data, not the clock', async () => {
    const log = await create(world({ 'segment.ms': 1000 }))
    append(log, ['a'], T)
    append(log, ['b'], T + 1000)
    expect(log.segmentCount).toBe(1)
    append(log, ['c'], T + 1001)
    expect(log.segmentCount).toBe(2)
    append(log, ['d'], T)
    expect(log.segmentCount).toBe(2)
  })

  it('a log rolls when an index is full', async () => {
    const log = await create(world({ 'segment.index.bytes': 24, 'index.interval.bytes': 0 }))
    appendMany(log, 12)
    expect(log.segmentCount).toBeGreaterThan(3)
    expect(await readAll(log)).toEqual(expected(12))
  })
})

describe('time', () => {
  it('findTimestamp finds the first record that is not older', async () => {
    const log = await create(world(SMALL))
    for (let n = 0; n < 40; n++) append(log, [`v${n}`], T + 10 * n)
    for (const [target, offset] of [
      [0, 0],
      [T, 0],
      [T + 1, 1],
      [T + 200, 20],
      [T + 390, 39],
    ]) {
      expect((await log.findTimestamp(target as number))?.offset).toBe(offset)
    }
    expect(await log.findTimestamp(T + 391)).toBeUndefined()
    expect(await log.findNewest()).toEqual({ offset: 39, timestamp: T + 390 })
  })

  it('findTimestamp compares records, not batches, also when time goes back', async () => {
    const log = await create(world(SMALL))
    const times = [50, 10, 90, 20, 70, 30, 95, 60]
    for (const time of times) append(log, ['x'], T + time)
    for (let target = 0; target <= 100; target++) {
      const wanted = times.findIndex(time => time >= target)
      const found = await log.findTimestamp(T + target)
      expect(found?.offset, `target ${target}`).toBe(wanted < 0 ? undefined : wanted)
    }
  })
})

describe('deleting', () => {
  it('deleting records moves the log start and removes whole segments below it', async () => {
    const w = world({ ...SMALL, 'retention.ms': -1 })
    const log = await create(w)
    appendMany(log, 30)
    log.deleteRecordsBefore(17)
    await expect(log.read(16, { upTo: 30, maxBytes: 1, minOneBatch: true })).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
    })
    expect(await readAll(log)).toEqual(expected(30, 17))
    await log.deleteOldSegments(30)
    expect(log.firstSegmentOffset).toBe(14)
    expect(await readAll(log)).toEqual(expected(30, 17))
    expect(w.disk.exists('orders-0/00000000000000000007.log.deleted')).toBe(true)
    await w.clock.advance(60_000)
    expect(w.disk.exists('orders-0/00000000000000000007.log.deleted')).toBe(false)
  })

  it('retention by size keeps at least the limit; by time it keeps young segments', async () => {
    const bySize = await create(world({ ...SMALL, 'retention.ms': -1, 'retention.bytes': 1000 }))
    appendMany(bySize, 50)
    await bySize.deleteOldSegments(50)
    expect(bySize.sizeBytes).toBeGreaterThanOrEqual(1000)
    expect(bySize.sizeBytes).toBeLessThan(1500)

    const w = world({ ...SMALL, 'retention.ms': 10_000 })
    const byTime = await create(w)
    for (let n = 0; n < 28; n++) append(byTime, [`v${n}`], T + 1000 * n)
    await w.clock.advance(25_000)
    await byTime.deleteOldSegments(28)
    expect(byTime.logStartOffset).toBe(14)
    expect(await readAll(byTime)).toEqual(expected(28, 14))
  })

  it('what a full disk has kept from the file of epochs is written at the end', async () => {
    const w = world({ ...SMALL, 'retention.bytes': 500 })
    const log = await create(w)
    appendMany(log, 30)
    await log.checkpoint()
    w.disk.beforeOperation = ({ kind, path }) => {
      if (kind !== 'create' || !path.includes('leader-epoch')) return undefined
      throw new DiskError('ENOSPC', kind, path)
    }
    await log.deleteOldSegments(30)
    w.disk.beforeOperation = undefined
    expect(log.logStartOffset).toBeGreaterThan(0)
    await log.close()
    const file = w.disk.open('orders-0/leader-epoch-checkpoint')
    const text = (await file.read(0, file.size)).toString()
    expect(text.trim().split('\n').slice(2)).toEqual([`0 ${log.logStartOffset}`])
  })

  it('retention stops at the high watermark, and offsets are never assigned again', async () => {
    const w = world({ ...SMALL, 'retention.ms': 1 })
    const log = await create(w)
    appendMany(log, 20)
    await w.clock.advance(1000)
    await log.deleteOldSegments(10)
    expect(log.logStartOffset).toBe(7)
    await log.deleteOldSegments(20)
    expect([log.logStartOffset, log.logEndOffset, log.sizeBytes]).toEqual([20, 20, 0])
    expect(append(log, ['v20'])).toBe(20)
    expect(await readAll(log)).toEqual(['20:v20'])
  })

  it('readers of a deleted segment can finish', async () => {
    const w = world({ ...SMALL, 'retention.ms': 1 })
    const log = await create(w)
    appendMany(log, 20)
    await w.clock.advance(1000)
    const reading = log.read(0, { upTo: 20, maxBytes: 9999, minOneBatch: true })
    await log.deleteOldSegments(20)
    expect((await reading).length).toBeGreaterThan(0)
  })
})

describe('durability', () => {
  it('one sync serves all flushes that wait for it', async () => {
    const w = world()
    const log = await create(w)
    append(log, ['first'])
    await log.flush()
    const before = w.disk.history.length
    appendMany(log, 10)
    const flushes = Array.from({ length: 10 }, () => log.flush())
    expect(log.durableEndOffset).toBe(1)
    await Promise.all(flushes)
    expect(log.durableEndOffset).toBe(11)
    const syncs = w.disk.history.slice(before).filter(operation => operation.kind === 'sync')
    expect(syncs).toHaveLength(1)
  })

  it('a checkpoint leaves nothing of an index to be written when the segment is closed', async () => {
    const w = world({ 'internal.segment.bytes': 500, 'index.interval.bytes': 200 })
    const log = await create(w)
    for (let n = 0; log.segmentCount === 1 && n < 6; n++) append(log, [`v${n}`], T + n)
    expect(log.segmentCount).toBe(1)
    await log.checkpoint()
    const before = w.disk.history.length
    while (log.segmentCount === 1) append(log, ['more'], T) // no newer time
    await log.checkpoint()
    const written = w.disk.history
      .slice(before)
      .filter(({ kind, path }) => kind === 'append' && path.endsWith('0.timeindex'))
    expect(written).toEqual([])
  })

  it('a checkpoint covers what is durable, not what has come during it', async () => {
    const w = world()
    const log = await create(w)
    append(log, ['first'])
    w.disk.beforeOperation = ({ kind, path }) => {
      if (kind !== 'sync' || !path.endsWith('.timeindex')) return undefined
      w.disk.beforeOperation = () => undefined
      append(log, ['second'])
      return undefined
    }
    await log.checkpoint()
    expect([log.recoveryPoint, log.durableEndOffset, log.logEndOffset]).toEqual([1, 1, 2])
  })

  it('indexes of a closed log are durable', async () => {
    const w = world({ 'index.interval.bytes': 1 })
    const log = await create(w)
    appendMany(log, 5)
    await log.close()
    const left = afterPowerCut(w.disk.history, 'zeros', seededRandom(1))
    const { findings } = await open({ ...w, disk: left }, { recoveryPoint: 5, wasClosedCleanly: true })
    expect(findings).toEqual([])
  })

  it('a flush request changes nothing if everything is durable', async () => {
    const log = await create(world())
    append(log, ['first'])
    await log.flush()
    log.requestFlush()
    append(log, ['a'])
    // Looked at first: a flush that waits for nothing would spin in this turn for ever.
    log.requestFlush()
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    expect(log.durableEndOffset).toBe(2)
    await log.flush()
  })

  it('what a new log is, is durable before its first records', async () => {
    const w = world()
    const log = await create(w)
    expect(w.disk.history.filter(({ kind }) => kind.startsWith('sync'))).toEqual([])
    append(log, ['a'])
    await log.flush()
    const syncs = () => w.disk.history.filter(({ kind }) => kind.startsWith('sync'))
    expect(syncs().map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'sync orders-0/partition.metadata',
      'sync orders-0/leader-epoch-checkpoint.tmp',
      'syncDirectory orders-0',
      'sync orders-0/00000000000000000000.log',
      'syncDirectory orders-0',
    ])
    append(log, ['b'])
    await log.flush()
    expect(syncs()).toHaveLength(6)
  })

  it('a failed sync takes the log offline and is never repeated', async () => {
    const w = world()
    const log = await create(w)
    append(log, ['a'])
    const syncs: string[] = []
    w.disk.beforeOperation = operation => {
      if (operation.kind !== 'sync') return undefined
      syncs.push(operation.path)
      throw new DiskError('EIO', 'sync', operation.path)
    }
    await expect(log.flush()).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
    w.disk.beforeOperation = undefined
    expect(() => append(log, ['b'])).toThrow('offline')
    await expect(log.flush()).rejects.toThrow('offline')
    expect(syncs).toEqual([...new Set(syncs)])
    const { length } = syncs
    expect(await log.close()).toBe(false)
    expect(syncs).toHaveLength(length)
  })

  it('a failed sync is not repeated because a fault beside it passes', async () => {
    const w = world()
    const log = await create(w)
    append(log, ['a'])
    const syncs: string[] = []
    w.disk.beforeOperation = operation => {
      if (operation.kind !== 'sync') return undefined
      syncs.push(operation.path)
      if (operation.path.endsWith('.metadata')) throw new DiskError('EMFILE', 'open', operation.path)
      throw new DiskError('EIO', 'sync', operation.path)
    }
    await expect(log.flush()).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
    expect(syncs).toEqual([...new Set(syncs)])
    await log.close()
  })

  it.each(['ENOSPC', 'EDQUOT', 'EFBIG', 'EMFILE'])('%s refuses one append, no more', async code => {
    const w = world()
    const log = await create(w)
    append(log, ['v0'])
    w.disk.beforeOperation = operation =>
      operation.kind === 'append' ? { writtenBytes: 30, code } : undefined
    expect(() => append(log, ['v1'])).toThrow('nothing was appended')
    expect(await readAll(log)).toEqual(['0:v0'])
    w.disk.beforeOperation = undefined
    expect(append(log, ['v1'])).toBe(1)
    expect(await readAll(log)).toEqual(expected(2))
    await log.close()
    const again = await open(w)
    expect(await readAll(again.log)).toEqual(expected(2))
  })

  it('EIO on a write takes the log offline', async () => {
    const w = world()
    const log = await create(w)
    w.disk.beforeOperation = operation =>
      operation.kind === 'append' ? { writtenBytes: 5, code: 'EIO' } : undefined
    expect(() => append(log, ['a'])).toThrow('offline until it is opened again')
    w.disk.beforeOperation = undefined
    expect(() => append(log, ['a'])).toThrow('offline until it is opened again')
  })

  it('a lack of room for a new segment refuses the append until there is room', async () => {
    const w = world(SMALL)
    const log = await create(w)
    appendMany(log, 7)
    w.disk.beforeOperation = operation => {
      if (operation.kind === 'create') throw new DiskError('ENOSPC', 'create', operation.path)
      return undefined
    }
    expect(() => append(log, ['v7'])).toThrow('nothing was appended')
    expect(await readAll(log)).toEqual(expected(7))
    w.disk.beforeOperation = undefined
    expect(append(log, ['v7'])).toBe(7)
    expect(await readAll(log)).toEqual(expected(8))
  })

  it('a failed read fails only that read', async () => {
    const w = world()
    const log = await create(w)
    append(log, ['v0'])
    w.disk.beforeOperation = operation => {
      if (operation.kind === 'read') throw new DiskError('EIO', 'read', operation.path)
      return undefined
    }
    await expect(readAll(log)).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    w.disk.beforeOperation = undefined
    expect(await readAll(log)).toEqual(expected(1))
  })

  it('nothing works after close', async () => {
    const log = await create(world())
    append(log, ['a'])
    expect(await log.close()).toBe(true)
    expect(() => append(log, ['b'])).toThrow('CLOSED')
    await expect(readAll(log)).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(log.flush()).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

/** Both indexes, and the file of entries they are made of. */

import { describe, expect, it } from 'vitest'
import { DiskError } from '../../../src/disk/disk.js'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'
import { IndexCache, IndexError } from '../../../src/log/format/index-file.js'
import { OffsetIndex } from '../../../src/log/format/offset-index.js'
import { TimeIndex } from '../../../src/log/format/time-index.js'

const BASE = 1000
const MANY = 1024 * 1024
const T = Date.UTC(2026, 0, 1)

function offsetIndex(disk: MemoryDisk, maxBytes = MANY, cache = new IndexCache(MANY)): OffsetIndex {
  return new OffsetIndex(BASE, maxBytes, { disk, path: 'index', cache })
}

function timeIndex(disk: MemoryDisk, maxBytes = MANY): TimeIndex {
  return new TimeIndex(BASE, maxBytes, { disk, path: 'timeindex', cache: new IndexCache(MANY) })
}

/** An index with an entry for every tenth offset: 1010 at 100, 1020 at 200 … */
function filled(disk: MemoryDisk, count: number, cache?: IndexCache): OffsetIndex {
  const index = offsetIndex(disk, MANY, cache)
  index.reset()
  for (let n = 1; n <= count; n++) index.append(BASE + 10 * n, 100 * n)
  return index
}

function write(disk: MemoryDisk, path: string, bytes: Buffer): void {
  const file = disk.exists(path) ? disk.open(path) : disk.create(path)
  file.truncate(0)
  file.append(bytes)
  file.close()
}

async function bytesOf(disk: MemoryDisk, path: string): Promise<Buffer> {
  const file = disk.open(path)
  return await file.read(0, file.size)
}

describe('the offset index', () => {
  it("the offset index has Kafka's bytes: relative offset and position, big-endian", async () => {
    const disk = new MemoryDisk()
    const index = offsetIndex(disk)
    index.reset()
    index.append(BASE + 7, 4200)
    index.append(BASE + 2 ** 31 - 1, 2 ** 31 - 1)
    index.file.spill()
    expect((await bytesOf(disk, 'index')).toString('hex')).toBe('00000007000010687fffffff7fffffff')
  })

  // 63 entries wait in memory, 64 are written at once, 200 stand half in the file.
  it.each([0, 1, 2, 63, 64, 65, 200])('an index of %i entries finds every floor', async n => {
    const index = filled(new MemoryDisk(), n)
    for (let target = BASE; target <= BASE + 10 * n + 15; target++) {
      const floor = Math.min(n, Math.floor((target - BASE) / 10))
      const expected = { offset: BASE + 10 * floor, position: 100 * floor }
      expect(await index.lookup(target)).toEqual(expected)
    }
    expect((await index.lookup(0)).position).toBe(0)
  })

  it('the offset index is the same when it is opened again', async () => {
    const disk = new MemoryDisk()
    filled(disk, 100).file.spill()
    const again = offsetIndex(disk)
    await again.load()
    expect(again.last).toEqual({ offset: BASE + 1000, position: 10_000 })
    expect(again.file.count).toBe(100)
    again.append(BASE + 1001, 10_001)
    expect(await again.lookup(BASE + 1001)).toEqual({ offset: BASE + 1001, position: 10_001 })
    expect((await again.lookup(BASE + 999)).position).toBe(9900)
  })

  it('the offset index refuses entries that do not ascend or do not fit', () => {
    const index = filled(new MemoryDisk(), 3)
    expect(() => index.append(BASE + 30, 9999)).toThrow('ascends')
    expect(() => index.append(BASE - 1, 9999)).toThrow('relative offset fits')
    expect(() => index.append(BASE + 2 ** 31, 9999)).toThrow('relative offset fits')
    expect(index.file.count).toBe(3)
  })

  it('the offset index is full when another entry would exceed its bytes', () => {
    const index = offsetIndex(new MemoryDisk(), 30)
    index.reset()
    const fullness = [1, 2, 3].map(n => {
      index.append(BASE + n, n)
      return index.isFull
    })
    expect(fullness).toEqual([false, false, true])
  })

  it.each([0, 1, 29, 30, 31, 640, 641, 999, 1000, 1001])(
    'the offset index keeps the entries below +%i when it is truncated there',
    async relative => {
      const disk = new MemoryDisk()
      const index = filled(disk, 100)
      await index.truncateTo(BASE + relative)
      const kept = Math.max(0, Math.ceil(relative / 10) - 1)
      const count = Math.min(100, kept)
      expect(index.file.count).toBe(count)
      expect(index.last?.offset).toBe(count === 0 ? undefined : BASE + 10 * count)
      expect((await bytesOf(disk, 'index')).length).toBe(8 * count)
      index.append(BASE + 5000, 50_000)
      expect((await index.lookup(BASE + 4999)).position).toBe(100 * count)
    },
  )

  it('the offset index starts empty over an existing file', async () => {
    const disk = new MemoryDisk()
    write(disk, 'index', Buffer.alloc(21, 0x7f))
    const index = offsetIndex(disk)
    index.reset()
    expect([index.file.count, index.last]).toEqual([0, undefined])
    expect((await bytesOf(disk, 'index')).length).toBe(0)
  })
})

describe('entries of the offset index are not believed when', () => {
  const entries = (...pairs: readonly [offset: number, position: number][]): Buffer => {
    const bytes = Buffer.alloc(8 * pairs.length)
    for (const [n, [offset, position]] of pairs.entries()) {
      bytes.writeInt32BE(offset, 8 * n)
      bytes.writeInt32BE(position, 8 * n + 4)
    }
    return bytes
  }

  it.each([
    ['an offset goes back', entries([5, 50], [4, 60]), 8],
    ['an offset comes twice', entries([5, 50], [5, 60]), 8],
    ['a position goes back', entries([5, 50], [6, 40]), 8],
    ['a position comes twice', entries([5, 50], [6, 50]), 8],
    ['an offset is negative', entries([-5, 50]), 0],
    ['a position is negative', entries([5, -50]), 0],
    ['zeros follow: Kafka had sized the file in advance', entries([5, 50], [0, 0]), 8],
  ])('the offset index is refused if %s', async (_, bytes, at) => {
    const disk = new MemoryDisk()
    write(disk, 'index', bytes)
    await expect(offsetIndex(disk).lookup(BASE + 3)).rejects.toThrow(
      `index does not ascend at byte ${at}`,
    )
    await expect(offsetIndex(disk).load()).rejects.toBeInstanceOf(IndexError)
    await expect(offsetIndex(disk).truncateTo(BASE + 1)).rejects.toBeInstanceOf(IndexError)
  })

  it('an offset index that ends inside an entry is refused', async () => {
    const disk = new MemoryDisk()
    write(disk, 'index', entries([5, 50], [6, 60]).subarray(0, 13))
    await expect(offsetIndex(disk).load()).rejects.toThrow('has 13 bytes, not a multiple of 8')
  })
})

describe('the time index', () => {
  it("the time index has Kafka's bytes: timestamp and relative offset", async () => {
    const disk = new MemoryDisk()
    const index = timeIndex(disk)
    index.reset()
    index.appendIfNewer(1_700_000_000_005, BASE + 3)
    index.file.spill()
    expect((await bytesOf(disk, 'timeindex')).toString('hex')).toBe('0000018bcfe5680500000003')
  })

  it('the time index only adds times newer than all before', async () => {
    const index = timeIndex(new MemoryDisk())
    index.reset()
    index.appendIfNewer(-1, BASE)
    expect([index.file.count, index.last]).toEqual([0, undefined])
    const times = [10, 10, 5, 20, 19, 20, 21]
    for (const [n, time] of times.entries()) index.appendIfNewer(T + time, BASE + n)
    expect(index.file.count).toBe(3)
    expect(index.last).toEqual({ timestamp: T + 21, offset: BASE + 6 })
    const found = []
    for (const target of [9, 10, 11, 20, 21, 22]) {
      const entry = await index.lookupBefore(T + target)
      found.push(entry && [entry.timestamp - T, entry.offset - BASE])
    }
    expect(found).toEqual([undefined, undefined, [10, 0], [10, 0], [20, 3], [21, 6]])
  })

  it('the time index accepts a newer time at the last offset or below it', () => {
    const index = timeIndex(new MemoryDisk())
    index.reset()
    index.appendIfNewer(T, BASE + 5)
    index.appendIfNewer(T + 1, BASE + 5)
    expect(index.file.count).toBe(2)
    index.appendIfNewer(T + 2, BASE + 4)
    expect(index.last).toEqual({ timestamp: T + 2, offset: BASE + 5 })
  })

  it('the time index reserves a slot for the entry that closes the segment', () => {
    const index = timeIndex(new MemoryDisk(), 36)
    index.reset()
    index.appendIfNewer(T, BASE)
    expect(index.isFull).toBe(false)
    index.appendIfNewer(T + 1, BASE + 1)
    expect(index.isFull).toBe(true)
  })

  it('the time index is the same when it is opened again and when it is truncated', async () => {
    const disk = new MemoryDisk()
    const index = timeIndex(disk)
    index.reset()
    for (let n = 1; n <= 100; n++) index.appendIfNewer(T + n, BASE + 10 * n)
    index.file.spill()
    const again = timeIndex(disk)
    await again.load()
    expect(again.last).toEqual({ timestamp: T + 100, offset: BASE + 1000 })
    expect(await again.lookupBefore(T + 77)).toEqual({ timestamp: T + 76, offset: BASE + 760 })
    await again.truncateTo(BASE + 500)
    expect(again.last).toEqual({ timestamp: T + 49, offset: BASE + 490 })
    expect(await again.lookupBefore(T + 77)).toEqual(again.last)
    await again.truncateTo(BASE)
    expect([again.last, await again.lookupBefore(T + 77)]).toEqual([undefined, undefined])
  })

  const entries = (...pairs: readonly [timestamp: number, offset: number][]): Buffer => {
    const bytes = Buffer.alloc(12 * pairs.length)
    for (const [n, [timestamp, offset]] of pairs.entries()) {
      bytes.writeBigInt64BE(BigInt(timestamp), 12 * n)
      bytes.writeInt32BE(offset, 12 * n + 8)
    }
    return bytes
  }

  it.each([
    ['a time goes back', entries([T, 1], [T - 1, 2]), 12],
    ['a time comes twice', entries([T, 1], [T, 2]), 12],
    ['an offset goes back', entries([T, 2], [T + 1, 1]), 12],
    ['a time is negative', entries([-1, 1]), 0],
    ['an offset is negative', entries([T, -1]), 0],
    ['zeros follow', entries([T, 1], [0, 0]), 12],
  ])('the time index is refused if %s', async (_, bytes, at) => {
    const disk = new MemoryDisk()
    write(disk, 'timeindex', bytes)
    const message = `timeindex does not ascend at byte ${at}`
    await expect(timeIndex(disk).lookupBefore(T)).rejects.toThrow(message)
    await expect(timeIndex(disk).load()).rejects.toBeInstanceOf(IndexError)
  })

  it('two times may share an offset: the newest one closes the segment', async () => {
    const disk = new MemoryDisk()
    write(disk, 'timeindex', entries([T, 7], [T + 1, 7]))
    expect(await timeIndex(disk).lookupBefore(T + 1)).toEqual({ timestamp: T, offset: BASE + 7 })
  })
})

describe('the file of an index', () => {
  it('a look-up does not create an index file', async () => {
    const disk = new MemoryDisk()
    expect(await offsetIndex(disk).lookup(BASE + 5)).toEqual({ offset: BASE, position: 0 })
    expect(await timeIndex(disk).lookupBefore(T)).toBeUndefined()
    expect(disk.list('')).toEqual([])
  })

  it('an index file is written in larger pieces, and the rest with the sync', async () => {
    const disk = new MemoryDisk({ recordsHistory: true })
    const index = filled(disk, 130)
    expect((await bytesOf(disk, 'index')).length).toBe(128 * 8)
    expect(disk.history.filter(operation => operation.kind === 'append')).toHaveLength(2)
    await index.file.sync()
    expect((await bytesOf(disk, 'index')).length).toBe(130 * 8)
    expect(disk.history.at(-1)?.kind).toBe('sync')
  })

  it('an index file exists after a sync even if it is empty', async () => {
    const disk = new MemoryDisk()
    const index = offsetIndex(disk)
    index.reset()
    expect(disk.exists('index')).toBe(false)
    await index.file.sync()
    expect(disk.exists('index')).toBe(true)
  })

  it('an index that cannot be written keeps its entries in memory and retries', async () => {
    const disk = new MemoryDisk()
    disk.beforeOperation = operation =>
      operation.kind === 'append' ? { writtenBytes: 3, code: 'ENOSPC' } : undefined
    const index = filled(disk, 100)
    expect((await index.lookup(BASE + 777)).position).toBe(7700)
    expect(index.file.count).toBe(100)
    disk.beforeOperation = undefined
    index.append(BASE + 1010, 10_100)
    expect((await bytesOf(disk, 'index')).length).toBe(101 * 8)
    await offsetIndex(disk).load()
  })

  it('an index sync fails if the disk refuses it', async () => {
    const disk = new MemoryDisk()
    const index = filled(disk, 1)
    disk.beforeOperation = operation => {
      if (operation.kind === 'sync') throw new DiskError('EIO', 'sync', operation.path)
      return undefined
    }
    await expect(index.file.sync()).rejects.toMatchObject({ code: 'EIO' })
  })

  it('an index that grows while it is read is known to its last entry', async () => {
    const disk = new MemoryDisk()
    const index = filled(disk, 64)
    const lookup = index.lookup(BASE + 640)
    for (let n = 65; n <= 128; n++) index.append(BASE + 10 * n, 100 * n) // written meanwhile
    expect((await lookup).position).toBe(6400)
    expect(index.file.count).toBe(128)
    expect((await index.lookup(BASE + 1000)).position).toBe(10_000)
  })

  it('an index that is emptied while it is read stays empty', async () => {
    const index = filled(new MemoryDisk(), 64)
    const lookup = index.lookup(BASE + 640)
    index.reset()
    await lookup
    expect(index.file.count).toBe(0)
    expect((await index.lookup(BASE + 640)).position).toBe(0)
  })
})

describe('the cache of indexes', () => {
  const readsOf = (disk: MemoryDisk): { count: number } => {
    const reads = { count: 0 }
    disk.beforeOperation = operation => {
      if (operation.kind === 'read') reads.count++
      return undefined
    }
    return reads
  }

  it('the index cache reads a file once, also when it grows', async () => {
    const disk = new MemoryDisk()
    const cache = new IndexCache(MANY)
    const index = filled(disk, 64, cache)
    const reads = readsOf(disk)
    for (let n = 0; n < 5; n++) await index.lookup(BASE + n)
    expect(reads.count).toBe(1)
    expect(cache.bytes).toBe(512)
    for (let n = 65; n <= 128; n++) index.append(BASE + 10 * n, 100 * n)
    expect(cache.bytes).toBe(1024)
    expect((await index.lookup(BASE + 1_275)).position).toBe(12_700)
    expect(reads.count).toBe(1)
    index.file.close()
    expect(cache.bytes).toBe(0)
  })

  it('the index cache holds no more than its limit and drops the least recently used', async () => {
    const cache = new IndexCache(1200)
    const disks = [new MemoryDisk(), new MemoryDisk(), new MemoryDisk()]
    const [a, b, c] = disks.map(disk => filled(disk, 64, cache)) as [
      OffsetIndex,
      OffsetIndex,
      OffsetIndex,
    ]
    const reads = disks.map(readsOf)
    await a.lookup(BASE)
    await b.lookup(BASE)
    await a.lookup(BASE)
    await c.lookup(BASE)
    expect(cache.bytes).toBe(1024)
    await a.lookup(BASE)
    expect(reads.map(({ count }) => count)).toEqual([1, 1, 1])
    await b.lookup(BASE)
    expect(reads.map(({ count }) => count)).toEqual([1, 2, 1])
  })

  it('the index cache keeps a file larger than the cache while it is in use', async () => {
    const cache = new IndexCache(10)
    const index = filled(new MemoryDisk(), 64, cache)
    expect((await index.lookup(BASE + 15)).position).toBe(100)
    expect(cache.bytes).toBe(512)
    await filled(new MemoryDisk(), 64, cache).lookup(BASE)
    expect(cache.bytes).toBe(512)
  })
})

it('times that no number holds exactly are indexed, and found again', async () => {
  const disk = new MemoryDisk()
  const index = timeIndex(disk)
  index.reset()
  // Nanoseconds since 1970, and the largest int64, which is read as 2^63.
  const times = [T, 1_600_000_000_123_456_789, 2 ** 63]
  times.forEach((time, at) => index.appendIfNewer(time, BASE + at))
  index.file.spill()
  const again = timeIndex(disk)
  await again.load()
  expect(again.last).toEqual({ timestamp: 2 ** 63, offset: BASE + 2 })
  for (const [at, time] of times.slice(0, -1).entries()) {
    const next = times[at + 1] as number
    expect(await again.lookupBefore(next)).toEqual({ timestamp: time, offset: BASE + at })
  }
  expect((await bytesOf(disk, 'timeindex')).subarray(24, 32).toString('hex')).toBe('7fffffffffffffff')
})

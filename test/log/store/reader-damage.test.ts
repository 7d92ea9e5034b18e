/**
 * What the checksum of a batch leaves out, what an index says, and files that are shorter than they
 * were: a reader gets what was written, or an error that names the damage. Never less, and never silence.
 */

import { describe, expect, it } from 'vitest'
import type { Disk, DiskFile } from '../../../src/disk/disk.js'
import type { MemoryDisk } from '../../../src/disk/memory-disk.js'
import { openLog } from '../../../src/log/recovery/open-log.js'
import type { Log } from '../../../src/log/store/log.js'
import { isPartlogError } from '../../../src/model/errors.js'
import {
  append,
  contextOf,
  create,
  expected,
  open,
  readAll,
  world,
  type World,
} from '../helpers.js'

const SMALL = {
  'internal.segment.bytes': 330,
  'index.interval.bytes': 100,
  'retention.ms': 1_000,
  'file.delete.delay.ms': 0,
}
const T = Date.UTC(2026, 0, 1)
const COUNT = 20
const POLICIES = ['delete', 'compact'] as const

/** Closed cleanly: offsets 0 to 19 in four segments, each record a second later. */
async function closed(policy: string): Promise<World> {
  const w = world({ ...SMALL, 'cleanup.policy': policy })
  const log = await create(w)
  for (let n = 0; n < COUNT; n += 2) append(log, [`v${n}`, `v${n + 1}`], T + 1_000 * n)
  await log.close()
  return w
}

const OPTIONS = { logStartOffset: undefined, onCorruption: 'offline' } as const
const clean = { wasClosedCleanly: true, recoveryPoint: COUNT, isReplicated: false }

const filesOf = (disk: MemoryDisk, ending: string): string[] =>
  disk
    .list('orders-0')
    .map(({ name }) => `orders-0/${name}`)
    .filter(name => name.endsWith(ending))

async function bytesOf(disk: MemoryDisk, path: string): Promise<Buffer> {
  const file = disk.open(path)
  const bytes = await file.read(0, file.size)
  file.close()
  return bytes
}

async function put(disk: MemoryDisk, path: string, bytes: Buffer): Promise<void> {
  await disk.remove(path)
  const file = disk.create(path)
  file.append(bytes)
  file.close()
}

/** The error's code where reading ends by one; what was read before it must be right. */
async function outcome(reading: () => Promise<string[]>): Promise<string> {
  try {
    const lines = await reading()
    return lines.join() === expected(COUNT).join() ? 'right' : `wrong: ${lines.join(' ')}`
  } catch (error) {
    if (isPartlogError(error, 'CORRUPT_LOG') && error.message.includes('.log at position')) {
      return 'CORRUPT_LOG'
    }
    throw error
  }
}

async function opened(w: World, sealed = true): Promise<Log> {
  const isSealed = { recoveryPoints: sealed, logStarts: sealed }
  return (await open(w, { ...clean, isSealed, leaderEpochMax: 0 })).log
}

/** Reads from every offset, each time with a reader that knows nothing. */
async function readFromEach(w: World): Promise<string> {
  for (let from = 0; from < COUNT; from += 2) {
    const found = await outcome(async () => {
      const log = await opened(w)
      const lines = await readAll(log, from)
      await log.abandon()
      return [...expected(from), ...lines]
    })
    if (found !== 'right') return found
  }
  return 'right'
}

const FIELDS = [
  ['base offset', 0, 8],
  ['length', 8, 4],
  ['leader epoch', 12, 4],
  ['magic', 16, 1],
  ['last offset delta', 23, 4],
  ['max timestamp', 35, 8],
] as const

describe.each(POLICIES)('a bit of a batch, cleanup.policy %s', policy => {
  it.each(FIELDS)('a wrong bit of the %s of a batch is found', async (_, start, bytes) => {
    const seen = new Set<string>()
    const whole = await closed(policy)
    for (const path of filesOf(whole.disk, '.log')) {
      const right = await bytesOf(whole.disk, path)
      for (let at = 0; at < right.length; at += 12 + right.readInt32BE(at + 8)) {
        for (let bit = 0; bit < 8 * bytes; bit += 3) {
          const damaged = Buffer.from(right)
          damaged[at + start + (bit >> 3)]! ^= 1 << (bit & 7)
          await put(whole.disk, path, damaged)
          const found = await outcome(async () => await readAll(await opened(whole)))
          seen.add(found)
          expect(found, `${path}, batch at ${at}, bit ${bit}`).toBe('CORRUPT_LOG')
        }
      }
      await put(whole.disk, path, right)
    }
    expect(seen).toEqual(new Set(['CORRUPT_LOG']))
  })

  it('a wrong bit of a base offset is found, wherever a read begins', async () => {
    for (const bit of [62, 61, 60, 57, 47]) {
      const w = await closed(policy)
      const [, path = ''] = filesOf(w.disk, '.log')
      const bytes = await bytesOf(w.disk, path)
      for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8)) {
        const damaged = Buffer.from(bytes)
        damaged[at + (bit >> 3)]! ^= 128 >> (bit & 7)
        await put(w.disk, path, damaged)
        expect(await readFromEach(w), `batch at ${at}, bit ${bit}`).toBe('CORRUPT_LOG')
      }
    }
  })
})

it('a moved last batch is noticed, also in a copy of a cleanly closed log', async () => {
  const w = await closed('compact')
  const path = filesOf(w.disk, '.log').at(-1) as string
  const bytes = await bytesOf(w.disk, path)
  let last = 0
  for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8)) last = at
  bytes[last + 4]! ^= 0x40
  await put(w.disk, path, bytes)
  const isSealed = { recoveryPoints: true, logStarts: true }
  const opening = open(w, { ...clean, isReplicated: true, isSealed })
  await expect(opening).rejects.toMatchObject({
    code: 'CORRUPT_LOG',
    message: expect.stringContaining(`${path} at position ${last}`),
  })
})

describe.each(POLICIES)('a closed segment that lost its end, cleanup.policy %s', policy => {
  it('a closed segment cut at any byte before it was opened is found', async () => {
    const w = await closed(policy)
    const [, path = ''] = filesOf(w.disk, '.log')
    const bytes = await bytesOf(w.disk, path)
    for (let left = 0; left < bytes.length; left++) {
      await put(w.disk, path, bytes.subarray(0, left))
      const found = await outcome(async () => await readAll(await opened(w)))
      expect(found, `${left} bytes are left`).toBe('CORRUPT_LOG')
    }
  })

  it('a closed segment cut at any byte while it is open is found', async () => {
    for (let left = 0; left < 210; left += 7) {
      const w = await closed(policy)
      const [, path = ''] = filesOf(w.disk, '.log')
      const { disk, cutTo } = shortening(w.disk, path)
      const { log } = await openLog(contextOf({ ...w, disk }), { ...OPTIONS, ...clean })
      cutTo(left)
      expect(await outcome(() => readAll(log)), `${left} bytes are left`).toBe('CORRUPT_LOG')
    }
  })
})

/** A disk on which one file gets shorter while it is open. */
function shortening(disk: MemoryDisk, path: string) {
  let size = Infinity
  const withShortReads = (file: DiskFile): DiskFile =>
    new Proxy(file, {
      get(target, name) {
        if (name === 'read') {
          return (position: number, length: number) =>
            target.read(position, Math.max(0, Math.min(length, size - position)))
        }
        if (name === 'readNow') {
          return (position: number, buffer: Buffer) =>
            target.readNow(position, buffer.subarray(0, Math.max(0, size - position)))
        }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  const shortened = new Proxy<Disk>(disk, {
    get(target, name) {
      if (name === 'open') {
        return (opened: string) =>
          opened === path ? withShortReads(disk.open(opened)) : disk.open(opened)
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { disk: shortened, cutTo: (bytes: number) => (size = bytes) }
}

describe('a time index', () => {
  const search = async (log: Log, second: number): Promise<number | undefined> =>
    (await log.findTimestamp(T + 1_000 * second))?.offset

  const everyBit = async (
    ending: string,
    look: (w: World, what: string) => Promise<void>,
  ): Promise<void> => {
    const w = await closed('delete')
    for (const path of filesOf(w.disk, ending)) {
      const right = await bytesOf(w.disk, path)
      for (let bit = 0; bit < 8 * right.length; bit += 5) {
        const damaged = Buffer.from(right)
        damaged[bit >> 3]! ^= 1 << (bit & 7)
        const copy = await copyOf(w)
        await put(copy.disk, path, damaged)
        await look(copy, `${path}, bit ${bit}`)
      }
      for (let left = 0; left < right.length; left++) {
        const copy = await copyOf(w)
        await put(copy.disk, path, right.subarray(0, left))
        await look(copy, `${path}, ${left} bytes are left`)
      }
    }
  }

  async function copyOf(w: World): Promise<World> {
    const copy = world(SMALL)
    copy.disk.makeDirectory('orders-0')
    for (const { name } of w.disk.list('orders-0')) {
      await put(copy.disk, `orders-0/${name}`, await bytesOf(w.disk, `orders-0/${name}`))
    }
    return copy
  }

  it.each(['.timeindex', '.index'])('a wrong bit or a cut of %s is found', async ending => {
    await everyBit(ending, async (w, what) => {
      const log = await opened(w)
      for (let second = 0; second <= 18; second += 3) {
        const wanted = second + (second % 2)
        expect(await search(log, second), `${what}, second ${second}`).toBe(wanted)
      }
      expect(await search(log, 19), what).toBeUndefined()
      expect(await log.findNewest(), what).toMatchObject({ offset: 18 })
      expect(await readAll(log), what).toEqual(expected(COUNT))
      append(log, ['more'], T + 100_000)
      expect(await search(log, 19), what).toBe(20)
      await log.abandon()
    })
  })

  it('a damaged time index deletes old records and nothing else', async () => {
    await everyBit('.timeindex', async (w, what) => {
      const log = await opened(w)
      // Kept are records of the last second: the first segment is old, and all of the second but
      // its last batch.
      const [base = 0, next = 0] = filesOf(w.disk, '.log')
        .slice(1)
        .map(path => Number.parseInt(path.slice('orders-0/'.length)))
      await w.clock.advance(T + 1_000 * (next - 2) + 500 - w.clock.now())
      await log.deleteOldSegments(COUNT)
      expect(log.logStartOffset, what).toBe(base)
      expect(await readAll(log), what).toEqual(expected(COUNT, base))
      await log.abandon()
    })
  })
})

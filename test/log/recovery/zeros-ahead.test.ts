/** Segments that end in zeros, written ahead of records, when the process or the power has died. */

import { describe, expect, it } from 'vitest'
import { fillDisk, MemoryDisk } from '../../../src/disk/memory-disk.js'
import type { DiskFile } from '../../../src/disk/disk.js'
import { findPartitions } from '../../../src/log/inspection/log-directory.js'
import type { PartitionDirectory } from '../../../src/log/inspection/partition-directory.js'
import { inspectPartition } from '../../../src/log/inspection/verify-log.js'
import { append, create, expected, open, readAll, world, type World } from '../helpers.js'

const LOG = (base: number): string => `orders-0/${String(base).padStart(20, '0')}.log`
const ZEROS = Buffer.alloc(4096)
const WHOLE = 3
/** The last value reaches across several sectors. */
const LAST = 'x'.repeat(1500)

/** A log with four batches, the last one long, as the death of its process leaves it. */
async function died(last = LAST, settings = {}): Promise<{ w: World; bytes: Buffer; at: number }> {
  const w = world(settings)
  const log = await create(w)
  for (let index = 0; index < WHOLE; index++) append(log, [`v${index}`])
  await log.flush()
  const at = log.sizeBytes
  append(log, [last])
  await log.abandon()
  return { w, bytes: await contentOf(w, LOG(0)), at }
}

async function contentOf(w: World, path: string): Promise<Buffer> {
  const file = w.disk.open(path)
  return await file.read(0, file.size)
}

/** The same world with other bytes in some files. */
async function withFiles(w: World, changed: Readonly<Record<string, Buffer>>): Promise<World> {
  const files = new Map(Object.entries(changed))
  for (const { name } of w.disk.list('orders-0')) {
    const path = `orders-0/${name}`
    if (!files.has(path)) files.set(path, await contentOf(w, path))
  }
  const disk = new MemoryDisk({ recordsHistory: true })
  fillDisk(disk, ['orders-0'], files)
  return { ...w, disk }
}

async function opened(w: World, bytes: Buffer) {
  const left = await withFiles(w, { [LOG(0)]: bytes })
  const { log, findings } = await open(left)
  const kept = left.disk.list('orders-0').filter(({ name }) => name.endsWith('.kept'))
  return { left, log, kinds: findings.map(({ kind }) => kind), kept: kept.length }
}

describe('zeros after the last record', () => {
  it.each([17, 512, 4096, 3_000_000])('%i of them are the end of the log', async count => {
    const { w, bytes } = await died()
    const whole = Buffer.concat([bytes, Buffer.alloc(count)])
    const tools = await withFiles(w, { [LOG(0)]: whole })
    expect((await inspectPartition(tools.disk, 'orders-0')).problems).toEqual([])
    const { left, log, kinds, kept } = await opened(w, whole)
    expect(log.logEndOffset).toBe(WHOLE + 1)
    expect(kinds).toEqual([])
    expect(kept).toBe(0)
    // They are cut off, durably: what is appended later follows the last record.
    expect((await contentOf(left, LOG(0))).equals(bytes)).toBe(true)
    append(log, ['more'])
    expect((await readAll(log)).at(-1)).toBe(`${WHOLE + 1}:more`)
    const cut = left.disk.history.findIndex(({ kind }) => kind === 'truncate')
    expect(left.disk.history.slice(cut).some(({ kind }) => kind === 'sync')).toBe(true)
  })

  it('a log of zeros alone is empty', async () => {
    const { w } = await died()
    const { log, kinds } = await opened(w, ZEROS)
    expect(log.logEndOffset).toBe(0)
    expect(kinds).toEqual([])
  })

  it('zeros of a segment that was closed meanwhile are cut off too', async () => {
    const w = world({ 'internal.segment.bytes': 300 })
    const log = await create(w)
    for (let index = 0; index < 10; index++) append(log, [`v${index}`])
    await log.abandon()
    const bytes = await contentOf(w, LOG(0))
    const { left, log: again, kinds } = await opened(w, Buffer.concat([bytes, ZEROS]))
    expect(await readAll(again)).toEqual(expected(10))
    expect(kinds).toEqual([])
    expect(await contentOf(left, LOG(0))).toEqual(bytes)
  })

  it('zeros are damage where synced records are missing', async () => {
    const { w, bytes, at } = await died()
    const left = await withFiles(w, { [LOG(0)]: Buffer.concat([bytes.subarray(0, at), ZEROS]) })
    await expect(open(left, { recoveryPoint: WHOLE + 1 })).rejects.toThrow('CORRUPT_LOG')
  })
})

describe('the last batch before zeros', () => {
  it('the last batch before zeros is a torn tail if any of its sectors was not written', async () => {
    const { w, bytes, at } = await died()
    for (let sector = Math.floor(at / 512); sector * 512 < bytes.length; sector++) {
      const torn = Buffer.concat([bytes, ZEROS])
      torn.fill(0, Math.max(at, sector * 512), (sector + 1) * 512)
      const { log, kinds, kept } = await opened(w, torn)
      expect(log.logEndOffset, `sector ${sector}`).toBe(WHOLE)
      // Without its header nothing says that there was a batch, unless bytes follow.
      expect(kinds, `sector ${sector}`).toEqual(['torn-tail'])
      expect(kept).toBe(1)
    }
  })

  it('the last batch before zeros is a torn tail if it was cut short at any sector', async () => {
    const { w, bytes, at } = await died()
    const border = Math.ceil(at / 512) * 512
    for (let end = border; end < bytes.length; end += 512) {
      const torn = Buffer.concat([bytes.subarray(0, end), ZEROS])
      const { log, kinds } = await opened(w, torn)
      expect(log.logEndOffset, `cut at ${end}`).toBe(WHOLE)
      expect(kinds, `cut at ${end}`).toEqual(['torn-tail'])
    }
  })

  it('the last batch before zeros is refused if any bit of it has rotted: nothing is cut off', async () => {
    const { w, bytes, at } = await died('short')
    for (let index = at; index < bytes.length; index++) {
      for (const bit of [1, 128]) {
        const rotten = Buffer.concat([bytes, ZEROS])
        rotten[index] = (rotten[index] as number) ^ bit
        const left = await withFiles(w, { [LOG(0)]: rotten })
        const opening = open(left, { leaderEpochMax: 0, isReplicated: false })
        await expect(opening, `byte ${index - at}, bit ${bit}`).rejects.toThrow('CORRUPT_LOG')
        expect((await contentOf(left, LOG(0))).equals(rotten)).toBe(true)
      }
    }
  })
})

/** As another process writes it: with every read, the next batch stands where zeros were. */
function beingWritten(w: World, path: string, ends: readonly number[], seen: number): MemoryDisk {
  let written = seen
  const masked = (file: DiskFile): DiskFile =>
    new Proxy(file, {
      get: (target, name) => {
        if (name === 'read') {
          return async (position: number, length: number) => {
            const bytes = await target.read(position, length)
            const end = ends[Math.min(written++, ends.length - 1)] as number
            bytes.fill(0, Math.max(0, Math.min(end - position, bytes.length)))
            return bytes
          }
        }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  const open = w.disk.open.bind(w.disk)
  w.disk.open = name => (name === path ? masked(open(name)) : open(name))
  return w.disk
}

describe('a reader beside the writer', () => {
  it.each([0, 1, 2, 3, 4, 5, 9])(
    'a reader beside the writer sees no damage where records take the place of zeros (%i)',
    async seen => {
      const w = world()
      const log = await create(w)
      const ends: number[] = []
      for (let index = 0; index < 30; index++) {
        append(log, [`v${index} ${'x'.repeat(200)}`])
        ends.push(log.sizeBytes)
      }
      await log.abandon()
      const bytes = Buffer.concat([await contentOf(w, LOG(0)), ZEROS])
      const read = async (): Promise<World> => {
        const left = await withFiles(w, { [LOG(0)]: bytes })
        beingWritten(left, LOG(0), ends, seen)
        return left
      }
      const { log: opened, findings } = await open(await read())
      expect(findings).toEqual([])
      expect(opened.logEndOffset).toBeGreaterThan(seen)
      const [partition] = await findPartitions((await read()).disk)
      const offsets: number[] = []
      for await (const { offset } of (partition as PartitionDirectory).records()) offsets.push(offset)
      expect(offsets).toEqual(Array.from({ length: offsets.length }, (_, n) => n))
      expect(offsets.length).toBeGreaterThan(seen)
      const { problems } = await inspectPartition((await read()).disk, 'orders-0')
      expect(problems).toEqual([])
    },
  )
})

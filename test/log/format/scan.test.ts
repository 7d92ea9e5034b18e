/** Three walks over the same bytes: with buffers of their own, with kept ones, over headers only. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import type { DiskFile } from '../../../src/disk/disk.js'
import { NodeDisk } from '../../../src/disk/node-disk.js'
import {
  readBatches,
  SCAN_WINDOW_BYTES,
  scanBatches,
  scanHeaders,
  type BatchVisitor,
  type ScanEnd,
} from '../../../src/log/format/scan.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { assignOffset, Batch } from '../../../src/model/batch/batch.js'

const NOW = Date.UTC(2026, 0, 1)
const turn = async (): Promise<void> => undefined

function batch(offset: number, bytes: number): Buffer {
  const builder = new BatchBuilder(Buffer.alloc(bytes + 200))
  builder.tryAppend(NOW, null, Buffer.alloc(bytes, offset % 251), [])
  const built = Buffer.from(builder.build())
  assignOffset(new Batch(built, 0), offset, 0)
  return built
}

function fileWith(content: Buffer): DiskFile {
  const folder = mkdtempSync(join(tmpdir(), 'partlog-scan-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = new NodeDisk(folder).create('a')
  onTestFinished(() => file.close())
  file.append(content)
  return file
}

/** Batches of every size: around the windows, larger than them, and many small ones. */
function mixed(seed: number): Buffer {
  const random = seededRandom(seed)
  const sizes = [10, 10, 300, 16_000, 16_384, 20_000, 65_000, 70_000, 400_000, 1_200_000]
  return Buffer.concat(
    Array.from({ length: 60 }, (_, n) => batch(n, sizes[random.int(sizes.length)] as number)),
  )
}

interface Walk {
  readonly seen: readonly string[]
  readonly end: ScanEnd
}

async function walked(scan: (visit: BatchVisitor) => Promise<ScanEnd>): Promise<Walk> {
  const seen: string[] = []
  const end = await scan((each, position) => {
    seen.push(`${each.baseOffset}@${position}+${each.size}`)
    return undefined
  })
  return { seen, end }
}

async function everyWay(file: DiskFile): Promise<Walk> {
  const own = await walked(visit => scanBatches(file, visit))
  const kept = await walked(visit => scanBatches(file, visit, { isPassing: true }))
  const headers = await walked(visit => scanHeaders(file, visit, { from: 0, turn }))
  expect(kept).toEqual(own)
  expect(headers).toEqual(own)
  return own
}

describe('a walk over batches', () => {
  it('a walk over batches sees the same batches whichever way it is made', async () => {
    for (const seed of [1, 2, 3]) {
      const bytes = mixed(seed)
      const { seen, end } = await everyWay(fileWith(bytes))
      expect(seen).toHaveLength(60)
      expect(end).toEqual({ position: bytes.length })
      const cut = bytes.length - 5
      expect((await everyWay(fileWith(bytes.subarray(0, cut)))).end.isShort).toBe(true)
    }
  })

  it('a walk over batches ends at the same break, whichever way it is made', async () => {
    const bytes = mixed(4)
    const at = batch(0, 10).length // any batch but the first may begin there
    const broken = Buffer.concat([batch(0, 10), Buffer.alloc(100), bytes])
    const { end } = await everyWay(fileWith(broken))
    expect(end).toMatchObject({ position: at, reason: 'magic is 0, expected 2' })
    expect((await everyWay(fileWith(Buffer.alloc(0)))).end).toEqual({ position: 0 })
  })

  it('a walk over batches reads into two buffers in turn if no batch is kept', async () => {
    const file = fileWith(Buffer.concat(Array.from({ length: 80 }, (_, n) => batch(n, 100_000))))
    const buffers = (isPassing: boolean) => async (): Promise<number> => {
      const used = new Set<ArrayBufferLike>()
      const note = (each: Batch): undefined => void used.add(each.buffer.buffer)
      await scanBatches(file, note, { isPassing })
      return used.size
    }
    expect(await buffers(true)()).toBe(2)
    expect(await buffers(false)()).toBeGreaterThan(5)
  })

  it('compares checksums in kept buffers, too', async () => {
    const bytes = Buffer.concat(Array.from({ length: 40 }, (_, n) => batch(n, 100_000)))
    bytes[bytes.length - 50] = 255
    const end = await scanBatches(fileWith(bytes), () => undefined, { isPassing: true })
    expect(end.reason).toContain('CRC-32C does not match')
  })

  it('a walk over batches fails with the error of the read ahead, and only once', async () => {
    const file = fileWith(Buffer.concat(Array.from({ length: 40 }, (_, n) => batch(n, 100_000))))
    let reads = 0
    const failing = Object.create(file, {
      size: { value: file.size },
      read: {
        value: async (position: number, length: number): Promise<Buffer> => {
          if (++reads === 3) throw new Error('unreadable')
          return await file.read(position, length)
        },
      },
    }) as DiskFile
    const scan = scanBatches(failing, () => undefined, { isPassing: true })
    await expect(scan).rejects.toThrow('unreadable')
    expect(reads).toBe(3)
  })

  it('a walk over batches reads little of large batches if only headers are wanted', async () => {
    const file = fileWith(Buffer.concat(Array.from({ length: 20 }, (_, n) => batch(n, 400_000))))
    let bytes = 0
    const counting = Object.create(file, {
      size: { value: file.size },
      readNow: {
        value: (position: number, into: Uint8Array): number => {
          const count = file.readNow(position, into)
          bytes += count
          return count
        },
      },
    }) as DiskFile
    await scanHeaders(counting, () => undefined, { from: 0, turn })
    expect(bytes).toBeLessThan(file.size / 5)
  })

  it('a walk over batches gives groups of batches that stay valid', async () => {
    const bytes = mixed(5)
    const groups: (readonly Batch[])[] = []
    for await (const group of readBatches(fileWith(bytes))) groups.push(group)
    const whole = groups.flat().map(each => each.buffer.subarray(each.start, each.end))
    expect(Buffer.concat(whole).equals(bytes)).toBe(true)
    expect(bytes.length).toBeGreaterThan(3 * SCAN_WINDOW_BYTES)
  })
})

/** A file without a checksum, and the copy beside it that has one. */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { DiskError } from '../../../src/disk/disk.js'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'
import {
  SealedFile,
  type SealedText,
  type WriteCounts,
} from '../../../src/log/format/sealed-file.js'
import { afterPowerCut, DAMAGES } from '../../../src/testing/simulation/power-cut.js'

const PATH = 'd/checkpoint'
const COPY = 'd/checkpoint.sealed'

function newDisk(): MemoryDisk {
  const disk = new MemoryDisk({ recordsHistory: true })
  disk.makeDirectory('d')
  return disk
}

async function written(...texts: string[]): Promise<MemoryDisk> {
  const disk = newDisk()
  const file = new SealedFile(disk, PATH)
  await file.load()
  for (const text of texts) await file.write(text)
  return disk
}

async function read(disk: MemoryDisk): Promise<SealedText> {
  const file = new SealedFile(disk, PATH)
  await file.load()
  return file.content
}

async function bytesOf(disk: MemoryDisk, path: string): Promise<Buffer> {
  const file = disk.open(path)
  const bytes = await file.read(0, file.size)
  file.close()
  return bytes
}

async function put(disk: MemoryDisk, path: string, bytes: Buffer | string): Promise<void> {
  await disk.remove(path)
  disk.create(path).append(Buffer.from(bytes))
}

const RIGHT = { text: 'two 5\n', isSealed: true, odd: undefined }

describe('a sealed file', () => {
  it('a sealed file is read as it was written, and Kafka can read it', async () => {
    const disk = await written('one\n', 'two 5\n')
    expect(await read(disk)).toEqual(RIGHT)
    expect((await bytesOf(disk, PATH)).toString()).toBe('two 5\n')
    expect(disk.list('d').map(({ name }) => name)).toEqual(['checkpoint', 'checkpoint.sealed'])
  })

  it('a sealed file that does not exist has no text', async () => {
    expect(await read(newDisk())).toEqual({ text: undefined, isSealed: false, odd: undefined })
  })

  it('a file without a sealed copy is read alone', async () => {
    const disk = newDisk()
    await put(disk, PATH, 'of Kafka\n')
    const file = new SealedFile(disk, PATH)
    await file.load()
    expect(file.content).toEqual({ text: 'of Kafka\n', isSealed: false, odd: undefined })
    await file.write('of Kafka\n')
    expect(await read(disk)).toEqual({ text: 'of Kafka\n', isSealed: true, odd: undefined })
  })

  it('a sealed file is not written again when its text has not changed', async () => {
    const disk = await written('two 5\n')
    const before = disk.history.length
    const file = new SealedFile(disk, PATH)
    await file.load()
    expect(file.content.isSealed).toBe(true)
    await file.write('two 5\n')
    expect(disk.history.length).toBe(before)
    await file.write('three\n')
    expect(disk.history.length).toBeGreaterThan(before)
  })

  it('a sealed file with any wrong bit in one of the two is restored or reported', async () => {
    for (const [path, isTold] of [
      [PATH, true],
      [COPY, true],
    ] as const) {
      const { length } = await bytesOf(await written('one\n', 'two 5\n'), path)
      for (let bit = 0; bit < length * 8; bit++) {
        const disk = await written('one\n', 'two 5\n')
        const bytes = await bytesOf(disk, path)
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        await put(disk, path, bytes)
        const { text, odd } = await read(disk)
        expect([text, odd !== undefined]).toEqual(['two 5\n', isTold])
      }
    }
  })

  it.each([
    ['an older copy', 'before one\n'],
    ['nothing', ''],
    ['another file', 'three\n'],
  ])('a sealed file that became %s is restored from its copy', async (_, text) => {
    const disk = await written('before one\n', 'one\n', 'two 5\n')
    await put(disk, PATH, text)
    const odd = 'd/checkpoint is not what was written'
    expect(await read(disk)).toEqual({ ...RIGHT, odd })
    await disk.remove(PATH)
    expect(await read(disk)).toEqual({ ...RIGHT, odd })
  })

  it('a file whose copy is older is used, because other copies have the count', async () => {
    const disk = await written()
    const counts: WriteCounts = new Map()
    const file = new SealedFile(disk, PATH, counts)
    const other = new SealedFile(disk, 'd/other', counts)
    for (const text of ['one\n', 'two 5\n']) await file.write(text)
    const older = await bytesOf(disk, COPY)
    await file.write('three\n')
    await other.write('other\n')
    await put(disk, COPY, older)
    const again: WriteCounts = new Map()
    const [read1, read2] = [PATH, 'd/other'].map(path => new SealedFile(disk, path, again))
    await read1?.load()
    await read2?.load()
    const odd = 'd/checkpoint.sealed is an older copy'
    expect(read1?.content).toEqual({ text: 'three\n', isSealed: false, odd })
    expect(read2?.content).toEqual({ text: 'other\n', isSealed: true, odd: undefined })
  })

  it('a sealed file refuses the copy of another file', async () => {
    const disk = await written('two 5\n')
    const other = new SealedFile(disk, 'd/other')
    await other.load()
    await other.write('other\n')
    await put(disk, COPY, await bytesOf(disk, 'd/other.sealed'))
    expect(await read(disk)).toEqual({
      text: 'two 5\n',
      isSealed: false,
      odd: 'd/checkpoint.sealed is damaged',
    })
  })

  it('a sealed file is old or new after a crash at any moment, without a finding', async () => {
    for (let at = 0; ; at++) {
      const disk = newDisk()
      await disk.syncDirectory('')
      const file = new SealedFile(disk, PATH)
      await file.write('one\n')
      let count = 0
      let isOut = false
      disk.beforeOperation = operation => {
        if (operation.kind !== 'read' && count++ === at) isOut = true
        if (isOut) throw new DiskError('POWER', operation.kind, operation.path)
        return undefined
      }
      await file.write('two 5\n').catch(() => undefined)
      if (!isOut) return expect(at).toBeGreaterThan(8)
      for (const damage of DAMAGES) {
        const left = afterPowerCut(disk.history, damage, seededRandom(at))
        const { text, odd } = await read(left)
        expect(['one\n', 'two 5\n']).toContain(text)
        expect(odd, `operation ${at}, ${damage}`).toBeUndefined()
        const again = new SealedFile(left, PATH)
        await again.load()
        await again.write('three\n')
        expect(await read(left)).toEqual({ text: 'three\n', isSealed: true, odd: undefined })
      }
    }
  })

  it('a sealed file that could not be written is written the next time', async () => {
    const disk = await written('one\n')
    const file = new SealedFile(disk, PATH)
    await file.load()
    for (const path of [`${COPY}.tmp`, `${PATH}.tmp`]) {
      disk.beforeOperation = operation => {
        if (operation.kind === 'append' && operation.path === path) {
          throw new DiskError('ENOSPC', 'append', path)
        }
        return undefined
      }
      await expect(file.write('two 5\n')).rejects.toThrow('ENOSPC')
      disk.beforeOperation = undefined
      expect((await read(disk)).odd).toBeUndefined()
    }
    await file.write('two 5\n')
    expect(await read(disk)).toEqual(RIGHT)
  })
})
